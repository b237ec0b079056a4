//! Several callers of one end, also through the lower channel: no waiter misses input that has
//! arrived already.

use std::{
    cell::Cell,
    rc::Rc,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use futures_util::{FutureExt as _, future};
use glib::MainContext;
use qio::{ChannelSocket, ChannelTls, Shutdown, prelude::*};

use super::fixtures::{connected, handshake, over};
use crate::common::{
    blocked::Blocked, in_loop, in_time, iterate_until, nonblocking_pair, on_loop, settle,
};

/// Two ends that have agreed hands on this loop.
async fn connected_over(pair: (ChannelSocket, ChannelSocket)) -> (ChannelTls, ChannelTls) {
    let (client, server) = over(pair);
    let (here, there) = future::join(client.handshake_future(), server.handshake_future()).await;
    here.and(there).expect("agreed");
    (client, server)
}

/// Reads bytes one by one in a context of its own, until the stream ends.
fn read_in_a_context(channel: &ChannelTls, count: &AtomicUsize) {
    let context = MainContext::new();
    let body = || {
        context.block_on(async {
            let mut byte = [0];
            while channel
                .read_all_eof_future(&mut byte)
                .await
                .expect("a byte or the end")
            {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
    };
    context.with_thread_default(body).expect("its own");
}

#[test]
fn readers_in_several_contexts_and_a_blocking_one_share_what_comes() {
    in_time(|| {
        let (client, server) = connected();
        let count = AtomicUsize::new(0);
        let sizes = (0..3_000).map(|i| 1 + i * 7 % 11);
        let sent: usize = sizes.clone().sum();
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| read_in_a_context(&server, &count));
            }
            scope.spawn(|| {
                let mut byte = [0];
                while server.read_all_eof(&mut byte).expect("a byte or the end") {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
            let mut written = 0;
            for size in sizes {
                written += size;
                client.write_all(&[7; 11][..size]).expect("written");
                // At times all of them wait when the next comes.
                while size % 3 == 0 && count.load(Ordering::Relaxed) < written {
                    thread::yield_now();
                }
            }
            client.shutdown(Shutdown::Write).expect("the end");
        });
        assert_eq!(count.into_inner(), sent);
    });
}

#[test]
fn two_contexts_take_turns_at_both_ends() {
    in_time(|| {
        let (client, server) = connected();
        let play = |channel: &ChannelTls, begins: bool| {
            let context = MainContext::new();
            let body = || {
                context.block_on(async {
                    for turn in 0..5_000_u32 {
                        if begins || turn > 0 {
                            let ball = turn.to_be_bytes();
                            channel.write_all_future(&ball).await.expect("written");
                        }
                        let mut ball = [0; 4];
                        channel.read_all_future(&mut ball).await.expect("read");
                    }
                    if !begins {
                        channel.write_all_future(&[0; 4]).await.expect("written");
                    }
                });
            };
            context.with_thread_default(body).expect("its own");
        };
        thread::scope(|scope| {
            scope.spawn(|| play(&server, false));
            play(&client, true);
        });
    });
}

#[test]
fn what_is_given_back_to_the_channel_below_is_read() {
    on_loop(|| async {
        let (here, below) = nonblocking_pair();
        let (client, server) = connected_over((here, below.clone())).await;
        // What comes with the handshake is behind both.
        client.write_all_future(b"x").await.expect("written");
        server.read_all_future(&mut [0]).await.expect("read");
        let mut got = [0; 4];
        let mut read = server.read_all_future(&mut got).boxed_local();
        assert!(future::poll_immediate(&mut read).await.is_none());
        // A reader of the lower channel takes a record, and pushes it back.
        let mut record = [0; 4096];
        let mut thief = below.read_all_future(&mut record).boxed_local();
        client.write_all_future(b"loot").await.expect("written");
        assert!(future::poll_immediate(&mut thief).await.is_none());
        drop(thief);
        read.await.expect("read");
        assert_eq!(&got, b"loot");
    });
}

#[test]
fn data_beyond_one_read_of_the_channel_below_is_not_forgotten() {
    on_loop(|| async {
        let (client, server) = connected_over(nonblocking_pair()).await;
        // More than is read at once, and no event after that.
        let sent = vec![7; 150_000];
        let mut got = vec![0; sent.len()];
        let write = client.write_all_future(&sent);
        let read = async {
            for part in got.chunks_mut(1000) {
                server.read_all_future(part).await.expect("read");
            }
        };
        future::join(write, read).await.0.expect("written");
        assert!(got == sent);
    });
}

#[test]
fn a_blocking_call_on_a_loop_s_end_sees_what_the_loop_has_not() {
    in_time(|| {
        let (client, server) = over(nonblocking_pair());
        handshake(&client, &server);
        let context = MainContext::new();
        let body = || {
            context.block_on(async {
                client.write_all_future(b"a").await.expect("written");
                server.read_all_future(&mut [0]).await.expect("read");
                // The loop has dispatched no event since: the call itself reads it.
                client.write_all(b"b").expect("written");
                let mut got = [0];
                assert_eq!(server.read(&mut got).expect("it is there"), 1);
                assert_eq!(&got, b"b");
            });
        };
        context.with_thread_default(body).expect("its own");
    });
}

#[test]
fn a_task_is_reported_what_another_thread_has_decrypted() {
    in_loop(|context| {
        let (client, server) = connected();
        server.set_blocking(false).expect("non-blocking");
        let done = Rc::new(Cell::new(false));
        let (reader, note) = (server.clone(), done.clone());
        qio::spawn_local(async move {
            reader.read_all_future(&mut [0]).await.expect("read");
            note.set(true);
        });
        settle(context);
        client.write_all(b"ab").expect("written");
        // The record is read before the loop is woken for it: the socket is empty.
        assert_eq!(server.read(&mut [0]).expect("read"), 1);
        iterate_until(context, || done.get());
    });
}

#[test]
fn two_blocked_threads_share_a_record() {
    in_time(|| {
        let (client, server) = connected();
        for _ in 0..100 {
            let readers = [Blocked::default(), Blocked::default()];
            thread::scope(|scope| {
                for reader in &readers {
                    scope.spawn(|| {
                        reader.soon();
                        server.read_all(&mut [0]).expect("a byte for each");
                    });
                }
                readers.iter().for_each(Blocked::wait);
                client.write_all(b"ab").expect("written");
            });
        }
    });
}

/// The lower layer takes all from the socket at once, and the upper one has no use for all of it
/// yet.
#[test]
fn two_blocked_threads_share_what_the_layer_below_holds() {
    in_time(|| {
        let (here, there) = nonblocking_pair();
        let (client, server) = over(over((here.clone(), there.clone())));
        handshake(&client, &server);
        // The session tickets, which the client has not read yet, and the responses to them.
        server.write_all(b"x").expect("written");
        client.read_all(&mut [0]).expect("read");
        for _ in 0..50 {
            client.write_all(&[7; 65_536]).expect("written");
            client.write_all(&[7; 8_000]).expect("written");
            let mut wire = vec![0; 100_000];
            let count = there.read(&mut wire).expect("all of it");
            // Nearly a record is there already when the rest comes.
            here.write_all(&wire[..16_000]).expect("written");
            server.set_blocking(false).expect("non-blocking");
            server.read(&mut [0]).expect_err("would block");
            server.set_blocking(true).expect("blocking");
            // Three records of the upper layer, and one byte more.
            let readers = [(Blocked::default(), 3 * 16_384), (Blocked::default(), 1)];
            thread::scope(|scope| {
                for (reader, size) in &readers {
                    scope.spawn(|| {
                        reader.soon();
                        server.read_all(&mut vec![0; *size]).expect("read");
                    });
                }
                readers.iter().for_each(|(reader, _)| reader.wait());
                here.write_all(&wire[16_000..count]).expect("written");
            });
            let mut rest = vec![0; 65_536 + 8_000 - 3 * 16_384 - 1];
            server.read_all(&mut rest).expect("read");
        }
    });
}

/// A reader that has used up its budget reads again, although another one has processed the rest.
#[test]
fn a_reader_without_budget_is_woken_for_the_rest_of_the_records() {
    in_time(|| {
        for _ in 0..25 {
            let (client, server) = connected();
            for _ in 0..2_000 {
                server.update_keys(false).expect("new keys");
            }
            server.shutdown(Shutdown::Write).expect("the end");
            let count = AtomicUsize::new(0);
            thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| read_in_a_context(&client, &count));
                }
                scope.spawn(|| client.read_all_eof(&mut [0]).expect("a clean end"));
                // Most of it, which did not fit.
                server.flush().expect("flushed");
            });
            assert_eq!(count.into_inner(), 0);
        }
    });
}

