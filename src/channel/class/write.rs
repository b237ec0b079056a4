//! The invokers of writes.

use std::{
    io::{self, IoSlice},
    os::fd::BorrowedFd,
    slice,
};

use glib::subclass::prelude::*;

use super::{Transferred, VFuncs, buffers, bytes_vfuncs, call::signed, defaults};
use crate::{
    channel::{Channel, observed},
    hub::Direction,
    observe,
    types::{WriteFlags, total_len},
};

impl Channel {
    /// Writes once, from several buffers; with [`WriteFlags::ZERO_COPY`] without a copy.
    ///
    /// As [`writev_full`](crate::ChannelExt::writev_full).
    /// [`write_bytes_full`](crate::ChannelExt::write_bytes_full) does the same safely, with
    /// reference-counted memory.
    ///
    /// # Errors
    ///
    /// Those of [`writev_full`](crate::ChannelExt::writev_full).
    ///
    /// # Safety
    ///
    /// With [`WriteFlags::ZERO_COPY`] the memory must stay valid until
    /// [`flush`](crate::ChannelExt::flush) has succeeded: the kernel reads it until then. Changes
    /// of its content before that may be sent.
    #[doc(alias = "qio_channel_writev_full")]
    pub unsafe fn writev_zero_copy(
        &self,
        iov: &[IoSlice<'_>],
        fds: &[BorrowedFd<'_>],
        flags: WriteFlags,
    ) -> io::Result<usize> {
        let mut flags = flags;
        flags.set(WriteFlags::BORROWED, flags.contains(WriteFlags::ZERO_COPY));
        VFuncs::of(self).writev_as_promised(iov, fds, flags)
    }
}

impl VFuncs<'_> {
    // Without a frame of its own on the way to the virtual function.
    #[inline]
    pub(crate) fn write(self, buf: &[u8]) -> io::Result<usize> {
        let buf = IoSlice::new(buf);
        self.writev(slice::from_ref(&buf), &[], WriteFlags::empty())
    }

    #[inline(always)]
    pub(crate) fn writev(
        self,
        iov: &[IoSlice<'_>],
        fds: &[BorrowedFd<'_>],
        flags: WriteFlags,
    ) -> io::Result<usize> {
        // Safe code can set any bit of the flags.
        self.writev_as_promised(iov, fds, flags - WriteFlags::BORROWED)
    }

    /// As [`writev`](Self::writev), for callers that make the promise of [`WriteFlags::BORROWED`].
    #[inline]
    pub(super) fn writev_as_promised(
        self,
        iov: &[IoSlice<'_>],
        fds: &[BorrowedFd<'_>],
        flags: WriteFlags,
    ) -> io::Result<usize> {
        let size = total_len(iov);
        let plain = self.begin()?;
        self.observed_write(|| self.writev_usual(plain, size, iov, fds, flags))
    }

    /// As [`writev`](Self::writev), into one buffer and without blocking, by the shortest path.
    #[inline(always)]
    pub(crate) fn try_write(self, buf: &[u8], flags: WriteFlags) -> io::Result<Transferred<usize>> {
        if bytes_vfuncs::is_plain_class(self.class)
            && !buf.is_empty()
            && !observe::takes_slow_path()
            && let Some(stream) = self.channel().imp().stream.get()
            && let Some(written) = stream.send(buf)
        {
            return written
                .map(Transferred::whole)
                .map_err(|e| self.or_closed(e));
        }
        self.writev(&[IoSlice::new(buf)], &[], flags)
            .map(Transferred::whole)
    }

    /// Writes, and counts that while the process is observed.
    #[inline(always)]
    fn observed_write(self, write: impl FnOnce() -> io::Result<usize>) -> io::Result<usize> {
        match observe::takes_slow_path() {
            true => self.write_unusual(write),
            false => write(),
        }
    }

    /// Writes where some channel has pushed-back data, or calls are counted.
    #[cold]
    #[inline(never)]
    fn write_unusual(self, write: impl FnOnce() -> io::Result<usize>) -> io::Result<usize> {
        self.channel().take_back_pushback()?;
        observed::transfer(&self.channel(), Direction::Write, |count| *count, write)
    }

    #[inline(always)]
    fn writev_usual(
        self,
        plain: bool,
        size: usize,
        iov: &[IoSlice<'_>],
        fds: &[BorrowedFd<'_>],
        flags: WriteFlags,
    ) -> io::Result<usize> {
        let promised = self.check_write(size, !fds.is_empty(), flags)?;
        if size == 0 {
            return self.write_nothing(flags);
        }
        if buffers::exceed_limits(iov.len(), size)
            && let Some(iov) = buffers::to_write(iov, size)?
        {
            let size = total_len(&iov);
            return self.writev_again(plain, size, &iov, fds, flags);
        }
        if !plain && bytes_vfuncs::bytes_write(self.class) {
            bytes_vfuncs::writev_by_bytes(self, iov, fds, flags - WriteFlags::BORROWED)
        } else {
            self.slot_writev(iov, size, fds, promised)
        }
    }

    #[cold]
    #[inline(never)]
    fn writev_again(
        self,
        plain: bool,
        size: usize,
        iov: &[IoSlice<'_>],
        fds: &[BorrowedFd<'_>],
        flags: WriteFlags,
    ) -> io::Result<usize> {
        self.writev_usual(plain, size, iov, fds, flags)
    }

    /// A message-oriented channel may send an empty message; on others there is nothing to do.
    #[cold]
    #[inline(never)]
    fn write_nothing(self, flags: WriteFlags) -> io::Result<usize> {
        self.check_open()?;
        if !self.channel().imp().is_message_oriented() {
            return Ok(0);
        }
        // There is nothing to send without a copy.
        let flags = flags - WriteFlags::BORROWED - WriteFlags::ZERO_COPY;
        match bytes_vfuncs::bytes_write(self.class) {
            true => self.slot_write_bytes(&glib::Bytes::from_static(&[]), &[], flags),
            false => self.slot_writev(&[IoSlice::new(&[])], 0, &[], flags),
        }
    }

    pub(crate) fn write_bytes(
        self,
        bytes: &glib::Bytes,
        fds: &[BorrowedFd<'_>],
        flags: WriteFlags,
    ) -> io::Result<usize> {
        let flags = flags - WriteFlags::BORROWED;
        self.check_open()?;
        let write = || {
            let promised = self.check_write(bytes.len(), !fds.is_empty(), flags)?;
            if bytes.is_empty() {
                return self.write_nothing(flags);
            }
            match bytes_vfuncs::bytes_write(self.class) {
                true => self.slot_write_bytes(bytes, fds, flags),
                false => self.slot_writev(&[IoSlice::new(bytes)], bytes.len(), fds, promised),
            }
        };
        self.observed_write(write)
    }

    /// Writes bytes from an offset on; without a copy if the flags have `ZERO_COPY` and the class
    /// can hold a reference to them until they have been sent.
    pub(crate) fn write_owned(
        self,
        bytes: &glib::Bytes,
        from: usize,
        fds: &[BorrowedFd<'_>],
        flags: WriteFlags,
    ) -> io::Result<usize> {
        let data = &bytes[from..];
        let keep = match flags.contains(WriteFlags::ZERO_COPY) && !data.is_empty() {
            true => self.class.write_owned_fn().filter(|_| fds.is_empty()),
            false => None,
        };
        match keep {
            Some(keep) => {
                self.check_open()?;
                let write = || {
                    self.check_write(data.len(), false, flags)?;
                    keep(&self.channel(), bytes, from, flags)
                };
                self.observed_write(write)
            }
            None if from == 0 => self.write_bytes(bytes, fds, flags),
            None => self.writev(&[IoSlice::new(data)], fds, flags),
        }
    }

    pub(crate) fn pwritev(self, iov: &[IoSlice<'_>], start: u64) -> io::Result<usize> {
        let write = || self.pwritev_uncounted(iov, start);
        observed::transfer(&self.channel(), Direction::Write, |count| *count, write)
    }

    fn pwritev_uncounted(self, iov: &[IoSlice<'_>], start: u64) -> io::Result<usize> {
        self.check_open()?;
        let offset = signed(start)?;
        let size = total_len(iov);
        if size == 0 {
            return Ok(0);
        }
        if buffers::exceed_limits(iov.len(), size)
            && let Some(iov) = buffers::to_write(iov, size)?
        {
            return self.pwritev_uncounted(&iov, start);
        }
        let slot = self.class.io_pwritev.unwrap_or(defaults::pwritev);
        // SAFETY: `ioc` is an instance of `class`; an IoSlice has the layout of an iovec.
        let written = self.count("write to", size, |error| unsafe {
            slot(self.ioc(), iov.as_ptr().cast(), iov.len(), offset, error)
        })?;
        self.some(written, size)
    }
}
