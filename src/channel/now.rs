//! Single attempts that do not block, whatever the mode of the channel.

use std::{
    io::{self, IoSlice, IoSliceMut},
    time::Duration,
};

use glib::{IOCondition, subclass::prelude::*};

use super::{
    Channel,
    class::{IoFlags, VFuncs},
    wait,
};

/// Reads once. Fails with would-block where the read would have to wait.
pub(crate) fn readv(channel: &Channel, iov: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    let flags = flags(channel, IOCondition::IN)?;
    VFuncs::of(channel).readv(iov, None, flags.read)
}

/// Writes once. Fails with would-block where the write would have to wait.
pub(crate) fn writev(channel: &Channel, iov: &[IoSlice<'_>]) -> io::Result<usize> {
    let flags = flags(channel, IOCondition::OUT)?;
    VFuncs::of(channel).writev(iov, &[], flags.write)
}

/// Whether an operation of this direction would not block. An error counts: the operation returns
/// it.
pub(crate) fn is_ready(channel: &Channel, condition: IOCondition) -> bool {
    match wait::block(channel, condition, Some(Duration::ZERO)) {
        Ok(got) => !got.is_empty(),
        Err(e) => e.kind() != io::ErrorKind::TimedOut,
    }
}

/// The flags of an attempt. Would-block if only the readiness of the channel can prevent the
/// virtual function from blocking, and it is not ready.
pub(super) fn flags(channel: &Channel, condition: IOCondition) -> io::Result<IoFlags> {
    let own = VFuncs::of(channel).honors_no_wait();
    let blocking = channel.imp().is_blocking();
    match own || !blocking || is_ready(channel, condition) {
        true => Ok(IoFlags::new(own, blocking, true)),
        false => Err(io::ErrorKind::WouldBlock.into()),
    }
}
