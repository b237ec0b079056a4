//! Warnings about fd handlers that read nothing, and about busy loops.

use std::{
    cell::Cell,
    future::{Future as _, poll_fn},
    pin::pin,
    rc::Rc,
    task::Poll,
    thread,
    time::{Duration, Instant},
};

use futures_util::future::{Either, select};
use glib::{ControlFlow, IOCondition};
use qio::{Channel, ChannelSocket, MonitorWarning, prelude::*};

use super::{Warnings, kinds, named, observed, only_warning, warnings::tls, watching};
use crate::{
    common::{TIMEOUT, iterate_until, nonblocking_pair},
    layer::tls::fixtures::handshake,
};

/// Makes calls until there is a warning.
#[track_caller]
fn until_warning(monitor: &qio::Monitor, warnings: &Warnings, mut call: impl FnMut()) {
    let end = Instant::now() + TIMEOUT;
    while kinds(monitor, warnings).is_empty() {
        assert!(Instant::now() < end, "there is no warning");
        (0..1000).for_each(|_| call());
    }
}

fn would_block(channel: &impl IsA<Channel>) {
    let error = channel.read(&mut [0]).expect_err("nothing is there");
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn an_fd_handler_that_does_not_read_or_write_is_one_warning() {
    observed(
        "busy::an_fd_handler_that_does_not_read_or_write_is_one_warning",
        |context| {
            let (monitor, warnings) = watching();
            let (here, there) = nonblocking_pair();
            named(&there, "there");
            here.write_all(b"x").expect("written");
            let nothing = || -> Option<Box<dyn FnMut()>> { Some(Box::new(|| {})) };
            there.set_fd_handler_local(Some(context), nothing(), None);
            iterate_until(context, || !warnings.borrow().is_empty());
            for _ in 0..100 {
                context.iteration(false);
            }
            only_warning(&monitor, &warnings, "there", MonitorWarning::UnreadWatch);
            let message = warnings.borrow()[0].2.clone();
            assert!(message.starts_with("its fd handler has fired 1000 times"));
            there.set_fd_handler_local(Some(context), None, nothing());
            iterate_until(context, || warnings.borrow().len() == 2);
            assert_eq!(
                kinds(&monitor, &warnings)[1],
                ("there".into(), MonitorWarning::UnwrittenWatch)
            );
            there.set_fd_handler_local(Some(context), None, None);
        },
    );
}

#[test]
fn an_fd_handler_that_reads_is_no_warning() {
    observed("busy::an_fd_handler_that_reads_is_no_warning", |context| {
        let (monitor, warnings) = watching();
        let (here, there) = nonblocking_pair();
        let (peer, reader) = (here.clone(), there.clone());
        let fires = Rc::new(Cell::new(0));
        let counted = fires.clone();
        let read = move || {
            reader.read(&mut [0]).expect("read");
            peer.write_all(b"x").expect("written");
            counted.set(counted.get() + 1);
        };
        there.set_fd_handler_local(Some(context), Some(Box::new(read)), None);
        here.write_all(b"x").expect("written");
        iterate_until(context, || fires.get() > 5000);
        assert_eq!(kinds(&monitor, &warnings), []);
        there.set_fd_handler_local(Some(context), None, None);
    });
}

/// Polls a read again and again, although nothing has arrived.
async fn poll_in_a_busy_loop(channel: ChannelSocket, is_over: Rc<Cell<bool>>) {
    let mut buf = [0];
    let mut read = pin!(channel.read_future(&mut buf));
    poll_fn(|cx| {
        assert!(read.as_mut().poll(cx).is_pending());
        cx.waker().wake_by_ref();
        match is_over.get() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
}

#[test]
fn a_task_that_polls_a_future_without_progress_is_one_warning() {
    observed(
        "busy::a_task_that_polls_a_future_without_progress_is_one_warning",
        |context| {
            for by_glib in [false, true] {
                let (monitor, warnings) = watching();
                let (_here, there) = nonblocking_pair();
                named(&there, "there");
                let is_over = Rc::new(Cell::new(false));
                let task = poll_in_a_busy_loop(there, is_over.clone());
                match by_glib {
                    true => drop(context.spawn_local(task)),
                    false => drop(qio::spawn_local(task)),
                }
                iterate_until(context, || !warnings.borrow().is_empty());
                for _ in 0..100 {
                    context.iteration(false);
                }
                only_warning(&monitor, &warnings, "there", MonitorWarning::BusyLoop);
                let message = warnings.borrow()[0].2.clone();
                assert!(message.starts_with("it was called or polled 10000 times"));
                is_over.set(true);
                context.iteration(false);
            }
        },
    );
}

#[test]
fn a_wait_for_input_that_is_not_read_is_a_warning() {
    observed(
        "busy::a_wait_for_input_that_is_not_read_is_a_warning",
        |context| {
            let (monitor, warnings) = watching();
            let (here, there) = nonblocking_pair();
            named(&there, "there");
            here.write_all(b"x").expect("written");
            let waiting = qio::spawn_local(async move {
                loop {
                    there.ready(IOCondition::IN).await.expect("ready");
                }
            });
            iterate_until(context, || !warnings.borrow().is_empty());
            waiting.abort();
            only_warning(&monitor, &warnings, "there", MonitorWarning::BusyLoop);
        },
    );
}

#[test]
fn calls_that_would_block_in_a_loop_are_one_warning_of_the_outermost_channel() {
    observed(
        "busy::calls_that_would_block_in_a_loop_are_one_warning_of_the_outermost_channel",
        |_| {
            let (monitor, warnings) = watching();
            let (client, server) = tls(ChannelSocket::pair().expect("a pair"));
            named(&client, "client");
            handshake(&client, &server);
            client.set_blocking(false).expect("non-blocking");
            until_warning(&monitor, &warnings, || would_block(&client));
            only_warning(&monitor, &warnings, "client", MonitorWarning::BusyLoop);
        },
    );
}

#[test]
fn a_watch_that_continues_after_the_end_is_a_warning() {
    observed(
        "busy::a_watch_that_continues_after_the_end_is_a_warning",
        |context| {
            let (monitor, warnings) = watching();
            let (here, there) = nonblocking_pair();
            named(&there, "there");
            drop(here);
            let (any, priority) = (IOCondition::IN, glib::Priority::DEFAULT);
            let watch = there.create_watch_full(any, None, priority, |there, _| {
                assert_eq!(there.read(&mut [0]).expect("the end"), 0);
                ControlFlow::Continue
            });
            watch.attach(Some(context));
            iterate_until(context, || !warnings.borrow().is_empty());
            watch.destroy();
            only_warning(&monitor, &warnings, "there", MonitorWarning::BusyLoop);
        },
    );
}

#[test]
fn a_warning_of_one_kind_is_repeated_after_a_second_at_the_earliest() {
    observed(
        "busy::a_warning_of_one_kind_is_repeated_after_a_second_at_the_earliest",
        |_| {
            let (monitor, warnings) = watching();
            let (here, there) = nonblocking_pair();
            until_warning(&monitor, &warnings, || would_block(&there));
            let begun = Instant::now();
            let count = || kinds(&monitor, &warnings).len();
            while count() == 1 {
                assert!(begun.elapsed() < TIMEOUT);
                // The loop ends, and another one begins.
                here.write_all(b"x").expect("written");
                there.read(&mut [0]).expect("read");
                (0..20_000).for_each(|_| would_block(&there));
            }
            // The first one was reported somewhat before `begun`.
            assert!(begun.elapsed() > Duration::from_millis(500));
            assert_eq!(count(), 2);
        },
    );
}

#[test]
fn an_idle_channel_that_a_busy_task_also_polls_is_no_warning() {
    observed(
        "busy::an_idle_channel_that_a_busy_task_also_polls_is_no_warning",
        |context| {
            let (monitor, warnings) = watching();
            let (_silent, idle) = nonblocking_pair();
            let (here, there) = nonblocking_pair();
            let relay = async move {
                let mut buf = [0];
                let mut wait = pin!(idle.read_future(&mut buf));
                for _ in 0..30_000 {
                    here.write_all_future(b"x").await.expect("written");
                    let mut byte = [0];
                    let read = pin!(there.read_future(&mut byte));
                    wait = match select(wait, read).await {
                        Either::Left(_) => panic!("it is idle"),
                        Either::Right((read, wait)) => {
                            read.expect("read");
                            wait
                        }
                    };
                }
            };
            context.block_on(async move { qio::spawn_local(relay).await.expect("no panic") });
            assert_eq!(kinds(&monitor, &warnings), []);
        },
    );
}

#[test]
fn a_thread_that_sleeps_between_its_calls_is_no_busy_loop() {
    observed(
        "busy::a_thread_that_sleeps_between_its_calls_is_no_busy_loop",
        |_| {
            let (monitor, warnings) = watching();
            let (_here, there) = nonblocking_pair();
            let end = Instant::now() + Duration::from_millis(1500);
            while Instant::now() < end {
                // More than 10,000 calls a second.
                (0..5).for_each(|_| would_block(&there));
                thread::sleep(Duration::from_micros(1));
            }
            assert_eq!(kinds(&monitor, &warnings), []);
        },
    );
}
