//! Calling a virtual function and normalizing its result: the part of the invokers (`invoke`) that
//! is common to all functions.

use std::{
    ffi::c_int,
    io::{self, IoSlice, IoSliceMut},
    os::fd::{BorrowedFd, FromRawFd, OwnedFd},
    ptr,
};

use glib::{subclass::prelude::*, translate::*};
use glib_sys::GError;
use libc::ssize_t;

use super::{
    VFuncs, bytes_vfuncs, defaults,
    gerror::with_error,
    native::{LowerFn, PollFd},
};
use crate::{
    channel::ffi,
    error::{closed, invalid, io_error, not_supported},
    hub::Direction,
    observe::LayerState,
    types::{Feature, ReadFlags, WriteFlags},
};

impl VFuncs<'_> {
    /// Calls `io_readv` itself. Descriptors that come with an error are closed.
    #[inline(always)]
    pub(super) fn slot_readv(
        self,
        iov: &mut [IoSliceMut<'_>],
        space: usize,
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
        // SAFETY: `ioc` is an instance of `class`; an IoSliceMut has the layout of an iovec; the
        // outputs are NULL or variables that outlive the call.
        let result = self.count("read from", space, |error| unsafe {
            let (iov, niov) = (iov.as_mut_ptr().cast(), iov.len());
            slot(self.ioc(), iov, niov, array_out, len_out, flags, error)
        });
        if let Some(fds) = fds {
            // SAFETY: the function returns the array and the descriptors in it, which the caller
            // owns.
            let mut received = unsafe { take_fds(array, len) };
            if result.is_ok() {
                fds.append(&mut received);
            }
        }
        result
    }

    /// Calls `io_writev` itself.
    // Inlined, as `count` is: in the C library, where it has more callers, each call would pass
    // eleven arguments on the stack.
    #[inline(always)]
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
        // SAFETY: `ioc` is an instance of `class`; an IoSlice has the layout of an iovec.
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
        // SAFETY: `ioc` is an instance of `class`; the function returns owned bytes and an owned
        // list, or NULL.
        let (bytes, error) = with_error(|error| unsafe {
            let raw = slot(self.ioc(), count, list_out, flags.bits(), error);
            Option::<glib::Bytes>::from_glib_full(raw)
        });
        // SAFETY: the function has set `list` to a list that the caller owns, or left NULL.
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
        // SAFETY: `ioc` is an instance of `class`; the function borrows the bytes and the list.
        let written = self.count("write to", bytes.len(), |error| unsafe {
            let (bytes, list) = (bytes.to_glib_none(), list.to_glib_none());
            slot(self.ioc(), bytes.0, list.0, flags, error)
        })?;
        self.some(written, bytes.len())
    }

    pub(in crate::channel) fn check_open(self) -> io::Result<()> {
        match self.channel().imp().is_closed() {
            true => Err(closed()),
            false => Ok(()),
        }
    }

    /// Before a read or a write: fails once the channel is closed, unless the virtual functions
    /// check that themselves. Returns whether the class is plain.
    #[inline]
    pub(super) fn begin(self) -> io::Result<bool> {
        let plain = bytes_vfuncs::is_plain_class(self.class);
        if !plain {
            self.check_open()?;
        }
        Ok(plain)
    }

    /// Whether reads and writes go by virtual functions that honor `NO_WAIT`.
    pub(crate) fn honors_no_wait(self) -> bool {
        // Plain classes are of this crate.
        bytes_vfuncs::is_plain_class(self.class)
            || self.class.slots_honor_no_wait()
                && !bytes_vfuncs::bytes_read(self.class)
                && !bytes_vfuncs::bytes_write(self.class)
    }

    /// Whether reads and writes are system calls of a class of this crate.
    pub(in crate::channel) fn is_plain_class(self) -> bool {
        bytes_vfuncs::is_plain_class(self.class)
    }

    /// The state of a layered channel with a connection.
    pub(in crate::channel) fn layer_state(self) -> Option<LayerState> {
        self.class.layer_state_fn()?(&self.channel())
    }

    /// Whether reads leave the list of buffers as it is.
    #[inline]
    pub(super) fn keeps_lists(self) -> bool {
        self.class.slots_honor_no_wait()
    }

    /// Whether reads and writes go by functions of iovecs that honor `NO_WAIT`, and the
    /// descriptors of the class are all that its channels wait for.
    #[inline]
    pub(crate) fn wait_for_fds_only(self) -> bool {
        bytes_vfuncs::waits_for_fds_only(self.class)
    }

    /// Whether the class exposes the descriptors that its channels poll.
    #[inline]
    pub(crate) fn has_poll_fd(self) -> bool {
        self.class.poll_fd_fn().is_some()
    }

    /// The descriptor that the class exposes for one direction, if its channels wait for nothing
    /// else.
    pub(crate) fn poll_fd(self, side: Direction) -> Option<PollFd> {
        self.class.poll_fd_fn()?(&self.channel(), side)
    }

    /// The function that returns the lower channel, if this channel is layered.
    #[inline]
    pub(crate) fn lower(self) -> Option<LowerFn> {
        self.class.lower()
    }

    /// As [`lower`](Self::lower), also where a derived class overrides how to wait.
    pub(crate) fn below(self) -> Option<LowerFn> {
        self.class.below()
    }

    /// The error, or that of a closed channel if another thread has closed it meanwhile: the
    /// system's error is then one of a descriptor that was closed.
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

    /// Returns the flags for the virtual function.
    // Inlined into the invoker: the unusual cases are out of line.
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
                    "File descriptors are passed with the first byte, and there is no data",
                ));
            }
        }
        match flags.contains(WriteFlags::ZERO_COPY) {
            true => self.check_zero_copy(flags),
            false => Ok(flags),
        }
    }

    /// Memory that the caller does not promise to keep cannot be written without a copy: functions
    /// of this crate copy it, and flush reports that; others do not get the flag.
    fn check_zero_copy(self, flags: WriteFlags) -> io::Result<WriteFlags> {
        self.need(Feature::WRITE_ZERO_COPY)?;
        if self.class.slots_honor_no_wait() {
            return Ok(flags);
        }
        Ok(match flags.contains(WriteFlags::BORROWED) {
            true => flags - WriteFlags::BORROWED,
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
            _ => "Channel does not support zero-copy writes",
        }))
    }

    /// Normalizes the result of a function that returns a count, -1 or `QIO_CHANNEL_ERR_BLOCK`.
    #[inline(always)]
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

    /// Normalizes the result of a function that returns 0 or -1.
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

    /// A return value of 0 for a non-empty write means that a binding raised an exception.
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
            &format!(
                "Unable to {action} {label}: the class returned an error without setting GError"
            ),
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

pub(super) fn signed(offset: u64) -> io::Result<i64> {
    i64::try_from(offset).map_err(|_| invalid("Offset is beyond the largest file"))
}

/// Takes ownership of an array of descriptors that a virtual function allocated.
///
/// # Safety
///
/// `array` must be NULL or an owned array of `g_malloc` with `len` owned descriptors.
unsafe fn take_fds(array: *mut c_int, len: usize) -> Vec<OwnedFd> {
    if array.is_null() {
        return Vec::new();
    }
    // SAFETY: forwarded: the array is owned, and has `len` owned descriptors.
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

/// The error for a function that a class does not implement.
pub(super) fn unsupported(what: &str) -> io::Error {
    not_supported(&format!("{what} not supported"))
}
