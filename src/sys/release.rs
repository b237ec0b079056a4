//! Releases of what belongs to an application, by threads of this library.
//!
//! Such a release may call code of the application: disposal, weak references, a destroy notify, or
//! the wrapper that Python has for an object. Once the runtime of its language is finalized, that
//! code uses freed memory.

use std::{cell::Cell, sync::Condvar, time::Duration};

use super::thread::{stop, stop_on_unwind};
use crate::sync::ProcessMutex;

/// The code of an application may wait for anything.
const LIMIT: Duration = Duration::from_secs(1);

struct Releases {
    /// The number of threads of this library that are in one.
    active: usize,
    are_over: bool,
}

static RELEASES: ProcessMutex<Releases> = ProcessMutex::new(
    Releases {
        active: 0,
        are_over: false,
    },
    // A forked child has none of these threads.
    |releases| releases.active = 0,
);

/// Notified at the end of each.
static ENDED: Condvar = Condvar::new();

thread_local! {
    /// How many releases this thread is in, one within the other. `None`: it is not a thread of
    /// this library.
    static DEPTH: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Declares that this thread belongs to the library, and runs code of applications.
pub(crate) fn mark_thread() {
    DEPTH.set(Some(0));
}

/// Releases something by `call`, which is as that of [`stop_on_unwind`]. A thread of this library
/// stops here if the process is about to exit.
pub(crate) fn release(call: impl FnOnce()) {
    let _active = Active::begin();
    stop_on_unwind(call);
}

/// A release by a thread of this library.
struct Active {
    is_outermost: bool,
}

impl Active {
    fn begin() -> Option<Self> {
        // Thread-local variables are destroyed at the end of a thread, where it has none to begin.
        let depth = DEPTH.try_with(Cell::get).ok().flatten()?;
        let is_outermost = depth == 0;
        if is_outermost {
            let mut releases = RELEASES.lock();
            if releases.are_over {
                drop(releases);
                stop();
            }
            releases.active += 1;
        }
        DEPTH.set(Some(depth + 1));
        Some(Self { is_outermost })
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get().map(|depth| depth.saturating_sub(1)));
        if self.is_outermost {
            let mut releases = RELEASES.lock();
            releases.active = releases.active.saturating_sub(1);
            drop(releases);
            ENDED.notify_all();
        }
    }
}

/// Prepares for the exit of the process: from now on the threads of this library release nothing
/// that belongs to the application, and leak what they would have released.
///
/// A release calls code of the application, such as a destroy notify or the disposal of an object,
/// and that fails once the runtime of its language is finalized. Call this before, where that
/// leaves the threads of the process running. The overrides for Python do so by `atexit`.
///
/// Returns when no such thread is in a release, or after a second. Calls of channels, and the
/// functions and classes of the application that they call, work as before.
#[doc(alias = "qio_prepare_exit")]
pub fn prepare_exit() {
    let mut releases = RELEASES.lock();
    releases.are_over = true;
    // A release may call this.
    let own = DEPTH.try_with(Cell::get).ok().flatten();
    let own = usize::from(own.is_some_and(|depth| depth > 0));
    let is_busy = |releases: &mut Releases| releases.active > own;
    drop(ENDED.wait_timeout_while(releases, LIMIT, is_busy));
}
