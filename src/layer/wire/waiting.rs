//! What to wait for: a layer has no descriptor, and waits for the lower channel, in the direction
//! that its engine needs.

use glib::{IOCondition, prelude::*};

use super::{Engine, Layer, Wire};
use crate::{
    channel::{
        Channel,
        class::{VFuncs, native::PollFd},
    },
    hub::Direction,
    layer::lower,
    observe::LayerState,
    types::Readiness,
    watch::{self, LayerVtable},
};

/// What a direction waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::layer) enum WaitFor {
    Nothing,
    /// One of these conditions of the lower channel. None: the release of the token that another
    /// thread has.
    Below(IOCondition),
}

impl WaitFor {
    /// Waits for input, and for pending output, which the peer may wait for, or which is over the
    /// limit.
    pub(in crate::layer) fn exchange(engine: &mut impl Engine) -> Self {
        let mut conditions = IOCondition::empty();
        let takes_input = !engine.output_over_limit();
        let has_output = engine.has_pending_output();
        let tokens = engine.tokens_mut();
        conditions.set(IOCondition::IN, !tokens.receiving && takes_input);
        conditions.set(IOCondition::OUT, has_output && !tokens.sending);
        tokens.waiting_receive |= tokens.receiving;
        tokens.waiting_send |= tokens.sending;
        Self::Below(conditions)
    }

    /// Waits for pending output.
    pub(in crate::layer) fn write(engine: &mut impl Engine) -> Self {
        let tokens = engine.tokens_mut();
        tokens.waiting_send |= tokens.sending;
        Self::Below(match tokens.sending {
            true => IOCondition::empty(),
            false => IOCondition::OUT,
        })
    }
}

impl<E: Engine> Wire<E> {
    pub(in crate::layer) fn wait_fd(&self, condition: IOCondition) -> Readiness {
        match self.engine().needs(side(condition)) {
            WaitFor::Nothing => Readiness::Now,
            WaitFor::Below(conditions) => self.lower_wait_fd(conditions),
        }
    }

    fn lower_wait_fd(&self, conditions: IOCondition) -> Readiness {
        let [read, write] = watch::directions(conditions);
        let wait_fd = |conditions| lower::wait_fd(self.lower(), conditions);
        match (read.is_empty(), write.is_empty()) {
            (true, true) => Readiness::Watch,
            (false, true) => wait_fd(read),
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

/// The descriptor of the lower channel, while a direction waits for nothing else.
pub(in crate::layer) fn poll_fd<L: Layer>(channel: &Channel, side: Direction) -> Option<PollFd> {
    let wire = channel.downcast_ref::<L>()?.wire()?;
    match wire.engine().needs_same_direction_only(side) {
        true => lower::poll_fd(wire.lower(), side),
        false => None,
    }
}

/// The lower channel.
pub(in crate::layer) fn below<L: Layer>(channel: &Channel) -> Option<&Channel> {
    Some(channel.downcast_ref::<L>()?.wire()?.lower())
}

/// The state of a layer, for observers.
pub(in crate::layer) fn state<L: Layer>(channel: &Channel) -> Option<LayerState> {
    let engine = channel.downcast_ref::<L>()?.wire()?.engine();
    let pending = match engine.has_pending_output() {
        true => engine.queued_bytes().max(1),
        false => 0,
    };
    Some(LayerState {
        is_open: engine.is_open(),
        pending,
    })
}

/// A watch of a layer.
pub(in crate::layer) fn watch<L: Layer>(layer: &L, condition: IOCondition) -> glib::Source {
    let wait_fd: watch::WaitFdFn = |object, condition| match wire_of::<L>(object) {
        Some(wire) => wire.wait_fd(condition),
        None => Readiness::Now,
    };
    let vtable = LayerVtable {
        needs: |object, condition| {
            let needs = wire_of::<L>(object).map(|wire| wire.engine().needs(side(condition)));
            match needs {
                Some(WaitFor::Below(conditions)) => conditions,
                Some(WaitFor::Nothing) | None => IOCondition::empty(),
            }
        },
        watch: |object, conditions| {
            let lower = wire_of::<L>(object)?.lower();
            Some(VFuncs::of(lower).create_watch(conditions))
        },
    };
    lower::watch(layer.upcast_ref(), condition, wait_fd, vtable)
}

fn wire_of<L: Layer>(object: &glib::Object) -> Option<&Wire<L::Engine>> {
    object.downcast_ref::<L>()?.wire()
}
