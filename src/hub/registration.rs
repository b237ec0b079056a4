//! A descriptor that is registered with the epoll instance of a hub.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    ptr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::{Poll, Waker},
};

use glib::IOCondition;

use super::{
    Hub,
    io_state::{Direction, DirectionState, HANGUP, READY, ReadyEvent, WaiterKey},
    remote::Message,
    trigger::Trigger,
};
use crate::{
    sync::ForkMutex,
    sys::{
        FdLease,
        epoll::{Edges, ReadyEdge},
        fd_info::ShortRead,
    },
};

/// The directions that a descriptor reports.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FdRole {
    /// Whether the descriptor reports both directions.
    pub(crate) both: bool,
    /// The only direction that it reports, or the one that it was registered for.
    pub(crate) side: Direction,
    pub(crate) short_read: ShortRead,
}

/// A registered descriptor, with the readiness that its hub has observed and the waiters of that
/// hub. Nothing is shared with other hubs: each has another registration, and gets every edge.
#[derive(Debug)]
pub(crate) struct Registration {
    hub: Arc<Hub>,
    pub(super) key: u64,
    /// The conditions in the epoll instance. Changed only while the hub's registry is locked.
    watched: AtomicU32,
    /// Prevents reuse of the descriptor's number. Empty once ended.
    fd: ForkMutex<Option<FdLease>>,
    ended: AtomicBool,
    role: FdRole,
    pub(super) trigger: Trigger,
    directions: [DirectionState; 2],
}

impl Registration {
    pub(super) fn new(hub: Arc<Hub>, key: u64, fd: FdLease, role: FdRole) -> Self {
        // After the reference was taken: while the two counts differ, the hub is in use.
        hub.registrations.fetch_add(1, Ordering::AcqRel);
        Self {
            hub,
            key,
            watched: AtomicU32::new(0),
            fd: ForkMutex::new(Some(fd)),
            ended: AtomicBool::new(false),
            role,
            trigger: Trigger::default(),
            directions: Default::default(),
        }
    }

