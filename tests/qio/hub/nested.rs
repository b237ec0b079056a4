//! Main loops inside a watch, a handler or a task, of the same context and of another one.

use std::{cell::RefCell, rc::Rc, time::Duration};

use glib::IOCondition;
use qio::{ChannelSocket, prelude::*};

use super::*;
use crate::common::nonblocking_pair;

type OnByte = Box<dyn FnMut(u8)>;

/// Calls a function with each byte that comes through a channel, until the channel ends.
fn by_watch(context: &MainContext, channel: &ChannelSocket, mut on_byte: OnByte) {
    let read = move |channel: &ChannelSocket, _| {
        let mut byte = [0];
        match channel.read(&mut byte) {
            Ok(1) => on_byte(byte[0]),
            Ok(_) => return ControlFlow::Break,
            Err(e) => assert_eq!(e.kind(), std::io::ErrorKind::WouldBlock, "{e}"),
        }
        ControlFlow::Continue
    };
    channel.add_watch_source_local(IOCondition::IN, read, Some(context));
}

/// The same.
fn by_handler(context: &MainContext, channel: &ChannelSocket, mut on_byte: OnByte) {
    let reader = channel.clone();
    let read = move || {
        let mut byte = [0];
        match reader.read(&mut byte) {
            Ok(1) => on_byte(byte[0]),
            Ok(_) => reader.set_fd_handler_local(None, None, None),
            Err(e) => assert_eq!(e.kind(), std::io::ErrorKind::WouldBlock, "{e}"),
        }
    };
    channel.set_fd_handler_local(Some(context), Some(Box::new(read)), None);
}

/// The same.
fn by_task(context: &MainContext, channel: &ChannelSocket, mut on_byte: OnByte) {
    let channel = channel.clone();
    drop(start(context, async move {
        let mut byte = [0];
        while channel.read_future(&mut byte).await.expect("read") == 1 {
            on_byte(byte[0]);
        }
    }));
}

/// A task that reads one byte.
fn reading(context: &MainContext, channel: &ChannelSocket) -> JoinHandle<u8> {
    let channel = channel.clone();
    start(context, async move {
        let mut byte = [0];
        channel.read_all_future(&mut byte).await.expect("read");
        byte[0]
    })
}

/// A loop of `inner` runs in the middle of what `begin` has called; data for that comes meanwhile.
#[track_caller]
fn check(
    begin: fn(&MainContext, &ChannelSocket, OnByte),
    outer: &MainContext,
    inner: &MainContext,
) {
    let ((a, b), (c, d)) = (nonblocking_pair(), nonblocking_pair());
    let seen = Rc::new(RefCell::new(Vec::new()));
    let (noted, nested) = (seen.clone(), inner.clone());
    let (channel, peer) = (a.clone(), b.clone());
    let on_byte = move |byte| {
        noted.borrow_mut().push(byte);
        if byte != b'1' {
            return;
        }
        let other = reading(&nested, &c);
        let (to_channel, to_other) = (peer.clone(), d.clone());
        let write = move || {
            to_channel.write_all(b"2").expect("room");
            to_other.write_all(b"o").expect("room");
        };
        let timer = glib::timeout_source_new(
            Duration::from_millis(1),
            None,
            Priority::DEFAULT,
            move || {
                write();
                ControlFlow::Break
            },
        );
        timer.attach(Some(&nested));
        assert_eq!(join(&nested, other).expect("no panic"), b'o');
        // What calls this waits until it returns.
        assert_eq!(
            join(&nested, reading(&nested, &channel)).expect("no panic"),
            b'2'
        );
        peer.write_all(b"3").expect("room");
        settle(&nested);
    };
    begin(outer, &a, Box::new(on_byte));
    for (byte, all) in [(b"1", b"13".as_slice()), (b"4", b"134")] {
        b.write_all(byte).expect("room");
        iterate_until(outer, || seen.borrow().len() >= all.len());
        assert_eq!(*seen.borrow(), all);
    }
    b.close().expect("closed");
    iterate_until(outer, || Rc::strong_count(&seen) == 1);
}

#[track_caller]
fn check_in(begin: fn(&MainContext, &ChannelSocket, OnByte)) {
    let (context, other) = (MainContext::new(), MainContext::new());
    for _ in 0..20 {
        check(begin, &context, &context);
        check(begin, &context, &other);
        // One that has not waited for anything yet.
        check(begin, &context, &MainContext::new());
    }
}

#[test]
fn a_loop_inside_a_watch_loses_nothing_that_comes_meanwhile() {
    check_in(by_watch);
}

#[test]
fn a_loop_inside_a_handler_loses_nothing_that_comes_meanwhile() {
    check_in(by_handler);
}

#[test]
fn a_loop_inside_a_task_loses_nothing_that_comes_meanwhile() {
    check_in(by_task);
}
