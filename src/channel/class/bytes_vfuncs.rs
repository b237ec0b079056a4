//! The virtual functions that exist in pairs: one takes iovecs and descriptors, for C and Rust; its
//! counterpart takes `GBytes` and a `GUnixFDList`, for bindings. A subclass overrides one of them
//! and has both.

use std::{
    ffi::c_int,
    io::{self, IoSlice, IoSliceMut},
    os::fd::{BorrowedFd, FromRawFd, OwnedFd},
    ptr, slice,
    sync::atomic::Ordering,
};

use gio::prelude::*;
use glib::translate::*;

use super::{VFuncs, call::unsupported, defaults};
use crate::{
    channel::{
        Channel,
        ffi::{QIOChannel, QIOChannelClass},
    },
    coroutine,
    error::from_glib_error,
    hub::Direction,
    types::{ReadFlags, WriteFlags, into_bytes, scatter, total_len, zeros},
};

/// The two functions of a pair, for comparison: the one of iovecs and the one of bytes.
type Pair = (Option<*const ()>, Option<*const ()>);

#[inline]
fn reading(class: &QIOChannelClass) -> Pair {
    (
        class.io_readv.map(|f| f as _),
        class.io_read_bytes.map(|f| f as _),
    )
}

#[inline]
fn writing(class: &QIOChannelClass) -> Pair {
    (
        class.io_writev.map(|f| f as _),
        class.io_write_bytes.map(|f| f as _),
    )
}

/// The functions of a pair that a class, or a parent of it, has set.
#[derive(Clone, Copy)]
pub(super) struct Filled {
    pub(super) iov: bool,
    pub(super) bytes: bool,
}

#[inline]
pub(super) fn read_filled(class: &QIOChannelClass) -> Filled {
    let (iov, bytes) = reading(class);
    Filled {
        iov: iov != Some(defaults::readv as *const ()),
        bytes: bytes != Some(defaults::read_bytes as *const ()),
    }
}

#[inline]
pub(super) fn write_filled(class: &QIOChannelClass) -> Filled {
    let (iov, bytes) = writing(class);
    Filled {
        iov: iov != Some(defaults::writev as *const ()),
        bytes: bytes != Some(defaults::write_bytes as *const ()),
    }
}

/// Whether reads and writes go by the virtual functions of iovecs, which check for closed
/// themselves, without any other check. The result is cached in the class.
#[inline]
pub(super) fn is_plain_class(class: &QIOChannelClass) -> bool {
    let address = ptr::from_ref(class).addr();
    class.plain.load(Ordering::Relaxed) & !FDS_ONLY == address || find_plain(class, address)
}

/// A bit in the address of a plain class: its channels wait for the descriptors that the class
/// exposes, and are not layered.
const FDS_ONLY: usize = 1;

/// Whether a class is plain, and waiting for it needs no other check either.
#[inline]
pub(super) fn waits_for_fds_only(class: &QIOChannelClass) -> bool {
    let address = ptr::from_ref(class).addr() | FDS_ONLY;
    class.plain.load(Ordering::Relaxed) == address || find_fds_only(class, address)
}

#[cold]
#[inline(never)]
fn find_fds_only(class: &QIOChannelClass, address: usize) -> bool {
    is_plain_class(class) && class.plain.load(Ordering::Relaxed) == address
}

#[cold]
#[inline(never)]
fn find_plain(class: &QIOChannelClass, address: usize) -> bool {
    let plain = class.slots_check_closed() && !bytes_read(class) && !bytes_write(class);
    if plain {
        let fds_only = class.poll_fd_fn().is_some() && class.lower().is_none();
        class
            .plain
            .store(address | usize::from(fds_only), Ordering::Relaxed);
    }
    plain
}

/// Whether reading goes by `io_read_bytes`.
#[inline]
pub(super) fn bytes_read(class: &QIOChannelClass) -> bool {
    read_filled(class).bytes && bytes_win(class, reading)
}

/// Whether writing goes by `io_write_bytes`.
#[inline]
pub(super) fn bytes_write(class: &QIOChannelClass) -> bool {
    write_filled(class).bytes && bytes_win(class, writing)
}

