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
        ready,
    },
    error::{errno, panic_text},
    hub::{self, Direction, JoinHandle, Sleep},
    sync::ProcessMutex,
};

/// When the system was short of what watching a descriptor takes.
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
        // It may be running just now: aborting it is for the time after.
        self.current.store(false, Ordering::Release);
        self.task.abort();
    }
}

/// A C function and what it is called with.
#[derive(Clone, Copy)]
struct Call {
    func: unsafe extern "C" fn(*mut c_void),
    opaque: *mut c_void,
}

// SAFETY: who sets handlers promises that they may be called from the thread of the context.
unsafe impl Send for Call {}

impl Call {
    fn make(self) {
        // SAFETY: who sets handlers promises that they can be called until they are replaced, as
        // these have not been.
        unsafe { (self.func)(self.opaque) };
    }
}

/// The default of `io_set_aio_fd_handler`: level-triggered, as handlers expect.
pub(super) unsafe extern "C" fn set(
    ioc: *mut QIOChannel,
    context: *mut GMainContext,
    io_read: IOHandler,
    io_write: IOHandler,
    opaque: *mut c_void,
) {
    // SAFETY: slots are called with a live channel and a context or NULL.
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
        // Made here: a task may end before it is polled.
        let last = LastCall {
            channel: channel.clone(),
            side,
            call: Call { func, opaque },
        };
        let calls = serve(last, current.clone());
        let task = hub::spawn_in(&context, glib::Priority::DEFAULT, calls);
        Some(FdHandler { current, task })
    };
    // The old ones first: never are both called.
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
            // What is ready all the time must not run all the time.
            ready!(hub::poll_budget(cx));
            attempt.poll_reported(channel, cx)
        });
        let got = match wait.await {
            Ok(got) => got,
            // Registering it takes a descriptor, or memory: it may go next time.
            Err(e) if errno(&e).is_some_and(is_shortage) => {
                // A task runs in a main context.
                let _ = Sleep::until(Instant::now() + BEFORE_NEXT_TRY).await;
                match ready::wait(channel, side.condition(), Some(Duration::ZERO)) {
                    Ok(got) => got,
                    Err(_) => continue,
                }
            }
            Err(e) => {
                // The last call: reading or writing tells what is wrong.
                let label = channel.label();
                glib::g_warning!("Qio", "Unable to wait for {}: {}", label, e);
                IOCondition::NVAL
            }
        };
        if !current.load(Ordering::Acquire) {
            return;
        }
        last.call.make();
        if got.contains(IOCondition::NVAL) {
            return;
        }
    }
}

/// There will be no more calls: the channel is closed, the handler was replaced, or the context has
/// gone. Drops the closure, which may be what keeps the channel.
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

/// The handlers of a Rust caller, by a number in place of a pointer: a call that comes too late
/// finds nothing.
static CLOSURES: ProcessMutex<Option<HashMap<usize, Arc<Closures>>>> =
    ProcessMutex::new(None, |_| ());

/// Empty after its last call.
type Closure = Mutex<Option<Box<dyn FnMut() + Send>>>;

struct Closures {
    read: Option<Closure>,
    write: Option<Closure>,
}

/// Of the closures that a channel has: more than one where threads have set some at the same time.
#[derive(Debug, Default)]
pub(in crate::channel) struct ClosureKeys(Vec<ClosureKey>);

/// The number of closures. Dropping it drops them.
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

/// Sets Rust closures by the slot of the channel's class.
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
    // Those that are replaced are not what another thread sets meanwhile, which may be what stays.
    let replaced = channel.imp().fd_closures.lock().take();
    // SAFETY: the functions take a number, whether or not it still means anything, and may be
    // called from any thread at any time.
    unsafe { VFuncs::of(channel).set_fd_handler(context, &handlers) };
    if let Some(key) = key {
        let mut keys = channel.imp().fd_closures.lock();
        keys.get_or_insert_default().0.push(key);
    }
    drop(replaced);
}

/// Makes a closure that stays in this thread fit for [`set_closures`].
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
                "A handler is leaked: it was taken away in another thread than its own"
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

/// Drops the closure of one direction, if it is one that was called: whether or not the channel has
/// its number yet.
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
    // Whoever runs it is in a main loop inside it, or in another thread: once at a time.
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
