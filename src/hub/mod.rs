//! The hub of a main context: one source that watches all descriptors by epoll, with a queue
//! of its own for the tasks that it wakes.
//!
//! A hub belongs to a context and a priority, so that what it runs keeps the priority that
//! its user gave it. It is made at the first wait and dies with its context: the source's
//! callback data is destroyed while the context is still there. Whoever wakes it from elsewhere does
//! so by the epoll instance, not by the context, whose last reference may be going just then. A hub knows descriptors and tasks, and nothing of channels.
#![allow(unsafe_code)]

mod inner;
mod io_state;
mod join;
mod pace;
mod queue;
mod registration;
mod registry;
mod source;
mod tasks;
mod timer;

pub use join::{JoinError, JoinHandle};
pub use pace::set_busy_poll;
pub use tasks::{
    spawn, spawn_in, spawn_local, spawn_local_in, spawn_local_with_priority, spawn_with_priority,
};

pub(crate) use inner::Call;
pub(crate) use io_state::{ReadyEvent, Side, WaiterKey};
pub(crate) use registration::{Deregistered, Registration, RegistrationGuard, Serves, ShortRead};
pub(crate) use tasks::{poll_budget, running_context};
pub(crate) use timer::Sleep;

use std::{
    cell::{Cell, RefCell},
    io,
    os::fd::BorrowedFd,
    ptr,
    sync::{Arc, Mutex, MutexGuard},
    task::Waker,
};

use glib::IOCondition;

use self::{pace::Pace, registry::Registry, tasks::Tasks};
use crate::sys::{SharedFd, lock};

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Hub {
    /// The address of the context, to be compared.
    home: usize,
    priority: i32,
    registry: Mutex<Registry>,
    tasks: Tasks,
    pace: Pace,
    /// Kept from dispatch to dispatch for its memory.
    wakers: Mutex<Vec<Waker>>,
}

thread_local! {
    /// The hub that is being dispatched, and at what depth of main loops.
    static CURRENT: RefCell<Option<(Arc<Hub>, i32)>> = const { RefCell::new(None) };
    /// The same, to be compared.
    static SERVED: Cell<*const Hub> = const { Cell::new(ptr::null()) };
}

impl Hub {
    /// The hub of what is running: that of the task, or of the source being dispatched,
    /// or of the thread's default context.
    pub(crate) fn current() -> io::Result<Arc<Self>> {
        if let Some(hub) = Self::with_running(Arc::clone) {
            return Ok(hub);
        }
        let source = glib::main_current_source();
        match source.as_ref().and_then(glib::Source::context) {
            Some(context) => Self::of(&context, source.expect("has a context").priority().into()),
            None => Self::of(&default_context(), glib::Priority::DEFAULT),
        }
    }

    /// The address of the hub that this thread is just serving, to be compared; or null.
    #[inline]
    pub(crate) fn running() -> *const Self {
        Self::with_running(Arc::as_ptr).unwrap_or(ptr::null())
    }

    fn with_running<R>(f: impl FnOnce(&Arc<Self>) -> R) -> Option<R> {
        CURRENT.with_borrow(|current| match current {
            // A main loop inside a task may be that of another context.
            Some((hub, depth)) if *depth == glib::main_depth() => Some(f(hub)),
            _ => None,
        })
    }

    /// The hub of a context, at the priority of what is running if that is in this context.
    pub(crate) fn current_in(context: &glib::MainContext) -> io::Result<Arc<Self>> {
        let here = Self::current()?;
        match here.is_in(context) {
            true => Ok(here),
            false => Self::of(context, glib::Priority::DEFAULT),
        }
    }

    pub(crate) fn is_in(&self, context: &glib::MainContext) -> bool {
        self.home == context.as_ptr().addr()
    }

    /// Whether this thread is dispatching the hub, maybe with another main loop in one of its
    /// tasks: it looks at the queue before it sleeps.
    #[inline]
    fn is_served_here(&self) -> bool {
        ptr::eq(SERVED.get(), self)
    }

    fn new(home: usize, priority: i32) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            home,
            priority,
            registry: Mutex::new(Registry::new()?),
            tasks: Tasks::default(),
            pace: Pace::default(),
            wakers: Mutex::default(),
        }))
    }

    /// Watches a descriptor from now on. `EPERM` says that it is always ready.
    pub(crate) fn register(
        self: &Arc<Self>,
        fd: &Arc<SharedFd>,
        side: Side,
        serves: Serves,
    ) -> io::Result<Option<RegistrationGuard>> {
        let Some(lease) = fd.lease() else {
            return Ok(None);
        };
        let mut registry = self.registry();
        let registration =
            registry.insert(|key| Arc::new(Registration::new(self.clone(), key, lease, serves)));
        let result = registry.watch(&registration, side.condition());
        if result.is_err() {
            // It has no waiters yet: nothing is to be woken, under whatever lock the caller has.
            registry.discard(registration.key);
        }
        drop(registry);
        result.map(|()| Some(RegistrationGuard::new(registration)))
    }

    /// Watches a descriptor for one more condition.
    fn watch(&self, registration: &Registration, condition: IOCondition) -> io::Result<()> {
        self.registry().watch(registration, condition)
    }

    fn forget(&self, key: u64, fd: BorrowedFd<'_>) {
        let forgotten = self.registry().remove(key, fd);
        drop(forgotten);
    }

    /// Learns what has happened to the descriptors and wakes who waits for it. Returns how many
    /// it was. `wakers` is empty, before and after.
    fn turn(&self, wakers: &mut Vec<Waker>) -> usize {
        let events = self.registry().turn(wakers);
        wakers.drain(..).for_each(Waker::wake);
        events
    }

    /// Makes the loop look, unless it is about to.
    fn nudge(&self) {
        if self.is_served_here() {
            return;
        }
        self.registry().wake();
    }

    /// The context is going.
    fn let_go(&self) {
        registry::remove_hub(self.home, self.priority);
        // Outside of all locks: tasks and wakers may do anything when they are dropped.
        let registrations = self.registry().close();
        registrations.iter().for_each(|it| it.end());
        // SAFETY: GLib holds the callback data, whose end this is, for as long as it
        // dispatches the source.
        unsafe { self.tasks.cancel_all() };
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        lock(&self.registry)
    }
}

/// Marks a hub as running in this thread for as long as it lives.
struct Running {
    outer: Option<(Arc<Hub>, i32)>,
    outer_served: *const Hub,
}

impl Running {
    fn enter(hub: &Arc<Hub>) -> Self {
        let current = Some((hub.clone(), glib::main_depth()));
        Self {
            outer: CURRENT.replace(current),
            outer_served: SERVED.replace(Arc::as_ptr(hub)),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        SERVED.set(self.outer_served);
        let entered = CURRENT.replace(self.outer.take());
        drop(entered);
    }
}

/// The default context of this thread, or of the process.
pub(crate) fn default_context() -> glib::MainContext {
    // Not `unwrap_or_default`: the `Default` of a context is a new one.
    glib::MainContext::thread_default().unwrap_or_else(glib::MainContext::default)
}
