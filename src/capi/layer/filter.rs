//! The base class of layers.

use std::ptr;

use glib::{prelude::*, translate::*};
use glib_sys::GType;

use crate::{
    Channel, ChannelFilter, ChannelFilterExt,
    capi::{function, instance, method},
    ffi::{QIOChannel, QIOChannelFilter},
};

instance!(ChannelFilter, "QIO_IS_CHANNEL_FILTER");

#[unsafe(no_mangle)]
pub extern "C" fn qio_channel_filter_get_type() -> GType {
    ChannelFilter::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_filter_new(
    base_channel: *mut QIOChannel,
) -> *mut QIOChannelFilter {
    function!(
        qio_channel_filter_new(base_channel: Channel), pointer => ChannelFilter::new(&base_channel)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_filter_get_base_channel(
    filter: *mut QIOChannelFilter,
) -> *mut QIOChannel {
    method!(qio_channel_filter_get_base_channel(filter: ChannelFilter) or ptr::null_mut() =>
        filter.base_channel().map_or(ptr::null_mut(), |base| base.as_ptr()))
}
