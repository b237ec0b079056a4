//! The base class: its wrapper and [`ChannelExt`].
//!
//! `imp` is what an instance carries, `ffi` the C layout, `class` the virtual functions.
//! `all` holds the loops that go on until everything is done, `ready` the ways to wait,
//! `stream` the traits of `std::io`, `splice` what moves bytes from one channel to another.

mod all;
pub(crate) mod blocking;
pub(crate) mod class;
mod disk;
mod ext;
mod ext_future;
pub(crate) mod ffi;
mod flush;
pub(crate) mod handshakes;
pub(crate) mod imp;
mod limit;
pub(crate) mod lower_io;
mod one_buffer;
mod poll_io;
mod ready;
mod splice;
pub(crate) mod stream;
mod stream_async;
mod yield_until;

pub(crate) use all::wait_for;
pub use class::{ChannelImpl, ChannelImplExt, FdHandlers};
pub(crate) use poll_io::{IoFlags, PollIo, Transferred};

pub use ext::ChannelExt;
pub use ext_future::ChannelFutureExt;
pub use limit::IoFutureExt;
#[cfg(feature = "capi")]
pub(crate) use limit::cancellable_future;
pub(crate) use ready::leased_watch;
pub(crate) use splice::splice_in;
pub use splice::{
    ByteCounter, QIOByteCounter, RelayCounters, Relayed, relay, relay_counted,
    relay_counted_future, relay_future,
};
pub use stream::Waiting;
pub use stream_async::{AsyncStream, ReadHalf, WriteHalf};

use glib::{prelude::*, subclass::prelude::*};

use crate::{hub::Direction, types::Feature, watch::Watched};

glib::wrapper! {
    /// A channel that bytes, and sometimes file descriptors, go through: the abstract
    /// base class of them all. Its methods are in [`ChannelExt`].
    ///
    /// The first error of a read or write that says [`WouldBlock`] costs nothing: try,
    /// and wait only then. In blocking mode, the mode of a new channel, reads and
    /// writes wait by themselves.
    ///
    /// Channels can be shared between threads. [`shutdown`](ChannelExt::shutdown) and
    /// [`close`](ChannelExt::close) may be called while another thread is blocked in a
    /// read: that read returns. No lock is held while the system is being called.
    ///
    /// # Properties
    ///
    /// | name | type | |
    /// | --- | --- | --- |
    /// | `name` | string | readable, writable: what the channel is called in messages |
    /// | `features` | [`Feature`] | readable |
    /// | `blocking` | boolean | readable, writable |
    /// | `closed` | boolean | readable |
    ///
    /// # Examples
    ///
    /// Whatever it is, it is used in the same way:
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
    /// What messages call this channel: its class, and its name if it has one.
    pub(crate) fn label(&self) -> String {
        let class = self.type_().name();
        match self.imp().name() {
            Some(name) => format!("{class} \"{name}\""),
            None => match self.imp().description() {
                Some(description) => description.to_owned(),
                None => class.to_owned(),
            },
        }
    }

    /// Calls `f` with what a watch of this channel needs to know.
    pub(crate) fn watched<R>(&self, f: impl FnOnce(Watched<'_>) -> R) -> R {
        let name = self.imp().name();
        f(Watched {
            object: self.upcast_ref(),
            waiters: &self.imp().waiters,
            name: name.as_deref().unwrap_or(self.type_().name()),
        })
    }

    /// The channel below this layer, if it is one.
    #[inline]
    pub(crate) fn below(&self) -> Option<&Self> {
        class::VFuncs::of(self).below()?(self)
    }

    /// The channel whose descriptor tells of this one: itself, or what is below all layers.
    #[inline]
    pub(crate) fn base(&self) -> &Self {
        let mut base = self;
        while let Some(below) = base.below() {
            base = below;
        }
        base
    }

    /// Whether a read gets what somebody else had read and given back.
    pub(crate) fn has_unread(&self) -> bool {
        self.imp().waiters.unread.is_readable()
    }

    /// Attaches the channel to a context, or to none, and what is below it.
    fn set_context(&self, context: Option<&glib::MainContext>) {
        let mut next = Some(self);
        while let Some(channel) = next {
            channel.imp().waiters.set_context(context.cloned());
            next = channel.below();
        }
    }

    /// Makes everybody look again who waits for this channel: something has changed that no
    /// descriptor tells.
    pub(crate) fn wake_waiters(&self) {
        self.imp().waiters.wake();
        let base = self.base();
        if base != self {
            // Futures wait there.
            base.imp().waiters.wake();
        }
    }

    /// As [`wake_waiters`](Self::wake_waiters), of a layer that has taken what those who wait for a direction of
    /// what is below would have been told of, and has something for them itself.
    pub(crate) fn wake_waiters_for(&self, side: Direction) {
        self.imp().waiters.wake();
        let base = &self.base().imp().waiters;
        // After that: whoever is entered there later sees that it has changed.
        if base.is_waited_for(side) {
            base.wake();
        }
    }

    /// Adds features, for the class of the channel.
    pub(crate) fn add_features(&self, features: Feature) {
        self.imp().add_features(features);
    }

    /// Tells the base class the mode that an adopted descriptor is in.
    pub(crate) fn set_blocking_state(&self, enabled: bool) {
        self.imp().set_blocking_state(enabled);
    }
}
