//! Waking the waiters of a layered channel when its lower channel is closed on its own.

use std::{
    sync::Arc,
    task::{Wake, Waker},
};

use glib::subclass::prelude::*;

use crate::{
    channel::Channel,
    watch::{Waiters, WakeOn},
};

struct Waking(Arc<Waiters>);

impl Wake for Waking {
    fn wake(self: Arc<Self>) {
        self.0.wake();
    }
}

/// The registration of a layered channel with its lower channel, until this is dropped.
#[derive(Debug)]
pub(super) struct LowerCloseWaker {
    lower: Channel,
    waker: Waker,
}

impl LowerCloseWaker {
    pub(super) fn new(channel: &Channel, lower: &Channel) -> Self {
        let waiters = channel.imp().waiters.clone();
        let waker = Waker::from(Arc::new(Waking(waiters)));
        lower.imp().waiters.enter(WakeOn::Close, waker.clone());
        Self {
            lower: lower.clone(),
            waker,
        }
    }

    /// The lower channel.
    pub(super) fn lower(&self) -> &Channel {
        &self.lower
    }
}

impl Drop for LowerCloseWaker {
    fn drop(&mut self) {
        self.lower.imp().waiters.leave(WakeOn::Close, &self.waker);
    }
}
