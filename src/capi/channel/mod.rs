//! The functions of every channel that are not about waiting: its state, and reading and writing.

mod bytes;
mod context;
mod framing;
mod iov;
mod positions;
mod read_async;
mod splice;
mod state_async;
mod watch;
mod write_async;

use crate::capi::{method, try_method};
use std::{
    ffi::{c_char, c_int, c_uint},
    io::SeekFrom,
    ptr,
};

use gio_sys::GCredentials;
use glib::{prelude::*, translate::*};
use glib_sys::{GError, GType, gboolean};

use super::{holds, status, value, with};
use crate::{
    Channel, ChannelExt, Feature, Shutdown, channel::class::flushed, error::invalid,
    ffi::QIOChannel, from_glib_error,
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
    method!(qio_channel_has_feature, ioc, 0, |channel: &Channel| {
        channel
            .has_feature(Feature::from_bits_retain(feature))
            .into_glib()
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_set_feature(ioc: *mut QIOChannel, feature: c_uint) {
    method!(qio_channel_set_feature, ioc, (), |channel: &Channel| {
        channel.set_feature(Feature::from_bits_truncate(feature));
    });
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_get_features(ioc: *mut QIOChannel) -> c_uint {
    method!(qio_channel_get_features, ioc, 0, |channel: &Channel| {
        channel.features().bits()
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_set_name(ioc: *mut QIOChannel, name: *const c_char) {
    method!(qio_channel_set_name, ioc, (), |channel: &Channel| {
        let name = Option::<glib::GString>::from_glib_none(name);
        channel.set_name(name.as_deref());
    });
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_get_name(ioc: *mut QIOChannel) -> *mut c_char {
    method!(
        qio_channel_get_name,
        ioc,
        ptr::null_mut(),
        |channel: &Channel| channel.name().to_glib_full()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_set_blocking(
    ioc: *mut QIOChannel,
    enabled: gboolean,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_set_blocking,
        ioc,
        error,
        -1,
        |channel: &Channel| {
            let result = channel.set_blocking(from_glib(enabled));
            status(result, error, channel, "set the mode of")
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_get_blocking(ioc: *mut QIOChannel) -> gboolean {
    method!(qio_channel_get_blocking, ioc, 0, |channel: &Channel| {
        channel.is_blocking().into_glib()
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_is_closed(ioc: *mut QIOChannel) -> gboolean {
    method!(qio_channel_is_closed, ioc, 0, |channel: &Channel| channel
        .is_closed()
        .into_glib())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_abort(ioc: *mut QIOChannel) {
    method!(qio_channel_abort, ioc, (), |channel: &Channel| {
        channel.abort();
    });
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_close(ioc: *mut QIOChannel, error: *mut *mut GError) -> c_int {
    try_method!(qio_channel_close, ioc, error, -1, |channel: &Channel| {
        status(channel.close(), error, channel, "close")
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_shutdown(
    ioc: *mut QIOChannel,
    how: c_int,
    error: *mut *mut GError,
) -> c_int {
    try_method!(qio_channel_shutdown, ioc, error, -1, |channel: &Channel| {
        let result = match how {
            1 => channel.shutdown(Shutdown::Read),
            2 => channel.shutdown(Shutdown::Write),
            3 => channel.shutdown(Shutdown::Both),
            _ => Err(invalid(
                "Invalid direction: expected reading, writing or both",
            )),
        };
        status(result, error, channel, "shut down")
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_flush(ioc: *mut QIOChannel, error: *mut *mut GError) -> c_int {
    try_method!(qio_channel_flush, ioc, error, -1, |channel: &Channel| {
        value(channel.flush().map(flushed), -1, error, channel, "flush")
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_set_delay(ioc: *mut QIOChannel, enabled: gboolean) {
    method!(qio_channel_set_delay, ioc, (), |channel: &Channel| {
        channel.set_delay(from_glib(enabled));
    });
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_set_cork(ioc: *mut QIOChannel, enabled: gboolean) {
    method!(qio_channel_set_cork, ioc, (), |channel: &Channel| {
        channel.set_cork(from_glib(enabled));
    });
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_io_seek(
    ioc: *mut QIOChannel,
    offset: i64,
    whence: c_int,
    error: *mut *mut GError,
) -> i64 {
    try_method!(qio_channel_io_seek, ioc, error, -1, |channel: &Channel| {
        let to = match whence {
            libc::SEEK_SET => u64::try_from(offset)
                .map(SeekFrom::Start)
                .map_err(|_| invalid("Offset is negative")),
            libc::SEEK_CUR => Ok(SeekFrom::Current(offset)),
            libc::SEEK_END => Ok(SeekFrom::End(offset)),
            _ => Err(invalid(
                "Invalid whence: expected SEEK_SET, SEEK_CUR or SEEK_END",
            )),
        };
        let position = to.and_then(|to| channel.seek(to));
        // A position fits: it came from a slot that returns this type.
        let position = position.map(|position| position as i64);
        value(position, -1, error, channel, "seek in")
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_get_peerpid(
    ioc: *mut QIOChannel,
    pid: *mut c_uint,
    error: *mut *mut GError,
) -> c_int {
    let function = c"qio_channel_get_peerpid";
    if !holds(function, !pid.is_null(), c"pid != NULL") {
        return -1;
    }
    // SAFETY: the C contract, at the top of `capi`; the place is there.
    unsafe {
        with(function, ioc, error, -1, |channel: &Channel| {
            let found = channel.credentials().and_then(|it| {
                let number = it.unix_pid().map_err(from_glib_error)?;
                pid.write(number.unsigned_abs());
                Ok(())
            });
            status(found, error, channel, "get the process of the peer of")
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_get_credentials(
    ioc: *mut QIOChannel,
    error: *mut *mut GError,
) -> *mut GCredentials {
    try_method!(
        qio_channel_get_credentials,
        ioc,
        error,
        ptr::null_mut(),
        |channel: &Channel| {
            let credentials = channel.credentials().map(|it| it.to_glib_full());
            value(
                credentials,
                ptr::null_mut(),
                error,
                channel,
                "get the credentials of",
            )
        }
    )
}
