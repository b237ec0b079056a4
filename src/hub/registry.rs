//! What a hub watches, and which hubs there are.

use std::{
    collections::HashMap,
    io, mem,
    os::fd::{AsFd, BorrowedFd, RawFd},
    sync::{Arc, atomic::Ordering},
    task::Waker,
};

use glib::{IOCondition, Priority, translate::IntoGlib};
use slab::Slab;

use super::{Direction, Hub, JoinHandle, Registration, lane::Lane, source};
use crate::{
    error::with_context,
    sync::ProcessMutex,
    sys::epoll::{Epoll, Trigger},
};

/// The descriptors of a hub.
#[derive(Debug, Default)]
pub(super) struct Registry {
    /// Empty while no descriptor is to be had for it, and once the hub is shut down.
    epoll: Option<Epoll>,
    shut_down: bool,
    registrations: Slab<Arc<Registration>>,
    /// Distinguishes registrations that had the same place one after the other.
    generation: u32,
    /// Those that are to report edges. Empty but for the length of a call.
    changing: Vec<Arc<Registration>>,
    /// Those that an instance which replaces another one could not watch: their waiters are to be woken, and get the
    /// error when they register again.
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
        let place = place(key);
        match self.registrations.get(place) {
            Some(registration) if registration.key == key => Some(self.registrations.remove(place)),
            _ => None,
        }
    }

    /// The hub has been shut down.
    pub(super) fn is_closed(&self) -> bool {
        self.shut_down
    }

    /// Takes those that an instance could not watch.
    pub(super) fn take_unwatched(&mut self) -> Vec<Arc<Registration>> {
        mem::take(&mut self.unwatched)
    }

    /// Whether the main loop polls the eventfd alone: see [`poll_number`](Self::poll_number).
    pub(super) fn is_empty(&self) -> bool {
        self.registrations.is_empty()
    }

    /// Watches a descriptor no more.
    pub(super) fn unwatch(&self, fd: BorrowedFd<'_>) {
        if let Some(epoll) = &self.epoll {
            epoll.remove(fd);
        }
    }

    /// Closes the instance, although channels and handles may hold the hub for longer, and returns
    /// all registrations, to be ended. There will be no more.
    pub(super) fn close(&mut self) -> Vec<Arc<Registration>> {
        self.epoll = None;
        self.shut_down = true;
        self.registrations.drain().collect()
    }

    /// Watches for a condition more. `false` once the hub is shut down: another hub will watch.
    pub(super) fn watch(
        &mut self,
        registration: &Registration,
        condition: IOCondition,
    ) -> io::Result<bool> {
        self.renew()?;
        let Some(epoll) = &self.epoll else {
            return Ok(false);
        };
        let watched = IOCondition::from_bits_retain(registration.watched.load(Ordering::Relaxed));
        let wanted = watched | condition;
        let trigger = match registration.wants_level(wanted) {
            true => Trigger::Level,
            false => Trigger::Edge,
        };
        // Before it reports edges: until then no read relies on it.
        registration.trigger.set_level(false);
        let mut result = Ok(());
        // Whatever has ended meanwhile, its waiters see that.
        registration.with_fd(|fd| {
            result = match watched.is_empty() {
                true => epoll.add(fd.as_fd(), wanted, trigger, registration.key),
                false => epoll.modify(fd.as_fd(), wanted, trigger, registration.key),
            };
        });
        if result.is_ok() {
            registration.watched.store(wanted.bits(), Ordering::Release);
            registration.trigger.set_level(trigger == Trigger::Level);
        }
        result.map(|()| true)
    }

    /// Has data reported for as long as it is there, and nothing but data: room to write is watched for again when
    /// that is waited for.
    pub(super) fn use_level(&mut self, registration: &Registration) {
        let watched = IOCondition::from_bits_retain(registration.watched.load(Ordering::Relaxed));
        if registration.trigger.is_level()
            || !watched.contains(IOCondition::IN)
            || self.renew().is_err()
        {
            return;
        }
        let watch = |watched: IOCondition| {
            registration
                .watched
                .store(watched.bits(), Ordering::Release);
        };
        // A writer is entered, and then looks whether room is watched for: either it sees this, or this sees it.
        watch(IOCondition::IN);
        if registration.has_waiters(Direction::Write) {
            return watch(watched);
        }
        if self.set_trigger(registration, IOCondition::IN, Trigger::Level) {
            registration.trigger.set_level(true);
        }
    }

    /// Has edges reported. What is there already is one.
    fn use_edges(&self, registration: &Registration) {
        // Before that: no read relies on it any more.
        registration.trigger.set_level(false);
        let watched = IOCondition::from_bits_retain(registration.watched.load(Ordering::Relaxed));
        self.set_trigger(registration, watched, Trigger::Edge);
    }

    fn set_trigger(
        &self,
        registration: &Registration,
        watched: IOCondition,
        trigger: Trigger,
    ) -> bool {
        let mut is_set = false;
        registration.with_fd(|fd| {
            let set = |epoll: &Epoll| epoll.modify(fd.as_fd(), watched, trigger, registration.key);
            is_set = self.epoll.as_ref().is_some_and(|epoll| set(epoll).is_ok());
        });
        is_set
    }

    /// Takes what has happened, which may be nothing, and adds those that wait for it to `woken`. Returns how much of
    /// it is new. `is_idle`: no task may be about to read what has been reported.
    pub(super) fn poll_events(&mut self, woken: &mut Vec<Waker>, is_idle: bool) -> usize {
        // What the parent's instance has to report is for the parent.
        let renewed = self.renew().is_ok();
        let Some(epoll) = self.epoll.as_ref().filter(|_| renewed) else {
            return 0;
        };
        if self.registrations.is_empty() {
            epoll.clear_alarm();
            return 0;
        }
        let changing = &mut self.changing;
        let count = epoll.take(|key, edges| {
            let registration = self.registrations.get(place(key));
            let Some(registration) = registration.filter(|it| it.key == key) else {
                return true;
            };
            if registration.trigger.is_level() {
                if edges.is_more_than_data() {
                    changing.push(registration.clone());
                } else if registration.is_unread() {
                    // What is waited for all the same is the next edge.
                    if is_idle || registration.has_waiters(Direction::Read) {
                        registration.trigger.count_change();
                        changing.push(registration.clone());
                    }
                    return false;
                }
            }
            registration.edges(edges, woken);
            true
        });
        if !self.changing.is_empty() {
            let changing = mem::take(&mut self.changing);
            changing.iter().for_each(|it| self.use_edges(it));
        }
        count
    }

    /// Wakes the thread that waits for the instance.
    pub(super) fn wake(&mut self) {
        // A child must not wake its parent.
        if self.renew().is_ok()
            && let Some(epoll) = &self.epoll
        {
            epoll.wake();
        }
    }

    /// What the main loop is to poll, or -1: the eventfd alone while there is no registration, as polling an epoll
    /// instance takes the kernel longer.
    pub(super) fn poll_number(&self) -> RawFd {
        let number = match self.registrations.is_empty() {
            true => Epoll::alarm_number,
            false => Epoll::number,
        };
        self.epoll.as_ref().map_or(-1, number)
    }

    /// As [`poll_number`](Self::poll_number), before a poll.
    pub(super) fn prepare(&mut self) -> RawFd {
        match self.renew() {
            Ok(()) => self.poll_number(),
            // Without an instance, or with none but the parent's, the hub looks around every now and then.
            Err(_) => -1,
        }
    }

    /// An instance where there is none yet, or in a forked child, one of its own in place of the
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
            let watched = registration.watched.load(Ordering::Relaxed);
            let watched = IOCondition::from_bits_retain(watched);
            if watched.is_empty() {
                // It is just being added.
                continue;
            }
            registration.with_fd(|fd| {
                let trigger = match registration.trigger.is_level() {
                    true => Trigger::Level,
                    false => Trigger::Edge,
                };
                if epoll
                    .add(fd.as_fd(), watched, trigger, registration.key)
                    .is_err()
                {
                    registration.watched.store(0, Ordering::Release);
                    self.unwatched.push(registration.clone());
                }
            });
        }
        self.epoll = Some(epoll);
        Ok(())
    }

    pub(super) fn is_waited_for(&self) -> bool {
        self.registrations.iter().any(|(_, it)| it.is_waited_for())
    }
}

