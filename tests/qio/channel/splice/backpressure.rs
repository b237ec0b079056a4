//! Back-pressure: a target that is not read stops the source; a wait does not spin; the main loop
//! is not blocked.

use std::{io::ErrorKind, sync::atomic::Ordering, thread};

use glib::MainContext;
use qio::{
    ByteCounter, Channel, ChannelBuffer, ChannelFile, ChannelSocket, JoinHandle, RelayStats,
    Shutdown, prelude::*,
};

use super::fixtures::{file, pattern, rest, tcp_pair};
use crate::{
    channel::future_foreign::Proxy,
    common::{FEW, after_ticks, fill, in_loop, iterations, on_loop, settle},
};

type Ends = (Channel, Channel);

fn pipe() -> Ends {
    let (read, write) = ChannelFile::pipe().expect("a pipe");
    (write.upcast(), read.upcast())
}

fn unix() -> Ends {
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    (a.upcast(), b.upcast())
}

fn tcp() -> Ends {
    let (a, b) = tcp_pair();
    (a.upcast(), b.upcast())
}

fn user() -> Ends {
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    (Proxy::new(a, true).upcast(), Proxy::new(b, false).upcast())
}

/// Writers, and readers of what they write.
const KINDS: [fn() -> Ends; 4] = [pipe, unix, tcp, user];

fn start(from: &Channel, to: &Channel, counter: &ByteCounter) -> JoinHandle<u64> {
    let (from, to, counter) = (from.clone(), to.clone(), counter.clone());
    qio::spawn_local(async move {
        let moved = from.splice_to_counted_future(&to, None, &counter).await;
        moved.expect("moved")
    })
}

/// Writes, and runs the transfer, until neither makes progress.
fn fill_up(writer: &Channel, context: &MainContext, counter: &ByteCounter) -> u64 {
    let (mut written, mut before) = (0, None);
    loop {
        written += fill(writer) as u64;
        settle(context);
        let now = (written, counter.count());
        if before.replace(now) == Some(now) {
            return written;
        }
        // What is on its way in the system is given the time to arrive.
        assert!(iterations(context) > 0);
    }
}

#[test]
fn back_pressure_of_the_target_reaches_the_source_without_spinning() {
    in_loop(|context| {
        for (from, to) in KINDS.iter().flat_map(|a| KINDS.map(|b| (a, b))) {
            let ((writer, source), (target, reader)) = (from(), to());
            for channel in [&writer, &source, &target] {
                channel.set_blocking(false).expect("non-blocking");
            }
            let counter = ByteCounter::new();
            let task = start(&source, &target, &counter);
            let written = fill_up(&writer, context, &counter);
            // The rest is in the buffers of the kernel, and in the transfer buffer.
            let moved = counter.count();
            assert!(moved > 0 && written >= moved);
            assert!(iterations(context) <= FEW);
            assert_eq!(counter.count(), moved);
            // When the target is read, the transfer continues.
            let arrived = thread::spawn(move || rest(&reader).len() as u64);
            drop(writer);
            let all = context.block_on(task).expect("no panic");
            assert_eq!(all, written);
            drop(target);
            assert_eq!(arrived.join().expect("no panic"), written);
        }
    });
}

#[test]
fn the_transfer_buffer_is_bounded() {
    in_loop(|context| {
        // A source without a limit: all data that is not in the kernel is in the transfer buffer.
        let (target, _reader) = unix();
        target.set_blocking(false).expect("non-blocking");
        let source = ChannelBuffer::from(vec![0; 100_000_000]);
        let counter = ByteCounter::new();
        let task = start(source.upcast_ref(), &target, &counter);
        settle(context);
        let held = source.position() - counter.count();
        assert!(held <= 256 * 1024, "{held} bytes");
        assert!(counter.count() < 2_000_000);
        task.abort();
        let _ = context.block_on(task);
        assert_eq!(source.position(), counter.count());
    });
}

#[test]
fn a_relay_that_waits_does_not_spin() {
    in_loop(|context| {
        for (from, to) in KINDS[1..]
            .iter()
            .flat_map(|a| KINDS[1..].iter().map(move |b| (a, b)))
        {
            for blocking in [true, false] {
                let ((a, one), (b, other)) = (from(), to());
                one.set_blocking(blocking).expect("the mode");
                other.set_blocking(blocking).expect("the mode");
                let (x, y) = (one.clone(), other.clone());
                let task = qio::spawn_local(async move { qio::relay_future(&x, &y).await });
                settle(context);
                assert!(iterations(context) <= FEW, "both ends are idle");
                let Some(a) = a.downcast_ref::<ChannelSocket>() else {
                    continue; // It cannot be shut down.
                };
                a.shutdown(Shutdown::Write).expect("shut down");
                settle(context);
                assert!(iterations(context) <= FEW, "one of them has ended");
                drop(b);
                let relayed = context.block_on(task).expect("no panic");
                assert_eq!(relayed.expect("relayed"), RelayStats::default());
            }
        }
    });
}

