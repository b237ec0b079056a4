//! Data in the kernel and a waiter: a wake-up is pending.

use std::task::Waker;

use loom::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use crate::{
    io_state::{DirectionState, HANGUP, READY, WaiterKey},
    waker::Sleeper,
};

/// A descriptor of the kernel: what can be read, and the registrations that get an edge when more
/// arrives.
struct Descriptor {
    readable: AtomicUsize,
    registrations: Vec<Arc<DirectionState>>,
}

impl Descriptor {
    fn new(registrations: usize) -> Arc<Self> {
        let registrations = (0..registrations)
            .map(|_| Arc::new(DirectionState::default()))
            .collect();
        Arc::new(Self {
            readable: AtomicUsize::new(0),
            registrations,
        })
    }

    /// One message arrives, and each epoll instance reports it.
    fn arrive(&self) {
        self.readable.fetch_add(1, SeqCst);
        for registration in &self.registrations {
            let mut woken = Vec::new();
            registration.record_edge(READY, &mut woken);
            woken.into_iter().for_each(Waker::wake);
        }
    }

    /// A read: whether there was a message.
    fn read(&self) -> bool {
        let taken = self
            .readable
            .fetch_update(SeqCst, SeqCst, |n| n.checked_sub(1));
        taken.is_ok()
    }

    /// What a future does until it has read one message, as the hub of a registration.
    fn read_one(&self, registration: &DirectionState) {
        let sleeper = Sleeper::new();
        let waker = Waker::from(sleeper.clone());
        let mut key = WaiterKey::default();
        loop {
            let seen = registration.ready_event();
            if seen.is_ready() {
                if self.read() {
                    return registration.cancel_wait(&mut key);
                }
                registration.clear(seen, READY | HANGUP);
            }
            registration.enter(&mut key, &waker, false);
            if !registration.ready_event().is_ready() {
                sleeper.sleep();
            }
        }
    }
}

#[test]
fn an_edge_concurrent_with_a_would_block_wakes_the_waiter() {
    crate::explore(|| {
        let descriptor = Descriptor::new(1);
        let peer = descriptor.clone();
        let peer = thread::spawn(move || peer.arrive());
        descriptor.read_one(&descriptor.registrations[0]);
        peer.join().expect("no panic");
    });
}

#[test]
fn two_hubs_that_wait_for_one_descriptor_both_get_what_arrives() {
    crate::explore_bounded(|| {
        let descriptor = Descriptor::new(2);
        let other = descriptor.clone();
        let other = thread::spawn(move || other.read_one(&other.registrations[1]));
        let peer = descriptor.clone();
        let peer = thread::spawn(move || {
            peer.arrive();
            peer.arrive();
        });
        descriptor.read_one(&descriptor.registrations[0]);
        other.join().expect("no panic");
        peer.join().expect("no panic");
    });
}

#[test]
fn a_waiter_that_leaves_takes_no_other_off_the_list() {
    crate::explore_bounded(|| {
        let descriptor = Descriptor::new(1);
        let leaving = descriptor.clone();
        let leaving = thread::spawn(move || {
            let registration = &leaving.registrations[0];
            let mut key = WaiterKey::default();
            registration.enter(&mut key, Waker::noop(), false);
            registration.cancel_wait(&mut key);
        });
        let peer = descriptor.clone();
        let peer = thread::spawn(move || peer.arrive());
        descriptor.read_one(&descriptor.registrations[0]);
        leaving.join().expect("no panic");
        peer.join().expect("no panic");
        assert!(!descriptor.registrations[0].has_waiters());
    });
}
