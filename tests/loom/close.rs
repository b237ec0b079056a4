//! Closing concurrent with a wait: the waiter finds the registration ended, or is woken.

use std::task::Waker;

use loom::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use crate::{
    io_state::{DirectionState, HANGUP, READY, WaiterKey},
    waker::Sleeper,
};

/// The rule of `Registration`: what ends it marks it, then drains; what waits enters, then looks.
#[derive(Default)]
struct Registration {
    direction: DirectionState,
    ended: AtomicBool,
}

impl Registration {
    fn end(&self) {
        self.ended.store(true, Ordering::Release);
        let mut woken = Vec::new();
        self.direction.drain(&mut woken);
        woken.into_iter().for_each(Waker::wake);
    }

    fn wait(&self) {
        let sleeper = Sleeper::new();
        let waker = Waker::from(sleeper.clone());
        let mut key = WaiterKey::default();
        self.direction
            .clear(self.direction.ready_event(), READY | HANGUP);
        loop {
            self.direction.enter(&mut key, &waker, false);
            if self.ended.load(Ordering::Acquire) {
                return self.direction.cancel_wait(&mut key);
            }
            sleeper.sleep();
        }
    }
}

#[test]
fn a_close_concurrent_with_a_wait_ends_it() {
    crate::explore(|| {
        let registration = Arc::new(Registration::default());
        let closing = registration.clone();
        let closing = thread::spawn(move || closing.end());
        registration.wait();
        closing.join().expect("no panic");
    });
}

#[test]
fn a_close_ends_all_waits() {
    crate::explore_bounded(|| {
        let registration = Arc::new(Registration::default());
        let waits = [(); 2].map(|()| {
            let registration = registration.clone();
            thread::spawn(move || registration.wait())
        });
        registration.end();
        waits
            .into_iter()
            .for_each(|wait| wait.join().expect("no panic"));
    });
}
