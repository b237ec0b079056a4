//! The small values that every room speaks: features, directions, flags, readiness.

use std::{
    io::{self, IoSliceMut},
    ops::Deref,
    os::fd::RawFd,
};

/// What a channel can do beyond reading and writing. The bits are `1 << n`, where `n` is the
/// number that QEMU gives the feature.
///
/// | flag | |
/// | --- | --- |
/// | `FD_PASS` | file descriptors can travel beside the data |
/// | `SHUTDOWN` | one direction, or both, can be shut down before the channel is closed |
/// | `LISTEN` | the channel listens for connections |
/// | `WRITE_ZERO_COPY` | writes can leave the caller's memory where it is until it has been sent |
/// | `READ_PEEK` | reads can leave the data in the channel ([`ReadFlags::PEEK`]) |
/// | `SEEKABLE` | the channel has positions: it can seek, read and write at an offset |
#[doc(alias = "QIOChannelFeature")]
pub use flags::Feature;

/// How one read behaves.
///
/// | flag | |
/// | --- | --- |
/// | `PEEK` | leave the data, and descriptors beside it, in the channel, so that the next read returns them again; needs [`Feature::READ_PEEK`] |
/// | `RELAXED_EOF` | a stream that ends without a proper goodbye counts as ended, and not as truncated; only channels that know the difference look at it |
/// | `FD_PRESERVE_BLOCKING` | received descriptors stay in the mode in which they were sent, which they always do: for code that has been written for QEMU |
#[doc(alias = "QIOChannelReadFlags")]
pub use flags::ReadFlags;

/// How one write behaves.
///
/// | flag | |
/// | --- | --- |
/// | `ZERO_COPY` | send without a copy; needs [`Feature::WRITE_ZERO_COPY`] |
///
/// The memory has to stay until [`flush`](crate::ChannelExt::flush) has succeeded. Bytes are kept for
/// it, by [`write_bytes_full`](crate::ChannelExt::write_bytes_full) and its kin; borrowed memory is
/// copied, and `flush` says so, unless [`writev_lent`](crate::Channel::writev_lent) is promised
/// more.
#[doc(alias = "QIOChannelWriteFlags")]
pub use flags::WriteFlags;

// `glib::flags` drops the comments of what it is applied to: they stand above.
#[allow(missing_docs)]
mod flags {
    #[glib::flags(name = "QIOChannelFeature")]
    pub enum Feature {
        #[flags_value(name = "QIO_CHANNEL_FEATURE_FD_PASS", nick = "fd-pass")]
        FD_PASS = 1 << 0,
        #[flags_value(name = "QIO_CHANNEL_FEATURE_SHUTDOWN", nick = "shutdown")]
        SHUTDOWN = 1 << 1,
        #[flags_value(name = "QIO_CHANNEL_FEATURE_LISTEN", nick = "listen")]
        LISTEN = 1 << 2,
        #[flags_value(name = "QIO_CHANNEL_FEATURE_WRITE_ZERO_COPY", nick = "write-zero-copy")]
        WRITE_ZERO_COPY = 1 << 3,
        #[flags_value(name = "QIO_CHANNEL_FEATURE_READ_MSG_PEEK", nick = "read-msg-peek")]
        READ_PEEK = 1 << 4,
        #[flags_value(name = "QIO_CHANNEL_FEATURE_SEEKABLE", nick = "seekable")]
        SEEKABLE = 1 << 5,
    }

    #[glib::flags(name = "QIOChannelReadFlags")]
    pub enum ReadFlags {
        #[flags_value(name = "QIO_CHANNEL_READ_FLAG_MSG_PEEK", nick = "msg-peek")]
        PEEK = 1 << 0,
        #[flags_value(name = "QIO_CHANNEL_READ_FLAG_RELAXED_EOF", nick = "relaxed-eof")]
        RELAXED_EOF = 1 << 1,
        #[flags_value(
            name = "QIO_CHANNEL_READ_FLAG_FD_PRESERVE_BLOCKING",
            nick = "fd-preserve-blocking"
        )]
        FD_PRESERVE_BLOCKING = 1 << 2,
    }

    #[glib::flags(name = "QIOChannelWriteFlags")]
    pub enum WriteFlags {
        #[flags_value(name = "QIO_CHANNEL_WRITE_FLAG_ZERO_COPY", nick = "zero-copy")]
        ZERO_COPY = 1 << 0,
    }
}

