//! What waiters get when something fails below, or waits for itself: one error for all, and no wait
//! that never ends.

use std::{cell::Cell, io, rc::Rc, sync::atomic::Ordering, thread, time::Duration};

use glib::{IOCondition, subclass::prelude::*};
use qio::{ChannelTls, coroutine, prelude::*};

use super::fixtures::{
    before_handshake, client_creds, connected, handshake, over, server_creds, with,
};
use crate::common::{
    blocked::Blocked, classes::Breaking, fill, in_loop, in_time, iterate_until, nonblocking_pair,
};

#[test]
fn an_error_that_the_lower_channel_reports_once_reaches_all_waiters() {
    in_time(|| {
        for writes in [false, true] {
            let (here, there) = nonblocking_pair();
            let breaking: Breaking = glib::Object::new();
            breaking.imp().socket.set(here.clone()).expect("once");
            let (client, server) = with(&breaking, &client_creds(), &there, &server_creds());
            handshake(&client, &server);
            let act = move |client: &ChannelTls| match writes {
                true => loop {
                    if let Err(e) = client.write(&[0; 65536]) {
                        break e;
                    }
                },
                false => client.read(&mut [0]).unwrap_err(),
            };
            let blocked = [Blocked::default(), Blocked::default()];
            thread::scope(|scope| {
                let waiters: Vec<_> = blocked
                    .iter()
                    .map(|blocked| {
                        let client = &client;
                        scope.spawn(move || {
                            blocked.soon();
                            act(client)
                        })
                    })
                    .collect();
                blocked.iter().for_each(Blocked::wait);
                breaking.imp().broken.store(true, Ordering::Relaxed);
                match writes {
                    // It is writable, or readable, for one moment.
                    true => drop(there.read(&mut vec![0; 1 << 20])),
                    false => drop(there.write(&[23, 3, 3, 0, 1])),
                }
                for waiter in waiters {
                    let e = waiter.join().expect("no panic");
                    assert_eq!(e.raw_os_error(), Some(nix::libc::EIO), "{e}");
                }
            });
        }
    });
}

/// Data that is unsent is lost by closing, and that is an error; all else is none.
#[test]
fn closing_does_not_report_what_the_user_did_not_write() {
    in_time(|| {
        // The responses to key updates stay pending.
        let (client, server) = connected();
        for end in [&client, &server] {
            end.set_blocking(false).expect("non-blocking");
        }
        fill(&server.master());
        for _ in 0..10 {
            client.update_keys(true).expect("queued");
            let e = server.read(&mut [0]).expect_err("there is no data");
            assert_eq!(e.kind(), io::ErrorKind::WouldBlock, "{e}");
        }
        let full = server.wait_timeout(IOCondition::OUT, Duration::ZERO);
        assert_eq!(full.unwrap_err().kind(), io::ErrorKind::TimedOut);
        server.close().expect("nothing was written");

        // Data was written.
        let (client, _server) = connected();
        client.set_blocking(false).expect("non-blocking");
        fill(&client.master());
        client.write(b"data").expect("encrypted");
        client.close().expect_err("it is lost");
    });
}

#[test]
fn closing_tls_in_tls_does_not_report_what_the_user_did_not_write() {
    in_time(|| {
        for writes in [false, true] {
            let (outer_client, outer_server) = connected();
            let (client, server) = over((outer_client.clone(), outer_server));
            handshake(&client, &server);
            for end in [&client, &outer_client] {
                end.set_blocking(false).expect("non-blocking");
            }
            fill(&outer_client.master());
            if writes {
                client.write(b"data").expect("encrypted");
            }
            // close_notify of the inner connection stays in the outer one.
            assert_eq!(client.close().is_err(), writes);
        }
    });
}

#[test]
fn waiting_in_a_coroutine_inside_authorize_peer_is_an_error() {
    needs!("glib-networking");
    in_loop(|context| {
        let (client, server) = before_handshake();
        let is_read = Rc::new(Cell::new(false));
        client.connect_authorize_peer(|client, _| {
            assert!(coroutine::in_coroutine());
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
            // Another one waits for the answer.
            true
        });
        let (handshaking, waiting, done) = (client.clone(), client.clone(), is_read.clone());
        let handshaking = coroutine::spawn(move || handshaking.handshake());
        let waiting = coroutine::spawn(move || {
            waiting.read_all(&mut [0]).expect("read");
            done.set(true);
        });
        let served = qio::spawn_local(async move {
            server.handshake_future().await.expect("agreed");
            server.write_all_future(b"x").await.expect("written");
            server
        });
        iterate_until(context, || is_read.get() && handshaking.is_finished());
        let agreed = context.block_on(handshaking).expect("no panic");
        agreed.expect("authorized");
        context.block_on(waiting).expect("no panic");
        drop(context.block_on(served).expect("no panic"));
    });
}

/// How much time this thread has used a processor for.
fn busy_time() -> Duration {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID);
    time.expect("a clock").into()
}

#[test]
fn flush_sleeps_in_a_handshake_that_nothing_drives() {
    in_time(|| {
        let (here, there) = nonblocking_pair();
        let client = ChannelTls::new_client(&here, &client_creds(), super::fixtures::NAME);
        let client = client.expect("a client");
        client.set_blocking(false).expect("non-blocking");
        fill(&here);
        let e = client.read(&mut [0]).expect_err("nothing has come");
        assert_eq!(e.kind(), io::ErrorKind::WouldBlock, "{e}");
        // A record that is complete, and one that is not.
        let hello = [&[21, 3, 3, 0, 2, 1, 90][..], &[22, 3, 3, 0, 90, 2]].concat();
        there.write_all(&hello).expect("written");
        thread::scope(|scope| {
            let flushing = scope.spawn(|| {
                let result = client.flush();
                (result.is_ok(), busy_time())
            });
            thread::sleep(Duration::from_millis(300));
            assert!(!flushing.is_finished(), "the buffer is full");
            while there.read(&mut [0; 65536]).is_ok() {}
            let (_, busy) = flushing.join().expect("no panic");
            assert!(busy < Duration::from_millis(100), "{busy:?}");
        });
    });
}
