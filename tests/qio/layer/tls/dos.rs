//! Denial of service: peers that send any number of records without application data, which must
//! cost neither memory nor the time of other tasks.

use std::{io, sync::atomic::Ordering, thread, time::Duration};

use futures_util::future;
use glib::{ControlFlow, IOCondition, subclass::prelude::*};
use qio::{ChannelSocket, ChannelTls, prelude::*};

use super::{
    fixtures::{NAME, client_creds, connected, handshake, server_creds, with},
    openssl_peer::Peer,
};
use crate::common::{
    after_ticks, alone::alone, classes::Stocked, in_loop, in_time, iterate_until, memory::growth,
    nonblocking_pair,
};

/// At least 300,000 bytes of KeyUpdates of the client, and then a word, taken from the socket of
/// the server.
fn key_updates(client: &ChannelTls, there: &ChannelSocket) -> Vec<u8> {
    let mut updates = Vec::new();
    let mut some = [0; 4096];
    let mut take = || {
        let count = there.read(&mut some).expect("read");
        updates.extend(&some[..count]);
        updates.len()
    };
    loop {
        client.update_keys(false).expect("new keys");
        if take() > 300_000 {
            client.write_all(b"a word").expect("written");
            take();
            return updates;
        }
    }
}

#[test]
fn one_read_works_for_a_bounded_time() {
    in_time(|| {
        let (here, there) = nonblocking_pair();
        let stocked: Stocked = glib::Object::new();
        let imp = stocked.imp();
        imp.socket.set(there.clone()).expect("once");
        let (client, server) = with(&here, &client_creds(), &stocked, &server_creds());
        handshake(&client, &server);
        let updates = key_updates(&client, &there);
        let all = updates.len();
        *imp.stock.lock().expect("whole") = updates;
        server.set_blocking(false).expect("non-blocking");
        let mut got = [0; 16];
        for tries in 1.. {
            let result = server.read(&mut got);
            // What was taken at once, and 150 records of 27 bytes for each try.
            assert!(all - imp.left() <= 65_536 + tries * 150 * 27);
            if let Ok(count) = result {
                assert_eq!(&got[..count], b"a word");
                break;
            }
            assert_eq!(result.unwrap_err().kind(), io::ErrorKind::WouldBlock);
            let ready = server.wait_timeout(IOCondition::IN, Duration::ZERO);
            ready.expect("there is more");
        }
        server.read(&mut got).expect_err("would block");
        let ready = server.wait_timeout(IOCondition::IN, Duration::ZERO);
        assert_eq!(ready.unwrap_err().kind(), io::ErrorKind::TimedOut);
    });
}

/// Of 16 KiB: a read of the lower channel has no more than four of them.
#[test]
fn one_read_processes_a_bounded_number_of_padded_records() {
    in_time(|| {
        let (mut peer, near) = Peer::server(false);
        let stocked: Stocked = glib::Object::new();
        stocked.imp().socket.set(near).expect("once");
        let client = ChannelTls::new_client(&stocked, &client_creds(), NAME).expect("a client");
        peer.accept_while(|| client.handshake());
        client.set_blocking(false).expect("non-blocking");
        peer.pad_records();
        peer.hold();
        (0..400).for_each(|_| peer.update_keys());
        let updates = peer.held();
        assert!(updates.len() > 400 * 16_384);
        *stocked.imp().stock.lock().expect("whole") = updates;
        let before = stocked.imp().left();
        let e = client.read(&mut [0; 16]).expect_err("there is no data");
        assert_eq!(e.kind(), io::ErrorKind::WouldBlock);
        let taken = before - stocked.imp().left();
        assert!(taken <= 129 * 16_406 + 65_536, "{taken} bytes in one call");
        let ready = client.wait_timeout(IOCondition::IN, Duration::ZERO);
        ready.expect("there is more");
    });
}