/// Walks up the parents: the most derived override wins.
#[cold]
fn bytes_win(class: &QIOChannelClass, pair: impl Fn(&QIOChannelClass) -> Pair) -> bool {
    let base = Channel::static_type().into_glib();
    let mut class = class;
    while class.parent_class.g_type_class.g_type != base {
        // SAFETY: the class derives from QIOChannel and is not QIOChannel: it has a parent, which
        // begins with a QIOChannelClass.
        let parent = unsafe {
            let raw = ptr::from_ref(class).cast_mut().cast();
            &*gobject_sys::g_type_class_peek_parent(raw).cast::<QIOChannelClass>()
        };
        let (iov, bytes) = pair(class);
        let (parent_iov, parent_bytes) = pair(parent);
        if iov != parent_iov {
            return false;
        }
        if bytes != parent_bytes {
            return true;
        }
        class = parent;
    }
    false
}

pub(super) fn readv_by_bytes(
    vfuncs: VFuncs<'_>,
    iov: &mut [IoSliceMut<'_>],
    fds: Option<&mut Vec<OwnedFd>>,
    flags: ReadFlags,
) -> io::Result<usize> {
    let space = total_len(iov);
    let bytes = vfuncs.slot_read_bytes(space, fds, flags)?;
    scatter(&bytes, iov);
    Ok(bytes.len())
}

pub(super) fn writev_by_bytes(
    vfuncs: VFuncs<'_>,
    iov: &[IoSlice<'_>],
    fds: &[BorrowedFd<'_>],
    flags: WriteFlags,
) -> io::Result<usize> {
    let data: Vec<u8> = iov.iter().flat_map(|buf| buf.iter().copied()).collect();
    let bytes = glib::Bytes::from_owned(data);
    vfuncs.slot_write_bytes(&bytes, fds, flags)
}

pub(super) fn read_bytes_by_iov(
    vfuncs: VFuncs<'_>,
    count: usize,
    fds: Option<&mut Vec<OwnedFd>>,
    flags: ReadFlags,
) -> io::Result<glib::Bytes> {
    let mut buf = zeros(count)?;
    let n = vfuncs.slot_readv(&mut [IoSliceMut::new(&mut buf)], count, fds, flags)?;
    Ok(into_bytes(buf, n))
}

/// A list with duplicates of some descriptors; `None` for none.
pub(super) fn list(fds: &[BorrowedFd<'_>]) -> io::Result<Option<gio::UnixFDList>> {
    if fds.is_empty() {
        return Ok(None);
    }
    let list = gio::UnixFDList::new();
    for fd in fds {
        list.append(fd).map_err(from_glib_error)?;
    }
    Ok(Some(list))
}

/// Moves the descriptors out of a list.
pub(super) fn steal(list: &gio::UnixFDList, fds: &mut Vec<OwnedFd>) {
    let mut len: c_int = 0;
    // SAFETY: the call returns an array of `len` descriptors, which the caller owns.
    unsafe {
        let array = gio_sys::g_unix_fd_list_steal_fds(list.to_glib_none().0, &mut len);
        let stolen = slice::from_raw_parts(array, usize::try_from(len).unwrap_or(0));
        fds.extend(stolen.iter().map(|&fd| OwnedFd::from_raw_fd(fd)));
        glib_sys::g_free(array.cast());
    }
}

/// Lets a default function call its counterpart, if a class has overridden that one, but not when
/// the counterpart has just called it: a class that overrides both and chains both up would recurse
/// without end.
pub(super) fn via_counterpart<R>(
    filled: bool,
    ioc: *mut QIOChannel,
    direction: Direction,
    call: impl FnOnce() -> io::Result<R>,
) -> io::Result<R> {
    struct Restore(Option<coroutine::Marker>);
    impl Drop for Restore {
        fn drop(&mut self) {
            coroutine::replace_marker(self.0);
        }
    }
    let this = Some((ioc.addr(), direction));
    let before = coroutine::replace_marker(this);
    let _restore = Restore(before);
    if filled && before != this {
        return call();
    }
    Err(unsupported(match direction {
        Direction::Read => "Reading is",
        Direction::Write => "Writing is",
    }))
}
