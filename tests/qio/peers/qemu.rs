//! QEMU, whose own QIOChannel takes our descriptors: the monitor protocol over a unix socket.

use std::{
    io::{IoSlice, Read as _},
    os::fd::{AsFd, BorrowedFd},
    path::Path,
};

use qio::{ChannelSocket, WriteFlags, prelude::*};

use super::{Peer, read_line, unix};
use crate::common::in_time;

struct Monitor {
    /// It ends with this.
    _qemu: Peer,
    channel: ChannelSocket,
}

impl Monitor {
    fn start(directory: &Path) -> Self {
        let path = directory.join("qmp");
        let qmp = format!("unix:{},server=on,wait=off", path.display());
        let arguments = [
            "-M",
            "none",
            "-S",
            "-display",
            "none",
            "-nodefaults",
            "-qmp",
            &qmp,
        ];
        let mut qemu = Peer::start("qemu-system-x86", "qemu-system-x86_64", &arguments);
        let channel = qemu.connect(gio::SocketType::Stream, &unix(&path));
        let this = Self {
            _qemu: qemu,
            channel,
        };
        let greeting = read_line(&this.channel);
        assert!(greeting.contains("\"QMP\""), "{greeting}");
        this.command("{\"execute\": \"qmp_capabilities\"}", &[]);
        this
    }

    /// Sends a command, with descriptors, and returns the answer to it.
    #[track_caller]
    fn command(&self, command: &str, fds: &[BorrowedFd<'_>]) -> String {
        let iov = [IoSlice::new(command.as_bytes()), IoSlice::new(b"\n")];
        self.channel
            .writev_full_all(&iov, fds, WriteFlags::empty())
            .expect("sent");
        loop {
            let answer = read_line(&self.channel);
            if !answer.contains("\"event\"") {
                assert!(answer.contains("\"return\""), "{answer}");
                return answer;
            }
        }
    }
}

#[test]
fn qemu_receives_descriptors_by_name_and_returns_them_by_number() {
    needs!("qemu-system-x86");
    in_time(|| {
        let directory = tempfile::tempdir().expect("a directory");
        let monitor = Monitor::start(directory.path());
        let (mut read, write) = std::io::pipe().expect("a pipe");
        monitor.command(
            "{\"execute\": \"getfd\", \"arguments\": {\"fdname\": \"ours\"}}",
            &[write.as_fd()],
        );
        // Only QEMU can write to it now, and closing it there is the end here.
        drop(write);
        monitor.command(
            "{\"execute\": \"closefd\", \"arguments\": {\"fdname\": \"ours\"}}",
            &[],
        );
        assert_eq!(read.read(&mut [0]).expect("the end"), 0);
    });
}

#[test]
fn qemu_opens_what_we_have_passed_in_place_of_a_file() {
    needs!("qemu-system-x86");
    in_time(|| {
        let directory = tempfile::tempdir().expect("a directory");
        let monitor = Monitor::start(directory.path());
        let file = std::fs::File::create(directory.path().join("log")).expect("a file");
        let answer = monitor.command(
            "{\"execute\": \"add-fd\", \"arguments\": {\"fdset-id\": 7, \"opaque\": \"ours\"}}",
            &[file.as_fd()],
        );
        assert!(answer.contains("\"fdset-id\": 7"), "{answer}");
        let sets = monitor.command("{\"execute\": \"query-fdsets\"}", &[]);
        assert!(sets.contains("\"opaque\": \"ours\""), "{sets}");
        // It opens for writing what can be written to, and nothing else.
        monitor.command(
            "{\"execute\": \"chardev-add\", \"arguments\": {\"id\": \"out\", \"backend\": {\"type\": \"file\", \
             \"data\": {\"out\": \"/dev/fdset/7\"}}}}",
            &[],
        );
        monitor.command(
            "{\"execute\": \"chardev-remove\", \"arguments\": {\"id\": \"out\"}}",
            &[],
        );
    });
}

#[test]
fn qemu_uses_a_passed_socket_as_a_character_device() {
    needs!("qemu-system-x86");
    in_time(|| {
        let directory = tempfile::tempdir().expect("a directory");
        let monitor = Monitor::start(directory.path());
        let (ours, theirs) = ChannelSocket::pair().expect("a socketpair");
        let passed = theirs.with_fd(|fd| fd.try_clone_to_owned()).expect("open");
        monitor.command(
            "{\"execute\": \"getfd\", \"arguments\": {\"fdname\": \"link\"}}",
            &[passed.expect("a duplicate").as_fd()],
        );
        drop(theirs);
        // A second monitor on the socket: its greeting is sent by a QIOChannel of QEMU.
        monitor.command(
            "{\"execute\": \"chardev-add\", \"arguments\": {\"id\": \"link\", \"backend\": {\"type\": \"socket\", \
             \"data\": {\"server\": false, \"addr\": {\"type\": \"fd\", \"data\": {\"str\": \"link\"}}}}}}",
            &[],
        );
        monitor.command(
            "{\"execute\": \"human-monitor-command\", \"arguments\": {\"command-line\": \"info chardev\"}}",
            &[],
        );
        monitor.command(
            "{\"execute\": \"chardev-remove\", \"arguments\": {\"id\": \"link\"}}",
            &[],
        );
        assert_eq!(ours.read(&mut [0]).expect("QEMU has closed it"), 0);
    });
}

#[test]
fn the_peer_process_of_qemu_is_known_by_pidfd() {
    needs!("qemu-system-x86");
    in_time(|| {
        let directory = tempfile::tempdir().expect("a directory");
        let monitor = Monitor::start(directory.path());
        let peer = monitor.channel.peer_credentials().expect("a peer");
        assert_eq!(peer.pid, monitor._qemu.0.id() as i32);
    });
}
