//! The `futures-io` streams of channels.

#[cfg(feature = "hyper")]
use std::mem::MaybeUninit;
use std::{
    fmt,
    future::Future,
    io::{self, IoSlice, IoSliceMut, SeekFrom},
    pin::Pin,
    slice,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_io::{AsyncRead, AsyncSeek, AsyncWrite};
#[cfg(feature = "hyper")]
use glib::subclass::prelude::*;

#[cfg(feature = "hyper")]
use super::class::zeroed;
use super::{
    Channel, ChannelExt, ChannelSeekExt,
    class::{Transferred, VFuncs},
    file_pool, flush,
    poll_io::PollIo,
};
use crate::{
    hub::Direction,
    sys::SharedFd,
    types::{Feature, Shutdown},
};

/// A channel as an [`AsyncRead`], [`AsyncWrite`] and [`AsyncSeek`] stream.
///
/// Made by [`ChannelExt::async_stream`]. It never blocks, whatever the mode of the channel is.
/// Closing it sends buffered data and shuts down writing: the peer reads end-of-file. A channel
/// that cannot be shut down is closed. Writes to a file on disk are complete when
/// [flushed](AsyncWrite::poll_flush).
///
/// # Cancel safety
///
/// Dropping a future that reads or writes by this stream loses no data: bytes that a file on disk
/// has returned are kept for the next read.
///
/// # Examples
///
/// ```
/// use futures_util::{AsyncReadExt, AsyncWriteExt};
/// use qio::prelude::*;
///
/// # fn main() -> std::io::Result<()> {
/// let (here, there) = qio::ChannelSocket::pair()?;
/// glib::MainContext::default().block_on(async {
///     let mut writer = there.async_stream();
///     writer.write_all(b"hello").await?;
///     writer.close().await?;
///     let mut text = String::new();
///     here.async_stream().read_to_string(&mut text).await?;
///     assert_eq!(text, "hello");
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct AsyncStream {
    channel: Channel,
    read: PollIo,
    write: PollIo,
    reading: Option<Job<Vec<u8>>>,
    writing: Option<Job<()>>,
}

/// A job of the thread pool for a file on disk.
struct Job<T>(Pin<Box<dyn Future<Output = io::Result<T>> + Send>>);

impl<T> fmt::Debug for Job<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Job")
    }
}

impl AsyncStream {
    pub(super) fn new(channel: Channel) -> Self {
        Self {
            channel,
            read: PollIo::new(Direction::Read),
            write: PollIo::new(Direction::Write),
            reading: None,
            writing: None,
        }
    }

    /// Returns the channel.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Splits the stream into one to read and one to write, for a task each.
    #[must_use]
    pub fn split(self) -> (ReadHalf, WriteHalf) {
        let reader = Self::new(self.channel.clone());
        (ReadHalf(reader), WriteHalf(self))
    }

    /// Reads into memory that may be uninitialized, and initializes as many bytes of it as it
    /// returns.
    #[cfg(feature = "hyper")]
    pub(crate) fn poll_read_uninit(
        &mut self,
        cx: &mut Context<'_>,
        memory: &mut [MaybeUninit<u8>],
    ) -> Poll<io::Result<usize>> {
        if self.channel.imp().is_regular_file() {
            return Pin::new(self).poll_read(cx, zeroed(memory));
        }
        let Self { channel, read, .. } = self;
        read.assume_ready(memory.is_empty());
        read.poll(channel, cx, |how| {
            VFuncs::of(channel).try_read_uninit(memory, how.read)
        })
    }

