//! The registrations of a channel's descriptors with hubs.

use std::{
    io, mem, ptr,
    sync::{Arc, MutexGuard},
    task::Waker,
};

use super::{WaitList, Waiters};
use crate::hub::{Deregistered, Direction, Hub, Registration, RegistrationGuard};

/// Registers the descriptor of a direction with a hub. `None` for what a hub cannot watch.
pub(crate) trait Register:
    FnOnce(&Arc<Hub>) -> io::Result<Option<RegistrationGuard>>
{
}

impl<F> Register for F where F: FnOnce(&Arc<Hub>) -> io::Result<Option<RegistrationGuard>> {}

type Found = io::Result<Option<Arc<Registration>>>;

impl WaitList {
    /// Removes all registrations from their hubs. Dropping the result wakes the futures: that must
    /// be done without the lock, which they take when they poll again.
    pub(super) fn deregister_all(&mut self) -> Vec<Deregistered> {
        self.take_registrations()
            .map(RegistrationGuard::deregister)
            .collect()
    }

    pub(super) fn take_registrations(&mut self) -> impl Iterator<Item = RegistrationGuard> {
        let more = self.rare.as_mut();
        let more = more.map(|rare| mem::take(&mut rare.registrations));
        self.registration
            .take()
            .into_iter()
            .chain(more.into_iter().flatten())
    }

    pub(super) fn add(&mut self, registration: RegistrationGuard) {
        match &self.registration {
            None => self.registration = Some(registration),
            Some(_) => self.rare().registrations.push(registration),
        }
    }

    fn registrations(&self) -> impl Iterator<Item = &Arc<Registration>> {
        let more = self.rare.iter().flat_map(|rare| &rare.registrations);
        let all = self.registration.iter().chain(more);
        all.map(RegistrationGuard::get)
    }

    fn registration(&self, hub: *const Hub, side: Direction) -> Option<Arc<Registration>> {
        self.registrations()
            .find(|it| ptr::eq(Arc::as_ptr(it.hub()), hub) && it.serves(side))
            .cloned()
    }
}

impl Waiters {
    /// The registration in the hub that is `running`, or in the hub of the context that the channel
    /// is attached to, unless the caller waits `here` regardless.
    pub(crate) fn registration_known(
        &self,
        side: Direction,
        running: *const Hub,
        here: bool,
    ) -> Option<Arc<Registration>> {
        let waiting = self.waiting();
        match &waiting.context {
            Some(context) if !here => waiting
                .registrations()
                .find(|it| it.hub().is_in(context) && it.serves(side))
                .cloned(),
            _ => waiting.registration(running, side),
        }
    }

    /// The registration of a direction in a hub, if that hub is the first one that futures have
    /// waited in.
    #[inline]
    pub(crate) fn home(&self, side: Direction, hub: *const Hub) -> Option<&Arc<Registration>> {
        self.home
            .get()
            .filter(|home| home.is_of(hub) && home.serves(side))
    }

    /// Makes futures find a registration without a lock, unless they already find another one.
    pub(crate) fn set_home(&self, registration: &Arc<Registration>) {
        self.home.get_or_init(|| registration.clone());
    }

    /// Whether a hub has waiters for a direction.
    pub(crate) fn is_waited_for(&self, side: Direction) -> bool {
        self.waiting()
            .registrations()
            .any(|it| it.has_waiters(side))
    }

    /// The context that the channel is attached to.
    pub(crate) fn context(&self) -> Option<glib::MainContext> {
        self.waiting().context.clone()
    }

    /// The registration of one direction in the hub of the context that the channel is attached to,
    /// or of the running one; made by `register` if there is none. The hub watches the descriptor
    /// until the channel is closed or attached to another context. `None` if the channel is closed.
    pub(crate) fn registration_here(&self, side: Direction, register: impl Register) -> Found {
        // One critical section: an epoll instance takes a descriptor once, and the context may
        // change.
        let waiting = self.waiting();
        let hub = match &waiting.context {
            Some(context) => Hub::of(context),
            None => {
                let known = waiting.registration(Hub::running(), side);
                if known.is_some() {
                    return Ok(known);
                }
                Hub::running_here()?
            }
        };
        self.registration_in(waiting, &hub, side, register)
    }

    /// As [`registration_here`](Self::registration_here), in a given hub.
    pub(crate) fn registration_at(
        &self,
        hub: &Arc<Hub>,
        side: Direction,
        register: impl Register,
    ) -> Found {
        self.registration_in(self.waiting(), hub, side, register)
    }

    fn registration_in(
        &self,
        mut waiting: MutexGuard<'_, WaitList>,
        hub: &Arc<Hub>,
        side: Direction,
        register: impl Register,
    ) -> Found {
        if let Some(known) = waiting.registration(Arc::as_ptr(hub), side) {
            return Ok(Some(known));
        }
        if self.is_closed() {
            return Ok(None);
        }
        let Some(guard) = register(hub)? else {
            return Ok(None);
        };
        let registration = guard.get().clone();
        let before = waiting.take_registrations();
        let (alive, ended): (Vec<_>, Vec<_>) = before.partition(|it| !it.get().has_ended());
        alive.into_iter().for_each(|it| waiting.add(it));
        waiting.add(guard);
        drop(waiting);
        drop(ended);
        Ok(Some(registration))
    }

    /// Attaches the channel to a context, or to none. Its waiting futures continue in the hub of
    /// that context.
    pub(crate) fn set_context(&self, context: Option<glib::MainContext>) {
        let mut waiting = self.waiting();
        let before = mem::replace(&mut waiting.context, context);
        let registrations = waiting.deregister_all();
        let rare = waiting.rare.as_mut();
        let context_wakers = rare.map(|rare| mem::take(&mut rare.context_wakers));
        drop(waiting);
        drop((before, registrations));
        context_wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// Ends a registration, unless it has waiters.
    pub(in crate::watch) fn release(&self, registration: &Arc<Registration>) {
        let is_home = self
            .home
            .get()
            .is_some_and(|it| Arc::ptr_eq(it, registration));
        if is_home || registration.is_waited_for() {
            return;
        }
        let mut waiting = self.waiting();
        let before = waiting.take_registrations();
        let (released, others): (Vec<_>, Vec<_>) =
            before.partition(|it| Arc::ptr_eq(it.get(), registration));
        others.into_iter().for_each(|it| waiting.add(it));
        let released: Vec<_> = released
            .into_iter()
            .map(RegistrationGuard::deregister)
            .collect();
        drop(waiting);
        // A waiter that was entered meanwhile is woken, and registers again.
        drop(released);
    }
}
