//! What an end of a WebSocket offers, requires and allows, and how that is made: boxed types.

use std::{
    ffi::{c_char, c_uint},
    ptr::{self, NonNull},
    sync::Arc,
};

use glib::{prelude::*, translate::*};
use glib_sys::{GError, GFALSE, GType, gboolean};

use crate::{
    WebsockOptions, WebsockOptionsBuilder as QIOWebsockOptionsBuilder,
    capi::{
        Argument, Boxed, Owned, boxed,
        builder::{Builder, setter},
        c_name, complain, function,
    },
    layer::QIOWebsockOptions,
    types::milliseconds,
};

/// What a function that must have options complains of.
const NO_OPTIONS: &str = "options != NULL";

/// The options of the caller, or the defaults.
impl Argument<*mut QIOWebsockOptions> for WebsockOptions {
    unsafe fn from_c(raw: *mut QIOWebsockOptions, _: &str) -> Result<Self, String> {
        match raw.is_null() {
            true => Ok(Self::default()),
            // SAFETY: the C contract: options, which a builder made.
            false => Ok(unsafe { from_glib_none(raw) }),
        }
    }
}

impl Boxed for QIOWebsockOptionsBuilder {}

impl Builder for QIOWebsockOptionsBuilder {
    fn empty() -> Self {
        WebsockOptions::builder()
    }

    fn with_invalid_argument(self, setter: &str, expected: &str) -> Self {
        self.with_invalid_argument(setter, expected)
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_websock_options_get_type() -> GType {
    WebsockOptions::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_websock_options_ref(
    options: *mut QIOWebsockOptions,
) -> *mut QIOWebsockOptions {
    if let Some(options) = NonNull::new(options) {
        // SAFETY: the C contract: options, which a builder made by `Arc::into_raw`.
        unsafe { Arc::increment_strong_count(options.as_ptr()) };
    } else {
        complain(c_name!(qio_websock_options_ref), NO_OPTIONS);
    }
    options
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_websock_options_unref(options: *mut QIOWebsockOptions) {
    if options.is_null() {
        return complain(c_name!(qio_websock_options_unref), NO_OPTIONS);
    }
    // SAFETY: the C contract: options, which a builder made by `Arc::into_raw`, with a reference
    // that the caller transfers.
    unsafe { Arc::decrement_strong_count(options) };
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_websock_options_builder_get_type() -> GType {
    QIOWebsockOptionsBuilder::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_websock_options_builder_new() -> *mut QIOWebsockOptionsBuilder {
    boxed(WebsockOptions::builder())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_websock_options_builder_copy(
    builder: *const QIOWebsockOptionsBuilder,
) -> *mut QIOWebsockOptionsBuilder {
    function!(
        qio_websock_options_builder_copy(builder: &QIOWebsockOptionsBuilder)
            or ptr::null_mut() => boxed(builder.clone())
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_websock_options_builder_free(builder: *mut QIOWebsockOptionsBuilder) {
    function!(
        qio_websock_options_builder_free(builder: Owned<QIOWebsockOptionsBuilder>) =>
            drop(builder.0)
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_websock_options_builder_build(
    builder: *const QIOWebsockOptionsBuilder,
    error: *mut *mut GError,
) -> *mut QIOWebsockOptions {
    function!(
        qio_websock_options_builder_build(builder: &QIOWebsockOptionsBuilder), error,
        pointer => builder.clone().build()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_websock_options_builder_add_protocol(
    builder: *mut QIOWebsockOptionsBuilder,
    name: *const c_char,
) {
    setter!(
        qio_websock_options_builder_add_protocol(builder, name: &str) => builder.protocol(name)
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_websock_options_builder_add_header(
    builder: *mut QIOWebsockOptionsBuilder,
    name: *const c_char,
    value: *const c_char,
) {
    setter!(
        qio_websock_options_builder_add_header(builder, name: &str, value: &str) =>
            builder.header(name, value)
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_websock_options_builder_set_path(
    builder: *mut QIOWebsockOptionsBuilder,
    path: *const c_char,
) {
    setter!(qio_websock_options_builder_set_path(builder, path: &str) => builder.path(path));
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_websock_options_builder_set_same_host(
    builder: *mut QIOWebsockOptionsBuilder,
) {
    setter!(qio_websock_options_builder_set_same_host(builder) => builder.same_host());
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_websock_options_builder_set_origins(
    builder: *mut QIOWebsockOptionsBuilder,
    origins: *const *const c_char,
) {
    setter!(
        qio_websock_options_builder_set_origins(builder, origins: Vec<&str>) =>
            builder.origins(origins)
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_websock_options_builder_set_any_origin(
    builder: *mut QIOWebsockOptionsBuilder,
) {
    setter!(qio_websock_options_builder_set_any_origin(builder) => builder.any_origin());
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_websock_options_builder_set_binary_only(
    builder: *mut QIOWebsockOptionsBuilder,
) {
    setter!(qio_websock_options_builder_set_binary_only(builder) => builder.binary_only());
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_websock_options_builder_set_max_message_size(
    builder: *mut QIOWebsockOptionsBuilder,
    bytes: usize,
) {
    setter!(
        qio_websock_options_builder_set_max_message_size(builder) =>
            builder.max_message_size(bytes)
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_websock_options_builder_set_deflate(
    builder: *mut QIOWebsockOptionsBuilder,
    level: c_uint,
    threshold: usize,
) {
    setter!(
        qio_websock_options_builder_set_deflate(builder) =>
            builder.with_deflate(|it| it.level(level).threshold(threshold))
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_websock_options_builder_set_deflate_no_context_takeover(
    builder: *mut QIOWebsockOptionsBuilder,
    client: gboolean,
    server: gboolean,
) {
    setter!(
        qio_websock_options_builder_set_deflate_no_context_takeover(builder) =>
            builder.with_deflate(|mut it| {
                if client != GFALSE {
                    it = it.client_no_context_takeover();
                }
                match server != GFALSE {
                    true => it.server_no_context_takeover(),
                    false => it,
                }
            })
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_websock_options_builder_set_deflate_max_window_bits(
    builder: *mut QIOWebsockOptionsBuilder,
    client: c_uint,
    server: c_uint,
) {
    // More than any window has is as invalid as any other such number.
    let bits = |bits: c_uint| u8::try_from(bits).unwrap_or(u8::MAX);
    setter!(
        qio_websock_options_builder_set_deflate_max_window_bits(builder) =>
            builder.with_deflate(|it| {
                it.client_max_window_bits(bits(client)).server_max_window_bits(bits(server))
            })
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_websock_options_builder_set_ping_interval(
    builder: *mut QIOWebsockOptionsBuilder,
    interval_ms: c_uint,
) {
    setter!(
        qio_websock_options_builder_set_ping_interval(builder) =>
            builder.ping_interval(milliseconds(interval_ms))
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_websock_options_builder_set_pong_timeout(
    builder: *mut QIOWebsockOptionsBuilder,
    timeout_ms: c_uint,
) {
    setter!(
        qio_websock_options_builder_set_pong_timeout(builder) =>
            builder.pong_timeout(milliseconds(timeout_ms))
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_websock_options_builder_set_close_timeout(
    builder: *mut QIOWebsockOptionsBuilder,
    timeout_ms: c_uint,
) {
    setter!(
        qio_websock_options_builder_set_close_timeout(builder) =>
            builder.close_timeout(milliseconds(timeout_ms))
    );
}
