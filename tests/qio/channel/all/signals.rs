//! Signals: they do not disturb a transfer, and it raises none.

use std::{
    io::{self, ErrorKind, IoSlice},
    thread,
    time::Duration,
};

use futures_util::future::join;

use glib::prelude::*;
use nix::sys::signal::{SigSet, Signal, raise};
use qio::{Channel, ChannelCommand, ChannelFile, WriteFlags, prelude::*};

use super::streams;
use crate::common::{alone::alone, in_time, on_loop, signals};

/// A transfer of which one half waits until a signal has interrupted the other one often.
fn transfer_with_interruptions(read: &Channel, write: &Channel, interrupt_reader: bool) {
    const SIZE: usize = 8 << 20;
    let before = signals::interruptions();
    let wait = move || {
        while signals::interruptions() < before + 20 {
            thread::yield_now();
        }
    };
    thread::scope(|scope| {
        scope.spawn(move || {
            if interrupt_reader {
                wait();
            }
            let _timer = (!interrupt_reader).then(signals::interrupt_this_thread);
            let data: Vec<_> = (0..SIZE).map(|i| (i % 251) as u8).collect();
            write.write_all(&data).expect("written");
        });
        if !interrupt_reader {
            wait();
        }
        let _timer = interrupt_reader.then(signals::interrupt_this_thread);
        let mut got = vec![0; SIZE];
        read.read_all(&mut got).expect("read");
        assert!(
            got.iter()
                .enumerate()
                .all(|(i, &byte)| byte == (i % 251) as u8)
        );
    });
}

#[test]
fn signals_do_not_disturb_a_transfer() {
    alone(
        "channel::all::signals::signals_do_not_disturb_a_transfer",
        || {
            in_time(|| {
                for (read, write) in streams() {
                    transfer_with_interruptions(&read, &write, true);
                    transfer_with_interruptions(&read, &write, false);
                    for channel in [&read, &write] {
                        channel.set_blocking(false).expect("non-blocking");
                    }
                    transfer_with_interruptions(&read, &write, true);
                    transfer_with_interruptions(&read, &write, false);
                }
            });
        },
    );
}

#[test]
fn signals_do_not_disturb_futures() {
    alone(
        "channel::all::signals::signals_do_not_disturb_futures",
        || {
            for (read, write) in streams() {
                for blocking in [true, false] {
                    let (read, write) = (read.clone(), write.clone());
                    read.set_blocking(blocking).expect("the mode");
                    write.set_blocking(blocking).expect("the mode");
                    on_loop(move || bytes_during_signals(read, write));
                }
            }
        },
    );
}

/// Single bytes, each of which is waited for, until signals have interrupted this thread often.
async fn bytes_during_signals(read: Channel, write: Channel) {
    let enough = signals::interruptions() + 10_000;
    let _timer = signals::interrupt_this_thread_every(Duration::from_micros(50));
    while signals::interruptions() < enough {
        let mut byte = [0];
        let (got, written) = join(read.read_future(&mut byte), write.write_all_future(b"x")).await;
        assert_eq!((got.expect("read"), byte), (1, *b"x"));
        written.expect("written");
    }
}

/// Of each kind: a channel whose reader is dead.
fn without_reader() -> Vec<Channel> {
    let mut channels: Vec<Channel> = streams().into_iter().map(|(_, write)| write).collect();
    let command = ChannelCommand::builder(["true"]).spawn().expect("true");
    assert!(command.wait_exit().expect("ended").success());
    channels.push(command.upcast());
    channels
}

#[test]
fn a_closed_reader_is_epipe_and_no_sigpipe() {
    alone(
        "channel::all::signals::a_closed_reader_is_epipe_and_no_sigpipe",
        || {
            signals::make_sigpipe_deadly();
            let mask = signals::blocked_and_pending();
            for channel in without_reader() {
                let broken = |result: io::Result<()>| {
                    assert_eq!(result.expect_err("no reader").kind(), ErrorKind::BrokenPipe);
                };
                for blocking in [true, false] {
                    channel.set_blocking(blocking).expect("the mode");
                    broken(channel.write(b"x").map(drop));
                    broken(
                        channel
                            .writev(&[b"x", b"y"].map(|b| IoSlice::new(b)))
                            .map(drop),
                    );
                    broken(channel.write_all(b"x"));
                    broken(channel.writev_full_all(
                        &[IoSlice::new(b"x")],
                        &[],
                        WriteFlags::empty(),
                    ));
                    broken(
                        channel
                            .write_bytes(&glib::Bytes::from_static(b"x"))
                            .map(drop),
                    );
                    assert_eq!(signals::blocked_and_pending(), mask);
                }
            }
        },
    );
}

#[test]
fn a_reader_that_closes_during_a_write_raises_no_sigpipe() {
    alone(
        "channel::all::signals::a_reader_that_closes_during_a_write_raises_no_sigpipe",
        || {
            signals::make_sigpipe_deadly();
            let (reader, writer) = ChannelFile::pipe().expect("a pipe");
            let writing = thread::spawn(move || writer.write(&vec![b'x'; 1 << 20]));
            // More than the pipe holds: the writer is in the middle of it.
            reader.read_all(&mut vec![0; 100_000]).expect("read");
            reader.close().expect("closed");
            match writing.join().expect("no panic") {
                Ok(written) => assert!((100_000..1 << 20).contains(&written)),
                Err(e) => assert_eq!(e.kind(), ErrorKind::BrokenPipe),
            }
        },
    );
}

#[test]
fn a_pending_sigpipe_stays_pending() {
    alone(
        "channel::all::signals::a_pending_sigpipe_stays_pending",
        || {
            signals::make_sigpipe_deadly();
            let channels = without_reader();
            let sigpipe = SigSet::from(Signal::SIGPIPE);
            sigpipe.thread_block().expect("blocked");
            let bit = signals::bit(Signal::SIGPIPE);
            let before = signals::blocked_and_pending();
            assert_eq!((before.0 & bit, before.1 & bit), (bit, 0));
            for channel in &channels {
                channel.write_all(b"x").expect_err("no reader");
                assert_eq!(
                    signals::blocked_and_pending(),
                    before,
                    "none is left behind"
                );
            }
            raise(Signal::SIGPIPE).expect("raised");
            let before = signals::blocked_and_pending();
            assert_eq!((before.0 & bit, before.1 & bit), (bit, bit));
            for channel in &channels {
                channel.write_all(b"x").expect_err("no reader");
                assert_eq!(
                    signals::blocked_and_pending(),
                    before,
                    "it is not ours to take"
                );
            }
        },
    );
}
