//! Futures that are dropped before their end: no byte is lost or duplicated.

use std::{
    future::Future,
    io::{self, BufRead, BufReader, ErrorKind, IoSliceMut, Read},
    pin::pin,
    sync::mpsc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use glib::{ControlFlow, IOCondition, MainContext};
use qio::{Channel, ChannelFile, ChannelSocket, ReadFlags, Shutdown, coroutine, prelude::*};

use crate::common::{fill, in_loop, iterate_until, nonblocking_pair, settle};

const IN: IOCondition = IOCondition::IN;

/// What is written, in pieces of these sizes.
const PIECES: [usize; 6] = [1, 7, 300, 2, 64, 26];
const TOTAL: usize = 400;

fn pattern() -> Vec<u8> {
    (0..TOTAL).map(|i| (i * 7 % 251) as u8).collect()
}

fn pairs() -> Vec<(Channel, Channel)> {
    let (a, b) = nonblocking_pair();
    let (read, write) = ChannelFile::pipe().expect("a pipe");
    read.set_blocking(false).expect("non-blocking");
    vec![(a.upcast(), b.upcast()), (read.upcast(), write.upcast())]
}

/// Polls a future so many times, with a piece written before each poll but the first. Returns how
/// many bytes have been written.
fn poll_while_written(
    future: impl Future<Output = io::Result<()>>,
    write: &Channel,
    polls: usize,
    context: &MainContext,
) -> usize {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    let mut written = 0;
    for poll in 0..polls {
        assert!(future.as_mut().poll(&mut cx).is_pending());
        if let Some(&size) = PIECES.get(poll) {
            write
                .write_all(&pattern()[written..written + size])
                .expect("space");
            written += size;
        }
        settle(context);
    }
    written
}

/// For every kind and number of polls: drops a read in the middle, has the rest written, and reads
/// all from the beginning in the given way.
fn dropped_then(read_rest: impl Fn(&Channel, &MainContext) -> Vec<u8> + Send + 'static) {
    in_loop(move |context| {
        for polls in 0..=PIECES.len() {
            for (read, write) in pairs() {
                let mut buf = vec![0; TOTAL + 1];
                let (one, two) = buf.split_at_mut(9);
                let mut iov = [
                    IoSliceMut::new(one),
                    IoSliceMut::new(&mut []),
                    IoSliceMut::new(two),
                ];
                let future = read.readv_all_future(&mut iov);
                let written = poll_while_written(future, &write, polls, context);
                write.write_all(&pattern()[written..]).expect("space");
                assert!(
                    read_rest(&read, context) == pattern(),
                    "after {polls} polls"
                );
                let e = read.read(&mut buf).expect_err("no byte comes twice");
                assert_eq!(e.kind(), ErrorKind::WouldBlock);
            }
        }
    });
}

/// Reads once and again, until all is there.
fn piecewise(mut read: impl FnMut(&mut [u8]) -> usize) -> Vec<u8> {
    let (mut all, mut buf) = (Vec::new(), [0; 37]);
    while all.len() < TOTAL {
        let count = read(&mut buf);
        assert!(count > 0, "it is not the end");
        all.extend_from_slice(&buf[..count]);
    }
    all
}

#[test]
fn pushed_back_data_of_a_dropped_read_comes_first_by_read() {
    dropped_then(|read, _| piecewise(|buf| read.read(buf).expect("read")));
}

#[test]
fn pushed_back_data_of_a_dropped_read_comes_first_by_read_all() {
    dropped_then(|read, _| {
        let mut all = vec![0; TOTAL];
        read.read_all(&mut all).expect("read");
        all
    });
}

#[test]
fn pushed_back_data_of_a_dropped_read_comes_first_as_bytes() {
    dropped_then(|read, _| {
        piecewise(|buf| {
            let bytes = read.read_bytes(buf.len()).expect("read");
            buf[..bytes.len()].copy_from_slice(&bytes);
            bytes.len()
        })
    });
}

#[test]
fn pushed_back_data_of_a_dropped_read_comes_first_in_futures() {
    dropped_then(|read, context| {
        piecewise(|buf| context.block_on(read.read_future(buf)).expect("read"))
    });
    dropped_then(|read, context| {
        let mut all = vec![0; TOTAL];
        let future = read.read_all_future(&mut all);
        context.block_on(future).expect("read");
        all
    });
}

#[test]
fn pushed_back_data_of_a_dropped_read_comes_first_in_streams() {
    dropped_then(|read, _| {
        let mut all = vec![0; TOTAL];
        read.blocking_io().read_exact(&mut all).expect("read");
        all
    });
    dropped_then(|read, context| {
        use futures_util::AsyncReadExt;
        let (mut all, mut stream) = (vec![0; TOTAL], read.async_stream());
        context.block_on(stream.read_exact(&mut all)).expect("read");
        all
    });
    dropped_then(|read, _| {
        let mut reader = BufReader::with_capacity(64, read.blocking_io());
        piecewise(|buf| {
            let there = reader.fill_buf().expect("read");
            let count = there.len().min(buf.len());
            buf[..count].copy_from_slice(&there[..count]);
            reader.consume(count);
            count
        })
    });
}

#[test]
fn pushed_back_data_of_a_dropped_read_comes_first_in_coroutines() {
    dropped_then(|read, context| {
        let read = read.clone();
        let reader = coroutine::spawn(move || {
            let mut all = vec![0; TOTAL];
            read.read_all(&mut all).map(|()| all)
        });
        context.block_on(reader).expect("no panic").expect("read")
    });
}

#[test]
fn pushed_back_data_of_several_dropped_reads_keeps_its_order() {
    dropped_then(|read, context| {
        let (mut all, mut cx) = (vec![0; TOTAL], Context::from_waker(Waker::noop()));
        for size in [500, 450, 401] {
            let mut buf = vec![0; size];
            let mut future = pin!(read.read_all_future(&mut buf));
            assert!(future.as_mut().poll(&mut cx).is_pending());
            settle(context);
        }
        read.read_all(&mut all[..3]).expect("read");
        let (start, rest) = all.split_at_mut(3);
        {
            let mut buf = vec![0; TOTAL];
            let mut future = pin!(read.read_all_future(&mut buf));
            assert!(future.as_mut().poll(&mut cx).is_pending());
        }
        read.read_all(rest).expect("read");
        [start, rest].concat()
    });
}

/// A socket that has `ab` from a dropped read, and nothing else; with its peer.
fn with_unread(context: &MainContext) -> (ChannelSocket, ChannelSocket) {
    let (a, b) = nonblocking_pair();
    b.write_all(b"ab").expect("space");
    {
        let mut buf = [0; 4];
        let mut future = pin!(a.read_all_future(&mut buf));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(future.as_mut().poll(&mut cx).is_pending());
        settle(context);
    }
    (a, b)
}

#[test]
fn a_peek_returns_pushed_back_data_and_leaves_it() {
    in_loop(|context| {
        let (a, _b) = with_unread(context);
        let mut buf = [0; 4];
        for flags in [ReadFlags::PEEK, ReadFlags::PEEK, ReadFlags::empty()] {
            let count = a.readv_full(&mut [IoSliceMut::new(&mut buf)], None, flags);
            assert_eq!((count.expect("there"), &buf[..2]), (2, &b"ab"[..]));
        }
        let e = a.read(&mut buf).expect_err("all is read");
        assert_eq!(e.kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn waits_return_at_once_for_pushed_back_data() {
    in_loop(|context| {
        let (a, _b) = with_unread(context);
        assert_eq!(a.wait(IN).expect("at once"), IN);
        assert_eq!(a.wait(IN | IOCondition::PRI).expect("at once"), IN);
        assert_eq!(a.wait_timeout(IN, Duration::ZERO).expect("at once"), IN);
        assert_eq!(context.block_on(a.ready(IN)).expect("at once"), IN);
        let waits = a.clone();
        let got = context.block_on(coroutine::spawn(move || waits.yield_until(IN)));
        assert_eq!(got.expect("no panic").expect("at once"), IN);
        assert_eq!(a.read(&mut [0; 4]).expect("there"), 2);
        let e = a.wait_timeout(IN, Duration::ZERO).expect_err("all is read");
        assert_eq!(e.kind(), ErrorKind::TimedOut);
    });
}

#[test]
fn a_watch_fires_for_pushed_back_data() {
    in_loop(|context| {
        for attached_before in [true, false] {
            let (a, b) = nonblocking_pair();
            let (sender, events) = mpsc::channel();
            let watch = |a: &ChannelSocket| {
                let on_ready = move |channel: &ChannelSocket, condition| {
                    let mut buf = [0; 4];
                    let count = channel.read(&mut buf).expect("there");
                    sender
                        .send((condition, buf[..count].to_vec()))
                        .expect("awaited");
                    ControlFlow::Break
                };
                a.add_watch_source(IN, on_ready, Some(context))
            };
            let mut buf = [0; 4];
            let mut cx = Context::from_waker(Waker::noop());
            b.write_all(b"ab").expect("space");
            let source = {
                let mut future = pin!(a.read_all_future(&mut buf));
                assert!(future.as_mut().poll(&mut cx).is_pending());
                let mut watch = Some(watch);
                let before = attached_before.then(|| watch.take().expect("once")(&a));
                settle(context);
                assert!(events.try_recv().is_err(), "there is nothing yet");
                (before, watch)
            };
            let source = match source {
                (Some(source), _) => source,
                (None, watch) => watch.expect("not yet used")(&a),
            };
            iterate_until(context, || source.is_destroyed());
            assert_eq!(
                events.try_recv().expect("the callback ran"),
                (IN, b"ab".to_vec())
            );
        }
    });
}

#[test]
fn another_waiting_task_gets_pushed_back_data() {
    in_loop(|context| {
        let (a, b) = nonblocking_pair();
        let greedy = a.clone();
        let greedy = qio::spawn_local(async move { greedy.read_all_future(&mut [0; 4]).await });
        settle(context);
        let modest = a.clone();
        let modest = qio::spawn_local(async move {
            let mut buf = [0; 2];
            modest.read_all_future(&mut buf).await.map(|()| buf)
        });
        // One of the readers gets the byte; when that reader is dropped, the other gets it.
        b.write_all(b"a").expect("space");
        settle(context);
        greedy.abort();
        b.write_all(b"b").expect("space");
        let got = context.block_on(modest).expect("no panic").expect("read");
        let mut sorted = got;
        sorted.sort_unstable();
        assert_eq!(&sorted, b"ab");
    });
}

#[test]
fn pushed_back_data_comes_before_end_of_file() {
    in_loop(|context| {
        let (a, b) = with_unread(context);
        b.shutdown(Shutdown::Write).expect("shut down");
        let mut buf = [0; 4];
        assert_eq!(a.read(&mut buf).expect("there"), 2);
        assert_eq!(a.read(&mut buf).expect("the end"), 0);
        let (c, d) = with_unread(context);
        drop(d);
        let e = c.read_all_eof(&mut buf).expect_err("in the middle");
        assert_eq!(e.kind(), ErrorKind::UnexpectedEof);
        let (e, _f) = with_unread(context);
        e.close().expect("closes");
        assert!(e.read(&mut buf).is_err());
        assert_eq!(e.wait(IN).expect("closed"), IOCondition::NVAL);
    });
}

#[test]
fn a_dropped_write_all_has_written_a_prefix_and_can_be_continued() {
    in_loop(|context| {
        for polls in 0..4 {
            for (read, write) in pairs() {
                write.set_blocking(false).expect("non-blocking");
                let data: Vec<u8> = (0..1_000_000_u32).map(|i| (i % 249) as u8).collect();
                let mut cx = Context::from_waker(Waker::noop());
                let mut got = vec![0; data.len()];
                let mut count = 0;
                {
                    let mut future = pin!(write.write_all_future(&data));
                    for _ in 0..polls {
                        assert!(future.as_mut().poll(&mut cx).is_pending());
                        count += read.read(&mut got[count..][..5_000]).expect("written");
                        settle(context);
                    }
                }
                // All further data is a prefix of the rest.
                loop {
                    match read.read(&mut got[count..]) {
                        Ok(more) => count += more,
                        Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                        Err(e) => panic!("{e}"),
                    }
                }
                assert!(got[..count] == data[..count], "after {polls} polls");
                assert_eq!(count > 0, polls > 0);
            }
        }
    });
}

#[test]
fn a_dropped_write_once_has_written_nothing() {
    in_loop(|context| {
        for (read, write) in pairs() {
            write.set_blocking(false).expect("non-blocking");
            let full = fill(&write);
            let mut cx = Context::from_waker(Waker::noop());
            {
                let mut future = pin!(write.write_future(b"never"));
                assert!(matches!(future.as_mut().poll(&mut cx), Poll::Pending));
                settle(context);
            }
            let mut all = vec![0; full];
            read.read_all(&mut all).expect("read");
            assert!(all.iter().all(|&byte| byte == b'x'));
            let e = read.read(&mut all).expect_err("nothing else");
            assert_eq!(e.kind(), ErrorKind::WouldBlock);
        }
    });
}
