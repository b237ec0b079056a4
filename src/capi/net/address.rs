//! Addresses in text form: a boxed type.

use std::{
    ffi::{OsStr, c_char, c_int, c_uint},
    ptr,
};

use gio_sys::{GSocketAddress, GSocketConnectable};
use glib::{prelude::*, translate::*};
use glib_sys::{GError, GType, gboolean};

use crate::{
    NetAddress as QIONetAddress, NetListener,
    capi::{Boxed, Owned, boxed, function, try_method},
    ffi::{QIOChannel, QIOChannelSocket, QIONetListener},
};

impl Boxed for QIONetAddress {}

#[unsafe(no_mangle)]
pub extern "C" fn qio_net_address_get_type() -> GType {
    QIONetAddress::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_address_new_from_string(
    text: *const c_char,
    error: *mut *mut GError,
) -> *mut QIONetAddress {
    function!(
        qio_net_address_new_from_string(text: &OsStr), error, value or ptr::null_mut() =>
            Ok(boxed(QIONetAddress::try_from(text)?))
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_address_new_from_socket_address(
    address: *mut GSocketAddress,
    error: *mut *mut GError,
) -> *mut QIONetAddress {
    try_method!(
        qio_net_address_new_from_socket_address(address: gio::SocketAddress), error,
        value or ptr::null_mut() => QIONetAddress::try_from(address).map(boxed)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_address_copy(address: *const QIONetAddress) -> *mut QIONetAddress {
    function!(
        qio_net_address_copy(address: &QIONetAddress) or ptr::null_mut() => boxed(address.clone())
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_address_free(address: *mut QIONetAddress) {
    function!(qio_net_address_free(address: Owned<QIONetAddress>) => drop(address.0));
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_address_equal(
    one: *const QIONetAddress,
    other: *const QIONetAddress,
) -> gboolean {
    function!(
        qio_net_address_equal(one: &QIONetAddress, other: &QIONetAddress) or 0 =>
            (one == other).into_glib()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_address_to_string(address: *const QIONetAddress) -> *mut c_char {
    function!(qio_net_address_to_string(address: &QIONetAddress), string => address.to_string())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_address_get_scheme(
    address: *const QIONetAddress,
) -> *const c_char {
    function!(
        qio_net_address_get_scheme(address: &QIONetAddress) or ptr::null() => {
            // GLib keeps one copy of each, forever.
            let scheme = glib::GString::from(address.scheme());
            glib_sys::g_intern_string(scheme.as_ptr())
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_address_get_host(address: *const QIONetAddress) -> *mut c_char {
    function!(qio_net_address_get_host(address: &QIONetAddress), string => address.host())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_address_get_connectable(
    address: *const QIONetAddress,
    error: *mut *mut GError,
) -> *mut GSocketConnectable {
    function!(
        qio_net_address_get_connectable(address: &QIONetAddress), error, pointer =>
            address.to_connectable()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_address_connect_sync(
    address: *const QIONetAddress,
    error: *mut *mut GError,
) -> *mut QIOChannel {
    function!(
        qio_net_address_connect_sync(address: &QIONetAddress), error, pointer => address.connect()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_address_listen_sync(
    address: *const QIONetAddress,
    backlog: c_uint,
    error: *mut *mut GError,
) -> *mut QIOChannelSocket {
    function!(
        qio_net_address_listen_sync(address: &QIONetAddress), error, pointer =>
            address.listen(backlog)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_open_address(
    listener: *mut QIONetListener,
    address: *const QIONetAddress,
    backlog: c_uint,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_net_listener_open_address(listener: NetListener, address: &QIONetAddress), error,
            status =>
            listener.open_address(address, backlog)
    )
}
