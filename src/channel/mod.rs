//! The base class: its wrapper and [`ChannelExt`].
//!
//! `imp` is the state of an instance, `ffi` the C layout, `class` the virtual functions. `transfer`
//! has the loops that continue until all is done, `wait` the ways to wait, `stream` the traits of
//! `std::io`, `splice` moves bytes from one channel to another.

pub(crate) mod blocking;
pub(crate) mod class;
mod ext;
mod ext_future;
mod ext_seek;
mod ext_watch;
pub(crate) mod ffi;
mod file_pool;
pub(crate) mod flush;
mod framing;
pub(crate) mod handshakes;
pub(crate) mod imp;
pub(crate) mod lower_io;
pub(crate) mod now;
pub(crate) mod observed;
mod one_buffer;
mod poll_io;
mod splice;
pub(crate) mod stream;
mod stream_async;
mod timeout;
mod transfer;
mod wait;
mod yield_until;

pub use class::{ChannelImpl, ChannelImplExt, FdHandlers};
pub(crate) use class::{IoFlags, Transferred};
pub(crate) use poll_io::PollIo;
pub(crate) use transfer::{blocking_cancellable, wait_for};

pub use ext::ChannelExt;
pub use ext_future::ChannelFutureExt;
pub use ext_seek::ChannelSeekExt;
pub use ext_watch::ChannelWatchExt;
pub use framing::{ChannelFramingExt, Framing, Lines, LinesStream};
pub(crate) use splice::splice_in;
pub use splice::{
    ByteCounter, QIOByteCounter, RelayCounters, RelayStats, relay, relay_counted,
    relay_counted_future, relay_future,
};
pub use stream::BlockingIo;
pub use stream_async::{AsyncStream, ReadHalf, WriteHalf};
pub use timeout::IoFutureExt;
pub(crate) use timeout::cancellable_future;
pub(crate) use wait::{leased_watch, wait_until};

use std::io::{self, SeekFrom};

use glib::{prelude::*, subclass::prelude::*};

use crate::{
    hub::Direction,
    types::Feature,
    watch::{Pushback, Watched},
};

glib::wrapper! {
    /// The abstract base class of channels, which transfer bytes and file descriptors.
    ///
    /// The methods are in [`ChannelExt`]. Try first, and wait only after [`WouldBlock`], which
    /// costs no allocation. A new channel is in blocking mode, in which reads and writes wait.
    ///
    /// Channels can be shared between threads. [`shutdown`](ChannelExt::shutdown) and
    /// [`close`](ChannelExt::close) may be called while another thread is blocked in a read: that
    /// read returns. No lock is held during a system call that can wait.
    ///
    /// # Properties
    ///
    /// | name | type | |
    /// | --- | --- | --- |
    /// | `name` | string | readable, writable: label of the channel in messages |
    /// | `features` | [`Feature`] | readable |
    /// | `blocking` | boolean | readable, writable |
    /// | `closed` | boolean | readable |
    ///
    /// # Examples
    ///
    /// All classes are used in the same way:
    ///
    /// ```
    /// use qio::prelude::*;
    ///
    /// fn greet(channel: &impl IsA<qio::Channel>) -> std::io::Result<()> {
    ///     channel.write_all(b"hello\n")
    /// }
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let (here, there) = qio::ChannelSocket::pair()?;
    /// greet(&here)?;
    /// let mut line = [0; 6];
    /// there.read_all(&mut line)?;
    /// assert_eq!(&line, b"hello\n");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// [`WouldBlock`]: std::io::ErrorKind::WouldBlock
    #[doc(alias = "QIOChannel")]
    pub struct Channel(ObjectSubclass<imp::Channel>);
}

static_assertions::assert_impl_all!(Channel: Send, Sync);

impl Channel {
    /// The label of this channel in messages: its class, and its name if it has one.
    pub(crate) fn label(&self) -> String {
        self.imp().channel_state.texts.label(self.type_().name())
    }

