//! The list of hubs: one per context, created on demand and removed when it is unused.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
};

use glib::{Priority, translate::IntoGlib};

use super::{Hub, JoinHandle, lane::Lane, source};
use crate::sync::ProcessMutex;

/// By the address of the context. A hub is removed before its context is freed.
static HUBS: ProcessMutex<Option<HashMap<usize, Arc<Hub>>>> = ProcessMutex::new(None, |_| ());

impl Hub {
    /// Returns the hub of a context. Creates it if there is none.
    pub(crate) fn of(context: &glib::MainContext) -> Arc<Self> {
        // Under the lock of the list, by which `remove_if_idle` finds whether the hub is referred
        // to.
        Self::in_list(context, Arc::clone)
    }

    /// Calls `f` with the hub of a context, which cannot be shut down as idle meanwhile.
    fn in_list<R>(context: &glib::MainContext, f: impl FnOnce(&Arc<Self>) -> R) -> R {
        let mut hubs = HUBS.lock();
        let home = context.as_ptr().addr();
        let hub = hubs.get_or_insert_default().entry(home).or_insert_with(|| {
            let hub = Self::new(home);
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

    /// As [`spawn_local_in`](Self::spawn_local_in), in the thread that runs the context.
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

    /// Shuts the hub down if it is unused. Must be called in the thread that runs the context.
    pub(super) fn shutdown_if_idle(&self) {
        if self.remove_if_idle() {
            self.shutdown();
        }
    }

    /// Removes the hub from the list if it is referenced only by the list, by its lanes and by
    /// registrations without waiters. No other reference can be made meanwhile: that would go
    /// through the list, or through an object that is counted.
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
