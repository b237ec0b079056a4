//! What stands for a child until it has ended: a pidfd, or where the system, a sandbox or valgrind
//! has no `pidfd_open(2)`, a thread that waits for it.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};

use nix::errno::Errno;

use super::STACK_SIZE;
use crate::{
    error::{errno, not_supported},
    sync::ForkMutex,
    sys::{
        FdLease, SharedFd,
        poll::{Wakeup, poll},
        process::{self, ChildId, collect, removes_children, send_signal},
        socket, thread,
    },
    types::Shutdown,
};

/// How a child has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// The wait status, as `waitpid()` gives it.
    Status(i32),
    /// The child is not in the system's table any more.
    Unknown,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Process {
    /// Readable once the child has ended. Closed on behalf of `close`.
    ended: Arc<SharedFd>,
    by: By,
}

#[derive(Debug)]
enum By {
    /// The descriptor is a pidfd.
    Pidfd,
    Thread(Arc<Waited>),
    /// It had exited before it could be watched.
    Exited,
}

/// A child that a thread waits for.
#[derive(Debug)]
struct Waited {
    pid: u32,
    /// Set by the thread, while it has this locked, as it removes the child from the system's
    /// table: until then the number means this child.
    exit: ForkMutex<Option<Exit>>,
}

impl Process {
    /// `pid` must be a child of this process that nothing else waits for.
    pub(super) fn open(pid: u32) -> io::Result<Self> {
        let is_child = || process::status(ChildId::Number(pid), false).is_ok();
        let (ended, by) = match open_pidfd(pid) {
            Ok(Some(pidfd)) => (pidfd, By::Pidfd),
            Ok(None) => (already_ended()?, By::Exited),
            Err(e) if lacks_pidfds(&e) && !is_child() => (already_ended()?, By::Exited),
            Err(e) if lacks_pidfds(&e) => {
                let waited = Arc::new(Waited {
                    pid,
                    exit: ForkMutex::default(),
                });
                (waited.clone().start()?, By::Thread(waited))
            }
            Err(e) => return Err(e),
        };
        let ended = SharedFd::new(ended);
        Ok(Self { ended, by })
    }

    /// Whether there was no such child, for another reason than that the system has removed it.
    pub(super) fn is_no_child(&self) -> bool {
        matches!(self.by, By::Exited) && !removes_children()
    }

    /// What becomes readable when the child has ended.
    pub(super) fn lease(&self) -> io::Result<FdLease> {
        self.ended.lease().ok_or_else(crate::error::closed)
    }

    /// The pidfd, unless something else stands for the child.
    pub(super) fn pidfd(&self) -> Option<FdLease> {
        match self.by {
            By::Pidfd => self.ended.lease(),
            By::Thread(_) | By::Exited => None,
        }
    }

    pub(super) fn close(&self) {
        let _ = self.ended.close(|_| ());
    }

    pub(super) fn signal(&self, signal: i32) -> io::Result<()> {
        match &self.by {
            By::Pidfd => send_signal(ChildId::Pidfd(self.lease()?.as_fd()), signal),
            By::Thread(waited) => waited.signal(signal),
            By::Exited => Ok(()),
        }
    }

    /// How the child has ended, if it has; or after waiting for that. Any number of threads may
    /// wait; the child stays in the system's table until [`collect`](Self::collect).
    pub(super) fn exit(&self, block: bool) -> io::Result<Option<Exit>> {
        match &self.by {
            By::Pidfd => {
                let pidfd = self.lease()?;
                match process::status(ChildId::Pidfd(pidfd.as_fd()), block) {
                    Ok(status) => Ok(status.map(Exit::Status)),
                    Err(e) if errno(&e) == Some(libc::ECHILD) => Ok(Some(Exit::Unknown)),
                    Err(e) => Err(e),
                }
            }
            By::Thread(waited) => {
                if block {
                    let (ended, wakeup) = (self.lease()?, Wakeup::of_this_thread());
                    while poll(ended.number(), libc::POLLIN, wakeup.as_deref(), None)? == 0 {}
                }
                Ok(*waited.exit.lock())
            }
            By::Exited => Ok(Some(Exit::Unknown)),
        }
    }

    /// Waits for the end and removes the child from the system's table.
    pub(super) fn collect(&self) {
        if let (By::Pidfd, Ok(pidfd)) = (&self.by, self.lease()) {
            collect(ChildId::Pidfd(pidfd.as_fd()));
        }
    }
}

/// Ends a child that has just been started, and that nothing can watch.
pub(super) fn end_unwatched(pid: u32) {
    // Otherwise it ends by itself, as its pipes are closed: its number may be another process's.
    if !removes_children() {
        let _ = send_signal(ChildId::Number(pid), libc::SIGKILL);
        collect(ChildId::Number(pid));
    }
}

/// A pidfd of a child; `None` if the system has removed the child, whose number may be another
/// process's. Linux 5.3 has pidfds, and its waitid() does not accept them: that is `ENOSYS`.
fn open_pidfd(pid: u32) -> io::Result<Option<OwnedFd>> {
    let pidfd = match process::pidfd_open(pid) {
        Err(e) if errno(&e) == Some(libc::ESRCH) => return Ok(None),
        opened => opened?,
    };
    match process::status(ChildId::Pidfd(pidfd.as_fd()), false) {
        Ok(_) => Ok(Some(pidfd)),
        Err(e) if errno(&e) == Some(libc::EINVAL) => Err(Errno::ENOSYS.into()),
        Err(_) => Ok(None),
    }
}

/// Whether this is the answer of a system, a sandbox or a tool without pidfds.
fn lacks_pidfds(e: &io::Error) -> bool {
    matches!(
        errno(e).map(Errno::from_raw),
        Some(Errno::ENOSYS | Errno::EPERM | Errno::EACCES | Errno::ENODEV)
    )
}

/// A descriptor that stays readable, whatever is done with its duplicates.
fn already_ended() -> io::Result<OwnedFd> {
    let (ended, theirs) = socket::pair(libc::SOCK_STREAM)?;
    drop(theirs);
    Ok(ended)
}

impl Waited {
    /// Starts the thread. Returns what becomes readable at the end.
    fn start(self: Arc<Self>) -> io::Result<OwnedFd> {
        let (ended, theirs) = socket::pair(libc::SOCK_STREAM)?;
        thread::spawn("qio-child", Some(STACK_SIZE), move || {
            self.wait();
            // A forked child may have a copy of it.
            let _ = socket::shutdown(theirs.as_fd(), Shutdown::Both);
        })?;
        Ok(ended)
    }

    fn wait(&self) {
        let id = ChildId::Number(self.pid);
        let status = process::status(id, true);
        let mut exit = self.exit.lock();
        *exit = Some(match status {
            Ok(Some(status)) => {
                collect(id);
                Exit::Status(status)
            }
            _ => Exit::Unknown,
        });
    }

    fn signal(&self, signal: i32) -> io::Result<()> {
        // The child stays in the system's table meanwhile, unless the system removes it.
        let exit = self.exit.lock();
        if exit.is_some() {
            return Ok(());
        }
        if removes_children() {
            return Err(not_supported(
                "SIGCHLD is ignored, and the system has no pidfds: the process id may be another process's",
            ));
        }
        let id = ChildId::Number(self.pid);
        match process::status(id, false) {
            Ok(_) => send_signal(id, signal),
            // Something else has waited for it.
            Err(_) => Ok(()),
        }
    }
}
