//! Sockets that a service manager has opened.

use crate::capi::function;
use std::ptr;

use glib::translate::*;
use glib_sys::{GError, GList};

use crate::{ChannelSocket, activation, capi::fail_without_channel};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_activation_sockets(error: *mut *mut GError) -> *mut GList {
    function!(
        qio_activation_sockets,
        error,
        ptr::null_mut(),
        || match activation::sockets() {
            Ok(sockets) => {
                let sockets = sockets.into_iter().map(|(_, socket)| socket);
                let sockets: Vec<ChannelSocket> = sockets.collect();
                ToGlibContainerFromSlice::to_glib_full_from_slice(&sockets)
            }
            Err(e) => {
                fail_without_channel(error, &e);
                ptr::null_mut()
            }
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_activation_unset_environment() {
    // SAFETY: the caller's promise: see the header.
    unsafe { activation::unset_environment() };
}
