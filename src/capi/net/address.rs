//! Addresses that people write: a boxed type.

use crate::capi::{c_name, try_method};
use std::{
    ffi::{CStr, OsStr, c_char, c_int, c_uint},
    io,
    os::unix::ffi::OsStrExt,
    ptr,
};

use gio_sys::{GSocketAddress, GSocketConnectable};
use glib::{prelude::*, translate::*};
use glib_sys::{GError, GType, gboolean};

use crate::{
    NetAddress as QIONetAddress, NetListener,
    capi::{fail_without_channel, give, guarded, holds},
    ffi::{QIOChannel, QIOChannelSocket, QIONetListener},
};

#[unsafe(no_mangle)]
pub extern "C" fn qio_net_address_get_type() -> GType {
    QIONetAddress::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_address_new_from_string(
    text: *const c_char,
    error: *mut *mut GError,
) -> *mut QIONetAddress {
    let (function, failed) = (c"qio_net_address_new_from_string", ptr::null_mut());
    if !holds(function, !text.is_null(), c"text != NULL") {
        return failed;
    }
    // SAFETY: the C contract, at the top of `capi`, as for all functions here; the string was
    // checked.
    unsafe {
        guarded(function, error, failed, || {
            let text = OsStr::from_bytes(CStr::from_ptr(text).to_bytes());
            give_boxed(QIONetAddress::try_from(text).map_err(Into::into), error)
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_address_new_from_socket_address(
    address: *mut GSocketAddress,
    error: *mut *mut GError,
) -> *mut QIONetAddress {
    try_method!(
        qio_net_address_new_from_socket_address,
        address,
        error,
        ptr::null_mut(),
        |address: &gio::SocketAddress| give_boxed(QIONetAddress::try_from(address), error)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_address_copy(address: *const QIONetAddress) -> *mut QIONetAddress {
    let (function, no_error) = (c"qio_net_address_copy", ptr::null_mut());
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        with_boxed(function, address, no_error, ptr::null_mut(), |address| {
            give_boxed(Ok(address.clone()), no_error)
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_address_free(address: *mut QIONetAddress) {
    if holds(
        c"qio_net_address_free",
        !address.is_null(),
        c"address != NULL",
    ) {
        // SAFETY: it came from `give_boxed`, or from GLib's copy of such a one, and is given back.
        drop(unsafe { Box::from_raw(address) });
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_address_equal(
    one: *const QIONetAddress,
    other: *const QIONetAddress,
) -> gboolean {
    let (function, no_error) = (c"qio_net_address_equal", ptr::null_mut());
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        with_boxed(function, one, no_error, 0, |one| {
            with_boxed(function, other, no_error, 0, |other| {
                (one == other).into_glib()
            })
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_address_to_string(address: *const QIONetAddress) -> *mut c_char {
    let (function, no_error) = (c"qio_net_address_to_string", ptr::null_mut());
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        with_boxed(function, address, no_error, ptr::null_mut(), |address| {
            address.to_string().to_glib_full()
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_address_get_scheme(
    address: *const QIONetAddress,
) -> *const c_char {
    let (function, no_error) = (c"qio_net_address_get_scheme", ptr::null_mut());
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        with_boxed(function, address, no_error, ptr::null(), |address| {
            // GLib keeps one copy of each, for ever.
            let scheme = glib::GString::from(address.scheme());
            glib_sys::g_intern_string(scheme.as_ptr())
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_address_get_host(address: *const QIONetAddress) -> *mut c_char {
    let (function, no_error) = (c"qio_net_address_get_host", ptr::null_mut());
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        with_boxed(function, address, no_error, ptr::null_mut(), |address| {
            address.host().to_glib_full()
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_address_get_connectable(
    address: *const QIONetAddress,
    error: *mut *mut GError,
) -> *mut GSocketConnectable {
    let (function, failed) = (c"qio_net_address_get_connectable", ptr::null_mut());
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        with_boxed(function, address, error, failed, |address| {
            give(address.to_connectable(), error)
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_address_connect_sync(
    address: *const QIONetAddress,
    error: *mut *mut GError,
) -> *mut QIOChannel {
    let (function, failed) = (c"qio_net_address_connect_sync", ptr::null_mut());
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        with_boxed(function, address, error, failed, |address| {
            give(address.connect(), error)
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_address_listen_sync(
    address: *const QIONetAddress,
    backlog: c_uint,
    error: *mut *mut GError,
) -> *mut QIOChannelSocket {
    let (function, failed) = (c"qio_net_address_listen_sync", ptr::null_mut());
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        with_boxed(function, address, error, failed, |address| {
            give(address.listen(backlog), error)
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_open_address(
    listener: *mut QIONetListener,
    address: *const QIONetAddress,
    backlog: c_uint,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_net_listener_open_address,
        listener,
        error,
        -1,
        |listener: &NetListener| {
            with_boxed(
                c_name!(qio_net_listener_open_address),
                address,
                error,
                -1,
                |address| match listener.open_address(address, backlog) {
                    Ok(()) => 0,
                    Err(e) => {
                        fail_without_channel(error, &e);
                        -1
                    }
                },
            )
        }
    )
}

/// Borrows an argument for the length of a call; complains, and returns `failed`, if it is NULL.
///
/// # Safety
///
/// As for the functions of this module.
unsafe fn with_boxed<R: Copy>(
    function: &CStr,
    address: *const QIONetAddress,
    error: *mut *mut GError,
    failed: R,
    call: impl FnOnce(&QIONetAddress) -> R,
) -> R {
    if !holds(function, !address.is_null(), c"address != NULL") {
        return failed;
    }
    // SAFETY: what is not NULL is an address, which the caller keeps alive for the length of the
    // call.
    unsafe { guarded(function, error, failed, || call(&*address)) }
}

/// Gives an address away, or returns NULL with an error.
///
/// # Safety
///
/// As for the functions of this module.
unsafe fn give_boxed(
    result: io::Result<QIONetAddress>,
    out: *mut *mut GError,
) -> *mut QIONetAddress {
    match result {
        Ok(address) => Box::into_raw(Box::new(address)),
        Err(e) => {
            // SAFETY: the caller's promise.
            unsafe { fail_without_channel(out, &e) };
            ptr::null_mut()
        }
    }
}
