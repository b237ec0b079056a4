//! What to wait for: the layer has no descriptor, and forwards the question to the channel below,
//! for the direction that the record layer needs.

use std::{
    sync::Arc,
    task::{Wake, Waker},
};

use glib::{IOCondition, prelude::*, subclass::prelude::*};

use super::{
    ChannelTls,
    engine::{Stage, TlsState},
    link::Connection,
};
use crate::{
    channel::{
        Channel, ChannelExt as _,
        class::{VFuncs, native::PollFd},
    },
    hub::Direction,
    types::Readiness,
    watch::{self, LayerVtable, Waiters, WakeOn},
};

/// What makes a direction worth trying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WaitFor {
    Nothing,
    /// One of these conditions of the channel below. None: the release of the token that another
    /// thread has.
    Below(IOCondition),
}

impl TlsState {
    /// What makes a direction worth trying.
    fn needs(&mut self, side: Direction) -> WaitFor {
        match &self.stage {
            Stage::Fresh | Stage::Failed(_) => return WaitFor::Nothing,
            // The end of the step is reported to all.
            Stage::Authorizing(_) => {
                self.waiting_step = true;
                return WaitFor::Below(IOCondition::empty());
            }
            Stage::Shaking if self.input.has_new => return WaitFor::Nothing,
            Stage::Shaking => return self.needs_exchange(),
            Stage::Open => {}
        }
        match side {
            Direction::Read if self.output_over_limit() => self.needs_room(),
            Direction::Read if self.has_answer() => WaitFor::Nothing,
            // Nothing is encrypted, nor reported, before that has been sent.
            Direction::Write if self.has_unsent() => self.needs_room(),
            Direction::Write if self.output.error.is_some() => WaitFor::Nothing,
            Direction::Write if self.is_settled() => self.needs_room(),
            Direction::Write if self.input.has_new => WaitFor::Nothing,
            _ => self.needs_exchange(),
        }
    }

    /// Whether a handshake waits for the peer alone, as far as it has been tried.
    pub(super) fn expects_input(&self) -> bool {
        matches!(self.stage, Stage::Fresh | Stage::Shaking) && !self.has_unsent()
    }

    /// Whether a direction needs the same direction of the channel below, and nothing else: also
    /// reading in a handshake, so that any number of peers that begin one and do nothing costs no
    /// watch. After a handshake that has failed only what is unsent waits for anything.
    fn is_plain(&self, side: Direction) -> bool {
        match side {
            Direction::Read => {
                (self.is_settled() || self.is_shaking())
                    && !self.has_unsent()
                    && !self.input.has_new
                    && !self.input.recheck
            }
            Direction::Write => self.is_settled() || self.failure().is_some(),
        }
    }

    /// Ciphertext has to come, or what is unsent has to go before the peer says more, or is heard.
    fn needs_exchange(&mut self) -> WaitFor {
        let mut conditions = IOCondition::empty();
        conditions.set(
            IOCondition::IN,
            !self.tokens.receiving && !self.output_over_limit(),
        );
        conditions.set(IOCondition::OUT, self.has_unsent() && !self.tokens.sending);
        self.tokens.waiting_receive |= self.tokens.receiving;
        self.tokens.waiting_send |= self.tokens.sending;
        WaitFor::Below(conditions)
    }

    /// What is unsent has to go.
    fn needs_room(&mut self) -> WaitFor {
        self.tokens.waiting_send |= self.tokens.sending;
        WaitFor::Below(match self.tokens.sending {
            true => IOCondition::empty(),
            false => IOCondition::OUT,
        })
    }
}

impl Connection {
    pub(super) fn wait_fd(&self, condition: IOCondition) -> Readiness {
        match self.engine().needs(side(condition)) {
            WaitFor::Nothing => Readiness::Now,
            WaitFor::Below(conditions) => self.ask_below(conditions),
        }
    }

