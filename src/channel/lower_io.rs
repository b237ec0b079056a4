//! Single calls that a layered channel makes to its lower channel, whose results update the
//! readiness of the descriptor.

use std::{
    io::{self, IoSlice, IoSliceMut},
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
};

use glib::subclass::prelude::*;

use super::{
    Channel,
    class::{Transferred, VFuncs, native::PollFd},
    now,
};
use crate::{
    error::would_block,
    hub::{Direction, Hub},
    sys::socket,
    types::{ReadFlags, WriteFlags},
};

/// Reads once from the lower channel.
pub(crate) fn read(lower: &Channel, buf: &mut [u8]) -> io::Result<usize> {
    recorded(lower, Direction::Read, || {
        VFuncs::of(lower).try_read(buf, ReadFlags::empty())
    })
}

/// Writes once to the lower channel.
pub(crate) fn write(lower: &Channel, buf: &[u8]) -> io::Result<usize> {
    recorded(lower, Direction::Write, || {
        VFuncs::of(lower).try_write(buf, WriteFlags::empty())
    })
}

/// Reads once from the lower channel, into several buffers and with flags.
pub(crate) fn readv(
    lower: &Channel,
    iov: &mut [IoSliceMut<'_>],
    fds: Option<&mut Vec<OwnedFd>>,
    mut flags: ReadFlags,
) -> io::Result<usize> {
    if flags.contains(ReadFlags::NO_WAIT) {
        let forwarded = now::flags(lower, Direction::Read.condition())?;
        flags = (flags - ReadFlags::NO_WAIT) | forwarded.read;
    }
    recorded(lower, Direction::Read, || {
        VFuncs::of(lower).try_readv(iov, fds, flags)
    })
}

/// Writes once to the lower channel, from several buffers and with flags.
pub(crate) fn writev(
    lower: &Channel,
    iov: &[IoSlice<'_>],
    fds: &[BorrowedFd<'_>],
    mut flags: WriteFlags,
) -> io::Result<usize> {
    if flags.contains(WriteFlags::NO_WAIT) {
        let forwarded = now::flags(lower, Direction::Write.condition())?;
        flags = (flags - WriteFlags::NO_WAIT) | forwarded.write;
    }
    recorded(lower, Direction::Write, || {
        let written = VFuncs::of(lower).writev(iov, fds, flags);
        written.map(Transferred::whole)
    })
}

/// Whether the bottom channel is a TCP connection with data that the peer's system has not
/// acknowledged.
pub(crate) fn has_unacknowledged(below: &Channel) -> bool {
    match VFuncs::of(below).poll_fd(Direction::Write) {
        Some(PollFd::Pollable { fd, .. }) => {
            let guard = fd.get();
            guard.is_some_and(|fd| socket::has_unacknowledged(fd.as_fd()))
        }
        Some(PollFd::Disk(_)) | None => false,
    }
}

/// Makes a call, and records would-block and short reads in the registration of the running hub. A
/// channel that is a layer itself has no descriptor.
fn recorded<T>(
    lower: &Channel,
    side: Direction,
    call: impl FnOnce() -> io::Result<Transferred<T>>,
) -> io::Result<T> {
    let (channel_state, running) = (&lower.imp().channel_state, Hub::running());
    let known;
    let watched = match (lower.lower(), channel_state.home(side, running)) {
        (Some(_), _) => None,
        (None, Some(home)) => Some(home),
        (None, None) => {
            known = channel_state.registration_known(side, running, true);
            known.as_ref()
        }
    };
    let seen = watched.map(|it| it.ready_event(side));
    let result = call();
    if let (Some(registration), Some(seen)) = (watched, seen) {
        match &result {
            Ok(tried) if tried.short && VFuncs::of(lower).honors_no_wait() => {
                registration.read_short(seen);
            }
            Err(e) if would_block(e) => registration.would_block(side, seen),
            _ => {}
        }
    }
    result.map(|tried| tried.result)
}
