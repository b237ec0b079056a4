//! The half that reads.

use std::io::IoSliceMut;

use gio::subclass::prelude::*;
use glib::{IOCondition, prelude::*};

use super::{
    ffi,
    half::{ChannelCell, channel_property, seekable},
};
use crate::{
    channel::{Channel, ChannelFutureExt as _, blocking_cancellable, now},
    coroutine,
};

pub(super) mod imp {
    use super::*;

    #[derive(Debug, Default)]
    pub struct InputStream {
        pub(in crate::gio) channel: ChannelCell,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for InputStream {
        const NAME: &'static str = "QIOInputStream";
        type Type = super::InputStream;
        type ParentType = gio::InputStream;
        type Interfaces = (gio::PollableInputStream, gio::Seekable);

        fn class_init(class: &mut Self::Class) {
            ffi::fill_input(class);
        }
    }

    impl ObjectImpl for InputStream {
        channel_property!();
    }

    impl InputStreamImpl for InputStream {
        fn read(
            &self,
            buffer: &mut [u8],
            cancellable: Option<&gio::Cancellable>,
        ) -> Result<usize, glib::Error> {
            self.channel.with("read from", |channel| {
                // GIO has pushed a cancellable on a stack of the thread: the coroutine must not be
                // suspended then.
                if cancellable.is_none() && coroutine::in_coroutine() {
                    return coroutine::wait_for(channel.read_future(buffer))?;
                }
                blocking_cancellable(channel, IOCondition::IN, cancellable, || {
                    now::readv(channel, &mut [IoSliceMut::new(buffer)])
                })
            })
        }

        fn close(&self, _cancellable: Option<&gio::Cancellable>) -> Result<(), glib::Error> {
            // The channel stays open for the other half.
            Ok(())
        }
    }

    seekable!(InputStream);
}

glib::wrapper! {
    /// The half of an [`IoStream`](crate::IoStream) that reads.
    ///
    /// It implements [`gio::PollableInputStream`], so that GIO starts no threads for it, and
    /// [`gio::Seekable`]. It holds the channel, and may outlive the stream. Closing it leaves the
    /// channel open.
    ///
    /// # Examples
    ///
    /// ```
    /// use gio::prelude::*;
    /// use qio::{ChannelSocket, prelude::*};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (here, there) = ChannelSocket::pair()?;
    /// there.write_all(b"a line\n")?;
    /// let lines = gio::DataInputStream::new(&here.io_stream().input_stream());
    /// assert_eq!(lines.read_line_utf8(gio::Cancellable::NONE)?.as_deref(), Some("a line"));
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "QIOInputStream")]
    pub struct InputStream(ObjectSubclass<imp::InputStream>)
        @extends gio::InputStream,
        @implements gio::PollableInputStream, gio::Seekable;
}

impl InputStream {
    pub(super) fn new(channel: Option<&Channel>) -> Self {
        glib::Object::builder().property("channel", channel).build()
    }
}
