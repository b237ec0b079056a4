//! What a layer does with the channel below it: single calls, of which those who wait learn what came.

use std::io::{self, IoSliceMut};

use glib::subclass::prelude::*;

use super::{Channel, attempt::Tried, class::Slots};
use crate::{
    error::would_block,
    hub::{Seen, Side},
    types::ReadFlags,
};

/// Reads once from the channel below.
pub(crate) fn read(below: &Channel, buf: &mut [u8]) -> io::Result<usize> {
    let mut buf = [IoSliceMut::new(buf)];
    tell(below, Side::Read, || {
        Slots::of(below).try_readv(&mut buf, None, ReadFlags::empty())
    })
}

/// Writes once to the channel below.
pub(crate) fn write(below: &Channel, buf: &[u8]) -> io::Result<usize> {
    tell(below, Side::Write, || {
        Slots::of(below).write(buf).map(Tried::whole)
    })
}

/// Makes a call, and tells the hub that runs what came of it. What is between two layers is nobody's
/// descriptor.
fn tell<T>(
    below: &Channel,
    side: Side,
    call: impl FnOnce() -> io::Result<Tried<T>>,
) -> io::Result<T> {
    let waiters = &below.imp().waiters;
    let seen = waiters.line(side).seen();
    let result = call();
    let is_over = match &result {
        Ok(tried) => tried.short && Slots::of(below).obey_no_wait(),
        Err(e) => would_block(e),
    };
    if is_over && below.below().is_none() {
        note(below, side, seen, result.is_ok());
    }
    result.map(|tried| tried.result)
}

/// Nothing is left as of `seen`, or little was read, which says the same.
fn note(below: &Channel, side: Side, seen: Seen, is_short: bool) {
    let Some(interest) = below.imp().waiters.interest_running(side) else {
        return;
    };
    match is_short {
        true => interest.read_short(seen),
        false => interest.would_block(side, seen),
    }
}
