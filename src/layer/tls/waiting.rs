//! What to wait for: a TLS channel has no descriptor, and waits for the lower channel, in the
//! direction that the record layer needs.

use glib::{IOCondition, prelude::*, subclass::prelude::*};

use super::{
    ChannelTls,
    connection::Connection,
    engine::{HandshakeState, TlsState},
};
use crate::{
    channel::{
        Channel, ChannelExt as _,
        class::{VFuncs, native::PollFd},
    },
    hub::Direction,
    types::Readiness,
    watch::{self, LayerVtable},
};

/// What a direction waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WaitFor {
    Nothing,
    /// One of these conditions of the lower channel. None: the release of the token that another
    /// thread has.
    Below(IOCondition),
}

impl TlsState {
    /// Returns what a direction waits for.
    fn needs(&mut self, side: Direction) -> WaitFor {
        match &self.state {
            HandshakeState::Initial | HandshakeState::Failed(_) => return WaitFor::Nothing,
            // The end of the step wakes all waiters.
            HandshakeState::Authorizing(_) => {
                self.waiting_step = true;
                return WaitFor::Below(IOCondition::empty());
            }
            HandshakeState::Handshaking if self.input.has_new => return WaitFor::Nothing,
            HandshakeState::Handshaking => return self.needs_exchange(),
            HandshakeState::Established => {}
        }
        match side {
            Direction::Read if self.output_over_limit() => self.needs_write(),
            Direction::Read if self.has_answer() => WaitFor::Nothing,
            // Nothing is encrypted, and no error reported, while output is pending.
            Direction::Write if self.has_pending_output() => self.needs_write(),
            Direction::Write if self.output.error.is_some() => WaitFor::Nothing,
            Direction::Write if self.is_settled() => self.needs_write(),
            Direction::Write if self.input.has_new => WaitFor::Nothing,
            _ => self.needs_exchange(),
        }
    }

    /// Whether a handshake waits for input alone.
    pub(super) fn expects_input(&self) -> bool {
        matches!(
            self.state,
            HandshakeState::Initial | HandshakeState::Handshaking
        ) && !self.has_pending_output()
    }

    /// Whether a direction needs the same direction of the lower channel, and nothing else. Also
    /// reading in a handshake, so that idle half-open handshakes need no watch. After a failed
    /// handshake only pending output waits.
    fn is_plain(&self, side: Direction) -> bool {
        match side {
            Direction::Read => {
                (self.is_settled() || self.is_handshaking())
                    && !self.has_pending_output()
                    && !self.input.has_new
                    && !self.input.recheck
            }
            Direction::Write => self.is_settled() || self.failure().is_some(),
        }
    }

    /// Waits for input, and for pending output, which the peer may wait for, or which is over the
    /// limit.
    fn needs_exchange(&mut self) -> WaitFor {
        let mut conditions = IOCondition::empty();
        conditions.set(
            IOCondition::IN,
            !self.tokens.receiving && !self.output_over_limit(),
        );
        conditions.set(
            IOCondition::OUT,
            self.has_pending_output() && !self.tokens.sending,
        );
        self.tokens.waiting_receive |= self.tokens.receiving;
        self.tokens.waiting_send |= self.tokens.sending;
        WaitFor::Below(conditions)
    }

    /// Waits for pending output.
    fn needs_write(&mut self) -> WaitFor {
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
            WaitFor::Below(conditions) => self.lower_wait_fd(conditions),
        }
    }

    fn lower_wait_fd(&self, conditions: IOCondition) -> Readiness {
        let [read, write] = watch::directions(conditions);
        if conditions.is_empty() {
            return Readiness::Watch;
        }
        // The number may be used for another file soon: it must not be polled.
        let is_over = self.master().is_closed();
        if is_over || !read.is_empty() && self.master().has_pushback() {
            return Readiness::Now;
        }
        let wait_fd = |conditions| VFuncs::of(self.master()).wait_fd(conditions);
        match (read.is_empty(), write.is_empty()) {
            (_, true) => wait_fd(read),
            (true, false) => wait_fd(write),
            (false, false) => match (wait_fd(read), wait_fd(write)) {
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

fn side(condition: IOCondition) -> Direction {
    match condition.contains(IOCondition::OUT) {
        true => Direction::Write,
        false => Direction::Read,
    }
}

fn connection_of(channel: &Channel) -> Option<&Connection> {
    channel
        .downcast_ref::<ChannelTls>()?
        .imp()
        .connection()
        .ok()
}

/// The descriptor of the lower channel, while a direction waits for nothing else.
pub(super) fn poll_fd(channel: &Channel, side: Direction) -> Option<PollFd> {
    let connection = connection_of(channel)?;
    if !connection.engine().is_plain(side) {
        return None;
    }
    match VFuncs::of(connection.master()).poll_fd(side)? {
        PollFd::Pollable { fd, serves, .. } => Some(PollFd::Pollable {
            fd,
            serves,
            raw: false,
        }),
        PollFd::Disk(_) => None,
    }
}

pub(super) fn below(channel: &Channel) -> Option<&Channel> {
    Some(connection_of(channel)?.master())
}

/// A watch that evaluates what to wait for before each poll, and uses a watch of the lower channel
/// if that has no descriptor.
pub(super) fn watch(channel: &Channel, condition: IOCondition) -> glib::Source {
    if (condition - watch::ALWAYS).is_empty() {
        return watch_for_end(channel, condition);
    }
    let wait_fd: watch::WaitFdFn = |object, condition| match connection(object) {
        Some(connection) => connection.wait_fd(condition),
        None => Readiness::Now,
    };
    let layer = LayerVtable {
        needs: |object, condition| {
            let needs =
                connection(object).map(|connection| connection.engine().needs(side(condition)));
            match needs {
                Some(WaitFor::Below(conditions)) => conditions,
                Some(WaitFor::Nothing) | None => IOCondition::empty(),
            }
        },
        watch: watch_below,
    };
    channel.watched(|watched| watch::layered(watched, condition, wait_fd, layer))
}

/// A watch for `HUP` and `ERR` alone, which are those of the lower channel, also while decrypted
/// data is unread.
fn watch_for_end(channel: &Channel, condition: IOCondition) -> glib::Source {
    let layer = LayerVtable {
        needs: |_, _| IOCondition::HUP | IOCondition::ERR,
        watch: watch_below,
    };
    let by_watch: watch::WaitFdFn = |_, _| Readiness::Watch;
    channel.watched(|watched| watch::layered(watched, condition, by_watch, layer))
}

fn watch_below(object: &glib::Object, conditions: IOCondition) -> Option<glib::Source> {
    Some(VFuncs::of(connection(object)?.master()).create_watch(conditions))
}

fn connection(object: &glib::Object) -> Option<&Connection> {
    object.downcast_ref::<Channel>().and_then(connection_of)
}
