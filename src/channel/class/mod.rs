//! The class of a channel: what a subclass may fill, and how its slots are called.
//!
//! A slot is an `extern "C"` function in the class struct, so that every language can
//! fill it. Rust classes fill them through [`ChannelImpl`] and generic trampolines
//! (`trampoline`). Whoever calls a slot, also from Rust, does so through its one invoker
//! (`invoke`, `call`), which normalises what a foreign slot may return. `defaults` is what the
//! base class puts into every slot; `bytes_vfuncs` lets one of two twin slots serve for both.
#![allow(unsafe_code)]

mod buffers;
mod bytes_vfuncs;
mod call;
mod defaults;
mod gerror;
pub(super) mod handlers;
mod invoke;
mod lent;
mod parent;
#[cfg(test)]
mod tests;
mod trampoline;

pub(super) use defaults::fill as fill_defaults;
#[cfg(feature = "capi")]
pub(crate) use defaults::{array, array_mut, flushed, give_fds};
#[cfg(feature = "capi")]
pub(crate) use gerror::{describe, report};
pub(crate) use invoke::VFuncs;
pub use parent::ChannelImplExt;

use std::{
    ffi::c_void,
    io::{self, IoSlice, IoSliceMut, SeekFrom},
    os::fd::{BorrowedFd, OwnedFd},
};

use glib::{IOCondition, prelude::*, subclass::prelude::*};

use super::{Channel, ffi::IOHandler};
use crate::types::{Flushed, ReadFlags, Readiness, Shutdown, WriteFlags};

/// Two C functions and what they are called with, for [`ChannelImpl::set_fd_handler`]. They are
/// lent for the length of that call, because their owner may replace them at any time.
#[derive(Debug)]
pub struct FdHandlers {
    pub(super) read: IOHandler,
    pub(super) write: IOHandler,
    pub(super) opaque: *mut c_void,
    /// The channel and the context that the caller has set them for, by their addresses.
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

/// Must be implemented by a class that derives from [`Channel`]: its virtual functions.
///
/// Every one has a default, which is that of the parent class. A class that reads or
/// writes fills [`readv`](Self::readv) or [`writev`](Self::writev),
/// [`close`](Self::close) and [`set_blocking`](Self::set_blocking), and says how to wait
/// by [`wait_fd`](Self::wait_fd) or [`create_watch`](Self::create_watch); the rest is
/// optional.
///
/// Any of them may be called from any thread, several at a time: hold no lock across
/// anything that can block. A panic does not cross into C: the caller gets an error.
///
/// # Examples
///
/// A channel that reads zeros for ever:
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
    /// Writes from several buffers, in order, and passes `fds` along with the first
    /// byte. At least one byte is written, or it is an error; would-block is one.
    ///
    /// Called only with something to write, and with `fds` only if the channel has
    /// [`Feature::FD_PASS`](crate::Feature::FD_PASS). Default: not supported.
    fn writev(
        &self,
        iov: &[IoSlice<'_>],
        fds: &[BorrowedFd<'_>],
        flags: WriteFlags,
    ) -> io::Result<usize> {
        self.parent_writev(iov, fds, flags)
    }

    /// Reads into several buffers, in order, and adds the descriptors that came along
    /// to `fds`. Returns 0 at end-of-file.
    ///
    /// Fill the buffers and leave the slices as they are: they are the caller's own list.
    ///
    /// Called only with room to read into, and with `fds` only if the channel has
    /// [`Feature::FD_PASS`](crate::Feature::FD_PASS). Default: not supported.
    fn readv(
        &self,
        iov: &mut [IoSliceMut<'_>],
        fds: Option<&mut Vec<OwnedFd>>,
        flags: ReadFlags,
    ) -> io::Result<usize> {
        self.parent_readv(iov, fds, flags)
    }

    /// Closes, flushing what is still held. Called once in the life of a channel;
    /// it counts as closed afterwards even if this is an error. Dropping a channel
    /// without closing it does not call this. Default: not supported.
    fn close(&self) -> io::Result<()> {
        self.parent_close()
    }

    /// Makes a source that waits for a condition and calls a `QIOChannelFunc`.
    ///
    /// A source of another kind that GLib makes (timeout, idle, descriptor) is wrapped, and so is the
    /// watch of another channel: what it tells is told for this one.
    /// Default: a source that asks [`wait_fd`](Self::wait_fd) before every poll.
    fn create_watch(&self, condition: IOCondition) -> glib::Source {
        self.parent_create_watch(condition)
    }

    /// Makes reads and writes wait, or fail with would-block. Default: not supported.
    fn set_blocking(&self, enabled: bool) -> io::Result<()> {
        self.parent_set_blocking(enabled)
    }

    /// Ends one direction, or both. Optional; must be quick, must not block, and may be
    /// called while other threads read and write, whom it wakes.
    /// Default: not supported.
    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.parent_shutdown(how)
    }

    /// Holds written data back, or sends what was held back. Optional, a hint.
    /// Default: nothing.
    fn set_cork(&self, enabled: bool) {
        self.parent_set_cork(enabled);
    }

    /// Allows small writes to be merged, or not. Optional, a hint. Default: nothing.
    fn set_delay(&self, enabled: bool) {
        self.parent_set_delay(enabled);
    }

    /// Moves the position and returns the new one. Optional. Default: not supported.
    fn seek(&self, to: SeekFrom) -> io::Result<u64> {
        self.parent_seek(to)
    }

    /// Calls C functions whenever the channel is ready to be read or written, in place
    /// of those set before. Optional. Default: watches in the context, which keep the channel alive
    /// until they are replaced by none, or the channel is closed.
    fn set_fd_handler(&self, context: Option<&glib::MainContext>, handlers: &FdHandlers) {
        self.parent_set_fd_handler(context, handlers);
    }

    /// What to wait for until a condition is worth trying: see [`Readiness`].
    ///
    /// `condition` is `IN` or `OUT`, alone or with conditions that come with it. Called
    /// before every poll of the default watch: must be quick and must not block.
    /// Default: the watch.
    fn wait_fd(&self, condition: IOCondition) -> Readiness {
        self.parent_wait_fd(condition)
    }

    /// Reads at an offset and leaves the position alone. Optional.
    /// Default: not supported.
    fn preadv(&self, iov: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<usize> {
        self.parent_preadv(iov, offset)
    }

    /// Writes at an offset and leaves the position alone. Optional.
    /// Default: not supported.
    fn pwritev(&self, iov: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        self.parent_pwritev(iov, offset)
    }

    /// Sends what the channel itself still holds, and sees to the end of writes without a copy.
    /// Would-block as long as that is not done: the caller waits until the channel can be written
    /// to. Optional. Default: nothing is held.
    fn flush(&self) -> io::Result<Flushed> {
        self.parent_flush()
    }

    /// Who is at the other end. Optional. Default: not supported.
    fn credentials(&self) -> io::Result<gio::Credentials> {
        self.parent_credentials()
    }
}

// SAFETY: every slot is filled by a trampoline that calls the method of `T` on an
// instance of `T`.
unsafe impl<T: ChannelImpl> IsSubclassable<T> for Channel {
    fn class_init(class: &mut glib::Class<Self>) {
        Self::parent_class_init::<T>(class);
        trampoline::fill::<T>(class.as_mut());
    }
}
