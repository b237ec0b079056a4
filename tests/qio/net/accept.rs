//! Accepting: callbacks, futures, streams and blocking threads.

use std::{io::ErrorKind, thread};

use futures_util::{FutureExt as _, StreamExt as _, stream::FusedStream as _};
use qio::{JoinHandle, NetListener, coroutine};

use super::*;
use crate::common::{
    FEW, blocked::Blocked, in_loop, in_time, iterate_until, iterations, on_loop, runner::Runner,
    settle,
};

#[test]
fn a_callback_gets_every_client() {
    in_loop(|context| {
        let listener = listening();
        let accepted = Accepted::default();
        listener.set_client_func_full(accepted.client_func(), Some(context));
        let clients: Vec<_> = (0..20).map(|_| connect(&listener)).collect();
        iterate_until(context, || accepted.count() == clients.len());
        for (client, server) in clients.iter().zip(accepted.take()) {
            assert!(server.is_blocking());
            is_connection(client, &server);
        }
        assert!(iterations(context) <= FEW, "it waits");
    });
}

#[test]
fn the_global_default_context_is_the_default_context_of_callbacks() {
    // No other test iterates it for long: a test that blocks there runs it too.
    let listener = listening();
    let accepted = Accepted::default();
    listener.set_client_func(accepted.client_func());
    let client = connect(&listener);
    let context = glib::MainContext::default();
    while accepted.count() == 0 {
        context.iteration(false);
        thread::yield_now();
    }
    is_connection(&client, &accepted.take()[0]);
    listener.disconnect();
}

#[test]
fn a_local_callback_may_own_values_that_are_not_send() {
    in_loop(|context| {
        let listener = listening();
        let count = std::rc::Rc::new(std::cell::Cell::new(0));
        let counted = count.clone();
        let func = move |_: &NetListener, _| counted.set(counted.get() + 1);
        listener.set_client_func_full_local(func, Some(context));
        let _clients = [connect(&listener), connect(&listener)];
        iterate_until(context, || count.get() == 2);
        listener.unset_client_func();
        assert_eq!(std::rc::Rc::strong_count(&count), 1, "dropped at once");
    });
}

#[test]
fn a_callback_keeps_the_listener_until_it_is_disconnected() {
    in_loop(|context| {
        let (weak, address, accepted) = {
            let listener = NetListener::new();
            let accepted = Accepted::default();
            listener.set_client_func_full(accepted.client_func(), Some(context));
            listener.open_sync(&v4(), 4).expect("listens");
            (
                listener.downgrade(),
                listener.local_addresses()[0].clone(),
                accepted,
            )
        };
        let client = connect_to(&address);
        iterate_until(context, || accepted.count() == 1);
        is_connection(&client, &accepted.take()[0]);
        weak.upgrade().expect("alive").disconnect();
        assert!(weak.upgrade().is_none());
        settle(context);
        assert_eq!(
            std::sync::Arc::strong_count(&accepted.0),
            1,
            "nor is the callback"
        );
    });
}

#[test]
fn a_listener_with_a_callback_is_released_with_its_context() {
    let context = glib::MainContext::new();
    let listener = listening();
    let accepted = Accepted::default();
    listener.set_client_func_full(accepted.client_func(), Some(&context));
    let weak = listener.downgrade();
    drop(listener);
    assert!(weak.upgrade().is_some());
    drop(context);
    assert!(weak.upgrade().is_none());
    assert_eq!(std::sync::Arc::strong_count(&accepted.0), 1);
}

#[test]
fn a_callback_may_disconnect_and_replace_itself() {
    in_loop(|context| {
        let listener = listening();
        let (first, second) = (Accepted::default(), Accepted::default());
        let (mut on_client, mut next) = (first.client_func(), Some(second.client_func()));
        let here = context.clone();
        let func = move |listener: &NetListener, client| {
            on_client(listener, client);
            let next = next.take().expect("called once");
            listener.set_client_func_full(next, Some(&here));
        };
        listener.set_client_func_full(func, Some(context));
        let _clients = [connect(&listener), connect(&listener), connect(&listener)];
        iterate_until(context, || second.count() == 2);
        assert_eq!(first.count(), 1);

        let third = Accepted::default();
        let mut on_client = third.client_func();
        let func = move |listener: &NetListener, client| {
            on_client(listener, client);
            listener.disconnect();
        };
        listener.set_client_func_full(func, Some(context));
        let _clients = [connect(&listener), connect(&listener)];
        iterate_until(context, || third.count() == 1);
        settle(context);
        assert_eq!(third.count(), 1);
        // The callback stays for the next time.
        listener.open_sync(&v4(), 4).expect("listens again");
        let _client = connect(&listener);
        iterate_until(context, || third.count() == 2);
    });
}

#[test]
fn a_callback_that_panics_is_reported_and_the_next_client_is_served() {
    const NAME: &str =
        "net::accept::a_callback_that_panics_is_reported_and_the_next_client_is_served";
    if !crate::common::alone::is_alone() {
        let output = crate::common::alone::rerun(NAME, |it| it.env("G_DEBUG", ""));
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}");
        assert!(
            text.contains("A callback for clients panicked: no manners"),
            "{text}"
        );
        return;
    }
    in_loop(|context| {
        let listener = listening();
        let mut served = 0;
        let (sender, receiver) = std::sync::mpsc::channel();
        let func = move |_: &NetListener, _| {
            served += 1;
            assert!(served > 1, "no manners");
            sender.send(served).expect("awaited");
        };
        listener.set_client_func_full(func, Some(context));
        let _clients = [connect(&listener), connect(&listener)];
        iterate_until(context, || receiver.try_recv().is_ok());
    });
}

