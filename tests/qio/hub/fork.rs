//! Processes that fork while tasks wait.

use std::io;

use qio::prelude::*;

use super::{
    descriptors::exhausted,
    pitfalls::{pair, reading},
    *,
};
use crate::common::{FEW, alone::alone, fork::in_child, iterations};

#[test]
fn a_forked_child_that_lets_go_of_all_leaves_the_waits_of_its_parent_alone() {
    alone(
        "hub::fork::a_forked_child_that_lets_go_of_all_leaves_the_waits_of_its_parent_alone",
        || {
            let context = MainContext::new();
            let ((a, b), (c, d)) = (pair(), pair());
            let tasks = [reading(&context, &a), reading(&context, &c)];
            let mut mine = Some((a, b.clone(), c.clone(), context.clone()));
            in_child(|| {
                c.close().expect("closed");
                drop(mine.take());
            });
            for (peer, task) in [b, d].into_iter().zip(tasks) {
                peer.write_all(b"x").expect("space");
                let read = join(&context, task).expect("no panic");
                assert_eq!(read.expect("read"), b"x");
            }
        },
    );
}

#[test]
fn a_forked_child_goes_on_with_its_own_waits() {
    alone(
        "hub::fork::a_forked_child_goes_on_with_its_own_waits",
        || {
            let context = MainContext::new();
            let ((a, b), (c, d)) = (pair(), pair());
            let (mut mine, mut other) = (Some(reading(&context, &a)), Some(reading(&context, &c)));
            in_child(|| {
                d.write_all(b"child").expect("space");
                let read = join(&context, other.take().expect("here")).expect("no panic");
                assert_eq!(read.expect("read"), b"child");
            });
            b.write_all(b"parent").expect("space");
            let read = join(&context, mine.take().expect("here")).expect("no panic");
            assert_eq!(read.expect("read"), b"parent");
        },
    );
}

#[test]
fn a_forked_child_without_a_free_descriptor_leaves_the_wake_ups_of_its_parent_alone() {
    alone(
        "hub::fork::a_forked_child_without_a_free_descriptor_leaves_the_wake_ups_of_its_parent_alone",
        || {
            // As often as a hub without descriptors looks around in 100 ms.
            const LOOKS: usize = 5;
            let context = MainContext::new();
            run(&context, async {});
            let wake = || qio::spawn_in(&context, Priority::DEFAULT, async {});
            let woken = thread::scope(|scope| scope.spawn(wake).join()).expect("no panic");
            let short = exhausted();
            in_child(|| assert!(iterations(&context) <= FEW + LOOKS));
            drop(short);
            join(&context, woken).expect("no panic");
        },
    );
}

#[test]
fn a_task_may_fork_and_both_sides_go_on() {
    alone("hub::fork::a_task_may_fork_and_both_sides_go_on", || {
        let context = MainContext::new();
        let ((a, b), (c, d)) = (pair(), pair());
        let waits = reading(&context, &a);
        let peer = d.clone();
        let forks = start(&context, async move {
            in_child(|| {
                // In the middle of a turn, and before the loop comes round.
                let mut buf = [0; 8];
                let mut read = Box::pin(c.read_future(&mut buf));
                assert!(read.as_mut().now_or_never().is_none());
                settle(&MainContext::default());
                std::mem::forget(read);
            });
            // The same channel, which the parent has not waited for yet.
            let mut buf = [0; 8];
            let count = c.read_future(&mut buf).await?;
            io::Result::Ok(count)
        });
        settle(&context);
        assert!(!forks.is_finished(), "nothing has been written");
        peer.write_all(b"12345").expect("space");
        assert_eq!(join(&context, forks).expect("no panic").expect("read"), 5);
        b.write_all(b"x").expect("space");
        assert_eq!(
            join(&context, waits).expect("no panic").expect("read"),
            b"x"
        );
    });
}

#[test]
fn a_wait_for_a_descriptor_that_the_epoll_instance_of_a_forked_child_cannot_watch_fails() {
    let name = "hub::fork::\
                a_wait_for_a_descriptor_that_the_epoll_instance_of_a_forked_child_cannot_watch_fails";
    alone(name, || {
        let context = MainContext::new();
        let (a, b) = pair();
        let mut waits = Some(reading(&context, &a));
        in_child(|| {
            // Without the channel: the hub of the child finds no such descriptor.
            nix::unistd::close(a.fd()).expect("open");
            let read = join(&context, waits.take().expect("here")).expect("no panic");
            assert!(read.is_err());
        });
        b.write_all(b"x").expect("space");
        let read = join(&context, waits.take().expect("here")).expect("no panic");
        assert_eq!(read.expect("read"), b"x");
    });
}
