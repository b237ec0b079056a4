//! A short read that has left data, concurrent with a change to edge-triggered: the data is
//! reported.

use std::task::Waker;

use loom::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use crate::{
    io_state::{DirectionState, HANGUP, READY, WaiterKey},
    trigger::Trigger,
    waker::Sleeper,
};

/// A descriptor with messages, of which each read takes one, in one registration.
#[derive(Default)]
struct Descriptor {
    readable: AtomicUsize,
    direction: DirectionState,
    trigger: Trigger,
    is_read: AtomicBool,
}

impl Descriptor {
    fn edge(&self) {
        let mut woken = Vec::new();
        self.direction.record_edge(READY, &mut woken);
        woken.into_iter().for_each(Waker::wake);
    }

    /// One look of the hub at its epoll instance, with nothing else to do.
    fn poll_events(&self) {
        if !self.trigger.is_level() || self.readable.load(SeqCst) == 0 {
            return;
        }
        if self.direction.ready_event().is_ready() {
            self.trigger.set_level(false);
            // The change of the trigger: what is there is an edge.
            if self.readable.load(SeqCst) == 0 {
                return;
            }
        }
        self.edge();
    }

    /// What a future of another context does until it has read some messages.
    fn read(&self, mut count: usize) {
        let sleeper = Sleeper::new();
        let waker = Waker::from(sleeper.clone());
        let mut key = WaiterKey::default();
        while count > 0 {
            let seen = self.direction.ready_event();
            if seen.is_ready() {
                let taken = self
                    .readable
                    .fetch_update(SeqCst, SeqCst, |n| n.checked_sub(1));
                if taken.is_err() {
                    self.direction.clear(seen, READY | HANGUP);
                } else {
                    count -= 1;
                    // A short read.
                    if self.trigger.is_level() {
                        self.direction.clear(seen, READY);
                    }
                    continue;
                }
            }
            self.direction.enter(&mut key, &waker, true);
            if !self.direction.ready_event().is_ready() {
                sleeper.sleep();
            }
        }
        self.direction.cancel_wait(&mut key);
        self.is_read.store(true, SeqCst);
    }
}

#[test]
fn data_left_by_a_short_read_is_reported_during_a_change_to_edge_triggered() {
    crate::explore_bounded(|| {
        let descriptor = Arc::new(Descriptor::default());
        descriptor.trigger.set_level(true);
        descriptor.readable.store(2, SeqCst);
        let reader = descriptor.clone();
        let reader = thread::spawn(move || reader.read(2));
        // For as long as it is level-triggered and data is there, the hub does not sleep.
        while descriptor.trigger.is_level() && !descriptor.is_read.load(SeqCst) {
            descriptor.poll_events();
            thread::yield_now();
        }
        reader.join().expect("no panic");
    });
}
