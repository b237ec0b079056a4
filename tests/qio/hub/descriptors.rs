//! The descriptors of hubs: how many there are, how long, and what happens without any.

use std::{
    fs::File,
    io,
    time::{Duration, Instant},
};

use glib::IOCondition;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use qio::{ChannelCommand, ChannelSocket, prelude::*};

use super::*;
use crate::common::{alone::alone, fds::count, in_time};

/// What an epoll instance and an eventfd take.
const OF_A_HUB: usize = 2;

#[test]
fn a_context_has_one_epoll_instance_whatever_the_priorities() {
    alone(
        "hub::descriptors::a_context_has_one_epoll_instance_whatever_the_priorities",
        || {
            let context = MainContext::new();
            let (a, b) = ChannelSocket::pair().expect("a socketpair");
            let before = count();
            for priority in -150..150 {
                let channel = a.clone();
                let read = async move { channel.read_all_future(&mut [0]).await };
                let task = qio::spawn_local_in(&context, Priority::from(priority), read);
                settle(&context);
                b.write_all(b"x").expect("space");
                join(&context, task).expect("no panic").expect("read");
            }
            assert_eq!(count(), before + OF_A_HUB);
            // With what GLib wakes the context by.
            drop(context);
            assert_eq!(count(), before - 1);
        },
    );
}

#[test]
fn what_waits_at_a_low_priority_holds_nothing_up_between_it_and_a_high_one() {
    in_time(|| {
        let context = MainContext::new();
        // A lane at a high priority, with nothing to do.
        drop(qio::spawn_in(&context, Priority::HIGH, async {}));
        let (a, b) = ChannelSocket::pair().expect("a socketpair");
        let reads = async move {
            let mut byte = [0];
            while a.read_all_eof_future(&mut byte).await.expect("read") {}
        };
        let task = qio::spawn_local_in(&context, Priority::LOW, reads);
        settle(&context);
        let writes = thread::spawn(move || (0..100).try_for_each(|_| b.write_all(b"x")));
        // Ready all the time, at a priority between them.
        let mut turns = 0;
        let busy = glib::idle_source_new(None, Priority::DEFAULT, move || {
            turns += 1;
            match turns {
                1_000 => ControlFlow::Break,
                _ => ControlFlow::Continue,
            }
        });
        busy.attach(Some(&context));
        while !busy.is_destroyed() {
            context.iteration(true);
        }
        writes.join().expect("no panic").expect("space");
        join(&context, task).expect("it reads to the end");
    });
}

#[test]
#[ignore = "takes a quarter of a minute: `make soak`"]
fn a_hub_that_nothing_uses_goes_after_a_while() {
    alone(
        "hub::descriptors::a_hub_that_nothing_uses_goes_after_a_while",
        || {
            let context = MainContext::new();
            let (a, b) = ChannelSocket::pair().expect("a socketpair");
            let before = count();
            for _ in 0..2 {
                let channel = a.clone();
                let task = start(
                    &context,
                    async move { channel.read_all_future(&mut [0]).await },
                );
                settle(&context);
                assert_eq!(count(), before + OF_A_HUB);
                b.write_all(b"x").expect("space");
                join(&context, task).expect("no panic").expect("read");
                iterate_until(&context, || count() == before);
            }
        },
    );
}

#[test]
#[ignore = "takes a quarter of a minute: `make soak`"]
fn a_hub_with_a_busy_poll_is_not_destroyed_for_disuse_which_would_lose_the_setting() {
    alone(
        "hub::descriptors::a_hub_with_a_busy_poll_is_not_destroyed_for_disuse_which_would_lose_the_setting",
        || {
            let context = MainContext::new();
            let before = count();
            let spin = |time| qio::set_busy_poll(&context, Priority::DEFAULT, time);
            spin(Duration::from_micros(50)).expect("set");
            let end = Instant::now() + Duration::from_secs(12);
            iterate_until(&context, || Instant::now() > end);
            assert_eq!(count(), before + OF_A_HUB);
            spin(Duration::ZERO).expect("set");
            iterate_until(&context, || count() == before);
        },
    );
}

#[test]
fn a_future_in_a_thread_that_runs_no_context_fails_at_once() {
    let (a, _b) = ChannelSocket::pair().expect("a socketpair");
    let polled = || a.read_future(&mut [0]).now_or_never();
    let e = polled()
        .expect("at once")
        .expect_err("nothing would wake it");
    assert!(e.to_string().contains("runs no main context"), "{e}");
    let context = MainContext::new();
    let waits = context.with_thread_default(|| a.read_future(&mut [0]).now_or_never());
    assert!(waits.expect("its own").is_none(), "it waits");
}

/// Takes all descriptors that there are to be had, for as long as the result lives.
pub(super) fn exhausted() -> Vec<File> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("the limit");
    setrlimit(Resource::RLIMIT_NOFILE, 200, hard).expect("lowered");
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

fn is_short(e: &io::Error) -> bool {
    e.to_string().contains("Too many open files")
}

#[test]
fn without_a_descriptor_waiting_is_an_error_and_all_else_goes_on() {
    alone(
        "hub::descriptors::without_a_descriptor_waiting_is_an_error_and_all_else_goes_on",
        || {
            in_time(|| {
                let context = MainContext::new();
                let (a, b) = ChannelSocket::pair().expect("a socketpair");
                a.set_blocking(false).expect("non-blocking");
                let command = ChannelCommand::builder(["cat"]).spawn().expect("cat");
                let short = exhausted();
                let reader = a.clone();
                let e = run(&context, async move { reader.read_future(&mut [0]).await });
                let e = e.expect_err("nothing to wait by");
                assert!(is_short(&e), "{e}");
                let both = IOCondition::IN | IOCondition::OUT;
                let e = command.wait_timeout(both, Duration::from_millis(1));
                let e = e.expect_err("no context to wait in");
                assert!(is_short(&e), "{e}");
                // A handler, and a watch, wait until there is one.
                let (calls, called) = mpsc::channel();
                let in_handler = calls.clone();
                let call = move || {
                    let _ = in_handler.send("handler");
                };
                a.set_fd_handler_local(Some(&context), Some(Box::new(call)), None);
                let watch = b.add_watch_source_local(
                    IOCondition::OUT,
                    move |_: &ChannelSocket, _| {
                        calls.send("watch").expect("received");
                        ControlFlow::Break
                    },
                    Some(&context),
                );
                iterate_until(&context, || watch.is_destroyed());
                assert_eq!(called.try_recv(), Ok("watch"));
                drop(short);
                b.write_all(b"x").expect("space");
                iterate_until(&context, || called.try_recv() == Ok("handler"));
                let short = exhausted();
                a.close().expect("closed");
                b.close().expect("closed");
                drop(short);
                command.close().expect("closed");
            });
        },
    );
}
