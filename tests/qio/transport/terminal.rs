//! The end of a terminal, at the master side of the pseudo-terminal.

use std::{
    fs::File,
    io::Write as _,
    sync::{Arc, mpsc},
    thread,
};

use glib::{IOCondition, MainContext};
use qio::{ChannelFile, ChannelSocket, Shutdown, prelude::*};

use super::never_blocks::terminal;
use crate::common::{blocked::Blocked, in_time};

/// The emulator's side of a terminal that a program has written to and left.
fn left_behind() -> ChannelFile {
    let (terminal, emulator) = terminal();
    File::from(terminal).write_all(b"bye").expect("space");
    ChannelFile::new_fd(emulator)
}

#[test]
fn reading_ends_after_the_last_close_of_the_terminal() {
    for blocking in [true, false] {
        let emulator = left_behind();
        emulator.set_blocking(blocking).expect("the mode");
        in_time(move || {
            let mut buf = [0; 10];
            assert_eq!(emulator.read(&mut buf).expect("read"), 3);
            for _ in 0..2 {
                assert_eq!(emulator.read(&mut buf).expect("the end"), 0);
            }
            let read = emulator.read_future(&mut buf);
            assert_eq!(MainContext::new().block_on(read).expect("the end"), 0);
            assert!(!emulator.read_all_eof(&mut buf).expect("the end"));
            let got = emulator.wait(IOCondition::IN).expect("it has ended");
            assert!(got.contains(IOCondition::HUP));
        });
    }
}

#[test]
fn transfers_end_with_the_terminal() {
    for by_future in [true, false] {
        let (a, b) = ChannelSocket::pair().expect("a socketpair");
        let emulator = left_behind();
        let moved = in_time(move || match by_future {
            true => MainContext::new().block_on(emulator.splice_to_future(&b, None)),
            false => emulator.splice_to(&b, None),
        });
        assert_eq!(moved.expect("the end"), 3);
        a.read_all(&mut [0; 3]).expect("bye");
    }
}

#[test]
fn a_relay_ends_with_the_terminal() {
    let (a, one) = ChannelSocket::pair().expect("a socketpair");
    let emulator = left_behind();
    let client = thread::spawn(move || {
        a.read_all(&mut [0; 3]).expect("bye");
        assert_eq!(a.read(&mut [0]).expect("the end"), 0);
        a.shutdown(Shutdown::Write).expect("shut down");
    });
    let relayed = in_time(move || qio::relay(&emulator, &one).expect("both ends"));
    client.join().expect("no panic");
    assert_eq!((relayed.sent, relayed.received), (3, 0));
}

#[test]
fn close_ends_a_read_of_a_terminal_for_which_another_thread_was_faster() {
    // Both threads see the input; the slower one must not block in read(2).
    for _ in 0..20 {
        let (terminal, emulator) = terminal();
        let shared = terminal.try_clone().expect("a descriptor");
        let channel = ChannelFile::new_fd(terminal);
        let (sender, results) = mpsc::channel();
        let threads = [(); 2].map(|()| {
            let (channel, sender) = (channel.clone(), sender.clone());
            let blocked = Arc::new(Blocked::default());
            let soon = blocked.clone();
            thread::spawn(move || {
                soon.soon();
                let _ = sender.send(channel.read(&mut [0; 10]));
            });
            blocked
        });
        in_time(move || {
            threads.iter().for_each(|blocked| blocked.wait());
            File::from(emulator.try_clone().expect("a descriptor"))
                .write_all(b"line")
                .expect("space");
            assert_eq!(results.recv().expect("a result").expect("read"), 4);
            // One is asleep again, the other has ended.
            threads.iter().for_each(|blocked| blocked.wait());
            channel.close().expect("closed");
            results.recv().expect("a result").expect_err("closed");
        });
        // Other processes share it.
        let flags = nix::fcntl::fcntl(&shared, nix::fcntl::FcntlArg::F_GETFL).expect("flags");
        assert_eq!(flags & nix::libc::O_NONBLOCK, 0, "it is in blocking mode");
    }
}
