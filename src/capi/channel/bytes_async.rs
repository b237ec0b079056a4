//! Asynchronous reading and writing, and waiting: see `task`.

use std::{
    ffi::{c_int, c_uint},
    io::{self, IoSlice, IoSliceMut},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    ptr,
};

use gio_sys::{GAsyncReadyCallback, GAsyncResult, GCancellable, GUnixFDList};
use glib::translate::*;
use glib_sys::{GBytes, GError, GIOCondition, gboolean, gpointer};
use libc::{size_t, ssize_t};

use super::bytes::{give_list, some_bytes, some_fds, with_fds};
use crate::{
    Channel, ChannelFutureExt, ReadFlags, WriteFlags,
    capi::task::{Call, finish, finish_success, start},
    ffi::QIOChannel,
    types::zeros,
};

/// What a read has brought.
type Read = (Option<glib::Bytes>, Vec<OwnedFd>);

async fn read(
    channel: Channel,
    count: usize,
    with_fds: bool,
    flags: ReadFlags,
) -> io::Result<Read> {
    let mut buf = zeros(count)?;
    let mut fds = Vec::new();
    let mut iov = [IoSliceMut::new(&mut buf)];
    let wanted = with_fds.then_some(&mut fds);
    let count = channel.readv_full_future(&mut iov, wanted, flags).await?;
    buf.truncate(count);
    Ok((Some(glib::Bytes::from_owned(buf)), fds))
}

/// Reads until all is read; no bytes at the end of the file.
async fn read_all_eof(channel: Channel, count: usize, with_fds: bool) -> io::Result<Read> {
    let mut buf = zeros(count)?;
    let mut fds = Vec::new();
    let mut iov = [IoSliceMut::new(&mut buf)];
    let whole = match with_fds {
        true => {
            channel
                .readv_full_all_eof_future(&mut iov, &mut fds)
                .await?
        }
        false => channel.readv_all_eof_future(&mut iov).await?,
    };
    Ok((whole.then(|| glib::Bytes::from_owned(buf)), fds))
}

/// Reads until all is read.
async fn read_all(channel: Channel, count: usize, with_fds: bool) -> io::Result<Read> {
    let mut buf = zeros(count)?;
    let mut fds = Vec::new();
    let mut iov = [IoSliceMut::new(&mut buf)];
    match with_fds {
        true => channel.readv_full_all_future(&mut iov, &mut fds).await?,
        false => channel.readv_all_future(&mut iov).await?,
    }
    Ok((Some(glib::Bytes::from_owned(buf)), fds))
}

/// Bytes, and descriptors that stay open for as long as they are written.
struct Message {
    bytes: glib::Bytes,
    /// Ours: the list may be emptied by its owner at any time.
    fds: io::Result<Vec<OwnedFd>>,
    flags: WriteFlags,
}

async fn write(channel: Channel, message: Message) -> io::Result<usize> {
    let iov = [IoSlice::new(&message.bytes)];
    let fds = message.fds?;
    let fds: Vec<_> = fds.iter().map(OwnedFd::as_fd).collect();
    channel.writev_full_future(&iov, &fds, message.flags).await
}

async fn write_all(channel: Channel, message: Message) -> io::Result<()> {
    let iov = [IoSlice::new(&message.bytes)];
    let fds = message.fds?;
    let fds: Vec<_> = fds.iter().map(OwnedFd::as_fd).collect();
    channel
        .writev_full_all_future(&iov, &fds, message.flags)
        .await
}

