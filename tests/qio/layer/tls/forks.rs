//! Forks concurrent with threads that use TLS channels and listeners: no child waits for a lock
//! that another thread had.
#![allow(unsafe_code)] // A forked child exits without the rest of this process.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use glib::IOCondition;
use nix::{
    libc,
    unistd::{ForkResult, fork},
};
use qio::{ChannelTls, NetListener, prelude::*};

use super::fixtures::connected;
use crate::{common::alone::alone, hub::fork_with_threads::Tally};

/// What a child does with what its parent has.
fn in_child(client: ChannelTls, server: ChannelTls, listener: &NetListener) {
    for end in [&client, &server] {
        let _ = end.wait_timeout(IOCondition::IN, Duration::ZERO);
        let _ = end.wait_timeout(IOCondition::OUT, Duration::ZERO);
        end.read(&mut [0]).expect_err("it is the parent's");
        end.write(b"x").expect_err("it is the parent's");
        end.flush().expect_err("it is the parent's");
        assert!(!end.is_handshake_done());
    }
    client.close().expect("closed");
    server.close().expect("closed");
    let _ = (listener.clients(), listener.max_clients(), listener.name());
    let _ = listener.max_handshakes();
    let _ = listener.is_connected();
    let _ = listener.local_addresses();
}

fn with_threads(forks: usize) -> Tally {
    let (client, server) = connected();
    let listener = NetListener::new();
    listener.open_port(0, 16).expect("open");
    let is_over = AtomicBool::new(false);
    let goes_on = || !is_over.load(Ordering::Relaxed);
    let mut tally = Tally::default();
    thread::scope(|scope| {
        scope.spawn(|| {
            while goes_on() {
                client.write_all(&[0; 20_000]).expect("written");
            }
            client.close().expect("closed");
        });
        scope.spawn(|| while server.read(&mut [0; 10_000]).expect("read") > 0 {});
        scope.spawn(|| {
            while goes_on() {
                let _ = (listener.clients(), listener.is_connected());
                let _ = (listener.max_handshakes(), listener.name());
            }
        });
        for _ in 0..forks {
            // SAFETY: the child exits without running anything that is not its own.
            match unsafe { fork() }.expect("a fork") {
                ForkResult::Child => {
                    let child = || in_child(client.clone(), server.clone(), &listener);
                    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child));
                    // SAFETY: ends the process at once.
                    unsafe { libc::_exit(i32::from(result.is_err())) };
                }
                ForkResult::Parent { child } => tally.count(child),
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    tally
}

#[test]
fn children_that_are_forked_while_threads_use_tls_and_listeners_end() {
    alone(
        "layer::tls::forks::children_that_are_forked_while_threads_use_tls_and_listeners_end",
        || {
            let tally = with_threads(60);
            let traces = tally.traces.join("\n\n");
            assert_eq!((tally.hung, tally.crashed), (0, 0), "{traces}");
            assert!(tally.ended > 40, "{} ended", tally.ended);
        },
    );
}
