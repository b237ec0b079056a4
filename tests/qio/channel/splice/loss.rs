//! No data is lost if one side closes, or if the transfer is dropped: the data in the target and in
//! the source is complete.

use std::{
    future::Future,
    io::{self, ErrorKind, Read},
    pin::Pin,
    task::{Context, Waker},
    thread,
};

use glib::MainContext;
use nix::sys::signal::Signal;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use qio::{
    ByteCounter, Channel, ChannelBuffer, ChannelFile, ChannelFilter, ChannelSocket, TransferError,
    prelude::*,
};

use super::fixtures::{file, pattern, rest, tcp_pair};
use crate::{
    channel::future_foreign::Proxy,
    common::{
        alone::alone,
        fds, fill, in_loop, in_time, settle,
        signals::{bit, blocked_and_pending, make_sigpipe_deadly},
    },
};

/// The kinds of sources and targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    File,
    Pipe,
    Unix,
    Tcp,
    Buffer,
    User,
}

fn sources() -> impl Strategy<Value = End> {
    prop_oneof![
        Just(End::File),
        Just(End::Pipe),
        Just(End::Unix),
        Just(End::Tcp),
        Just(End::Buffer),
        Just(End::User),
    ]
}

fn targets() -> impl Strategy<Value = End> {
    prop_oneof![
        Just(End::Pipe),
        Just(End::Unix),
        Just(End::Tcp),
        Just(End::User),
    ]
}

/// A channel and the other end of it, to write to, where there is one.
fn source(end: End, data: &[u8]) -> (Channel, Option<Channel>) {
    match end {
        End::File => (file(data).upcast(), None),
        End::Buffer => (ChannelBuffer::from(data.to_vec()).upcast(), None),
        end => {
            let (b, a) = target(end);
            (a, Some(b))
        }
    }
}

/// A channel to write to, and one to read that from.
fn target(end: End) -> (Channel, Channel) {
    match end {
        End::Pipe => {
            let (read, write) = ChannelFile::pipe().expect("a pipe");
            (write.upcast(), read.upcast())
        }
        End::Tcp => {
            let (a, b) = tcp_pair();
            (a.upcast(), b.upcast())
        }
        _ => {
            let (a, b) = ChannelSocket::pair().expect("a socketpair");
            match end {
                End::User => (Proxy::new(a, true).upcast(), Proxy::new(b, false).upcast()),
                _ => (a.upcast(), b.upcast()),
            }
        }
    }
}

/// Has the data written, and the end of it, in a thread.
fn feed(peer: Option<Channel>, data: &[u8]) -> thread::JoinHandle<()> {
    let data = data.to_vec();
    thread::spawn(move || {
        if let Some(peer) = peer {
            peer.write_all(&data).expect("the splice reads all of it");
        }
    })
}

fn transfer(
    (from, to): (&Channel, &Channel),
    by_future: bool,
    counter: &ByteCounter,
    context: &MainContext,
) -> io::Result<u64> {
    match by_future {
        true => context.block_on(from.splice_to_counted_future(to, None, counter)),
        false => from.splice_to_counted(to, None, counter),
    }
}

/// The reader of the target closes after so many bytes.
fn reader_closes(
    (from, to): (End, End),
    (size, taken): (usize, usize),
    by_future: bool,
    blocking: bool,
    context: &MainContext,
) {
    let data = pattern(size);
    let (source, peer) = source(from, &data);
    let (target, reader) = target(to);
    source.set_blocking(blocking).expect("the mode");
    target.set_blocking(blocking).expect("the mode");
    let feeder = feed(peer, &data);
    let taken = taken.min(size);
    let reader = thread::spawn(move || {
        let mut buf = vec![0; taken];
        reader.read_all(&mut buf).expect("there is as much");
        buf
    });
    let counter = ByteCounter::new();
    let result = transfer((&source, &target), by_future, &counter, context);
    let moved = match result {
        // All data fitted into the buffer before the reader closed.
        Ok(moved) => moved,
        Err(e) => {
            let kind = e.kind();
            assert!(
                matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset),
                "{e}"
            );
            TransferError::of(&e).expect("of a transfer").bytes_sent()
        }
    };
    assert_eq!(counter.count(), moved);
    let moved = usize::try_from(moved).expect("small");
    assert!(moved >= taken, "what was read had been written");
    assert!(reader.join().expect("no panic") == data[..taken]);
    assert!(rest(&source) == data[moved..], "{moved} of {size} moved");
    feeder.join().expect("no panic");
}

