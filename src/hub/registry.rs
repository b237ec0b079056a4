//! The registrations of a hub with its epoll instance.

use std::{
    io, mem,
    os::fd::{BorrowedFd, RawFd},
    sync::Arc,
    task::Waker,
};

use glib::IOCondition;
use slab::Slab;

use super::{Direction, Registration};
use crate::{
    error::with_context,
    sys::epoll::{Epoll, Trigger},
};

#[derive(Debug, Default)]
pub(super) struct Registry {
    /// Empty while no descriptor can be allocated for it, and once the hub is shut down.
    epoll: Option<Epoll>,
    shut_down: bool,
    registrations: Slab<Arc<Registration>>,
    /// Distinguishes registrations that have had the same slot.
    generation: u32,
    /// Registrations to be changed to edge-triggered. Empty between calls: a local list would have
    /// to be dropped in each poll.
    changing: Vec<Arc<Registration>>,
    /// Registrations that a replaced epoll instance could not take: their waiters are to be woken,
    /// and get the error when they register again.
    unwatched: Vec<Arc<Registration>>,
}

impl Registry {
    pub(super) fn new() -> Self {
        Self {
            epoll: Epoll::new().ok(),
            ..Self::default()
        }
    }

    pub(super) fn insert(
        &mut self,
        make: impl FnOnce(u64) -> Arc<Registration>,
    ) -> Arc<Registration> {
        self.generation = self.generation.wrapping_add(1);
        let entry = self.registrations.vacant_entry();
        let registration = make(u64::from(self.generation) << 32 | entry.key() as u64);
        entry.insert(registration.clone());
        registration
    }

