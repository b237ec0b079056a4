//! A descriptor that one thread may close while others are using it.
//!
//! A thread publishes its use of the descriptor before it begins, and ends it afterwards, by a
//! hazard pointer ([`hazard`]), with plain stores: two atomic read-modify-writes would add a
//! seventh to the time of a would-block read. The cost is on `close`, which makes the kernel
//! execute a memory barrier on every processor that runs this process, and then scans the slots of
//! all threads. Leases, a second use by the same thread, and kernels without such a barrier are
//! counted instead.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd},
    ptr,
    sync::Arc,
};

use super::{
    dummy,
    hazard::{self, HazardScan},
};
use crate::sync::{AtomicUsize, Creator, Ordering, light_barrier};

/// No use of the descriptor may begin any more.
const CLOSED: usize = 1;
/// The descriptor has been closed in the kernel.
const RELEASED: usize = 2;
/// One counted user. The bits above count them.
const USER: usize = 4;

/// A file descriptor that is closed in the kernel after it was closed here and its last user has
/// ended, so that a racing thread never reads or writes a file that has reused the number. Using it
/// takes no lock.
#[derive(Debug)]
pub(crate) struct SharedFd {
    /// Open in this process, and owned by this, until `RELEASED` is set.
    fd: RawFd,
    creator: Creator,
    /// `RELEASED` is set once, after `CLOSED`, by the thread that finds neither a counted user nor
    /// a hazard slot with it. A use that begins after `CLOSED` detects that and ends at once.
    state: AtomicUsize,
}

impl SharedFd {
    pub(crate) fn new(fd: OwnedFd) -> Arc<Self> {
        Arc::new(Self {
            fd: fd.into_raw_fd(),
            creator: Creator::default(),
            state: AtomicUsize::new(0),
        })
    }

    /// A descriptor that was closed before it existed.
    pub(crate) fn none() -> Arc<Self> {
        Arc::new(Self {
            fd: -1,
            creator: Creator::default(),
            state: AtomicUsize::new(CLOSED | RELEASED),
        })
    }