/// Does it again and again in a context of its own, until it fails or there is no more.
fn in_a_context<F: Future<Output = bool>>(mut act: impl FnMut() -> F) {
    let context = MainContext::new();
    let body = || context.block_on(async { while act().await {} });
    context.with_thread_default(body).expect("its own");
}

#[test]
fn every_caller_returns_when_it_ends_in_the_middle() {
    in_time(|| {
        for round in 0..24 {
            let (client, server) = connected();
            let through = &AtomicUsize::new(0);
            let going = move |count: std::io::Result<usize>| {
                let count = count.unwrap_or(0);
                through.fetch_add(count, Ordering::Relaxed);
                count > 0
            };
            thread::scope(|scope| {
                for end in [&client, &server] {
                    scope.spawn(move || while going(end.read(&mut [0; 5000])) {});
                    scope.spawn(move || while end.write_all(&[1; 70_000]).is_ok() {});
                    scope.spawn(move || {
                        in_a_context(|| async { going(end.read_future(&mut [0; 3000]).await) });
                    });
                    scope.spawn(move || {
                        in_a_context(|| async { end.write_all_future(&[0; 30_000]).await.is_ok() });
                    });
                    scope.spawn(move || while end.update_keys(true).is_ok() {});
                }
                // However long that takes.
                while through.load(Ordering::Relaxed) < round * 30_000 {
                    thread::yield_now();
                }
                // The loss of data is reported as an error.
                let _ = match round % 3 {
                    0 => client.close(),
                    1 => server.shutdown(Shutdown::Both),
                    _ => client.master().close(),
                };
            });
        }
    });
}
