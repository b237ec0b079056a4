//! swtpm, an emulator of TPMs: it gets the socket for its data by a message of its control channel.

use std::{io::IoSlice, os::fd::AsFd};

use qio::{ChannelSocket, WriteFlags, prelude::*};

use super::{Peer, unix};
use crate::common::in_time;

// Numbers of its control channel, which are big-endian.
const INIT: u32 = 2;
const SET_DATAFD: u32 = 16;

/// Sends a command with its data, and checks that the response is success.
#[track_caller]
fn control(
    channel: &ChannelSocket,
    command: u32,
    argument: &[u8],
    fds: &[std::os::fd::BorrowedFd<'_>],
) {
    let number = command.to_be_bytes();
    let iov = [IoSlice::new(&number), IoSlice::new(argument)];
    channel
        .writev_full_all(&iov, fds, WriteFlags::empty())
        .expect("sent");
    let mut result = [0; 4];
    channel.read_all(&mut result).expect("an answer");
    assert_eq!(result, [0; 4], "command {command}");
}

#[test]
fn swtpm_uses_the_passed_socket_for_its_data() {
    needs!("swtpm");
    in_time(|| {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("control");
        let arguments = [
            "socket".to_owned(),
            "--tpm2".to_owned(),
            "--tpmstate".to_owned(),
            format!("dir={}", directory.path().display()),
            "--ctrl".to_owned(),
            format!("type=unixio,path={}", path.display()),
            "--flags".to_owned(),
            "not-need-init".to_owned(),
        ];
        let mut peer = Peer::start("swtpm", "swtpm", &arguments);
        let channel = peer.connect(gio::SocketType::Stream, &unix(&path));
        let (ours, theirs) = ChannelSocket::pair().expect("a socketpair");
        let passed = theirs.with_fd(|fd| fd.try_clone_to_owned()).expect("open");
        let passed = passed.expect("a duplicate");
        control(&channel, SET_DATAFD, &[], &[passed.as_fd()]);
        drop((theirs, passed));
        control(&channel, INIT, &0u32.to_be_bytes(), &[]);
        // TPM2_Startup (CLEAR): a tag, the length, the command, what kind.
        let startup = [0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x44, 0, 0];
        ours.write_all(&startup).expect("sent");
        let mut answer = [0; 10];
        ours.read_all(&mut answer).expect("an answer");
        assert_eq!(answer, [0x80, 0x01, 0, 0, 0, 10, 0, 0, 0, 0]);
    });
}
