//! How commands end, by themselves or otherwise.

use std::{
    io::ErrorKind,
    os::{fd::OwnedFd, unix::process::ExitStatusExt},
    path::Path,
    thread,
    time::Duration,
};

use glib::{IOCondition, MainContext, prelude::*};
use nix::libc;
use qio::{Access, ChannelCommand, ChannelFile, Shutdown, prelude::*, to_glib_error};

use super::shell;
use crate::common::{TIMEOUT, alone::alone, fds, fork::in_child, in_time};

/// A command that ends only at a signal.
fn endless() -> ChannelCommand {
    shell("while :; do sleep 0.05; done")
}

/// A command that ends only when it is killed, after it has printed that it is ready.
fn stubborn() -> ChannelCommand {
    let command = shell("trap '' TERM; echo; while :; do sleep 0.05; done");
    command.read_all(&mut [0]).expect("it is ready");
    command
}

/// How many epoll instances this process has.
fn epoll_instances() -> usize {
    let all = fds::all();
    all.iter().filter(|it| it.contains("eventpoll")).count()
}

/// A pidfd of the process, which outlives the channel.
fn watch(command: &ChannelCommand) -> (ChannelFile, u32) {
    let pidfd: OwnedFd = command.pidfd().expect("a pidfd");
    (ChannelFile::new_fd(pidfd), command.pid())
}

#[track_caller]
fn check_runs(pidfd: &ChannelFile) {
    let e = pidfd.wait_timeout(IOCondition::IN, Duration::ZERO);
    assert_eq!(e.expect_err("it runs").kind(), ErrorKind::TimedOut);
}

/// The process ends, and is removed from the system's table.
#[track_caller]
fn check_disappears((pidfd, pid): (ChannelFile, u32)) {
    let got = pidfd.wait_timeout(IOCondition::IN, TIMEOUT);
    assert!(got.expect("it ends").contains(IOCondition::IN));
    in_time(move || {
        while Path::new(&format!("/proc/{pid}")).exists() {
            thread::yield_now();
        }
    });
}

#[test]
fn success_is_no_error_and_is_reported_after_close() {
    let command = ChannelCommand::builder(["true"]).spawn().expect("true");
    command.close().expect("success");
    let status = command.exit_status().expect("known").expect("ended");
    assert_eq!(status.code(), Some(0));
    assert_eq!(command.property::<i32>("wait-status"), 0);
}

#[test]
fn a_running_command_has_no_status() {
    let cat = ChannelCommand::builder(["cat"]).spawn().expect("cat");
    assert!(cat.exit_status().expect("a status").is_none());
    assert_eq!(cat.property::<i32>("wait-status"), -1);
    cat.close().expect("success");
}

#[test]
fn a_failing_command_makes_close_fail_with_its_name_and_code() {
    let command = shell("exit 3");
    let e = command.close().expect_err("it failed");
    assert_eq!(
        e.to_string(),
        "Command \"sh\" failed: Child process exited with code 3"
    );
    let error = to_glib_error(&e);
    assert_eq!(error.code(), 3);
    assert_eq!(error.domain().as_str(), "g-spawn-exit-error-quark");
    assert!(command.is_closed());
    let status = command.exit_status().expect("known").expect("ended");
    assert_eq!(status.code(), Some(3));
    command.close().expect("nothing left to do");
}

#[test]
fn a_command_that_was_killed_makes_close_fail_with_its_name_and_signal() {
    let command = shell("kill -KILL $$");
    let e = command.close().expect_err("it was killed");
    assert_eq!(
        e.to_string(),
        "Command \"sh\" failed: Child process killed by signal 9"
    );
    let status = command.exit_status().expect("known").expect("ended");
    assert_eq!(status.signal(), Some(9));
}

#[test]
fn close_waits_until_the_command_has_done_its_work() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("done");
    let script = format!("cat >/dev/null; sleep 0.1; echo done >'{}'", path.display());
    for blocking in [true, false] {
        let command = shell(&script);
        command.set_blocking(blocking).expect("the mode");
        command.close().expect("success");
        std::fs::remove_file(&path).expect("it was done");
    }
}

