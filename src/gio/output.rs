//! The half that writes.

use std::{
    io::{self, IoSlice},
    sync::atomic::{AtomicBool, Ordering},
};

use gio::subclass::prelude::*;
use glib::{IOCondition, prelude::*};

use super::{
    ffi,
    half::{ChannelCell, channel_property, seekable},
};
use crate::{
    channel::{Channel, ChannelExt as _, ChannelFutureExt as _, blocking_cancellable, flush, now},
    coroutine,
    types::{Feature, Shutdown},
};

pub(super) mod imp {
    use super::*;

    #[derive(Debug, Default)]
    pub struct OutputStream {
        pub(in crate::gio) channel: ChannelCell,
        /// Whether flushing and closing this half leave the channel as it is: the stream closes
        /// that, or the last reference is released without a call to close.
        pub(in crate::gio) is_detached: AtomicBool,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for OutputStream {
        const NAME: &'static str = "QIOOutputStream";
        type Type = super::OutputStream;
        type ParentType = gio::OutputStream;
        type Interfaces = (gio::PollableOutputStream, gio::Seekable);

        fn class_init(class: &mut Self::Class) {
            ffi::fill_output(class);
        }
    }

    impl ObjectImpl for OutputStream {
        channel_property!();

        fn dispose(&self) {
            self.detach();
        }
    }

    impl OutputStreamImpl for OutputStream {
        fn write(
            &self,
            buffer: &[u8],
            cancellable: Option<&gio::Cancellable>,
        ) -> Result<usize, glib::Error> {
            self.writev(&[IoSlice::new(buffer)], cancellable)
        }

        fn flush(&self, cancellable: Option<&gio::Cancellable>) -> Result<(), glib::Error> {
            if self.is_detached() {
                return Ok(());
            }
            self.channel.with("flush", |channel| {
                flush::blocking_cancellable(channel, cancellable).map(|_| ())
            })
        }

        // GIO flushes before.
        fn close(&self, cancellable: Option<&gio::Cancellable>) -> Result<(), glib::Error> {
            if self.is_detached() {
                return Ok(());
            }
            self.channel.with("shut down", |channel| {
                if !channel.has_feature(Feature::SHUTDOWN) {
                    return Ok(());
                }
                let shutdown = blocking_cancellable(channel, IOCondition::OUT, cancellable, || {
                    channel.shutdown(Shutdown::Write)
                });
                unless_disconnected(shutdown)
            })
        }
    }

    impl OutputStream {
        /// Writes once from several buffers, and waits until that is possible.
        pub(in crate::gio) fn writev(
            &self,
            iov: &[IoSlice<'_>],
            cancellable: Option<&gio::Cancellable>,
        ) -> Result<usize, glib::Error> {
            self.channel.with("write to", |channel| {
                // GIO has pushed a cancellable on a stack of the thread: the coroutine must not be
                // suspended then.
                if cancellable.is_none() && coroutine::in_coroutine() {
                    return coroutine::wait_for(channel.writev_future(iov))?;
                }
                let write = || now::writev(channel, iov);
                let count = blocking_cancellable(channel, IOCondition::OUT, cancellable, write)?;
                if channel.is_layered() {
                    // The layer has accepted the bytes: an error belongs to the next call.
                    let _ = flush::blocking_cancellable(channel, cancellable);
                }
                Ok(count)
            })
        }

        pub(in crate::gio) fn detach(&self) {
            self.is_detached.store(true, Ordering::Relaxed);
        }

        pub(in crate::gio) fn is_detached(&self) -> bool {
            self.is_detached.load(Ordering::Relaxed)
        }
    }

    seekable!(OutputStream);
}

/// Closes the half that writes, in a future. GIO flushes before.
pub(super) async fn close_future(channel: &Channel) -> io::Result<()> {
    match channel.has_feature(Feature::SHUTDOWN) {
        true => unless_disconnected(channel.shutdown_future(Shutdown::Write).await),
        false => Ok(()),
    }
}

/// A peer that has disconnected needs no end-of-file.
fn unless_disconnected(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if e.raw_os_error() == Some(libc::ENOTCONN) => Ok(()),
        result => result,
    }
}

glib::wrapper! {
    /// The half of an [`IoStream`](crate::IoStream) that writes.
    ///
    /// It implements [`gio::PollableOutputStream`], so that GIO starts no threads for it, and
    /// [`gio::Seekable`]. It holds the channel, and may outlive the stream. Closing it sends what
    /// the channel has buffered, and shuts down the direction where the channel has
    /// [`Feature::SHUTDOWN`](crate::Feature::SHUTDOWN), so that the peer reads end-of-file; the
    /// channel stays open for reading. Dropping it does neither.
    ///
    /// # Examples
    ///
    /// ```
    /// use gio::prelude::*;
    /// use qio::{ChannelSocket, prelude::*};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (here, there) = ChannelSocket::pair()?;
    /// let output = here.io_stream().output_stream();
    /// output.write_all(b"hello\n", gio::Cancellable::NONE)?;
    /// output.close(gio::Cancellable::NONE)?;
    /// let mut greeting = [0; 6];
    /// there.read_all(&mut greeting)?;
    /// assert_eq!(&greeting, b"hello\n");
    /// assert_eq!(there.read(&mut greeting)?, 0);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "QIOOutputStream")]
    pub struct OutputStream(ObjectSubclass<imp::OutputStream>)
        @extends gio::OutputStream,
        @implements gio::PollableOutputStream, gio::Seekable;
}

impl OutputStream {
    pub(super) fn new(channel: Option<&Channel>) -> Self {
        glib::Object::builder().property("channel", channel).build()
    }
}
