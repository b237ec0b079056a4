//! A main context inside the one that is running, for operations of GIO.
//!
//! GIO goes on with an operation, step by step, in what is the default context of the thread at that
//! time. What runs here may be another context, of which nobody has made that default. So there
//! is one for GIO's operations: a source in the running context, the nested source, iterates it as the
//! thread's default. It has the priority of what runs, which GIO would not keep either; and
//! what was cancelled can come to its end at once, without running anybody else's sources.
//!
//! There is one for a context, a priority and a thread. It outlives its users for a while: what GIO
//! leaves behind, such as the late answer of a name server, is freed when it is dispatched. What is
//! still to be answered when it goes is kept in the list of `pending`.
//! User callbacks must not run in it: they would take it for the context that runs.
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
    thread::ThreadId,
    time::Duration,
};

use gio::prelude::*;
use glib::{ControlFlow, MainContext, MainContextFlags, Priority, translate::*};
use glib_sys::{
    G_SOURCE_CONTINUE, GPollFD, GSource, GSourceFunc, GSourceFuncs, gboolean, gpointer,
};

use self::pending::Calls;
use crate::{
    hub::{SourceFuncs, assert_running, running_place, this_thread},
    sys::file,
};

/// Without users for so long, or up to twice that, it goes.
const LINGER: Duration = Duration::from_secs(30);

/// More steps than there are between being cancelled and having ended.
const STEPS: usize = 64;

thread_local! {
    static CONTEXTS: RefCell<Vec<Rc<State>>> = const { RefCell::new(Vec::new()) };
}

/// See the [module](self). Stays in its thread.
#[derive(Debug)]
struct GioContext(Rc<State>);

#[derive(Debug)]
struct State {
    context: MainContext,
    /// In each context that a user was polled in.
    nested: RefCell<Vec<glib::Source>>,
    /// Since the last look.
    used: Cell<bool>,
    /// What was cancelled in it.
    cancelled: Calls,
    /// Looks whether it is used.
    timer: glib::Source,
}

impl GioContext {
    /// That of the context that is running, at the priority of what runs there. Fails where the
    /// system has no descriptor left for one, and in a thread that runs no main context: nothing would
    /// run what is in here.
    fn here() -> io::Result<Self> {
        assert_running()?;
        retire_stranded();
        pending::go_on();
        let known = CONTEXTS.with_borrow(|all| all.iter().find(|state| state.is_here()).cloned());
        let state = match known {
            Some(state) => state,
            None => State::new()?,
        };
        state.used.set(true);
        Ok(Self(state))
    }

    /// Has it run also in the context that is running now.
    fn attach_to_running(&self) {
        if !self.0.is_here() {
            self.0.nest_here();
        }
    }

    /// Starts an operation.
    fn start<R>(&self, operation: impl FnOnce() -> R) -> R {
        let started = self.0.context.with_thread_default(operation);
        started.expect("no other thread has this context")
    }

    /// Lets an operation that was cancelled come to its end, as far as it need not wait for it.
    fn run_pending(&self, cancelled: &gio::Cancellable) {
        run_pending(&self.0.context);
        self.0.cancelled.note(cancelled);
    }
}

impl State {
    fn new() -> io::Result<Rc<Self>> {
        // GLib ends the process where there is none for the wake-ups of a context. This will be one;
        // the first task of GIO makes another, once.
        drop([file::eventfd()?, file::eventfd()?]);
        gio::Task::<bool>::static_type();
        // This is made once for the process, and listens in the context that is the default one at
        // that time: the one in here would not do, which goes.
        let _ = gio::Resolver::default();
        // Whoever adds a source makes the nested source look, also while no thread iterates it.
        let context = MainContext::with_flags(MainContextFlags::OWNERLESS_POLLING);
        let state = Rc::new_cyclic(|me: &Weak<Self>| {
            let (home, me) = (this_thread(), me.as_ptr().addr());
            let look = move || match home == this_thread() && retire_idle(me) {
                true => ControlFlow::Break,
                false => ControlFlow::Continue,
            };
            let timer = glib::timeout_source_new(LINGER, None, Priority::DEFAULT, look);
            timer.attach(Some(&context));
            Self {
                context,
                nested: RefCell::default(),
                used: Cell::new(true),
                cancelled: Calls::default(),
                timer,
            }
        });
        state.nest_here();
        CONTEXTS.with_borrow_mut(|all| all.push(state.clone()));
        Ok(state)
    }

