//! The pair of streams.

use std::{
    future::{Future, poll_fn},
    io,
    pin::pin,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use gio::{prelude::*, subclass::prelude::*};

use super::{
    ffi::{self, Confined},
    half::{ChannelCell, channel_property},
    input::InputStream,
    output::OutputStream,
    task::until_cancelled,
};
use crate::channel::{Channel, ChannelExt as _, ChannelFutureExt as _, flush};

pub(super) mod imp {
    use super::*;

    #[derive(Debug, Default)]
    pub struct IoStream {
        pub(in crate::gio) channel: ChannelCell,
        pub(in crate::gio) input: OnceLock<Confined<InputStream>>,
        pub(in crate::gio) output: OnceLock<Confined<OutputStream>>,
        /// Whether the last reference goes: GIO closes the stream then, but not its channel.
        pub(in crate::gio) is_disposed: AtomicBool,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for IoStream {
        const NAME: &'static str = "QIOIOStream";
        type Type = super::IoStream;
        type ParentType = gio::IOStream;

        fn class_init(class: &mut Self::Class) {
            ffi::fill_io_stream(class);
        }
    }

    impl ObjectImpl for IoStream {
        channel_property!();

        fn dispose(&self) {
            self.is_disposed.store(true, Ordering::Relaxed);
        }
    }

    impl IOStreamImpl for IoStream {
        fn close(&self, cancellable: Option<&gio::Cancellable>) -> Result<(), glib::Error> {
            if self.is_disposed.load(Ordering::Relaxed) {
                return Ok(());
            }
            self.channel.with("close", |channel| {
                let flushed = match channel.is_closed() {
                    true => Ok(()),
                    false => flush::blocking_cancellable(channel, cancellable).map(|_| ()),
                };
                self.close_halves();
                flushed.and(channel.close())
            })
        }
    }

    impl IoStream {
        pub(in crate::gio) fn input(&self) -> &Confined<InputStream> {
            self.input
                .get_or_init(|| Confined::new(InputStream::new(self.channel.get())))
        }

        pub(in crate::gio) fn output(&self) -> &Confined<OutputStream> {
            self.output
                .get_or_init(|| Confined::new(OutputStream::new(self.channel.get())))
        }

        /// Makes further operations of the halves fail. A half with a pending operation stays as it
        /// is: the channel is closed next, which ends that operation.
        pub(in crate::gio) fn close_halves(&self) {
            let (input, output) = (self.input().get(), self.output().get());
            output.imp().detach();
            let _ = output.close(gio::Cancellable::NONE);
            let _ = input.close(gio::Cancellable::NONE);
        }
    }
}

/// As closing the stream, in a future: `close_halves` is called in between. The channel is closed
/// in any case: a cancellation ends the flush, and the wait for the close.
pub(super) async fn close_future(
    channel: &Channel,
    cancellable: Option<gio::Cancellable>,
    close_halves: impl FnOnce(),
) -> io::Result<()> {
    let flush = async { channel.flush_future().await.map(drop) };
    let flushed = match channel.is_closed() {
        true => Ok(()),
        false => until_cancelled(flush, cancellable.clone()).await,
    };
    close_halves();
    let mut closing = pin!(channel.close_future());
    // The first poll begins the close, which then continues whether or not the future is dropped.
    let closed = match poll_fn(|cx| Poll::Ready(closing.as_mut().poll(cx))).await {
        Poll::Ready(closed) => closed,
        Poll::Pending => until_cancelled(closing, cancellable).await,
    };
    flushed.and(closed)
}

glib::wrapper! {
    /// A channel as a stream of GIO, for all that takes one: [`gio::DBusConnection`],
    /// [`gio::TlsConnection`], [`gio::DataInputStream`], libsoup, converters.
    ///
    /// Made by [`ChannelGioExt::io_stream`](crate::ChannelGioExt::io_stream). The halves,
    /// [`InputStream`](crate::InputStream) and [`OutputStream`](crate::OutputStream), are pollable:
    /// asynchronous calls wait on the main loop of the caller and start no threads. A file on disk
    /// is not pollable, and its asynchronous calls are made in threads. The mode of the channel
    /// does not matter and does not change: blocking calls wait, the others do not.
    ///
    /// Closing the stream sends what the channel has buffered, and closes the channel. Dropping it
    /// does not: a stream that was made for one call leaves the connection open.
    ///
    /// A reader that reads ahead, such as [`gio::DataInputStream`], keeps what it has read: it is
    /// lost for the channel.
    ///
    /// Use a stream in one thread at a time, as all streams of GIO.
    ///
    /// # Properties
    ///
    /// | name | type | |
    /// | --- | --- | --- |
    /// | `channel` | [`Channel`] | readable, set by the constructor |
    ///
    /// # Examples
    ///
    /// D-Bus over a pair of sockets:
    ///
    /// ```
    /// use gio::{DBusConnection, DBusConnectionFlags};
    /// use qio::{ChannelSocket, prelude::*};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (here, there) = ChannelSocket::pair()?;
    /// let guid = gio::dbus_generate_guid();
    /// let flags = DBusConnectionFlags::AUTHENTICATION_SERVER
    ///     | DBusConnectionFlags::AUTHENTICATION_ALLOW_ANONYMOUS;
    /// let server = DBusConnection::new_future(&here.io_stream(), Some(&guid), flags, None);
    /// let flags = DBusConnectionFlags::AUTHENTICATION_CLIENT;
    /// let client = DBusConnection::new_future(&there.io_stream(), None, flags, None);
    /// glib::MainContext::default().block_on(async {
    ///     let (server, client) = futures_util::future::join(server, client).await;
    ///     assert_eq!(client?.guid(), server?.guid());
    ///     Ok::<_, glib::Error>(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "QIOIOStream")]
    pub struct IoStream(ObjectSubclass<imp::IoStream>) @extends gio::IOStream;
}

impl IoStream {
    /// Creates a stream for a channel.
    ///
    /// It holds a reference to the channel.
    #[doc(alias = "qio_io_stream_new")]
    #[must_use]
    pub fn new(channel: &impl IsA<Channel>) -> Self {
        glib::Object::builder()
            .property("channel", channel.as_ref())
            .build()
    }

    /// Returns the channel, or `None` for a stream that was constructed without one.
    #[doc(alias = "qio_io_stream_get_channel")]
    #[doc(alias = "get_channel")]
    #[must_use]
    pub fn channel(&self) -> Option<Channel> {
        self.imp().channel.get().cloned()
    }
}
