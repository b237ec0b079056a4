//! The signals that a command starts with, and a parent that ignores `SIGCHLD`.

use std::{
    fs,
    io::{ErrorKind, IoSlice},
    os::fd::AsFd,
    thread,
    time::Instant,
};

use gio::prelude::*;
use nix::{
    libc,
    sys::signal::{SigSet, Signal, kill},
    unistd::Pid,
};
use qio::{Access, ChannelCommand, ChannelSocket, WriteFlags, prelude::*};

use super::{output, shell};
use crate::common::{TIMEOUT, alone::alone, in_time, native::take_pidfds_away, signals};

/// The line of `/proc/PID/status` of a command, as a number.
#[track_caller]
fn signals_of_a_command(line: &str) -> u64 {
    let command = ChannelCommand::new_spawn(["grep", line, "/proc/self/status"], Access::Read);
    let text = output(&command.expect("grep"));
    let bits = text.trim().trim_start_matches(line).trim();
    u64::from_str_radix(bits, 16).expect("hexadecimal")
}

#[test]
fn no_signal_is_blocked_in_a_command() {
    let mut blocked = SigSet::empty();
    blocked.add(Signal::SIGTERM);
    blocked.add(Signal::SIGUSR1);
    // Of this thread alone.
    blocked.thread_block().expect("blocked");
    assert_eq!(signals_of_a_command("SigBlk:"), 0);
    let command = ChannelCommand::new_spawn(["sleep", "1000"], Access::Read).expect("sleep");
    command.terminate().expect("sent");
    let status = in_time(move || command.wait_exit().expect("ended"));
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&status),
        Some(libc::SIGTERM)
    );
}

/// The blocked signals of the threads of this process with a name.
fn blocked_in_threads(name: &str) -> Vec<u64> {
    let tasks = fs::read_dir("/proc/self/task").expect("/proc");
    let of_task = |task: fs::DirEntry| {
        let read = |file| fs::read_to_string(task.path().join(file));
        let is_it = read("comm").is_ok_and(|comm| comm.trim() == name);
        let status = is_it.then(|| read("status").ok()).flatten()?;
        let line = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
        u64::from_str_radix(line?.trim(), 16).ok()
    };
    tasks.flatten().filter_map(of_task).collect()
}

#[test]
fn signals_of_the_process_are_blocked_in_threads_of_the_library() {
    const NAME: &str = "transport::command::signals::\
                        signals_of_the_process_are_blocked_in_threads_of_the_library";
    alone(NAME, || {
        let before = signals::blocked_and_pending().0;
        let command = ChannelCommand::new_spawn(["sleep", "30"], Access::Read).expect("sleep");
        // A thread terminates it, and waits until it has ended.
        let stubborn = shell("trap '' TERM; echo here; exec sleep 30");
        stubborn.read_all(&mut [0; 5]).expect("here");
        let pid = stubborn.pid();
        drop(stubborn);
        let loopback = gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4);
        let any = gio::InetSocketAddress::new(&loopback, 0);
        let listener = ChannelSocket::listen(&any, 1).expect("listens");
        let address = listener.local_address().expect("an address");
        let client = ChannelSocket::connect(&address).expect("connects");
        let sent = client.writev_full(&[IoSlice::new(b"x")], &[], WriteFlags::ZERO_COPY);
        assert_eq!(sent.expect("sent"), 1);
        // The first one waits for commands; without pidfds there is one for each.
        for names in [
            &["qio-collector", "qio-child"][..],
            &["qio-reaper"],
            &["qio-zero-copy"],
        ] {
            let begin = Instant::now();
            // A thread that has just started has its name soon.
            let (name, blocked) = loop {
                let found = names.iter().flat_map(|name| {
                    let blocked = blocked_in_threads(name);
                    blocked.first().map(|blocked| (name, *blocked))
                });
                match { found }.next() {
                    Some(found) => break found,
                    None => thread::yield_now(),
                }
                assert!(begin.elapsed() < TIMEOUT, "there is no thread {names:?}");
            };
            for signal in [Signal::SIGTERM, Signal::SIGCHLD, Signal::SIGUSR1] {
                assert_ne!(blocked & signals::bit(signal), 0, "{name}: {signal}");
            }
            // A handler reports a crash of the thread.
            assert_eq!(blocked & signals::bit(Signal::SIGSEGV), 0, "{name}");
        }
        assert_eq!(signals::blocked_and_pending().0, before);
        assert_eq!(signals_of_a_command("SigBlk:"), 0);
        command.terminate().expect("sent");
        kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).expect("sent");
    });
}

#[test]
fn sigpipe_ends_a_command_although_this_process_ignores_it() {
    let bit = signals::bit(Signal::SIGPIPE);
    assert_eq!(signals_of_a_command("SigIgn:") & bit, 0);
}

/// Commands that exit with a status, in a program where the kernel keeps none.
#[track_caller]
fn check_unknown() {
    signals::ignore_sigchld();
    for i in 0..50 {
        let command = shell("exit 3");
        if i % 2 == 0 {
            assert_eq!(command.read(&mut [0]).expect("the end"), 0);
        }
        let e = in_time(move || command.close().expect_err("unknown"));
        assert!(
            e.to_string().starts_with(
                "The exit status of the command \"sh\" is unknown, as SIGCHLD is ignored"
            ),
            "{e}"
        );
    }
    let command = shell("read line; exit 3");
    assert_eq!(command.exit_status().expect("a status"), None);
    command.write_all(b"x\n").expect("written");
    let waits = command.clone();
    in_time(move || waits.wait_exit().expect_err("unknown"));
    command.exit_status().expect_err("unknown");
    assert_eq!(command.property::<i32>("wait-status"), -1);
    // It has exited: a process that has reused its id gets no signal.
    command.kill().expect("nothing to do");
    let ended = command.pidfd().expect("a descriptor");
    let mut polled = [nix::poll::PollFd::new(
        ended.as_fd(),
        nix::poll::PollFlags::POLLIN,
    )];
    assert_eq!(nix::poll::poll(&mut polled, 0u8).expect("polled"), 1);
}

#[test]
fn where_sigchld_is_ignored_commands_start_and_their_status_is_unknown() {
    let name = "transport::command::signals::where_sigchld_is_ignored_commands_start_and_their_\
                status_is_unknown";
    alone(name, || {
        check_unknown();
        // A pidfd identifies the target of the signal.
        let sleep = ChannelCommand::new_spawn(["sleep", "1000"], Access::Read).expect("sleep");
        sleep.kill().expect("sent");
        in_time(move || sleep.wait_exit().expect_err("unknown"));
    });
}

#[test]
fn nothing_is_signalled_by_number_where_sigchld_is_ignored() {
    let name =
        "transport::command::signals::nothing_is_signalled_by_number_where_sigchld_is_ignored";
    alone(name, || {
        take_pidfds_away();
        check_unknown();
        let cat = ChannelCommand::builder(["cat"]).spawn().expect("cat");
        let e = cat.kill().expect_err("its number may be another's");
        assert_eq!(e.kind(), ErrorKind::Unsupported);
        cat.write_all(b"x").expect("it runs");
        cat.read_all(&mut [0]).expect("it runs");
    });
}
