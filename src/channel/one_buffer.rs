//! The futures with one buffer, which are the most common ones. Written by hand, they are smaller
//! than those that the compiler generates from the loops in `transfer`.

use std::{
    future::Future,
    io, mem,
    pin::Pin,
    task::{Context, Poll},
};

use glib::subclass::prelude::*;

use super::{
    Channel,
    class::{Transferred, VFuncs},
    file_pool,
    poll_io::PollIo,
    transfer::finish_writing,
};
use crate::hub::Direction;

/// The job of the thread pool for a file on disk. Boxed, to keep the futures of all other channels
/// small.
type Job<'a, T> = Option<Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>>;

/// Reads once.
pub(super) struct Read<'a> {
    channel: &'a Channel,
    buf: &'a mut [u8],
    attempt: PollIo,
    job: Job<'a, usize>,
}

impl<'a> Read<'a> {
    #[inline]
    pub(super) fn new(channel: &'a Channel, buf: &'a mut [u8]) -> Self {
        Self {
            channel,
            buf,
            attempt: PollIo::new(Direction::Read),
            job: None,
        }
    }

    #[cold]
    fn poll_disk(&mut self, cx: &mut Context<'_>) -> Option<Poll<io::Result<usize>>> {
        if self.job.is_none() && !self.buf.is_empty() {
            let (channel, file) = (
                self.channel,
                file_pool::file(self.channel, Direction::Read)?,
            );
            let buf = mem::take(&mut self.buf);
            let job = async move { file_pool::read(channel, &file, buf, None).await };
            self.job = Some(Box::pin(job));
        }
        self.job.as_mut().map(|job| job.as_mut().poll(cx))
    }
}

impl Future for Read<'_> {
    type Output = io::Result<usize>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.channel.imp().is_regular_file()
            && let Some(poll) = self.poll_disk(cx)
        {
            return poll;
        }
        let Self {
            channel,
            buf,
            attempt,
            ..
        } = &mut *self;
        attempt.assume_ready(buf.is_empty());
        attempt.poll(channel, cx, |how| {
            VFuncs::of(channel).try_read(buf, how.read)
        })
    }
}

/// Writes once, or until all is written.
pub(super) struct Write<'a, const ALL: bool> {
    channel: &'a Channel,
    buf: &'a [u8],
    done: usize,
    attempt: PollIo,
    job: Job<'a, usize>,
}

impl<'a, const ALL: bool> Write<'a, ALL> {
    #[inline]
    pub(super) fn new(channel: &'a Channel, buf: &'a [u8]) -> Self {
        Self {
            channel,
            buf,
            done: 0,
            attempt: PollIo::new(Direction::Write),
            job: None,
        }
    }

    #[cold]
    fn poll_disk(&mut self, cx: &mut Context<'_>) -> Option<Poll<io::Result<usize>>> {
        if self.job.is_none() && !self.buf.is_empty() {
            let (channel, file) = (
                self.channel,
                file_pool::file(self.channel, Direction::Write)?,
            );
            let buf = self.buf;
            let job = async move {
                let mut done = file_pool::write(channel, &file, buf, None).await?;
                while ALL && done < buf.len() {
                    done += file_pool::write(channel, &file, &buf[done..], None).await?;
                }
                Ok(done)
            };
            self.job = Some(Box::pin(job));
        }
        self.job.as_mut().map(|job| job.as_mut().poll(cx))
    }

    /// Returns the number of bytes written.
    #[inline]
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.channel.imp().is_regular_file()
            && let Some(poll) = self.poll_disk(cx)
        {
            return poll;
        }
        let Self {
            channel,
            buf,
            done,
            attempt,
            ..
        } = self;
        attempt.assume_ready(buf.is_empty());
        loop {
            let step = attempt.poll(channel, cx, |how| {
                // Not again after all bytes are written and pending output of a layered channel has
                // met would-block.
                if !ALL || *done < buf.len() {
                    *done += VFuncs::of(channel)
                        .try_write(&buf[*done..], how.write)?
                        .result;
                }
                if ALL && *done == buf.len() {
                    finish_writing(channel)?;
                }
                Ok(Transferred::whole(()))
            });
            std::task::ready!(step)?;
            if !ALL || *done == buf.len() {
                return Poll::Ready(Ok(*done));
            }
        }
    }
}

impl Future for Write<'_, false> {
    type Output = io::Result<usize>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_write(cx)
    }
}

impl Future for Write<'_, true> {
    type Output = io::Result<()>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_write(cx).map_ok(drop)
    }
}
