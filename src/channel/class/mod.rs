//! The class of a channel: what a subclass overrides, and how its virtual functions are called.
//!
//! A virtual function is an `extern "C-unwind"` function in the class struct, so that every
//! language can override it. Rust classes do so through [`ChannelImpl`] and generic trampolines
//! (`trampoline`). All calls, also those from Rust, go through the one invoker of each function
//! (`invoke`, `read`, `write`), which normalizes the results of other languages (`call`).
//! `defaults` has the functions of the base class; `bytes_vfuncs` lets one function of a pair serve
//! for both.
#![allow(unsafe_code)]

mod arrays;
mod buffers;
mod bytes_vfuncs;
mod call;
mod chain_up;
mod defaults;
pub(super) mod fd_handler;
mod gerror;
mod invoke;
mod io_flags;
pub(crate) mod native;
mod pool_ref;
mod read;
#[cfg(test)]
mod tests;
mod trampoline;
mod write;

pub(crate) use arrays::{array, array_mut};
#[cfg(feature = "capi")]
pub(crate) use arrays::{borrowed_fds, give_fds};
#[cfg(feature = "hyper")]
pub(crate) use buffers::zeroed;
pub use chain_up::ChannelImplExt;
pub(super) use defaults::fill as fill_defaults;
#[cfg(feature = "capi")]
pub(crate) use defaults::flushed;
pub(crate) use gerror::describe;
#[cfg(feature = "capi")]
pub(crate) use gerror::report;
pub(crate) use invoke::VFuncs;
pub(crate) use io_flags::{IoFlags, Transferred};
pub(crate) use pool_ref::PoolRef;

use std::{
    ffi::c_void,
    io::{self, IoSlice, IoSliceMut, SeekFrom},
    os::fd::{BorrowedFd, OwnedFd},
};

use glib::{IOCondition, prelude::*, subclass::prelude::*};

use super::{Channel, ffi::IOHandler};
use crate::types::{Flushed, ReadFlags, Readiness, Shutdown, WriteFlags};

/// Two C functions and their argument, for [`ChannelImpl::set_fd_handler`].
///
/// They are borrowed for that call, because their owner may replace them at any time.
#[derive(Debug)]
pub struct FdHandlers {
    pub(super) read: IOHandler,
    pub(super) write: IOHandler,
    pub(super) opaque: *mut c_void,
    /// The addresses of the channel and the context that the caller has set them for.
    pub(super) set_for: (usize, usize),
}

#[cfg(feature = "capi")]
impl FdHandlers {
    pub(crate) fn new(read: IOHandler, write: IOHandler, opaque: *mut c_void) -> Self {
        Self {
            read,
            write,
            opaque,
            set_for: (0, 0),
        }
    }
}

