//! Single calls that a layer makes to the channel below it, whose results update the readiness of its descriptor.

use std::{
    io::{self, IoSliceMut},
    os::fd::AsFd as _,
};

use glib::subclass::prelude::*;

use super::{Channel, class::VFuncs, ffi::PollFd, poll_io::Transferred};
use crate::{
    error::would_block,
    hub::{Direction, Hub},
    sys::socket,
    types::ReadFlags,
};

/// Reads once from the channel below.
pub(crate) fn read(below: &Channel, buf: &mut [u8]) -> io::Result<usize> {
    let mut buf = [IoSliceMut::new(buf)];
    recorded(below, Direction::Read, || {
        VFuncs::of(below).try_readv(&mut buf, None, ReadFlags::empty())
    })
}

/// Writes once to the channel below.
pub(crate) fn write(below: &Channel, buf: &[u8]) -> io::Result<usize> {
    recorded(below, Direction::Write, || {
        VFuncs::of(below).write(buf).map(Transferred::whole)
    })
}

/// Whether the bottom channel is a TCP connection with data that the peer's system has not acknowledged.
pub(crate) fn has_unacknowledged(below: &Channel) -> bool {
    match VFuncs::of(below).lent(Direction::Write) {
        Some(PollFd::Pollable { fd, .. }) => {
            let guard = fd.get();
            guard.is_some_and(|fd| socket::has_unacknowledged(fd.as_fd()))
        }
        Some(PollFd::Disk(_)) | None => false,
    }
}

/// Makes a call, and records would-block and short reads in the registration of the running hub. A channel that is a
/// layer itself has no descriptor.
fn recorded<T>(
    below: &Channel,
    side: Direction,
    call: impl FnOnce() -> io::Result<Transferred<T>>,
) -> io::Result<T> {
    let watched = match below.below() {
        Some(_) => None,
        None => below
            .imp()
            .waiters
            .registration_known(side, Hub::running(), true),
    };
    let seen = watched.as_ref().map(|it| it.ready_event(side));
    let result = call();
    if let (Some(registration), Some(seen)) = (watched, seen) {
        match &result {
            Ok(tried) if tried.short && VFuncs::of(below).honours_no_wait() => {
                registration.read_short(seen);
            }
            Err(e) if would_block(e) => registration.would_block(side, seen),
            _ => {}
        }
    }
    result.map(|tried| tried.result)
}
