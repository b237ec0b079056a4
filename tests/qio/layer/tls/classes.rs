//! Over channels of others: classes that have no descriptor, that give a byte at a time, and pipes.

use std::sync::atomic::Ordering;

use glib::{ControlFlow, IOCondition};
use proptest::prelude::*;
use qio::{Access, ChannelCommand, ChannelSocket, ChannelTls, prelude::*};

use super::fixtures::{connected, over};
use crate::common::{
    FEW,
    classes::Drip,
    in_loop, in_time, iterate_until, iterations, on_loop,
    pattern::{transfer_both_modes, transfer_by_futures},
};

fn drips(sizes: &[usize]) -> (Drip, Drip) {
    let (here, there) = ChannelSocket::pair().expect("a pair");
    (Drip::new(here, sizes), Drip::new(there, sizes))
}

use glib::subclass::prelude::*;

#[test]
fn a_class_that_fills_only_a_watch_carries_a_megabyte() {
    in_time(|| {
        let (client, server) = over(drips(&[usize::MAX]));
        transfer_both_modes(&client, &server);
        transfer_both_modes(&server, &client);
    });
    on_loop(|| async {
        let (client, server) = over(drips(&[usize::MAX]));
        transfer_by_futures(&client, &server, true).await;
        transfer_by_futures(&server, &client, false).await;
    });
}

#[test]
fn bytes_that_come_one_at_a_time_are_whole() {
    in_time(|| {
        let (client, server) = over(drips(&[1]));
        let text: Vec<_> = (0..4_000).map(|i| i as u8).collect();
        std::thread::scope(|scope| {
            scope.spawn(|| client.write_all(&text).expect("written"));
            let mut got = vec![0; text.len()];
            server.read_all(&mut got).expect("read");
            assert!(got == text);
        });
    });
}

/// One end sends a greeting by a watch, which performs the handshake as well; the other one reads
/// it by a watch, byte by byte. Returns the watch of the reader.
fn greet(context: &glib::MainContext, client: &ChannelTls, server: &ChannelTls) -> glib::Source {
    for end in [client, server] {
        end.set_blocking(false).expect("non-blocking");
    }
    // A handshake has to be read as well.
    let mut written = false;
    let writer = client.add_watch_source_local(
        IOCondition::OUT,
        move |client: &ChannelTls, condition| {
            assert_eq!(condition, IOCondition::OUT);
            match client.write(b"hello") {
                Ok(5) if !std::mem::replace(&mut written, true) => ControlFlow::Break,
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => ControlFlow::Continue,
                result => panic!("{result:?}"),
            }
        },
        Some(context),
    );
    let got = std::rc::Rc::new(std::cell::Cell::new(0));
    let count = got.clone();
    let reader = server.add_watch_source_local(
        IOCondition::IN,
        move |server: &ChannelTls, condition| {
            assert_eq!(condition, IOCondition::IN);
            // A byte at a time: the rest is decrypted already.
            if let Ok(1) = server.read(&mut [0]) {
                count.set(count.get() + 1);
            }
            ControlFlow::Continue
        },
        Some(context),
    );
    iterate_until(context, || got.get() == 5 && writer.is_destroyed());
    reader
}

#[test]
fn a_watch_over_a_watch_reports_what_it_needs() {
    in_loop(|context| {
        let (client, server) = over(drips(&[usize::MAX]));
        let reader = greet(context, &client, &server);
        assert!(iterations(context) <= FEW);
        reader.destroy();
    });
}

#[test]
fn a_watch_over_a_class_without_poll_is_evaluated_as_well() {
    in_loop(|context| {
        let ends = drips(&[usize::MAX]);
        for end in [&ends.0, &ends.1] {
            end.imp().eager.store(true, Ordering::Relaxed);
        }
        let (client, server) = over(ends);
        greet(context, &client, &server).destroy();
    });
}

#[test]
fn tls_in_tls_over_a_watch() {
    on_loop(|| async {
        let (client, server) = over(over(drips(&[3000, 7])));
        transfer_by_futures(&client, &server, false).await;
    });
}

#[test]
fn pipes_of_a_command_carry_tls() {
    needs!("socat");
    // Output of the client passes through a command, to a server that sits in this process.
    in_time(|| {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("socket");
        let address = gio::UnixSocketAddress::new(&path);
        let listener = ChannelSocket::listen(&address, 1).expect("listens");
        let target = format!("UNIX-CONNECT:{}", path.display());
        let command = ["socat", "-", target.as_str()];
        let command = ChannelCommand::new_spawn(command, Access::ReadWrite).expect("socat");
        let there = listener.accept().expect("it connects");
        let (client, server) = over((command, there));
        transfer_both_modes(&client, &server);
        transfer_both_modes(&server, &client);
        client.bye().expect("sent");
        // Through the command it takes its time.
        let is_data = server.read_all_eof(&mut [0]).expect("a clean end");
        assert!(!is_data);
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// However the ciphertext is cut, the data is the same, and so is the end.
    #[test]
    fn any_pieces_make_the_same_whole(
        sizes in prop::collection::vec(1..20_000_usize, 1..8),
        writes in prop::collection::vec(1..70_000_usize, 1..6),
        bite in 1..40_000_usize,
    ) {
        in_time(move || {
            let (client, server) = over(drips(&sizes));
            let text: Vec<_> = (0..writes.iter().sum()).map(|i| (i / 3) as u8).collect();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let mut rest = &text[..];
                    for size in writes {
                        let (now, later) = rest.split_at(size);
                        client.write_all(now).expect("written");
                        rest = later;
                    }
                    client.bye().expect("sent");
                });
                let (mut got, mut buf) = (Vec::new(), vec![0; bite]);
                loop {
                    match server.read(&mut buf).expect("read") {
                        0 => break,
                        count => got.extend_from_slice(&buf[..count]),
                    }
                }
                assert!(got == text);
            });
        });
    }
}

#[test]
fn bytes_of_a_channel_below_that_was_given_back_count() {
    on_loop(|| async {
        let (client, server) = connected();
        // A layer over a layer: what was read of the lower one and given back is what the upper one
        // reads.
        let (below, other) = (client, server);
        let mut early = [0; 4];
        other.write_all_future(b"ab").await.expect("written");
        let moment = std::time::Duration::from_millis(20);
        let read = below.read_all_future(&mut early).or_timeout(moment);
        read.await.expect_err("two are not four");
        assert_eq!(below.wait(IOCondition::IN).expect("ready"), IOCondition::IN);
        let mut got = [0; 2];
        below.read_all_future(&mut got).await.expect("read");
        assert_eq!(&got, b"ab");
    });
}
