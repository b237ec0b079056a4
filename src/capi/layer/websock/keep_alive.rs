//! Keep-alive.

use std::ffi::c_uint;

use crate::{
    ChannelWebsock,
    capi::method,
    ffi::QIOChannelWebsock,
    types::{milliseconds, to_milliseconds},
};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_get_ping_interval(
    websock: *mut QIOChannelWebsock,
) -> c_uint {
    method!(
        qio_channel_websock_get_ping_interval(websock: ChannelWebsock) or 0 =>
            to_milliseconds(websock.ping_interval())
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_set_ping_interval(
    websock: *mut QIOChannelWebsock,
    interval_ms: c_uint,
) {
    method!(
        qio_channel_websock_set_ping_interval(websock: ChannelWebsock) =>
            websock.set_ping_interval(milliseconds(interval_ms))
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_get_pong_timeout(
    websock: *mut QIOChannelWebsock,
) -> c_uint {
    method!(
        qio_channel_websock_get_pong_timeout(websock: ChannelWebsock) or 0 =>
            to_milliseconds(websock.pong_timeout())
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_set_pong_timeout(
    websock: *mut QIOChannelWebsock,
    timeout_ms: c_uint,
) {
    method!(
        qio_channel_websock_set_pong_timeout(websock: ChannelWebsock) =>
            websock.set_pong_timeout(milliseconds(timeout_ms))
    );
}
