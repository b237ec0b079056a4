//! The C functions that call the methods of a Rust class.

mod guard;

use std::{
    array::from_fn,
    ffi::{c_int, c_void},
    io::{self, IoSlice, IoSliceMut, SeekFrom},
    mem::MaybeUninit,
    ptr, slice,
};

use gio_sys::GCredentials;
use glib::translate::*;
use glib_sys::{GError, GIOCondition, GMainContext, GSource, gboolean};
use libc::{iovec, size_t, ssize_t};

use self::guard::{byte_count, fallible, infallible};
use super::{
    ChannelImpl, FdHandlers, VFuncs,
    arrays::{array, array_mut, borrowed_fds, give_fds},
    defaults::{self, give},
};
use crate::{
    channel::{
        Channel,
        ffi::{
            IOHandler, QIO_CHANNEL_WAIT_NOW, QIO_CHANNEL_WAIT_WATCH, QIOChannel, QIOChannelClass,
        },
    },
    error::invalid,
    types::{ReadFlags, Readiness, Shutdown, WriteFlags},
    watch,
};

/// Sets every virtual function of Rust classes: of the pairs, those of iovecs.
pub(super) fn fill<T: ChannelImpl>(class: &mut QIOChannelClass) {
    class.io_writev = Some(writev::<T>);
    class.io_readv = Some(readv::<T>);
    class.io_close = Some(close::<T>);
    class.io_create_watch = Some(create_watch::<T>);
    class.io_set_blocking = Some(set_blocking::<T>);
    class.io_shutdown = Some(shutdown::<T>);
    class.io_set_cork = Some(set_cork::<T>);
    class.io_set_delay = Some(set_delay::<T>);
    class.io_seek = Some(seek::<T>);
    class.io_set_aio_fd_handler = Some(set_aio_fd_handler::<T>);
    class.io_wait_fd = Some(wait_fd::<T>);
    class.io_preadv = Some(preadv::<T>);
    class.io_pwritev = Some(pwritev::<T>);
    class.io_flush = Some(flush::<T>);
    class.io_get_credentials = Some(get_credentials::<T>);
}

/// The list of buffers for a method, which may change it although it is const in C: a copy, in
/// `one`, of a list of one buffer, and the list itself only for a class of this crate. `None` for
/// the others: they need [`with_copies`].
///
/// # Safety
///
/// `ioc` must be a channel, and `iov` the address of `niov` buffers that nothing else uses during
/// the call.
#[inline(always)]
unsafe fn buffers<'a>(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    one: &'a mut MaybeUninit<IoSliceMut<'a>>,
) -> Option<&'a mut [IoSliceMut<'a>]> {
    let list = iov.cast::<IoSliceMut<'a>>();
    // SAFETY: forwarded: `ioc` is a channel, and there are `niov` buffers; an IoSliceMut has the
    // layout of an iovec. Reads of a class that keeps lists write to the buffers only.
    unsafe {
        if niov == 1 {
            Some(slice::from_mut(one.write(list.read())))
        } else if VFuncs::of(&Channel::from_glib_borrow(ioc)).keeps_lists() {
            Some(array_mut(list.cast_mut(), niov))
        } else {
            None
        }
    }
}

