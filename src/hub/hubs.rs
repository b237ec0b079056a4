//! The list of hubs: one per context, created on demand and removed when it is unused.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    ptr,
    sync::{Arc, atomic::Ordering},
};

use glib::{Priority, translate::IntoGlib};

use super::{Hub, lane::Lane, source};
use crate::sync::ProcessMutex;

/// By the address of the context. A hub is removed before its context is freed.
static HUBS: ProcessMutex<BTreeMap<usize, Arc<Hub>>> = ProcessMutex::new(BTreeMap::new(), |_| ());

impl Hub {
    /// Returns the hub of a context. Creates it if there is none.
    pub(crate) fn of(context: &glib::MainContext) -> Arc<Self> {
        // Under the lock of the list, by which `shutdown_if_idle` finds whether the hub is referred
        // to.
        Self::in_list(context, Arc::clone)
    }

    /// Calls `f` with the hub of a context, which cannot be shut down as idle meanwhile.
    fn in_list<R>(context: &glib::MainContext, f: impl FnOnce(&Arc<Self>) -> R) -> R {
        let mut hubs = HUBS.lock();
        let address = context.as_ptr().addr();
        let hub = hubs.entry(address).or_insert_with(|| {
            let hub = Self::new(address);
            hub.lifetime.watch();
            // Other threads must be able to wake the context, even if it never has a task.
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

    /// Makes the hub be dispatched at the priority of the source that GLib dispatches, if that is
    /// above the default one: a future that is polled there, and waits for a registration, is not
    /// delayed by sources in between. Must be called in the thread that runs the context.
    pub(super) fn add_lane_for_running_source(self: &Arc<Self>) {
        let source = glib::main_current_source();
        let source = source.filter(|it| it.priority() < Priority::DEFAULT.into_glib());
        if let Some(source) = source
            && let Some(context) = source.context()
            && self.is_in(&context)
            && !self.is_shut_down()
        {
            self.lane(&context, source.priority().into());
        }
    }

    /// The lane of a context at a priority. A hub with a lane that is in use is not idle.
    pub(super) fn lane_of(context: &glib::MainContext, priority: Priority) -> Arc<Lane> {
        Self::in_list(context, |hub| hub.lane(context, priority))
    }

    /// Drops all tasks of a context, in the thread that has acquired it and will not run it again.
    pub(crate) fn shut_down_in(context: &glib::MainContext) {
        Self::of(context).shutdown();
    }

    /// Shuts the hub down if it is unused. Must be called in the thread that runs the context.
    pub(super) fn shutdown_if_idle(&self) {
        if self.unlist_if(|listed| self.is_idle(listed)) {
            self.shutdown();
        }
    }

    /// Whether the hub is referenced only by the list, by its lanes and by registrations without
    /// waiters. No other reference can be made while the list is locked: that would go through the
    /// list, or through an object that is counted.
    fn is_idle(&self, listed: &Arc<Self>) -> bool {
        let lanes = self.lanes.lock();
        let registry = self.registry();
        let registrations = self.registrations.load(Ordering::Acquire);
        let is_unused =
            |lane: &Arc<Lane>| Arc::strong_count(lane) == source::UNUSED && !lane.budget.spins();
        Arc::strong_count(listed) == 1 + lanes.len() + registrations
            && lanes.iter().all(is_unused)
            && !self.remote.has_messages()
            && self.alive.lock().is_empty()
            && self.timers.are_none()
            && !registry.is_waited_for()
    }

    /// Removes the hub from the list on a condition. Returns whether it did.
    pub(super) fn unlist_if(&self, condition: impl FnOnce(&Arc<Self>) -> bool) -> bool {
        let mut hubs = HUBS.lock();
        let removed = match hubs.entry(self.context) {
            Entry::Occupied(entry) if ptr::eq(&**entry.get(), self) && condition(entry.get()) => {
                Some(entry.remove())
            }
            _ => None,
        };
        drop(hubs);
        removed.is_some()
    }
}
