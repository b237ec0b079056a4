//! Headers of HTTP, as C has them: lists of `Name: value`.

use std::{
    ffi::{CStr, c_char},
    io, ptr,
};

use glib::translate::*;

use crate::capi::argument::null_terminated;
use crate::{
    ChannelWebsock,
    capi::{Argument, method},
    error::invalid,
    ffi::QIOChannelWebsock,
};

/// Headers that a caller adds to a response.
pub(super) struct Headers(Vec<String>);

impl Argument<*const *const c_char> for Headers {
    unsafe fn from_c(raw: *const *const c_char, _: &str) -> Result<Self, String> {
        if raw.is_null() {
            return Ok(Self(Vec::new()));
        }
        // SAFETY: the C contract: a list that ends in NULL.
        let lines = unsafe { null_terminated(raw) }.into_iter();
        // What is not UTF-8 is no valid header either, with the characters that replace it.
        let lines = lines.map(CStr::to_string_lossy).map(Into::into);
        Ok(Self(lines.collect()))
    }
}

impl Headers {
    /// The name and the value of each.
    pub(super) fn pairs(&self) -> io::Result<Vec<(&str, &str)>> {
        let lines = self.0.iter();
        lines
            .map(|line| {
                let (name, value) = line
                    .split_once(':')
                    .ok_or_else(|| invalid(&format!("{line:?} is no header: it has no colon")))?;
                Ok((name, value.trim_matches([' ', '\t'])))
            })
            .collect()
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_get_request_header(
    websock: *mut QIOChannelWebsock,
    name: *const c_char,
) -> *mut c_char {
    method!(
        qio_channel_websock_get_request_header(websock: ChannelWebsock, name: &str), string =>
            websock.request_header(name)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_list_request_headers(
    websock: *mut QIOChannelWebsock,
) -> *mut *mut c_char {
    method!(
        qio_channel_websock_list_request_headers(websock: ChannelWebsock) or ptr::null_mut() => {
            let headers = websock.request_headers().into_iter();
            let lines = headers.map(|(name, value)| format!("{name}: {value}"));
            lines.collect::<Vec<_>>().to_glib_full()
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_get_response_header(
    websock: *mut QIOChannelWebsock,
    name: *const c_char,
) -> *mut c_char {
    method!(
        qio_channel_websock_get_response_header(websock: ChannelWebsock, name: &str), string =>
            websock.response_header(name)
    )
}
