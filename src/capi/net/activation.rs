//! Sockets that a service manager has opened.

use std::ptr;

use glib::translate::*;
use glib_sys::{GError, GList};

use crate::{ChannelSocket, activation, capi::function};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_activation_sockets(error: *mut *mut GError) -> *mut GList {
    function!(
        qio_activation_sockets(), error, value or ptr::null_mut() => {
            let sockets = activation::sockets()?.into_iter().map(|(_, socket)| socket);
            let sockets: Vec<ChannelSocket> = sockets.collect();
            Ok(ToGlibContainerFromSlice::to_glib_full_from_slice(&sockets))
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_activation_unset_environment() {
    // SAFETY: the C contract: the header demands that no other thread uses the environment.
    unsafe { activation::unset_environment() };
}
