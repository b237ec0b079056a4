//! Processes that fork while their threads use channels.

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use glib::{IOCondition, MainContext};
use qio::{ChannelCommand, ChannelSocket, prelude::*};

use crate::common::{alone::alone, fork::in_child, in_time};

fn pair() -> (ChannelSocket, ChannelSocket) {
    ChannelSocket::pair().expect("a socketpair")
}

#[test]
fn a_forked_child_closes_what_threads_of_its_parent_have_used() {
    alone(
        "sync::a_forked_child_closes_what_threads_of_its_parent_have_used",
        || {
            const THREADS: usize = 16;
            // So large that all of them are more than the C library keeps for new threads.
            const STACK: usize = 8 << 20;
            let (a, _b) = pair();
            let have_used = Arc::new(Barrier::new(THREADS + 1));
            for _ in 0..THREADS {
                let (a, have_used) = (a.clone(), have_used.clone());
                let user = thread::Builder::new().stack_size(STACK);
                let user = user.spawn(move || {
                    a.write_all(b"x").expect("space");
                    have_used.wait();
                    loop {
                        thread::park();
                    }
                });
                user.expect("a thread");
            }
            have_used.wait();
            in_child(|| {
                // The stacks of the parent's threads are unmapped.
                for _ in 0..2 {
                    thread::spawn(|| ()).join().expect("no panic");
                }
                a.close().expect("closed");
            });
        },
    );
}

#[test]
fn forks_concurrent_with_threads_that_use_channels_neither_hang_nor_crash() {
    alone(
        "sync::forks_concurrent_with_threads_that_use_channels_neither_hang_nor_crash",
        || fork_with_threads(60),
    );
}

#[test]
#[ignore = "takes minutes: `make soak`"]
fn many_forks_concurrent_with_threads_that_use_channels_neither_hang_nor_crash() {
    alone(
        "sync::many_forks_concurrent_with_threads_that_use_channels_neither_hang_nor_crash",
        || fork_with_threads(600),
    );
}

fn fork_with_threads(forks: usize) {
    let (a, b) = pair();
    let over = AtomicBool::new(false);
    let busy = || {
        while !over.load(Ordering::Relaxed) {
            let (one, other) = pair();
            one.write_all(b"x").expect("space");
            other.read_all(&mut [0]).expect("read");
            one.close().expect("closed");
            other.close().expect("closed");
        }
    };
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(busy);
        }
        let children = scope.spawn(|| {
            for _ in 0..forks {
                in_child(|| {
                    a.write_all(b"y").expect("space");
                    b.read_all(&mut [0]).expect("read");
                    a.close().expect("closed");
                    b.close().expect("closed");
                });
            }
        });
        let ended = children.join();
        over.store(true, Ordering::Relaxed);
        ended.expect("each child comes to its end");
    });
}

#[test]
fn closing_in_a_forked_child_leaves_the_connection_of_its_parent_alone() {
    alone(
        "sync::closing_in_a_forked_child_leaves_the_connection_of_its_parent_alone",
        || {
            let (a, b) = pair();
            let context = MainContext::new();
            // It uses the descriptor of both processes.
            let watch = b.create_watch(IOCondition::IN);
            watch.attach(Some(&context));
            in_child(|| {
                b.close().expect("closed");
                let e = b.read(&mut [0]).expect_err("closed");
                assert!(qio::to_glib_error(&e).matches(gio::IOErrorEnum::Closed));
            });
            a.write_all(b"x").expect("the connection is whole");
            in_time(move || b.read_all(&mut [0]).expect("read"));
            watch.destroy();
        },
    );
}

#[test]
fn closing_a_command_in_a_forked_child_waits_for_nothing_and_ends_nothing() {
    alone(
        "sync::closing_a_command_in_a_forked_child_waits_for_nothing_and_ends_nothing",
        || {
            let cat = ChannelCommand::builder(["cat"]).spawn().expect("cat");
            in_child(|| cat.close().expect("there is nothing to wait for"));
            let mut cat = Some(cat);
            in_child(|| drop(cat.take()));
            let cat = cat.expect("only the child has dropped it");
            cat.write_all(b"x").expect("it runs");
            cat.read_all(&mut [0]).expect("and answers");
            cat.close().expect("success");
        },
    );
}
