//! Main loops inside a watch, a handler or a task, of the same context and of another one.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
    task::{Poll, Waker},
    thread,
    time::Duration,
};

use glib::IOCondition;
use qio::{ChannelSocket, prelude::*};

use super::*;
use crate::common::{in_time, nonblocking_pair};

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
            to_channel.write_all(b"2").expect("space");
            to_other.write_all(b"o").expect("space");
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
        peer.write_all(b"3").expect("space");
        settle(&nested);
    };
    begin(outer, &a, Box::new(on_byte));
    for (byte, all) in [(b"1", b"13".as_slice()), (b"4", b"134")] {
        b.write_all(byte).expect("space");
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

/// A watch of another context, in which nothing happens until the hub waits in its place: then data
/// comes, or the channel is closed by another thread.
fn wait_by_an_idle_watch(closes: bool) {
    let context = MainContext::new();
    let (a, b) = nonblocking_pair();
    let got = Rc::new(Cell::new(IOCondition::empty()));
    let noted = got.clone();
    let note = move |_: &ChannelSocket, condition| {
        noted.set(condition);
        ControlFlow::Break
    };
    a.add_watch_source_local(IOCondition::IN, note, Some(&context));
    for _ in 0..100 {
        context.iteration(false);
    }
    let thread = thread::spawn(move || match closes {
        true => a.close().expect("closed"),
        false => b.write_all(b"x").expect("space"),
    });
    thread.join().expect("no panic");
    iterate_until(&context, || !got.get().is_empty());
    let expected = match closes {
        true => IOCondition::NVAL,
        false => IOCondition::IN,
    };
    assert!(got.get().contains(expected), "{:?}", got.get());
}

#[test]
fn an_idle_watch_in_a_main_loop_of_another_context_is_dispatched() {
    for closes in [false, true] {
        let outer = MainContext::new();
        let task = start(&outer, async move { wait_by_an_idle_watch(closes) });
        join(&outer, task).expect("no panic");

        let (done, is_done) = (Rc::new(Cell::new(false)), MainContext::new());
        let noted = done.clone();
        is_done
            .with_thread_default(|| {
                glib::source::idle_add_local_once(move || {
                    wait_by_an_idle_watch(closes);
                    noted.set(true);
                });
                iterate_until(&MainContext::default(), || done.get());
            })
            .expect("no other thread has it");
    }
}

mod waking {
    use std::cell::{Cell, RefCell};

    use glib::IOCondition;
    use qio::{Readiness, subclass::prelude::*};

    thread_local! {
        pub(super) static WAKER: RefCell<Option<super::Waker>> = const { RefCell::new(None) };
        pub(super) static FD: Cell<i32> = const { Cell::new(-1) };
    }

    /// Wakes a task when its watch is prepared.
    #[derive(Default)]
    pub struct Waking;

    #[glib::object_subclass]
    impl ObjectSubclass for Waking {
        const NAME: &'static str = "TestHubWaking";
        type Type = super::Waking;
        type ParentType = qio::Channel;
    }

    impl ObjectImpl for Waking {}

    impl ChannelImpl for Waking {
        fn wait_fd(&self, condition: IOCondition) -> Readiness {
            WAKER.take().into_iter().for_each(super::Waker::wake);
            Readiness::Fd(FD.get(), condition)
        }
    }
}

glib::wrapper! {
    pub struct Waking(ObjectSubclass<waking::Waking>) @extends qio::Channel;
}

/// Iterates a context in which the watch of a channel wakes a task from `prepare`.
fn iterate_while_a_watch_wakes_a_task(context: &MainContext) {
    let (silent, _peer) = nonblocking_pair();
    waking::FD.set(silent.fd());
    let channel: Waking = glib::Object::new();
    let go_on = |_: &Waking, _| ControlFlow::Continue;
    let watch = channel.add_watch_source_local(IOCondition::IN, go_on, Some(context));
    settle(context);
    let (waker, task) = (Rc::new(RefCell::new(None)), Rc::new(Cell::new(false)));
    let (place, done) = (waker.clone(), task.clone());
    drop(start(context, async move {
        poll_fn(|cx| match place.borrow_mut().replace(cx.waker().clone()) {
            None => Poll::Pending,
            Some(_) => Poll::Ready(()),
        })
        .await;
        done.set(true);
    }));
    settle(context);
    waking::WAKER.set(waker.borrow().clone());
    while !task.get() {
        context.iteration(true);
    }
    watch.destroy();
}

#[test]
fn a_task_that_a_source_wakes_from_prepare_runs_in_a_nested_main_loop() {
    in_time(|| {
        let context = MainContext::new();
        iterate_while_a_watch_wakes_a_task(&context);
        let nested = context.clone();
        let task = start(&context, async move {
            iterate_while_a_watch_wakes_a_task(&nested);
        });
        join(&context, task).expect("no panic");
    });
}

#[test]
fn a_source_of_a_hub_that_another_thread_destroys_ends_its_tasks_between_two_of_them() {
    in_time(|| {
        for round in 0..300 {
            let context = MainContext::new();
            let (sender, sources) = mpsc::channel::<glib::Source>();
            let thread = thread::spawn(move || {
                let source: glib::Source = sources.recv().expect("sent");
                for _ in 0..round % 50 * 100 {
                    std::hint::spin_loop();
                }
                source.destroy();
            });
            let busy: Vec<_> = (0..32)
                .map(|_| {
                    qio::spawn_in(&context, Priority::DEFAULT, async {
                        for _ in 0..200 {
                            pass().await;
                        }
                    })
                })
                .collect();
            let sends = qio::spawn_in(&context, Priority::HIGH, async move {
                let source = glib::main_current_source().expect("the source of the hub");
                sender.send(source).expect("received");
            });
            while !sends.is_finished() || !busy.iter().all(JoinHandle::is_finished) {
                context.iteration(false);
            }
            thread.join().expect("no panic");
        }
    });
}