    fn poll_disk_read(
        &mut self,
        cx: &mut Context<'_>,
        file: Arc<SharedFd>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        // A write in progress moves the position too.
        ready!(self.poll_jobs(cx))?;
        let job = self.reading.get_or_insert_with(|| {
            let channel = self.channel.clone();
            let file = file.clone();
            let mut data = vec![0; buf.len()];
            Job(Box::pin(async move {
                let count = file_pool::read(&channel, &file, &mut data, None).await?;
                data.truncate(count);
                Ok(data)
            }))
        });
        let data = ready!(job.0.as_mut().poll(cx));
        self.reading = None;
        let data = data?;
        let (now, later) = data.split_at(data.len().min(buf.len()));
        buf[..now.len()].copy_from_slice(now);
        if !later.is_empty() {
            // The read was started for a larger buffer.
            file_pool::take_back(&file, later.len() as u64);
        }
        Poll::Ready(Ok(now.len()))
    }

    fn poll_disk_write(
        &mut self,
        cx: &mut Context<'_>,
        file: Arc<SharedFd>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_jobs(cx))?;
        // Its future was dropped before it was complete: it has read nothing.
        self.reading = None;
        let channel = self.channel.clone();
        let data = buf.to_vec();
        let count = data.len();
        self.writing = Some(Job(Box::pin(async move {
            let mut done = 0;
            while done < data.len() {
                done += file_pool::write(&channel, &file, &data[done..], None).await?;
            }
            Ok(())
        })));
        // The next call reports an error of it.
        if let Poll::Ready(result) = self.poll_jobs(cx) {
            result?;
        }
        Poll::Ready(Ok(count))
    }

    /// Waits for the writes to a file on disk that are in progress.
    fn poll_jobs(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(job) = &mut self.writing else {
            return Poll::Ready(Ok(()));
        };
        let result = ready!(job.0.as_mut().poll(cx));
        self.writing = None;
        Poll::Ready(result)
    }
}

impl AsyncRead for AsyncStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_read_vectored(cx, slice::from_mut(&mut IoSliceMut::new(buf)))
    }

    fn poll_read_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(file) = file_pool::file(&self.channel, Direction::Read)
            && let Some(first) = bufs.iter_mut().find(|buf| !buf.is_empty())
        {
            return self.poll_disk_read(cx, file, first);
        }
        let Self { channel, read, .. } = &mut *self;
        read.assume_ready(bufs.iter().all(|buf| buf.is_empty()));
        read.poll(channel, cx, |how| {
            VFuncs::of(channel).try_readv(bufs, None, how.read)
        })
    }
}

impl AsyncWrite for AsyncStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, slice::from_ref(&IoSlice::new(buf)))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(file) = file_pool::file(&self.channel, Direction::Write)
            && let Some(first) = bufs.iter().find(|buf| !buf.is_empty())
        {
            return self.poll_disk_write(cx, file, first);
        }
        let Self { channel, write, .. } = &mut *self;
        write.assume_ready(bufs.iter().all(|buf| buf.is_empty()));
        write.poll(channel, cx, |how| {
            let vfuncs = VFuncs::of(channel);
            vfuncs.writev(bufs, &[], how.write).map(Transferred::whole)
        })
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_jobs(cx))?;
        let Self { channel, write, .. } = &mut *self;
        flush::poll(channel, write, cx).map_ok(|_| ())
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.channel.is_closed() {
            return Poll::Ready(Ok(()));
        }
        ready!(self.as_mut().poll_flush(cx))?;
        Poll::Ready(match self.channel.has_feature(Feature::SHUTDOWN) {
            true => self.channel.shutdown(Shutdown::Write),
            false => self.channel.close(),
        })
    }
}

impl AsyncSeek for AsyncStream {
    fn poll_seek(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pos: SeekFrom,
    ) -> Poll<io::Result<u64>> {
        ready!(self.poll_jobs(cx))?;
        self.reading = None;
        Poll::Ready(self.channel.seek(pos))
    }
}

/// The read half of an [`AsyncStream`].
#[derive(Debug)]
pub struct ReadHalf(AsyncStream);

/// The write half of an [`AsyncStream`]. Closing it makes the peer read end-of-file.
#[derive(Debug)]
pub struct WriteHalf(AsyncStream);

impl AsyncRead for ReadHalf {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }

    fn poll_read_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read_vectored(cx, bufs)
    }
}

impl AsyncWrite for WriteHalf {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}