#[test]
fn other_tasks_of_the_loop_run_while_key_updates_are_processed() {
    in_loop(|context| {
        let (here, there) = nonblocking_pair();
        let (client, server) = with(&here, &client_creds(), &there, &server_creds());
        handshake(&client, &server);
        let updates = key_updates(&client, &there);
        let ticks = after_ticks(|| ());
        let mut got = [0; 6];
        context.block_on(async {
            // It waits for the socket already when they come.
            let read = server.read_all_future(&mut got);
            let (read, written) = future::join(read, here.write_all_future(&updates)).await;
            read.and(written).expect("through");
        });
        assert_eq!(&got, b"a word");
        let ticks = ticks.load(Ordering::Relaxed);
        assert!(ticks > 20, "{ticks} ticks in the meantime");
    });
}

/// The same for a watch and for a thread that waits.
#[test]
fn key_updates_are_processed_by_the_waiting_task() {
    in_loop(|context| {
        for by_watch in [true, false] {
            let (here, there) = nonblocking_pair();
            let (client, server) = with(&here, &client_creds(), &there, &server_creds());
            handshake(&client, &server);
            let updates = key_updates(&client, &there);
            let writer = thread::spawn(move || {
                here.set_blocking(true).expect("blocking");
                here.write_all(&updates)
            });
            let mut got = [0; 6];
            if by_watch {
                server.set_blocking(false).expect("non-blocking");
                let source = server.add_watch_source_local(
                    IOCondition::IN,
                    move |server, _| match server.read(&mut got) {
                        Ok(count) => {
                            assert_eq!(&got[..count], b"a word");
                            ControlFlow::Break
                        }
                        Err(e) => {
                            assert_eq!(e.kind(), io::ErrorKind::WouldBlock, "{e}");
                            ControlFlow::Continue
                        }
                    },
                    Some(context),
                );
                iterate_until(context, || source.is_destroyed());
            } else {
                server.read_all(&mut got).expect("read");
                assert_eq!(&got, b"a word");
            }
            writer.join().expect("no panic").expect("written");
        }
    });
}

/// Each KeyUpdate of the client requests one of the server, and the client reads none of them.
#[test]
fn input_of_a_peer_that_does_not_read_its_responses_is_suspended() {
    let name = "layer::tls::dos::input_of_a_peer_that_does_not_read_its_responses_is_suspended";
    alone(name, || {
        drop(connected());
        let growth = growth(request_key_updates_and_read_nothing);
        // 256 KiB of answers, in a buffer that doubles, what the client is left with, and about 3
        // MiB of code that runs for the first time.
        assert!(growth < 6 << 20, "{growth} bytes");
    });
}

fn request_key_updates_and_read_nothing() {
    in_time(|| {
        let (client, server) = connected();
        client.set_blocking(false).expect("non-blocking");
        server.set_blocking(false).expect("non-blocking");
        let is_ready = |end: &ChannelTls, condition| {
            end.wait_timeout(condition, Duration::ZERO)
                .is_ok_and(|ready| ready.contains(condition))
        };
        let mut requested = 0;
        while is_ready(&client, IOCondition::OUT) || is_ready(&server, IOCondition::IN) {
            while is_ready(&client, IOCondition::OUT) && requested < 100_000 {
                client.update_keys(true).expect("new keys");
                requested += 1;
            }
            assert!(requested < 100_000, "the server takes them all");
            let e = server.read(&mut [0; 16]).expect_err("there is no data");
            assert_eq!(e.kind(), io::ErrorKind::WouldBlock, "{e}");
        }
        // Once it reads, all continues.
        thread::scope(|scope| {
            scope.spawn(|| {
                client.set_blocking(true).expect("blocking");
                client.read_all(&mut [0; 6]).expect("read");
                client.write_all(b"it does").expect("written");
            });
            server.set_blocking(true).expect("blocking");
            server.write_all(b"listen").expect("written");
            server.read_all(&mut [0; 7]).expect("read");
        });
    });
}

#[test]
fn records_of_a_byte_are_data() {
    in_time(|| {
        let (client, server) = connected();
        thread::scope(|scope| {
            scope.spawn(|| {
                for byte in 0..50_000_u32 {
                    client.write_all(&[byte as u8]).expect("written");
                }
            });
            let mut got = vec![0; 50_000];
            server.read_all(&mut got).expect("read");
            assert!(got.iter().zip(0_u32..).all(|(byte, i)| *byte == i as u8));
        });
    });
}
