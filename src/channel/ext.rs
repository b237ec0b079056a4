//! [`ChannelExt`]: documentation and one-line bodies.

use std::{
    io::{self, IoSlice, IoSliceMut, SeekFrom},
    os::fd::{BorrowedFd, OwnedFd, RawFd},
    time::Duration,
};

use glib::{ControlFlow, IOCondition, SignalHandlerId, prelude::*, subclass::prelude::*};

use super::{
    AsyncStream, BlockingIo, ByteCounter, Channel,
    class::{VFuncs, fd_handler},
    flush, splice,
    transfer::{ReadAll, WriteAll},
    wait, yield_until,
};
use crate::{
    types::{Feature, Flushed, ReadFlags, Shutdown, WriteFlags},
    watch::{Fds, LeasedFd, adopt_any, set_name_and_priority},
};

/// The methods of every [`Channel`].
///
/// # Errors
///
/// System errors are those of [`std::io::Error::from_raw_os_error`]. On a closed channel all
/// functions fail with `G_IO_ERROR_CLOSED` inside an error of the kind
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

    /// Adds a feature: for classes, when an instance finds out that it has one.
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

    /// Reads once at an offset in bytes, into several buffers.
    ///
    /// The position does not change.
    #[doc(alias = "qio_channel_preadv")]
    fn preadv(&self, iov: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<usize> {
        VFuncs::of(self.as_ref()).preadv(iov, offset)
    }

    /// Reads once at an offset in bytes. The position does not change.
    #[doc(alias = "qio_channel_pread")]
    #[doc(alias = "qio_channel_pread_bytes")]
    fn pread(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.preadv(&mut [IoSliceMut::new(buf)], offset)
    }

    /// Writes once at an offset in bytes, from several buffers.
    ///
    /// The position does not change.
    #[doc(alias = "qio_channel_pwritev")]
    fn pwritev(&self, iov: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        VFuncs::of(self.as_ref()).pwritev(iov, offset)
    }

    /// Writes once at an offset in bytes. The position does not change.
    #[doc(alias = "qio_channel_pwrite")]
    #[doc(alias = "qio_channel_pwrite_bytes")]
    fn pwrite(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.pwritev(&[IoSlice::new(buf)], offset)
    }

    /// Reads until all buffers are full, from an offset in bytes.
    ///
    /// As [`readv_all`](Self::readv_all). The position does not change.
    #[doc(alias = "qio_channel_preadv_all")]
    fn preadv_all(&self, iov: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<()> {
        ReadAll::new(iov).at(offset).run(self.as_ref())
    }

    /// Reads until all buffers are full, from an offset in bytes.
    ///
    /// As [`readv_all_eof`](Self::readv_all_eof). The position does not change.
    #[doc(alias = "qio_channel_preadv_all_eof")]
    fn preadv_all_eof(&self, iov: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<bool> {
        ReadAll::new(iov).at(offset).run_eof(self.as_ref())
    }

    /// Reads until the buffer is full, from an offset. See
    /// [`preadv_all_eof`](Self::preadv_all_eof).
    #[doc(alias = "qio_channel_pread_all_eof")]
    fn pread_all_eof(&self, buf: &mut [u8], offset: u64) -> io::Result<bool> {
        self.preadv_all_eof(&mut [IoSliceMut::new(buf)], offset)
    }

    /// Reads until the buffer is full, from an offset. See [`preadv_all`](Self::preadv_all).
    #[doc(alias = "qio_channel_pread_all")]
    fn pread_all(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.preadv_all(&mut [IoSliceMut::new(buf)], offset)
    }

    /// Writes all buffers, from an offset in bytes.
    ///
    /// As [`writev_all`](Self::writev_all). The position does not change.
    #[doc(alias = "qio_channel_pwritev_all")]
    fn pwritev_all(&self, iov: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        WriteAll::new(iov).at(offset).run(self.as_ref())
    }

    /// Writes the whole buffer, from an offset. See [`pwritev_all`](Self::pwritev_all).
    #[doc(alias = "qio_channel_pwrite_all")]
    fn pwrite_all(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.pwritev_all(&[IoSlice::new(buf)], offset)
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

    /// Moves the position of the channel and returns the new one, in bytes.
    #[doc(alias = "qio_channel_io_seek")]
    fn seek(&self, to: SeekFrom) -> io::Result<u64> {
        VFuncs::of(self.as_ref()).seek(to)
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
        let channel = self.as_ref();
        VFuncs::of(channel).set_blocking(enabled)?;
        channel.set_blocking_state(enabled);
        Ok(())
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

    /// Makes the hub of a context wait for the channel, for futures in any context.
    ///
    /// Futures and coroutines that wait at that time continue in the hub of the context. Default:
    /// the hub of the context that the waiting future runs in.
    #[doc(alias = "qio_channel_attach_aio_context")]
    fn attach_context(&self, context: &glib::MainContext) {
        self.as_ref().set_context(Some(context));
    }

    /// Detaches the channel from its context. See [`attach_context`](Self::attach_context).
    #[doc(alias = "qio_channel_detach_aio_context")]
    fn detach_context(&self) {
        self.as_ref().set_context(None);
    }

    /// Makes coroutines wait for the channel in the context in which they run (`true`, the
    /// default), or attaches the channel to the global default context (`false`). Of this function,
    /// [`attach_context`](Self::attach_context) and [`detach_context`](Self::detach_context), the
    /// last call counts.
    #[doc(alias = "qio_channel_set_follow_coroutine_ctx")]
    fn set_follow_coroutine_ctx(&self, enabled: bool) {
        let context = (!enabled).then(glib::MainContext::default);
        self.as_ref().set_context(context.as_ref());
    }

    /// Calls functions from a context, `None` being the default one, whenever the channel is ready
    /// to be read or written, in place of those set before; none at all to end that.
    ///
    /// They replace the ones set before; `None` for both ends the calls. `None` as context is the
    /// default one. The functions are called as long as the channel is ready (level-triggered), and
    /// a last time when it is closed. They hold a reference to the channel until then. Idle
    /// channels with handlers cost nothing per iteration.
    #[doc(alias = "qio_channel_set_aio_fd_handler")]
    fn set_fd_handler(
        &self,
        context: Option<&glib::MainContext>,
        read: Option<Box<dyn FnMut() + Send>>,
        write: Option<Box<dyn FnMut() + Send>>,
    ) {
        fd_handler::set_closures(self.as_ref(), context, read, write);
    }

    /// Sets functions as [`set_fd_handler`](Self::set_fd_handler) that must stay in this thread.
    ///
    /// # Panics
    ///
    /// If another thread owns the context.
    fn set_fd_handler_local(
        &self,
        context: Option<&glib::MainContext>,
        read: Option<Box<dyn FnMut()>>,
        write: Option<Box<dyn FnMut()>>,
    ) {
        wait::assert_owned(context);
        let [read, write] = [read, write].map(|func| func.map(fd_handler::local));
        fd_handler::set_closures(self.as_ref(), context, read, write);
    }

    /// Suspends the coroutine that runs until one of the conditions is there, and returns those
    /// that are. See [`wait`](Self::wait). None are returned if [`wake_read`](Self::wake_read) has
    /// ended the wait.
    ///
    /// # Errors
    ///
    /// `EINVAL` outside of coroutines, and for no condition at all.
    #[doc(alias = "qio_channel_yield")]
    #[doc(alias = "qio_channel_yield_full")]
    fn yield_until(&self, condition: IOCondition) -> io::Result<IOCondition> {
        yield_until::yield_until(self.as_ref(), condition)
    }

    /// Makes coroutines that wait for `IN` in [`yield_until`](Self::yield_until) resume at once,
    /// although the channel is not readable. May be called from any thread. Nothing else is woken:
    /// reads go on waiting, and a coroutine that does not wait yet is not affected by an earlier
    /// call.
    #[doc(alias = "qio_channel_wake_read")]
    fn wake_read(&self) {
        self.as_ref().imp().waiters.wake_yields();
    }

    /// Waits until one of the conditions holds, and returns those that do.
    ///
    /// Blocks this thread, or suspends the running coroutine. `HUP`, `ERR` and `NVAL` end the wait
    /// too; a channel that is closed meanwhile returns `NVAL`. Readiness may be spurious: a read or
    /// write is worth an attempt, and may still fail with would-block.
    ///
    /// # Errors
    ///
    /// `EINVAL` for no condition at all.
    #[doc(alias = "qio_channel_wait")]
    fn wait(&self, condition: IOCondition) -> io::Result<IOCondition> {
        wait::wait(self.as_ref(), condition, None)
    }

    /// Waits as [`wait`](Self::wait), for at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`TimedOut`](io::ErrorKind::TimedOut) if no condition held in time.
    #[doc(alias = "qio_channel_wait_timeout")]
    fn wait_timeout(&self, condition: IOCondition, timeout: Duration) -> io::Result<IOCondition> {
        wait::wait(self.as_ref(), condition, Some(timeout))
    }

    /// Waits as [`wait`](Self::wait), until the cancellable is cancelled by any thread.
    ///
    /// # Errors
    ///
    /// [`Cancelled`](gio::IOErrorEnum::Cancelled).
    #[doc(alias = "qio_channel_wait_cancellable")]
    fn wait_cancellable(
        &self,
        condition: IOCondition,
        cancellable: &gio::Cancellable,
    ) -> io::Result<IOCondition> {
        wait::wait_cancellable(self.as_ref(), condition, cancellable)
    }

    /// Creates a source that fires when one of the conditions holds, with no callback.
    ///
    /// For code that sets a callback by C functions. The source holds a reference to the channel
    /// and is named after it.
    ///
    /// `HUP`, `ERR` and `NVAL` are always delivered, and the end of a pipe may be reported as `HUP`
    /// alone, without `IN`: read whatever the condition is. `NVAL` is delivered once and ends the
    /// watch: the channel is closed, or cannot be waited for.
    #[doc(alias = "qio_channel_create_watch")]
    fn create_watch(&self, condition: IOCondition) -> glib::Source {
        VFuncs::of(self.as_ref()).create_watch(condition)
    }

    /// Creates a source with a name, a priority and a callback.
    ///
    /// It is still to be attached to a context.
    ///
    /// See [`create_watch`](Self::create_watch). The callback gets the channel and the conditions
    /// that hold, at least one.
    #[doc(alias = "qio_channel_create_watch_full")]
    fn create_watch_full<F>(
        &self,
        condition: IOCondition,
        name: Option<&str>,
        priority: glib::Priority,
        func: F,
    ) -> glib::Source
    where
        F: FnMut(&Self, IOCondition) -> ControlFlow + Send + 'static,
    {
        set_name_and_priority(wait::watch(self, condition, func), name, priority)
    }

    /// Creates a source as [`create_watch_full`](Self::create_watch_full), for a local callback.
    ///
    /// The callback must stay in this thread.
    ///
    /// # Panics
    ///
    /// The callback panics if it is run or dropped in another thread.
    fn create_watch_full_local<F>(
        &self,
        condition: IOCondition,
        name: Option<&str>,
        priority: glib::Priority,
        func: F,
    ) -> glib::Source
    where
        F: FnMut(&Self, IOCondition) -> ControlFlow + 'static,
    {
        set_name_and_priority(wait::watch_local(self, condition, func), name, priority)
    }

    /// Calls `func` from the default main context whenever one of the conditions holds.
    ///
    /// Until it returns [`ControlFlow::Break`] or the id is removed.
    #[doc(alias = "qio_channel_add_watch")]
    fn add_watch<F>(&self, condition: IOCondition, func: F) -> glib::SourceId
    where
        F: FnMut(&Self, IOCondition) -> ControlFlow + Send + 'static,
    {
        self.add_watch_full(condition, func, None)
    }

    /// Adds a watch as [`add_watch`](Self::add_watch), for a callback that must stay in this
    /// thread.
    ///
    /// # Panics
    ///
    /// If another thread owns the default main context.
    fn add_watch_local<F>(&self, condition: IOCondition, func: F) -> glib::SourceId
    where
        F: FnMut(&Self, IOCondition) -> ControlFlow + 'static,
    {
        self.add_watch_full_local(condition, func, None)
    }

    /// Adds a watch as [`add_watch`](Self::add_watch), to a given context; `None` is the default
    /// one.
    ///
    /// The id can be removed by [`glib::SourceId::remove`] in the default context only.
    #[doc(alias = "qio_channel_add_watch_full")]
    fn add_watch_full<F>(
        &self,
        condition: IOCondition,
        func: F,
        context: Option<&glib::MainContext>,
    ) -> glib::SourceId
    where
        F: FnMut(&Self, IOCondition) -> ControlFlow + Send + 'static,
    {
        wait::watch(self, condition, func).attach(context)
    }

    /// Adds a watch as [`add_watch_full`](Self::add_watch_full), for a local callback.
    ///
    /// The callback must stay in this thread.
    ///
    /// # Panics
    ///
    /// If another thread owns the context.
    fn add_watch_full_local<F>(
        &self,
        condition: IOCondition,
        func: F,
        context: Option<&glib::MainContext>,
    ) -> glib::SourceId
    where
        F: FnMut(&Self, IOCondition) -> ControlFlow + 'static,
    {
        wait::attach_local(&wait::watch_local(self, condition, func), context)
    }

    /// Adds a watch as [`add_watch_full`](Self::add_watch_full), and returns its source.
    ///
    /// The source can be destroyed whatever its context is.
    #[doc(alias = "qio_channel_add_watch_source")]
    fn add_watch_source<F>(
        &self,
        condition: IOCondition,
        func: F,
        context: Option<&glib::MainContext>,
    ) -> glib::Source
    where
        F: FnMut(&Self, IOCondition) -> ControlFlow + Send + 'static,
    {
        let source = wait::watch(self, condition, func);
        source.attach(context);
        source
    }

    /// Adds a watch as [`add_watch_source`](Self::add_watch_source), for a local callback.
    ///
    /// The callback must stay in this thread.
    ///
    /// # Panics
    ///
    /// If another thread owns the context.
    fn add_watch_source_local<F>(
        &self,
        condition: IOCondition,
        func: F,
        context: Option<&glib::MainContext>,
    ) -> glib::Source
    where
        F: FnMut(&Self, IOCondition) -> ControlFlow + 'static,
    {
        let source = wait::watch_local(self, condition, func);
        wait::attach_local(&source, context);
        source
    }

    /// Creates a watch on a descriptor that reports both directions.
    ///
    /// For classes that override [`create_watch`](super::ChannelImpl::create_watch). The descriptor
    /// must stay open while the source lives; a negative one makes a watch that fires `NVAL`.
    #[doc(alias = "qio_channel_create_fd_watch")]
    fn create_fd_watch(&self, fd: RawFd, condition: IOCondition) -> glib::Source {
        let fds = (fd >= 0).then(|| Fds::Both(LeasedFd::unleased(fd)));
        wait::fd_watch(self.as_ref(), condition, fds)
    }

    /// Creates a watch on two descriptors, one to read from and one to write to.
    ///
    /// As [`create_fd_watch`](Self::create_fd_watch). A direction with a negative descriptor has
    /// hung up; two negative ones make a watch that fires `NVAL`.
    #[doc(alias = "qio_channel_create_fd_pair_watch")]
    fn create_fd_pair_watch(
        &self,
        read_fd: RawFd,
        write_fd: RawFd,
        condition: IOCondition,
    ) -> glib::Source {
        if read_fd == write_fd {
            return self.create_fd_watch(read_fd, condition);
        }
        let [read, write] = [read_fd, write_fd].map(|fd| (fd >= 0).then(|| LeasedFd::unleased(fd)));
        let none = read.is_none() && write.is_none();
        let fds = (!none).then_some(Fds::Pair(read, write));
        wait::fd_watch(self.as_ref(), condition, fds)
    }

    /// Creates a watch that is ready when another source is, which becomes its child.
    ///
    /// For classes that implement [`create_watch`](super::ChannelImpl::create_watch) by a source of
    /// GLib, GIO or their own. The source must be new; its callback is replaced. Closing the
    /// channel wakes the watch, whether or not that makes the source ready.
    #[doc(alias = "qio_channel_create_child_watch")]
    fn create_child_watch(&self, condition: IOCondition, source: glib::Source) -> glib::Source {
        let channel: &Channel = self.upcast_ref();
        channel.watched(|watched| adopt_any(watched, condition, source))
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
