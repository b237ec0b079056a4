//! The hub of a main context: an epoll instance for all descriptors that the context waits for, and
//! the run queue of the tasks that are woken by it.
//!
//! A context has one hub, created at the first wait or the first task. Each priority in use has a
//! [`Lane`]: a source without descriptors (`source`), so that a task runs at the priority
//! it was spawned with. **Code of this crate touches these sources only in the thread that runs the
//! context.** Other threads queue tasks, wake waiters and destroy sources by messages (`remote`)
//! and an eventfd in the epoll instance; they register and deregister descriptors, set timers and
//! spawn tasks by the locks of the hub. Teardown of the context closes the remote queue: GLib
//! destroys the callback data of the lanes' sources while the context still exists. After that a
//! message is dropped by its sender.
//!
//! A hub that has been unused for a while is shut down and closes its descriptors; the next wait
//! creates another one. A hub that could not create its descriptors still runs tasks: it polls its
//! queues periodically, and registering a descriptor is an error. A hub deals with descriptors and
//! tasks, and has no knowledge of channels.
#![allow(unsafe_code)]

mod context;
mod dispatch;
mod dispatcher;
mod g_source;
mod hubs;
mod io_state;
mod join;
mod lane;
mod registration;
mod registry;
mod remote;
mod remote_queue;
mod running;
mod source;
mod spawn;
mod tasks;
#[cfg(test)]
mod tests;
mod timer;
mod trigger;

pub use dispatch::set_busy_poll;
pub use join::{JoinError, JoinHandle};
pub use spawn::{
    spawn, spawn_in, spawn_local, spawn_local_in, spawn_local_with_priority, spawn_with_priority,
};

pub(crate) use context::{
    assert_running, block_on, default_context, private_context, running_context,
    running_context_and_priority,
};
pub(crate) use g_source::{SourceFuncs, StateSource, no_callback};
pub(crate) use io_state::{Direction, ReadyEvent, WaiterKey};
pub(crate) use registration::{FdRole, Registration, RegistrationGuard};
pub(crate) use running::{poll_budget, running_for, yield_now};
pub(crate) use timer::Sleep;

use std::{
    io, mem, ptr,
    sync::{
        Arc, MutexGuard,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Wake, Waker},
};

use slab::Slab;

use self::{
    context::running_owned, dispatch::Lifetime, dispatcher::DispatchGuard, lane::Lane,
    registry::Registry, remote::Message, remote_queue::RemoteQueue, timer::Timers,
};
use crate::{
    sync::{Creator, ForkMutex},
    sys::SharedFd,
};

/// See the [module](self). Locks are taken in this order: the list of hubs, the lanes, the
/// registry, then the descriptor or a direction of a registration; the other fields, and GLib's
/// lock of the context, last. No waker is woken and no value of a caller is dropped under one of
/// them; wakers are cloned.
#[derive(Debug)]
pub(crate) struct Hub {
    /// The address of the context. Only compared.
    context: usize,
    creator: Creator,
    registry: ForkMutex<Registry>,
    lanes: ForkMutex<Vec<Arc<Lane>>>,
    remote: RemoteQueue<Message>,
    /// The tasks, to wake those that are in no queue when the context is destroyed.
    alive: ForkMutex<Slab<Waker>>,
    timers: Timers,
    lifetime: Lifetime,
    /// The number of registrations, including ended ones that are still referenced.
    registrations: AtomicUsize,
    /// Set before any part of the hub is shut down, and never unset.
    shut_down: AtomicBool,
    /// The number of the thread that dispatches it or shuts it down (`thread_number`), or 0.
    dispatcher: AtomicU64,
    /// Whether a lane was prepared for a poll, and not checked since.
    is_prepared: AtomicBool,
    /// Reused from dispatch to dispatch, for its allocation.
    wakers: ForkMutex<Vec<Waker>>,
}