fn place(key: u64) -> usize {
    (key & u64::from(u32::MAX)) as usize
}

/// By the address of the context, which is that of a live one.
static HUBS: ProcessMutex<Option<HashMap<usize, Arc<Hub>>>> = ProcessMutex::new(None, |_| ());

impl Hub {
    /// The hub of a context, which is made now if there is none.
    pub(crate) fn of(context: &glib::MainContext) -> Arc<Self> {
        // Under the lock of the list, by which `remove_if_idle` finds whether the hub is referred to.
        Self::in_list(context, Arc::clone)
    }

    /// Calls `f` with the hub of a context, while that cannot be shut down for being idle.
    fn in_list<R>(context: &glib::MainContext, f: impl FnOnce(&Arc<Self>) -> R) -> R {
        let mut hubs = HUBS.lock();
        let home = context.as_ptr().addr();
        let hub = hubs.get_or_insert_default().entry(home).or_insert_with(|| {
            let hub = Self::new(home);
            hub.lifetime.watch();
            // Others have to be woken there, also if there is never a task.
            hub.lane(context, Priority::DEFAULT);
            hub
        });
        f(hub)
    }

    fn lane(self: &Arc<Self>, context: &glib::MainContext, priority: Priority) -> Arc<Lane> {
        let priority = priority.into_glib();
        let mut lanes = self.lanes.lock();
        if let Some(lane) = lanes.iter().find(|lane| lane.priority == priority) {
            return lane.clone();
        }
        let lane = Arc::new(Lane::new(self.clone(), priority));
        source::attach(&lane, context);
        lanes.push(lane.clone());
        lane
    }

