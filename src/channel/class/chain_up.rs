//! Chaining up: calls of the virtual functions of the parent class.

use std::{
    io::{self, IoSlice, IoSliceMut, SeekFrom},
    os::fd::{BorrowedFd, OwnedFd},
};

use glib::IOCondition;

use super::{ChannelImpl, FdHandlers, VFuncs};
use crate::types::{Flushed, ReadFlags, Readiness, Shutdown, WriteFlags};

/// The virtual functions of the parent class, for overrides of [`ChannelImpl`].
pub trait ChannelImplExt: ChannelImpl {
    /// Chains up [`ChannelImpl::writev`].
    ///
    /// The parent class copies the memory, whatever the flags are: it need not stay valid after the
    /// call.
    fn parent_writev(
        &self,
        iov: &[IoSlice<'_>],
        fds: &[BorrowedFd<'_>],
        flags: WriteFlags,
    ) -> io::Result<usize> {
        VFuncs::of_parent(self).writev(iov, fds, flags)
    }

    /// Chains up [`ChannelImpl::readv`].
    fn parent_readv(
        &self,
        iov: &mut [IoSliceMut<'_>],
        fds: Option<&mut Vec<OwnedFd>>,
        flags: ReadFlags,
    ) -> io::Result<usize> {
        VFuncs::of_parent(self).readv(iov, fds, flags)
    }

    /// Chains up [`ChannelImpl::close`].
    fn parent_close(&self) -> io::Result<()> {
        VFuncs::of_parent(self).close()
    }

    /// Chains up [`ChannelImpl::create_watch`].
    fn parent_create_watch(&self, condition: IOCondition) -> glib::Source {
        VFuncs::of_parent(self).create_watch(condition)
    }

    /// Chains up [`ChannelImpl::set_blocking`].
    fn parent_set_blocking(&self, enabled: bool) -> io::Result<()> {
        VFuncs::of_parent(self).set_blocking(enabled)
    }

    /// Chains up [`ChannelImpl::shutdown`].
    fn parent_shutdown(&self, how: Shutdown) -> io::Result<()> {
        VFuncs::of_parent(self).shutdown(how)
    }

    /// Chains up [`ChannelImpl::set_cork`].
    fn parent_set_cork(&self, enabled: bool) {
        VFuncs::of_parent(self).set_cork(enabled);
    }

    /// Chains up [`ChannelImpl::set_delay`].
    fn parent_set_delay(&self, enabled: bool) {
        VFuncs::of_parent(self).set_delay(enabled);
    }

    /// Chains up [`ChannelImpl::seek`].
    fn parent_seek(&self, to: SeekFrom) -> io::Result<u64> {
        VFuncs::of_parent(self).seek(to)
    }

    /// Chains up [`ChannelImpl::set_fd_handler`].
    ///
    /// Logs a critical warning for another channel or context than the one that the handlers were
    /// set for.
    fn parent_set_fd_handler(&self, context: Option<&glib::MainContext>, handlers: &FdHandlers) {
        let vfuncs = VFuncs::of_parent(self);
        let address = context.map_or(0, |context| context.as_ptr().addr());
        if handlers.set_for != (vfuncs.ioc().addr(), address) {
            glib::g_critical!(
                "Qio",
                "Fd handlers are for the channel and the context that they were set for"
            );
            return;
        }
        // SAFETY: the caller of the virtual function promises that the handlers may be called for
        // this channel, in this context, until they are replaced, which was checked just now.
        unsafe { vfuncs.set_fd_handler(context, handlers) };
    }

    /// Chains up [`ChannelImpl::wait_fd`].
    fn parent_wait_fd(&self, condition: IOCondition) -> Readiness {
        VFuncs::of_parent(self).wait_fd(condition)
    }

    /// Chains up [`ChannelImpl::preadv`].
    fn parent_preadv(&self, iov: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<usize> {
        VFuncs::of_parent(self).preadv(iov, offset)
    }

    /// Chains up [`ChannelImpl::pwritev`].
    fn parent_pwritev(&self, iov: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        VFuncs::of_parent(self).pwritev(iov, offset)
    }

    /// Chains up [`ChannelImpl::flush`].
    fn parent_flush(&self) -> io::Result<Flushed> {
        VFuncs::of_parent(self).flush()
    }

    /// Chains up [`ChannelImpl::credentials`].
    fn parent_credentials(&self) -> io::Result<gio::Credentials> {
        VFuncs::of_parent(self).credentials()
    }
}

impl<T: ChannelImpl> ChannelImplExt for T {}