#[test]
fn unconsumed_data_is_pushed_back_to_the_source_when_the_target_closes() {
    in_loop(|context| {
        let mut runner = TestRunner::new(Config::with_cases(120));
        let size = 1..1_500_000_usize;
        let case = (
            (sources(), targets()),
            (size.clone(), size),
            any::<(bool, bool)>(),
        );
        let result = runner.run(&case, |(ends, sizes, (by_future, blocking))| {
            reader_closes(ends, sizes, by_future, blocking, context);
            Ok(())
        });
        result.unwrap_or_else(|e| panic!("{e}"));
    });
}

#[test]
fn data_of_an_exited_writer_arrives() {
    in_loop(|context| {
        let mut runner = TestRunner::new(Config::with_cases(60));
        let case = ((targets(), targets()), 0..900_000_usize, any::<bool>());
        let result = runner.run(&case, |((from, to), size, by_future)| {
            let data = pattern(size);
            let (source, peer) = source(from, &data);
            let (target, reader) = target(to);
            let feeder = feed(peer, &data);
            let reader = thread::spawn(move || rest(&reader));
            let counter = ByteCounter::new();
            let moved = transfer((&source, &target), by_future, &counter, context);
            assert_eq!(moved.expect("moved"), size as u64);
            drop(target);
            assert!(reader.join().expect("no panic") == data);
            feeder.join().expect("no panic");
            Ok(())
        });
        result.unwrap_or_else(|e| panic!("{e}"));
    });
}

/// Polls a transfer a few times while the target's reader takes some bytes after each, and drops
/// it.
fn dropped(
    (from, to): (End, End),
    (size, reads): (usize, Vec<usize>),
    blocking: bool,
    context: &MainContext,
) {
    let data = pattern(size);
    let (source, peer) = source(from, &data);
    let (target, reader) = target(to);
    source.set_blocking(blocking).expect("the mode");
    target.set_blocking(blocking).expect("the mode");
    reader.set_blocking(false).expect("non-blocking");
    let feeder = feed(peer, &data);
    let counter = ByteCounter::new();
    let mut arrived = Vec::new();
    {
        let future = source.splice_to_counted_future(&target, None, &counter);
        let mut future: Pin<Box<dyn Future<Output = _>>> = Box::pin(future);
        for count in reads {
            let mut cx = Context::from_waker(Waker::noop());
            if future.as_mut().poll(&mut cx).is_ready() {
                break;
            }
            let mut buf = vec![0; count];
            if let Ok(count) = reader.read(&mut buf) {
                arrived.extend_from_slice(&buf[..count]);
            }
            settle(context);
        }
    }
    let moved = usize::try_from(counter.count()).expect("small");
    assert!(rest(&source) == data[moved..], "{moved} of {size} moved");
    feeder.join().expect("no panic");
    drop(target);
    arrived.extend(rest(&reader));
    assert!(arrived == data[..moved]);
}

#[test]
fn a_transfer_that_is_dropped_loses_nothing() {
    in_loop(|context| {
        let mut runner = TestRunner::new(Config::with_cases(150));
        let case = (
            (sources(), targets()),
            (
                1..2_500_000_usize,
                prop::collection::vec(1..400_000_usize, 0..20),
            ),
            any::<bool>(),
        );
        let result = runner.run(&case, |(ends, sizes, blocking)| {
            // A class without a no-wait flag may block in the middle of a write, for this thread.
            if ends.1 != End::User || !blocking {
                dropped(ends, sizes, blocking, context);
            }
            Ok(())
        });
        result.unwrap_or_else(|e| panic!("{e}"));
    });
}