    /// Calls `f` with the data that a watch of this channel needs.
    pub(crate) fn watched<R>(&self, f: impl FnOnce(Watched<'_>) -> R) -> R {
        let name = self.imp().name();
        f(Watched {
            object: self.upcast_ref(),
            channel_state: &self.imp().channel_state,
            name: name.as_deref().unwrap_or(self.type_().name()),
        })
    }

    /// The lower channel of a layered channel.
    #[inline]
    pub(crate) fn lower(&self) -> Option<&Self> {
        class::VFuncs::of(self).lower()?(self)
    }

    /// The channel below a layered one, also where a derived class overrides how to wait.
    fn below(&self) -> Option<&Self> {
        class::VFuncs::of(self).below()?(self)
    }

    /// Whether the channel is a layer, which may have pending output.
    #[inline]
    pub(crate) fn is_layered(&self) -> bool {
        self.below().is_some()
    }

    /// The channel whose descriptor reports readiness: this one, or the bottom channel of a layered
    /// one.
    #[inline]
    pub(crate) fn bottom(&self) -> &Self {
        let mut bottom = self;
        while let Some(lower) = bottom.lower() {
            bottom = lower;
        }
        bottom
    }

    /// Whether epoll reports the readiness of this channel: not that of a file on disk.
    pub(crate) fn can_poll(&self) -> bool {
        !self.bottom().imp().is_regular_file()
    }

    /// Pushes back data that was read and not consumed: the next reader gets it first.
    fn push_back_data(&self, data: Pushback) {
        self.imp().channel_state.push_back(data);
        if self.lower().is_some() {
            self.wake_waiters();
        }
    }

    /// Moves the position back to where the next read begins: pushed-back data of a seekable
    /// channel is read again.
    pub(crate) fn take_back_pushback(&self) -> io::Result<()> {
        let pushback = &self.imp().channel_state.pushback;
        if !pushback.is_readable() || !self.imp().features().contains(Feature::SEEKABLE) {
            return Ok(());
        }
        let Some(data) = pushback.with(std::mem::take) else {
            return Ok(());
        };
        // The size of a buffer in memory fits.
        let to = SeekFrom::Current(-(data.bytes().len() as i64));
        let moved = class::VFuncs::of(self).seek(to);
        if moved.is_err() {
            self.push_back_data(data);
        }
        moved.map(drop)
    }

    /// Whether a read gets pushed-back data.
    pub(crate) fn has_pushback(&self) -> bool {
        self.imp().channel_state.pushback.is_readable()
    }

    /// Attaches the channel and its lower channel to a context, or to none.
    fn set_context(&self, context: Option<&glib::MainContext>) {
        let mut next = Some(self);
        while let Some(channel) = next {
            channel.imp().channel_state.set_context(context.cloned());
            next = channel.lower();
        }
    }

    /// Makes all waiters for this channel poll again: a state has changed that no descriptor
    /// reports.
    pub(crate) fn wake_waiters(&self) {
        self.imp().channel_state.wake();
        let bottom = self.bottom();
        if bottom != self {
            // Futures are in the wait list of the bottom channel.
            bottom.imp().channel_state.wake();
        }
    }

    /// As [`wake_waiters`](Self::wake_waiters), for a layered channel that has consumed the
    /// readiness of a direction of the bottom channel, and has data for its own waiters.
    pub(crate) fn wake_waiters_for(&self, side: Direction) {
        self.imp().channel_state.wake();
        let bottom = &self.bottom().imp().channel_state;
        // After the change: a waiter that is entered later sees it.
        if bottom.is_waited_for(side) {
            bottom.wake();
        }
    }

    /// Adds features, for the class of the channel.
    pub(crate) fn add_features(&self, features: Feature) {
        self.imp().add_features(features);
    }

    /// The same in `constructed`, where no handler is connected that would be notified.
    pub(crate) fn set_first_features(&self, features: Feature) {
        self.imp().set_first_features(features);
    }

    /// Records the mode of an adopted descriptor.
    pub(crate) fn set_blocking_state(&self, enabled: bool) {
        self.imp().set_blocking_state(enabled);
    }
}
