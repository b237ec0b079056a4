//! The options of a listener.

use std::ffi::{c_char, c_uint};

use glib::translate::*;
use glib_sys::gboolean;

use crate::{NetListener, capi::method, ffi::QIONetListener};

/// Numbers that stand for nothing.
const NOTHING: c_uint = c_uint::MAX;

fn some(number: c_uint) -> Option<u32> {
    Some(number).filter(|number| *number != NOTHING)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_set_name(
    listener: *mut QIONetListener,
    name: *const c_char,
) {
    method!(
        qio_net_listener_set_name(listener: NetListener, name: Option<&str>) =>
            listener.set_name(name)
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_get_name(listener: *mut QIONetListener) -> *mut c_char {
    method!(qio_net_listener_get_name(listener: NetListener), pointer => listener.name())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_set_max_clients(
    listener: *mut QIONetListener,
    limit: c_uint,
) {
    method!(
        qio_net_listener_set_max_clients(listener: NetListener) => listener.set_max_clients(limit)
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_get_max_clients(listener: *mut QIONetListener) -> c_uint {
    method!(qio_net_listener_get_max_clients(listener: NetListener) or 0 => listener.max_clients())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_set_max_handshakes(
    listener: *mut QIONetListener,
    limit: c_uint,
) {
    method!(
        qio_net_listener_set_max_handshakes(listener: NetListener) =>
            listener.set_max_handshakes(limit)
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_get_max_handshakes(
    listener: *mut QIONetListener,
) -> c_uint {
    method!(
        qio_net_listener_get_max_handshakes(listener: NetListener) or 0 => listener.max_handshakes()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_get_clients(listener: *mut QIONetListener) -> c_uint {
    method!(qio_net_listener_get_clients(listener: NetListener) or 0 => listener.clients())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_set_reuse_port(
    listener: *mut QIONetListener,
    enabled: gboolean,
) {
    method!(
        qio_net_listener_set_reuse_port(listener: NetListener) =>
            listener.set_reuse_port(from_glib(enabled))
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_get_reuse_port(
    listener: *mut QIONetListener,
) -> gboolean {
    method!(
        qio_net_listener_get_reuse_port(listener: NetListener) or 0 =>
            listener.reuses_port().into_glib()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_set_replace_stale(
    listener: *mut QIONetListener,
    enabled: gboolean,
) {
    method!(
        qio_net_listener_set_replace_stale(listener: NetListener) =>
            listener.set_replace_stale(from_glib(enabled))
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_get_replace_stale(
    listener: *mut QIONetListener,
) -> gboolean {
    method!(
        qio_net_listener_get_replace_stale(listener: NetListener) or 0 =>
            listener.replaces_stale().into_glib()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_set_path_mode(
    listener: *mut QIONetListener,
    mode: c_uint,
) {
    method!(
        qio_net_listener_set_path_mode(listener: NetListener) => listener.set_path_mode(some(mode))
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_get_path_mode(listener: *mut QIONetListener) -> c_uint {
    method!(
        qio_net_listener_get_path_mode(listener: NetListener) or NOTHING =>
            listener.path_mode().unwrap_or(NOTHING)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_set_path_owner(
    listener: *mut QIONetListener,
    uid: c_uint,
    gid: c_uint,
) {
    method!(
        qio_net_listener_set_path_owner(listener: NetListener) =>
            listener.set_path_owner(some(uid), some(gid))
    );
}
