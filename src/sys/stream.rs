//! A stream socket that is read and written without the virtual functions of its channel.

use std::{io, os::fd::AsFd, sync::Arc};

use super::{SharedFd, socket};
use crate::types::{ReadFlags, WriteFlags};

/// A stream socket, without message boundaries.
#[derive(Debug)]
pub(crate) struct StreamSocket(Arc<SharedFd>);

impl StreamSocket {
    pub(crate) fn new(fd: Arc<SharedFd>) -> Self {
        Self(fd)
    }

    /// Reads once without blocking. `None` if it is closed, or this thread is in the middle of
    /// another call.
    #[inline(always)]
    pub(crate) fn recv(&self, buf: &mut [u8]) -> Option<io::Result<usize>> {
        let fd = self.0.protect()?;
        Some(socket::recv(fd.as_fd(), buf, ReadFlags::NO_WAIT))
    }

    /// Writes once without blocking. `None` as for [`recv`](Self::recv).
    #[inline(always)]
    pub(crate) fn send(&self, buf: &[u8]) -> Option<io::Result<usize>> {
        let fd = self.0.protect()?;
        Some(socket::send(fd.as_fd(), buf, WriteFlags::NO_WAIT))
    }
}
