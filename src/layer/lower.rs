//! What layers have in common: how a layer waits for its lower channel, and is woken when that is
//! closed on its own.

use std::{
    sync::Arc,
    task::{Wake, Waker},
};

use glib::{IOCondition, subclass::prelude::*};

use crate::{
    channel::{
        Channel, ChannelExt as _,
        class::{VFuncs, native::PollFd},
    },
    hub::Direction,
    types::Readiness,
    watch::{self, ChannelState, LayerVtable, WakeOn},
};

struct Waking(Arc<ChannelState>);

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
        let channel_state = channel.imp().channel_state.clone();
        let waker = Waker::from(Arc::new(Waking(channel_state)));
        lower
            .imp()
            .channel_state
            .add_waker(WakeOn::Close, waker.clone());
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
        self.lower
            .imp()
            .channel_state
            .remove_waker(WakeOn::Close, &self.waker);
    }
}

/// The descriptor of the lower channel, for a layer that has nothing else to wait for. Its bytes
/// are not those of the layer.
pub(super) fn poll_fd(lower: &Channel, side: Direction) -> Option<PollFd> {
    match VFuncs::of(lower).poll_fd(side)? {
        PollFd::Pollable { fd, role, .. } => Some(PollFd::Pollable {
            fd,
            role,
            raw: None,
        }),
        PollFd::Disk(_) => None,
    }
}

/// What to poll for a condition of the lower channel.
pub(super) fn wait_fd(lower: &Channel, condition: IOCondition) -> Readiness {
    // The number may be used for another file soon: it must not be polled.
    let is_ready = lower.is_closed() || condition.contains(IOCondition::IN) && lower.has_pushback();
    match is_ready {
        true => Readiness::Now,
        false => VFuncs::of(lower).wait_fd(condition),
    }
}

/// A watch of a layer that evaluates what to wait for before each poll, and uses a watch of the
/// lower channel if that has no descriptor. One for `HUP` and `ERR` alone waits for those of the
/// lower channel, also while data of the layer is unread.
pub(super) fn watch(
    layer: &Channel,
    condition: IOCondition,
    wait_fd: watch::WaitFdFn,
    vtable: LayerVtable,
) -> glib::Source {
    let is_for_end = (condition - watch::ALWAYS).is_empty();
    let (wait_fd, vtable): (watch::WaitFdFn, _) = match is_for_end {
        true => (
            |_, _| Readiness::Watch,
            LayerVtable {
                needs: |_, _| watch::ALWAYS,
                ..vtable
            },
        ),
        false => (wait_fd, vtable),
    };
    layer.watched(|watched| watch::layered(watched, condition, wait_fd, vtable))
}
