//! Writing from memory that the caller lends for longer than the call.

use std::{
    io::{self, IoSlice},
    os::fd::BorrowedFd,
};

use super::VFuncs;
use crate::{channel::Channel, types::WriteFlags};

impl Channel {
    /// As [`writev_full`](crate::ChannelExt::writev_full), and with [`WriteFlags::ZERO_COPY`]
    /// really without a copy. [`write_bytes_full`](crate::ChannelExt::write_bytes_full) does the
    /// same safely, with memory that is kept.
    ///
    /// # Safety
    ///
    /// With [`WriteFlags::ZERO_COPY`] the memory has to stay until
    /// [`flush`](crate::ChannelExt::flush) has succeeded, whatever else happens: the system reads
    /// it until then. What is written to it meanwhile may be sent in place of what it held.
    #[doc(alias = "qio_channel_writev_full")]
    pub unsafe fn writev_lent(
        &self,
        iov: &[IoSlice<'_>],
        fds: &[BorrowedFd<'_>],
        flags: WriteFlags,
    ) -> io::Result<usize> {
        let mut flags = flags;
        flags.set(WriteFlags::LENT, flags.contains(WriteFlags::ZERO_COPY));
        VFuncs::of(self).writev_as_promised(iov, fds, flags)
    }
}