/// The virtual functions of a class that derives from [`Channel`].
///
/// Each has a default, which is the one of the parent class. A class that reads or writes
/// implements [`readv`](Self::readv) or [`writev`](Self::writev), [`close`](Self::close) and
/// [`set_blocking`](Self::set_blocking), and one of [`wait_fd`](Self::wait_fd) and
/// [`create_watch`](Self::create_watch); the rest is optional.
///
/// All may be called from any thread, several at a time: hold no lock during calls that can block.
/// A panic does not cross into C: the caller gets an error.
///
/// # Examples
///
/// A channel that reads zeros forever:
///
/// ```
/// use std::{io, os::fd::OwnedFd};
/// use qio::{ReadFlags, Readiness, prelude::*};
///
/// mod imp {
///     use super::*;
///     use qio::subclass::prelude::*;
///
///     #[derive(Default)]
///     pub struct Zeros;
///
///     #[glib::object_subclass]
///     impl ObjectSubclass for Zeros {
///         const NAME: &'static str = "ExampleZeros";
///         type Type = super::Zeros;
///         type ParentType = qio::Channel;
///     }
///
///     impl ObjectImpl for Zeros {}
///
///     impl ChannelImpl for Zeros {
///         fn readv(
///             &self,
///             iov: &mut [io::IoSliceMut<'_>],
///             _fds: Option<&mut Vec<OwnedFd>>,
///             _flags: ReadFlags,
///         ) -> io::Result<usize> {
///             iov.iter_mut().for_each(|buf| buf.fill(0));
///             Ok(iov.iter().map(|buf| buf.len()).sum())
///         }
///
///         fn close(&self) -> io::Result<()> {
///             Ok(())
///         }
///
///         fn set_blocking(&self, _enabled: bool) -> io::Result<()> {
///             Ok(())
///         }
///
///         fn wait_fd(&self, _condition: glib::IOCondition) -> Readiness {
///             Readiness::Now
///         }
///     }
/// }
///
/// glib::wrapper! {
///     pub struct Zeros(ObjectSubclass<imp::Zeros>) @extends qio::Channel;
/// }
///
/// # fn main() -> io::Result<()> {
/// let zeros: Zeros = glib::Object::new();
/// let mut buf = [1; 4];
/// zeros.read_all(&mut buf)?;
/// assert_eq!(buf, [0; 4]);
/// # Ok(())
/// # }
/// ```
pub trait ChannelImpl: ObjectImpl + ObjectSubclass<Type: IsA<Channel>> + Send + Sync {
    /// Writes from several buffers, in order, and passes `fds` with the first byte.
    ///
    /// Writes at least one byte, or returns an error, which may be would-block. Called only with
    /// something to write, and with `fds` only if the channel has
    /// [`Feature::FD_PASS`](crate::Feature::FD_PASS). Default: not supported.
    fn writev(
        &self,
        iov: &[IoSlice<'_>],
        fds: &[BorrowedFd<'_>],
        flags: WriteFlags,
    ) -> io::Result<usize> {
        self.parent_writev(iov, fds, flags)
    }

    /// Reads into several buffers, in order, and adds received descriptors to `fds`.
    ///
    /// Returns 0 at end-of-file. The list is a copy: the caller's stays as it is if this one is
    /// changed, for example by [`IoSliceMut::advance_slices`]. Called only with a buffer that is
    /// not empty, and with `fds` only if the channel has
    /// [`Feature::FD_PASS`](crate::Feature::FD_PASS). Default: not supported.
    fn readv(
        &self,
        iov: &mut [IoSliceMut<'_>],
        fds: Option<&mut Vec<OwnedFd>>,
        flags: ReadFlags,
    ) -> io::Result<usize> {
        self.parent_readv(iov, fds, flags)
    }

    /// Sends buffered data, and closes the channel.
    ///
    /// Called once in the life of a channel, which is closed afterwards even if this is an error.
    /// Dropping a channel without closing it does not call this. Default: not supported.
    fn close(&self) -> io::Result<()> {
        self.parent_close()
    }

    /// Creates a source that waits for a condition and calls a `QIOChannelFunc`.
    ///
    /// A source of another type that GLib creates (timeout, idle, descriptor) is wrapped, and so is
    /// a watch of another channel: its conditions are reported for this one. Default: a source that
    /// calls [`wait_fd`](Self::wait_fd) before every poll.
    fn create_watch(&self, condition: IOCondition) -> glib::Source {
        self.parent_create_watch(condition)
    }

    /// Sets whether reads and writes block, or fail with would-block. Default: not supported.
    fn set_blocking(&self, enabled: bool) -> io::Result<()> {
        self.parent_set_blocking(enabled)
    }

    /// Shuts down one direction, or both.
    ///
    /// Optional; must not block, and may be called while other threads read and write, which it
    /// wakes. Default: not supported.
    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.parent_shutdown(how)
    }

    /// Holds written data back, or sends what was held back. Optional, a hint. Default: ignored.
    fn set_cork(&self, enabled: bool) {
        self.parent_set_cork(enabled);
    }

    /// Allows small writes to be merged, or not. Optional, a hint. Default: ignored.
    fn set_delay(&self, enabled: bool) {
        self.parent_set_delay(enabled);
    }

    /// Moves the position and returns the new one. Optional. Default: not supported.
    fn seek(&self, to: SeekFrom) -> io::Result<u64> {
        self.parent_seek(to)
    }

    /// Sets C functions that are called whenever the channel is readable or writable.
    ///
    /// They replace the ones set before. Optional. Default: tasks in the context, which hold a
    /// reference to the channel until the functions are replaced by none, or the channel is closed.
    fn set_fd_handler(&self, context: Option<&glib::MainContext>, handlers: &FdHandlers) {
        self.parent_set_fd_handler(context, handlers);
    }

    /// Returns what to wait for until an attempt is worthwhile: see [`Readiness`].
    ///
    /// `condition` is `IN` or `OUT`, alone or with related conditions. Called before every poll of
    /// the default watch: must not block. Default: the watch.
    fn wait_fd(&self, condition: IOCondition) -> Readiness {
        self.parent_wait_fd(condition)
    }

    /// Reads at an offset and does not move the position. Optional. Default: not supported.
    fn preadv(&self, iov: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<usize> {
        self.parent_preadv(iov, offset)
    }

    /// Writes at an offset and does not move the position. Optional. Default: not supported.
    fn pwritev(&self, iov: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        self.parent_pwritev(iov, offset)
    }

    /// Sends buffered data, and waits for the completion of zero-copy writes.
    ///
    /// Fails with would-block until that is done: the caller waits until the channel is writable.
    /// Optional. Default: nothing is buffered.
    fn flush(&self) -> io::Result<Flushed> {
        self.parent_flush()
    }

    /// Returns the credentials of the peer. Optional. Default: not supported.
    fn credentials(&self) -> io::Result<gio::Credentials> {
        self.parent_credentials()
    }
}

// SAFETY: every virtual function is set to a trampoline that calls the method of `T` on an instance
// of `T`.
unsafe impl<T: ChannelImpl> IsSubclassable<T> for Channel {
    fn class_init(class: &mut glib::Class<Self>) {
        Self::parent_class_init::<T>(class);
        trampoline::fill::<T>(class.as_mut());
    }
}
