//! Reading and writing memory of C, with descriptors as numbers.

use crate::capi::{c_name, try_method};
use std::{
    borrow::Cow,
    ffi::{CStr, c_int, c_void},
    io::{self, IoSlice, IoSliceMut},
    os::fd::{BorrowedFd, OwnedFd},
};

use glib_sys::GError;
use libc::{iovec, size_t, ssize_t};

use crate::{
    Channel, ChannelExt, ReadFlags, WriteFlags,
    capi::{array, array_mut, count, give_fds, holds, status, value, with},
    ffi::QIOChannel,
};

/// The memory of an argument; `None`, with a complaint, where there should be some and is none.
///
/// # Safety
///
/// As for the functions of this module.
#[inline]
pub(super) unsafe fn memory<'a>(
    function: &CStr,
    buf: *const c_void,
    buflen: size_t,
) -> Option<&'a [u8]> {
    let is_there = holds(function, !buf.is_null() || buflen == 0, c"buf != NULL");
    // SAFETY: the caller's promise.
    is_there.then(|| unsafe { array(buf.cast(), buflen) })
}

/// As [`memory`], to be written.
///
/// # Safety
///
/// As for the functions of this module.
#[inline]
pub(super) unsafe fn memory_mut<'a>(
    function: &CStr,
    buf: *mut c_void,
    buflen: size_t,
) -> Option<&'a mut [u8]> {
    let is_there = holds(function, !buf.is_null() || buflen == 0, c"buf != NULL");
    // SAFETY: the caller's promise.
    is_there.then(|| unsafe { array_mut(buf.cast(), buflen) })
}

/// The list of buffers of an argument. In C a buffer of no bytes may be nowhere, in Rust it is
/// somewhere: a list with such buffers is copied.
///
/// # Safety
///
/// As for the functions of this module.
#[inline]
pub(super) unsafe fn list<'a>(
    function: &CStr,
    iov: *const iovec,
    niov: size_t,
) -> Option<Cow<'a, [IoSlice<'a>]>> {
    // SAFETY: the caller's promise; an IoSlice has the layout of an iovec that is somewhere.
    unsafe {
        match are_somewhere(function, iov, niov)? {
            true => Some(Cow::Borrowed(array(iov.cast(), niov))),
            false => {
                let copy = |buf: &iovec| IoSlice::new(array(buf.iov_base.cast(), buf.iov_len));
                Some(Cow::Owned(array(iov, niov).iter().map(copy).collect()))
            }
        }
    }
}

type Buffers<'a, 'b> = &'a mut [IoSliceMut<'b>];

/// A list of buffers to be read into.
pub(super) enum ReadVec<'a> {
    Theirs(&'a mut [IoSliceMut<'a>]),
    Copied(Vec<IoSliceMut<'a>>),
}

impl<'a> ReadVec<'a> {
    #[inline]
    pub(super) fn buffers(&mut self) -> &mut [IoSliceMut<'a>] {
        match self {
            Self::Theirs(list) => list,
            Self::Copied(list) => list,
        }
    }
}

/// As [`list`], to be read into. The list itself stays as it is.
///
/// # Safety
///
/// As for the functions of this module.
#[inline]
pub(super) unsafe fn list_mut<'a>(
    function: &CStr,
    iov: *const iovec,
    niov: size_t,
) -> Option<ReadVec<'a>> {
    // SAFETY: as for `list`.
    unsafe {
        match are_somewhere(function, iov, niov)? {
            true => Some(ReadVec::Theirs(array_mut(iov.cast_mut().cast(), niov))),
            false => {
                let copy =
                    |buf: &iovec| IoSliceMut::new(array_mut(buf.iov_base.cast(), buf.iov_len));
                Some(ReadVec::Copied(array(iov, niov).iter().map(copy).collect()))
            }
        }
    }
}