    /// Whether this belongs to a hub, and has not ended.
    #[inline]
    pub(crate) fn is_of(&self, hub: *const Hub) -> bool {
        ptr::eq(Arc::as_ptr(&self.hub), hub) && !self.has_ended()
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    #[inline]
    pub(crate) fn is_for(&self, side: Direction) -> bool {
        self.role.both || self.role.side == side
    }

    fn sides(&self) -> impl Iterator<Item = Direction> {
        Direction::BOTH
            .into_iter()
            .filter(|&side| self.is_for(side))
    }

    #[inline]
    fn direction(&self, side: Direction) -> &DirectionState {
        &self.directions[side as usize]
    }

    /// Must be taken before an attempt, and passed on with its result.
    #[inline]
    pub(crate) fn ready_event(&self, side: Direction) -> ReadyEvent {
        self.direction(side).ready_event()
    }

    /// Records that an attempt met would-block: not ready, unless there was an edge after `seen`.
    pub(crate) fn would_block(&self, side: Direction, seen: ReadyEvent) {
        self.direction(side).clear(seen, READY | HANGUP);
        if side == Direction::Read
            && self.role.short_read == ShortRead::ProbablyDrained
            && !self.trigger.is_level()
            && self.trigger.count_drained()
        {
            self.hub.registry().use_level(self);
        }
    }

    /// Clears readiness before the epoll instance watches for the direction.
    pub(super) fn assume_not_ready(&self, side: Direction) {
        let direction = self.direction(side);
        direction.clear(direction.ready_event(), READY | HANGUP);
    }

    /// Records that none of the conditions holds, as was found after `seen`. Returns what to pass
    /// to [`poll_edge`](Self::poll_edge).
    pub(crate) fn not_ready(
        &self,
        side: Direction,
        conditions: IOCondition,
        seen: ReadyEvent,
    ) -> Option<ReadyEvent> {
        if conditions.contains(side.condition()) {
            self.would_block(side, seen);
            return None;
        }
        // A wait for a hang-up alone has not found out whether there is data.
        Some(seen)
    }

    /// Whether the epoll instance reports data of the direction for as long as it is there.
    #[inline]
    pub(crate) fn is_level_triggered(&self, side: Direction) -> bool {
        side == Direction::Read && self.trigger.is_level()
    }

    /// Clears readiness after a read, where the epoll instance reports again what is left.
    pub(crate) fn assume_drained(&self, side: Direction, seen: ReadyEvent) {
        if self.is_level_triggered(side) {
            self.direction(side).clear(seen, READY);
        }
    }

    /// Clears readiness after a short read (fewer bytes than the buffer holds), where a short read
    /// proves that the descriptor is drained and no hang-up is still to be reported.
    #[inline]
    pub(crate) fn read_short(&self, seen: ReadyEvent) {
        let is_drained = match self.role.short_read {
            ShortRead::Unknown => false,
            ShortRead::Drained => true,
            ShortRead::ProbablyDrained => self.trigger.is_level(),
        };
        if is_drained && !seen.is_hangup() {
            self.direction(Direction::Read).clear(seen, READY);
        }
    }

    /// Whether the registration can be level-triggered: only if data alone is watched for.
    pub(super) fn needs_level(&self, watched: IOCondition) -> bool {
        self.role.short_read == ShortRead::ProbablyDrained && watched == IOCondition::IN
    }

    /// Whether data was reported that no read has taken: a second report adds nothing.
    #[inline]
    pub(super) fn is_unread(&self) -> bool {
        self.direction(Direction::Read).ready_event().is_ready()
    }

    /// Waits for an edge. Ready if there was one (after `since`, for waiters that wait for
    /// something else than readiness), or if the registration has ended.
    pub(crate) fn poll_edge(
        &self,
        side: Direction,
        key: &mut WaiterKey,
        waker: &Waker,
        since: Option<ReadyEvent>,
    ) -> io::Result<Poll<()>> {
        if self.hub.is_run_by_this_thread() {
            self.hub.add_lane_for_running_source();
            return self.poll_edge_owned(side, key, waker, since);
        }
        // The channel is attached to another context than this one, and the waker must be woken in
        // the thread of this one.
        let running = Hub::current_for_wait()?;
        running.add_lane_for_running_source();
        let waker = running.remote_waker(waker);
        self.direction(side).enter(key, &waker, true);
        self.poll_entered(side, since)
    }

    /// As [`poll_edge`](Self::poll_edge), for a caller that owns the context of the hub, such as
    /// the `prepare` of a source, and is woken in the thread that owns it then.
    pub(crate) fn poll_edge_owned(
        &self,
        side: Direction,
        key: &mut WaiterKey,
        waker: &Waker,
        since: Option<ReadyEvent>,
    ) -> io::Result<Poll<()>> {
        self.direction(side).enter(key, waker, false);
        self.poll_entered(side, since)
    }

    /// Must be called after a waker was entered: the registration is marked as ended before its
    /// wait list is emptied.
    fn poll_entered(&self, side: Direction, since: Option<ReadyEvent>) -> io::Result<Poll<()>> {
        let direction = self.direction(side);
        if self.has_ended() {
            return Ok(Poll::Ready(()));
        }
        if !self.watches(side) {
            // Adding the descriptor reports the conditions that already hold as an edge.
            self.assume_not_ready(side);
            if !self.hub.registry().watch(self, side.condition())? {
                return Ok(Poll::Ready(()));
            }
        }
        let now = direction.ready_event();
        let is_ready = match since {
            Some(seen) => now.edges() != seen.edges(),
            None => now.is_ready(),
        };
        match is_ready {
            true => Ok(Poll::Ready(())),
            false => Ok(Poll::Pending),
        }
    }

    /// As [`poll_edge`](Self::poll_edge), in the thread that dispatches the hub. Returns whether
    /// the waker was entered and there is nothing to try: `false` if the epoll instance does not
    /// watch for the direction yet, or if the direction is ready.
    #[inline]
    pub(crate) fn enter(&self, side: Direction, key: &mut WaiterKey, waker: &Waker) -> bool {
        let direction = self.direction(side);
        direction.enter(key, waker, false);
        // After entering: the registration is marked as ended before its wait list is emptied.
        !self.has_ended() && self.watches(side) && !direction.ready_event().is_ready()
    }

    /// Whether the epoll instance watches for a direction.
    #[inline]
    fn watches(&self, side: Direction) -> bool {
        self.watched().contains(side.condition())
    }

    #[inline]
    pub(super) fn watched(&self) -> IOCondition {
        IOCondition::from_bits_retain(self.watched.load(Ordering::Acquire))
    }

    /// Must be called while the hub's registry is locked.
    pub(super) fn set_watched(&self, watched: IOCondition) {
        self.watched.store(watched.bits(), Ordering::Release);
    }

    #[inline]
    pub(crate) fn cancel_wait(&self, side: Direction, key: &mut WaiterKey) {
        self.direction(side).cancel_wait(key);
    }

    /// Records edges, and adds their waiters to `woken`.
    pub(super) fn record_edges(&self, edges: Edges, woken: &mut Vec<Waker>) {
        for (side, edge) in Direction::BOTH.into_iter().zip([edges.read, edges.write]) {
            let bits = match edge {
                ReadyEdge::Nothing => continue,
                ReadyEdge::Ready => READY,
                ReadyEdge::Hangup => READY | HANGUP,
            };
            if self.is_for(side) {
                self.direction(side).record_edge(bits, woken);
            }
        }
    }

    /// Calls `f` with the descriptor, if the registration has not ended.
    pub(super) fn with_fd<R>(&self, f: impl FnOnce(BorrowedFd<'_>) -> R) -> Option<R> {
        let fd = self.fd.lock();
        let fd = fd.as_ref().filter(|_| !self.has_ended())?;
        Some(f(fd.as_fd()))
    }

    /// Removes the descriptor from the epoll instance, so that another registration can take its
    /// place at once. Callable from any thread. The waiters are woken by [`end`](Self::end), which
    /// must follow.
    pub(crate) fn deregister(&self) {
        // The registry checks under its lock whether a registration has ended.
        if !self.ended.swap(true, Ordering::AcqRel) {
            let registry = self.hub.registry();
            if let Some(fd) = &*self.fd.lock() {
                registry.unwatch(fd.as_fd());
            }
        }
    }

    /// Releases the descriptor and wakes all waiters, which then register again.
    pub(super) fn end(self: &Arc<Self>) {
        self.deregister();
        let fd = self.fd.lock().take();
        drop(fd);
        // The receiver of the message does the rest. A waiter that enters after this sees that the
        // registration has ended.
        if !self.wake() {
            self.hub.forget_if_ended(self);
            self.hub.check_if_unused();
        }
    }

    /// Makes all waiters poll again. Callable from any thread. Returns whether a message was sent
    /// to the thread that runs the context.
    pub(crate) fn wake(self: &Arc<Self>) -> bool {
        if self.hub.is_dispatched_by_this_thread() {
            self.wake_all();
            return false;
        }
        self.wake_by(DirectionState::drain_remote);
        // If the context is being destroyed, its teardown wakes the waiters.
        self.is_waited_for() && self.hub.send(Message::Wake(self.clone())).is_ok()
    }

    /// The same in the thread that runs the context, or destroys it.
    pub(super) fn wake_all(&self) {
        self.wake_by(DirectionState::drain);
    }

    fn wake_by(&self, drain: fn(&DirectionState, &mut Vec<Waker>)) {
        let mut woken = Vec::new();
        for side in self.sides() {
            drain(self.direction(side), &mut woken);
        }
        woken.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn has_waiters(&self, side: Direction) -> bool {
        self.is_for(side) && self.direction(side).has_waiters()
    }

    pub(crate) fn is_waited_for(&self) -> bool {
        self.sides().any(|side| self.has_waiters(side))
    }

    #[inline]
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Whether the channel itself has closed the descriptor.
    pub(crate) fn is_closed(&self) -> bool {
        self.fd.lock().as_ref().is_none_or(FdLease::is_closed)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.hub.registrations.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Owns a registration, and ends it when dropped.
#[derive(Debug)]
pub(crate) struct RegistrationGuard(Arc<Registration>);

impl RegistrationGuard {
    pub(super) fn new(registration: Arc<Registration>) -> Self {
        Self(registration)
    }

    pub(crate) fn get(&self) -> &Arc<Registration> {
        &self.0
    }
}

impl Drop for RegistrationGuard {
    fn drop(&mut self) {
        self.0.end();
    }
}
