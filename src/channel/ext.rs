//! [`ChannelExt`]: documentation and one-line bodies.

use std::{
    io::{self, IoSlice, IoSliceMut, SeekFrom},
    os::fd::{BorrowedFd, OwnedFd, RawFd},
    time::Duration,
};

use glib::{ControlFlow, IOCondition, SignalHandlerId, prelude::*, subclass::prelude::*};

use super::{
    AsyncStream, ByteCounter, Channel, Waiting,
    all::{ReadAll, WriteAll},
    class::{VFuncs, handlers},
    flush, ready, splice, yield_until,
};
use crate::{
    types::{Feature, Flushed, ReadFlags, Shutdown, WriteFlags},
    watch::{Fds, LeasedFd, adopt_any, set_name_and_priority},
};

/// The methods of every [`Channel`].
///
/// # Errors
///
/// System errors are those of [`std::io::Error::from_raw_os_error`]. On a closed channel
/// everything fails with `G_IO_ERROR_CLOSED` inside an error of the kind
/// [`NotConnected`](io::ErrorKind::NotConnected). What a channel cannot do fails with
/// [`Unsupported`](io::ErrorKind::Unsupported). A non-blocking channel that would have
/// to wait fails with [`WouldBlock`](io::ErrorKind::WouldBlock), where the function does
/// not say that it waits.
///
/// # Buffers
///
/// Functions that take several buffers fill or empty each before the next. Empty buffers
/// are skipped. Reading into no room, or writing nothing, returns 0 at once.
pub trait ChannelExt: IsA<Channel> + 'static {
    /// What the channel is called in messages and in the names of its sources.
    #[doc(alias = "qio_channel_get_name")]
    fn name(&self) -> Option<glib::GString> {
        self.as_ref().imp().name()
    }

    /// Names the channel, as an aid to debugging.
    #[doc(alias = "qio_channel_set_name")]
    fn set_name(&self, name: Option<&str>) {
        self.as_ref().imp().set_name(name.map(Into::into));
    }

    /// Everything the channel can do beyond reading and writing.
    #[doc(alias = "qio_channel_get_features")]
    fn features(&self) -> Feature {
        self.as_ref().imp().features()
    }

    /// Whether the channel can do this.
    #[doc(alias = "qio_channel_has_feature")]
    fn has_feature(&self, feature: Feature) -> bool {
        self.features().contains(feature)
    }

    /// Declares that the channel can do this: for classes, when an instance finds out.
    #[doc(alias = "qio_channel_set_feature")]
    fn set_feature(&self, feature: Feature) {
        self.as_ref().add_features(feature);
    }

    /// Reads once, into several buffers, with file descriptors and flags.
    ///
    /// Returns the number of bytes; 0 is end-of-file. In blocking mode waits for at least
    /// one byte. Descriptors that came with the data are added to `fds`; they are
    /// close-on-exec. A read that passes `None` discards descriptors that come along.
    ///
    /// # Errors
    ///
    /// `EINVAL` for `fds` without [`Feature::FD_PASS`] or a flag without its feature. On
    /// any error descriptors that have come are closed.
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
    /// Returns the number of bytes, which may be fewer than there are. In blocking mode
    /// waits until at least one byte is written. All `fds` travel with the first byte, if
    /// any byte is written; they stay open here.
    ///
    /// # Errors
    ///
    /// `EINVAL` for `fds` without [`Feature::FD_PASS`] or without data, and for a flag
    /// without its feature.
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

    /// Reads once, at most `count` bytes, into memory of its own. Empty at end-of-file.
    #[doc(alias = "qio_channel_read_bytes")]
    fn read_bytes(&self, count: usize) -> io::Result<glib::Bytes> {
        VFuncs::of(self.as_ref()).read_bytes(count, None, ReadFlags::empty())
    }

    /// Writes once and returns the number of bytes written.
    #[doc(alias = "qio_channel_write_bytes")]
    fn write_bytes(&self, bytes: &glib::Bytes) -> io::Result<usize> {
        VFuncs::of(self.as_ref()).write_bytes(bytes, &[], WriteFlags::empty())
    }

    /// Writes once, with file descriptors and flags, and returns the number of bytes written. See
    /// [`writev_full`](Self::writev_full).
    ///
    /// With [`WriteFlags::ZERO_COPY`] the bytes are kept until they have been sent, which pays from
    /// some ten kilobytes on. Classes that derive from one of this crate and write by themselves
    /// are not told, and copy.
    #[doc(alias = "qio_channel_write_bytes_with_fds")]
    fn write_bytes_full(
        &self,
        bytes: &glib::Bytes,
        fds: &[BorrowedFd<'_>],
        flags: WriteFlags,
    ) -> io::Result<usize> {
        VFuncs::of(self.as_ref()).write_owned(bytes, 0, fds, flags)
    }

    /// As [`write_bytes_full`](Self::write_bytes_full), until all bytes are written, waiting
    /// whatever the mode.
    #[doc(alias = "qio_channel_write_bytes_with_fds_all")]
    fn write_bytes_full_all(
        &self,
        bytes: &glib::Bytes,
        fds: &[BorrowedFd<'_>],
        flags: WriteFlags,
    ) -> io::Result<()> {
        let iov = [IoSlice::new(bytes)];
        let transfer = WriteAll::new(&iov).with_fds(fds).with_flags(flags);
        transfer.keeping(bytes).run(self.as_ref())
    }

    /// Reads until all buffers are full, waiting whatever the mode. Returns `false` if the
    /// file ends before the first byte.
    ///
    /// # Errors
    ///
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) if the file ends later.
    #[doc(alias = "qio_channel_readv_all_eof")]
    fn readv_all_eof(&self, iov: &mut [IoSliceMut<'_>]) -> io::Result<bool> {
        ReadAll::new(iov).run_eof(self.as_ref())
    }

    /// Reads until all buffers are full, waiting whatever the mode.
    ///
    /// # Errors
    ///
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) if the file ends before.
    #[doc(alias = "qio_channel_readv_all")]
    fn readv_all(&self, iov: &mut [IoSliceMut<'_>]) -> io::Result<()> {
        ReadAll::new(iov).run(self.as_ref())
    }

    /// Writes until all buffers are written, waiting whatever the mode.
    #[doc(alias = "qio_channel_writev_all")]
    fn writev_all(&self, iov: &[IoSlice<'_>]) -> io::Result<()> {
        WriteAll::new(iov).run(self.as_ref())
    }

    /// As [`readv_all_eof`](Self::readv_all_eof), for one buffer.
    #[doc(alias = "qio_channel_read_all_eof")]
    #[doc(alias = "qio_channel_read_bytes_all_eof")]
    fn read_all_eof(&self, buf: &mut [u8]) -> io::Result<bool> {
        self.readv_all_eof(&mut [IoSliceMut::new(buf)])
    }

    /// As [`readv_all`](Self::readv_all), for one buffer.
    #[doc(alias = "qio_channel_read_all")]
    #[doc(alias = "qio_channel_read_bytes_all")]
    fn read_all(&self, buf: &mut [u8]) -> io::Result<()> {
        self.readv_all(&mut [IoSliceMut::new(buf)])
    }

    /// As [`writev_all`](Self::writev_all), for one buffer.
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

    /// As [`writev_all`](Self::writev_all), with file descriptors, which travel with the
    /// first byte and once only, and with flags.
    ///
    /// # Errors
    ///
    /// `EINVAL` for `fds` without data: they could never be sent.
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

    /// Reads once at an offset in bytes, into several buffers; the position stays.
    #[doc(alias = "qio_channel_preadv")]
    fn preadv(&self, iov: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<usize> {
        VFuncs::of(self.as_ref()).preadv(iov, offset)
    }

    /// Reads once at an offset in bytes; the position stays.
    #[doc(alias = "qio_channel_pread")]
    #[doc(alias = "qio_channel_pread_bytes")]
    fn pread(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.preadv(&mut [IoSliceMut::new(buf)], offset)
    }

    /// Writes once at an offset in bytes, from several buffers; the position stays.
    #[doc(alias = "qio_channel_pwritev")]
    fn pwritev(&self, iov: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        VFuncs::of(self.as_ref()).pwritev(iov, offset)
    }

    /// Writes once at an offset in bytes; the position stays.
    #[doc(alias = "qio_channel_pwrite")]
    #[doc(alias = "qio_channel_pwrite_bytes")]
    fn pwrite(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.pwritev(&[IoSlice::new(buf)], offset)
    }

    /// As [`readv_all`](Self::readv_all), from an offset in bytes on; the position stays.
    #[doc(alias = "qio_channel_preadv_all")]
    fn preadv_all(&self, iov: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<()> {
        ReadAll::new(iov).at(offset).run(self.as_ref())
    }

    /// As [`readv_all_eof`](Self::readv_all_eof), from an offset in bytes on; the position stays.
    #[doc(alias = "qio_channel_preadv_all_eof")]
    fn preadv_all_eof(&self, iov: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<bool> {
        ReadAll::new(iov).at(offset).run_eof(self.as_ref())
    }

    /// As [`preadv_all_eof`](Self::preadv_all_eof), for one buffer.
    #[doc(alias = "qio_channel_pread_all_eof")]
    fn pread_all_eof(&self, buf: &mut [u8], offset: u64) -> io::Result<bool> {
        self.preadv_all_eof(&mut [IoSliceMut::new(buf)], offset)
    }

    /// As [`preadv_all`](Self::preadv_all), for one buffer.
    #[doc(alias = "qio_channel_pread_all")]
    fn pread_all(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.preadv_all(&mut [IoSliceMut::new(buf)], offset)
    }

    /// As [`writev_all`](Self::writev_all), from an offset in bytes on; the position stays.
    #[doc(alias = "qio_channel_pwritev_all")]
    fn pwritev_all(&self, iov: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        WriteAll::new(iov).at(offset).run(self.as_ref())
    }

    /// As [`pwritev_all`](Self::pwritev_all), for one buffer.
    #[doc(alias = "qio_channel_pwrite_all")]
    fn pwrite_all(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.pwritev_all(&[IoSlice::new(buf)], offset)
    }

    /// Moves bytes from this channel to another one, until this one ends, or `count` bytes have gone
    /// through, waiting whatever the mode of the two is. Returns how many bytes that were. The target
    /// is not shut down at the end; [`relay`](crate::relay) does that.
    ///
    /// Between sockets, pipes and files they stay inside the kernel; else, and from unix sockets, whose
    /// data may come with descriptors, they go through one buffer of at most 256 KiB. Never more is read than the target takes in. A file from which
    /// bytes are on their way into a socket is best left alone: what is changed in it meanwhile may
    /// be what the peer gets. Where the source keeps messages apart, each is written at once, as far as
    /// it is within `count`: the rest of it is the next one then. Empty messages are passed over.
    ///
    /// # Errors
    ///
    /// Those of reading and writing, with a [`TransferError`](crate::TransferError) inside, which tells
    /// how many bytes the target has taken. No byte is lost: what had been read and could not be
    /// written goes to the next reader of this channel, or its position moves back. Descriptors that
    /// come along with the data cannot be moved: they are an error, and stay in the channel, with the
    /// data, for a reader that wants them.
    #[doc(alias = "qio_channel_splice_to")]
    fn splice_to(&self, target: &impl IsA<Channel>, count: Option<u64>) -> io::Result<u64> {
        splice::splice(self.as_ref(), target.as_ref(), count, None)
    }

    /// As [`splice_to`](Self::splice_to), and counts the bytes while they are moved.
    fn splice_to_counted(
        &self,
        target: &impl IsA<Channel>,
        count: Option<u64>,
        counter: &ByteCounter,
    ) -> io::Result<u64> {
        splice::splice(self.as_ref(), target.as_ref(), count, Some(counter))
    }

    /// Moves the position of the channel and returns the new one, in bytes from the start.
    #[doc(alias = "qio_channel_io_seek")]
    fn seek(&self, to: SeekFrom) -> io::Result<u64> {
        VFuncs::of(self.as_ref()).seek(to)
    }

    /// Whether reads and writes wait until they can be done, as far as this object knows.
    #[doc(alias = "qio_channel_get_blocking")]
    fn is_blocking(&self) -> bool {
        self.as_ref().imp().is_blocking()
    }

    /// Makes reads and writes wait (`true`), or fail with would-block.
    #[doc(alias = "qio_channel_set_blocking")]
    fn set_blocking(&self, enabled: bool) -> io::Result<()> {
        let channel = self.as_ref();
        VFuncs::of(channel).set_blocking(enabled)?;
        channel.set_blocking_state(enabled);
        Ok(())
    }

    /// Whether the channel has been closed.
    #[doc(alias = "qio_channel_is_closed")]
    fn is_closed(&self) -> bool {
        self.as_ref().imp().is_closed()
    }

    /// Closes the channel, flushing what is still held. May be called from any thread.
    ///
    /// A second call does nothing. As in GIO the channel is closed even if this fails.
    /// Whoever waits is woken: blocked reads return, watches fire once with
    /// `G_IO_NVAL`. The number of a descriptor goes back to the system when the last
    /// operation on it has returned and the last watch has been destroyed.
    #[doc(alias = "qio_channel_close")]
    fn close(&self) -> io::Result<()> {
        self.as_ref().imp().close()
    }

    /// Closes the channel as one that has failed: nothing is flushed and nothing is sent, and it does not
    /// block. The peer of a TCP connection sees a reset, also where other processes have the connection, so
    /// that what was cut does not look complete; a TLS channel above it sends no close_notify. A command is
    /// killed. Unix sockets, pipes and files have no way to report it to their readers.
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

    /// Ends one direction, or both, without closing. Does not block, and may be called
    /// from any thread, also while another one is blocked in a read or a write.
    ///
    /// # Errors
    ///
    /// Unsupported without [`Feature::SHUTDOWN`].
    #[doc(alias = "qio_channel_shutdown")]
    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        VFuncs::of(self.as_ref()).shutdown(how)
    }

    /// Sends what the channel itself still holds, and waits, whatever the mode, until all that was
    /// written with [`WriteFlags::ZERO_COPY`] has been sent and its memory is not needed any more.
    /// Tells whether that was of use.
    ///
    /// On TCP a write has been sent once the peer has received it: a peer that does not read makes
    /// this wait. Who shuts both directions down, or closes the channel, ends the wait; so does
    /// shutting down what is written once the peer has shut down its side: flush before that.
    ///
    /// # Errors
    ///
    /// [`BrokenPipe`](io::ErrorKind::BrokenPipe) if the connection ends before all has been sent.
    #[doc(alias = "qio_channel_flush")]
    fn flush(&self) -> io::Result<Flushed> {
        flush::blocking(self.as_ref())
    }

    /// Allows (`true`) small writes to be merged into larger packets. A hint, which a
    /// channel may ignore; on TCP the inverse of `TCP_NODELAY`.
    #[doc(alias = "qio_channel_set_delay")]
    fn set_delay(&self, enabled: bool) {
        VFuncs::of(self.as_ref()).set_delay(enabled);
    }

    /// Holds written data back (`true`), or sends what was held back. A hint, which a
    /// channel may ignore; on TCP it is `TCP_CORK`.
    #[doc(alias = "qio_channel_set_cork")]
    fn set_cork(&self, enabled: bool) {
        VFuncs::of(self.as_ref()).set_cork(enabled);
    }

    /// Who is at the other end.
    #[doc(alias = "qio_channel_get_credentials")]
    #[doc(alias = "qio_channel_get_peerpid")]
    fn credentials(&self) -> io::Result<gio::Credentials> {
        VFuncs::of(self.as_ref()).credentials()
    }

    /// This channel as a stream of `std::io` that waits instead of failing with
    /// would-block.
    fn waiting(&self) -> Waiting {
        Waiting::new(self.as_ref().clone())
    }

    /// This channel as a stream of `futures-io`, for libraries that read and write such.
    fn async_stream(&self) -> AsyncStream {
        AsyncStream::new(self.as_ref().clone())
    }

    /// Makes the hub of a context watch the channel for futures and coroutines, whatever context
    /// they run in. Those that wait just now go on there. A channel that is attached to none, as
    /// all are at first, is watched by the context of whoever waits.
    #[doc(alias = "qio_channel_attach_aio_context")]
    fn attach_context(&self, context: &glib::MainContext) {
        self.as_ref().set_context(Some(context));
    }

    /// Undoes [`attach_context`](Self::attach_context).
    #[doc(alias = "qio_channel_detach_aio_context")]
    fn detach_context(&self) {
        self.as_ref().set_context(None);
    }

    /// Makes coroutines wait for the channel in the context in which they run (`true`, the default), or
    /// attaches the channel to the global default context (`false`). Of this function,
    /// [`attach_context`](Self::attach_context) and [`detach_context`](Self::detach_context), the last call
    /// counts.
    #[doc(alias = "qio_channel_set_follow_coroutine_ctx")]
    fn set_follow_coroutine_ctx(&self, enabled: bool) {
        let context = (!enabled).then(glib::MainContext::default);
        self.as_ref().set_context(context.as_ref());
    }

    /// Calls functions from a context, `None` being the default one, whenever the channel is ready
    /// to be read or written, in place of those set before; none at all to end that.
    ///
    /// They are called as long as it is ready, and a last time when the channel is closed. They
    /// keep the channel alive until then. However many channels have handlers, only those that are
    /// ready cost anything.
    #[doc(alias = "qio_channel_set_aio_fd_handler")]
    fn set_fd_handler(
        &self,
        context: Option<&glib::MainContext>,
        read: Option<Box<dyn FnMut() + Send>>,
        write: Option<Box<dyn FnMut() + Send>>,
    ) {
        handlers::set_closures(self.as_ref(), context, read, write);
    }

    /// As [`set_fd_handler`](Self::set_fd_handler), for functions that must stay in this thread,
    /// which must be that of the context.
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
        ready::assert_owned(context);
        let [read, write] = [read, write].map(|func| func.map(handlers::local));
        handlers::set_closures(self.as_ref(), context, read, write);
    }

    /// Suspends the coroutine that runs until one of the conditions is there, and returns those
    /// that are. See [`wait`](Self::wait). None are returned if [`wake_read`](Self::wake_read) has ended the
    /// wait.
    ///
    /// # Errors
    ///
    /// `EINVAL` outside of coroutines, and for no condition at all.
    #[doc(alias = "qio_channel_yield")]
    #[doc(alias = "qio_channel_yield_full")]
    fn yield_until(&self, condition: IOCondition) -> io::Result<IOCondition> {
        yield_until::yield_until(self.as_ref(), condition)
    }

    /// Makes coroutines that wait for `IN` in [`yield_until`](Self::yield_until) resume at once, although the
    /// channel is not readable. May be called from any thread. Nothing else is woken: reads go on waiting, and
    /// a coroutine that does not wait yet is not affected by an earlier call.
    #[doc(alias = "qio_channel_wake_read")]
    fn wake_read(&self) {
        self.as_ref().imp().waiters.wake_yields();
    }

    /// Blocks this thread, or suspends the coroutine that runs, until one of the conditions is
    /// there, and returns those that are. `HUP`, `ERR` and `NVAL` end the wait too; a channel that
    /// is closed meanwhile gives `NVAL`. A condition that is there means that a read or write is
    /// worth trying, and no more.
    ///
    /// # Errors
    ///
    /// `EINVAL` for no condition at all.
    #[doc(alias = "qio_channel_wait")]
    fn wait(&self, condition: IOCondition) -> io::Result<IOCondition> {
        ready::wait(self.as_ref(), condition, None)
    }

    /// As [`wait`](Self::wait), but not for longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`TimedOut`](io::ErrorKind::TimedOut) if none was there in time.
    #[doc(alias = "qio_channel_wait_timeout")]
    fn wait_timeout(&self, condition: IOCondition, timeout: Duration) -> io::Result<IOCondition> {
        ready::wait(self.as_ref(), condition, Some(timeout))
    }

    /// As [`wait`](Self::wait), until the cancellable is cancelled, by whatever thread.
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
        ready::wait_cancellable(self.as_ref(), condition, cancellable)
    }

    /// Makes a source that fires when one of the conditions is there, without a callback:
    /// for code that sets one by C functions. It holds a reference to the channel and
    /// is named after it.
    ///
    /// `HUP`, `ERR` and `NVAL` are delivered always, and the end of a pipe may come as `HUP` alone,
    /// without `IN`: try to read whatever is told. `NVAL` comes once and ends the watch:
    /// the channel is closed, or cannot be waited for.
    #[doc(alias = "qio_channel_create_watch")]
    fn create_watch(&self, condition: IOCondition) -> glib::Source {
        VFuncs::of(self.as_ref()).create_watch(condition)
    }

    /// Makes a source with a name, a priority and a callback, to be attached to a context.
    /// See [`create_watch`](Self::create_watch).
    ///
    /// The callback gets the channel and the conditions that are there, never none.
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
        set_name_and_priority(ready::watch(self, condition, func), name, priority)
    }

    /// As [`create_watch_full`](Self::create_watch_full), for a callback that must stay in
    /// this thread.
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
        set_name_and_priority(ready::watch_local(self, condition, func), name, priority)
    }

    /// Calls `func` from the default main context whenever one of the conditions is there,
    /// until it returns [`ControlFlow::Break`] or the id is removed.
    #[doc(alias = "qio_channel_add_watch")]
    fn add_watch<F>(&self, condition: IOCondition, func: F) -> glib::SourceId
    where
        F: FnMut(&Self, IOCondition) -> ControlFlow + Send + 'static,
    {
        self.add_watch_full(condition, func, None)
    }

    /// As [`add_watch`](Self::add_watch), for a callback that must stay in this thread.
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

    /// As [`add_watch`](Self::add_watch), from a given context; `None` is the default one.
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
        ready::watch(self, condition, func).attach(context)
    }

    /// As [`add_watch_full`](Self::add_watch_full), for a callback that must stay in this
    /// thread.
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
        ready::attach_local(&ready::watch_local(self, condition, func), context)
    }

    /// As [`add_watch_full`](Self::add_watch_full), and returns the source itself, which can
    /// be destroyed whatever its context is.
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
        let source = ready::watch(self, condition, func);
        source.attach(context);
        source
    }

    /// As [`add_watch_source`](Self::add_watch_source), for a callback that must stay in
    /// this thread.
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
        let source = ready::watch_local(self, condition, func);
        ready::attach_local(&source, context);
        source
    }

    /// Makes a watch on a descriptor that tells of both directions: for classes that fill
    /// [`create_watch`](super::ChannelImpl::create_watch). The descriptor must stay open
    /// while the source lives; a negative one makes a watch that fires `NVAL`.
    #[doc(alias = "qio_channel_create_fd_watch")]
    fn create_fd_watch(&self, fd: RawFd, condition: IOCondition) -> glib::Source {
        let fds = (fd >= 0).then(|| Fds::Both(LeasedFd::unleased(fd)));
        ready::fd_watch(self.as_ref(), condition, fds)
    }

    /// As [`create_fd_watch`](Self::create_fd_watch), with one descriptor to read from and
    /// another one to write to. A direction
    /// with a negative one has hung up; two negative ones make a watch that fires `NVAL`.
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
        ready::fd_watch(self.as_ref(), condition, fds)
    }

    /// Makes a watch that is ready when another source is, which becomes its child: for classes that fill
    /// [`create_watch`](super::ChannelImpl::create_watch) by a source of GLib, GIO or their own. The source must
    /// be new; whatever callback it has is replaced. Closing the channel wakes the watch, whether or not that
    /// makes the source ready.
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

    /// Calls `func`, in the thread that closes the channel, when that has happened.
    fn connect_closed_notify<F>(&self, func: F) -> SignalHandlerId
    where
        F: Fn(&Self) + Send + Sync + 'static,
    {
        self.connect_notify(Some("closed"), move |channel, _| func(channel))
    }
}

impl<T: IsA<Channel>> ChannelExt for T {}
