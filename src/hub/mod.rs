//! The hub of a main context: it watches all descriptors by one epoll instance, and runs the tasks
//! that it wakes.
//!
//! A context has one hub, made at the first wait or task, whatever the priorities; each priority has a
//! [`Lane`], a source without descriptors of its own (`source`), so that what it runs keeps the
//! priority that its user gave it. **Only the thread that runs the context touches its sources.** Any other thread has one way
//! in: the remote queue (`remote`) and an eventfd in the epoll instance. Teardown of the
//! context closes it: GLib destroys the callback data of the lanes' sources while the context is
//! still there. After that a message is dropped by its sender.
//!
//! A hub in which nothing has waited for a while goes, with its descriptors; the next wait makes another one.
//! It works without descriptors too, if none is to be had: then it looks around every now and then, and
//! registering one is an error. A hub deals with descriptors and tasks, and nothing of channels.
#![allow(unsafe_code)]

mod dispatch;
mod io_state;
mod join;
mod lane;
mod registration;
mod registry;
mod remote;
mod remote_queue;
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

pub(crate) use io_state::{Direction, ReadyEvent, WaiterKey};
pub(crate) use registration::{Deregistered, FdRole, Registration, RegistrationGuard};
pub(crate) use source::SourceFuncs;
pub(crate) use tasks::{poll_budget, running_context, running_for, running_place, this_thread};
pub(crate) use timer::Sleep;

