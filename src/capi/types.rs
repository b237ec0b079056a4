//! The types of the small values, and the errors.

use glib::{prelude::*, translate::*};
use glib_sys::{GQuark, GType};

use crate::{ChannelError, Feature, ReadFlags, Shutdown, WriteFlags};

#[unsafe(no_mangle)]
pub extern "C" fn qio_channel_feature_get_type() -> GType {
    Feature::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_channel_read_flags_get_type() -> GType {
    ReadFlags::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_channel_write_flags_get_type() -> GType {
    WriteFlags::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_channel_shutdown_get_type() -> GType {
    Shutdown::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_channel_error_get_type() -> GType {
    ChannelError::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_channel_error_quark() -> GQuark {
    <ChannelError as glib::error::ErrorDomain>::domain().into_glib()
}