#[test]
fn a_closed_channel_ends_the_transfer_in_every_style() {
    in_loop(|context| {
        for closes_source in [true, false] {
            for by_future in [true, false] {
                for end in [End::Pipe, End::Unix, End::Tcp] {
                    let (source, peer) = source(end, b"");
                    let (target, reader) = target(end);
                    let closed = match closes_source {
                        true => source.clone(),
                        false => target.clone(),
                    };
                    let counter = ByteCounter::new();
                    let moved = counter.clone();
                    let some_is_moved = move || {
                        while moved.count() == 0 {
                            thread::yield_now();
                        }
                    };
                    let peer = peer.expect("a writer");
                    let wait = some_is_moved.clone();
                    // Enough to fill a target that is not read, or no further data.
                    let writer = thread::spawn(move || {
                        peer.write_all(b"some").expect("space");
                        wait();
                        let size = if closes_source { 0 } else { 20_000_000 };
                        let _ = peer.write_all(&vec![0; size]);
                        peer
                    });
                    let closer = thread::spawn(move || {
                        some_is_moved();
                        closed.close().expect("closed");
                    });
                    let ends = (&source, &target);
                    let e = transfer(ends, by_future, &counter, context).expect_err("closed");
                    assert_eq!(e.kind(), ErrorKind::NotConnected, "{e}");
                    closer.join().expect("no panic");
                    drop((source, reader));
                    drop(writer.join().expect("no panic"));
                }
            }
        }
    });
}

#[test]
fn closed_readers_raise_no_sigpipe_and_no_descriptor_stays_open() {
    alone(
        "channel::splice::loss::closed_readers_raise_no_sigpipe_and_no_descriptor_stays_open",
        || {
            make_sigpipe_deadly();
            in_time(|| {
                // What is made once for the process is there afterwards.
                drop(ChannelFile::pipe().expect("a pipe"));
                let before = fds::count();
                let signals = blocked_and_pending();
                assert_eq!((signals.0 | signals.1) & bit(Signal::SIGPIPE), 0);
                for from in [End::File, End::Pipe, End::Tcp, End::Buffer] {
                    for to in [End::Pipe, End::Unix, End::Tcp] {
                        let data = pattern(8_000_000);
                        let (source, peer) = source(from, &data);
                        let (target, reader) = target(to);
                        let feeder = feed(peer, &data);
                        let reader = thread::spawn(move || {
                            reader.read_all(&mut [0; 100_000]).expect("read");
                        });
                        let e = source
                            .splice_to(&target, None)
                            .expect_err("the target has no reader");
                        let gone = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
                        assert!(gone.contains(&e.kind()), "{e}");
                        let mut left = Vec::new();
                        source.blocking_io().read_to_end(&mut left).expect("read");
                        feeder.join().expect("no panic");
                        reader.join().expect("no panic");
                    }
                }
                assert_eq!(blocked_and_pending(), signals);
                // One is the wakeup descriptor of this thread, which stays open until it ends.
                assert!(fds::count() <= before + 1, "{} more", fds::count() - before);
            });
        },
    );
}

#[test]
fn data_that_a_dropped_splice_returns_to_a_layered_channel_wakes_its_readers() {
    in_loop(|context| {
        let (here, there) = tcp_pair();
        let source = ChannelFilter::new(&here);
        let (target, _full) = tcp_pair();
        target.set_blocking(false).expect("non-blocking");
        fill(&target);
        there.write_all(b"data").expect("connected");
        let (moving, reading) = (source.clone(), source.clone());
        let ran = context.with_thread_default(|| {
            let splice = async move { moving.splice_to_future(&target, None).await };
            let splice = qio::spawn_local(splice);
            let read = qio::spawn_local(async move {
                let mut data = [0; 4];
                reading.read_all_future(&mut data).await.map(|()| data)
            });
            settle(context);
            splice.abort();
            let read = context.block_on(read).expect("no panic");
            assert_eq!(read.expect("read"), *b"data");
        });
        ran.expect("its own");
    });
}
