//! The slot for the descriptor of a channel.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    sync::{Arc, OnceLock},
};

use glib::{IOCondition, subclass::prelude::*};

use crate::{
    channel::{Channel, ChannelExt},
    error::{closed, io_error},
    sys::{FdGuard, HazardGuard, SharedFd, dummy, file},
    types::Readiness,
};

/// Empty until the channel is opened, and closed forever once the channel was closed, also if that
/// was before it was opened.
#[derive(Debug, Default)]
pub(super) struct FdSlot(OnceLock<Arc<SharedFd>>);

impl FdSlot {
    /// Takes ownership of a descriptor. Fails, and closes it, if there was one before, or if the
    /// slot was closed.
    pub(super) fn fill(&self, fd: OwnedFd) -> io::Result<()> {
        self.fill_after(fd, || ())
    }

    /// As [`fill`](Self::fill); `prepare` runs before the descriptor can be used, and only if
    /// ownership is taken.
    pub(super) fn fill_after(&self, fd: OwnedFd, prepare: impl FnOnce()) -> io::Result<()> {
        self.fill_from(&mut Some(fd), prepare)
    }

    /// As [`fill_after`](Self::fill_after). On failure the descriptor stays in `fd`.
    pub(super) fn fill_from(
        &self,
        fd: &mut Option<OwnedFd>,
        prepare: impl FnOnce(),
    ) -> io::Result<()> {
        self.0.get_or_init(|| {
            prepare();
            SharedFd::new(fd.take().expect("there is one, and this runs once"))
        });
        match fd {
            None => Ok(()),
            Some(_) => self.check_unopened(),
        }
    }

    /// Fails if there was a descriptor, or if the slot was closed.
    pub(super) fn check_unopened(&self) -> io::Result<()> {
        match self.0.get() {
            None => Ok(()),
            Some(shared) if shared.is_closed() => Err(closed()),
            Some(_) => Err(io_error(
                gio::IOErrorEnum::Exists,
                "Channel has been opened already",
            )),
        }
    }

    /// Uses the descriptor for one operation.
    #[inline]
    pub(super) fn get(&self) -> io::Result<FdGuard<'_>> {
        match self.shared().and_then(|shared| shared.get()) {
            Some(guard) => Ok(guard),
            None => Err(self.why_not()),
        }
    }

    /// The same in the usual case: see [`SharedFd::protect`].
    #[inline]
    pub(super) fn protect(&self) -> Option<HazardGuard<'_>> {
        self.shared()?.protect()
    }

    #[cold]
    #[inline(never)]
    fn why_not(&self) -> io::Error {
        match self.0.get() {
            Some(_) => closed(),
            None => io_error(gio::IOErrorEnum::NotConnected, "Channel is not open yet"),
        }
    }

    /// The descriptor, to be shared with a watch.
    #[inline]
    pub(super) fn shared(&self) -> Option<&Arc<SharedFd>> {
        self.0.get()
    }

    pub(super) fn is_open(&self) -> bool {
        self.shared().is_some_and(|shared| !shared.is_closed())
    }

    /// Whether this process was forked from the one that filled the slot.
    pub(super) fn is_inherited(&self) -> bool {
        self.shared().is_some_and(|shared| shared.is_inherited())
    }

    /// The number, or -1.
    pub(super) fn number(&self) -> RawFd {
        self.shared().map_or(-1, |shared| shared.number())
    }

    /// Closes the slot, also an empty one; `wake` gets the descriptor if it is in use at that time.
    pub(super) fn close(&self, wake: impl FnOnce(BorrowedFd<'_>)) -> io::Result<()> {
        self.0.get_or_init(SharedFd::none).close(wake)
    }

    /// Closes a descriptor whose peer must be notified at once, even if a watch or another thread
    /// uses the number.
    pub(super) fn close_at_once(&self) -> io::Result<()> {
        self.close(dummy::replace)
    }

    /// After the close there is nothing to wait for: an attempt fails at once.
    pub(super) fn wait_fd(&self, condition: IOCondition) -> Readiness {
        match self.number() {
            -1 => Readiness::Now,
            fd => Readiness::Fd(fd, condition),
        }
    }

    pub(super) fn set_blocking(&self, enabled: bool) -> io::Result<()> {
        file::set_nonblocking(self.get()?.as_fd(), !enabled)
    }

    /// The descriptor, in blocking mode once it is ready.
    pub(super) fn ready(
        &self,
        channel: &Channel,
        condition: IOCondition,
    ) -> io::Result<FdGuard<'_>> {
        let channel_state = &channel.imp().channel_state;
        loop {
            let seen = channel_state.wake_epoch();
            let fd = self.get()?;
            // A close that this does not see changes the epoch.
            if channel.is_closed() {
                return Err(closed());
            }
            if !channel.is_blocking() {
                return Ok(fd);
            }
            let got = channel_state.block_on(fd.as_fd().as_raw_fd(), condition, None, seen)?;
            if channel.is_closed() {
                return Err(closed());
            }
            if !got.is_empty() && self.is_open() {
                return Ok(fd);
            }
        }
    }
}
