//! What is waited for where records and data do not go together.

use std::{cell::Cell, future::poll_fn, io, rc::Rc, task::Poll, thread};

use glib::{ControlFlow, IOCondition};
use qio::{ChannelTls, Shutdown, prelude::*};

use super::fixtures::{NAME, before_handshake, client_creds, connected, handshake, over};
use crate::common::{
    FEW, blocked::Blocked, fill, in_loop, in_time, iterate_until, iterations, nonblocking_pair,
    settle,
};

#[test]
fn half_a_record_does_not_make_a_watch_spin() {
    in_loop(|context| {
        let (client, server) = connected();
        server.set_blocking(false).expect("non-blocking");
        let half = [23, 3, 3, 0, 40, 1, 2, 3];
        client.master().write_all(&half).expect("written");
        let nothing = |server: &ChannelTls, _| {
            let e = server.read(&mut [0]).unwrap_err();
            assert_eq!(e.kind(), io::ErrorKind::WouldBlock, "{e}");
            ControlFlow::Continue
        };
        let source = server.add_watch_source_local(IOCondition::IN, nothing, Some(context));
        assert!(iterations(context) <= FEW);
        source.destroy();
    });
}

/// Waits for HUP alone, while data is unread.
#[track_caller]
fn assert_end_is_reported((client, server): (ChannelTls, ChannelTls), context: &glib::MainContext) {
    client.write_all(b"data").expect("written");
    server.read_all(&mut [0]).expect("read");
    let reported = Rc::new(Cell::new(IOCondition::empty()));
    let note = reported.clone();
    let source = server.add_watch_source_local(
        IOCondition::HUP,
        move |_, condition| {
            note.set(condition);
            ControlFlow::Break
        },
        Some(context),
    );
    assert!(iterations(context) <= FEW);
    assert!(reported.get().is_empty());
    client.close().expect("closed");
    iterate_until(context, || reported.get().contains(IOCondition::HUP));
    assert!(source.is_destroyed());
    let got = server.wait(IOCondition::HUP).expect("reported as well");
    assert!(got.contains(IOCondition::HUP));
}

#[test]
fn an_end_is_reported_while_there_is_data() {
    in_loop(|context| {
        assert_end_is_reported(connected(), context);
        let (client, server) = in_time(|| {
            let (client, server) = over(connected());
            handshake(&client, &server);
            (client, server)
        });
        assert_end_is_reported((client, server), context);
    });
}

#[test]
fn a_handshake_continues_in_another_context() {
    in_loop(|context| {
        let (client, server) = before_handshake();
        let handshaking = client.clone();
        let handshaking = qio::spawn_local(async move { handshaking.handshake_future().await });
        settle(context);
        let other = glib::MainContext::new();
        client.attach_context(&other);
        settle(context);
        let served = qio::spawn_local(async move { server.handshake_future().await });
        iterate_until(context, || {
            settle(&other);
            handshaking.is_finished() && served.is_finished()
        });
        for task in [handshaking, served] {
            context.block_on(task).expect("no panic").expect("agreed");
        }
    });
}

#[test]
fn a_handshake_that_waits_for_output_does_not_spin() {
    in_loop(|context| {
        let (client, server) = over(nonblocking_pair());
        for end in [&client, &server] {
            end.set_blocking(false).expect("non-blocking");
        }
        for end in [&client, &server, &client] {
            let e = end.read(&mut [0]).unwrap_err();
            assert_eq!(e.kind(), io::ErrorKind::WouldBlock, "{e}");
        }
        // The client is done, and the server will be, but for its tickets, which stay pending.
        client.write_all(b"data").expect("written");
        fill(&server.master());
        let handshaking = server.clone();
        let task = qio::spawn_local(async move { handshaking.handshake_future().await });
        assert!(iterations(context) <= FEW);
        assert!(server.is_handshake_done());
        drop(task);
    });
}

