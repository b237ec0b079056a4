//! The traits with the methods of channels, and those of GLib and GIO.

#[doc(no_inline)]
pub use gio::prelude::*;

pub use crate::channel::{
    ChannelExt, ChannelFramingExt, ChannelFutureExt, ChannelSeekExt, ChannelWatchExt, IoFutureExt,
};
pub use crate::gio::ChannelGioExt;
pub use crate::layer::ChannelFilterExt;
