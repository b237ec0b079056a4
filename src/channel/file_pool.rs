//! Files on disk in futures. Reads and writes may take long, which neither epoll nor `O_NONBLOCK`
//! covers: the thread pool of `blocking` makes the calls, with buffers of its own.
//!
//! A call at the position of the file moves it when it has ended. If its result is not taken, as
//! the future is dropped, the move is undone: a dropped future has read nothing, and a dropped
//! write, which may still be completed, is followed by the next one at the same position. Such
//! calls of one channel are made one after another.

use std::{
    io::{self, IoSlice, IoSliceMut, SeekFrom},
    mem,
    os::fd::{AsFd, BorrowedFd},
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
    sync::{AsyncGuard, AsyncLock, ForkMutex},
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
    let size = buf.len().min(CHUNK);
    let data = match at {
        Some(offset) => {
            VFuncs::of(channel).check_open()?;
            pool(file, move |fd| read_at(fd, size, offset)).await?
        }
        None => {
            let held = position_lock(channel).acquire().await;
            VFuncs::of(channel).check_open()?;
            let pushback = &channel.imp().channel_state.pushback;
            let taken = pushback.take(&mut [IoSliceMut::new(buf)], None, false);
            if let Some(count) = taken {
                return Ok(count);
            }
            let read = move |fd: BorrowedFd<'_>, start| read_at(fd, size, start);
            at_position(channel, file, held, read, Vec::len).await?
        }
    };
    buf[..data.len()].copy_from_slice(&data);
    observed::moved(channel, Direction::Read, data.len());
    Ok(data.len())
}

fn read_at(fd: BorrowedFd<'_>, size: usize, offset: u64) -> io::Result<Vec<u8>> {
    let mut data = vec![0; size];
    let count = vectored::preadv(fd, &mut [IoSliceMut::new(&mut data)], offset)?;
    data.truncate(count);
    Ok(data)
}

/// Writes once, at an offset, or at the position, which is then moved.
pub(super) async fn write(
    channel: &Channel,
    file: &Arc<SharedFd>,
    buf: &[u8],
    at: Option<u64>,
) -> io::Result<usize> {
    VFuncs::of(channel).check_open()?;
    let data = buf[..buf.len().min(CHUNK)].to_vec();
    let count = match at {
        Some(offset) => {
            let write =
                move |fd: BorrowedFd<'_>| vectored::pwritev(fd, &[IoSlice::new(&data)], offset);
            pool(file, write).await?
        }
        None => {
            let held = position_lock(channel).acquire().await;
            VFuncs::of(channel).check_open()?;
            channel.take_back_pushback()?;
            if sys_file::appends(file.get().ok_or_else(closed)?.as_fd())? {
                // The kernel selects the offset, and moves the position.
                let append = move |fd: BorrowedFd<'_>| {
                    let _held = held;
                    vectored::writev(fd, &[IoSlice::new(&data)])
                };
                pool(file, append).await?
            } else {
                let write = move |fd: BorrowedFd<'_>, start| {
                    vectored::pwritev(fd, &[IoSlice::new(&data)], start)
                };
                at_position(channel, file, held, write, |count| *count).await?
            }
        }
    };
    observed::moved(channel, Direction::Write, count);
    Ok(count)
}

/// Calls a function at the position, which then moves by the count of the result.
async fn at_position<T: Send + 'static>(
    channel: &Channel,
    file: &Arc<SharedFd>,
    held: AsyncGuard,
    call: impl FnOnce(BorrowedFd<'_>, u64) -> io::Result<T> + Send + 'static,
    count: fn(&T) -> usize,
) -> io::Result<T> {
    let start = position(file)?;
    let (moving, undo) = PositionMove::new(channel, file);
    let result = pool(file, move |fd| {
        let result = call(fd, start)?;
        moving.commit(count(&result), start, Some(held))?;
        Ok(result)
    })
    .await?;
    undo.keep();
    Ok(result)
}

/// The lock of the position, which a call at it holds until it has ended and moved it. It is held
/// in the thread of the pool: a future that is not polled holds nothing.
pub(super) fn position_lock(channel: &Channel) -> Arc<AsyncLock> {
    channel.imp().channel_state.position_lock()
}

/// The move of a position by a call of the pool.
pub(super) struct PositionMove {
    file: Arc<SharedFd>,
    lock: Arc<AsyncLock>,
    state: ForkMutex<MoveState>,
}

#[derive(Default)]
enum MoveState {
    /// The call has not ended.
    #[default]
    Pending,
    /// The call has moved the position by `count` from `start`.
    Moved { start: u64, count: usize },
    /// The future has taken the result, or was dropped.
    Over,
}

impl PositionMove {
    /// For the job, and for the future.
    pub(super) fn new(channel: &Channel, file: &Arc<SharedFd>) -> (Arc<Self>, Undo) {
        let this = Arc::new(Self {
            file: file.clone(),
            lock: position_lock(channel),
            state: ForkMutex::default(),
        });
        (this.clone(), Undo(this))
    }

    /// Moves the position, and then releases its lock, unless the future was dropped: then only the
    /// lock is released, so that the next call does not see a move.
    pub(super) fn commit(
        &self,
        count: usize,
        start: u64,
        held: Option<AsyncGuard>,
    ) -> io::Result<()> {
        let mut state = self.state.lock();
        let moved = match *state {
            // Relative: what has moved it meanwhile without the lock stays moved.
            MoveState::Pending => {
                skip(&self.file, count).map(|()| *state = MoveState::Moved { start, count })
            }
            MoveState::Moved { .. } | MoveState::Over => Ok(()),
        };
        let released = held.map(AsyncGuard::release);
        drop(state);
        drop(released);
        moved
    }
}

/// Undoes a move when it is dropped before the result was taken, unless the position was used
/// since.
pub(super) struct Undo(Arc<PositionMove>);

impl Undo {
    /// The result was taken.
    pub(super) fn keep(self) {
        *self.0.state.lock() = MoveState::Over;
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        let before = mem::replace(&mut *state, MoveState::Over);
        drop(state);
        if let MoveState::Moved { start, count } = before
            && let Some(_held) = self.0.lock.try_acquire()
            && let Ok(now) = position(&self.0.file)
            && now == start.saturating_add(count as u64)
        {
            // A file that was closed meanwhile has no position.
            let _ = seek(&self.0.file, SeekFrom::Start(start));
        }
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

pub(super) fn position(file: &Arc<SharedFd>) -> io::Result<u64> {
    seek(file, SeekFrom::Current(0))
}

fn seek(file: &Arc<SharedFd>, to: SeekFrom) -> io::Result<u64> {
    vectored::seek(file.get().ok_or_else(closed)?.as_fd(), to)
}

/// Calls a function with a file, in a thread of the pool.
pub(super) async fn pool<T: Send + 'static>(
    file: &Arc<SharedFd>,
    call: impl FnOnce(BorrowedFd<'_>) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let lease = file.lease().ok_or_else(closed)?;
    blocking::begin(move || call(lease.as_fd()))?.await
}
