//! The methods of all channels that are futures.

use std::{
    future::{Future, poll_fn},
    io::{self, IoSlice, IoSliceMut},
    os::fd::{BorrowedFd, OwnedFd},
    slice,
    task::Poll,
};

use glib::{IOCondition, prelude::*};

use super::{
    ByteCounter, Channel, ChannelExt,
    all::{ReadAll, WriteAll},
    blocking,
    class::VFuncs,
    disk, flush, one_buffer,
    poll_io::{PollIo, Transferred},
    splice,
};
use crate::{
    error::invalid,
    hub::{self, Direction},
    types::{Flushed, ReadFlags, Shutdown, WriteFlags},
    watch,
};

/// The methods of all channels that are futures: they wait without holding up the main
/// loop, on [`spawn_local`](crate::spawn_local),
/// [`MainContext::spawn_local`](glib::MainContext::spawn_local) and
/// [`block_on`](glib::MainContext::block_on), in any mix. The context has to run.
///
/// They never block, whatever the mode of the channel is; a class of another language that is in
/// blocking mode is read or written once it is ready. Files on disk are read and written by
/// other threads.
///
/// Dropping a future cancels it at once and loses no data: what had been read goes to the next
/// reader. What had been written stays written; what a dropped write to a file on disk was about
/// to write may still be written, and does not move the position.
///
/// Several tasks may wait for the same thing: all are woken. [`IoFutureExt`](crate::IoFutureExt)
/// adds limits.
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
    /// Waits until one of the conditions is there, and returns those that are. See
    /// [`ChannelExt::wait`].
    ///
    /// # Errors
    ///
    /// `EINVAL` for no condition at all.
    #[doc(alias = "qio_channel_ready_async")]
    #[doc(alias = "qio_channel_ready_finish")]
    fn ready(
        &self,
        condition: IOCondition,
    ) -> impl Future<Output = io::Result<IOCondition>> + Send + '_ {
        let channel = self.upcast_ref();
        async move { ready(channel, condition).await }
    }

    /// Reads once. Returns 0 at end-of-file.
    #[doc(alias = "qio_channel_read_bytes_async")]
    #[doc(alias = "qio_channel_read_bytes_finish")]
    fn read_future<'a>(
        &'a self,
        buf: &'a mut [u8],
    ) -> impl Future<Output = io::Result<usize>> + Send + 'a {
        one_buffer::Read::new(self.upcast_ref(), buf)
    }

    /// Reads once, into several buffers, in order.
    fn readv_future<'a>(
        &'a self,
        iov: &'a mut [IoSliceMut<'_>],
    ) -> impl Future<Output = io::Result<usize>> + Send + 'a {
        self.readv_full_future(iov, None, ReadFlags::empty())
    }

    /// Reads once, into several buffers, with the file descriptors that come along, and with
    /// flags. See [`ChannelExt::readv_full`].
    #[doc(alias = "qio_channel_read_bytes_with_fds_async")]
    #[doc(alias = "qio_channel_read_bytes_with_fds_finish")]
    fn readv_full_future<'a>(
        &'a self,
        iov: &'a mut [IoSliceMut<'_>],
        fds: Option<&'a mut Vec<OwnedFd>>,
        flags: ReadFlags,
    ) -> impl Future<Output = io::Result<usize>> + Send + 'a {
        read(self.upcast_ref(), iov, fds, flags)
    }

    /// Writes once, at least one byte, and returns how many.
    #[doc(alias = "qio_channel_write_bytes_async")]
    #[doc(alias = "qio_channel_write_bytes_finish")]
    fn write_future<'a>(
        &'a self,
        buf: &'a [u8],
    ) -> impl Future<Output = io::Result<usize>> + Send + 'a {
        one_buffer::Write::<false>::new(self.upcast_ref(), buf)
    }

    /// Writes once, from several buffers, in order.
    fn writev_future<'a>(
        &'a self,
        iov: &'a [IoSlice<'_>],
    ) -> impl Future<Output = io::Result<usize>> + Send + 'a {
        self.writev_full_future(iov, &[], WriteFlags::empty())
    }

    /// Writes once, from several buffers, with file descriptors, and with flags. See
    /// [`ChannelExt::writev_full`].
    fn writev_full_future<'a>(
        &'a self,
        iov: &'a [IoSlice<'_>],
        fds: &'a [BorrowedFd<'_>],
        flags: WriteFlags,
    ) -> impl Future<Output = io::Result<usize>> + Send + 'a {
        write(self.upcast_ref(), iov, None, fds, flags)
    }

    /// Reads until the buffer is full. See [`ChannelExt::read_all`].
    ///
    /// Dropped in the middle, it gives back to the channel what it has read.
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

    /// Reads until the buffer is full (`true`), unless the end comes before the first byte. See
    /// [`ChannelExt::read_all_eof`].
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

    /// As [`read_all_future`](Self::read_all_future), into several buffers.
    fn readv_all_future<'a>(
        &'a self,
        iov: &'a mut [IoSliceMut<'_>],
    ) -> impl Future<Output = io::Result<()>> + Send + 'a {
        ReadAll::new(iov).run_async(self.upcast_ref())
    }

    /// As [`read_all_eof_future`](Self::read_all_eof_future), into several buffers.
    fn readv_all_eof_future<'a>(
        &'a self,
        iov: &'a mut [IoSliceMut<'_>],
    ) -> impl Future<Output = io::Result<bool>> + Send + 'a {
        ReadAll::new(iov).run_eof_async(self.upcast_ref())
    }

    /// As [`readv_all_future`](Self::readv_all_future), with file descriptors and flags. See
    /// [`ChannelExt::readv_full_all`].
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

    /// As [`readv_all_eof_future`](Self::readv_all_eof_future), with file descriptors and flags. See
    /// [`ChannelExt::readv_full_all_eof`].
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
    #[doc(alias = "qio_channel_write_bytes_all_async")]
    #[doc(alias = "qio_channel_write_bytes_all_finish")]
    fn write_all_future<'a>(
        &'a self,
        buf: &'a [u8],
    ) -> impl Future<Output = io::Result<()>> + Send + 'a {
        one_buffer::Write::<true>::new(self.upcast_ref(), buf)
    }

    /// As [`write_all_future`](Self::write_all_future), from several buffers.
    fn writev_all_future<'a>(
        &'a self,
        iov: &'a [IoSlice<'a>],
    ) -> impl Future<Output = io::Result<()>> + Send + 'a {
        WriteAll::new(iov).run_async(self.upcast_ref())
    }

    /// As [`writev_all_future`](Self::writev_all_future), with file descriptors, which travel
    /// with the first byte, and with flags.
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
    /// Dropped in the middle, it gives back to this channel what it has read and not yet written. Between
    /// sockets that are in blocking mode bytes go through memory, as the kernel could not be told
    /// not to wait.
    #[doc(alias = "qio_channel_splice_to_async")]
    #[doc(alias = "qio_channel_splice_to_finish")]
    fn splice_to_future<'a>(
        &'a self,
        target: &'a impl IsA<Channel>,
        count: Option<u64>,
    ) -> impl Future<Output = io::Result<u64>> + Send + 'a {
        splice::splice_async(self.upcast_ref(), target.upcast_ref(), count, None)
    }

    /// As [`splice_to_future`](Self::splice_to_future), and counts the bytes while they are moved, also
    /// for those who drop it.
    fn splice_to_counted_future<'a>(
        &'a self,
        target: &'a impl IsA<Channel>,
        count: Option<u64>,
        counter: &'a ByteCounter,
    ) -> impl Future<Output = io::Result<u64>> + Send + 'a {
        splice::splice_async(self.upcast_ref(), target.upcast_ref(), count, Some(counter))
    }

    /// Writes once, with file descriptors and flags. See [`ChannelExt::write_bytes_full`].
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
            let kept = flags.contains(WriteFlags::ZERO_COPY).then_some(bytes);
            let iov = [IoSlice::new(bytes)];
            write(channel, iov, kept, fds, flags).await
        }
    }

    /// Writes all bytes, with file descriptors, which travel with the first byte, and with flags.
    /// See [`ChannelExt::write_bytes_full_all`].
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
            transfer.keeping(bytes).run_async(channel).await
        }
    }

    /// Sends what the channel itself still holds, and waits until memory that was written without a
    /// copy is not needed any more. See [`ChannelExt::flush`].
    #[doc(alias = "qio_channel_flush_async")]
    #[doc(alias = "qio_channel_flush_finish")]
    fn flush_future(&self) -> impl Future<Output = io::Result<Flushed>> + Send + '_ {
        flush::future(self.upcast_ref())
    }

    /// Ends one direction, or both. See [`ChannelExt::shutdown`], which does not block.
    fn shutdown_future(&self, how: Shutdown) -> impl Future<Output = io::Result<()>> + Send + '_ {
        let channel: &Channel = self.upcast_ref();
        async move { channel.shutdown(how) }
    }

    /// Closes the channel: in another thread, where that may take its time. See
    /// [`ChannelExt::close`]. Dropping the future does not stop it.
    #[doc(alias = "qio_channel_close_async")]
    #[doc(alias = "qio_channel_close_finish")]
    fn close_future(&self) -> impl Future<Output = io::Result<()>> + Send + '_ {
        let channel: &Channel = self.upcast_ref();
        async move {
            if !VFuncs::of(channel).honours_no_wait() {
                return channel.close();
            }
            let theirs = channel.clone();
            match blocking::begin(move || theirs.close()) {
                Ok(closing) => closing.await,
                // Closing needs no thread, if only it may take its time here.
                Err(_) => channel.close(),
            }
        }
    }
}

