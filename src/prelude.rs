//! The traits with the methods of channels, and those of GLib and GIO.

#[doc(no_inline)]
pub use gio::prelude::*;

pub use crate::channel::{
    ChannelExt, ChannelFutureExt, ChannelSeekExt, ChannelWatchExt, IoFutureExt,
};