    pub(super) fn remove(&mut self, key: u64) -> Option<Arc<Registration>> {
        let index = slab_index(key);
        match self.registrations.get(index) {
            Some(registration) if registration.key == key => Some(self.registrations.remove(index)),
            _ => None,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.shut_down
    }

    /// Whether the main loop polls the eventfd alone: see [`poll_number`](Self::poll_number).
    pub(super) fn is_empty(&self) -> bool {
        self.registrations.is_empty()
    }

    pub(super) fn unwatch(&self, fd: BorrowedFd<'_>) {
        if let Some(epoll) = &self.epoll {
            epoll.remove(fd);
        }
    }

    /// Closes the epoll instance, although channels and handles may reference the hub for longer.
    /// Returns all registrations, to be ended. No registration can be added after that.
    pub(super) fn close(&mut self) -> Vec<Arc<Registration>> {
        self.epoll = None;
        self.shut_down = true;
        self.registrations.drain().collect()
    }

    /// Adds a condition to a registration. `false` once the hub is shut down: another hub must be
    /// used.
    pub(super) fn watch(
        &mut self,
        registration: &Registration,
        condition: IOCondition,
    ) -> io::Result<bool> {
        self.renew()?;
        let Some(epoll) = &self.epoll else {
            return Ok(false);
        };
        let watched = registration.watched();
        let wanted = watched | condition;
        let trigger = match registration.needs_level(wanted) {
            true => Trigger::Level,
            false => Trigger::Edge,
        };
        // Before the instance reports edges: until then no read relies on the level trigger.
        registration.trigger.set_level(false);
        let set = match watched.is_empty() {
            true => Epoll::add,
            false => Epoll::modify,
        };
        // If it has ended meanwhile, its waiters see that.
        if let Some(result) =
            registration.with_fd(|fd| set(epoll, fd, wanted, trigger, registration.key))
        {
            result?;
        }
        registration.set_watched(wanted);
        registration.trigger.set_level(trigger == Trigger::Level);
        Ok(true)
    }

    /// Makes a registration level-triggered, for data alone: writability is watched for again by
    /// the next waiter for it.
    pub(super) fn use_level(&mut self, registration: &Registration) {
        let watched = registration.watched();
        if registration.trigger.is_level()
            || !watched.contains(IOCondition::IN)
            || self.renew().is_err()
        {
            return;
        }
        // A writer is entered before it checks whether writability is watched for: either the
        // writer sees this store, or this thread sees the writer.
        registration.set_watched(IOCondition::IN);
        if registration.has_waiters(Direction::Write) {
            registration.set_watched(watched);
        } else if self.set_trigger(registration, Trigger::Level) {
            registration.trigger.set_level(true);
        }
    }

    /// Makes a registration edge-triggered. Conditions that already hold are reported as an edge.
    fn use_edges(&self, registration: &Registration) {
        // Before the change: no read relies on the level trigger any more.
        registration.trigger.set_level(false);
        self.set_trigger(registration, Trigger::Edge);
    }

    fn set_trigger(&self, registration: &Registration, trigger: Trigger) -> bool {
        let Some(epoll) = &self.epoll else {
            return false;
        };
        let (watched, key) = (registration.watched(), registration.key);
        let result = registration.with_fd(|fd| epoll.modify(fd, watched, trigger, key));
        result.is_some_and(|result| result.is_ok())
    }

    /// Takes the pending events, which may be none, and adds their waiters to `woken`. Returns the
    /// number of new events, wake-ups included: the caller must then process messages. `is_idle`:
    /// no task is runnable that might read reported data.
    pub(super) fn poll_events(&mut self, woken: &mut Vec<Waker>, is_idle: bool) -> usize {
        // In a forked child, the inherited instance reports events of the parent.
        let renewed = self.renew().is_ok();
        let Some(epoll) = self.epoll.as_ref().filter(|_| renewed) else {
            return 0;
        };
        if self.registrations.is_empty() {
            return usize::from(epoll.clear_eventfd());
        }
        let changing = &mut self.changing;
        let count = epoll.take(|key, edges| {
            let registration = self.registrations.get(slab_index(key));
            let Some(registration) = registration.filter(|it| it.key == key) else {
                return true;
            };
            if registration.trigger.is_level() {
                if edges.is_more_than_data() {
                    changing.push(registration.clone());
                } else if registration.is_unread() {
                    // A waiter for the next edge must be woken.
                    if is_idle || registration.has_waiters(Direction::Read) {
                        registration.trigger.count_change();
                        changing.push(registration.clone());
                    }
                    return false;
                }
            }
            registration.record_edges(edges, woken);
            true
        });
        if !self.changing.is_empty() {
            let changing = mem::take(&mut self.changing);
            changing.iter().for_each(|it| self.use_edges(it));
        }
        count
    }

    /// Wakes the thread that polls the instance.
    pub(super) fn wake(&mut self) {
        // A forked child must not wake its parent.
        if self.renew().is_ok()
            && let Some(epoll) = &self.epoll
        {
            epoll.wake();
        }
    }

    /// The descriptor that the main loop is to poll, or -1: the eventfd alone while there is no
    /// registration, as polling an epoll instance takes the kernel longer.
    pub(super) fn poll_number(&self) -> RawFd {
        let number = match self.registrations.is_empty() {
            true => Epoll::eventfd_number,
            false => Epoll::number,
        };
        self.epoll.as_ref().map_or(-1, number)
    }

    /// As [`poll_number`](Self::poll_number), before a poll. Returns also the registrations that a
    /// replaced instance could not take.
    pub(super) fn prepare(&mut self) -> (RawFd, Vec<Arc<Registration>>) {
        let number = match self.renew() {
            Ok(()) => self.poll_number(),
            // Without an instance, or with that of the parent, the hub polls its queues
            // periodically.
            Err(_) => -1,
        };
        (number, mem::take(&mut self.unwatched))
    }

    /// Creates an epoll instance if there is none yet, or in a forked child, in place of the
    /// parent's.
    #[inline]
    fn renew(&mut self) -> io::Result<()> {
        let is_usable = self.epoll.as_ref().is_some_and(|it| !it.is_inherited());
        match is_usable || self.shut_down {
            true => Ok(()),
            false => self.make_another(),
        }
    }

    #[cold]
    fn make_another(&mut self) -> io::Result<()> {
        let epoll = Epoll::new().map_err(|e| {
            with_context(e, "Unable to make an epoll instance for the main context")
        })?;
        for (_, registration) in &self.registrations {
            let watched = registration.watched();
            let trigger = match registration.trigger.is_level() {
                true => Trigger::Level,
                false => Trigger::Edge,
            };
            // Without a condition it is just being added.
            if !watched.is_empty()
                && let Some(Err(_)) =
                    registration.with_fd(|fd| epoll.add(fd, watched, trigger, registration.key))
            {
                registration.set_watched(IOCondition::empty());
                self.unwatched.push(registration.clone());
            }
        }
        self.epoll = Some(epoll);
        Ok(())
    }

    pub(super) fn is_waited_for(&self) -> bool {
        self.registrations.iter().any(|(_, it)| it.is_waited_for())
    }
}

fn slab_index(key: u64) -> usize {
    (key & u64::from(u32::MAX)) as usize
}