/// Calls `read` with a copy of a list of buffers.
///
/// # Safety
///
/// `list` must be the address of `len` buffers that nothing else uses during the call.
#[inline(never)]
unsafe fn with_copies<R>(
    list: *const IoSliceMut<'_>,
    len: usize,
    read: impl FnOnce(&mut [IoSliceMut<'_>]) -> R,
) -> R {
    const ON_STACK: usize = 16;
    // SAFETY: forwarded: there are `len` buffers, and they are used by their copies alone.
    let mut copies = (0..len).map(|i| unsafe { list.add(i).read() });
    if len > ON_STACK {
        return read(&mut copies.collect::<Vec<_>>());
    }
    let none = || IoSliceMut::new(&mut []);
    let mut few: [_; ON_STACK] = from_fn(|_| copies.next().unwrap_or_else(none));
    read(&mut few[..len])
}

// The contract of the slot, which callers of the functions below keep: `ioc` is an instance of `T`,
// arrays have the given lengths (their pointer may be anything if that is 0), and `error` is NULL
// or writable.

// Adjacent in the binary, together with the C functions that call them: after a system call each
// page of code costs a TLB miss.
#[unsafe(link_section = ".text.hot.qio")]
unsafe extern "C-unwind" fn writev<T: ChannelImpl>(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    fds: *mut c_int,
    nfds: size_t,
    flags: c_int,
    error: *mut *mut GError,
) -> ssize_t {
    // SAFETY: the contract of the slot; iovec and IoSlice have the same layout.
    unsafe {
        let iov = array(iov.cast::<IoSlice<'_>>(), niov);
        let flags = WriteFlags::from_bits_retain(flags as u32);
        let fds = match borrowed_fds(fds, nfds) {
            Ok(fds) => fds,
            Err(e) => return give(ioc, error, "write to", Err(e.into())),
        };
        byte_count(ioc, error, "write to", |imp: &T| {
            imp.writev(iov, fds, flags)
        })
    }
}

#[unsafe(link_section = ".text.hot.qio")]
unsafe extern "C-unwind" fn readv<T: ChannelImpl>(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    fds: *mut *mut c_int,
    nfds: *mut size_t,
    flags: c_int,
    error: *mut *mut GError,
) -> ssize_t {
    let flags = ReadFlags::from_bits_retain(flags as u32);
    let mut one = MaybeUninit::uninit();
    // SAFETY: the contract of the slot.
    unsafe {
        match buffers(ioc, iov, niov, &mut one) {
            Some(iov) if fds.is_null() => byte_count(ioc, error, "read from", |imp: &T| {
                imp.readv(iov, None, flags)
            }),
            Some(iov) => readv_unusual::<T>(ioc, iov, fds, nfds, flags, error),
            None => with_copies(iov.cast(), niov, |iov| {
                readv_unusual::<T>(ioc, iov, fds, nfds, flags, error)
            }),
        }
    }
}

/// Reads with descriptors, or into a copy of the list.
///
/// # Safety
///
/// As for `readv`.
#[inline(never)]
unsafe fn readv_unusual<T: ChannelImpl>(
    ioc: *mut QIOChannel,
    iov: &mut [IoSliceMut<'_>],
    fds: *mut *mut c_int,
    nfds: *mut size_t,
    flags: ReadFlags,
    error: *mut *mut GError,
) -> ssize_t {
    // SAFETY: forwarded: the contract of the slot `readv`.
    unsafe {
        let mut received = Vec::new();
        let wanted = (!fds.is_null()).then_some(&mut received);
        let count = byte_count(ioc, error, "read from", |imp: &T| {
            imp.readv(iov, wanted, flags)
        });
        if count < 0 {
            received.clear();
        }
        give_fds(received, fds, nfds);
        count
    }
}

unsafe extern "C-unwind" fn close<T: ChannelImpl>(
    ioc: *mut QIOChannel,
    error: *mut *mut GError,
) -> c_int {
    // SAFETY: the contract of the slot: `ioc` is an instance of `T`, `error` NULL or writable.
    unsafe { fallible(ioc, error, "close", -1, |imp: &T| imp.close().map(|()| 0)) }
}

unsafe extern "C-unwind" fn create_watch<T: ChannelImpl>(
    ioc: *mut QIOChannel,
    condition: GIOCondition,
) -> *mut GSource {
    // SAFETY: the contract of the slot: `ioc` is an instance of `T`.
    unsafe {
        infallible(ioc, ptr::null_mut(), |imp: &T| {
            let condition = from_glib(condition);
            let source = imp.create_watch(condition);
            Channel::from_glib_borrow(ioc)
                .watched(|watched| watch::adopt_any(watched, condition, source))
                .into_glib_ptr()
        })
    }
}

unsafe extern "C-unwind" fn set_blocking<T: ChannelImpl>(
    ioc: *mut QIOChannel,
    enabled: gboolean,
    error: *mut *mut GError,
) -> c_int {
    // SAFETY: the contract of the slot: `ioc` is an instance of `T`, `error` NULL or writable.
    unsafe {
        fallible(ioc, error, "set the mode of", -1, |imp: &T| {
            imp.set_blocking(from_glib(enabled)).map(|()| 0)
        })
    }
}

unsafe extern "C-unwind" fn shutdown<T: ChannelImpl>(
    ioc: *mut QIOChannel,
    how: c_int,
    error: *mut *mut GError,
) -> c_int {
    // SAFETY: the contract of the slot: `ioc` is an instance of `T`, `error` NULL or writable.
    unsafe {
        fallible(ioc, error, "shut down", -1, |imp: &T| {
            let how = match how {
                1 => Shutdown::Read,
                2 => Shutdown::Write,
                3 => Shutdown::Both,
                _ => {
                    return Err(invalid(
                        "Invalid direction: expected reading, writing or both",
                    ));
                }
            };
            imp.shutdown(how).map(|()| 0)
        })
    }
}

unsafe extern "C-unwind" fn set_cork<T: ChannelImpl>(ioc: *mut QIOChannel, enabled: gboolean) {
    // SAFETY: the contract of the slot: `ioc` is an instance of `T`.
    unsafe { infallible(ioc, (), |imp: &T| imp.set_cork(from_glib(enabled))) };
}

unsafe extern "C-unwind" fn set_delay<T: ChannelImpl>(ioc: *mut QIOChannel, enabled: gboolean) {
    // SAFETY: the contract of the slot: `ioc` is an instance of `T`.
    unsafe { infallible(ioc, (), |imp: &T| imp.set_delay(from_glib(enabled))) };
}

unsafe extern "C-unwind" fn seek<T: ChannelImpl>(
    ioc: *mut QIOChannel,
    offset: i64,
    whence: c_int,
    error: *mut *mut GError,
) -> i64 {
    // SAFETY: the contract of the slot: `ioc` is an instance of `T`, `error` NULL or writable.
    unsafe {
        fallible(ioc, error, "seek in", -1, |imp: &T| {
            let to = match whence {
                libc::SEEK_SET => SeekFrom::Start(unsigned(offset)?),
                libc::SEEK_CUR => SeekFrom::Current(offset),
                libc::SEEK_END => SeekFrom::End(offset),
                _ => {
                    return Err(invalid(
                        "Invalid whence: expected SEEK_SET, SEEK_CUR or SEEK_END",
                    ));
                }
            };
            Ok(imp.seek(to)? as i64)
        })
    }
}

unsafe extern "C-unwind" fn set_aio_fd_handler<T: ChannelImpl>(
    ioc: *mut QIOChannel,
    context: *mut GMainContext,
    read: IOHandler,
    write: IOHandler,
    opaque: *mut c_void,
) {
    // SAFETY: the contract of the slot: `ioc` is an instance of `T`, `context` is NULL or live, and
    // the functions may be called with `opaque`.
    unsafe {
        let raw_context = context;
        let context = Option::<glib::MainContext>::from_glib_borrow(context);
        let handlers = FdHandlers {
            read,
            write,
            opaque,
            set_for: (ioc.addr(), raw_context.addr()),
        };
        infallible(ioc, (), |imp: &T| {
            imp.set_fd_handler(context.as_ref().as_ref(), &handlers);
        });
    }
}

unsafe extern "C-unwind" fn wait_fd<T: ChannelImpl>(
    ioc: *mut QIOChannel,
    condition: GIOCondition,
    fd_condition: *mut GIOCondition,
) -> c_int {
    // SAFETY: the contract of the slot: `ioc` is an instance of `T`, `fd_condition` is writable.
    unsafe {
        infallible(ioc, QIO_CHANNEL_WAIT_WATCH, |imp: &T| {
            match imp.wait_fd(from_glib(condition)) {
                Readiness::Fd(fd, condition) => {
                    *fd_condition = condition.into_glib();
                    fd.max(QIO_CHANNEL_WAIT_WATCH)
                }
                Readiness::Now => QIO_CHANNEL_WAIT_NOW,
                Readiness::Watch => QIO_CHANNEL_WAIT_WATCH,
            }
        })
    }
}

unsafe extern "C-unwind" fn preadv<T: ChannelImpl>(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    offset: i64,
    error: *mut *mut GError,
) -> ssize_t {
    let read = |iov: &mut [IoSliceMut<'_>]| {
        // SAFETY: the contract of the slot: `ioc` is an instance of `T`, `error` NULL or writable.
        unsafe {
            byte_count(ioc, error, "read from", |imp: &T| {
                imp.preadv(iov, unsigned(offset)?)
            })
        }
    };
    let mut one = MaybeUninit::uninit();
    // SAFETY: the contract of the slot.
    unsafe {
        match buffers(ioc, iov, niov, &mut one) {
            Some(iov) => read(iov),
            None => with_copies(iov.cast(), niov, read),
        }
    }
}

unsafe extern "C-unwind" fn pwritev<T: ChannelImpl>(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    offset: i64,
    error: *mut *mut GError,
) -> ssize_t {
    // SAFETY: the contract of the slot; iovec and IoSlice have the same layout.
    unsafe {
        let iov = array(iov.cast::<IoSlice<'_>>(), niov);
        byte_count(ioc, error, "write to", |imp: &T| {
            imp.pwritev(iov, unsigned(offset)?)
        })
    }
}

unsafe extern "C-unwind" fn flush<T: ChannelImpl>(
    ioc: *mut QIOChannel,
    error: *mut *mut GError,
) -> c_int {
    // SAFETY: the contract of the slot: `ioc` is an instance of `T`, `error` NULL or writable.
    unsafe {
        fallible(ioc, error, "flush", -1, |imp: &T| {
            imp.flush().map(defaults::flushed)
        })
    }
}

unsafe extern "C-unwind" fn get_credentials<T: ChannelImpl>(
    ioc: *mut QIOChannel,
    error: *mut *mut GError,
) -> *mut GCredentials {
    // SAFETY: the contract of the slot: `ioc` is an instance of `T`, `error` NULL or writable.
    unsafe {
        fallible(
            ioc,
            error,
            "get the credentials of",
            ptr::null_mut(),
            |imp: &T| Ok(imp.credentials()?.into_glib_ptr()),
        )
    }
}

fn unsigned(offset: i64) -> io::Result<u64> {
    u64::try_from(offset).map_err(|_| invalid("Offset is negative"))
}
