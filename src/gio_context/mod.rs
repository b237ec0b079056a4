//! A main context nested in the running one, for asynchronous operations of GIO.
//!
//! GIO runs the steps of an operation in the thread-default context at the time of the call. The
//! running context may be another one, which is not the thread default. So there is a private
//! context for GIO's operations: a source in the running context, the nested source, iterates it as
//! the thread default. The nested source has the priority of the running source, which GIO would
//! not keep either; and a cancelled operation can complete at once, without sources of other code
//! being dispatched.
//!
//! There is one per context, priority and thread. It outlives its users for a while: what GIO
//! leaves behind, such as the late result of a name server, is freed when it is dispatched.
//! Operations that are still pending when it is dropped are in the list of `pending`. User
//! callbacks must not run in it: they would take it for the running context.
#![allow(unsafe_code)]

mod operation;
mod pending;
#[cfg(test)]
mod tests;

pub(crate) use operation::GioOperation;

use std::{
    cell::{Cell, RefCell},
    io, mem, ptr,
    rc::{Rc, Weak},
    sync::Arc,
    time::Duration,
};

use gio::prelude::*;
use glib::{ControlFlow, MainContext, MainContextFlags, Priority, translate::*};
use glib_sys::{
    G_SOURCE_CONTINUE, GPollFD, GSource, GSourceFunc, GSourceFuncs, gboolean, gpointer,
};

use self::pending::Calls;
use crate::{
    hub::{
        Hub, SourceFuncs, StateSource, assert_running, no_callback, running_context_and_priority,
    },
    sync::thread_number,
    sys::file,
};

/// A context that has no users for this long, or up to twice as long, is dropped.
const IDLE_CONTEXT_TIMEOUT: Duration = Duration::from_secs(30);

/// More steps than an operation takes from its cancellation to its completion.
const STEPS: usize = 64;

thread_local! {
    static CONTEXTS: RefCell<Vec<Rc<GioContext>>> = const { RefCell::new(Vec::new()) };
}

/// See the [module](self). Not `Send`.
#[derive(Debug)]
struct GioContext {
    context: MainContext,
    /// The nested sources, one in each context that a user was polled in, with the hub of that:
    /// another thread may run or destroy the context now.
    nested: RefCell<Vec<(Arc<Hub>, glib::Source)>>,
    /// Whether it was used since the last check.
    used: Cell<bool>,
    /// The operations that were cancelled in it.
    cancelled: Calls,
    /// Checks whether it is used.
    timer: glib::Source,
}

impl GioContext {
    /// Returns the one for the running context, at the priority of the running source. Fails if no
    /// descriptor can be allocated for it, and in a thread that runs no main context: no thread
    /// would iterate this one.
    fn here() -> io::Result<Rc<Self>> {
        assert_running()?;
        retire_orphaned();
        pending::run_all();
        let known = CONTEXTS.with_borrow(|all| all.iter().find(|it| it.is_here()).cloned());
        let this = known.map_or_else(Self::new, Ok)?;
        this.used.set(true);
        Ok(this)
    }

    /// Iterates it also in the context that is running now.
    fn attach_to_running(&self) {
        if !self.is_here() {
            self.nest_here();
        }
    }

    /// Starts an operation.
    fn start<R>(&self, operation: impl FnOnce() -> R) -> R {
        let started = self.context.with_thread_default(operation);
        started.expect("no other thread has this context")
    }

    /// Lets an operation that was cancelled complete, as far as it need not wait.
    fn run_pending(&self, cancelled: &gio::Cancellable) {
        run_pending(&self.context);
        self.cancelled.add(cancelled);
    }

    fn new() -> io::Result<Rc<Self>> {
        // GLib aborts the process if a context cannot get a descriptor for its wake-ups. This
        // creates one; the first task of GIO creates another, once.
        drop([file::eventfd()?, file::eventfd()?]);
        gio::Task::<bool>::static_type();
        // Created once per process, and listens in the default context of that time: the private
        // one, which is dropped later, must not be that.
        let _ = gio::Resolver::default();
        // Adding a source to it wakes the nested source, even if no thread iterates it.
        let context = MainContext::with_flags(MainContextFlags::OWNERLESS_POLLING);
        let this = Rc::new_cyclic(|me: &Weak<Self>| {
            let (owner, me) = (thread_number(), me.as_ptr().addr());
            let check = move || match owner == thread_number() && retire_idle(me) {
                true => ControlFlow::Break,
                false => ControlFlow::Continue,
            };
            let timer =
                glib::timeout_source_new(IDLE_CONTEXT_TIMEOUT, None, Priority::DEFAULT, check);
            timer.attach(Some(&context));
            Self {
                context,
                nested: RefCell::default(),
                used: Cell::new(true),
                cancelled: Calls::default(),
                timer,
            }
        });
        this.nest_here();
        CONTEXTS.with_borrow_mut(|all| all.push(this.clone()));
        Ok(this)
    }