/// Whether all buffers of a list have an address; `None`, with a complaint, where one that has
/// bytes, or the list, has none.
///
/// # Safety
///
/// As for the functions of this module.
#[inline]
unsafe fn are_somewhere(function: &CStr, iov: *const iovec, niov: size_t) -> Option<bool> {
    if !holds(function, !iov.is_null() || niov == 0, c"iov != NULL") {
        return None;
    }
    // SAFETY: the caller's promise.
    let nowhere = unsafe { array(iov, niov) }
        .iter()
        .filter(|buf| buf.iov_base.is_null());
    let (mut some, mut bytes) = (false, 0);
    for buf in nowhere {
        some = true;
        bytes |= buf.iov_len;
    }
    holds(function, bytes == 0, c"iov->iov_base != NULL").then_some(!some)
}

/// The descriptors of an argument.
///
/// # Safety
///
/// As for the functions of this module.
unsafe fn descriptors<'a>(
    function: &CStr,
    fds: *const c_int,
    nfds: size_t,
) -> Option<&'a [BorrowedFd<'a>]> {
    // SAFETY: the caller's promise.
    unsafe {
        if !holds(function, !fds.is_null() || nfds == 0, c"fds != NULL") {
            return None;
        }
        let open = array(fds, nfds).iter().all(|&fd| fd >= 0);
        // A BorrowedFd is `repr(transparent)` over its number, which is not -1.
        holds(function, open, c"fd >= 0").then(|| array(fds.cast(), nfds))
    }
}

/// Whether there is a place for descriptors and for their number, or for neither; complains if not.
fn places(function: &CStr, fds: *mut *mut c_int, nfds: *mut size_t) -> bool {
    let expected = c"(fds == NULL) == (nfds == NULL)";
    holds(function, fds.is_null() == nfds.is_null(), expected)
}

/// Reads with descriptors, if there is a place for them, and gives them away.
///
/// # Safety
///
/// As for the functions of this module.
unsafe fn receiving<R>(
    fds: *mut *mut c_int,
    nfds: *mut size_t,
    read: impl FnOnce(Option<&mut Vec<OwnedFd>>) -> io::Result<R>,
) -> io::Result<R> {
    if fds.is_null() {
        return read(None);
    }
    let mut received = Vec::new();
    let result = read(Some(&mut received));
    if result.is_err() {
        received.clear();
    }
    // SAFETY: the caller's promise.
    unsafe { give_fds(received, fds, nfds) };
    result
}

