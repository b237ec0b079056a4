//! Two ends of our own.

mod closing;

use std::{
    io::{IoSlice, IoSliceMut},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use futures_util::{AsyncReadExt, AsyncWriteExt, future};
use glib::{ControlFlow, IOCondition};
use qio::{ChannelTls, Feature, ReadFlags, Shutdown, prelude::*};

use super::fixtures::{before_handshake, connected, over};
use crate::common::{
    FEW, fill, in_loop, in_time, iterate_until, iterations, nonblocking_pair, on_loop,
    pattern::{transfer, transfer_both_modes, transfer_by_futures},
    settle,
};

#[test]
fn bytes_go_through_in_both_directions() {
    in_time(|| {
        let (client, server) = connected();
        client.write_all(b"question").expect("written");
        let mut got = [0; 8];
        server.read_all(&mut got).expect("read");
        assert_eq!(&got, b"question");
        server.write_all(b"answer").expect("written");
        client.read_all(&mut got[..6]).expect("read");
        assert_eq!(&got[..6], b"answer");
    });
}

#[test]
fn a_megabyte_goes_through_in_both_modes_and_directions() {
    in_time(|| {
        let (client, server) = connected();
        transfer_both_modes(&client, &server);
        transfer_both_modes(&server, &client);
    });
}

#[test]
fn the_first_write_and_the_first_read_perform_the_handshake() {
    in_time(|| {
        for blocking in [true, false] {
            let (client, server) = before_handshake();
            transfer(&client, &server, blocking, |_| ());
            assert!(client.is_handshake_done() && server.is_handshake_done());
            let (client, server) = before_handshake();
            transfer(&server, &client, blocking, |_| ());
        }
    });
}

#[test]
fn futures_move_a_megabyte_on_one_loop() {
    on_loop(|| async {
        let (client, server) = before_handshake();
        transfer_by_futures(&client, &server, false).await;
        transfer_by_futures(&server, &client, true).await;
    });
}

#[test]
fn two_threads_read_and_write_at_each_end() {
    in_time(|| {
        let (client, server) = connected();
        thread::scope(|scope| {
            scope.spawn(|| transfer(&client, &server, true, |_| ()));
            scope.spawn(|| transfer(&server, &client, true, |_| ()));
        });
    });
}

#[test]
fn streams_of_futures_go_through() {
    on_loop(|| async {
        let (client, server) = before_handshake();
        let mut writer = client.async_stream();
        let text = vec![7; 300_000];
        let write = async {
            writer.write_all(&text).await.expect("written");
            writer.close().await.expect("closed");
        };
        let mut got = Vec::new();
        let mut reader = server.async_stream();
        let (_, count) = future::join(write, reader.read_to_end(&mut got)).await;
        assert_eq!(count.expect("a clean end"), 300_000);
        assert!(got == text);
    });
}

#[test]
fn buffers_are_filled_and_emptied_in_order() {
    in_time(|| {
        let (client, server) = connected();
        let parts = [&b"one"[..], b"", b"two", b"three"].map(IoSlice::new);
        assert_eq!(client.writev(&parts).expect("written"), 11);
        let (mut a, mut b) = ([0; 4], [0; 20]);
        let mut iov = [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)];
        assert_eq!(server.readv(&mut iov).expect("read"), 11);
        assert_eq!((&a, &b[..7]), (b"onet", &b"wothree"[..]));
    });
}

#[test]
fn many_small_buffers_share_a_record() {
    in_time(|| {
        let (client, server) = connected();
        let parts: Vec<_> = (0..900)
            .map(|_| IoSlice::new(b"seventeen bytes.."))
            .collect();
        let count = client.writev(&parts).expect("written");
        assert_eq!(count, 900 * 17);
        let mut got = vec![0; 20_000];
        let one = server.read(&mut got).expect("read");
        assert_eq!(one, count, "one record has them all");
    });
}

#[test]
fn a_peek_leaves_the_data() {
    in_time(|| {
        let (client, server) = connected();
        assert!(server.has_feature(Feature::READ_PEEK | Feature::SHUTDOWN));
        assert!(!server.has_feature(Feature::FD_PASS));
        client.write_all(b"look").expect("written");
        for flags in [ReadFlags::PEEK, ReadFlags::PEEK, ReadFlags::empty()] {
            let mut got = [0; 8];
            let mut iov = [IoSliceMut::new(&mut got)];
            assert_eq!(server.readv_full(&mut iov, None, flags).expect("read"), 4);
            assert_eq!(&got[..4], b"look");
        }
    });
}