    fn is_here(&self) -> bool {
        let (context, priority) = running_context_and_priority();
        let nested = self.nested.borrow();
        nested.iter().any(|(hub, source)| {
            hub.is_in(&context)
                && !source.is_destroyed()
                && Priority::from(source.priority()) == priority
        })
    }

    fn nest_here(&self) {
        let (context, priority) = running_context_and_priority();
        let nested_source = nested_source(&self.context, priority);
        nested_source.attach(Some(&context));
        let hub = Hub::of(&context);
        self.nested.borrow_mut().push((hub, nested_source));
    }
}

impl Drop for GioContext {
    fn drop(&mut self) {
        for (hub, source) in self.nested.take() {
            hub.destroy(source);
        }
        self.timer.destroy();
        pending::keep(&self.context, mem::take(&mut self.cancelled));
    }
}

/// Dispatches what is ready in a private context of this thread.
fn run_pending(context: &MainContext) {
    // Not inside itself, nor while another thread checks the owner: later then.
    if !context.is_owner() {
        let run = || (0..STEPS).any(|_| !context.iteration(false));
        let _ = context.with_thread_default(run);
    }
}

/// Drops the context if it had no user for a while. Returns whether it did.
fn retire_idle(address: usize) -> bool {
    let retired = CONTEXTS.with_borrow_mut(|all| {
        let mine = all
            .iter()
            .position(|state| Rc::as_ptr(state).addr() == address)?;
        let idle = Rc::strong_count(&all[mine]) == 1 && !all[mine].used.replace(false);
        idle.then(|| all.swap_remove(mine))
    });
    // Dropped outside of the borrow.
    retired.is_some()
}

/// Drops those whose nested sources were destroyed with their contexts.
fn retire_orphaned() {
    let orphaned = CONTEXTS.try_with(|all| {
        let Ok(mut all) = all.try_borrow_mut() else {
            return Vec::new();
        };
        let taken = mem::take(&mut *all);
        let runs = |it: &Rc<GioContext>| {
            let mut nested = it.nested.borrow_mut();
            nested.retain(|(_, source)| !source.is_destroyed());
            !nested.is_empty()
        };
        let (alive, orphaned) = taken.into_iter().partition(runs);
        *all = alive;
        orphaned
    });
    drop(orphaned);
}

type NestedGSource = StateSource<NestedSource>;

/// Accessed only by the thread that owns the outer context.
struct NestedSource {
    context: MainContext,
    /// The only thread that may dispatch sources of the private context.
    owner: u64,
    polled: RefCell<Polled>,
}

#[derive(Default)]
struct Polled {
    /// The descriptors that the private context polls, as of its last query.
    wanted: Vec<GPollFD>,
    /// The same, as the outer context polls them.
    fds: Vec<(i32, u16, Tag)>,
    /// When the private context must be iterated, at the latest.
    deadline: Option<i64>,
}

/// GLib's tag of a descriptor of a source.
type Tag = gpointer;

static FUNCS: SourceFuncs = SourceFuncs(GSourceFuncs {
    prepare: Some(prepare),
    check: Some(check),
    dispatch: Some(dispatch),
    finalize: Some(NestedGSource::finalize),
    closure_callback: None,
    closure_marshal: None,
});

fn nested_source(context: &MainContext, priority: Priority) -> glib::Source {
    let state = NestedSource {
        context: context.clone(),
        owner: thread_number(),
        polled: RefCell::default(),
    };
    // SAFETY: `FUNCS` is for a `NestedGSource`. `disposed` takes no data.
    unsafe {
        let source = NestedGSource::create(&FUNCS, state);
        glib_sys::g_source_set_static_name(source, c"qio inner context".as_ptr());
        glib_sys::g_source_set_priority(source, priority.into_glib());
        // A nested main loop in a callback of the outer context continues to iterate this one.
        glib_sys::g_source_set_can_recurse(source, true.into_glib());
        let data = ptr::null_mut();
        glib_sys::g_source_set_callback(source, Some(no_callback), data, Some(disposed));
        from_glib_full(source)
    }
}

