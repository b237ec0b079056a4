//! Files on disk in futures: reading and writing them may take its time, which nothing tells and
//! no flag avoids. The threads of `blocking` do it, through buffers that they own.
//!
//! The position of the file is moved when the result has arrived, in the future: one that is
//! dropped has read nothing. What it writes may be written all the same.

use std::{
    io::{self, IoSlice, IoSliceMut, SeekFrom},
    os::fd::AsFd,
    sync::Arc,
};

use glib::subclass::prelude::*;

use super::{Channel, blocking, class::VFuncs, ffi::PollFd};
use crate::{
    error::closed,
    hub::Direction,
    sys::{SharedFd, file as sys_file, vectored},
};

/// The most bytes that go through a thread at once.
const CHUNK: usize = 256 * 1024;

/// The file of a channel, if it is one on disk that is read and written by slots of its class.
#[inline]
pub(super) fn file(channel: &Channel, side: Direction) -> Option<Arc<SharedFd>> {
    if !channel.imp().is_regular_file() {
        return None;
    }
    let slots = VFuncs::of(channel);
    match slots.lent(side)? {
        PollFd::Disk(file) if slots.honours_no_wait() => Some(file),
        _ => None,
    }
}

/// Reads once, at an offset, or at the position, which then moves.
pub(super) async fn read(
    channel: &Channel,
    file: &Arc<SharedFd>,
    buf: &mut [u8],
    at: Option<u64>,
) -> io::Result<usize> {
    if let Some(count) = unread(channel, buf, at)? {
        return Ok(count);
    }
    let size = buf.len().min(CHUNK);
    let start = position(file, at)?;
    let data = pool(file, move |fd| {
        let mut data = vec![0; size];
        let count = vectored::preadv(fd, &mut [IoSliceMut::new(&mut data)], start)?;
        data.truncate(count);
        Ok(data)
    })
    .await?;
    if at.is_none() {
        advance(file, start, data.len())?;
    }
    buf[..data.len()].copy_from_slice(&data);
    Ok(data.len())
}

/// Writes once, at an offset, or at the position, which then moves.
pub(super) async fn write(
    channel: &Channel,
    file: &Arc<SharedFd>,
    buf: &[u8],
    at: Option<u64>,
) -> io::Result<usize> {
    if channel.imp().is_closed() {
        return Err(closed());
    }
    let data = buf[..buf.len().min(CHUNK)].to_vec();
    let appends = at.is_none() && sys_file::appends(file.get().ok_or_else(closed)?.as_fd())?;
    if appends {
        // The system knows where, and moves the position.
        return pool(file, move |fd| vectored::writev(fd, &[IoSlice::new(&data)])).await;
    }
    let start = position(file, at)?;
    let count = pool(file, move |fd| {
        vectored::pwritev(fd, &[IoSlice::new(&data)], start)
    })
    .await?;
    if at.is_none() {
        advance(file, start, count)?;
    }
    Ok(count)
}

/// Undoes the last reads, of so many bytes, where nobody wants them: the position moves back.
pub(super) fn take_back(file: &Arc<SharedFd>, count: u64) {
    // A file that is closed meanwhile has no position.
    let _ = i64::try_from(count).map(|count| seek(file, SeekFrom::Current(-count)));
}

/// Moves the position by bytes that have been read past it.
pub(super) fn skip(file: &Arc<SharedFd>, count: usize) -> io::Result<()> {
    seek(
        file,
        SeekFrom::Current(i64::try_from(count).unwrap_or(i64::MAX)),
    )
    .map(drop)
}

fn unread(channel: &Channel, buf: &mut [u8], at: Option<u64>) -> io::Result<Option<usize>> {
    if channel.imp().is_closed() {
        return Err(closed());
    }
    Ok(match at {
        None => {
            let unread = &channel.imp().waiters.unread;
            unread.take(&mut [IoSliceMut::new(buf)], None, false)
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

/// Calls something with a file, in a thread where it may block.
pub(super) async fn pool<T: Send + 'static>(
    file: &Arc<SharedFd>,
    call: impl FnOnce(std::os::fd::BorrowedFd<'_>) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let lease = file.lease().ok_or_else(closed)?;
    blocking::begin(move || call(lease.as_fd()))?.await
}
