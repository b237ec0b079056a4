//! The close_notify alert, and data that is in flight when it is sent.

use std::{io, thread};

use futures_util::{AsyncWriteExt as _, FutureExt as _};
use glib::MainContext;
use qio::{ChannelSocket, ChannelTls, Shutdown, prelude::*};

use super::{
    fixtures::{NAME, client_builder, client_cert, connected, handshake, over},
    openssl_peer::Peer,
};
use crate::common::{fill, in_time, on_loop};

fn tcp_pair() -> (ChannelSocket, ChannelSocket) {
    let host = gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4);
    let address = gio::InetSocketAddress::new(&host, 0);
    let listener = ChannelSocket::listen(&address, 1).expect("listens");
    let address = listener.local_address().expect("an address");
    let here = ChannelSocket::connect(&address).expect("connects");
    (here, listener.accept().expect("it comes"))
}

/// Over TCP the system throws away what was written if something that came is unread.
#[test]
fn a_writer_that_never_reads_loses_no_data() {
    in_time(|| {
        for dropped in [false, true] {
            let (here, there) = tcp_pair();
            // The server's session tickets have arrived, unread.
            here.wait(glib::IOCondition::OUT).expect("connected");
            let (client, server) = over((here, there));
            handshake(&client, &server);
            client.set_blocking(false).expect("non-blocking");
            let written = fill(&client);
            // The system has it all, and has not sent it all.
            let mut got = 0;
            thread::scope(|scope| {
                let flushing = scope.spawn(|| client.flush().expect("flushed"));
                while !flushing.is_finished() {
                    got += server.read(&mut [0; 4096]).expect("there is more");
                }
            });
            match dropped {
                false => client.close().expect("closed"),
                true => drop(client),
            }
            let mut rest = vec![0; written - got];
            server.read_all(&mut rest).expect("all of it");
            assert_eq!(server.read(&mut rest).expect("a clean end"), 0);
        }
    });
}

#[test]
fn nothing_is_left_to_be_sent_after_the_close_notify() {
    in_time(|| {
        let (client, server) = connected();
        client.bye().expect("sent");
        client.set_blocking(false).expect("non-blocking");
        fill(&client.master());
        // Which requests a KeyUpdate, for which the buffer is full.
        server.update_keys(true).expect("new keys");
        let e = client.read(&mut [0]).expect_err("there is no data");
        assert_eq!(e.kind(), io::ErrorKind::WouldBlock, "{e}");
        client.flush().expect("nothing is pending");
        client.close().expect("closed");
    });
}

#[test]
fn no_close_notify_is_needed_after_that_of_a_peer_that_disconnected() {
    in_time(|| {
        let ways: [fn(&ChannelTls) -> io::Result<()>; 4] = [
            ChannelTls::bye,
            |client| client.shutdown(Shutdown::Write),
            |client| client.close(),
            |client| {
                let mut stream = client.async_stream();
                MainContext::new().block_on(stream.close())
            },
        ];
        for send_close_notify in ways {
            for tcp in [false, true] {
                let pair = match tcp {
                    true => tcp_pair(),
                    false => ChannelSocket::pair().expect("a pair"),
                };
                let (client, server) = over(pair);
                handshake(&client, &server);
                // Which TCP resets, as input was unread.
                client.write_all(b"unread").expect("written");
                server.bye().expect("sent");
                let end = client.read(&mut [0]).expect("a clean end");
                assert_eq!(end, 0);
                server.master().close().expect("closed");
                send_close_notify(&client).unwrap_or_else(|e| panic!("tcp: {tcp}: {e}"));
                let e = client.write(b"more").expect_err("no reader");
                let gone = [io::ErrorKind::BrokenPipe, io::ErrorKind::NotConnected];
                assert!(gone.contains(&e.kind()), "{e}");
            }
        }
    });
}

#[test]
fn data_that_nothing_gets_is_an_error_of_the_close_notify() {
    in_time(|| {
        let (client, server) = connected();
        client.set_blocking(false).expect("non-blocking");
        fill(&client);
        server.bye().expect("sent");
        assert_eq!(client.read(&mut [0]).expect("a clean end"), 0);
        server.master().close().expect("closed");
        let e = client.bye().expect_err("it was not sent");
        assert_eq!(e.kind(), io::ErrorKind::BrokenPipe, "{e}");
    });
}

