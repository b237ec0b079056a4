//! [`ChannelFutureExt`]: the futures of all channels.

use std::{
    future::Future,
    io::{self, IoSlice, IoSliceMut},
    os::fd::{BorrowedFd, OwnedFd},
    slice,
};

use glib::{IOCondition, prelude::*};

use super::{
    ByteCounter, Channel, ChannelExt, blocking,
    class::{PoolRef, VFuncs},
    flush, one_buffer, splice,
    transfer::{ReadAll, WriteAll, read_once, write_once},
    wait,
};
use crate::types::{Flushed, ReadFlags, Shutdown, WriteFlags};

/// The methods of every [`Channel`] that are futures.
///
/// They wait without blocking the main loop, in tasks of [`spawn_local`](crate::spawn_local) and
/// [`MainContext::spawn_local`](glib::MainContext::spawn_local) and in
/// [`block_on`](glib::MainContext::block_on), in any combination. The main context must be
/// iterated.
///
/// They never block, whatever the mode of the channel is. A channel of a class in another language
/// that is in blocking mode is read or written once it is ready, and its own `close` is called in
/// place. Files on disk are read and written by a thread pool.
///
/// Several tasks may wait for the same condition: all are woken.
/// [`IoFutureExt`](crate::IoFutureExt) adds timeouts and cancellation.
///
/// # Errors
///
/// Those of the blocking functions of [`ChannelExt`], except would-block. A future that has to wait
/// fails with [`Unsupported`](io::ErrorKind::Unsupported) in a thread that runs no main context.
///
/// # Cancel safety
///
/// Dropping a future cancels it at once and loses no data: bytes that it has read are pushed back
/// for the next reader. Bytes that it has written stay written; a dropped write to a file on disk
/// may still be completed, and does not move the position.
///
/// # Examples
///
/// ```
/// use qio::prelude::*;
///
/// # fn main() -> std::io::Result<()> {
/// let (here, there) = qio::ChannelSocket::pair()?;
/// let context = glib::MainContext::default();
/// context.block_on(async {
///     qio::spawn_local(async move { there.write_all_future(b"hello").await });
///     let mut greeting = [0; 5];
///     here.read_all_future(&mut greeting).await?;
///     assert_eq!(&greeting, b"hello");
///     Ok(())
/// })
/// # }
/// ```
pub trait ChannelFutureExt: IsA<Channel> {
    /// Waits until one of the conditions holds, and returns those that do.
    ///
    /// See [`ChannelWatchExt::wait`](super::ChannelWatchExt::wait).
    ///
    /// # Errors
    ///
    /// `EINVAL` for no condition at all.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future has no effect on the channel.
    #[doc(alias = "qio_channel_ready_async")]
    #[doc(alias = "qio_channel_ready_finish")]
    fn ready(
        &self,
        condition: IOCondition,
    ) -> impl Future<Output = io::Result<IOCondition>> + Send + '_ {
        let channel = self.upcast_ref();
        async move { wait::future(channel, condition).await }
    }

    /// Reads once. Returns 0 at end-of-file.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the future is dropped, no byte has been consumed.
    #[doc(alias = "qio_channel_read_bytes_async")]
    #[doc(alias = "qio_channel_read_bytes_finish")]
    fn read_future<'a>(
        &'a self,
        buf: &'a mut [u8],
    ) -> impl Future<Output = io::Result<usize>> + Send + 'a {
        one_buffer::Read::new(self.upcast_ref(), buf)
    }

    /// Reads once, into several buffers, in order.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the future is dropped, no byte has been consumed.
    fn readv_future<'a>(
        &'a self,
        iov: &'a mut [IoSliceMut<'_>],
    ) -> impl Future<Output = io::Result<usize>> + Send + 'a {
        self.readv_full_future(iov, None, ReadFlags::empty())
    }

    /// Reads once, into several buffers, with file descriptors and flags.
    ///
    /// See [`ChannelExt::readv_full`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the future is dropped, no byte and no descriptor has been consumed.
    #[doc(alias = "qio_channel_read_bytes_with_fds_async")]
    #[doc(alias = "qio_channel_read_bytes_with_fds_finish")]
    fn readv_full_future<'a>(
        &'a self,
        iov: &'a mut [IoSliceMut<'_>],
        fds: Option<&'a mut Vec<OwnedFd>>,
        flags: ReadFlags,
    ) -> impl Future<Output = io::Result<usize>> + Send + 'a {
        read_once(self.upcast_ref(), iov, fds, flags)
    }

    /// Writes once, at least one byte, and returns the number of bytes.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the future is dropped, nothing has been written, except to a file on disk,
    /// where the write may still be completed.
    #[doc(alias = "qio_channel_write_bytes_async")]
    #[doc(alias = "qio_channel_write_bytes_finish")]
    fn write_future<'a>(
        &'a self,
        buf: &'a [u8],
    ) -> impl Future<Output = io::Result<usize>> + Send + 'a {
        one_buffer::Write::<false>::new(self.upcast_ref(), buf)
    }

    /// Writes once, from several buffers, in order.
    ///
    /// # Cancel safety
    ///
    /// As for [`write_future`](Self::write_future).
    fn writev_future<'a>(
        &'a self,
        iov: &'a [IoSlice<'_>],
    ) -> impl Future<Output = io::Result<usize>> + Send + 'a {
        self.writev_full_future(iov, &[], WriteFlags::empty())
    }

    /// Writes once, from several buffers, with file descriptors and flags.
    ///
    /// See [`ChannelExt::writev_full`].
    ///
    /// # Cancel safety
    ///
    /// As for [`write_future`](Self::write_future).
    fn writev_full_future<'a>(
        &'a self,
        iov: &'a [IoSlice<'_>],
        fds: &'a [BorrowedFd<'_>],
        flags: WriteFlags,
    ) -> impl Future<Output = io::Result<usize>> + Send + 'a {
        write_once(self.upcast_ref(), iov, None, fds, flags)
    }

    /// Reads until the buffer is full. See [`ChannelExt::read_all`].
    ///
    /// # Cancel safety
    ///
    /// Loses no data: if the future is dropped, bytes that it has read are pushed back for the next
    /// reader.
    #[doc(alias = "qio_channel_read_bytes_all_async")]
    #[doc(alias = "qio_channel_read_bytes_all_finish")]
    fn read_all_future<'a>(
        &'a self,
        buf: &'a mut [u8],
    ) -> impl Future<Output = io::Result<()>> + Send + 'a {
        let channel = self.upcast_ref();
        async move {
            let mut buf = IoSliceMut::new(buf);
            let transfer = ReadAll::new(slice::from_mut(&mut buf));
            transfer.run_async(channel).await
        }
    }

    /// Reads until the buffer is full (`true`), or end-of-file at once (`false`).
    ///
    /// See [`ChannelExt::read_all_eof`].
    ///
    /// # Cancel safety
    ///
    /// As for [`read_all_future`](Self::read_all_future).
    #[doc(alias = "qio_channel_read_bytes_all_eof_async")]
    #[doc(alias = "qio_channel_read_bytes_all_eof_finish")]
    fn read_all_eof_future<'a>(
        &'a self,
        buf: &'a mut [u8],
    ) -> impl Future<Output = io::Result<bool>> + Send + 'a {
        let channel = self.upcast_ref();
        async move {
            let mut buf = IoSliceMut::new(buf);
            let transfer = ReadAll::new(slice::from_mut(&mut buf));
            transfer.run_eof_async(channel).await
        }
    }

    /// Reads until several buffers are full. See [`ChannelExt::readv_all`].
    ///
    /// # Cancel safety
    ///
    /// As for [`read_all_future`](Self::read_all_future).
    fn readv_all_future<'a>(
        &'a self,
        iov: &'a mut [IoSliceMut<'_>],
    ) -> impl Future<Output = io::Result<()>> + Send + 'a {
        ReadAll::new(iov).run_async(self.upcast_ref())
    }

    /// Reads until several buffers are full (`true`), or end-of-file at once (`false`).
    ///
    /// # Cancel safety
    ///
    /// As for [`read_all_future`](Self::read_all_future).
    fn readv_all_eof_future<'a>(
        &'a self,
        iov: &'a mut [IoSliceMut<'_>],
    ) -> impl Future<Output = io::Result<bool>> + Send + 'a {
        ReadAll::new(iov).run_eof_async(self.upcast_ref())
    }

    /// As [`readv_all_future`](Self::readv_all_future), with file descriptors and flags. See
    /// [`ChannelExt::readv_full_all`].
    ///
    /// # Cancel safety
    ///
    /// As for [`read_all_future`](Self::read_all_future), also for descriptors.
    #[doc(alias = "qio_channel_read_bytes_with_fds_all_async")]
    #[doc(alias = "qio_channel_read_bytes_with_fds_all_finish")]
    fn readv_full_all_future<'a>(
        &'a self,
        iov: &'a mut [IoSliceMut<'_>],
        fds: Option<&'a mut Vec<OwnedFd>>,
        flags: ReadFlags,
    ) -> impl Future<Output = io::Result<()>> + Send + 'a {
        let transfer = ReadAll::new(iov).with_fds(fds).with_flags(flags);
        transfer.run_async(self.upcast_ref())
    }

    /// As [`readv_all_eof_future`](Self::readv_all_eof_future), with file descriptors and flags.
    /// See [`ChannelExt::readv_full_all_eof`].
    ///
    /// # Cancel safety
    ///
    /// As for [`read_all_future`](Self::read_all_future), also for descriptors.
    fn readv_full_all_eof_future<'a>(
        &'a self,
        iov: &'a mut [IoSliceMut<'_>],
        fds: Option<&'a mut Vec<OwnedFd>>,
        flags: ReadFlags,
    ) -> impl Future<Output = io::Result<bool>> + Send + 'a {
        let transfer = ReadAll::new(iov).with_fds(fds).with_flags(flags);
        transfer.run_eof_async(self.upcast_ref())
    }

    /// Writes the whole buffer. See [`ChannelExt::write_all`].
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: if the future is dropped, the number of bytes that were written is unknown.
    #[doc(alias = "qio_channel_write_bytes_all_async")]
    #[doc(alias = "qio_channel_write_bytes_all_finish")]
    fn write_all_future<'a>(
        &'a self,
        buf: &'a [u8],
    ) -> impl Future<Output = io::Result<()>> + Send + 'a {
        one_buffer::Write::<true>::new(self.upcast_ref(), buf)
    }

    /// Writes several buffers completely. See [`ChannelExt::writev_all`].
    ///
    /// # Cancel safety
    ///
    /// As for [`write_all_future`](Self::write_all_future).
    fn writev_all_future<'a>(
        &'a self,
        iov: &'a [IoSlice<'a>],
    ) -> impl Future<Output = io::Result<()>> + Send + 'a {
        WriteAll::new(iov).run_async(self.upcast_ref())
    }

    /// Writes several buffers completely, with file descriptors and flags.
    ///
    /// The descriptors are passed with the first byte. See [`ChannelExt::writev_full_all`].
    ///
    /// # Cancel safety
    ///
    /// As for [`write_all_future`](Self::write_all_future).
    fn writev_full_all_future<'a>(
        &'a self,
        iov: &'a [IoSlice<'a>],
        fds: &'a [BorrowedFd<'a>],
        flags: WriteFlags,
    ) -> impl Future<Output = io::Result<()>> + Send + 'a {
        let transfer = WriteAll::new(iov).with_fds(fds).with_flags(flags);
        transfer.run_async(self.upcast_ref())
    }

    /// Moves bytes from this channel to another one. See [`ChannelExt::splice_to`].
    ///
    /// Between sockets that are in blocking mode the bytes go through memory, as `splice(2)` on
    /// them would block.
    ///
    /// # Cancel safety
    ///
    /// Loses no data: if the future is dropped, bytes that were read and not yet written are pushed
    /// back to this channel.
    #[doc(alias = "qio_channel_splice_to_async")]
    #[doc(alias = "qio_channel_splice_to_finish")]
    fn splice_to_future<'a>(
        &'a self,
        target: &'a impl IsA<Channel>,
        count: Option<u64>,
    ) -> impl Future<Output = io::Result<u64>> + Send + 'a {
        splice::splice_async(self.upcast_ref(), target.upcast_ref(), count, None)
    }

    /// Moves bytes as [`splice_to_future`](Self::splice_to_future), and counts them meanwhile.
    ///
    /// # Cancel safety
    ///
    /// As for [`splice_to_future`](Self::splice_to_future). The count stays correct after a drop.
    fn splice_to_counted_future<'a>(
        &'a self,
        target: &'a impl IsA<Channel>,
        count: Option<u64>,
        counter: &'a ByteCounter,
    ) -> impl Future<Output = io::Result<u64>> + Send + 'a {
        splice::splice_async(self.upcast_ref(), target.upcast_ref(), count, Some(counter))
    }

    /// Writes once, with file descriptors and flags. See [`ChannelExt::write_bytes_full`].
    ///
    /// # Cancel safety
    ///
    /// As for [`write_future`](Self::write_future).
    #[doc(alias = "qio_channel_write_bytes_with_fds_async")]
    #[doc(alias = "qio_channel_write_bytes_with_fds_finish")]
    fn write_bytes_full_future<'a>(
        &'a self,
        bytes: &'a glib::Bytes,
        fds: &'a [BorrowedFd<'_>],
        flags: WriteFlags,
    ) -> impl Future<Output = io::Result<usize>> + Send + 'a {
        let channel = self.upcast_ref();
        async move {
            let owner = flags.contains(WriteFlags::ZERO_COPY).then_some(bytes);
            let iov = [IoSlice::new(bytes)];
            write_once(channel, iov, owner, fds, flags).await
        }
    }

    /// Writes all bytes, with file descriptors and flags.
    ///
    /// See [`ChannelExt::write_bytes_full_all`].
    ///
    /// The descriptors are passed with the first byte.
    ///
    /// # Cancel safety
    ///
    /// As for [`write_all_future`](Self::write_all_future).
    #[doc(alias = "qio_channel_write_bytes_with_fds_all_async")]
    #[doc(alias = "qio_channel_write_bytes_with_fds_all_finish")]
    fn write_bytes_full_all_future<'a>(
        &'a self,
        bytes: &'a glib::Bytes,
        fds: &'a [BorrowedFd<'a>],
        flags: WriteFlags,
    ) -> impl Future<Output = io::Result<()>> + Send + 'a {
        let channel = self.upcast_ref();
        async move {
            let iov = [IoSlice::new(bytes)];
            let transfer = WriteAll::new(&iov).with_fds(fds).with_flags(flags);
            transfer.owned_by(bytes).run_async(channel).await
        }
    }

    /// Sends buffered data, and waits for the completion of zero-copy writes.
    ///
    /// See [`ChannelExt::flush`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a later flush waits for the same writes.
    #[doc(alias = "qio_channel_flush_async")]
    #[doc(alias = "qio_channel_flush_finish")]
    fn flush_future(&self) -> impl Future<Output = io::Result<Flushed>> + Send + '_ {
        flush::future(self.upcast_ref())
    }

    /// Shuts down one direction, or both.
    ///
    /// See [`ChannelExt::shutdown`], which does not block.
    ///
    /// # Cancel safety
    ///
    /// Completes in its first poll.
    fn shutdown_future(&self, how: Shutdown) -> impl Future<Output = io::Result<()>> + Send + '_ {
        let channel: &Channel = self.upcast_ref();
        async move { channel.shutdown(how) }
    }

    /// Closes the channel, in a thread of the pool where a class of this crate may block.
    ///
    /// See [`ChannelExt::close`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not stop the close.
    #[doc(alias = "qio_channel_close_async")]
    #[doc(alias = "qio_channel_close_finish")]
    fn close_future(&self) -> impl Future<Output = io::Result<()>> + Send + '_ {
        let channel: &Channel = self.upcast_ref();
        async move {
            let vfuncs = VFuncs::of(channel);
            if !vfuncs.honors_no_wait() || vfuncs.closes_at_once() {
                return channel.close();
            }
            let theirs = PoolRef::new(channel.clone());
            match blocking::begin(move || theirs.close()) {
                Ok(closing) => closing.await,
                // Without a thread it is closed here, even if that takes time.
                Err(_) => channel.close(),
            }
        }
    }
}

impl<T: IsA<Channel>> ChannelFutureExt for T {}
