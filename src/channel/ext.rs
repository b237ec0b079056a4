//! [`ChannelExt`]: documentation and one-line bodies.

use std::{
    io::{self, IoSlice, IoSliceMut},
    os::fd::{BorrowedFd, OwnedFd},
};

use glib::{SignalHandlerId, prelude::*, subclass::prelude::*};

use super::{
    AsyncStream, BlockingIo, ByteCounter, Channel,
    class::VFuncs,
    flush, splice,
    transfer::{ReadAll, WriteAll},
};
use crate::types::{Feature, Flushed, ReadFlags, Shutdown, WriteFlags};

/// The methods of every [`Channel`]: its state, reading and writing, closing.
///
/// Waiting and watches are in [`ChannelWatchExt`](super::ChannelWatchExt), positions in
/// [`ChannelSeekExt`](super::ChannelSeekExt), futures in
/// [`ChannelFutureExt`](super::ChannelFutureExt). The [prelude](crate::prelude) has all four.
///
/// # Errors
///
/// System errors are those of [`std::io::Error::from_raw_os_error`]. On a closed channel all
/// operations but transfers of no bytes fail with `G_IO_ERROR_CLOSED` inside an error of the kind
/// [`NotConnected`](io::ErrorKind::NotConnected). Operations that a class does not implement fail
/// with [`Unsupported`](io::ErrorKind::Unsupported). On a non-blocking channel an operation that
/// would block fails with [`WouldBlock`](io::ErrorKind::WouldBlock), unless the function is
/// documented to wait.
///
/// # Buffers
///
/// Functions that take several buffers fill or empty each before the next. Empty buffers are
/// skipped. Reading into buffers of no size, or writing nothing, returns 0 at once.
pub trait ChannelExt: IsA<Channel> + 'static {
    /// Returns the name of the channel, for messages and for its sources.
    #[doc(alias = "qio_channel_get_name")]
    fn name(&self) -> Option<glib::GString> {
        self.as_ref().imp().name()
    }

    /// Sets the name of the channel, as an aid to debugging.
    #[doc(alias = "qio_channel_set_name")]
    fn set_name(&self, name: Option<&str>) {
        self.as_ref().imp().set_name(name.map(Into::into));
    }

    /// Returns the features of the channel: what it can do beyond reading and writing.
    #[doc(alias = "qio_channel_get_features")]
    fn features(&self) -> Feature {
        self.as_ref().imp().features()
    }

    /// Returns whether the channel has all of the given features.
    #[doc(alias = "qio_channel_has_feature")]
    fn has_feature(&self, feature: Feature) -> bool {
        self.features().contains(feature)
    }

    /// Adds a feature: for classes, when an instance detects that it has one.
    #[doc(alias = "qio_channel_set_feature")]
    fn set_feature(&self, feature: Feature) {
        self.as_ref().add_features(feature);
    }

    /// Reads once, into several buffers, with file descriptors and flags.
    ///
    /// Returns the number of bytes; 0 is end-of-file. In blocking mode waits for at least one byte.
    /// Descriptors that were passed with the data are added to `fds`; they are close-on-exec. A
    /// read with `None` closes received descriptors.
    ///
    /// # Errors
    ///
    /// `EINVAL` for `fds` without [`Feature::FD_PASS`] or a flag without its feature. On any error
    /// received descriptors are closed.
    #[doc(alias = "qio_channel_readv_full")]
    #[doc(alias = "qio_channel_read_bytes_with_fds")]
    fn readv_full(
        &self,
        iov: &mut [IoSliceMut<'_>],
        fds: Option<&mut Vec<OwnedFd>>,
        flags: ReadFlags,
    ) -> io::Result<usize> {
        VFuncs::of(self.as_ref()).readv(iov, fds, flags)
    }

    /// Writes once, from several buffers, with file descriptors and flags.
    ///
    /// Returns the number of bytes, which may be fewer than there are. In blocking mode waits until
    /// at least one byte is written. All `fds` are passed with the first byte, if any byte is
    /// written; the caller's descriptors stay open.
    ///
    /// # Errors
    ///
    /// `EINVAL` for `fds` without [`Feature::FD_PASS`] or without data, and for a flag without its
    /// feature.
    #[doc(alias = "qio_channel_writev_full")]
    fn writev_full(
        &self,
        iov: &[IoSlice<'_>],
        fds: &[BorrowedFd<'_>],
        flags: WriteFlags,
    ) -> io::Result<usize> {
        VFuncs::of(self.as_ref()).writev(iov, fds, flags)
    }

    /// Reads once, into several buffers. See [`readv_full`](Self::readv_full).
    #[doc(alias = "qio_channel_readv")]
    fn readv(&self, iov: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        VFuncs::of(self.as_ref()).readv(iov, None, ReadFlags::empty())
    }

    /// Writes once, from several buffers. See [`writev_full`](Self::writev_full).
    #[doc(alias = "qio_channel_writev")]
    fn writev(&self, iov: &[IoSlice<'_>]) -> io::Result<usize> {
        VFuncs::of(self.as_ref()).writev(iov, &[], WriteFlags::empty())
    }

    /// Reads once. See [`readv_full`](Self::readv_full).
    #[doc(alias = "qio_channel_read")]
    fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        VFuncs::of(self.as_ref()).read(buf)
    }

    /// Writes once. See [`writev_full`](Self::writev_full).
    #[doc(alias = "qio_channel_write")]
    fn write(&self, buf: &[u8]) -> io::Result<usize> {
        VFuncs::of(self.as_ref()).write(buf)
    }

    /// Reads once, at most `count` bytes, into newly allocated memory.
    ///
    /// Empty at end-of-file.
    #[doc(alias = "qio_channel_read_bytes")]
    fn read_bytes(&self, count: usize) -> io::Result<glib::Bytes> {
        VFuncs::of(self.as_ref()).read_bytes(count, None, ReadFlags::empty())
    }

    /// Writes once and returns the number of bytes written.
    #[doc(alias = "qio_channel_write_bytes")]
    fn write_bytes(&self, bytes: &glib::Bytes) -> io::Result<usize> {
        VFuncs::of(self.as_ref()).write_bytes(bytes, &[], WriteFlags::empty())
    }

    /// Writes once, with file descriptors and flags, and returns the number of bytes.
    ///
    /// See [`writev_full`](Self::writev_full). With [`WriteFlags::ZERO_COPY`] a reference to the
    /// bytes is held until they have been sent, which is worthwhile from about ten kilobytes on.
    /// Classes that derive from one of this crate and override `writev` copy the bytes.
    #[doc(alias = "qio_channel_write_bytes_with_fds")]
    fn write_bytes_full(
        &self,
        bytes: &glib::Bytes,
        fds: &[BorrowedFd<'_>],
        flags: WriteFlags,
    ) -> io::Result<usize> {
        VFuncs::of(self.as_ref()).write_owned(bytes, 0, fds, flags)
    }

    /// Writes all bytes, with descriptors and flags, and waits whatever the mode is.
    ///
    /// See [`write_bytes_full`](Self::write_bytes_full).
    #[doc(alias = "qio_channel_write_bytes_with_fds_all")]
    fn write_bytes_full_all(
        &self,
        bytes: &glib::Bytes,
        fds: &[BorrowedFd<'_>],
        flags: WriteFlags,
    ) -> io::Result<()> {
        let iov = [IoSlice::new(bytes)];
        let transfer = WriteAll::new(&iov).with_fds(fds).with_flags(flags);
        transfer.owned_by(bytes).run(self.as_ref())
    }

    /// Reads until all buffers are full, and waits whatever the mode is.
    ///
    /// Returns `false` at end-of-file before the first byte.
    ///
    /// # Errors
    ///
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) at end-of-file after the first byte.
    #[doc(alias = "qio_channel_readv_all_eof")]
    fn readv_all_eof(&self, iov: &mut [IoSliceMut<'_>]) -> io::Result<bool> {
        ReadAll::new(iov).run_eof(self.as_ref())
    }

    /// Reads until all buffers are full, and waits whatever the mode is.
    ///
    /// # Errors
    ///
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) at end-of-file.
    #[doc(alias = "qio_channel_readv_all")]
    fn readv_all(&self, iov: &mut [IoSliceMut<'_>]) -> io::Result<()> {
        ReadAll::new(iov).run(self.as_ref())
    }

    /// Writes until all buffers are written, and waits whatever the mode is.
    #[doc(alias = "qio_channel_writev_all")]
    fn writev_all(&self, iov: &[IoSlice<'_>]) -> io::Result<()> {
        WriteAll::new(iov).run(self.as_ref())
    }

    /// Reads until the buffer is full. See [`readv_all_eof`](Self::readv_all_eof).
    #[doc(alias = "qio_channel_read_all_eof")]
    #[doc(alias = "qio_channel_read_bytes_all_eof")]
    fn read_all_eof(&self, buf: &mut [u8]) -> io::Result<bool> {
        self.readv_all_eof(&mut [IoSliceMut::new(buf)])
    }

    /// Reads until the buffer is full. See [`readv_all`](Self::readv_all).
    #[doc(alias = "qio_channel_read_all")]
    #[doc(alias = "qio_channel_read_bytes_all")]
    fn read_all(&self, buf: &mut [u8]) -> io::Result<()> {
        self.readv_all(&mut [IoSliceMut::new(buf)])
    }

    /// Writes the whole buffer. See [`writev_all`](Self::writev_all).
    #[doc(alias = "qio_channel_write_all")]
    #[doc(alias = "qio_channel_write_bytes_all")]
    fn write_all(&self, buf: &[u8]) -> io::Result<()> {
        self.writev_all(&[IoSlice::new(buf)])
    }

    /// As [`readv_all_eof`](Self::readv_all_eof), with file descriptors and flags: descriptors that
    /// come with any part of the data are added to `fds`. Descriptors without data are not the
    /// end of the file. On an error those that have come are closed. See
    /// [`readv_full`](Self::readv_full).
    ///
    /// # Errors
    ///
    /// Also `EINVAL` for [`ReadFlags::PEEK`]: a peek gets the same data each time.
    #[doc(alias = "qio_channel_readv_full_all_eof")]
    #[doc(alias = "qio_channel_readv_full_all_eof_with_flags")]
    #[doc(alias = "qio_channel_read_bytes_with_fds_all_eof")]
    fn readv_full_all_eof(
        &self,
        iov: &mut [IoSliceMut<'_>],
        fds: Option<&mut Vec<OwnedFd>>,
        flags: ReadFlags,
    ) -> io::Result<bool> {
        let transfer = ReadAll::new(iov).with_fds(fds).with_flags(flags);
        transfer.run_eof(self.as_ref())
    }

    /// As [`readv_all`](Self::readv_all), with file descriptors and flags. See
    /// [`readv_full_all_eof`](Self::readv_full_all_eof).
    #[doc(alias = "qio_channel_readv_full_all")]
    #[doc(alias = "qio_channel_readv_full_all_with_flags")]
    #[doc(alias = "qio_channel_read_bytes_with_fds_all")]
    fn readv_full_all(
        &self,
        iov: &mut [IoSliceMut<'_>],
        fds: Option<&mut Vec<OwnedFd>>,
        flags: ReadFlags,
    ) -> io::Result<()> {
        let transfer = ReadAll::new(iov).with_fds(fds).with_flags(flags);
        transfer.run(self.as_ref())
    }

    /// Writes all buffers, with descriptors and flags, and waits whatever the mode is.
    ///
    /// As [`writev_all`](Self::writev_all). The descriptors are passed once, with the first byte.
    ///
    /// # Errors
    ///
    /// `EINVAL` for `fds` without data: they cannot be sent.
    #[doc(alias = "qio_channel_writev_full_all")]
    #[doc(alias = "qio_channel_writev_full_all_with_flags")]
    fn writev_full_all(
        &self,
        iov: &[IoSlice<'_>],
        fds: &[BorrowedFd<'_>],
        flags: WriteFlags,
    ) -> io::Result<()> {
        let transfer = WriteAll::new(iov).with_fds(fds).with_flags(flags);
        transfer.run(self.as_ref())
    }

    /// Moves bytes from this channel to another one, until end-of-file or `count` bytes.
    ///
    /// Waits whatever the mode of the channels is, and returns the number of bytes moved. The
    /// target is not shut down at the end; [`relay`](crate::relay) does that.
    ///
    /// Between sockets, pipes and files the bytes stay inside the kernel; else, and from unix
    /// sockets, whose data may have ancillary descriptors, they go through one buffer of at most
    /// 256 KiB. No more is read than the target accepts. A file must not be changed while its bytes
    /// are being sent on a socket: the peer may get the changed bytes. If the source is
    /// message-oriented, each message is written at once, as far as it is within `count`; the rest
    /// of the message becomes the next one. Empty messages are skipped.
    ///
    /// # Errors
    ///
    /// Those of reading and writing, with a [`TransferError`](crate::TransferError) inside, which
    /// has the number of bytes that the target has accepted. No byte is lost: bytes that were read
    /// and could not be written are pushed back for the next reader of this channel, or its
    /// position moves back. Descriptors that are passed with the data cannot be moved: they are an
    /// error, and stay in the channel, with the data, for a reader that takes descriptors.
    #[doc(alias = "qio_channel_splice_to")]
    fn splice_to(&self, target: &impl IsA<Channel>, count: Option<u64>) -> io::Result<u64> {
        splice::splice(self.as_ref(), target.as_ref(), count, None)
    }

    /// Moves bytes as [`splice_to`](Self::splice_to), and counts them meanwhile.
    fn splice_to_counted(
        &self,
        target: &impl IsA<Channel>,
        count: Option<u64>,
        counter: &ByteCounter,
    ) -> io::Result<u64> {
        splice::splice(self.as_ref(), target.as_ref(), count, Some(counter))
    }

    /// Returns whether reads and writes block. Default: `true`.
    ///
    /// This is the mode that was set by this object; another process may have changed a shared
    /// descriptor.
    #[doc(alias = "qio_channel_get_blocking")]
    fn is_blocking(&self) -> bool {
        self.as_ref().imp().is_blocking()
    }

    /// Sets whether reads and writes block (`true`), or fail with would-block.
    #[doc(alias = "qio_channel_set_blocking")]
    fn set_blocking(&self, enabled: bool) -> io::Result<()> {
        self.as_ref().imp().set_blocking(enabled)
    }

    /// Returns whether the channel has been closed.
    #[doc(alias = "qio_channel_is_closed")]
    fn is_closed(&self) -> bool {
        self.as_ref().imp().is_closed()
    }

    /// Closes the channel, after sending buffered data. Callable from any thread.
    ///
    /// A second call does nothing. As in GIO the channel is closed even if this fails. All waiters
    /// are woken: blocked reads return, watches fire once with `G_IO_NVAL`. The number of a
    /// descriptor is released when the last operation on it has returned and the last watch has
    /// been destroyed.
    #[doc(alias = "qio_channel_close")]
    fn close(&self) -> io::Result<()> {
        self.as_ref().imp().close()
    }

    /// Closes the channel after a failure, without flushing or blocking.
    ///
    /// No buffered data is sent. The peer of a TCP connection gets a reset, even if other processes
    /// share the connection, so that truncated data does not appear complete; a TLS channel above
    /// it sends no close_notify. A command is killed. Unix sockets, pipes and files have no way to
    /// report the failure to their readers.
    ///
    /// Does nothing on a closed channel.
    ///
    /// ```
    /// use qio::{ChannelSocket, NetListener, prelude::*};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let listener = NetListener::new();
    /// listener.open_sync(&gio::InetSocketAddress::from_string("127.0.0.1", 0).unwrap(), 1)?;
    /// let client = ChannelSocket::new();
    /// client.connect_sync(&listener.local_addresses()[0])?;
    /// let server = listener.wait_client()?;
    /// client.abort();
    /// let e = server.read(&mut [0; 10]).unwrap_err();
    /// assert_eq!(e.kind(), std::io::ErrorKind::ConnectionReset);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "qio_channel_abort")]
    fn abort(&self) {
        self.as_ref().imp().abort();
    }

    /// Shuts down one direction, or both, without closing.
    ///
    /// Does not block, and is callable from any thread, also while another one is blocked in a read
    /// or a write.
    ///
    /// # Errors
    ///
    /// Unsupported without [`Feature::SHUTDOWN`].
    #[doc(alias = "qio_channel_shutdown")]
    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        VFuncs::of(self.as_ref()).shutdown(how)
    }

    /// Sends buffered data, and waits for the completion of zero-copy writes.
    ///
    /// Waits, whatever the mode, until all data written with [`WriteFlags::ZERO_COPY`] has been
    /// sent and its memory is not needed any more. Returns whether any of it was sent without a
    /// copy.
    ///
    /// On TCP a write is complete when the peer has received it: a peer that does not read makes
    /// this wait. Shutting both directions down, or closing the channel, ends the wait; so does
    /// shutting down writing after the peer has shut down its side: flush before that.
    ///
    /// # Errors
    ///
    /// [`BrokenPipe`](io::ErrorKind::BrokenPipe) if the connection ends before all has been sent.
    #[doc(alias = "qio_channel_flush")]
    fn flush(&self) -> io::Result<Flushed> {
        flush::blocking(self.as_ref())
    }

    /// Allows (`true`) small writes to be merged into larger packets.
    ///
    /// A hint, which a channel may ignore; on TCP the inverse of `TCP_NODELAY`.
    #[doc(alias = "qio_channel_set_delay")]
    fn set_delay(&self, enabled: bool) {
        VFuncs::of(self.as_ref()).set_delay(enabled);
    }

    /// Holds written data back (`true`), or sends what was held back.
    ///
    /// A hint, which a channel may ignore; on TCP it is `TCP_CORK`.
    #[doc(alias = "qio_channel_set_cork")]
    fn set_cork(&self, enabled: bool) {
        VFuncs::of(self.as_ref()).set_cork(enabled);
    }

    /// Returns the credentials of the peer.
    #[doc(alias = "qio_channel_get_credentials")]
    #[doc(alias = "qio_channel_get_peerpid")]
    fn credentials(&self) -> io::Result<gio::Credentials> {
        VFuncs::of(self.as_ref()).credentials()
    }

    /// Returns a `std::io` stream of this channel that blocks whatever the mode is.
    fn blocking_io(&self) -> BlockingIo {
        BlockingIo::new(self.as_ref().clone())
    }

    /// Returns a `futures-io` stream of this channel.
    fn async_stream(&self) -> AsyncStream {
        AsyncStream::new(self.as_ref().clone())
    }

    /// Calls `func` when the name changes.
    fn connect_name_notify<F>(&self, func: F) -> SignalHandlerId
    where
        F: Fn(&Self) + Send + Sync + 'static,
    {
        self.connect_notify(Some("name"), move |channel, _| func(channel))
    }

    /// Calls `func` when a feature is added.
    fn connect_features_notify<F>(&self, func: F) -> SignalHandlerId
    where
        F: Fn(&Self) + Send + Sync + 'static,
    {
        self.connect_notify(Some("features"), move |channel, _| func(channel))
    }

    /// Calls `func` when the mode changes.
    fn connect_blocking_notify<F>(&self, func: F) -> SignalHandlerId
    where
        F: Fn(&Self) + Send + Sync + 'static,
    {
        self.connect_notify(Some("blocking"), move |channel, _| func(channel))
    }

    /// Calls `func`, in the thread that closes the channel, after it was closed.
    fn connect_closed_notify<F>(&self, func: F) -> SignalHandlerId
    where
        F: Fn(&Self) + Send + Sync + 'static,
    {
        self.connect_notify(Some("closed"), move |channel, _| func(channel))
    }
}

impl<T: IsA<Channel>> ChannelExt for T {}