/// The nested source is destroyed, possibly with its context.
unsafe extern "C" fn disposed(_: gpointer) {
    retire_orphaned();
}

unsafe extern "C" fn prepare(source: *mut GSource, timeout: *mut i32) -> gboolean {
    // SAFETY: GLib passes the source that these functions were set for, and the address of a
    // timeout.
    unsafe {
        let nested_source = NestedGSource::state(source);
        let mut polled = nested_source.polled.borrow_mut();
        *timeout = polled.query(nested_source);
        polled.deadline = match *timeout {
            ..0 => None,
            wait => Some(glib_sys::g_get_monotonic_time() + i64::from(wait) * 1_000),
        };
        polled.apply(source);
        (*timeout == 0).into_glib()
    }
}

unsafe extern "C" fn check(source: *mut GSource) -> gboolean {
    // SAFETY: GLib passes the source that these functions were set for; the tags are of its
    // descriptors.
    unsafe {
        let polled = NestedGSource::state(source).polled.borrow();
        let time = glib_sys::g_source_get_time(source);
        let late = polled.deadline.is_some_and(|deadline| time >= deadline);
        let mut fds = polled.fds.iter();
        let ready = fds.any(|fd| glib_sys::g_source_query_unix_fd(source, fd.2) != 0);
        (late || ready).into_glib()
    }
}

unsafe extern "C" fn dispatch(source: *mut GSource, _: GSourceFunc, _: gpointer) -> gboolean {
    // SAFETY: GLib passes the source that these functions were set for.
    let nested_source = unsafe { NestedGSource::state(source) };
    let context = nested_source.context.clone();
    if nested_source.owner == thread_number() {
        // The iteration polls the descriptors itself.
        let _ = context.with_thread_default(|| context.iteration(false));
    }
    G_SOURCE_CONTINUE
}

impl Polled {
    /// Queries the descriptors of the private context, and its timeout in milliseconds; -1 without
    /// one.
    fn query(&mut self, nested_source: &NestedSource) -> i32 {
        self.wanted.clear();
        let mut timeout = -1;
        // In another thread it waits until its own thread runs the outer context again. No other
        // thread ever acquires it, not even for a moment: the owner thread relies on that.
        if nested_source.owner != thread_number() {
            return timeout;
        }
        let Ok(_owned) = nested_source.context.acquire() else {
            return timeout;
        };
        let context = nested_source.context.to_glib_none().0;
        let (mut priority, mut capacity) = (0, self.wanted.capacity());
        // SAFETY: this thread owns the context. The array has the capacity that is passed, and as
        // many elements as the call returns are initialized, if they fit.
        unsafe {
            glib_sys::g_main_context_prepare(context, &mut priority);
            loop {
                let array = self.wanted.as_mut_ptr();
                let count = glib_sys::g_main_context_query(
                    context,
                    priority,
                    &mut timeout,
                    array,
                    capacity as i32,
                );
                let count = usize::try_from(count).unwrap_or_default();
                if count <= capacity {
                    self.wanted.set_len(count);
                    return timeout;
                }
                self.wanted.reserve(count);
                capacity = self.wanted.capacity();
            }
        }
    }

    /// Makes the outer context poll the wanted descriptors, and no others.
    ///
    /// # Safety
    ///
    /// `source` must be the source that has this state.
    unsafe fn apply(&mut self, source: *mut GSource) {
        let have = self.fds.iter().map(|&(fd, events, _)| (fd, events));
        let want = self.wanted.iter().map(|fd| (fd.fd, fd.events));
        if have.eq(want) {
            return;
        }
        // SAFETY: forwarded: the source has this state; each tag is removed once.
        unsafe {
            for (_, _, tag) in self.fds.drain(..) {
                glib_sys::g_source_remove_unix_fd(source, tag);
            }
            for &GPollFD { fd, events, .. } in &self.wanted {
                let tag = glib_sys::g_source_add_unix_fd(source, fd, events.into());
                self.fds.push((fd, events, tag));
            }
        }
    }
}
