//! A listener that is moved between contexts.

use std::{
    sync::atomic::AtomicBool,
    thread,
    time::{Duration, Instant},
};

use qio::NetListener;

use super::*;
use crate::common::{in_time, iterate_until, runner::Runner};

/// Answers each client with one byte, and checks that this is the context.
fn answer(
    context: &glib::MainContext,
    served: &Arc<AtomicUsize>,
) -> impl FnMut(&NetListener, ChannelSocket) + Send + 'static {
    let (here, served) = (context.clone(), served.clone());
    move |_: &NetListener, client| {
        assert!(here.is_owner(), "the wrong context");
        served.fetch_add(1, Ordering::Relaxed);
        // A client that has disconnected meanwhile does not need it.
        let _ = client.write_all(b"!");
    }
}

/// Moves a listener between two contexts that run for as long, while clients come. Each of them
/// must be answered.
fn under_load(duration: Duration) -> (usize, usize) {
    let runners = [Runner::new(), Runner::new()];
    let listener = listening();
    let served = Arc::new(AtomicUsize::new(0));
    let done = AtomicBool::new(false);
    let mut moves = 0;
    let requests = thread::scope(|scope| {
        let clients: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut requests = 0;
                    while !done.load(Ordering::Relaxed) {
                        let client = connect(&listener);
                        client.read_all(&mut [0]).expect("answered");
                        reset(client);
                        requests += 1;
                    }
                    requests
                })
            })
            .collect();
        let begin = Instant::now();
        while begin.elapsed() < duration || moves < 100 {
            let context = &runners[moves % 2].context;
            listener.set_client_func_full(answer(context, &served), Some(context));
            moves += 1;
            // Each context serves a client.
            let before = served.load(Ordering::Relaxed);
            while served.load(Ordering::Relaxed) == before {
                thread::yield_now();
            }
        }
        done.store(true, Ordering::Relaxed);
        clients
            .into_iter()
            .map(|it| it.join().expect("no panic"))
            .sum()
    });
    listener.disconnect();
    assert_eq!(served.load(Ordering::Relaxed), requests, "each once");
    (requests, moves)
}

/// Leaves no port waiting behind.
fn reset(client: ChannelSocket) {
    let linger = nix::libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    let set = client.with_fd(|fd| {
        nix::sys::socket::setsockopt(&fd, nix::sys::socket::sockopt::Linger, &linger)
    });
    set.expect("open").expect("set");
}

#[test]
fn a_listener_that_is_moved_under_load_loses_no_client() {
    in_time(|| under_load(Duration::from_millis(300)));
}

#[test]
#[ignore = "takes half a minute: `make soak`"]
fn a_listener_that_is_moved_under_load_for_long_loses_no_client() {
    const NAME: &str = "net::context::a_listener_that_is_moved_under_load_for_long_loses_no_client";
    alone_with_figures(NAME, || {
        let (requests, moves) = under_load(Duration::from_secs(30));
        report_figures(&format!("{requests} clients served, {moves} moves in 30 s"));
    });
}

#[test]
fn a_context_that_nothing_runs_is_left_for_one_that_is_run() {
    let (idle, busy) = (glib::MainContext::new(), glib::MainContext::new());
    let listener = listening();
    let accepted = [Accepted::default(), Accepted::default()];
    listener.set_client_func_full(accepted[0].client_func(), Some(&idle));
    let client = connect(&listener);
    listener.set_client_func_full(accepted[1].client_func(), Some(&busy));
    assert_eq!(Arc::strong_count(&accepted[0].0), 1, "dropped at once");
    iterate_until(&busy, || accepted[1].count() == 1);
    is_connection(&client, &accepted[1].take()[0]);
    crate::common::settle(&idle);
    assert_eq!(accepted[0].count(), 0);
}

#[test]
fn several_sockets_are_accepted_from_fairly() {
    let context = glib::MainContext::new();
    let listener = listening();
    listener.open_sync(&v4(), 128).expect("listens");
    listener.open_sync(&v4(), 128).expect("listens");
    let addresses = listener.local_addresses();
    let mut clients: Vec<_> = (0..30).map(|_| connect_to(&addresses[0])).collect();
    clients.extend((1..3).map(|i| connect_to(&addresses[i])));
    let accepted = Accepted::default();
    listener.set_client_func_full(accepted.client_func(), Some(&context));
    iterate_until(&context, || accepted.count() >= 5);
    let ports: Vec<_> = accepted.take()[..5]
        .iter()
        .map(|client| port_of(&client.local_address().expect("open")))
        .collect();
    for address in &addresses {
        assert!(ports.contains(&port_of(address)), "{ports:?}");
    }
}
