//! Single reads and writes in futures.

use std::{
    future::poll_fn,
    io::{self, IoSlice, IoSliceMut},
    os::fd::{BorrowedFd, OwnedFd},
};

use crate::{
    channel::{
        Channel,
        class::{IoFlags, Transferred, VFuncs},
        file_pool,
        poll_io::PollIo,
    },
    hub::Direction,
    types::{ReadFlags, WriteFlags},
};

/// Reads once, in a future.
pub(in crate::channel) async fn read_once<'b>(
    channel: &Channel,
    mut iov: impl AsMut<[IoSliceMut<'b>]>,
    mut fds: Option<&mut Vec<OwnedFd>>,
    flags: ReadFlags,
) -> io::Result<usize> {
    // The pool moves nothing but bytes: the virtual function rejects the rest.
    if fds.is_none()
        && !flags.contains(ReadFlags::PEEK)
        && let Some(file) = file_pool::file(channel, Direction::Read)
        && let Some(first) = iov.as_mut().iter_mut().find(|buf| !buf.is_empty())
    {
        // Boxed, to keep the futures of all other channels small.
        return Box::pin(file_pool::read(channel, &file, first, None)).await;
    }
    let is_empty = iov.as_mut().iter().all(|buf| buf.is_empty());
    attempt(channel, Direction::Read, is_empty, |how| {
        let vfuncs = VFuncs::of(channel);
        vfuncs.try_readv(iov.as_mut(), fds.as_deref_mut(), flags | how.read)
    })
    .await
}

/// Writes once, in a future. `owner`: the bytes that own the only buffer.
pub(in crate::channel) async fn write_once<'b>(
    channel: &Channel,
    iov: impl AsRef<[IoSlice<'b>]>,
    owner: Option<&glib::Bytes>,
    fds: &[BorrowedFd<'_>],
    flags: WriteFlags,
) -> io::Result<usize> {
    if fds.is_empty()
        && !flags.contains(WriteFlags::ZERO_COPY)
        && let Some(file) = file_pool::file(channel, Direction::Write)
        && let Some(first) = iov.as_ref().iter().find(|buf| !buf.is_empty())
    {
        return Box::pin(file_pool::write(channel, &file, first, None)).await;
    }
    let is_empty = iov.as_ref().iter().all(|buf| buf.is_empty());
    attempt(channel, Direction::Write, is_empty, |how| {
        let (vfuncs, flags) = (VFuncs::of(channel), flags | how.write);
        let written = match owner {
            Some(bytes) => vfuncs.write_owned(bytes, 0, fds, flags),
            None => vfuncs.writev(iov.as_ref(), fds, flags),
        };
        written.map(Transferred::whole)
    })
    .await
}

/// Attempts until one does not block.
async fn attempt(
    channel: &Channel,
    direction: Direction,
    is_empty: bool,
    mut step: impl FnMut(IoFlags) -> io::Result<Transferred<usize>>,
) -> io::Result<usize> {
    let mut attempt = PollIo::new(direction);
    attempt.assume_ready(is_empty);
    poll_fn(|cx| attempt.poll(channel, cx, &mut step)).await
}
