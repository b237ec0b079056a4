//! Callbacks in the middle of a handshake: authorize-peer and key logging.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use gio::{TlsAuthenticationMode, TlsError, TlsProtocolVersion};
use qio::{ChannelSocket, ChannelTls, coroutine, prelude::*};

use super::fixtures::{
    before_handshake, client_builder, client_cert, handshake, server_builder, server_creds,
    try_handshake, with,
};
use crate::common::{blocked::Blocked, in_loop, in_time, iterate_until, settle};

#[test]
fn a_handler_of_authorize_peer_cannot_wait_for_its_channel() {
    needs!("glib-networking");
    in_time(|| {
        let (client, server) = before_handshake();
        client.connect_authorize_peer(|client, _| {
            for result in [
                client.read(&mut [0]),
                client.write(b"x"),
                client.handshake().map(|()| 0),
                client.bye().map(|()| 0),
            ] {
                let e = result.expect_err("it would wait for itself");
                let error = qio::to_glib_error(&e);
                assert!(error.matches(gio::IOErrorEnum::Pending), "{e}");
            }
            client.set_blocking(false).expect("non-blocking");
            let e = client.read(&mut [0]).expect_err("there is nothing");
            client.set_blocking(true).expect("blocking");
            e.kind() == io::ErrorKind::WouldBlock
        });
        handshake(&client, &server);
    });
}

#[test]
fn a_handler_of_authorize_peer_can_close_its_channel() {
    needs!("glib-networking");
    in_time(|| {
        let (client, server) = before_handshake();
        client.connect_authorize_peer(|client, _| client.close().is_ok());
        let (here, there) = try_handshake(&client, &server);
        let e = here.expect_err("it is closed");
        assert_eq!(e.kind(), io::ErrorKind::NotConnected, "{e}");
        let e = there.expect_err("nothing was proved");
        assert!(qio::to_glib_error(&e).matches(TlsError::Eof), "{e}");
    });
}

#[test]
fn waiting_for_authorize_peer_does_not_spin_after_the_lower_channel_has_ended() {
    needs!("glib-networking");
    in_time(|| {
        let (client, server) = before_handshake();
        client.connect_authorize_peer(|client, _| {
            client.master().close().expect("closed");
            let reader = Arc::new(Blocked::default());
            let (channel, soon) = (client.clone(), reader.clone());
            thread::spawn(move || {
                soon.soon();
                channel.read(&mut [0])
            });
            // Forever, if it spins.
            reader.wait();
            true
        });
        // The first write reports that it is closed.
        let _ = try_handshake(&client, &server);
    });
}

#[test]
fn a_rejected_server_gets_no_certificate_of_the_client() {
    in_time(|| {
        let requesting = server_builder().client_certificates(TlsAuthenticationMode::Required);
        let shown = client_builder()
            .certificate_pem(client_cert().pem.as_str(), client_cert().key.as_str());
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let (client, server) = with(
            &here,
            &shown.build().expect("good"),
            &there,
            &requesting.build().expect("good"),
        );
        client.connect_authorize_peer(|_, _| false);
        thread::scope(|scope| {
            let served = scope.spawn(|| server.handshake());
            client.handshake().expect_err("rejected");
            let e = served.join().expect("no panic").expect_err("no handshake");
            assert!(e.to_string().contains("\"bad certificate\""), "{e}");
        });
        assert!(server.peer_certificate().is_none());
    });
}

#[test]
fn a_key_log_callback_may_use_the_connection() {
    in_time(|| {
        let place = Arc::new(Mutex::new(None::<ChannelTls>));
        let (looked, lines) = (place.clone(), Arc::new(Mutex::new(0)));
        let count = lines.clone();
        let log = move |_: &str| {
            let channel = looked.lock().expect("whole").clone();
            assert!(!channel.expect("set").is_handshake_done());
            *count.lock().expect("whole") += 1;
        };
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let creds = client_builder().key_log(log).build().expect("good");
        let (client, server) = with(&here, &creds, &there, &server_creds());
        place.lock().expect("whole").replace(client.clone());
        handshake(&client, &server);
        place.lock().expect("whole").take();
        assert!(
            *lines.lock().expect("whole") >= 4,
            "of both directions, twice"
        );
    });
}