impl Hub {
    fn new(context: usize) -> Arc<Self> {
        Arc::new(Self {
            context,
            creator: Creator::default(),
            registry: ForkMutex::new(Registry::new()),
            lanes: ForkMutex::default(),
            remote: RemoteQueue::default(),
            alive: ForkMutex::default(),
            timers: Timers::default(),
            lifetime: Lifetime::default(),
            registrations: AtomicUsize::new(0),
            shut_down: AtomicBool::new(false),
            dispatcher: AtomicU64::new(0),
            is_prepared: AtomicBool::new(false),
            wakers: ForkMutex::default(),
        })
    }

    /// As [`current`](Self::current), for waiting. Fails in a thread that runs no main context: no
    /// wake-up would ever be dispatched there.
    pub(crate) fn current_for_wait() -> io::Result<Arc<Self>> {
        if Self::running().is_null() {
            assert_running()?;
        }
        Ok(Self::current())
    }

    pub(crate) fn is_in(&self, context: &glib::MainContext) -> bool {
        self.context == context.as_ptr().addr()
    }

    /// Whether the innermost main loop of this thread runs the context, so that its sources may be
    /// touched, and what its hub wakes is run before the thread blocks.
    pub(crate) fn is_run_by_this_thread(&self) -> bool {
        let is_run_by_glib = || match running_owned() {
            Some(context) => self.is_in(&context),
            None => self.is_dispatched_by_this_thread(),
        };
        ptr::eq(Self::running(), self) || is_run_by_glib()
    }

    #[inline]
    pub(crate) fn is_shut_down(&self) -> bool {
        self.shut_down.load(Ordering::Acquire)
    }

    /// Whether a lane was prepared and the thread is about to poll. Seen by a thread that
    /// dispatches the hub in two cases: in a nested main loop, and while GLib prepares a second
    /// lane: a message or a timer that this processes may queue a task on a lane that is prepared.
    #[inline]
    fn is_prepared(&self) -> bool {
        self.is_prepared.load(Ordering::Relaxed)
    }

    #[inline]
    fn set_prepared(&self, is_prepared: bool) {
        self.is_prepared.store(is_prepared, Ordering::Relaxed);
    }

    /// Registers a descriptor. `None` if it is closed, or the hub has been shut down; `EPERM` means
    /// that it does not support epoll, and is always ready.
    pub(crate) fn register(
        self: &Arc<Self>,
        fd: &Arc<SharedFd>,
        side: Direction,
        role: FdRole,
    ) -> io::Result<Option<RegistrationGuard>> {
        let Some(lease) = fd.lease().filter(|_| !self.is_shut_down()) else {
            return Ok(None);
        };
        let mut registry = self.registry();
        if registry.is_closed() {
            return Ok(None);
        }
        let is_first = registry.is_empty();
        let registration =
            registry.insert(|key| Arc::new(Registration::new(self.clone(), key, lease, role)));
        // An attempt has met would-block before, or one follows. Adding the descriptor reports the
        // conditions that already hold as an edge.
        registration.assume_not_ready(side);
        let result = registry.watch(&registration, side.condition());
        if !matches!(result, Ok(true)) {
            // It has no waiters yet: none is to be woken, whatever locks the caller holds.
            registry.remove(registration.key);
        }
        drop(registry);
        if is_first {
            // The main loop may be polling the eventfd alone, or be about to.
            self.registry().wake();
        }
        Ok(result?.then(|| RegistrationGuard::new(registration)))
    }

    /// Takes the events of the descriptors and wakes their waiters. Returns the number of events.
    /// `wakers` is empty before and after.
    fn poll_events(&self, wakers: &mut Vec<Waker>, is_idle: bool) -> usize {
        let events = self.registry().poll_events(wakers, is_idle);
        // In order, and cheaper than `drain`, whose set-up costs more than waking a single waker.
        wakers.reverse();
        while let Some(waker) = wakers.pop() {
            waker.wake();
        }
        events
    }

    /// As [`poll_events`](Self::poll_events), outside of a dispatch.
    fn poll_events_between(&self, is_idle: bool) {
        let Some(_dispatch) = DispatchGuard::begin(self) else {
            // Another thread shuts the hub down, which wakes all.
            return;
        };
        let mut wakers = mem::take(&mut *self.wakers.lock());
        self.poll_events(&mut wakers, is_idle);
        *self.wakers.lock() = wakers;
    }