#[test]
fn the_loop_runs_while_channels_in_blocking_mode_wait() {
    for (from, to) in KINDS.iter().flat_map(|a| KINDS.map(|b| (a, b))) {
        let from = *from;
        on_loop(move || async move {
            let ((writer, source), (target, reader)) = (from(), to());
            // A class without a no-wait flag may block in the middle of a write.
            let held_up = !target.is::<Proxy>();
            if held_up {
                target.set_blocking(false).expect("non-blocking");
                fill(&target);
            }
            target.set_blocking(true).expect("blocking");
            let ticks = after_ticks(move || {
                // In a thread: this is the one that must not be held up.
                thread::spawn(move || {
                    thread::spawn(move || rest(&reader));
                    writer.write_all(&pattern(400_000)).expect("written");
                });
            });
            let moved = source.splice_to_future(&target, None).await;
            assert_eq!(moved.expect("moved"), 400_000);
            assert!(ticks.load(Ordering::Relaxed) >= 3);
        });
    }
}

#[test]
fn timers_fire_during_a_long_splice() {
    on_loop(|| async {
        let source = file(&vec![0; 50_000_000]);
        for (target, reader) in [pipe(), unix(), tcp()] {
            for blocking in [true, false] {
                target.set_blocking(blocking).expect("the mode");
                let reader = reader.clone();
                let size = 25_000_000;
                thread::spawn(move || {
                    let mut buf = vec![0; 65_536];
                    let mut left = size;
                    while left > 0 {
                        left -= reader.read(&mut buf).expect("read") as u64;
                    }
                });
                let ticks = after_ticks(|| ());
                let moved = source.splice_to_future(&target, Some(size)).await;
                assert_eq!(moved.expect("moved"), size);
                assert!(ticks.load(Ordering::Relaxed) >= 1);
            }
            source.seek(std::io::SeekFrom::Start(0)).expect("seeks");
        }
        // Memory is always ready, on both sides.
        let (source, target) = (
            ChannelBuffer::from(vec![0; 50_000_000]),
            ChannelBuffer::new(0),
        );
        let ticks = after_ticks(|| ());
        let moved = source.splice_to_future(&target, None).await;
        assert_eq!(moved.expect("moved"), 50_000_000);
        assert!(ticks.load(Ordering::Relaxed) >= 1);
    });
}

#[test]
fn a_thread_that_waits_for_a_full_target_uses_no_cpu_time() {
    in_loop(|_| {
        let ((writer, source), (target, reader)) = (tcp(), pipe());
        writer.write_all(&pattern(200_000)).expect("space");
        drop(writer);
        let waits = thread::spawn(move || {
            let before = cpu_time();
            let moved = source.splice_to(&target, None).expect("moved");
            (moved, cpu_time() - before)
        });
        // It is held up for this long.
        assert_eq!(iterations(&MainContext::new()), 1);
        let arrived = rest(&reader);
        let (moved, took) = waits.join().expect("no panic");
        assert_eq!((moved, arrived.len()), (200_000, 200_000));
        assert!(took < 50_000_000, "{took} ns");
    });
}

/// What this thread has used, in nanoseconds.
fn cpu_time() -> i64 {
    use nix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a clock");
    time.tv_sec() * 1_000_000_000 + time.tv_nsec()
}

#[test]
fn an_error_of_the_source_is_reported_after_its_data_is_written() {
    on_loop(|| async {
        let ((writer, source), (target, reader)) = (tcp(), pipe());
        writer.write_all(b"the last words").expect("space");
        let moved = source.splice_to_future(&target, Some(14)).await;
        assert_eq!(moved.expect("moved"), 14);
        // Data that the peer has not read makes it a reset.
        source.write_all(b"unread").expect("space");
        writer.wait(glib::IOCondition::IN).expect("arrives");
        drop(writer);
        let e = source.splice_to_future(&target, None).await;
        assert_eq!(e.expect_err("reset").kind(), ErrorKind::ConnectionReset);
        drop(target);
        assert_eq!(rest(&reader), b"the last words");
    });
}