#[test]
fn key_log_lines_of_a_connection_go_to_its_own_credentials() {
    in_time(|| {
        let lines: [Arc<Mutex<Vec<String>>>; 2] = Default::default();
        let [outer, inner] = lines.each_ref().map(|lines| {
            let lines = lines.clone();
            let log = move |line: &str| lines.lock().expect("whole").push(line.to_owned());
            client_builder().key_log(log).build().expect("good")
        });
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let (client, server) = with(&here, &outer, &there, &server_creds());
        // In the middle of the handshake.
        client.connect_authorize_peer(move |_, _| {
            let (here, there) = ChannelSocket::pair().expect("a pair");
            let (client, server) = with(&here, &inner, &there, &server_creds());
            handshake(&client, &server);
            true
        });
        handshake(&client, &server);
        let randoms = lines.map(|lines| {
            let lines = lines.lock().expect("whole");
            assert!(lines.len() >= 4, "of both directions, twice");
            let randoms = lines.iter().map(|line| line.split(' ').nth(1));
            let mut randoms: Vec<_> = randoms.map(|it| it.expect("a random").to_owned()).collect();
            randoms.dedup();
            randoms
        });
        let [outer, inner] = &randoms;
        assert!(
            outer.len() == 1 && inner.len() == 1 && outer != inner,
            "{randoms:?}"
        );
    });
}

#[test]
fn a_panic_of_a_key_log_callback_fails_the_handshake() {
    in_time(|| {
        let creds = client_builder().key_log(|_| panic!("no keys, please"));
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let creds = creds.build().expect("good");
        let (client, server) = with(&here, &creds, &there, &server_creds());
        thread::scope(|scope| {
            let served = scope.spawn(|| server.handshake());
            let agreed = catch_unwind(AssertUnwindSafe(|| client.handshake()));
            agreed.expect_err("the panic comes out");
            client.handshake().expect_err("it is over");
            client.close().expect("closed");
            served.join().expect("no panic").expect_err("no peer");
        });
    });
}

#[test]
fn a_coroutine_that_ends_while_the_peer_is_authorized_ends_the_handshake() {
    needs!("glib-networking");
    in_loop(|context| {
        let (client, server) = before_handshake();
        let (wait, _unused) = ChannelSocket::pair().expect("a pair");
        let is_emitted = Arc::new(AtomicBool::new(false));
        let note = is_emitted.clone();
        client.connect_authorize_peer(move |_, _| {
            note.store(true, Ordering::Relaxed);
            wait.read_all(&mut [0]).is_ok()
        });
        let handshaking = client.clone();
        let handshaking = coroutine::spawn(move || handshaking.handshake());
        let served = server.clone();
        let served = qio::spawn_local(async move { served.handshake_future().await });
        iterate_until(context, || is_emitted.load(Ordering::Relaxed));
        handshaking.abort();
        settle(context);
        let e = client.handshake().expect_err("no handler has accepted");
        assert!(
            qio::to_glib_error(&e).matches(gio::IOErrorEnum::Cancelled),
            "{e}"
        );
        client.close().expect("closed");
        let served = context.block_on(served).expect("no panic");
        served.expect_err("no peer");
    });
}

#[test]
fn a_resumed_session_is_authorized_again() {
    needs!("glib-networking");
    in_time(|| {
        for version in [TlsProtocolVersion::Tls12, TlsProtocolVersion::Tls13] {
            let requesting = server_builder().client_certificates(TlsAuthenticationMode::Required);
            let requesting = requesting.build().expect("good");
            let shown = client_builder()
                .max_version(version)
                .certificate_pem(client_cert().pem.as_str(), client_cert().key.as_str())
                .build()
                .expect("good");
            for (accepted, goes_on) in [(true, false), (true, true), (false, true), (false, true)] {
                let (here, there) = ChannelSocket::pair().expect("a pair");
                let (client, server) = with(&here, &shown, &there, &requesting);
                server.connect_authorize_peer(move |_, certificate| {
                    let name = certificate.subject_name();
                    accepted && name.is_some_and(|name| name.contains("client"))
                });
                let (_, served) = try_handshake(&client, &server);
                if !accepted {
                    let e = served.expect_err("rejected");
                    assert!(e.to_string().contains("rejected"), "{e}");
                    continue;
                }
                served.expect("accepted");
                assert_eq!(server.is_resumed(), goes_on);
                // Tickets come with the data.
                server.write_all(b"x").expect("written");
                client.read_all(&mut [0]).expect("read");
            }
        }
    });
}

#[test]
fn a_thread_that_comes_while_the_peer_is_authorized_waits_for_the_answer() {
    needs!("glib-networking");
    in_time(|| {
        let (client, server) = before_handshake();
        let reader = Arc::new(Blocked::default());
        let waits = reader.clone();
        client.connect_authorize_peer(move |_, _| {
            waits.wait();
            true
        });
        thread::scope(|scope| {
            scope.spawn(|| server.write_all(b"hello").expect("written"));
            scope.spawn(|| client.handshake().expect("accepted"));
            scope.spawn(|| {
                // Another thread performs the handshake, and calls the handlers.
                while client.peer_certificate().is_none() {
                    thread::yield_now();
                }
                reader.soon();
                client.read_all(&mut [0; 5]).expect("read");
            });
        });
    });
}