    fn ask_below(&self, conditions: IOCondition) -> Readiness {
        let [read, write] = watch::directions(conditions);
        if conditions.is_empty() {
            return Readiness::Watch;
        }
        // The number may be used for another file soon: it must not be polled.
        let is_over = self.master.is_closed();
        if is_over || !read.is_empty() && self.master.has_pushback() {
            return Readiness::Now;
        }
        let ask = |conditions| VFuncs::of(&self.master).wait_fd(conditions);
        match (read.is_empty(), write.is_empty()) {
            (_, true) => ask(read),
            (true, false) => ask(write),
            (false, false) => match (ask(read), ask(write)) {
                (Readiness::Now, _) | (_, Readiness::Now) => Readiness::Now,
                (Readiness::Fd(a, for_read), Readiness::Fd(b, for_write)) if a == b => {
                    Readiness::Fd(a, for_read | for_write)
                }
                // Two descriptors: only a watch waits for both.
                _ => Readiness::Watch,
            },
        }
    }
}

/// Wakes the waiters of a layer when the lower channel is closed on its own.
struct LowerClosedWaker(Arc<Waiters>);

impl Wake for LowerClosedWaker {
    fn wake(self: Arc<Self>) {
        self.0.wake();
    }
}

/// Has those who wait for a layer woken when the channel below is closed, until that is
/// [undone](stop_waking_with).
pub(super) fn wake_with(channel: &Channel, master: &Channel) -> Waker {
    let waiters = channel.imp().waiters.clone();
    let collapse = Waker::from(Arc::new(LowerClosedWaker(waiters)));
    let lower = &master.imp().waiters;
    lower.enter(WakeOn::Close, collapse.clone());
    collapse
}

pub(super) fn stop_waking_with(collapse: &Waker, master: &Channel) {
    master.imp().waiters.leave(WakeOn::Close, collapse);
}

fn side(condition: IOCondition) -> Direction {
    match condition.contains(IOCondition::OUT) {
        true => Direction::Write,
        false => Direction::Read,
    }
}

fn link_of(channel: &Channel) -> Option<&Connection> {
    channel.downcast_ref::<ChannelTls>()?.imp().link().ok()
}

/// The descriptor of the lower channel, as long as nothing else is to be waited for.
pub(super) fn poll_fd(channel: &Channel, side: Direction) -> Option<PollFd> {
    let link = link_of(channel)?;
    if !link.engine().is_plain(side) {
        return None;
    }
    match VFuncs::of(&link.master).poll_fd(side)? {
        PollFd::Pollable { fd, serves, .. } => Some(PollFd::Pollable {
            fd,
            serves,
            raw: false,
        }),
        PollFd::Disk(_) => None,
    }
}

pub(super) fn below(channel: &Channel) -> Option<&Channel> {
    Some(&link_of(channel)?.master)
}

/// A watch that asks what to wait for before each poll, and waits by the watch of the channel below
/// where that names no descriptor.
pub(super) fn watch(channel: &Channel, condition: IOCondition) -> glib::Source {
    if (condition - watch::ALWAYS).is_empty() {
        return watch_for_end(channel, condition);
    }
    let ask: watch::WaitFdFn = |object, condition| match link(object) {
        Some(link) => link.wait_fd(condition),
        None => Readiness::Now,
    };
    let layer = LayerVtable {
        needs: |object, condition| {
            let needs = link(object).map(|link| link.engine().needs(side(condition)));
            match needs {
                Some(WaitFor::Below(conditions)) => conditions,
                Some(WaitFor::Nothing) | None => IOCondition::empty(),
            }
        },
        watch: watch_below,
    };
    channel.watched(|watched| watch::layered(watched, condition, ask, layer))
}

/// A watch for nothing but an end, which is that of the channel below, whatever has been decrypted.
fn watch_for_end(channel: &Channel, condition: IOCondition) -> glib::Source {
    let layer = LayerVtable {
        needs: |_, _| IOCondition::HUP | IOCondition::ERR,
        watch: watch_below,
    };
    let by_watch: watch::WaitFdFn = |_, _| Readiness::Watch;
    channel.watched(|watched| watch::layered(watched, condition, by_watch, layer))
}

fn watch_below(object: &glib::Object, conditions: IOCondition) -> Option<glib::Source> {
    Some(VFuncs::of(&link(object)?.master).create_watch(conditions))
}

fn link(object: &glib::Object) -> Option<&Connection> {
    object.downcast_ref::<Channel>().and_then(link_of)
}