#[test]
fn without_data_a_read_would_block() {
    in_time(|| {
        let (client, server) = connected();
        client.set_blocking(false).expect("non-blocking");
        server.set_blocking(false).expect("non-blocking");
        let e = server.read(&mut [0; 8]).unwrap_err();
        assert_eq!(e.kind(), std::io::ErrorKind::WouldBlock);
        let taken = fill(&client);
        assert!(taken > 0);
        let mut got = vec![0; taken];
        thread::scope(|scope| {
            scope.spawn(|| client.flush().expect("flushed"));
            server.read_all(&mut got).expect("what was taken arrives");
        });
        assert!(got.iter().all(|byte| *byte == b'x'));
    });
}

#[test]
fn a_watch_fires_for_bytes_that_are_decrypted_already() {
    in_loop(|context| {
        let (client, server) = connected();
        server.set_blocking(false).expect("non-blocking");
        client.write_all(b"0123456789").expect("written");
        server.read_all(&mut [0; 1]).expect("read");
        let mut left = Vec::new();
        let source = server.create_watch_full_local(
            IOCondition::IN,
            None,
            glib::Priority::DEFAULT,
            move |server: &ChannelTls, condition| {
                assert_eq!(condition, IOCondition::IN);
                let mut byte = [0];
                assert_eq!(server.read(&mut byte).expect("there is more"), 1);
                left.push(byte[0]);
                match left.len() {
                    9 => ControlFlow::Break,
                    _ => ControlFlow::Continue,
                }
            },
        );
        source.attach(Some(context));
        iterate_until(context, || source.is_destroyed());
    });
}

#[test]
fn an_idle_watch_does_not_spin() {
    in_loop(|context| {
        let (client, server) = connected();
        settle(context);
        let source = server.add_watch_source_local(
            IOCondition::IN,
            |_, _| panic!("there is nothing"),
            Some(context),
        );
        assert!(iterations(context) <= FEW);
        source.destroy();
        drop(client);
    });
}

#[test]
fn a_watch_on_both_directions_reports_which() {
    in_loop(|context| {
        let (client, server) = connected();
        let reported = std::rc::Rc::new(std::cell::Cell::new(IOCondition::empty()));
        let note = reported.clone();
        let both = IOCondition::IN | IOCondition::OUT;
        let source = server.add_watch_source_local(
            both,
            move |_, condition| {
                note.set(condition);
                ControlFlow::Continue
            },
            Some(context),
        );
        iterate_until(context, || reported.get() == IOCondition::OUT);
        client.write_all(b"x").expect("written");
        iterate_until(context, || reported.get() == both);
        source.destroy();
    });
}

#[test]
fn a_wait_returns_for_bytes_that_are_decrypted_already() {
    in_time(|| {
        let (client, server) = connected();
        client.write_all(b"ab").expect("written");
        server.read_all(&mut [0]).expect("read");
        assert_eq!(
            server.wait(IOCondition::IN).expect("ready"),
            IOCondition::IN
        );
    });
}

#[test]
fn fd_handlers_run_until_all_is_read() {
    in_loop(|context| {
        let (client, server) = connected();
        server.set_blocking(false).expect("non-blocking");
        let count = std::sync::Arc::new(AtomicU32::new(0));
        let (counted, reader) = (count.clone(), server.clone());
        let read = move || {
            if let Ok(1) = reader.read(&mut [0]) {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        };
        server.set_fd_handler(Some(context), Some(Box::new(read)), None);
        for so_far in [5, 10] {
            client.write_all(b"bytes").expect("written");
            iterate_until(context, || count.load(Ordering::Relaxed) == so_far);
        }
        assert!(iterations(context) <= FEW);
        server.set_fd_handler(Some(context), None, None);
    });
}

#[test]
fn a_dropped_read_loses_nothing() {
    on_loop(|| async {
        let (client, server) = connected();
        let (mut first, mut second) = ([0; 8], [0; 8]);
        client.write_all_future(b"four").await.expect("written");
        let moment = Duration::from_millis(20);
        let e = server.read_all_future(&mut first).or_timeout(moment).await;
        e.expect_err("four are not eight");
        let reads = server.read_all_future(&mut second);
        let (read, written) = future::join(reads, client.write_all_future(b"more")).await;
        read.and(written).expect("through");
        assert_eq!(&second, b"fourmore");
    });
}

#[test]
fn what_a_write_has_left_is_sent_by_the_loop() {
    in_loop(|context| {
        let (here, there) = nonblocking_pair();
        let (client, server) = over((here, there));
        super::fixtures::handshake(&client, &server);
        client.set_blocking(false).expect("non-blocking");
        let taken = fill(&client);
        let reader = thread::spawn(move || {
            let mut got = vec![0; taken];
            server.read_all(&mut got).map(|()| server)
        });
        // The client is not used any more.
        iterate_until(context, || reader.is_finished());
        reader.join().expect("no panic").expect("all of it");
    });
}
