//! The channels that wrap another channel, and what they need.

mod filter;
mod tls;
mod tls_creds;
mod websock;

use glib::{prelude::*, translate::*};

use super::Argument;

/// A reference for the length of a call: a handler of a signal may drop the others.
struct Kept<T> {
    _layer: T,
}

impl<T: ObjectType> Argument<&T> for Kept<T> {
    unsafe fn from_c(layer: &T, _: &str) -> Result<Self, String> {
        Ok(Self {
            _layer: layer.clone(),
        })
    }
}

/// What a property holds, to be given away; NULL where a channel was made by its type alone.
fn object<T>(layer: &impl IsA<glib::Object>, property: &str) -> *mut T {
    let object = layer.property::<Option<glib::Object>>(property);
    let raw: *mut gobject_sys::GObject = object.to_glib_full();
    raw.cast()
}
