//! The list of all channels, for monitors: one that is created later lists these as well.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicU32, Ordering},
};

use slab::Slab;

use super::ChannelState;
use crate::{
    observe::{ChannelStats, Gauges},
    sync::ProcessMutex,
};

/// The state of each channel, and its class. A forked child has the channels of its parent.
static LIVE: ProcessMutex<Slab<(glib::Type, Weak<ChannelState>)>> =
    ProcessMutex::new(Slab::new(), |_| {});

/// Lists all channels for the first monitor. Must be called after the process is observed: a
/// channel that is created concurrently is in the list, or lists itself.
pub(crate) fn list_live() {
    let live = LIVE.lock();
    let all = live
        .iter()
        .map(|(_, (class, state))| (*class, state.upgrade()));
    let all: Vec<_> = all.collect();
    // Dropping the last reference to a state locks the list.
    drop(live);
    for (class, state) in all {
        if let Some(state) = state {
            state.observed(class.name());
        }
    }
}

/// The key of a channel in the list, plus one; 0 while it is not listed. Dropping it removes the
/// channel.
#[derive(Debug, Default)]
pub(super) struct LiveEntry(AtomicU32);

impl Drop for LiveEntry {
    fn drop(&mut self) {
        if let Some(key) = self.0.get_mut().checked_sub(1) {
            let removed = LIVE.lock().remove(key as usize);
            drop(removed);
        }
    }
}

impl ChannelState {
    /// Lists the channel, once, for monitors that are created later.
    pub(crate) fn enter_live(self: &Arc<Self>, class: glib::Type) {
        let entry = (class, Arc::downgrade(self));
        let key = LIVE.lock().insert(entry);
        // No memory holds so many channels that this would not fit.
        self.live.0.store(key as u32 + 1, Ordering::Relaxed);
    }

    /// The counters of the channel, which a monitor lists from now on.
    pub(crate) fn observed(self: &Arc<Self>, class: &'static str) -> &Arc<ChannelStats> {
        let gauges = || {
            let gauges: Arc<dyn Gauges> = self.clone();
            Arc::downgrade(&gauges)
        };
        let texts = || {
            let name = self.texts.name().map(Into::into);
            (name, self.texts.label(class))
        };
        self.stats.listed(class, gauges, texts)
    }
}