use std::{
    cell::{Cell, RefCell},
    io, mem, ptr,
    sync::{
        Arc, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Waker,
};

use self::{
    dispatch::Lifetime, lane::Lane, registry::Registry, remote::Message, remote_queue::RemoteQueue,
    tasks::Tasks, timer::Timers,
};
use crate::{
    error::{not_supported, with_context},
    sync::{ForkMutex, generation},
    sys::{SharedFd, file},
};

/// See the [module](self). Locks are taken in this order: the hubs, the lanes, the registry, a
/// direction of a registration. Nothing is woken or dropped under one of them.
#[derive(Debug)]
pub(crate) struct Hub {
    /// The address of the context, to be compared.
    home: usize,
    registry: ForkMutex<Registry>,
    lanes: ForkMutex<Vec<Arc<Lane>>>,
    remote: RemoteQueue<Message>,
    tasks: Tasks,
    timers: Timers,
    lifetime: Lifetime,
    /// How many registrations there are, with those that have ended and are still referred to.
    registrations: AtomicUsize,
    /// Set before anything of it is taken apart, and never unset.
    shut_down: AtomicBool,
    /// It has been taken apart.
    is_apart: AtomicBool,
    /// The thread that dispatches it or takes it apart ([`thread_token`]), or 0.
    dispatcher: AtomicUsize,
    /// A lane has been prepared for a poll, and not been checked since.
    is_prepared: AtomicBool,
    /// Kept from dispatch to dispatch for its memory.
    wakers: ForkMutex<Vec<Waker>>,
}

thread_local! {
    /// The lane that is being dispatched, and at what depth of main loops.
    static CURRENT: RefCell<Option<(Arc<Lane>, i32)>> = const { RefCell::new(None) };
    /// The hub that this thread is dispatching, maybe with another main loop in one of its tasks.
    static SERVED: Cell<*const Hub> = const { Cell::new(ptr::null()) };
}

impl Hub {
    fn new(home: usize) -> Arc<Self> {
        Arc::new(Self {
            home,
            registry: ForkMutex::new(Registry::new()),
            lanes: ForkMutex::default(),
            remote: RemoteQueue::default(),
            tasks: Tasks::default(),
            timers: Timers::default(),
            lifetime: Lifetime::default(),
            registrations: AtomicUsize::new(0),
            shut_down: AtomicBool::new(false),
            is_apart: AtomicBool::new(false),
            dispatcher: AtomicUsize::new(0),
            is_prepared: AtomicBool::new(false),
            wakers: ForkMutex::default(),
        })
    }

    /// The hub of the task that runs, or of the context of the source being dispatched, or of the
    /// thread's default context.
    pub(crate) fn current() -> Arc<Self> {
        match Self::with_running(Arc::clone) {
            Some(hub) => hub,
            None => Self::of(&running_context()),
        }
    }

    /// As [`current`](Self::current), for waiting. Fails in a thread that runs no main context:
    /// nothing would ever wake what waits there.
    pub(crate) fn running_here() -> io::Result<Arc<Self>> {
        if Self::running().is_null() {
            assert_running()?;
        }
        Ok(Self::current())
    }

    /// The address of the hub that this thread is just dispatching, to be compared; or null.
    #[cold]
    pub(crate) fn running() -> *const Self {
        Self::with_running(Arc::as_ptr).unwrap_or(ptr::null())
    }

    fn with_running<R>(f: impl FnOnce(&Arc<Self>) -> R) -> Option<R> {
        CURRENT.with_borrow(|current| match current {
            // A main loop inside a task may be that of another context.
            Some((lane, depth)) if *depth == glib::main_depth() => Some(f(&lane.hub)),
            _ => None,
        })
    }

    pub(crate) fn is_in(&self, context: &glib::MainContext) -> bool {
        self.home == context.as_ptr().addr()
    }

    /// Whether this thread is dispatching the hub, maybe with another main loop in one of its
    /// tasks: it looks at the queues before it sleeps.
    #[inline]
    pub(crate) fn is_served_here(&self) -> bool {
        ptr::eq(SERVED.get(), self)
    }

    /// Whether this thread runs the context, and so may touch its sources.
    #[inline]
    pub(crate) fn is_run_here(&self) -> bool {
        self.is_served_here() || running_owned().is_some_and(|context| self.is_in(&context))
    }

    #[inline]
    pub(crate) fn is_shut_down(&self) -> bool {
        self.shut_down.load(Ordering::Acquire)
    }

    /// Whether a lane has said what it waits for, and the thread is going to poll: in a main loop inside a dispatch, as
    /// otherwise the hub is not being dispatched then.
    #[inline]
    fn is_prepared(&self) -> bool {
        self.is_prepared.load(Ordering::Relaxed)
    }

    #[inline]
    fn set_prepared(&self, is_prepared: bool) {
        self.is_prepared.store(is_prepared, Ordering::Relaxed);
    }

    /// Watches a descriptor from now on. `None` if it is closed, or the hub has been shut down; `EPERM` says
    /// that it is always ready.
    pub(crate) fn register(
        self: &Arc<Self>,
        fd: &Arc<SharedFd>,
        side: Direction,
        serves: FdRole,
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
            registry.insert(|key| Arc::new(Registration::new(self.clone(), key, lease, serves)));
        let result = registry.watch(&registration, side.condition());
        if !matches!(result, Ok(true)) {
            // It has no waiters yet: nothing is to be woken, under whatever lock the caller has.
            registry.remove(registration.key);
        }
        drop(registry);
        if is_first {
            // The main loop may be polling the eventfd alone, or be about to.
            self.registry().wake();
        }
        Ok(result?.then(|| RegistrationGuard::new(registration)))
    }

    /// Takes the events of the descriptors and wakes what waits for them. Returns how many there
    /// were. `wakers` is empty, before and after.
    fn poll_events(&self, wakers: &mut Vec<Waker>, is_idle: bool) -> usize {
        let events = self.registry().poll_events(wakers, is_idle);
        // In their order, and at less cost than by `drain`, which is most of it for one.
        wakers.reverse();
        while let Some(waker) = wakers.pop() {
            waker.wake();
        }
        events
    }

    /// As [`poll_events`](Self::poll_events), outside of a dispatch.
    fn poll_events_between(&self, is_idle: bool) {
        let mut wakers = mem::take(&mut *self.wakers.lock());
        self.poll_events(&mut wakers, is_idle);
        *self.wakers.lock() = wakers;
    }

    /// Hands something to the thread that runs the context, and wakes it. Gives it back once the context
    /// has gone: all its sources have been taken out of it then.
    fn send(&self, message: Message) -> Result<(), Message> {
        if self.remote.push(message)? {
            self.registry().wake();
        }
        Ok(())
    }

    /// Makes the main loop iterate once more, so that it asks all its sources.
    pub(crate) fn notify(&self) {
        if (!self.is_served_here() || self.is_prepared()) && self.remote.notify() {
            self.registry().wake();
        }
    }

    /// As [`notify`](Self::notify), if little else uses the hub, so that it may go.
    pub(crate) fn notify_if_spare(self: &Arc<Self>) {
        const FEW: usize = 8;
        if Arc::strong_count(self) < FEW {
            self.notify();
        }
    }

    /// Destroys a source of the context, from any thread.
    pub(crate) fn destroy(&self, source: glib::Source) {
        match self.is_run_here() {
            true => source.destroy(),
            // What comes back is of no context any more: GLib has destroyed it.
            false => drop(self.send(Message::Destroy(source))),
        }
    }

    /// The same for a caller that keeps the context, which perhaps no thread runs: then nothing is left to be done.
    pub(crate) fn destroy_in(&self, context: &glib::MainContext, source: glib::Source) {
        match context.acquire() {
            Ok(_owned) => source.destroy(),
            Err(_) => self.destroy(source),
        }
    }

    /// Takes in what other threads have sent. In the thread that runs the context.
    #[inline]
    fn take_in(&self) {
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
            Message::Run(runnable) => tasks::push(runnable),
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

    /// Shuts the hub down: a source of it is destroyed, as a rule with its context, or nothing has used it for a while.
    /// In any thread: if another one dispatches the hub, that takes it apart when it has finished.
    fn shutdown(&self) {
        self.shut_down.store(true, Ordering::SeqCst);
        self.take_apart();
    }

    fn take_apart(&self) {
        let Some(_served) = Served::begin(self) else {
            return;
        };
        if self.is_apart.swap(true, Ordering::AcqRel) {
            return;
        }
        registry::remove_hub(self);
        // Outside of all locks: tasks and wakers may do anything when they are dropped.
        let registrations = self.registry().close();
        registrations.iter().for_each(|it| it.end());
        self.timers.wake_all();
        // SAFETY: this thread has the token of `dispatcher`, by `_served`, so that no other thread has a `Local`. Main
        // loops that this one may be in have none in use: `Local::change` calls nothing.
        unsafe { self.cancel_all() };
        for message in self.remote.close() {
            match message {
                Message::Run(runnable) => tasks::drop_at_home(runnable),
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

/// How many bits of an address differ: the others of a token are the generation of the process.
const ADDRESS_BITS: u32 = usize::BITS - 16;

/// A number that no other thread of this process has, nor a thread of a process that this one was forked from.
fn thread_token() -> usize {
    let address = SERVED.with(|served| ptr::from_ref(served).addr());
    address | (generation() as usize) << ADDRESS_BITS
}

/// Whether a token is that of a thread of this process.
fn is_of_this_process(token: usize) -> bool {
    token >> ADDRESS_BITS == thread_token() >> ADDRESS_BITS
}

/// This thread is dispatching a hub for as long as this lives, and no other one is: GLib lets one thread at a time run a
/// context, but any thread may destroy a source of it, which shuts the hub down.
struct Served<'a> {
    hub: &'a Hub,
    outer: *const Hub,
    /// The thread had not been dispatching it before.
    is_outermost: bool,
}

impl<'a> Served<'a> {
    /// `None` while another thread does so.
    #[inline]
    fn begin(hub: &'a Hub) -> Option<Self> {
        let is_outermost = !hub.is_served_here() && hub.acquire_dispatcher()?;
        Some(Self {
            hub,
            outer: SERVED.replace(hub),
            is_outermost,
        })
    }
}

impl Hub {
    /// Whether this thread gets the token of `dispatcher`, which it had not; `None` if another thread has it.
    fn acquire_dispatcher(&self) -> Option<bool> {
        let me = thread_token();
        let acquire = |from| {
            self.dispatcher
                .compare_exchange(from, me, Ordering::SeqCst, Ordering::SeqCst)
        };
        match acquire(0) {
            Ok(_) => Some(true),
            Err(other) if other == me => Some(false),
            Err(other) if is_of_this_process(other) => None,
            // Of a process that this one was forked from, while that thread dispatched the hub.
            Err(other) => acquire(other).ok().map(|_| {
                let lanes = self.lanes.lock().clone();
                lanes.iter().for_each(|lane| lane.forget_queue());
                true
            }),
        }
    }
}

impl Drop for Served<'_> {
    #[inline]
    fn drop(&mut self) {
        SERVED.set(self.outer);
        if self.is_outermost {
            // Before the flag is read: a thread that sets it, and does not get the token, relies on this.
            self.hub.dispatcher.store(0, Ordering::SeqCst);
            let hub = self.hub;
            if hub.shut_down.load(Ordering::SeqCst) && !hub.is_apart.load(Ordering::Acquire) {
                hub.take_apart();
            }
        }
    }
}

/// Marks a lane as running in this thread for as long as it lives.
struct Running<'a> {
    outer: Option<(Arc<Lane>, i32)>,
    _served: Served<'a>,
}

impl<'a> Running<'a> {
    fn enter(lane: &'a Arc<Lane>) -> Option<Self> {
        let served = Served::begin(&lane.hub)?;
        let current = Some((lane.clone(), glib::main_depth()));
        Some(Self {
            outer: CURRENT.replace(current),
            _served: served,
        })
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let entered = CURRENT.replace(self.outer.take());
        drop(entered);
    }
}

/// The default context of this thread, or of the process.
pub(crate) fn default_context() -> glib::MainContext {
    // Not `unwrap_or_default`: the `Default` of a context is a new one.
    glib::MainContext::thread_default().unwrap_or_else(glib::MainContext::default)
}

/// A context for a thread that waits without running one. Fails where no descriptor is to be had for it: GLib
/// would end the process.
pub(crate) fn private_context() -> io::Result<glib::MainContext> {
    let probe = file::eventfd();
    drop(probe.map_err(|e| with_context(e, "Unable to make a main context to wait in"))?);
    Ok(glib::MainContext::new())
}

/// The context that this thread runs, or has acquired as its default one.
fn running_owned() -> Option<glib::MainContext> {
    match glib::main_current_source() {
        Some(source) => source.context(),
        None => Some(default_context()).filter(glib::MainContext::is_owner),
    }
}

/// Fails in a thread that runs no main context.
pub(crate) fn assert_running() -> io::Result<()> {
    let text = "Unable to wait in a future: this thread runs no main context";
    running_owned().map(drop).ok_or_else(|| not_supported(text))
}