    /// Uses the descriptor for one operation. `None` once closed.
    #[inline]
    pub(crate) fn get(&self) -> Option<FdGuard<'_>> {
        match self.protect() {
            Some(protect) => Some(FdGuard::HazardGuard(protect)),
            None => self.counted().map(FdGuard::Counted),
        }
    }

    /// The same in the usual case, with the least code around the operation. `None`: use
    /// [`get`](Self::get).
    #[inline]
    pub(crate) fn protect(&self) -> Option<HazardGuard<'_>> {
        let protect = HazardGuard {
            shared: self,
            slot: hazard::protect(self.address())?,
        };
        // The barrier of `close` replaces one here: either `close` sees the slot, or this thread
        // sees `CLOSED`.
        light_barrier();
        // Dropping the guard ends the use.
        (!self.is_closed()).then_some(protect)
    }

    #[cold]
    #[inline(never)]
    fn counted(&self) -> Option<Counted<'_>> {
        self.count();
        let counted = Counted(self);
        (!self.is_closed()).then_some(counted)
    }

    /// Uses the descriptor as long as the lease exists. `None` once closed.
    pub(crate) fn lease(self: &Arc<Self>) -> Option<FdLease> {
        self.count();
        let lease = FdLease(self.clone());
        (!self.is_closed()).then_some(lease)
    }

    /// The number, for display only. -1 once closed.
    pub(crate) fn number(&self) -> RawFd {
        if self.is_closed() { -1 } else { self.fd }
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.state.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Whether this process was forked from the one that created this, which has the descriptor
    /// too.
    pub(crate) fn is_inherited(&self) -> bool {
        self.creator.is_parent()
    }

    /// Prevents further uses of the descriptor. `before` gets it a last time if it is in use, to
    /// wake the users. In a forked child it is [replaced](dummy::replace) instead, which changes
    /// nothing for the parent. Returns the error of close(2) if this call releases the descriptor.
    pub(crate) fn close(&self, before: impl FnOnce(BorrowedFd<'_>)) -> io::Result<()> {
        if self.state.fetch_or(CLOSED, Ordering::SeqCst) & CLOSED != 0 {
            return Ok(());
        }
        {
            let scan = hazard::scan();
            if !self.is_used(&scan) {
                drop(scan);
                return self.release();
            }
            self.count();
        }
        // SAFETY: counted as a user above, when it was not released, so that `fd` is open.
        let fd = unsafe { BorrowedFd::borrow_raw(self.fd) };
        match self.is_inherited() {
            true => dummy::replace(fd),
            false => before(fd),
        }
        self.end_counted_use();
        Ok(())
    }

    /// Whether it is in use. No use begins after `CLOSED`: `false` stays true.
    fn is_used(&self, scan: &HazardScan) -> bool {
        self.state.load(Ordering::SeqCst) >= USER || scan.may_be_used(self.address())
    }

    fn address(&self) -> usize {
        ptr::from_ref(self).addr()
    }

    #[cold]
    fn count(&self) {
        self.state.fetch_add(USER, Ordering::SeqCst);
    }

    #[cold]
    #[inline(never)]
    fn end_counted_use(&self) {
        if self.state.fetch_sub(USER, Ordering::SeqCst) & CLOSED != 0 {
            self.release_if_unused();
        }
    }

    /// Releases the descriptor if it is closed and this was the last use.
    #[cold]
    #[inline(never)]
    fn release_if_unused(&self) {
        let used = self.is_used(&hazard::scan());
        if !used {
            let _ = self.release();
        }
    }

    fn release(&self) -> io::Result<()> {
        if self.state.fetch_or(RELEASED, Ordering::SeqCst) & RELEASED != 0 {
            return Ok(());
        }
        // SAFETY: `fd` is open and owned by this until `RELEASED` is set, which this thread has
        // just set, and it is not in use.
        match unsafe { libc::close(self.fd) } {
            0 => Ok(()),
            // Linux has released the number even when close() returns an error.
            _ => match io::Error::last_os_error() {
                e if e.kind() == io::ErrorKind::Interrupted => Ok(()),
                e => Err(e),
            },
        }
    }
}

impl Drop for SharedFd {
    fn drop(&mut self) {
        // Guards borrow and leases own the `Arc`: there is no user.
        let _ = self.release();
    }
}

/// A use of a [`SharedFd`] by this thread.
#[derive(Debug)]
pub(crate) enum FdGuard<'a> {
    HazardGuard(HazardGuard<'a>),
    Counted(Counted<'a>),
}

impl AsFd for FdGuard<'_> {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        let shared = match self {
            Self::HazardGuard(HazardGuard { shared, .. }) | Self::Counted(Counted(shared)) => {
                shared
            }
        };
        // SAFETY: a guard is a use, and `release` does not close `fd` while there is one.
        unsafe { BorrowedFd::borrow_raw(shared.fd) }
    }
}

/// A counted use.
#[derive(Debug)]
pub(crate) struct Counted<'a>(&'a SharedFd);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.end_counted_use();
    }
}

/// A use in the hazard slot of this thread.
#[derive(Debug)]
pub(crate) struct HazardGuard<'a> {
    shared: &'a SharedFd,
    slot: hazard::Use,
}

impl AsFd for HazardGuard<'_> {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: a guard is a use, and `release` does not close `fd` while there is one.
        unsafe { BorrowedFd::borrow_raw(self.shared.fd) }
    }
}

impl Drop for HazardGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.slot.end();
        // As in `protect`: either the barrier makes `close` see that the use has ended, or this
        // thread sees `CLOSED`.
        light_barrier();
        if self.shared.is_closed() {
            self.shared.release_if_unused();
        }
    }
}

/// A use of a [`SharedFd`] that owns a reference to it.
#[derive(Debug)]
pub(crate) struct FdLease(Arc<SharedFd>);

impl FdLease {
    pub(crate) fn number(&self) -> RawFd {
        self.0.fd
    }

    /// The descriptor that is leased.
    pub(crate) fn shared(&self) -> &Arc<SharedFd> {
        &self.0
    }

    /// Whether the owner has closed it meanwhile.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

impl AsFd for FdLease {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: a lease is a use, and `release` does not close `fd` while there is one.
        unsafe { BorrowedFd::borrow_raw(self.0.fd) }
    }
}

impl Drop for FdLease {
    fn drop(&mut self) {
        self.0.end_counted_use();
    }
}