#[test]
fn a_channel_is_closed_in_the_first_poll_once_close_notify_was_sent_and_received() {
    on_loop(|| async {
        let (client, server) = connected();
        client.bye().expect("sent");
        assert_eq!(server.read(&mut [0]).expect("a clean end"), 0);
        let half_open = server.close_future().now_or_never();
        assert!(half_open.is_none(), "in another thread");
        assert_eq!(client.read(&mut [0]).expect("a clean end"), 0);
        let closed = client.close_future().now_or_never().expect("at once");
        closed.expect("closed");
        assert!(client.is_closed() && client.master().is_closed());
    });
}

/// A client that has processed a part of a session ticket, and the rest of that.
fn within_a_ticket() -> (Peer, ChannelTls, Vec<u8>) {
    let (mut peer, near) = Peer::server(true);
    let (pem, key) = (&client_cert().pem, &client_cert().key);
    let creds = client_builder().certificate_pem(pem.as_str(), key.as_str());
    let creds = creds.build().expect("good credentials");
    let client = ChannelTls::new_client(&near, &creds, NAME).expect("a client");
    peer.accept_while(|| client.handshake());
    client.set_blocking(false).expect("non-blocking");
    peer.hold();
    peer.send_ticket();
    let ticket = peer.held();
    let first = 5 + usize::from(u16::from_be_bytes([ticket[3], ticket[4]]));
    assert!(first < ticket.len(), "several records");
    peer.send_raw(&ticket[..first]);
    let e = client.read(&mut [0]).expect_err("there is no data");
    assert_eq!(e.kind(), io::ErrorKind::WouldBlock, "{e}");
    (peer, client, ticket[first..].to_vec())
}

/// OpenSSL sends no alert then.
#[test]
fn close_notify_is_sent_once_a_handshake_message_of_the_peer_is_complete() {
    in_time(|| {
        let (mut peer, client, rest) = within_a_ticket();
        let e = client.bye().expect_err("not sent");
        assert_eq!(e.kind(), io::ErrorKind::WouldBlock, "{e}");
        peer.send_raw(&rest);
        client.bye().expect("sent");
        assert_eq!(peer.read(&mut [0; 9]).expect("close_notify"), 0);

        for waits in [false, true] {
            let (mut peer, client, rest) = within_a_ticket();
            client.shutdown(Shutdown::Write).expect("shut down");
            let e = client.write(b"more").expect_err("shut down");
            assert_eq!(e.kind(), io::ErrorKind::BrokenPipe, "{e}");
            peer.send_raw(&rest);
            match waits {
                true => {
                    client.set_blocking(true).expect("blocking");
                    client.bye().expect("sent");
                }
                false => {
                    let e = client.read(&mut [0]).expect_err("there is no data");
                    assert_eq!(e.kind(), io::ErrorKind::WouldBlock, "{e}");
                }
            }
            assert_eq!(peer.read(&mut [0; 9]).expect("close_notify"), 0);
        }
    });
}

#[test]
fn a_close_notify_waits_for_the_rest_of_a_handshake_message() {
    for blocking in [true, false] {
        on_loop(move || async move {
            let (mut peer, client, rest) = within_a_ticket();
            let closing = client.clone();
            let sending = thread::spawn(move || {
                thread::yield_now();
                peer.send_raw(&rest);
                peer.read(&mut [0; 9]).map_err(|e| e.to_string())
            });
            client.set_blocking(blocking).expect("set");
            match blocking {
                true => closing.bye().expect("sent"),
                false => closing.bye_future().await.expect("sent"),
            }
            assert_eq!(sending.join().expect("no panic"), Ok(0));
        });
    }
}

#[test]
fn a_close_notify_fails_if_the_peer_ends_within_a_handshake_message() {
    in_time(|| {
        let (peer, client, _) = within_a_ticket();
        drop(peer);
        let e = client.bye().expect_err("not sent");
        assert_eq!(e.kind(), io::ErrorKind::UnexpectedEof, "{e}");
    });
}

#[test]
fn a_shutdown_of_both_directions_within_a_handshake_message_is_end_of_file_for_the_peer() {
    in_time(|| {
        let (mut peer, client, _rest) = within_a_ticket();
        client.shutdown(Shutdown::Both).expect("shut down");
        let e = client.write(b"more").expect_err("shut down");
        assert_eq!(e.kind(), io::ErrorKind::BrokenPipe, "{e}");
        // Without close_notify, which OpenSSL does not send there.
        peer.read(&mut [0; 9]).expect_err("truncated");
    });
}
