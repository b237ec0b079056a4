//! The functions of the channels that own a descriptor or memory, one file for each class.

mod buffer;
mod command;
mod command_communicate;
mod command_new;
mod file;
mod io_stream;
mod null;
mod socket;
mod socket_connection;
mod socket_credentials;
mod socket_datagram;
mod socket_options;

use std::ffi::c_int;

use glib_sys::GError;

use super::{descriptors::CallersFd, function};
use crate::ffi::QIOChannel;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_new_fd(fd: c_int, error: *mut *mut GError) -> *mut QIOChannel {
    function!(
        qio_channel_new_fd(fd: CallersFd), error, pointer =>
            crate::transport::channel_from(&mut fd.take()?.0)
    )
}