/// Duplicates of the descriptors in a list, if there is one.
fn duplicates(list: Option<gio::UnixFDList>) -> io::Result<Vec<OwnedFd>> {
    with_fds(list.as_ref(), |fds| {
        fds.iter().map(BorrowedFd::try_clone_to_owned).collect()
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_bytes_async(
    ioc: *mut QIOChannel,
    count: size_t,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    let call = Call {
        tag: qio_channel_read_bytes_async as *const () as usize,
        name: c"qio_channel_read_bytes_async",
        io_priority,
        cancellable,
        callback,
        user_data,
    };
    // SAFETY: see the room.
    unsafe {
        start(ioc, call, "read from", |channel| {
            read(channel, count, false, ReadFlags::empty())
        });
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_bytes_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> *mut GBytes {
    let name = c"qio_channel_read_bytes_finish";
    let tag = qio_channel_read_bytes_async as *const () as usize;
    // SAFETY: the function that has the tag starts an operation with this result.
    unsafe {
        finish(
            name,
            ioc.cast(),
            result,
            tag,
            error,
            ptr::null_mut(),
            |(bytes, _): Read| bytes.to_glib_full(),
        )
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_bytes_with_fds_async(
    ioc: *mut QIOChannel,
    count: size_t,
    flags: c_uint,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    let call = Call {
        tag: qio_channel_read_bytes_with_fds_async as *const () as usize,
        name: c"qio_channel_read_bytes_with_fds_async",
        io_priority,
        cancellable,
        callback,
        user_data,
    };
    // SAFETY: see the room.
    unsafe {
        start(ioc, call, "read from", |channel| {
            read(channel, count, true, ReadFlags::from_bits_truncate(flags))
        });
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_bytes_with_fds_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    fds: *mut *mut GUnixFDList,
    error: *mut *mut GError,
) -> *mut GBytes {
    let name = c"qio_channel_read_bytes_with_fds_finish";
    let tag = qio_channel_read_bytes_with_fds_async as *const () as usize;
    // SAFETY: the function that has the tag starts an operation with this result.
    unsafe {
        finish(
            name,
            ioc.cast(),
            result,
            tag,
            error,
            ptr::null_mut(),
            |(bytes, received): Read| {
                give_list(received, fds);
                bytes.to_glib_full()
            },
        )
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_bytes_all_async(
    ioc: *mut QIOChannel,
    count: size_t,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    let call = Call {
        tag: qio_channel_read_bytes_all_async as *const () as usize,
        name: c"qio_channel_read_bytes_all_async",
        io_priority,
        cancellable,
        callback,
        user_data,
    };
    // SAFETY: see the room.
    unsafe {
        start(ioc, call, "read from", |channel| {
            read_all(channel, count, false)
        });
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_bytes_all_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> *mut GBytes {
    let name = c"qio_channel_read_bytes_all_finish";
    let tag = qio_channel_read_bytes_all_async as *const () as usize;
    // SAFETY: the function that has the tag starts an operation with this result.
    unsafe {
        finish(
            name,
            ioc.cast(),
            result,
            tag,
            error,
            ptr::null_mut(),
            |(bytes, _): Read| bytes.to_glib_full(),
        )
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_bytes_all_eof_async(
    ioc: *mut QIOChannel,
    count: size_t,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    let call = Call {
        tag: qio_channel_read_bytes_all_eof_async as *const () as usize,
        name: c"qio_channel_read_bytes_all_eof_async",
        io_priority,
        cancellable,
        callback,
        user_data,
    };
    // SAFETY: see the room.
    unsafe {
        start(ioc, call, "read from", |channel| {
            read_all_eof(channel, count, false)
        });
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_bytes_all_eof_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> *mut GBytes {
    let name = c"qio_channel_read_bytes_all_eof_finish";
    let tag = qio_channel_read_bytes_all_eof_async as *const () as usize;
    // SAFETY: the function that has the tag starts an operation with this result.
    unsafe {
        finish(
            name,
            ioc.cast(),
            result,
            tag,
            error,
            ptr::null_mut(),
            |(bytes, _): Read| bytes.to_glib_full(),
        )
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_bytes_with_fds_all_async(
    ioc: *mut QIOChannel,
    count: size_t,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    let call = Call {
        tag: qio_channel_read_bytes_with_fds_all_async as *const () as usize,
        name: c"qio_channel_read_bytes_with_fds_all_async",
        io_priority,
        cancellable,
        callback,
        user_data,
    };
    // SAFETY: see the room.
    unsafe {
        start(ioc, call, "read from", |channel| {
            read_all(channel, count, true)
        });
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_bytes_with_fds_all_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    fds: *mut *mut GUnixFDList,
    error: *mut *mut GError,
) -> *mut GBytes {
    let name = c"qio_channel_read_bytes_with_fds_all_finish";
    let tag = qio_channel_read_bytes_with_fds_all_async as *const () as usize;
    // SAFETY: the function that has the tag starts an operation with this result.
    unsafe {
        finish(
            name,
            ioc.cast(),
            result,
            tag,
            error,
            ptr::null_mut(),
            |(bytes, received): Read| {
                give_list(received, fds);
                bytes.to_glib_full()
            },
        )
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_write_bytes_async(
    ioc: *mut QIOChannel,
    bytes: *mut GBytes,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    let call = Call {
        tag: qio_channel_write_bytes_async as *const () as usize,
        name: c"qio_channel_write_bytes_async",
        io_priority,
        cancellable,
        callback,
        user_data,
    };
    // SAFETY: see the room.
    unsafe {
        let Some(bytes) = some_bytes(call.name, bytes) else {
            return;
        };
        let message = Message {
            bytes,
            fds: Ok(Vec::new()),
            flags: WriteFlags::empty(),
        };
        start(ioc, call, "write to", |channel| write(channel, message));
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_write_bytes_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> ssize_t {
    let name = c"qio_channel_write_bytes_finish";
    let tag = qio_channel_write_bytes_async as *const () as usize;
    // SAFETY: the function that has the tag starts an operation with this result.
    unsafe {
        finish(name, ioc.cast(), result, tag, error, -1, |count: usize| {
            count as ssize_t
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_write_bytes_with_fds_async(
    ioc: *mut QIOChannel,
    bytes: *mut GBytes,
    fds: *mut GUnixFDList,
    flags: c_uint,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    let call = Call {
        tag: qio_channel_write_bytes_with_fds_async as *const () as usize,
        name: c"qio_channel_write_bytes_with_fds_async",
        io_priority,
        cancellable,
        callback,
        user_data,
    };
    // SAFETY: see the room.
    unsafe {
        let Some(bytes) = some_bytes(call.name, bytes) else {
            return;
        };
        let message = Message {
            bytes,
            fds: duplicates(some_fds(fds)),
            flags: WriteFlags::from_bits_truncate(flags),
        };
        start(ioc, call, "write to", |channel| write(channel, message));
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_write_bytes_with_fds_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> ssize_t {
    let name = c"qio_channel_write_bytes_with_fds_finish";
    let tag = qio_channel_write_bytes_with_fds_async as *const () as usize;
    // SAFETY: the function that has the tag starts an operation with this result.
    unsafe {
        finish(name, ioc.cast(), result, tag, error, -1, |count: usize| {
            count as ssize_t
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_write_bytes_all_async(
    ioc: *mut QIOChannel,
    bytes: *mut GBytes,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    let call = Call {
        tag: qio_channel_write_bytes_all_async as *const () as usize,
        name: c"qio_channel_write_bytes_all_async",
        io_priority,
        cancellable,
        callback,
        user_data,
    };
    // SAFETY: see the room.
    unsafe {
        let Some(bytes) = some_bytes(call.name, bytes) else {
            return;
        };
        let message = Message {
            bytes,
            fds: Ok(Vec::new()),
            flags: WriteFlags::empty(),
        };
        start(ioc, call, "write to", |channel| write_all(channel, message));
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_write_bytes_all_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> gboolean {
    let name = c"qio_channel_write_bytes_all_finish";
    let tag = qio_channel_write_bytes_all_async as *const () as usize;
    // SAFETY: the function that has the tag starts an operation with this result.
    unsafe { finish_success(name, ioc.cast(), result, tag, error) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_write_bytes_with_fds_all_async(
    ioc: *mut QIOChannel,
    bytes: *mut GBytes,
    fds: *mut GUnixFDList,
    flags: c_uint,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    let call = Call {
        tag: qio_channel_write_bytes_with_fds_all_async as *const () as usize,
        name: c"qio_channel_write_bytes_with_fds_all_async",
        io_priority,
        cancellable,
        callback,
        user_data,
    };
    // SAFETY: see the room.
    unsafe {
        let Some(bytes) = some_bytes(call.name, bytes) else {
            return;
        };
        let message = Message {
            bytes,
            fds: duplicates(some_fds(fds)),
            flags: WriteFlags::from_bits_truncate(flags),
        };
        start(ioc, call, "write to", |channel| write_all(channel, message));
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_write_bytes_with_fds_all_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> gboolean {
    let name = c"qio_channel_write_bytes_with_fds_all_finish";
    let tag = qio_channel_write_bytes_with_fds_all_async as *const () as usize;
    // SAFETY: the function that has the tag starts an operation with this result.
    unsafe { finish_success(name, ioc.cast(), result, tag, error) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_ready_async(
    ioc: *mut QIOChannel,
    condition: GIOCondition,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    let call = Call {
        tag: qio_channel_ready_async as *const () as usize,
        name: c"qio_channel_ready_async",
        io_priority,
        cancellable,
        callback,
        user_data,
    };
    // SAFETY: see the room.
    unsafe {
        start(ioc, call, "wait for", |channel| async move {
            channel.ready(from_glib(condition)).await
        });
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_ready_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> GIOCondition {
    let name = c"qio_channel_ready_finish";
    let tag = qio_channel_ready_async as *const () as usize;
    // SAFETY: the function that has the tag starts an operation with this result.
    unsafe {
        finish(
            name,
            ioc.cast(),
            result,
            tag,
            error,
            0,
            |got: glib::IOCondition| got.into_glib(),
        )
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_close_async(
    ioc: *mut QIOChannel,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    let call = Call {
        tag: qio_channel_close_async as *const () as usize,
        name: c"qio_channel_close_async",
        io_priority,
        cancellable,
        callback,
        user_data,
    };
    // SAFETY: see the room.
    unsafe {
        start(ioc, call, "close", |channel| async move {
            channel.close_future().await
        });
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_close_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> c_int {
    let name = c"qio_channel_close_finish";
    let tag = qio_channel_close_async as *const () as usize;
    // SAFETY: the function that has the tag starts an operation with this result.
    unsafe {
        match finish_success(name, ioc.cast(), result, tag, error) {
            0 => -1,
            _ => 0,
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_flush_async(
    ioc: *mut QIOChannel,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    let call = Call {
        tag: qio_channel_flush_async as *const () as usize,
        name: c"qio_channel_flush_async",
        io_priority,
        cancellable,
        callback,
        user_data,
    };
    // SAFETY: see the room.
    unsafe {
        start(ioc, call, "flush", |channel| async move {
            channel.flush_future().await
        });
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_flush_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> c_int {
    let name = c"qio_channel_flush_finish";
    let tag = qio_channel_flush_async as *const () as usize;
    // SAFETY: the function that has the tag starts an operation with this result.
    unsafe {
        match finish_success(name, ioc.cast(), result, tag, error) {
            0 => -1,
            _ => 0,
        }
    }
}