#[test]
fn futures_share_the_clients() {
    on_loop(|| async {
        let listener = listening();
        let accepting = (0..5).map(|_| listener.accept_future());
        let accepting: Vec<_> = accepting.map(qio::spawn_local).collect();
        let clients: Vec<_> = (0..5).map(|_| connect(&listener)).collect();
        for accepting in accepting {
            accepting.await.expect("no panic").expect("a client");
        }
        drop(clients);
    });
}

#[test]
fn a_future_that_is_dropped_leaves_the_client_in_the_queue() {
    on_loop(|| async {
        let listener = listening();
        let mut dropped = listener.accept_future().boxed();
        assert!((&mut dropped).now_or_never().is_none());
        let client = connect(&listener);
        drop(dropped);
        let server = listener.accept_future().await.expect("a client");
        is_connection(&client, &server);
    });
}

#[test]
fn a_stream_ends_with_the_listener() {
    on_loop(|| async {
        let listener = listening();
        let mut incoming = listener.incoming();
        let clients = [connect(&listener), connect(&listener)];
        for client in &clients {
            let server = incoming.next().await.expect("open").expect("a client");
            is_connection(client, &server);
        }
        let ending = qio::spawn_local(async move {
            let last = incoming.next().await.is_none();
            (
                last,
                incoming.is_terminated(),
                incoming.next().await.is_none(),
            )
        });
        let disconnecting = listener.clone();
        qio::spawn_local(async move { disconnecting.disconnect() });
        assert_eq!(ending.await.expect("no panic"), (true, true, true));
        assert!(listener.incoming().next().await.is_none(), "it is not open");
    });
}

#[test]
fn accepting_on_an_unopened_listener_is_an_error() {
    let listener = NetListener::new();
    let blocking = listener.wait_client().expect_err("not open");
    let waiting = listener.accept_future();
    let future = on_loop(move || async move { waiting.await.expect_err("not open") });
    for e in [blocking, future] {
        assert_eq!(e.kind(), ErrorKind::NotConnected);
        assert_eq!(e.to_string(), "Listener is not open");
    }
}

#[test]
fn disconnecting_ends_every_wait_from_another_thread() {
    for round in 0..20 {
        let listener = listening();
        let results = in_time(move || {
            let blocked: [Blocked; 3] = Default::default();
            thread::scope(|scope| {
                let blocking = scope.spawn(|| {
                    blocked[0].soon();
                    listener.wait_client().map(drop)
                });
                let future = scope.spawn(|| {
                    let context = glib::MainContext::new();
                    blocked[1].soon();
                    context.block_on(async { listener.accept_future().await.map(drop) })
                });
                let stream = scope.spawn(|| {
                    let context = glib::MainContext::new();
                    let mut incoming = listener.incoming();
                    blocked[2].soon();
                    context.block_on(async move { incoming.next().await.map(drop) })
                });
                // In every other round they wait already.
                if round % 2 == 0 {
                    blocked.iter().for_each(Blocked::wait);
                }
                listener.disconnect();
                assert!(stream.join().expect("no panic").is_none());
                [blocking, future].map(|it| it.join().expect("no panic"))
            })
        });
        for result in results {
            let e = result.expect_err("disconnected");
            assert_eq!(e.kind(), ErrorKind::NotConnected, "{e}");
        }
    }
}

#[test]
fn a_wait_ends_although_the_listener_is_reopened() {
    on_loop(|| async {
        let listener = listening();
        let waiting: JoinHandle<_> = qio::spawn_local(listener.accept_future());
        let again = listener.clone();
        qio::spawn_local(async move {
            again.disconnect();
            again.open_sync(&v4(), 4).expect("listens");
        });
        let e = waiting.await.expect("no panic").expect_err("disconnected");
        assert_eq!(e.to_string(), "Listener is disconnected");
    });
}

#[test]
fn a_blocked_accept_takes_precedence_over_the_callback() {
    let runner = Runner::new();
    let listener = listening();
    let accepted = Accepted::default();
    listener.set_client_func_full(accepted.client_func(), Some(&runner.context));
    for _ in 0..20 {
        let listener = listener.clone();
        let client = in_time(move || connect_while_a_thread_waits(&listener));
        assert_eq!(accepted.count(), 0);
        drop(client);
    }
    // And now it is the callback's turn.
    let _next = connect(&listener);
    let seen = accepted.clone();
    in_time(move || {
        while seen.count() == 0 {
            thread::yield_now();
        }
    });
    listener.disconnect();
}

/// Connects once a thread is blocked for the client, which it gets.
fn connect_while_a_thread_waits(listener: &NetListener) -> ChannelSocket {
    let blocked = Blocked::default();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            blocked.soon();
            listener.wait_client()
        });
        blocked.wait();
        let client = connect(listener);
        let server = waiting.join().expect("no panic").expect("a client");
        is_connection(&client, &server);
        client
    })
}

#[test]
fn a_coroutine_waits_without_holding_up_the_loop() {
    on_loop(|| async {
        let listener = listening();
        let waiting = listener.clone();
        let server = coroutine::spawn(move || waiting.wait_client());
        let late = listener.clone();
        let client = qio::spawn_local(async move { connect(&late) });
        let client = client.await.expect("no panic");
        let server = server.await.expect("no panic").expect("a client");
        is_connection(&client, &server);
    });
}
