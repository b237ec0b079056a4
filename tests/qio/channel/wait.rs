//! `src/channel/wait.rs`: blocking until a condition holds, and classes that report in one
//! way or another how to wait.

mod vfuncs;

use std::{
    io,
    sync::{atomic::Ordering, mpsc},
    thread,
    time::Duration,
};

use glib::{ControlFlow, IOCondition, MainContext, Source, subclass::prelude::ObjectSubclassIsExt};
use qio::{Channel, ChannelCommand, ChannelFile, ChannelNull, StderrPolicy, prelude::*};

use crate::common::{fill, in_time, iterate_until, nonblocking_pair};

const IN: IOCondition = IOCondition::IN;
const OUT: IOCondition = IOCondition::OUT;
const HUP: IOCondition = IOCondition::HUP;
const NVAL: IOCondition = IOCondition::NVAL;

/// Long enough to see that nothing happens.
const A_WHILE: Duration = Duration::from_millis(50);

/// What a thread that waits for a condition gets, while another one acts.
#[track_caller]
fn got_when(
    channel: &impl IsA<Channel>,
    condition: IOCondition,
    act: impl FnOnce() + Send + 'static,
) -> IOCondition {
    let channel: Channel = channel.as_ref().clone();
    in_time(move || {
        let (started, waits) = mpsc::channel();
        let waiter = thread::spawn(move || {
            started.send(()).expect("it is awaited");
            channel.wait(condition)
        });
        waits.recv().expect("the thread runs");
        act();
        waiter.join().expect("no panic").expect("no error")
    })
}

fn command(script: &str) -> ChannelCommand {
    let command = ChannelCommand::builder(["sh", "-c", script])
        .stderr(StderrPolicy::Null)
        .spawn()
        .expect("sh runs");
    command.set_blocking(false).expect("non-blocking");
    command
}

#[test]
fn a_condition_that_is_there_ends_the_wait_at_once() {
    let (a, b) = nonblocking_pair();
    assert_eq!(a.wait(OUT).expect("ready"), OUT);
    b.write_all(b"x").expect("there is space");
    assert_eq!(a.wait(IN).expect("ready"), IN);
    assert_eq!(a.wait(IN | OUT).expect("ready"), IN | OUT);
    assert_eq!(a.wait_timeout(IN, Duration::ZERO).expect("ready"), IN);
}

#[test]
fn a_write_in_another_thread_ends_the_wait() {
    for _ in 0..20 {
        let (a, b) = nonblocking_pair();
        let writer = b.clone();
        let write = move || writer.write_all(b"x").expect("there is space");
        assert_eq!(got_when(&a, IN, write), IN);
    }
}

#[test]
fn the_timeout_error_of_a_wait_names_the_channel() {
    let (a, _b) = nonblocking_pair();
    a.set_name(Some("the quiet one"));
    let e = a.wait_timeout(IN, A_WHILE).expect_err("nothing comes");
    assert_eq!(e.kind(), io::ErrorKind::TimedOut);
    assert!(e.to_string().contains("the quiet one"), "{e}");
}

#[test]
fn a_wait_for_both_directions_can_time_out() {
    let command = command("exec sleep 60");
    fill(&command);
    let e = command.wait_timeout(IN | OUT, A_WHILE);
    command.kill().expect("ends");
    let e = e.expect_err("it neither reads nor writes");
    assert_eq!(e.kind(), io::ErrorKind::TimedOut);
}

#[test]
fn a_hang_up_ends_the_wait() {
    for condition in [IN, IOCondition::PRI] {
        let (read, write) = ChannelFile::pipe().expect("a pipe");
        assert_eq!(got_when(&read, condition, move || drop(write)), HUP);
    }
}

#[test]
fn a_wait_for_nothing_is_refused() {
    let (a, _b) = nonblocking_pair();
    let e = a.wait(IOCondition::empty()).expect_err("forever");
    assert_eq!(e.kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn a_channel_that_another_thread_closes_ends_the_wait_with_nval() {
    for condition in [IN, IN | IOCondition::PRI] {
        let (a, _b) = nonblocking_pair();
        let (read, _write) = ChannelFile::pipe().expect("a pipe");
        for channel in [a.upcast::<Channel>(), read.upcast()] {
            let closes = channel.clone();
            let close = move || closes.close().expect("closes");
            assert_eq!(got_when(&channel, condition, close), NVAL);
            assert_eq!(channel.wait(condition).expect("closed"), NVAL);
        }
    }
}

#[test]
fn both_directions_of_a_socket_are_waited_for_at_once() {
    let (a, b) = nonblocking_pair();
    fill(&a);
    let writer = b.clone();
    let write = move || writer.write_all(b"x").expect("there is space");
    assert_eq!(got_when(&a, IN | OUT, write), IN);
}

#[test]
fn a_wait_with_a_timeout_of_zero_still_polls() {
    let command = command("exec cat");
    let got = command.wait_timeout(IOCondition::IN | IOCondition::OUT, Duration::ZERO);
    assert_eq!(got.expect("there is space"), IOCondition::OUT);
}

#[test]
fn both_directions_of_a_command_are_waited_for_at_once() {
    let cat = command("exec cat");
    assert_eq!(cat.wait(IN | OUT).expect("ready"), OUT);
    cat.write_all(b"x").expect("there is space");
    assert_eq!(cat.wait(IN).expect("ready"), IN);
    assert_eq!(cat.wait(IN | OUT).expect("ready"), IN | OUT);
    cat.close().expect("ends well");

    let idle = command("echo; exec sleep 60");
    fill(&idle);
    let got = idle.wait(IN | OUT);
    idle.kill().expect("ends");
    assert_eq!(got.expect("ready"), IN);
}

#[test]
fn a_channel_without_a_descriptor_that_is_always_ready_is_not_waited_for() {
    let null = ChannelNull::new();
    for condition in [IN, OUT, IN | OUT] {
        assert_eq!(null.wait(condition).expect("ready"), condition);
    }
}
