//! Channels as streams of GIO.
//!
//! `stream` is the pair, `input` and `output` are its halves; `half` has what these share. `ffi`
//! fills the virtual functions that gtk-rs has no traits for, and has the streams of other
//! libraries. `task` is the `GTask` of an asynchronous function, of streams and of the C library.

mod ffi;
mod half;
mod input;
mod output;
mod stream;
pub(crate) mod task;

pub(crate) use ffi::foreign::{ForeignInput, ForeignOutput, ForeignStream, seek};
pub use input::InputStream;
pub use output::OutputStream;
pub use stream::IoStream;

use glib::prelude::*;

use crate::channel::Channel;

/// Channels for functions that take streams of GIO.
pub trait ChannelGioExt: IsA<Channel> {
    /// Returns a stream of GIO that reads from and writes to this channel.
    ///
    /// Each call creates one. See [`IoStream`].
    #[doc(alias = "qio_io_stream_new")]
    fn io_stream(&self) -> IoStream {
        IoStream::new(self)
    }
}

impl<C: IsA<Channel>> ChannelGioExt for C {}