    fn is_here(&self) -> bool {
        let (context, priority) = running_place();
        let nested = self.nested.borrow();
        nested.iter().any(|source| {
            !source.is_destroyed()
                && Priority::from(source.priority()) == priority
                && source.context().as_ref() == Some(&context)
        })
    }

    fn nest_here(&self) {
        let (context, priority) = running_place();
        let nested_source = nested_source(&self.context, priority);
        nested_source.attach(Some(&context));
        self.nested.borrow_mut().push(nested_source);
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let nested = self.nested.take();
        nested.iter().for_each(glib::Source::destroy);
        self.timer.destroy();
        pending::leave(&self.context, mem::take(&mut self.cancelled));
    }
}

/// Runs what is ready in an inner context of this thread.
fn run_pending(context: &MainContext) {
    // Inside of it, or while another thread looks whose it is: it goes on afterwards.
    if !context.is_owner() {
        let run = || (0..STEPS).any(|_| !context.iteration(false));
        let _ = context.with_thread_default(run);
    }
}

/// Whether it has gone: it had no user for a while.
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

/// Takes out what only contexts that have gone would run.
fn retire_stranded() {
    let stranded = CONTEXTS.try_with(|all| {
        let Ok(mut all) = all.try_borrow_mut() else {
            return Vec::new();
        };
        let taken = mem::take(&mut *all);
        let runs = |state: &Rc<State>| {
            let mut nested = state.nested.borrow_mut();
            nested.retain(|source| !source.is_destroyed());
            !nested.is_empty()
        };
        let (alive, stranded) = taken.into_iter().partition(runs);
        *all = alive;
        stranded
    });
    drop(stranded);
}

#[repr(C)]
struct NestedGSource {
    source: GSource,
    /// Valid from `nested_source` to `finalize`.
    nested_source: NestedSource,
}

/// Used in the thread that owns the outer context alone.
struct NestedSource {
    context: MainContext,
    /// The only thread that may run what is in the context.
    home: ThreadId,
    polled: RefCell<Polled>,
}

#[derive(Default)]
struct Polled {
    /// What the inner context waits for, as far as it has been asked.
    wanted: Vec<GPollFD>,
    /// The same, as the outer context polls it.
    fds: Vec<(i32, u16, Tag)>,
    /// When the inner context is to be looked at, at the latest.
    deadline: Option<i64>,
}

/// What GLib calls a descriptor of a source.
type Tag = gpointer;

static FUNCS: SourceFuncs = SourceFuncs(GSourceFuncs {
    prepare: Some(prepare),
    check: Some(check),
    dispatch: Some(dispatch),
    finalize: Some(finalize),
    closure_callback: None,
    closure_marshal: None,
});

fn nested_source(context: &MainContext, priority: Priority) -> glib::Source {
    // SAFETY: the functions are those of a `NestedGSource`, whose size GLib allocates, and its
    // state is written before anything can look at it. `let_go` needs no data.
    unsafe {
        let size = size_of::<NestedGSource>() as u32;
        let source = glib_sys::g_source_new(ptr::from_ref(&FUNCS.0).cast_mut(), size);
        let nested_source = NestedSource {
            context: context.clone(),
            home: this_thread(),
            polled: RefCell::default(),
        };
        ptr::write(
            &raw mut (*source.cast::<NestedGSource>()).nested_source,
            nested_source,
        );
        glib_sys::g_source_set_static_name(source, c"qio inner context".as_ptr());
        glib_sys::g_source_set_priority(source, priority.into_glib());
        // A main loop in a callback of the outer context goes on with what is in here.
        glib_sys::g_source_set_can_recurse(source, true.into_glib());
        let data = ptr::null_mut();
        glib_sys::g_source_set_callback(source, Some(no_callback), data, Some(let_go));
        from_glib_full(source)
    }
}

