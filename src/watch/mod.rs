//! Watches: the [`glib::Source`]s that wait for a condition of a channel.
//!
//! A watch knows its channel only as an object with something to wait for. It owns
//! a reference to it, and a lease on each descriptor that the channel lends it, so
//! that the number stays reserved for as long as GLib polls it. The channel in turn
//! knows who waits for it ([`Waiters`]), to wake them all when it is closed.
#![allow(unsafe_code)]

mod below;
mod callback;
mod foreign;
mod idle;
mod polled_fd;
mod pushback;
mod source;
mod waiters;

pub(crate) use below::LayerVtable;
pub(crate) use callback::{set_callback, set_callback_local};
pub(crate) use foreign::{adopt, adopt_any, nval_watch};
pub(crate) use polled_fd::{Fds, LeasedFd, directions, primary_condition};
pub(crate) use pushback::anything_unread;
pub(crate) use source::{WaitFdFn, asking, layered, on_fds};
pub(crate) use waiters::{CompletionQueue, Waiters};

use std::sync::Arc;

use glib::{IOCondition, translate::*};

/// What is always delivered, asked for or not: whoever waits for anything else
/// would wait for ever.
pub(crate) const ALWAYS: IOCondition = IOCondition::ERR
    .union(IOCondition::HUP)
    .union(IOCondition::NVAL);

/// Names a source, if it is to have another name, and gives it a priority.
pub(crate) fn set_name_and_priority(
    source: glib::Source,
    name: Option<&str>,
    priority: glib::Priority,
) -> glib::Source {
    let raw = source.to_glib_none().0;
    // SAFETY: the source is alive, and any thread may name or order it.
    unsafe {
        if let Some(name) = name {
            glib_sys::g_source_set_name(raw, name.to_glib_none().0);
        }
        glib_sys::g_source_set_priority(raw, priority.into_glib());
    }
    source
}

/// The object that a watch waits for.
#[derive(Clone, Copy)]
pub(crate) struct Watched<'a> {
    pub(crate) object: &'a glib::Object,
    pub(crate) waiters: &'a Arc<Waiters>,
    /// Names the source, for debuggers and profilers.
    pub(crate) name: &'a str,
}