/// 1, or 0 at the end of the file, or -1 with an error.
///
/// # Safety
///
/// As for the functions of this module.
pub(super) unsafe fn until_eof(
    result: io::Result<bool>,
    error: *mut *mut GError,
    channel: &Channel,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { value(result.map(c_int::from), -1, error, channel, "read from") }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_readv_full(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    fds: *mut *mut c_int,
    nfds: *mut size_t,
    flags: c_int,
    error: *mut *mut GError,
) -> ssize_t {
    try_method!(
        qio_channel_readv_full,
        ioc,
        error,
        -1,
        |channel: &Channel| {
            if !places(c_name!(qio_channel_readv_full), fds, nfds) {
                return -1;
            }
            let Some(mut iov) = list_mut(c_name!(qio_channel_readv_full), iov, niov) else {
                return -1;
            };
            let flags = ReadFlags::from_bits_truncate(flags as u32);
            let result = receiving(fds, nfds, |fds| {
                channel.readv_full(iov.buffers(), fds, flags)
            });
            count(result, error, channel, "read from")
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_writev_full(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    fds: *mut c_int,
    nfds: size_t,
    flags: c_int,
    error: *mut *mut GError,
) -> ssize_t {
    try_method!(
        qio_channel_writev_full,
        ioc,
        error,
        -1,
        |channel: &Channel| {
            let Some(iov) = list(c_name!(qio_channel_writev_full), iov, niov) else {
                return -1;
            };
            let Some(fds) = descriptors(c_name!(qio_channel_writev_full), fds, nfds) else {
                return -1;
            };
            let flags = WriteFlags::from_bits_truncate(flags as u32);
            // Memory that is written without a copy is the caller's, who flushes before it goes.
            let written = channel.writev_zero_copy(&iov, fds, flags);
            count(written, error, channel, "write to")
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_readv(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    error: *mut *mut GError,
) -> ssize_t {
    try_method!(qio_channel_readv, ioc, error, -1, |channel: &Channel| {
        let Some(mut iov) = list_mut(c_name!(qio_channel_readv), iov, niov) else {
            return -1;
        };
        count(channel.readv(iov.buffers()), error, channel, "read from")
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_writev(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    error: *mut *mut GError,
) -> ssize_t {
    try_method!(qio_channel_writev, ioc, error, -1, |channel: &Channel| {
        let Some(iov) = list(c_name!(qio_channel_writev), iov, niov) else {
            return -1;
        };
        count(channel.writev(&iov), error, channel, "write to")
    })
}

#[unsafe(no_mangle)]
#[unsafe(link_section = ".text.hot.qio")]
pub unsafe extern "C" fn qio_channel_read(
    ioc: *mut QIOChannel,
    buf: *mut c_void,
    buflen: size_t,
    error: *mut *mut GError,
) -> ssize_t {
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        let function = c"qio_channel_read";
        with(function, ioc, error, -1, |channel: &Channel| {
            let Some(buf) = memory_mut(function, buf, buflen) else {
                return -1;
            };
            count(channel.read(buf), error, channel, "read from")
        })
    }
}

#[unsafe(no_mangle)]
#[unsafe(link_section = ".text.hot.qio")]
pub unsafe extern "C" fn qio_channel_write(
    ioc: *mut QIOChannel,
    buf: *const c_void,
    buflen: size_t,
    error: *mut *mut GError,
) -> ssize_t {
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        let function = c"qio_channel_write";
        with(function, ioc, error, -1, |channel: &Channel| {
            let Some(buf) = memory(function, buf, buflen) else {
                return -1;
            };
            count(channel.write(buf), error, channel, "write to")
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_readv_all_eof(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_readv_all_eof,
        ioc,
        error,
        -1,
        |channel: &Channel| {
            let Some(mut iov) = list_mut(c_name!(qio_channel_readv_all_eof), iov, niov) else {
                return -1;
            };
            until_eof(channel.readv_all_eof(iov.buffers()), error, channel)
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_readv_all(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_readv_all,
        ioc,
        error,
        -1,
        |channel: &Channel| {
            let Some(mut iov) = list_mut(c_name!(qio_channel_readv_all), iov, niov) else {
                return -1;
            };
            status(
                channel.readv_all(iov.buffers()),
                error,
                channel,
                "read from",
            )
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_writev_all(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_writev_all,
        ioc,
        error,
        -1,
        |channel: &Channel| {
            let Some(iov) = list(c_name!(qio_channel_writev_all), iov, niov) else {
                return -1;
            };
            status(channel.writev_all(&iov), error, channel, "write to")
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_all_eof(
    ioc: *mut QIOChannel,
    buf: *mut c_void,
    buflen: size_t,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_read_all_eof,
        ioc,
        error,
        -1,
        |channel: &Channel| {
            let Some(buf) = memory_mut(c_name!(qio_channel_read_all_eof), buf, buflen) else {
                return -1;
            };
            until_eof(channel.read_all_eof(buf), error, channel)
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_all(
    ioc: *mut QIOChannel,
    buf: *mut c_void,
    buflen: size_t,
    error: *mut *mut GError,
) -> c_int {
    try_method!(qio_channel_read_all, ioc, error, -1, |channel: &Channel| {
        let Some(buf) = memory_mut(c_name!(qio_channel_read_all), buf, buflen) else {
            return -1;
        };
        status(channel.read_all(buf), error, channel, "read from")
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_write_all(
    ioc: *mut QIOChannel,
    buf: *const c_void,
    buflen: size_t,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_write_all,
        ioc,
        error,
        -1,
        |channel: &Channel| {
            let Some(buf) = memory(c_name!(qio_channel_write_all), buf, buflen) else {
                return -1;
            };
            status(channel.write_all(buf), error, channel, "write to")
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_readv_full_all_eof(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    fds: *mut *mut c_int,
    nfds: *mut size_t,
    error: *mut *mut GError,
) -> c_int {
    let (function, read) = (c"qio_channel_readv_full_all_eof", until_full_or_eof);
    // SAFETY: the C contract, at the top of `capi`.
    unsafe { read_list(function, ioc, (iov, niov), (fds, nfds), 0, error, read) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_readv_full_all_eof_with_flags(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    fds: *mut *mut c_int,
    nfds: *mut size_t,
    flags: c_int,
    error: *mut *mut GError,
) -> c_int {
    let function = c"qio_channel_readv_full_all_eof_with_flags";
    let read = until_full_or_eof;
    // SAFETY: the C contract, at the top of `capi`.
    unsafe { read_list(function, ioc, (iov, niov), (fds, nfds), flags, error, read) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_readv_full_all(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    fds: *mut *mut c_int,
    nfds: *mut size_t,
    error: *mut *mut GError,
) -> c_int {
    let (function, read) = (c"qio_channel_readv_full_all", until_full);
    // SAFETY: the C contract, at the top of `capi`.
    unsafe { read_list(function, ioc, (iov, niov), (fds, nfds), 0, error, read) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_readv_full_all_with_flags(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    fds: *mut *mut c_int,
    nfds: *mut size_t,
    flags: c_int,
    error: *mut *mut GError,
) -> c_int {
    let (function, read) = (c"qio_channel_readv_full_all_with_flags", until_full);
    // SAFETY: the C contract, at the top of `capi`.
    unsafe { read_list(function, ioc, (iov, niov), (fds, nfds), flags, error, read) }
}

type ReadList =
    fn(&Channel, Buffers<'_, '_>, Option<&mut Vec<OwnedFd>>, ReadFlags) -> io::Result<c_int>;

fn until_full(
    channel: &Channel,
    iov: Buffers<'_, '_>,
    fds: Option<&mut Vec<OwnedFd>>,
    flags: ReadFlags,
) -> io::Result<c_int> {
    channel.readv_full_all(iov, fds, flags).map(|()| 0)
}

fn until_full_or_eof(
    channel: &Channel,
    iov: Buffers<'_, '_>,
    fds: Option<&mut Vec<OwnedFd>>,
    flags: ReadFlags,
) -> io::Result<c_int> {
    channel.readv_full_all_eof(iov, fds, flags).map(c_int::from)
}

/// Reads into a list of buffers, and descriptors if there is a place for them.
///
/// # Safety
///
/// As for the functions of this module.
unsafe fn read_list(
    function: &CStr,
    ioc: *mut QIOChannel,
    (iov, niov): (*const iovec, size_t),
    (fds, nfds): (*mut *mut c_int, *mut size_t),
    flags: c_int,
    error: *mut *mut GError,
    read: ReadList,
) -> c_int {
    let flags = ReadFlags::from_bits_truncate(flags as u32);
    // SAFETY: the caller's promise.
    unsafe {
        with(function, ioc, error, -1, |channel: &Channel| {
            if !places(function, fds, nfds) {
                return -1;
            }
            let Some(mut iov) = list_mut(function, iov, niov) else {
                return -1;
            };
            let result = receiving(fds, nfds, |fds| read(channel, iov.buffers(), fds, flags));
            value(result, -1, error, channel, "read from")
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_writev_full_all(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    fds: *mut c_int,
    nfds: size_t,
    error: *mut *mut GError,
) -> c_int {
    let (function, flags) = (c"qio_channel_writev_full_all", WriteFlags::empty());
    // SAFETY: the C contract, at the top of `capi`.
    unsafe { write_until_all(function, ioc, iov, niov, (fds, nfds), flags, error) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_writev_full_all_with_flags(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    fds: *mut c_int,
    nfds: size_t,
    flags: c_int,
    error: *mut *mut GError,
) -> c_int {
    let function = c"qio_channel_writev_full_all_with_flags";
    let flags = WriteFlags::from_bits_truncate(flags as u32);
    // SAFETY: the C contract, at the top of `capi`.
    unsafe { write_until_all(function, ioc, iov, niov, (fds, nfds), flags, error) }
}

/// Writes until all is written.
///
/// # Safety
///
/// As for the functions of this module.
unsafe fn write_until_all(
    function: &CStr,
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    (fds, nfds): (*mut c_int, size_t),
    flags: WriteFlags,
    error: *mut *mut GError,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        with(function, ioc, error, -1, |channel: &Channel| {
            let Some(iov) = list(function, iov, niov) else {
                return -1;
            };
            let Some(fds) = descriptors(function, fds, nfds) else {
                return -1;
            };
            let result = channel.writev_full_all(&iov, fds, flags);
            status(result, error, channel, "write to")
        })
    }
}