    /// Runs a future in a context, at a priority, in this thread.
    pub(crate) fn spawn_local_in<F>(
        context: &glib::MainContext,
        priority: Priority,
        future: F,
    ) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        Self::lane_of(context, priority).spawn_local(future)
    }

    /// As [`spawn_local_in`](Self::spawn_local_in), in whatever thread runs the context.
    pub(crate) fn spawn_in<F>(
        context: &glib::MainContext,
        priority: Priority,
        future: F,
    ) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Self::lane_of(context, priority).spawn(future)
    }

    /// The lane of a context at a priority. A hub with a lane that is in use is not idle.
    pub(super) fn lane_of(context: &glib::MainContext, priority: Priority) -> Arc<Lane> {
        Self::in_list(context, |hub| hub.lane(context, priority))
    }

    /// Shuts the hub down, unless it is in use: in the thread that runs the context.
    pub(super) fn shutdown_if_idle(&self) {
        if self.remove_if_idle() {
            self.shutdown();
        }
    }

    /// Takes the hub off the list if only the list, its lanes and registrations that nothing waits for know it. Nothing
    /// else can come to know it meanwhile: that goes by the list, or by something that counts.
    fn remove_if_idle(&self) -> bool {
        let mut hubs = HUBS.lock();
        let Some(listed) = hubs.as_ref().and_then(|hubs| hubs.get(&self.home)) else {
            return false;
        };
        let lanes = self.lanes.lock();
        let registry = self.registry();
        let registrations = self.registrations.load(Ordering::Acquire);
        let known = 1 + lanes.len() + registrations;
        let is_idle = std::ptr::eq(Arc::as_ptr(listed), self)
            && Arc::strong_count(listed) == known
            && lanes
                .iter()
                .all(|it| Arc::strong_count(it) == source::UNUSED && !it.budget.spins())
            && !self.remote.has_messages()
            && self.tasks.are_none()
            && self.timers.are_none()
            && !registry.is_waited_for();
        drop(registry);
        drop(lanes);
        let removed = match (is_idle, &mut *hubs) {
            (true, Some(hubs)) => hubs.remove(&self.home),
            _ => None,
        };
        drop(hubs);
        removed.is_some()
    }
}

pub(super) fn remove_hub(hub: &Hub) {
    let mut hubs = HUBS.lock();
    let removed = match &mut *hubs {
        Some(hubs)
            if hubs
                .get(&hub.home)
                .is_some_and(|it| std::ptr::eq(&**it, hub)) =>
        {
            hubs.remove(&hub.home)
        }
        _ => None,
    };
    drop(hubs);
    drop(removed);
}
