//! Calling a slot, and making sense of what comes back: the part of the invokers (`invoke`) that
//! does not differ from slot to slot.

use std::{
    ffi::c_int,
    io::{self, IoSlice, IoSliceMut},
    os::fd::{BorrowedFd, FromRawFd, OwnedFd},
    ptr,
};

use glib::{subclass::prelude::*, translate::*};
use glib_sys::GError;
use libc::ssize_t;

use super::{VFuncs, bytes_vfuncs, defaults, gerror};
use crate::{
    channel::ffi::{self, Below, PollFd},
    error::{closed, invalid, io_error, not_supported},
    hub::Direction,
    types::{Feature, ReadFlags, WriteFlags},
};

impl VFuncs<'_> {
    /// Calls `io_readv` itself. Descriptors that come with an error are closed.
    #[inline]
    pub(super) fn slot_readv(
        self,
        iov: &mut [IoSliceMut<'_>],
        room: usize,
        fds: Option<&mut Vec<OwnedFd>>,
        flags: ReadFlags,
    ) -> io::Result<usize> {
        let slot = self.class.io_readv.unwrap_or(defaults::readv);
        let flags = flags.bits() as c_int;
        let mut array = ptr::null_mut();
        let mut len = 0;
        let (array_out, len_out) = match fds {
            Some(_) => (&raw mut array, &raw mut len),
            None => (ptr::null_mut(), ptr::null_mut()),
        };
        // SAFETY: see `close`; an IoSliceMut has the layout of an iovec.
        let result = self.count("read from", room, |error| unsafe {
            let (iov, niov) = (iov.as_mut_ptr().cast(), iov.len());
            slot(self.ioc(), iov, niov, array_out, len_out, flags, error)
        });
        if let Some(fds) = fds {
            // SAFETY: the slot gave the array and the descriptors in it away.
            let mut received = unsafe { take_fds(array, len) };
            if result.is_ok() {
                fds.append(&mut received);
            }
        }
        result
    }

    /// Calls `io_writev` itself.
    #[inline]
    pub(super) fn slot_writev(
        self,
        iov: &[IoSlice<'_>],
        size: usize,
        fds: &[BorrowedFd<'_>],
        flags: WriteFlags,
    ) -> io::Result<usize> {
        let slot = self.class.io_writev.unwrap_or(defaults::writev);
        let flags = flags.bits() as c_int;
        // A BorrowedFd is `repr(transparent)` over its number.
        let (array, len) = match fds {
            [] => (ptr::null_mut(), 0),
            fds => (fds.as_ptr().cast::<c_int>().cast_mut(), fds.len()),
        };
        // SAFETY: see `close`; an IoSlice has the layout of an iovec.
        let written = self.count("write to", size, |error| unsafe {
            slot(
                self.ioc(),
                iov.as_ptr().cast(),
                iov.len(),
                array,
                len,
                flags,
                error,
            )
        })?;
        self.some(written, size)
    }

    /// Calls `io_read_bytes` itself.
    pub(super) fn slot_read_bytes(
        self,
        count: usize,
        fds: Option<&mut Vec<OwnedFd>>,
        flags: ReadFlags,
    ) -> io::Result<glib::Bytes> {
        let slot = self.class.io_read_bytes.unwrap_or(defaults::read_bytes);
        let mut list = ptr::null_mut();
        let list_out = match fds {
            Some(_) => &raw mut list,
            None => ptr::null_mut(),
        };
        // SAFETY: see `close`; the slot gives the bytes and the list away, or NULL.
        let (bytes, error) = with_error(|error| unsafe {
            let raw = slot(self.ioc(), count, list_out, flags.bits(), error);
            Option::<glib::Bytes>::from_glib_full(raw)
        });
        // SAFETY: see above.
        let list: Option<gio::UnixFDList> = unsafe { from_glib_full(list) };
        error.map_err(|e| self.or_closed(e))?;
        let bytes = bytes.ok_or_else(|| self.unexplained("read from"))?;
        if bytes.len() > count {
            return Err(self.too_much("read from", bytes.len(), count));
        }
        if let (Some(fds), Some(list)) = (fds, list) {
            bytes_vfuncs::steal(&list, fds);
        }
        Ok(bytes)
    }

    /// Calls `io_write_bytes` itself.
    pub(super) fn slot_write_bytes(
        self,
        bytes: &glib::Bytes,
        fds: &[BorrowedFd<'_>],
        flags: WriteFlags,
    ) -> io::Result<usize> {
        let slot = self.class.io_write_bytes.unwrap_or(defaults::write_bytes);
        let list = bytes_vfuncs::list(fds)?;
        let flags = flags.bits();
        // SAFETY: see `close`; the slot only borrows the bytes and the list.
        let written = self.count("write to", bytes.len(), |error| unsafe {
            let (bytes, list) = (bytes.to_glib_none(), list.to_glib_none());
            slot(self.ioc(), bytes.0, list.0, flags, error)
        })?;
        self.some(written, bytes.len())
    }

    pub(super) fn check_open(self) -> io::Result<()> {
        match self.channel().imp().is_closed() {
            true => Err(closed()),
            false => Ok(()),
        }
    }

    /// Before a read or a write: fails once the channel is closed, unless the slots see to that
    /// themselves. Returns whether the class is plain.
    #[inline]
    pub(super) fn begin(self) -> io::Result<bool> {
        let plain = bytes_vfuncs::is_plain(self.class);
        if !plain {
            self.check_open()?;
        }
        Ok(plain)
    }

    /// Whether reads and writes go by slots that obey `NO_WAIT`.
    pub(crate) fn honours_no_wait(self) -> bool {
        // Plain classes are of this crate.
        bytes_vfuncs::is_plain(self.class)
            || self.class.slots_honour_no_wait()
                && !bytes_vfuncs::bytes_read(self.class)
                && !bytes_vfuncs::bytes_write(self.class)
    }

    /// Whether reads and writes go by slots of iovecs that obey `NO_WAIT`, and what the class lends is all that
    /// its channels wait for.
    #[inline]
    pub(crate) fn wait_for_fds_only(self) -> bool {
        bytes_vfuncs::waits_for_fds_only(self.class)
    }

    /// Whether the class lends the descriptors that its channels wait for.
    #[inline]
    pub(crate) fn has_poll_fd(self) -> bool {
        self.class.poll_fd_fn().is_some()
    }

    /// What the class lends for one direction, if its channels wait for nothing else.
    pub(crate) fn lent(self, side: Direction) -> Option<PollFd> {
        self.class.poll_fd_fn()?(&self.channel(), side)
    }

    /// What tells whether this channel is worth trying, if it is a layer.
    #[inline]
    pub(crate) fn below(self) -> Option<Below> {
        self.class.below()
    }

    /// An error, or what it means if another thread has closed the channel meanwhile: whatever
    /// the system says of a descriptor that is gone.
    #[cold]
    #[inline(never)]
    pub(super) fn or_closed(self, error: io::Error) -> io::Error {
        match error.raw_os_error() {
            Some(libc::EBADF | libc::EINVAL | libc::ENOTSOCK)
                if self.channel().imp().is_closed() =>
            {
                closed()
            }
            _ => error,
        }
    }

    #[inline]
    pub(super) fn check_read(self, fds: bool, flags: ReadFlags) -> io::Result<()> {
        if fds {
            self.need(Feature::FD_PASS)?;
        }
        if flags.contains(ReadFlags::PEEK) {
            self.need(Feature::READ_PEEK)?;
        }
        Ok(())
    }

    /// Returns the flags that the slot gets.
    // Into the invoker: what is not usual is out of the way.
    #[inline(always)]
    pub(super) fn check_write(
        self,
        size: usize,
        fds: bool,
        flags: WriteFlags,
    ) -> io::Result<WriteFlags> {
        match fds || flags.contains(WriteFlags::ZERO_COPY) {
            true => self.check_unusual_write(size, fds, flags),
            false => Ok(flags),
        }
    }

    #[cold]
    #[inline(never)]
    fn check_unusual_write(
        self,
        size: usize,
        fds: bool,
        flags: WriteFlags,
    ) -> io::Result<WriteFlags> {
        if fds {
            self.need(Feature::FD_PASS)?;
            if size == 0 {
                return Err(invalid(
                    "File descriptors travel with the first byte: there is no data to send them with",
                ));
            }
        }
        match flags.contains(WriteFlags::ZERO_COPY) {
            true => self.check_zero_copy(flags),
            false => Ok(flags),
        }
    }

    /// Memory that nobody has promised to keep is not written without a copy: slots of this crate
    /// copy it, and say so; others are not told to do otherwise.
    fn check_zero_copy(self, flags: WriteFlags) -> io::Result<WriteFlags> {
        self.need(Feature::WRITE_ZERO_COPY)?;
        if self.class.slots_honour_no_wait() {
            return Ok(flags);
        }
        Ok(match flags.contains(WriteFlags::LENT) {
            true => flags - WriteFlags::LENT,
            false => flags - WriteFlags::ZERO_COPY,
        })
    }

    pub(super) fn need(self, feature: Feature) -> io::Result<()> {
        if self.channel().imp().features().contains(feature) {
            return Ok(());
        }
        Err(invalid(match feature {
            Feature::FD_PASS => "Channel does not support file descriptor passing",
            Feature::READ_PEEK => "Channel does not support peeking",
            _ => "Channel does not support writing without a copy",
        }))
    }

    /// Makes sense of a slot that returns a count, -1 or `QIO_CHANNEL_ERR_BLOCK`.
    #[inline]
    pub(super) fn count(
        self,
        action: &str,
        most: usize,
        call: impl FnOnce(*mut *mut GError) -> ssize_t,
    ) -> io::Result<usize> {
        let (count, error) = with_error(call);
        error.map_err(|e| self.or_closed(e))?;
        match usize::try_from(count) {
            Ok(count) if count <= most => Ok(count),
            Ok(count) => Err(self.too_much(action, count, most)),
            Err(_) if count == ffi::QIO_CHANNEL_ERR_BLOCK => Err(io::ErrorKind::WouldBlock.into()),
            Err(_) => Err(self.unexplained(action)),
        }
    }

    /// Makes sense of a slot that returns 0 or -1.
    pub(super) fn status(
        self,
        action: &str,
        call: impl FnOnce(*mut *mut GError) -> c_int,
    ) -> io::Result<()> {
        let (status, error) = with_error(call);
        error.map_err(|e| self.or_closed(e))?;
        match status {
            0.. => Ok(()),
            _ => Err(self.unexplained(action)),
        }
    }

    /// Nothing written, of something, is what a raising binding leaves.
    #[inline]
    pub(super) fn some(self, written: usize, size: usize) -> io::Result<usize> {
        match written {
            0 if size > 0 => Err(self.unexplained("write to")),
            written => Ok(written),
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn unexplained(self, action: &str) -> io::Error {
        let label = self.channel().label();
        io_error(
            gio::IOErrorEnum::Failed,
            &format!("Unable to {action} {label}: the class did not say why"),
        )
    }

    #[cold]
    #[inline(never)]
    fn too_much(self, action: &str, count: usize, most: usize) -> io::Error {
        let label = self.channel().label();
        io_error(
            gio::IOErrorEnum::Failed,
            &format!("Unable to {action} {label}: the class reports {count} bytes of {most}"),
        )
    }
}

/// Calls a slot with a place for its error, and takes the error over.
#[inline]
pub(super) fn with_error<R>(call: impl FnOnce(*mut *mut GError) -> R) -> (R, io::Result<()>) {
    let mut error = ptr::null_mut();
    let result = call(&mut error);
    if error.is_null() {
        return (result, Ok(()));
    }
    // SAFETY: the slot set the error and gave it away.
    (result, Err(unsafe { gerror::take(error) }))
}

pub(super) fn signed(offset: u64) -> io::Result<i64> {
    i64::try_from(offset).map_err(|_| invalid("Offset is beyond the largest file"))
}

/// Takes over an array of descriptors that a slot allocated.
///
/// # Safety
///
/// `array` must be NULL or `len` descriptors in memory of `g_malloc`, all given away.
unsafe fn take_fds(array: *mut c_int, len: usize) -> Vec<OwnedFd> {
    if array.is_null() {
        return Vec::new();
    }
    // SAFETY: the caller's promise.
    unsafe {
        let fds = std::slice::from_raw_parts(array, len)
            .iter()
            .filter(|&&fd| fd >= 0)
            .map(|&fd| OwnedFd::from_raw_fd(fd))
            .collect();
        glib_sys::g_free(array.cast());
        fds
    }
}

/// The error of a channel whose class does not do something.
pub(super) fn unsupported(what: &str) -> io::Error {
    not_supported(&format!("{what} not supported"))
}