unsafe extern "C" fn no_callback(_: gpointer) -> gboolean {
    G_SOURCE_CONTINUE
}

/// The nested source is destroyed, with its context maybe.
unsafe extern "C" fn let_go(_: gpointer) {
    retire_stranded();
}

/// # Safety
///
/// `source` must be a source that [`nested_source`] made and that is not finalized.
unsafe fn state<'a>(source: *mut GSource) -> &'a NestedSource {
    // SAFETY: `nested_source` wrote the state, and it stays valid until `finalize`.
    unsafe { &(*source.cast::<NestedGSource>()).nested_source }
}

unsafe extern "C" fn prepare(source: *mut GSource, timeout: *mut i32) -> gboolean {
    // SAFETY: GLib passes the source that these functions are for, and the address of a timeout.
    unsafe {
        let nested_source = state(source);
        let mut polled = nested_source.polled.borrow_mut();
        *timeout = polled.ask(nested_source);
        polled.deadline = match *timeout {
            ..0 => None,
            wait => Some(glib_sys::g_get_monotonic_time() + i64::from(wait) * 1_000),
        };
        polled.apply(source);
        (*timeout == 0).into_glib()
    }
}

unsafe extern "C" fn check(source: *mut GSource) -> gboolean {
    // SAFETY: as for `prepare`; the tags are those of descriptors that the source has.
    unsafe {
        let polled = state(source).polled.borrow();
        let time = glib_sys::g_source_get_time(source);
        let late = polled.deadline.is_some_and(|deadline| time >= deadline);
        let mut fds = polled.fds.iter();
        let ready = fds.any(|fd| glib_sys::g_source_query_unix_fd(source, fd.2) != 0);
        (late || ready).into_glib()
    }
}

unsafe extern "C" fn dispatch(source: *mut GSource, _: GSourceFunc, _: gpointer) -> gboolean {
    // SAFETY: as for `prepare`.
    let nested_source = unsafe { state(source) };
    let context = nested_source.context.clone();
    if nested_source.home == this_thread() {
        // It looks for itself what is ready.
        let _ = context.with_thread_default(|| context.iteration(false));
    }
    G_SOURCE_CONTINUE
}

unsafe extern "C" fn finalize(source: *mut GSource) {
    // SAFETY: GLib calls this once, at the end.
    unsafe { ptr::drop_in_place(&raw mut (*source.cast::<NestedGSource>()).nested_source) };
}

impl Polled {
    /// Asks the inner context what it waits for, and for how many milliseconds at most; -1 is for
    /// ever.
    fn ask(&mut self, nested_source: &NestedSource) -> i32 {
        self.wanted.clear();
        let mut timeout = -1;
        // In another thread it waits until its own one runs the outer context again. No other thread ever acquires it,
        // not even for a moment: the owner thread relies on that.
        if nested_source.home != this_thread() {
            return timeout;
        }
        let Ok(_owned) = nested_source.context.acquire() else {
            return timeout;
        };
        let context = nested_source.context.to_glib_none().0;
        let (mut priority, mut room) = (0, self.wanted.capacity());
        // SAFETY: this thread owns the context. The array has room for as many as it is said to,
        // and as many as the call says it wrote are initialised, if they fit.
        unsafe {
            glib_sys::g_main_context_prepare(context, &mut priority);
            loop {
                let array = self.wanted.as_mut_ptr();
                let count = glib_sys::g_main_context_query(
                    context,
                    priority,
                    &mut timeout,
                    array,
                    room as i32,
                );
                let count = usize::try_from(count).unwrap_or_default();
                if count <= room {
                    self.wanted.set_len(count);
                    return timeout;
                }
                self.wanted.reserve(count);
                room = self.wanted.capacity();
            }
        }
    }

    /// Has the outer context poll what is wanted, and nothing else.
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
        // SAFETY: the caller's promise; each tag is taken back once.
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