    /// Sends a message to the thread that runs the context, and wakes that thread. Returns the
    /// message once the hub is shut down: its sources have been removed then, and what waited by it
    /// was woken.
    fn send(&self, message: Message) -> Result<(), Message> {
        if self.remote.push(message)? {
            self.registry().wake();
        }
        Ok(())
    }

    /// Makes the main loop iterate once more, so that it prepares all its sources.
    pub(crate) fn notify(&self) {
        if (!self.is_dispatched_by_this_thread() || self.is_prepared()) && self.remote.notify() {
            self.registry().wake();
        }
    }

    /// Makes the thread that runs the context check whether the hub is unused, after a time, if few
    /// references to the hub are left.
    pub(crate) fn check_if_unused(self: &Arc<Self>) {
        const FEW: usize = 8;
        if Arc::strong_count(self) < FEW {
            match self.is_dispatched_by_this_thread() {
                true => self.lifetime.watch(),
                false => self.notify(),
            }
        }
    }

    /// Destroys a source of the context, from any thread.
    pub(crate) fn destroy(&self, source: glib::Source) {
        match self.is_run_by_this_thread() {
            true => source.destroy(),
            // A hub that is in use is shut down with its context alone: where that returns the
            // message, GLib has destroyed the source.
            false => drop(self.send(Message::Destroy(source))),
        }
    }

    /// The same for a caller that holds a reference to the context. Destroys at once if no thread
    /// runs the context.
    pub(crate) fn destroy_in(&self, context: &glib::MainContext, source: glib::Source) {
        match context.acquire() {
            Ok(_owned) => source.destroy(),
            Err(_) => self.destroy(source),
        }
    }

    /// Processes what other threads have sent. Must be called in the thread that runs the context.
    #[inline]
    fn receive(&self) {
        if self.remote.has_messages() {
            self.take_messages();
        }
    }

    #[cold]
    fn take_messages(&self) {
        for message in self.remote.take() {
            self.process(message);
        }
    }

    fn process(&self, message: Message) {
        match message {
            Message::Run(runnable) => tasks::schedule(runnable),
            Message::Wake(registration) => {
                self.forget_if_ended(&registration);
                registration.wake_all();
            }
            Message::WakeOne(waker) => waker.wake(),
            Message::Destroy(source) => source.destroy(),
        }
    }

    fn forget_if_ended(&self, registration: &Registration) {
        if registration.has_ended() {
            let forgotten = self.registry().remove(registration.key);
            drop(forgotten);
        }
    }

    /// Shuts the hub down: a source of it is destroyed, as a rule with its context, or it has been
    /// unused for a while. Callable from any thread: if another one dispatches the hub, that thread
    /// shuts it down when it has finished.
    fn shutdown(&self) {
        self.shut_down.store(true, Ordering::SeqCst);
        self.tear_down();
    }

    fn tear_down(&self) {
        let Some(_dispatch) = DispatchGuard::begin(self) else {
            return;
        };
        if self.registry().is_closed() {
            return;
        }
        self.unlist_if(|_| true);
        // Outside of all locks: dropping a task or a waker may run any code.
        let registrations = self.registry().close();
        registrations.iter().for_each(|it| it.end());
        self.timers.wake_all();
        // SAFETY: `_dispatch` has made this thread the `dispatcher`, so that no other
        // thread has a `Local`. Outer main loops of this thread have none in use: `Local::change`
        // calls no other code.
        unsafe { self.cancel_all() };
        for message in self.remote.close() {
            match message {
                Message::Run(runnable) => tasks::drop_by_owner(runnable),
                message => self.process(message),
            }
        }
        let lanes = mem::take(&mut *self.lanes.lock());
        drop(lanes);
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock()
    }
}

/// Wakes the context, as [`Hub::notify`].
impl Wake for Hub {
    fn wake(self: Arc<Self>) {
        self.notify();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.notify();
    }
}
