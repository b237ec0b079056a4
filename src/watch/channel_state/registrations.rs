//! The registrations of a channel's descriptors with hubs.

use std::{
    io, mem, ptr,
    sync::{Arc, MutexGuard},
    task::Waker,
};

use super::{ChannelState, WaitList, WakeOn};
use crate::hub::{Direction, Hub, Registration, RegistrationGuard};

/// Registers the descriptor of a direction with a hub. `None` for what a hub cannot watch.
pub(crate) trait Register:
    FnOnce(&Arc<Hub>) -> io::Result<Option<RegistrationGuard>>
{
}

impl<F> Register for F where F: FnOnce(&Arc<Hub>) -> io::Result<Option<RegistrationGuard>> {}

type Found = io::Result<Option<Arc<Registration>>>;

impl WaitList {
    /// Removes registrations from their hubs. Dropping the result wakes their futures: that must be
    /// done without the lock, which they take when they poll again.
    pub(super) fn deregister_if(
        &mut self,
        is_over: impl Fn(&Registration) -> bool,
    ) -> Vec<RegistrationGuard> {
        let is_over = |it: &mut RegistrationGuard| is_over(it.get());
        let mut removed: Vec<_> = self.registration.take_if(is_over).into_iter().collect();
        if let Some(rare) = &mut self.rare {
            removed.extend(rare.registrations.extract_if(.., is_over));
        }
        removed.iter().for_each(|it| it.get().deregister());
        removed
    }

    fn add(&mut self, registration: RegistrationGuard) {
        match &self.registration {
            None => self.registration = Some(registration),
            Some(_) => self.rare().registrations.push(registration),
        }
    }

    pub(super) fn registrations(&self) -> impl Iterator<Item = &Arc<Registration>> {
        let more = self.rare.iter().flat_map(|rare| &rare.registrations);
        let all = self.registration.iter().chain(more);
        all.map(RegistrationGuard::get)
    }

    fn registration(&self, hub: *const Hub, side: Direction) -> Option<Arc<Registration>> {
        self.registrations()
            .find(|it| ptr::eq(Arc::as_ptr(it.hub()), hub) && it.is_for(side))
            .cloned()
    }
}

impl ChannelState {
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
                .find(|it| it.hub().is_in(context) && it.is_for(side))
                .cloned(),
            _ => waiting.registration(running, side),
        }
    }

    /// The registration of a direction in a hub that this thread dispatches, if it is the home.
    #[inline]
    pub(crate) fn home(&self, side: Direction, hub: *const Hub) -> Option<&Arc<Registration>> {
        self.home.get(hub).filter(|home| home.is_for(side))
    }

    /// Makes futures find a registration without a lock, unless they already find another one.
    pub(crate) fn set_home(&self, registration: &Arc<Registration>) {
        if !self.home.is_in(registration.hub()) {
            let waiting = self.waiting();
            let before = self.home.set(&waiting, registration);
            drop(waiting);
            drop(before);
        }
    }

    /// Whether a hub has waiters for a direction.
    pub(crate) fn is_waited_for(&self, side: Direction) -> bool {
        self.waiting()
            .registrations()
            .any(|it| it.has_waiters(side))
    }

    pub(crate) fn context(&self) -> Option<glib::MainContext> {
        self.waiting().context.clone()
    }

    /// The registration of one direction in the hub of the context that the channel is attached to,
    /// or, without one and where `here` is set, of the running one; made by `register` if there is
    /// none. The hub watches the descriptor until the channel is closed or attached to another
    /// context. `None` if the channel is closed.
    pub(crate) fn registration_here(
        &self,
        side: Direction,
        here: bool,
        register: impl Register,
    ) -> Found {
        // One critical section: an epoll instance takes a descriptor once, and the context may
        // change.
        let waiting = self.waiting();
        let hub = match &waiting.context {
            Some(context) if !here => Hub::of(context),
            _ => {
                let known = waiting.registration(Hub::running(), side);
                if known.is_some() {
                    return Ok(known);
                }
                Hub::current_for_wait()?
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
        let ended = waiting.deregister_if(Registration::has_ended);
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
        let registrations = waiting.deregister_if(|_| true);
        let wakers = waiting.take_wakers(WakeOn::NewContext);
        drop(waiting);
        drop((before, registrations));
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Ends a registration, unless it is the home or has waiters.
    pub(in crate::watch) fn release(&self, registration: &Arc<Registration>) {
        let mut waiting = self.waiting();
        if self.home.is(&waiting, registration) || registration.is_waited_for() {
            return;
        }
        let released = waiting.deregister_if(|it| ptr::eq(it, &**registration));
        drop(waiting);
        // A waiter that was entered meanwhile is woken, and registers again.
        drop(released);
    }
}
