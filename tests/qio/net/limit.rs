//! The limit of clients.

use std::thread;

use super::*;
use crate::common::{blocked::Blocked, in_loop, in_time, iterate_until, on_loop, settle};

#[test]
fn no_client_is_accepted_at_max_clients() {
    in_loop(|context| {
        let listener = listening();
        assert_eq!(listener.max_clients(), 0);
        listener.set_max_clients(2);
        assert_eq!(listener.property::<u32>("max-clients"), 2);
        let accepted = Accepted::default();
        listener.set_client_func_full(accepted.client_func(), Some(context));
        let clients: Vec<_> = (0..5).map(|_| connect(&listener)).collect();
        iterate_until(context, || accepted.count() == 2);
        settle(context);
        assert_eq!((accepted.count(), listener.clients()), (2, 2));

        // One is closed, one is dropped.
        let first = accepted.take();
        first[0].close().expect("closed");
        iterate_until(context, || accepted.count() == 1);
        settle(context);
        assert_eq!((accepted.count(), listener.clients()), (1, 2));
        drop(first);
        iterate_until(context, || accepted.count() == 2);
        settle(context);
        assert_eq!((accepted.count(), listener.clients()), (2, 2));

        listener.set_max_clients(0);
        iterate_until(context, || accepted.count() == 3);
        assert_eq!(listener.clients(), 3);
        drop(accepted.take());
        assert_eq!(listener.clients(), 0);
        drop(clients);
    });
}

#[test]
fn waiting_at_max_clients_uses_no_cpu_time() {
    in_loop(|context| {
        let listener = listening();
        listener.set_max_clients(1);
        let accepted = Accepted::default();
        listener.set_client_func_full(accepted.client_func(), Some(context));
        let _clients = [connect(&listener), connect(&listener)];
        iterate_until(context, || accepted.count() == 1);
        settle(context);
        let count = crate::common::iterations(context);
        assert!(count <= crate::common::FEW, "{count} iterations");
    });
}

#[test]
fn a_permit_released_in_another_thread_admits_the_next_client() {
    for _ in 0..50 {
        let listener = listening();
        listener.set_max_clients(1);
        let clients = [connect(&listener), connect(&listener), connect(&listener)];
        let first = listener.wait_client().expect("a client");
        in_time(move || {
            let blocked = Blocked::default();
            let second = thread::scope(|scope| {
                let waiting = scope.spawn(|| {
                    blocked.soon();
                    listener.wait_client().expect("a client")
                });
                blocked.wait();
                drop(first);
                waiting.join().expect("no panic")
            });
            let third = thread::spawn(move || {
                let future = listener.accept_future();
                let context = glib::MainContext::new();
                let (sender, begun) = std::sync::mpsc::channel();
                thread::scope(|scope| {
                    scope.spawn(move || {
                        begun.recv().expect("it begins");
                        drop(second);
                    });
                    context.block_on(async move {
                        sender.send(()).expect("awaited");
                        future.await.expect("a client")
                    })
                })
            });
            is_connection(&clients[2], &third.join().expect("no panic"));
        });
    }
}

#[test]
fn waiters_for_a_permit_in_different_styles_all_get_one() {
    on_loop(|| async {
        let listener = listening();
        listener.set_max_clients(1);
        let clients: Vec<_> = (0..6).map(|_| connect(&listener)).collect();
        let accept = |_| qio::spawn_local(listener.accept_future());
        let accepting: Vec<_> = (0..6).map(accept).collect();
        for accepting in accepting {
            drop(accepting.await.expect("no panic").expect("a client"));
        }
        assert_eq!(listener.clients(), 0);
        drop(clients);
    });
}

#[test]
fn clients_outlive_the_listener() {
    let listener = listening();
    listener.set_max_clients(1);
    let client = connect(&listener);
    let server = listener.wait_client().expect("a client");
    drop(listener);
    is_connection(&client, &server);
    drop(server);
}
