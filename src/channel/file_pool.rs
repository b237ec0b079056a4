//! Files on disk in futures. Reads and writes may take long, which neither epoll nor `O_NONBLOCK`
//! covers: the thread pool of `blocking` makes the calls, with buffers of its own.
//!
//! The position of the file is moved when the result has arrived, in the future: a dropped future
//! has read nothing. A dropped write may still be completed, and the next one is at the same
//! position. Calls at the position are made one after another, in the order of their futures: each
//! holds the lock of the position until it has ended, also if its future is dropped.

use std::{
    io::{self, IoSlice, IoSliceMut, SeekFrom},
    os::fd::AsFd,
    sync::Arc,
};

use glib::subclass::prelude::*;

use super::{
    Channel, blocking,
    class::{VFuncs, native::PollFd},
    observed,
};
use crate::{
    error::closed,
    hub::Direction,
    sync::AsyncGuard,
    sys::{SharedFd, file as sys_file, vectored},
};

/// The maximum number of bytes per call of the pool.
const CHUNK: usize = 256 * 1024;

/// The file of a channel that is a file on disk, read and written by the virtual functions of its
/// class.
#[inline]
pub(super) fn file(channel: &Channel, side: Direction) -> Option<Arc<SharedFd>> {
    if !channel.imp().is_regular_file() {
        return None;
    }
    let vfuncs = VFuncs::of(channel);
    match vfuncs.poll_fd(side)? {
        PollFd::Disk(file) if vfuncs.honors_no_wait() => Some(file),
        _ => None,
    }
}

/// Reads once, at an offset, or at the position, which is then moved.
pub(super) async fn read(
    channel: &Channel,
    file: &Arc<SharedFd>,
    buf: &mut [u8],
    at: Option<u64>,
) -> io::Result<usize> {
    let held = hold_position(channel, at).await;
    if let Some(count) = pushback(channel, buf, at)? {
        return Ok(count);
    }
    let size = buf.len().min(CHUNK);
    let start = position(file, at)?;
    let (data, held) = pool(file, held, move |fd| {
        let mut data = vec![0; size];
        let count = vectored::preadv(fd, &mut [IoSliceMut::new(&mut data)], start)?;
        data.truncate(count);
        Ok(data)
    })
    .await?;
    if at.is_none() {
        advance(file, start, data.len())?;
    }
    drop(held);
    buf[..data.len()].copy_from_slice(&data);
    observed::moved(channel, Direction::Read, data.len());
    Ok(data.len())
}

/// Writes once, at an offset, or at the position, which is then moved.
pub(super) async fn write(
    channel: &Channel,
    file: &Arc<SharedFd>,
    buf: &[u8],
    at: Option<u64>,
) -> io::Result<usize> {
    if channel.imp().is_closed() {
        return Err(closed());
    }
    let held = hold_position(channel, at).await;
    if at.is_none() {
        channel.take_back_pushback()?;
    }
    let data = buf[..buf.len().min(CHUNK)].to_vec();
    let appends = at.is_none() && sys_file::appends(file.get().ok_or_else(closed)?.as_fd())?;
    let start = match appends {
        // In append mode the kernel selects the offset, and moves the position.
        true => None,
        false => Some(position(file, at)?),
    };
    let (count, _held) = pool(file, held, move |fd| {
        let iov = [IoSlice::new(&data)];
        match start {
            Some(start) => vectored::pwritev(fd, &iov, start),
            None => vectored::writev(fd, &iov),
        }
    })
    .await?;
    if let (None, Some(start)) = (at, start) {
        advance(file, start, count)?;
    }
    observed::moved(channel, Direction::Write, count);
    Ok(count)
}

/// The guard of a call that uses the position: one without an offset.
pub(super) async fn hold_position(channel: &Channel, at: Option<u64>) -> Option<AsyncGuard> {
    match at {
        None => Some(channel.imp().channel_state.position_lock().acquire().await),
        Some(_) => None,
    }
}

/// Moves the position back, after reads of so many bytes that were not consumed.
pub(super) fn take_back(file: &Arc<SharedFd>, count: u64) {
    // A file that was closed meanwhile has no position.
    let _ = i64::try_from(count).map(|count| seek(file, SeekFrom::Current(-count)));
}

/// Moves the position past bytes that have been read.
pub(super) fn skip(file: &Arc<SharedFd>, count: usize) -> io::Result<()> {
    seek(
        file,
        SeekFrom::Current(i64::try_from(count).unwrap_or(i64::MAX)),
    )
    .map(drop)
}

fn pushback(channel: &Channel, buf: &mut [u8], at: Option<u64>) -> io::Result<Option<usize>> {
    if channel.imp().is_closed() {
        return Err(closed());
    }
    Ok(match at {
        None => {
            let pushback = &channel.imp().channel_state.pushback;
            pushback.take(&mut [IoSliceMut::new(buf)], None, false)
        }
        Some(_) => None,
    })
}

pub(super) fn position(file: &Arc<SharedFd>, at: Option<u64>) -> io::Result<u64> {
    match at {
        Some(at) => Ok(at),
        None => seek(file, SeekFrom::Current(0)),
    }
}

fn advance(file: &Arc<SharedFd>, start: u64, count: usize) -> io::Result<()> {
    seek(file, SeekFrom::Start(start + count as u64)).map(drop)
}

fn seek(file: &Arc<SharedFd>, to: SeekFrom) -> io::Result<u64> {
    vectored::seek(file.get().ok_or_else(closed)?.as_fd(), to)
}

/// Calls a function with a file, in a thread of the pool. Returns also `held`, which is dropped
/// after the call if the future is dropped.
pub(super) async fn pool<T: Send + 'static, H: Send + 'static>(
    file: &Arc<SharedFd>,
    held: H,
    call: impl FnOnce(std::os::fd::BorrowedFd<'_>) -> io::Result<T> + Send + 'static,
) -> io::Result<(T, H)> {
    let lease = file.lease().ok_or_else(closed)?;
    let job = move || call(lease.as_fd()).map(|result| (result, held));
    blocking::begin(job)?.await
}
