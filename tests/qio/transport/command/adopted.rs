//! Commands that were started elsewhere, whose descriptors may be anything.

use std::{
    fs::File,
    io::{ErrorKind, IoSlice, Write as _},
    os::fd::{AsFd, OwnedFd},
    process::{Command, Stdio},
    sync::Arc,
    thread,
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    libc,
};
use qio::{ChannelCommand, ChannelSocket, Shutdown, WriteFlags, prelude::*};

use super::super::never_blocks::{pipe, sockets};
use crate::common::{after_ticks, blocked::Blocked, in_time, on_loop};

/// A channel of a process that does nothing until the channel ends it.
fn channel(read: Option<OwnedFd>, write: Option<OwnedFd>) -> ChannelCommand {
    let mut sleep = Command::new("sleep");
    // Without the output of the test: the child may outlive it, and would hold its pipe open.
    sleep.arg("1000").stdin(Stdio::null());
    let sleep = sleep.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let pid = sleep.expect("sleep").id();
    ChannelCommand::new_pid(read, write, pid).expect("a child")
}

#[test]
fn each_descriptor_has_a_mode_of_its_own() {
    for only_output_blocks in [true, false] {
        let ((output, peer), (_peer, input)) = (pipe(0), pipe(0));
        let other = if only_output_blocks { &input } else { &output };
        fcntl(other.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).expect("the mode");
        let command = channel(Some(output), Some(input));
        assert!(command.is_blocking(), "one of them is");
        let (reader, mut writer) = (command.clone(), File::from(peer));
        let mut writes = writer.try_clone().expect("a descriptor");
        on_loop(move || async move {
            after_ticks(move || writes.write_all(b"x").expect("space"));
            reader.read_future(&mut [0; 10]).await.expect("read");
        });
        // Without a future, reading waits all the same.
        let blocked = Arc::new(Blocked::default());
        let reads = blocked.clone();
        let thread = thread::spawn(move || {
            reads.soon();
            command.read(&mut [0; 10]).expect("read")
        });
        blocked.wait();
        writer.write_all(b"yy").expect("space");
        assert_eq!(thread.join().expect("no panic"), 2);
    }
}

/// Three messages that come at once, after a read has begun to wait.
#[track_caller]
fn check_messages(read: OwnedFd, blocking: bool, send: impl FnOnce() + Send + 'static) {
    let command = channel(Some(read), None);
    command.set_blocking(blocking).expect("the mode");
    on_loop(move || async move {
        after_ticks(send);
        let reads = qio::spawn_local(async move {
            for message in [b'a', b'b', b'c'] {
                let mut buf = [0; 100];
                let count = command.read_future(&mut buf).await.expect("read");
                assert_eq!(buf[..count], [message]);
            }
        });
        reads.await.expect("no panic");
    });
}

#[test]
fn message_boundaries_are_preserved_and_no_message_is_left() {
    for blocking in [true, false] {
        for (read, write) in [pipe(libc::O_DIRECT), sockets(libc::SOCK_SEQPACKET)] {
            // An end would be read as well.
            let mut file = File::from(write.try_clone().expect("a descriptor"));
            check_messages(read, blocking, move || {
                for message in [b"a", b"b", b"c"] {
                    file.write_all(message).expect("space");
                }
            });
        }
    }
}

#[test]
fn reads_that_end_at_descriptors_leave_nothing() {
    for blocking in [true, false] {
        let (read, write) = sockets(libc::SOCK_STREAM);
        let peer = ChannelSocket::new_fd(write).expect("a socket");
        let _open = peer.clone();
        check_messages(read, blocking, move || {
            let some = File::open("/dev/null").expect("opened");
            for message in [b"a", b"b", b"c"] {
                let message = [IoSlice::new(message)];
                peer.writev_full_all(&message, &[some.as_fd()], WriteFlags::empty())
                    .expect("space");
            }
        });
    }
}

#[test]
fn a_socket_for_both_directions_is_shut_down_for_one() {
    let (ours, theirs) = sockets(libc::SOCK_STREAM);
    let pid = {
        let mut wc = Command::new("wc");
        let input = theirs.try_clone().expect("a descriptor");
        let wc = wc.arg("-c").stdin(input).stdout(theirs).spawn();
        wc.expect("wc").id()
    };
    let twin = ours.try_clone().expect("a descriptor");
    let command = ChannelCommand::new_pid(Some(ours), Some(twin), pid).expect("a child");
    in_time(move || {
        command.write_all(b"12345").expect("written");
        command.shutdown(Shutdown::Write).expect("shut down");
        let e = command.write(b"x").expect_err("shut");
        assert_eq!(e.kind(), ErrorKind::BrokenPipe);
        assert_eq!(super::output(&command).trim(), "5");
    });
}