/// The direction that [`shutdown`](crate::ChannelExt::shutdown) ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, glib::Enum)]
#[enum_type(name = "QIOChannelShutdown")]
#[doc(alias = "QIOChannelShutdown")]
#[repr(i32)]
pub enum Shutdown {
    /// Nothing more will be received.
    #[enum_value(name = "QIO_CHANNEL_SHUTDOWN_READ", nick = "read")]
    Read = 1,
    /// Nothing more will be sent; the peer reads end-of-file.
    #[enum_value(name = "QIO_CHANNEL_SHUTDOWN_WRITE", nick = "write")]
    Write = 2,
    /// Both directions.
    #[enum_value(name = "QIO_CHANNEL_SHUTDOWN_BOTH", nick = "both")]
    Both = 3,
}

impl Shutdown {
    /// Whether this ends the receiving direction.
    #[must_use]
    pub fn reads(self) -> bool {
        matches!(self, Self::Read | Self::Both)
    }

    /// Whether this ends the sending direction.
    #[must_use]
    pub fn writes(self) -> bool {
        matches!(self, Self::Write | Self::Both)
    }
}

/// What [`flush`](crate::ChannelExt::flush) has found out about writes with
/// [`WriteFlags::ZERO_COPY`] since the last time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Flushed {
    /// At least one was sent from where the data is; or there was none.
    #[default]
    Sent,
    /// There were some, and the data of all of them was copied after all, as it is on the way to
    /// the same machine: plain writes would have cost less.
    Copied,
}

/// What to wait for until a condition of a channel is worth trying: the answer
/// of [`ChannelImpl::wait_fd`](crate::subclass::prelude::ChannelImpl::wait_fd).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Until this descriptor has this condition. The condition need not be the
    /// one that was asked for: a TLS channel may have to write before it can read.
    Fd(RawFd, glib::IOCondition),
    /// Nothing: try at once. Plain files, memory and buffered data are ready.
    Now,
    /// Until the source of
    /// [`ChannelImpl::create_watch`](crate::subclass::prelude::ChannelImpl::create_watch)
    /// fires: the channel has no descriptor to tell.
    Watch,
}

/// How many bytes a list of buffers has. Lists of C may name the same memory many times.
#[inline]
pub(crate) fn total_len<B: Deref<Target = [u8]>>(iov: &[B]) -> usize {
    iov.iter()
        .fold(0, |sum: usize, buf| sum.saturating_add(buf.len()))
}

/// A buffer of zeros, or an error where there is no memory for it: sizes come from callers. A large
/// one costs as it is filled: the system makes the zeros when a page is first written.
pub(crate) fn zeros(len: usize) -> io::Result<Vec<u8>> {
    let mut buf = Vec::new();
    buf.try_reserve_exact(len)
        .map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    if len < LARGE {
        buf.resize(len, 0);
        return Ok(buf);
    }
    drop(buf);
    Ok(vec![0; len])
}

/// From this size on memory comes from the system, and not from what was freed before.
const LARGE: usize = 128 * 1024;

/// What a read has put into a buffer of [`zeros`], without the memory that it has not used.
pub(crate) fn into_bytes(mut buf: Vec<u8>, count: usize) -> glib::Bytes {
    buf.truncate(count);
    if buf.capacity() - count >= LARGE {
        buf.shrink_to_fit();
    }
    glib::Bytes::from_owned(buf)
}

/// Hands data out to buffers, in order, and returns how much of it. What does not fit is left
/// out.
pub(crate) fn scatter(data: &[u8], iov: &mut [IoSliceMut<'_>]) -> usize {
    let mut rest = data;
    for buf in iov {
        let (here, later) = rest.split_at(rest.len().min(buf.len()));
        buf[..here.len()].copy_from_slice(here);
        rest = later;
    }
    data.len() - rest.len()
}

/// Asks a class of this crate not to wait in this call, whatever the mode of the channel is. Set
/// only by this crate, and only for slots of its own.
const NO_WAIT: u32 = 1 << 30;

/// Tells a layer of this crate that the descriptor below it is known to have nothing to read: what the
/// layer holds is all there may be. Set only by those who then wait for news of that.
const NO_NEWS: u32 = 1 << 28;

impl ReadFlags {
    pub(crate) const NO_WAIT: Self = Self::from_bits_retain(NO_WAIT);
    pub(crate) const NO_NEWS: Self = Self::from_bits_retain(NO_NEWS);
}

/// Tells a class of this crate that the memory of a write stays as it is until the channel has been
/// flushed. Set only by this crate, where the caller has promised so.
const LENT: u32 = 1 << 29;

impl WriteFlags {
    pub(crate) const NO_WAIT: Self = Self::from_bits_retain(NO_WAIT);
    pub(crate) const LENT: Self = Self::from_bits_retain(LENT);
}
