//! The functions of every channel that are not about waiting: its state, and reading and writing.

mod bytes;
mod context;
mod counter;
mod framing;
mod iov;
mod positions;
mod read_async;
mod splice;
mod state_async;
mod wait;
mod watch;
mod write_async;

use std::{
    ffi::{c_char, c_int, c_uint},
    io::{self, SeekFrom},
};

use gio_sys::GCredentials;
use glib::{prelude::*, translate::*};
use glib_sys::{GError, GType, gboolean};

use super::{Out, method, try_method};
use crate::{
    Channel, ChannelExt, ChannelSeekExt, Feature, Shutdown, channel::class::flushed,
    error::invalid, ffi::QIOChannel, from_glib_error,
};

#[unsafe(no_mangle)]
pub extern "C" fn qio_channel_get_type() -> GType {
    Channel::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_has_feature(
    ioc: *mut QIOChannel,
    feature: c_uint,
) -> gboolean {
    method!(
        qio_channel_has_feature(ioc: Channel) or 0 =>
            ioc.has_feature(Feature::from_bits_retain(feature)).into_glib()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_set_feature(ioc: *mut QIOChannel, feature: c_uint) {
    method!(
        qio_channel_set_feature(ioc: Channel) =>
            ioc.set_feature(Feature::from_bits_truncate(feature))
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_get_features(ioc: *mut QIOChannel) -> c_uint {
    method!(qio_channel_get_features(ioc: Channel) or 0 => ioc.features().bits())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_set_name(ioc: *mut QIOChannel, name: *const c_char) {
    method!(
        qio_channel_set_name(ioc: Channel, name: Option<&str>) => ioc.set_name(name)
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_get_name(ioc: *mut QIOChannel) -> *mut c_char {
    method!(qio_channel_get_name(ioc: Channel), pointer => ioc.name())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_set_blocking(
    ioc: *mut QIOChannel,
    enabled: gboolean,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_set_blocking(ioc: Channel), error, "set the mode of", status =>
            ioc.set_blocking(from_glib(enabled))
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_get_blocking(ioc: *mut QIOChannel) -> gboolean {
    method!(qio_channel_get_blocking(ioc: Channel) or 0 => ioc.is_blocking().into_glib())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_is_closed(ioc: *mut QIOChannel) -> gboolean {
    method!(qio_channel_is_closed(ioc: Channel) or 0 => ioc.is_closed().into_glib())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_abort(ioc: *mut QIOChannel) {
    method!(qio_channel_abort(ioc: Channel) => ioc.abort());
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_close(ioc: *mut QIOChannel, error: *mut *mut GError) -> c_int {
    try_method!(qio_channel_close(ioc: Channel), error, "close", status => ioc.close())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_shutdown(
    ioc: *mut QIOChannel,
    how: c_int,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_shutdown(ioc: Channel), error, "shut down", status => match how {
            1 => ioc.shutdown(Shutdown::Read),
            2 => ioc.shutdown(Shutdown::Write),
            3 => ioc.shutdown(Shutdown::Both),
            _ => Err(invalid("Invalid direction: expected reading, writing or both")),
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_flush(ioc: *mut QIOChannel, error: *mut *mut GError) -> c_int {
    try_method!(
        qio_channel_flush(ioc: Channel), error, "flush", value or -1 => ioc.flush().map(flushed)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_set_delay(ioc: *mut QIOChannel, enabled: gboolean) {
    method!(qio_channel_set_delay(ioc: Channel) => ioc.set_delay(from_glib(enabled)));
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_set_cork(ioc: *mut QIOChannel, enabled: gboolean) {
    method!(qio_channel_set_cork(ioc: Channel) => ioc.set_cork(from_glib(enabled)));
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_io_seek(
    ioc: *mut QIOChannel,
    offset: i64,
    whence: c_int,
    error: *mut *mut GError,
) -> i64 {
    try_method!(
        qio_channel_io_seek(ioc: Channel), error, "seek in", value or -1 => {
            let position = ioc.seek(seek_from(offset, whence)?)?;
            // A position fits: it came from a virtual function that returns this type.
            Ok(position as i64)
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_get_peerpid(
    ioc: *mut QIOChannel,
    pid: *mut c_uint,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_get_peerpid(ioc: Channel, pid: Out<c_uint>), error,
        "get the process of the peer of", status => {
            let number = ioc.credentials()?.unix_pid().map_err(from_glib_error)?;
            pid.set(number.unsigned_abs());
            Ok(())
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_get_credentials(
    ioc: *mut QIOChannel,
    error: *mut *mut GError,
) -> *mut GCredentials {
    try_method!(
        qio_channel_get_credentials(ioc: Channel), error, "get the credentials of", pointer =>
            ioc.credentials()
    )
}

fn seek_from(offset: i64, whence: c_int) -> io::Result<SeekFrom> {
    match whence {
        libc::SEEK_SET => u64::try_from(offset)
            .map(SeekFrom::Start)
            .map_err(|_| invalid("Offset is negative")),
        libc::SEEK_CUR => Ok(SeekFrom::Current(offset)),
        libc::SEEK_END => Ok(SeekFrom::End(offset)),
        _ => Err(invalid(
            "Invalid whence: expected SEEK_SET, SEEK_CUR or SEEK_END",
        )),
    }
}
