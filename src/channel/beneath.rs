//! What a layer does with the channel below it: single calls, of which those who wait learn what came.

use std::io::{self, IoSliceMut};

use glib::subclass::prelude::*;

use super::{Channel, attempt::Tried, class::Slots};
use crate::{
    error::would_block,
    hub::{Hub, Side},
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
            Ok(tried) if tried.short && Slots::of(below).obey_no_wait() => {
                registration.read_short(seen);
            }
            Err(e) if would_block(e) => registration.would_block(side, seen),
            _ => {}
        }
    }
    result.map(|tried| tried.result)
}