#[test]
fn terminate_and_kill_end_a_command() {
    for (end, signal) in [
        (
            ChannelCommand::terminate as fn(&ChannelCommand) -> _,
            libc::SIGTERM,
        ),
        (ChannelCommand::kill, libc::SIGKILL),
    ] {
        let command = endless();
        end(&command).expect("sent");
        let status = in_time(move || command.wait_exit().expect("ended"));
        assert_eq!(status.signal(), Some(signal));
    }
}

#[test]
fn a_signal_of_choice_arrives() {
    let script = "trap 'echo got; exit 7' USR1; echo; while :; do sleep 0.05; done";
    let command = shell(script);
    command.read_all(&mut [0]).expect("it is ready");
    command.send_signal(libc::SIGUSR1).expect("sent");
    command.read_all(&mut [0; 4]).expect("got");
    assert_eq!(command.wait_exit().expect("ended").code(), Some(7));
}

#[test]
fn an_invalid_signal_number_is_refused() {
    let cat = ChannelCommand::builder(["cat"]).spawn().expect("cat");
    let e = cat.send_signal(4_711).expect_err("no signal");
    assert_eq!(e.kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_signal_after_the_end_is_no_error() {
    let command = ChannelCommand::builder(["true"]).spawn().expect("true");
    // It has exited, and has not been reaped.
    let (pidfd, _) = watch(&command);
    pidfd
        .wait_timeout(IOCondition::IN, TIMEOUT)
        .expect("it ends");
    command.terminate().expect("nothing to do");
    command.wait_exit().expect("ended");
    command.terminate().expect("nothing to do");
    command.close().expect("success");
    command.kill().expect("nothing to do");
}

#[test]
fn what_was_written_before_the_end_is_still_read() {
    let command = shell("echo text");
    assert!(command.wait_exit().expect("ended").success());
    command.read_all(&mut [0; 5]).expect("read");
    assert_eq!(command.read(&mut [0]).expect("the end"), 0);
}

#[test]
fn closing_needs_no_free_descriptor() {
    let name = "transport::command::end::closing_needs_no_free_descriptor";
    alone(name, || {
        let context = MainContext::new();
        let cat = ChannelCommand::builder(["cat"]).spawn().expect("cat");
        // It keeps the numbers of both pipes in use.
        let watch = cat.create_watch(IOCondition::IN | IOCondition::OUT);
        watch.attach(Some(&context));
        let _taken = fds::take_all();
        in_time(move || cat.close().expect("success"));
        watch.destroy();
    });
}

#[test]
fn several_threads_wait_for_one_end() {
    for _ in 0..20 {
        let cat = ChannelCommand::builder(["cat"]).spawn().expect("cat");
        in_time(move || {
            thread::scope(|scope| {
                let waits: Vec<_> = (0..3).map(|_| scope.spawn(|| cat.wait_exit())).collect();
                cat.shutdown(Shutdown::Write).expect("shut down");
                for wait in waits {
                    let status = wait.join().expect("no panic").expect("ended");
                    assert!(status.success());
                }
            });
            cat.close().expect("success");
        });
    }
}

#[test]
fn a_pidfd_becomes_readable_at_the_end() {
    let cat = ChannelCommand::builder(["cat"]).spawn().expect("cat");
    let (pidfd, _) = watch(&cat);
    check_runs(&pidfd);
    cat.shutdown(Shutdown::Write).expect("shut down");
    pidfd
        .wait_timeout(IOCondition::IN, TIMEOUT)
        .expect("it ends");
    assert!(cat.exit_status().expect("known").expect("ended").success());
    cat.close().expect("success");
    cat.pidfd().expect_err("closed");
}

#[test]
fn a_dropped_command_ends_at_the_end_of_its_input() {
    let cat = ChannelCommand::builder(["cat"]).spawn().expect("cat");
    let watched = watch(&cat);
    drop(cat);
    check_disappears(watched);
}

#[test]
fn a_dropped_command_that_has_exited_is_reaped() {
    let command = ChannelCommand::builder(["true"]).spawn().expect("true");
    let watched = watch(&command);
    watched
        .0
        .wait_timeout(IOCondition::IN, TIMEOUT)
        .expect("it ends");
    drop(command);
    check_disappears(watched);
}

#[test]
fn a_command_that_ends_by_itself_is_no_zombie_while_its_channel_is_there_and_has_its_status() {
    let commands: Vec<_> = (0..20).map(|i| shell(&format!("exit {i}"))).collect();
    commands.iter().map(watch).for_each(check_disappears);
    for (i, command) in commands.iter().enumerate() {
        let code = i32::try_from(i).expect("small");
        let status = command.exit_status().expect("known").expect("ended");
        assert_eq!(status.code(), Some(code));
        assert_eq!(command.property::<i32>("wait-status"), code << 8);
        // There is no process that it could reach.
        command.kill().expect("it has ended");
        assert_eq!(command.wait_exit().expect("known").code(), Some(code));
        assert_eq!(command.close().is_ok(), i == 0);
    }
}

#[test]
fn a_command_whose_channel_is_leaked_is_no_zombie() {
    let command = shell("read line");
    let watched = watch(&command);
    command.shutdown(Shutdown::Write).expect("ended its input");
    std::mem::forget(command);
    check_disappears(watched);
}

#[test]
fn an_aborted_command_is_no_zombie() {
    let command = stubborn();
    let watched = watch(&command);
    command.abort();
    check_disappears(watched);
    std::mem::forget(command);
}

#[test]
fn a_forked_child_reaps_its_own_commands_and_none_of_its_parent() {
    alone(
        "transport::command::end::a_forked_child_reaps_its_own_commands_and_none_of_its_parent",
        || {
            let parents = shell("read line; exit 3");
            let before = epoll_instances();
            in_child(|| {
                let own = shell("exit 4");
                check_disappears(watch(&own));
                let status = own.exit_status().expect("known").expect("ended");
                assert_eq!(status.code(), Some(4));
                drop((parents.clone(), own));
                // The descriptors of the parent's collector are closed, and the child has a new one
                // in its place.
                assert_eq!(epoll_instances(), before);
            });
            let watched = watch(&parents);
            check_runs(&watched.0);
            parents.write_all(b"\n").expect("it reads");
            check_disappears(watched);
            let status = parents.exit_status().expect("known").expect("ended");
            assert_eq!(status.code(), Some(3));
        },
    );
}

#[test]
fn dropping_an_endless_command_ends_it() {
    let command = ChannelCommand::new_spawn(["sleep", "1000"], Access::Read).expect("sleep");
    let watched = watch(&command);
    drop(command);
    check_disappears(watched);
}

#[test]
fn dropping_a_stubborn_command_does_not_wait_and_kills_it() {
    let command = stubborn();
    let watched = watch(&command);
    drop(command);
    // Had dropping waited for the end, which takes more than two seconds, this would be over.
    check_runs(&watched.0);
    check_disappears(watched);
}

#[test]
fn a_stubborn_command_survives_termination_but_not_a_kill() {
    let command = stubborn();
    let watched = watch(&command);
    command.terminate().expect("sent");
    // It still does what it did.
    check_runs(&watched.0);
    command.kill().expect("sent");
    let e = command.close().expect_err("it was killed");
    assert!(e.to_string().contains("signal 9"), "{e}");
    check_disappears(watched);
}

#[test]
fn dropping_many_commands_leaves_no_zombie() {
    let watched: Vec<_> = (0..20)
        .map(|_| {
            let cat = ChannelCommand::builder(["cat"]).spawn().expect("cat");
            watch(&cat)
        })
        .collect();
    watched.into_iter().for_each(check_disappears);
}

#[test]
fn a_reader_that_is_blocked_when_its_direction_is_shut_down_reads_the_end() {
    let sleep = ChannelCommand::builder(["sleep", "1000"])
        .spawn()
        .expect("sleep");
    let (reader, other) = (sleep.clone(), sleep.clone());
    let reading = std::thread::spawn(move || reader.read(&mut [0]));
    // Whether it is blocked by then or not: the answer is the same.
    other.shutdown(qio::Shutdown::Read).expect("shut down");
    let read = crate::common::in_time(move || reading.join().expect("no panic"));
    assert_eq!(read.expect("the end"), 0);
    sleep.kill().expect("sent");
}
