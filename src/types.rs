//! The small types that all modules use: features, directions, flags, readiness.

use std::{
    io::{self, IoSliceMut},
    ops::Deref,
    os::fd::RawFd,
    path::PathBuf,
    time::Duration,
};

/// The string of a property that is set. Logs a warning, and returns `None`, if it is not UTF-8.
pub(crate) fn string_property(
    value: &glib::Value,
    pspec: &glib::ParamSpec,
) -> Option<Option<String>> {
    // Any bytes are a path. Reading them as a string would panic.
    let path: Option<PathBuf> = value.get().expect("a string");
    let text = path.map(|path| path.into_os_string().into_string());
    match text.transpose() {
        Ok(text) => Some(text),
        Err(_) => {
            let name = pspec.name();
            glib::g_warning!(
                "Qio",
                "Unable to set the property \"{name}\": it is not UTF-8"
            );
            None
        }
    }
}

/// What a channel can do beyond reading and writing.
///
/// The bits are `1 << n`, where `n` is the number of the feature in QEMU.
///
/// | flag | |
/// | --- | --- |
/// | `FD_PASS` | file descriptors can be passed with the data |
/// | `SHUTDOWN` | one direction, or both, can be shut down before the channel is closed |
/// | `LISTEN` | the channel listens for connections |
/// | `WRITE_ZERO_COPY` | writes can be sent without a copy of the caller's memory |
/// | `READ_PEEK` | reads can leave the data in the channel ([`ReadFlags::PEEK`]) |
/// | `SEEKABLE` | the channel has a position: it can seek, read and write at an offset |
#[doc(alias = "QIOChannelFeature")]
pub use flags::Feature;

/// Flags of a read.
///
/// | flag | |
/// | --- | --- |
/// | `PEEK` | leave the data, and descriptors passed with it, in the channel, so that the next read returns them again; needs [`Feature::READ_PEEK`] |
/// | `RELAXED_EOF` | a stream that ends without close_notify counts as ended, and not as truncated; only layered channels with that distinction use it |
/// | `FD_PRESERVE_BLOCKING` | received descriptors stay in the mode in which they were sent, which they always do: for code that has been written for QEMU |
#[doc(alias = "QIOChannelReadFlags")]
pub use flags::ReadFlags;

/// Flags of a write.
///
/// | flag | |
/// | --- | --- |
/// | `ZERO_COPY` | send without a copy; needs [`Feature::WRITE_ZERO_COPY`] |
///
/// The memory must stay valid until [`flush`](crate::ChannelExt::flush) has succeeded.
/// [`write_bytes_full`](crate::ChannelExt::write_bytes_full) and related functions hold a reference
/// to their bytes; memory of other functions is copied, which `flush` reports, except with
/// [`writev_zero_copy`](crate::Channel::writev_zero_copy).
#[doc(alias = "QIOChannelWriteFlags")]
pub use flags::WriteFlags;

// `glib::flags` drops the comments of the item that it is applied to: they are above.
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
    /// No more data is received.
    #[enum_value(name = "QIO_CHANNEL_SHUTDOWN_READ", nick = "read")]
    Read = 1,
    /// No more data is sent; the peer reads end-of-file.
    #[enum_value(name = "QIO_CHANNEL_SHUTDOWN_WRITE", nick = "write")]
    Write = 2,
    /// Both directions.
    #[enum_value(name = "QIO_CHANNEL_SHUTDOWN_BOTH", nick = "both")]
    Both = 3,
}

impl Shutdown {
    /// Returns whether this shuts down receiving.
    #[must_use]
    pub fn reads(self) -> bool {
        matches!(self, Self::Read | Self::Both)
    }

    /// Returns whether this shuts down sending.
    #[must_use]
    pub fn writes(self) -> bool {
        matches!(self, Self::Write | Self::Both)
    }
}

/// The result of [`flush`](crate::ChannelExt::flush): how zero-copy writes were sent.
///
/// For the writes with [`WriteFlags::ZERO_COPY`] since the last flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Flushed {
    /// At least one was sent without a copy, or there was none.
    #[default]
    ZeroCopy,
    /// The kernel has copied all of them, as the peer is on the same machine: plain writes would
    /// have cost less.
    Copied,
}

/// What to wait for until an attempt is worthwhile.
///
/// The result of [`ChannelImpl::wait_fd`](crate::subclass::prelude::ChannelImpl::wait_fd).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Wait until this descriptor has this condition, which need not be the requested one:
    /// a TLS channel may have to write before it can read.
    Fd(RawFd, glib::IOCondition),
    /// Do not wait: try at once. Plain files, memory and buffered data are ready.
    Now,
    /// Wait for the source of
    /// [`ChannelImpl::create_watch`](crate::subclass::prelude::ChannelImpl::create_watch): the
    /// channel has no descriptor to poll.
    Watch,
}

/// A time as properties and C have it.
pub(crate) fn milliseconds(count: u32) -> Duration {
    Duration::from_millis(count.into())
}

/// The same in milliseconds, or the largest number of them.
pub(crate) fn to_milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

/// The number of bytes of a list of buffers. Lists of C may have the same memory many times.
#[inline]
pub(crate) fn total_len<B: Deref<Target = [u8]>>(iov: &[B]) -> usize {
    iov.iter()
        .fold(0, |sum: usize, buf| sum.saturating_add(buf.len()))
}

/// A buffer of zeros, or an error if there is no memory for it: sizes come from callers. The kernel
/// allocates the pages of a large one on first use.
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

/// From this size on memory comes from the kernel, and not from memory that was freed before.
const LARGE: usize = 128 * 1024;

/// The bytes that a read has put into a buffer of [`zeros`], without unused memory.
pub(crate) fn into_bytes(mut buf: Vec<u8>, count: usize) -> glib::Bytes {
    buf.truncate(count);
    if buf.capacity() - count >= LARGE {
        buf.shrink_to_fit();
    }
    glib::Bytes::from_owned(buf)
}

/// Copies data to buffers, in order, and returns the number of bytes that fit.
pub(crate) fn scatter(data: &[u8], iov: &mut [IoSliceMut<'_>]) -> usize {
    let mut rest = data;
    for buf in iov {
        let (here, later) = rest.split_at(rest.len().min(buf.len()));
        buf[..here.len()].copy_from_slice(here);
        rest = later;
    }
    data.len() - rest.len()
}

/// Forbids a class of this crate to block in this call, whatever the mode of the channel is. Set
/// only by this crate, and only for its own virtual functions.
const NO_WAIT: u32 = 1 << 30;

/// The lower channel of a layered channel of this crate has had no readiness event: only buffered
/// data can be returned. Set only by callers that then wait for an event.
const NO_EVENT: u32 = 1 << 28;

impl ReadFlags {
    pub(crate) const NO_WAIT: Self = Self::from_bits_retain(NO_WAIT);
    pub(crate) const NO_EVENT: Self = Self::from_bits_retain(NO_EVENT);
}

/// The memory of a write stays valid and unchanged until the channel has been flushed. Set only by
/// this crate, where the caller has promised that.
const BORROWED: u32 = 1 << 29;

impl WriteFlags {
    pub(crate) const NO_WAIT: Self = Self::from_bits_retain(NO_WAIT);
    pub(crate) const BORROWED: Self = Self::from_bits_retain(BORROWED);
}
