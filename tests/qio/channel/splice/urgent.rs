//! Urgent data of TCP, where the kernel stops as at the end.

use std::{os::fd::AsRawFd, thread};

use nix::sys::socket::{MsgFlags, send};
use qio::{Channel, ChannelFile, ChannelSocket, Shutdown, prelude::*};

use super::fixtures::{pattern, rest, tcp_pair};
use crate::common::in_time;

/// As much as makes a transfer one of many bytes.
const HALF: usize = 1 << 20;

/// Sends one half, a byte of urgent data, and the other half.
fn send_with_urgent(peer: &ChannelSocket, data: &[u8]) {
    peer.write_all(&data[..HALF]).expect("it is read");
    let urgent = |fd: std::os::fd::BorrowedFd<'_>| send(fd.as_raw_fd(), b"!", MsgFlags::MSG_OOB);
    peer.with_fd(urgent).expect("open").expect("sent");
    peer.write_all(&data[HALF..]).expect("it is read");
    peer.shutdown(Shutdown::Write).expect("shut down");
}

#[test]
fn urgent_data_does_not_end_a_transfer() {
    let data = pattern(2 * HALF);
    for (blocking, by_future) in [(true, false), (false, false), (true, true), (false, true)] {
        for to_pipe in [true, false] {
            let (peer, source) = tcp_pair();
            source.set_blocking(blocking).expect("the mode");
            let (reader, target): (Channel, Channel) = match to_pipe {
                true => {
                    let (read, write) = ChannelFile::pipe().expect("a pipe");
                    (read.upcast(), write.upcast())
                }
                false => {
                    let (read, write) = tcp_pair();
                    (read.upcast(), write.upcast())
                }
            };
            let all = data.clone();
            let sending = thread::spawn(move || send_with_urgent(&peer, &all));
            let reading = thread::spawn(move || rest(&reader));
            let moved = in_time(move || {
                let moved = match by_future {
                    true => {
                        glib::MainContext::new().block_on(source.splice_to_future(&target, None))
                    }
                    false => source.splice_to(&target, None),
                };
                target.close().expect("closed");
                moved.expect("moved")
            });
            sending.join().expect("no panic");
            assert_eq!(moved, 2 * HALF as u64);
            assert!(reading.join().expect("no panic") == data);
        }
    }
}

#[test]
fn urgent_data_does_not_end_a_relay() {
    let data = pattern(2 * HALF);
    let ((peer, one), (reader, other)) = (tcp_pair(), tcp_pair());
    // What moves the data in the kernel.
    for channel in [&one, &other] {
        channel.set_blocking(false).expect("the mode");
    }
    let all = data.clone();
    let sending = thread::spawn(move || {
        send_with_urgent(&peer, &all);
        peer
    });
    let reading = thread::spawn(move || {
        let all = rest(&reader);
        reader.shutdown(Shutdown::Write).expect("shut down");
        all
    });
    let relayed = in_time(move || qio::relay(&one, &other).expect("relayed"));
    drop(sending.join().expect("no panic"));
    assert_eq!(relayed.sent, 2 * HALF as u64);
    assert!(reading.join().expect("no panic") == data);
}
