//! Functions that are called whenever a channel is ready: tasks on the hub of a context, one for
//! each direction.

use std::{
    collections::HashMap,
    ffi::c_void,
    future::poll_fn,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::ready,
    time::{Duration, Instant},
};

use glib::{IOCondition, subclass::prelude::*, thread_guard::ThreadGuard, translate::*};
use glib_sys::GMainContext;

use super::{FdHandlers, VFuncs};
use crate::{
    channel::{
        Channel,
        ffi::{IOHandler, QIOChannel},
        poll_io::PollIo,
        wait,
    },
    error::{errno, panic_text},
    hub::{self, Direction, JoinHandle, Sleep},
    sync::ProcessMutex,
};

/// The delay after a failed registration for lack of a descriptor or memory.
const BEFORE_NEXT_TRY: Duration = Duration::from_millis(20);

fn is_shortage(errno: i32) -> bool {
    [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::ENOSPC].contains(&errno)
}

/// A handler that is set. Dropping it ends its calls.
#[derive(Debug)]
pub(in crate::channel) struct FdHandler {
    current: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Drop for FdHandler {
    fn drop(&mut self) {
        // It may be running now: aborting ends it after that.
        self.current.store(false, Ordering::Release);
        self.task.abort();
    }
}

/// A C function and its argument.
#[derive(Clone, Copy)]
struct Call {
    func: unsafe extern "C" fn(*mut c_void),
    opaque: *mut c_void,
}

// SAFETY: the caller of `set_fd_handler` promises that the handlers may be called in the thread of
// the context.
unsafe impl Send for Call {}

impl Call {
    fn make(self) {
        // SAFETY: `serve` has just found that they are not replaced, or another thread has replaced
        // them since: the caller of `VFuncs::set_fd_handler` promises that this call may be made.
        unsafe { (self.func)(self.opaque) };
    }
}

/// The default of `io_set_aio_fd_handler`: level-triggered, as handlers expect.
pub(super) unsafe extern "C-unwind" fn set(
    ioc: *mut QIOChannel,
    context: *mut GMainContext,
    io_read: IOHandler,
    io_write: IOHandler,
    opaque: *mut c_void,
) {
    // SAFETY: the contract of the slot: `ioc` is live, `context` a context or NULL.
    let (channel, context) = unsafe {
        let channel: Channel = from_glib_none(ioc);
        (
            channel,
            Option::<glib::MainContext>::from_glib_none(context),
        )
    };
    let context = context.unwrap_or_else(glib::MainContext::default);
    let start = |func: IOHandler, side| {
        let func = func?;
        let current = Arc::new(AtomicBool::new(true));
        // Created here: a task may be dropped before its first poll.
        let last = LastCall {
            channel: channel.clone(),
            side,
            call: Call { func, opaque },
        };
        let calls = serve(last, current.clone());
        let task = hub::spawn_in(&context, glib::Priority::DEFAULT, calls);
        Some(FdHandler { current, task })
    };
    // The old ones first: no call of an old one begins after one of a new one.
    let old = std::mem::take(&mut *channel.imp().fd_handlers.lock());
    drop(old);
    let new = [
        start(io_read, Direction::Read),
        start(io_write, Direction::Write),
    ];
    let new = new.iter().any(Option::is_some).then(|| Box::new(new));
    let other = std::mem::replace(&mut *channel.imp().fd_handlers.lock(), new);
    drop(other);
}

/// Calls a handler until the channel is closed or the handler has been replaced.
async fn serve(last: LastCall, current: Arc<AtomicBool>) {
    let (channel, side) = (&last.channel, last.side);
    let mut attempt = PollIo::new(side);
    loop {
        let wait = poll_fn(|cx| {
            // A channel that is always ready must not starve other tasks.
            ready!(hub::poll_budget(cx));
            attempt.poll_reported(channel, cx)
        });
        let got = match wait.await {
            Ok(got) => got,
            // Registering takes a descriptor, or memory, which may be available later.
            Err(e) if errno(&e).is_some_and(is_shortage) => {
                // A task runs in a main context.
                let _ = Sleep::until(Instant::now() + BEFORE_NEXT_TRY).await;
                match wait::wait(channel, side.condition(), Some(Duration::ZERO)) {
                    Ok(got) => got,
                    Err(_) => continue,
                }
            }
            Err(e) => {
                // The last call: its read or write returns the error.
                let label = channel.label();
                glib::g_warning!("Qio", "Unable to wait for {}: {}", label, e);
                IOCondition::NVAL
            }
        };
        if !current.load(Ordering::Acquire) {
            return;
        }
        let observed = channel.imp().channel_state.stats.before_callback();
        last.call.make();
        if got.contains(IOCondition::NVAL) {
            return;
        }
        if let Some((stats, calls)) = observed
            && current.load(Ordering::Acquire)
        {
            stats.fired("fd handler", got, calls);
        }
    }
}

/// After the last call: the channel is closed, the handler was replaced, or the context is
/// destroyed. Drops the closure, which may own the last reference to the channel.
struct LastCall {
    channel: Channel,
    side: Direction,
    call: Call,
}

impl Drop for LastCall {
    fn drop(&mut self) {
        drop_closure(&self.call, self.side);
    }
}

/// The handlers of Rust callers, by a number instead of a pointer: a call after removal finds no
/// entry.
static CLOSURES: ProcessMutex<Option<HashMap<usize, Arc<Closures>>>> =
    ProcessMutex::new(None, |_| ());

/// Empty after its last call.
type Closure = Mutex<Option<Box<dyn FnMut() + Send>>>;

struct Closures {
    read: Option<Closure>,
    write: Option<Closure>,
}

/// The closures of a channel: more than one if threads have set some at the same time.
#[derive(Debug, Default)]
pub(in crate::channel) struct ClosureKeys(Vec<ClosureKey>);

/// The number of a pair of closures. Dropping it drops them.
#[derive(Debug)]
struct ClosureKey(usize);

impl Drop for ClosureKey {
    fn drop(&mut self) {
        let removed = CLOSURES
            .lock()
            .as_mut()
            .and_then(|closures| closures.remove(&self.0));
        drop(removed);
    }
}

type Func = Box<dyn FnMut() + Send>;

/// Sets Rust closures by the virtual function of the channel's class.
pub(in crate::channel) fn set_closures(
    channel: &Channel,
    context: Option<&glib::MainContext>,
    read: Option<Func>,
    write: Option<Func>,
) {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    let handlers = FdHandlers {
        read: read.as_ref().map(|_| call_read as _),
        write: write.as_ref().map(|_| call_write as _),
        opaque: std::ptr::without_provenance_mut(NEXT.fetch_add(1, Ordering::Relaxed)),
        set_for: (0, 0),
    };
    let key = (read.is_some() || write.is_some()).then(|| {
        let closures = Closures {
            read: read.map(|func| Mutex::new(Some(func))),
            write: write.map(|func| Mutex::new(Some(func))),
        };
        let key = handlers.opaque.addr();
        CLOSURES
            .lock()
            .get_or_insert_default()
            .insert(key, Arc::new(closures));
        ClosureKey(key)
    });
    // Only those that this call replaces: another thread may set others meanwhile, which stay.
    let replaced = channel.imp().fd_closures.lock().take();
    // SAFETY: the functions take a number, valid or not, and may be called from any thread at any
    // time.
    unsafe { VFuncs::of(channel).set_fd_handler(context, &handlers) };
    if let Some(key) = key {
        let mut keys = channel.imp().fd_closures.lock();
        keys.get_or_insert_default().0.push(key);
    }
    drop(replaced);
}

/// Makes a closure that stays in this thread usable by [`set_closures`].
pub(in crate::channel) fn local(func: Box<dyn FnMut()>) -> Func {
    let mut func = LocalFunc(Some(ThreadGuard::new(func)));
    Box::new(move || func.call())
}

/// Empty only while it is dropped.
struct LocalFunc(Option<ThreadGuard<Box<dyn FnMut()>>>);

impl LocalFunc {
    fn call(&mut self) {
        if let Some(func) = &mut self.0 {
            func.get_mut()();
        }
    }
}

impl Drop for LocalFunc {
    fn drop(&mut self) {
        if let Some(func) = self.0.take().filter(|func| !func.is_owner()) {
            glib::g_warning!(
                "Qio",
                "Leaking a handler that must stay in its thread: it was removed in another one"
            );
            std::mem::forget(func);
        }
    }
}

unsafe extern "C" fn call_read(key: *mut c_void) {
    call_closure(key, |closures| closures.read.as_ref());
}

unsafe extern "C" fn call_write(key: *mut c_void) {
    call_closure(key, |closures| closures.write.as_ref());
}

/// Drops the closure of one direction, if the call was one of a closure, whether or not the channel
/// has recorded its number.
fn drop_closure(call: &Call, side: Direction) {
    let ours: unsafe extern "C" fn(*mut c_void) = match side {
        Direction::Read => call_read,
        Direction::Write => call_write,
    };
    if !std::ptr::fn_addr_eq(call.func, ours) {
        return;
    }
    let closures = CLOSURES
        .lock()
        .as_ref()
        .and_then(|closures| closures.get(&call.opaque.addr()).cloned());
    let closure = closures.as_ref().and_then(|closures| {
        let closure = match side {
            Direction::Read => closures.read.as_ref()?,
            Direction::Write => closures.write.as_ref()?,
        };
        closure.try_lock().ok()?.take()
    });
    drop(closure);
}

fn call_closure(key: *mut c_void, which: impl Fn(&Closures) -> Option<&Closure>) {
    let closures = CLOSURES
        .lock()
        .as_ref()
        .and_then(|closures| closures.get(&key.addr()).cloned());
    let Some(closures) = closures else { return };
    // Locked if it is running in an outer main loop, or in another thread: it is not re-entered.
    let call = which(&closures).and_then(|closure| closure.try_lock().ok());
    if let Some(mut call) = call
        && let Some(call) = call.as_mut()
    {
        let call = std::panic::AssertUnwindSafe(call);
        if let Err(panic) = std::panic::catch_unwind(call) {
            let text = panic_text(&*panic);
            glib::g_critical!("Qio", "An fd handler panicked: {}", text);
        }
    }
}