impl<T: IsA<Channel>> ChannelFutureExt for T {}

async fn read<'b>(
    channel: &Channel,
    mut iov: impl AsMut<[IoSliceMut<'b>]>,
    mut fds: Option<&mut Vec<OwnedFd>>,
    flags: ReadFlags,
) -> io::Result<usize> {
    if let Some(file) = disk::file(channel, Direction::Read)
        && let Some(first) = iov.as_mut().iter_mut().find(|buf| !buf.is_empty())
    {
        // Apart, not to make the futures of all others larger.
        return Box::pin(disk::read(channel, &file, first, None)).await;
    }
    let mut attempt = PollIo::new(Direction::Read);
    poll_fn(|cx| {
        attempt.poll(channel, cx, |how| {
            let slots = VFuncs::of(channel);
            slots.try_readv(iov.as_mut(), fds.as_deref_mut(), flags | how.read)
        })
    })
    .await
}

async fn write<'b>(
    channel: &Channel,
    iov: impl AsRef<[IoSlice<'b>]>,
    kept: Option<&glib::Bytes>,
    fds: &[BorrowedFd<'_>],
    flags: WriteFlags,
) -> io::Result<usize> {
    if let Some(file) = disk::file(channel, Direction::Write)
        && let Some(first) = iov.as_ref().iter().find(|buf| !buf.is_empty())
    {
        return Box::pin(disk::write(channel, &file, first, None)).await;
    }
    let mut attempt = PollIo::new(Direction::Write);
    poll_fn(|cx| {
        attempt.poll(channel, cx, |how| {
            let (slots, flags) = (VFuncs::of(channel), flags | how.write);
            let written = match kept {
                Some(bytes) => slots.write_owned(bytes, 0, fds, flags),
                None => slots.writev(iov.as_ref(), fds, flags),
            };
            written.map(Transferred::whole)
        })
    })
    .await
}

/// Waits for conditions of one direction or both.
pub(super) async fn ready(channel: &Channel, condition: IOCondition) -> io::Result<IOCondition> {
    if condition.is_empty() {
        return Err(invalid("There is no condition to wait for"));
    }
    let [read, write] = watch::directions(condition);
    let mut sides = [(read, Direction::Read), (write, Direction::Write)]
        .map(|(condition, side)| (condition, PollIo::new(side)));
    poll_fn(move |cx| {
        // What is ready all the time must not run all the time.
        std::task::ready!(hub::poll_budget(cx));
        for (condition, attempt) in &mut sides {
            if !condition.is_empty()
                && let Poll::Ready(result) = attempt.poll_level(channel, *condition, cx)
            {
                return Poll::Ready(result);
            }
        }
        Poll::Pending
    })
    .await
}
