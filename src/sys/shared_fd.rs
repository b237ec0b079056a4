//! A descriptor that one thread may close while others are using it.
//!
//! Whoever uses the descriptor says so first, and says when it is done. The usual way is
//! to note it for this thread ([`hazard`]), with plain stores: two atomic read-modify-writes
//! would cost a would-block read a seventh of its time. The price is paid by `close`, which
//! makes the system run a memory barrier on every processor that runs this process, and then
//! looks through the notes of all threads. Leases, a second use by the same thread, and
//! systems without such a barrier are counted instead.

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
use crate::sync::{AtomicUsize, Maker, Ordering, light_barrier};

/// Nobody may begin to use the descriptor any more.
const CLOSED: usize = 1;
/// The descriptor has been given back to the kernel.
const RELEASED: usize = 2;
/// One counted user. The bits above count them.
const USER: usize = 4;

/// A file descriptor whose number goes back to the kernel when it was closed and
/// its last user has let go, so that a racing thread never reads from or writes to
/// a stranger's file. Using it takes no lock.
#[derive(Debug)]
pub(crate) struct SharedFd {
    /// Open in this process, and ours alone to close, until `RELEASED` is set.
    fd: RawFd,
    maker: Maker,
    /// `RELEASED` is set once, after `CLOSED`, by whoever finds neither a counted user nor a
    /// thread that notes a use. A use that begins after `CLOSED` sees it and ends at once.
    state: AtomicUsize,
}

impl SharedFd {
    pub(crate) fn new(fd: OwnedFd) -> Arc<Self> {
        Arc::new(Self {
            fd: fd.into_raw_fd(),
            maker: Maker::default(),
            state: AtomicUsize::new(0),
        })
    }

    /// What has been closed before there was a descriptor.
    pub(crate) fn none() -> Arc<Self> {
        Arc::new(Self {
            fd: -1,
            maker: Maker::default(),
            state: AtomicUsize::new(CLOSED | RELEASED),
        })
    }

    /// The descriptor, for the length of one operation. `None` once closed.
    #[inline]
    pub(crate) fn get(&self) -> Option<FdGuard<'_>> {
        match self.protect() {
            Some(protect) => Some(FdGuard::HazardGuard(protect)),
            None => self.counted().map(FdGuard::Counted),
        }
    }

    /// The same in the usual case, with the least code around what is done with it. `None` says
    /// to use [`get`](Self::get).
    #[inline]
    pub(crate) fn protect(&self) -> Option<HazardGuard<'_>> {
        let protect = HazardGuard {
            shared: self,
            note: hazard::note(self.address())?,
        };
        // The barrier of `close` stands in for the processor's: either it sees the note, or
        // we see `CLOSED`.
        light_barrier();
        // Dropping it is right in any case.
        (!self.is_closed()).then_some(protect)
    }

    #[cold]
    #[inline(never)]
    fn counted(&self) -> Option<Counted<'_>> {
        self.count();
        let counted = Counted(self);
        (!self.is_closed()).then_some(counted)
    }

    /// The descriptor, for as long as the lease lives. `None` once closed.
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

    /// Whether this process has forked from the one that made this, which has the descriptor too.
    pub(crate) fn is_inherited(&self) -> bool {
        self.maker.is_parent()
    }

    /// Lets no thread use the descriptor from now on. `before` gets it a last time if others are
    /// still using it: the time to wake them up. In a forked child it is
    /// [replaced](dummy::replace) instead, which changes nothing for the parent. Reports what the kernel says to the close if
    /// this is the call that releases the descriptor.
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
        // SAFETY: counted as a user just now, when it was not released.
        let fd = unsafe { BorrowedFd::borrow_raw(self.fd) };
        match self.is_inherited() {
            true => dummy::replace(fd),
            false => before(fd),
        }
        self.let_go_counted();
        Ok(())
    }

    /// Whether anybody uses it. Nobody begins to after `CLOSED`: "no" stays true.
    fn is_used(&self, scan: &HazardScan) -> bool {
        self.state.load(Ordering::SeqCst) >= USER || scan.may_be_noted(self.address())
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
    fn let_go_counted(&self) {
        if self.state.fetch_sub(USER, Ordering::SeqCst) & CLOSED != 0 {
            self.settle();
        }
    }

    /// Releases the descriptor if it is closed and this was the last use.
    #[cold]
    #[inline(never)]
    fn settle(&self) {
        let used = self.is_used(&hazard::scan());
        if !used {
            let _ = self.release();
        }
    }

    fn release(&self) -> io::Result<()> {
        if self.state.fetch_or(RELEASED, Ordering::SeqCst) & RELEASED != 0 {
            return Ok(());
        }
        // SAFETY: `fd` is open and ours until `RELEASED` is set; we have just set it, and
        // nobody uses it.
        match unsafe { libc::close(self.fd) } {
            0 => Ok(()),
            // Linux has released the number even when close() reports an error.
            _ => match io::Error::last_os_error() {
                e if e.kind() == io::ErrorKind::Interrupted => Ok(()),
                e => Err(e),
            },
        }
    }
}

impl Drop for SharedFd {
    fn drop(&mut self) {
        // Guards borrow and leases own the `Arc`: nobody else is left.
        let _ = self.release();
    }
}

/// One use of a [`SharedFd`], by this thread.
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
        // SAFETY: a guard is a use, and `fd` stays open while there is one.
        unsafe { BorrowedFd::borrow_raw(shared.fd) }
    }
}

/// A use that is counted.
#[derive(Debug)]
pub(crate) struct Counted<'a>(&'a SharedFd);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.let_go_counted();
    }
}

/// A use that this thread has noted.
#[derive(Debug)]
pub(crate) struct HazardGuard<'a> {
    shared: &'a SharedFd,
    note: hazard::Use,
}

impl AsFd for HazardGuard<'_> {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: as for `FdGuard`.
        unsafe { BorrowedFd::borrow_raw(self.shared.fd) }
    }
}

impl Drop for HazardGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.note.end();
        // As in `protect`: either the barrier makes `close` see that we have gone, or we see `CLOSED`.
        light_barrier();
        if self.shared.is_closed() {
            self.shared.settle();
        }
    }
}

/// One use of a [`SharedFd`] that owns a reference to it.
#[derive(Debug)]
pub(crate) struct FdLease(Arc<SharedFd>);

impl FdLease {
    pub(crate) fn number(&self) -> RawFd {
        self.0.fd
    }

    /// What it leases.
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
        // SAFETY: a lease is a use, and `fd` stays open while there is one.
        unsafe { BorrowedFd::borrow_raw(self.0.fd) }
    }
}

impl Drop for FdLease {
    fn drop(&mut self) {
        self.0.let_go_counted();
    }
}
