//! Watches: the [`glib::Source`]s that wait for a condition of a channel.
//!
//! A watch refers to its channel only as an object with something to wait for. It owns a reference
//! to the object, and a lease on each descriptor that the class exposes, so that the number stays
//! reserved for as long as GLib polls it. The channel in turn has a list of its waiters
//! ([`ChannelState`]), which `close` wakes.
#![allow(unsafe_code)]

mod callback;
mod channel_state;
mod children;
mod idle;
mod polled_fd;
mod pushback;
mod source;

pub(crate) use callback::{set_callback, set_callback_local};
pub(crate) use channel_state::{ChannelState, CompletionQueue, WakeOn, list_live};
pub(crate) use children::{LayerVtable, adopt, adopt_any, either, nval_watch};
pub(crate) use polled_fd::{Fds, LeasedFd, directions, primary_condition};
pub(crate) use pushback::Pushback;
pub(crate) use source::{WaitFdFn, by_query, layered, on_fds};

use std::sync::Arc;

use glib::{IOCondition, translate::*};

/// The conditions that are always delivered, requested or not: without them a wait for another
/// condition might never end.
pub(crate) const ALWAYS: IOCondition = IOCondition::ERR
    .union(IOCondition::HUP)
    .union(IOCondition::NVAL);

/// Sets the name of a source, if one is given, and its priority.
pub(crate) fn set_name_and_priority(
    source: glib::Source,
    name: Option<&str>,
    priority: glib::Priority,
) -> glib::Source {
    let raw = source.to_glib_none().0;
    // SAFETY: the wrapper holds a reference to the source; these functions are thread-safe.
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
    pub(crate) channel_state: &'a Arc<ChannelState>,
    /// Names the source, for debuggers and profilers.
    pub(crate) name: &'a str,
}