/// Calls it while the channel is full, reads all when it blocks, and returns the result.
fn while_output_is_blocked<T: Send>(
    begin: impl FnOnce(&ChannelTls),
    act: impl FnOnce(&ChannelTls) -> io::Result<T> + Send,
) -> T {
    let (client, server) = connected();
    client.set_blocking(false).expect("non-blocking");
    fill(&client);
    client.set_blocking(true).expect("blocking");
    begin(&client);
    let blocked = Blocked::default();
    thread::scope(|scope| {
        let acting = scope.spawn(|| {
            blocked.soon();
            act(&client)
        });
        // Forever, if it spins.
        blocked.wait();
        let mut some = vec![0; 65_536];
        while server.read(&mut some).expect("a clean end") > 0 {}
        acting.join().expect("no panic").expect("done in the end")
    })
}

#[test]
fn waiting_for_close_notify_to_be_sent_does_not_spin() {
    in_time(|| {
        while_output_is_blocked(|_| (), ChannelTls::bye);
        let shut = |client: &ChannelTls| client.shutdown(Shutdown::Write).expect("begun");
        while_output_is_blocked(shut, |client| client.flush().map(drop));
    });
}

#[test]
fn pending_output_of_a_handshake_keeps_no_channel() {
    in_loop(|context| {
        let (client, server) = over(nonblocking_pair());
        for end in [&client, &server] {
            end.set_blocking(false).expect("non-blocking");
        }
        let e = client.read(&mut [0]).unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::WouldBlock, "{e}");
        fill(&server.master());
        let e = server.read(&mut [0]).unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::WouldBlock, "{e}");
        let handshaking = server.clone();
        let handshaking = qio::spawn_local(async move { handshaking.handshake_future().await });
        settle(context);
        server.shutdown(Shutdown::Both).expect("begun");
        assert!(iterations(context) <= FEW);
        let failed = context
            .block_on(handshaking)
            .expect("no panic")
            .unwrap_err();
        for e in [
            server.flush().unwrap_err(),
            context.block_on(server.flush_future()).unwrap_err(),
        ] {
            assert_eq!(e.to_string(), failed.to_string());
        }
    });
}

#[test]
fn a_flush_in_a_handshake_receives_from_the_peer_and_does_not_spin() {
    in_loop(|context| {
        let (here, there) = nonblocking_pair();
        let client = ChannelTls::new_client(&here, &client_creds(), NAME).expect("a client");
        client.set_blocking(false).expect("non-blocking");
        fill(&here);
        let e = client.read(&mut [0]).unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::WouldBlock, "{e}");
        // The beginning of a record, while the hello is pending.
        there.write_all(&[22, 3, 3]).expect("written");
        let flushing = client.clone();
        let flushing = qio::spawn_local(async move { flushing.flush_future().await });
        settle(context);
        assert!(iterations(context) <= FEW);
        assert!(!flushing.is_finished());
        flushing.abort();
    });
}

#[test]
fn a_wait_is_woken_while_another_task_always_has_something_to_do() {
    in_loop(|context| {
        const BYTES: usize = 3;
        let (client, server) = connected();
        let taken = Rc::new(Cell::new(0));
        let (counted, seen) = (taken.clone(), taken.clone());
        let busy = qio::spawn_local(async move {
            while seen.get() < BYTES {
                let mut passed = false;
                let turn = poll_fn(|cx| {
                    cx.waker().wake_by_ref();
                    match std::mem::replace(&mut passed, true) {
                        true => Poll::Ready(()),
                        false => Poll::Pending,
                    }
                });
                turn.await;
            }
        });
        let reads = qio::spawn_local(async move {
            while counted.get() < BYTES {
                server.read_all_future(&mut [0]).await.expect("read");
                counted.set(counted.get() + 1);
            }
        });
        for round in 1..=BYTES {
            for _ in 0..20 {
                context.iteration(false);
            }
            client.write_all(b"x").expect("space");
            iterate_until(context, || taken.get() == round);
        }
        iterate_until(context, || busy.is_finished() && reads.is_finished());
    });
}
