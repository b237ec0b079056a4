//! Channels that are attached to a context, and go to another one.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use glib::IOCondition;
use qio::{ChannelSocket, prelude::*};

use super::*;
use crate::common::{FEW, in_time, iterations};

/// A task that waits already until there is a byte, and reads it.
fn reading(context: &MainContext, channel: &ChannelSocket) -> JoinHandle<io::Result<()>> {
    let channel = channel.clone();
    let task = start(
        context,
        async move { channel.read_all_future(&mut [0]).await },
    );
    settle(context);
    task
}

#[test]
fn a_wait_goes_along_when_its_channel_is_attached_to_another_context() {
    let (here, idle) = (MainContext::new(), MainContext::new());
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    a.attach_context(&idle);
    let waits = reading(&here, &a);
    b.write_all(b"x").expect("space");
    assert!(iterations(&here) <= FEW);
    assert!(
        !waits.is_finished(),
        "no thread runs the context of the channel"
    );
    let runner = Runner::new();
    a.attach_context(&runner.context);
    join(&here, waits).expect("no panic").expect("read");
}

#[test]
fn a_wait_goes_along_when_its_channel_is_detached() {
    let (here, idle) = (MainContext::new(), MainContext::new());
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    a.attach_context(&idle);
    let read = reading(&here, &a);
    let channel = a.clone();
    let ready = start(&here, async move { channel.ready(IOCondition::IN).await });
    settle(&here);
    a.detach_context();
    settle(&here);
    assert!(
        !read.is_finished() && !ready.is_finished(),
        "there is nothing"
    );
    b.write_all(b"xy").expect("space");
    join(&here, read).expect("no panic").expect("read");
    let got = join(&here, ready).expect("no panic").expect("conditions");
    assert_eq!(got, IOCondition::IN);
}

#[test]
fn a_channel_lets_go_of_the_context_that_it_was_attached_to() {
    let context = MainContext::new();
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    a.attach_context(&context);
    let held = Arc::new(());
    let inside = held.clone();
    let waits = start(&context, async move {
        let _held = inside;
        std::future::pending::<()>().await;
    });
    settle(&context);
    drop(context);
    assert_eq!(Arc::strong_count(&held), 2, "the channel keeps it");
    a.detach_context();
    assert_eq!(Arc::strong_count(&held), 1);
    assert!(waits.is_finished());
    drop(b);
}

/// A task that reads bytes until the end and reports each.
fn reporting(context: &MainContext, channel: &ChannelSocket) -> mpsc::Receiver<io::Result<u8>> {
    let (sender, receiver) = mpsc::channel();
    let channel = channel.clone();
    drop(qio::spawn_in(context, Priority::DEFAULT, async move {
        let mut byte = [0];
        loop {
            let reported = match channel.read_all_eof_future(&mut byte).await {
                Ok(true) => sender.send(Ok(byte[0])),
                Ok(false) => break,
                Err(e) => sender.send(Err(e)),
            };
            if reported.is_err() {
                break;
            }
        }
    }));
    receiver
}

#[test]
fn a_channel_that_goes_back_and_forth_between_running_contexts_keeps_its_waiters() {
    let runners = [Runner::new(), Runner::new()];
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    let reported = reporting(&runners[0].context, &a);
    for round in 0..2_000_u32 {
        a.attach_context(&runners[round as usize % 2].context);
        b.write_all(&[round as u8]).expect("space");
        let byte = reported.recv_timeout(TIMEOUT).expect("its wait went along");
        assert_eq!(byte.expect("read"), round as u8);
    }
    a.detach_context();
    b.write_all(b"!").expect("space");
    let byte = reported.recv_timeout(TIMEOUT).expect("it goes on");
    assert_eq!(byte.expect("read"), b'!');
}

#[test]
fn nothing_is_lost_while_a_channel_moves_all_the_time() {
    let runners = [Runner::new(), Runner::new()];
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    let reported = runners
        .each_ref()
        .map(|runner| reporting(&runner.context, &a));
    let done = Arc::new(AtomicBool::new(false));
    let (over, channel) = (done.clone(), a.clone());
    let contexts = runners.each_ref().map(|runner| runner.context.clone());
    let mover = thread::spawn(move || {
        while !over.load(Ordering::Relaxed) {
            for context in &contexts {
                channel.attach_context(context);
            }
            channel.detach_context();
        }
    });
    let end = std::time::Instant::now() + TIMEOUT;
    let result = (0..3_000).try_for_each(|round| {
        b.write_all(&[round as u8]).expect("space");
        loop {
            // Either of the two gets it.
            let byte = reported
                .iter()
                .find_map(|reported| reported.try_recv().ok());
            match byte {
                Some(Ok(byte)) if byte == round as u8 => return Ok(()),
                Some(byte) => return Err(format!("round {round}: {byte:?}")),
                None if std::time::Instant::now() > end => {
                    return Err(format!("round {round}: no task has reported it"));
                }
                None => thread::yield_now(),
            }
        }
    });
    done.store(true, Ordering::Relaxed);
    mover.join().expect("no panic");
    b.close().expect("closed");
    result.expect("all is read in order");
}

#[test]
fn a_wait_by_the_context_of_another_thread_misses_nothing_that_comes_as_it_begins() {
    in_time(|| {
        let (runner, here) = (Runner::new(), MainContext::new());
        let (sender, peers) = mpsc::channel::<ChannelSocket>();
        let writer = thread::spawn(move || {
            for peer in peers {
                peer.write_all(b"x").expect("space");
            }
        });
        for _ in 0..5_000 {
            let (a, b) = ChannelSocket::pair().expect("a socketpair");
            a.attach_context(&runner.context);
            sender.send(b.clone()).expect("it listens");
            here.block_on(a.read_all_future(&mut [0])).expect("read");
        }
        drop(sender);
        writer.join().expect("no panic");
    });
}

#[test]
fn threads_that_begin_to_wait_for_one_channel_at_once_share_its_context() {
    in_time(|| {
        let runner = Runner::new();
        for _ in 0..2_000 {
            let (a, b) = ChannelSocket::pair().expect("a socketpair");
            a.attach_context(&runner.context);
            let barrier = std::sync::Barrier::new(3);
            thread::scope(|scope| {
                let threads = [0, 1].map(|_| {
                    scope.spawn(|| {
                        let context = MainContext::new();
                        barrier.wait();
                        // Not by `block_on`: its waker is a source of GLib's, which another thread
                        // must not use while the context goes. Nothing else wakes the loop.
                        let channel = a.clone();
                        let read = async move { channel.read_all_future(&mut [0]).await };
                        let task = start(&context, read);
                        while !task.is_finished() {
                            context.iteration(true);
                        }
                        join(&context, task).expect("no panic")
                    })
                });
                barrier.wait();
                b.write_all(b"xy").expect("space");
                for thread in threads {
                    thread.join().expect("no panic").expect("read");
                }
            });
        }
    });
}
