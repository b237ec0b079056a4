//! Counts the calls of channels, while the process is observed: see [`observe`](crate::observe).

use std::{io, os::fd::AsFd as _, sync::Arc};

use glib::{prelude::*, subclass::prelude::*};

use super::{
    Channel,
    class::{VFuncs, native::PollFd},
};
use crate::{
    coroutine,
    hub::Direction,
    observe::{self, ChannelStats},
    sys::socket,
};

/// The counters of a channel, which is listed from now on.
#[cold]
pub(crate) fn stats(channel: &Channel) -> &Arc<ChannelStats> {
    let stats = channel.imp().channel_state.observed(channel.type_().name());
    if let Some(below) = channel.below() {
        stats.set_below(self::stats(below));
    }
    stats
}

/// Makes a call that transfers data. `count` returns the number of bytes of the result.
#[inline]
pub(crate) fn transfer<T>(
    channel: &Channel,
    side: Direction,
    count: impl FnOnce(&T) -> usize,
    call: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    match observe::is_observed() {
        true => counted(channel, side, count, call),
        false => call(),
    }
}

#[cold]
#[inline(never)]
fn counted<T>(
    channel: &Channel,
    side: Direction,
    count: impl FnOnce(&T) -> usize,
    call: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    let stats = stats(channel);
    let name = match side {
        Direction::Read => "a read",
        Direction::Write => "a write",
    };
    let result = measured(channel, stats, name, call);
    let moved = result.as_ref().map(count);
    if matches!(moved, Ok(1..)) && channel.imp().stream.get().is_some() {
        stats.set_connected();
    }
    stats.count(side as usize, moved);
    set_layer_state(channel, stats);
    result
}

/// Makes another call that may block.
#[inline]
pub(crate) fn call<T>(
    channel: &Channel,
    name: &'static str,
    call: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    match observe::is_observed() {
        true => observed_call(channel, name, call),
        false => call(),
    }
}

#[cold]
#[inline(never)]
fn observed_call<T>(
    channel: &Channel,
    name: &'static str,
    call: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    let stats = stats(channel);
    let result = measured(channel, stats, name, call);
    if let Err(e) = &result {
        stats.record_error(e);
    }
    result
}

/// Measures a call. In a coroutine only those of classes that do not suspend it: others would be
/// measured with what the thread does meanwhile.
fn measured<R>(
    channel: &Channel,
    stats: &Arc<ChannelStats>,
    name: &'static str,
    call: impl FnOnce() -> R,
) -> R {
    match coroutine::in_coroutine() && !VFuncs::of(channel).is_plain_class() {
        true => call(),
        false => observe::measured(stats, name, call),
    }
}

/// Closes a channel, and warns if input is left.
#[inline]
pub(super) fn close<T>(channel: &Channel, call: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    match observe::is_observed() {
        true => observed_close(channel, call),
        false => call(),
    }
}

#[cold]
#[inline(never)]
fn observed_close<T>(channel: &Channel, call: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let stats = stats(channel);
    // A layered channel that closes its lower channel leaves what it does not need.
    if !observe::is_measured() {
        let pushback = &channel.imp().channel_state.pushback;
        let unread = unread(channel).max(pushback.len());
        if unread > 0 {
            stats.closed_unread(unread);
        }
    }
    observed_call(channel, "a close", call)
}

/// The number of bytes that a stream socket has received, and that were not read.
fn unread(channel: &Channel) -> usize {
    if channel.imp().stream.get().is_none() {
        return 0;
    }
    match VFuncs::of(channel).poll_fd(Direction::Read) {
        Some(PollFd::Pollable { fd, .. }) => fd
            .get()
            .map_or(0, |fd| socket::unread(fd.as_fd()).unwrap_or(0)),
        Some(PollFd::Disk(_)) | None => 0,
    }
}

/// A future has polled the channel, and made no call.
#[inline]
pub(super) fn polled(channel: &Channel) {
    if observe::is_observed() {
        stats(channel).attempted();
    }
}

/// Counts bytes that were moved without a virtual function.
#[inline]
pub(super) fn moved(channel: &Channel, side: Direction, count: usize) {
    if observe::is_observed() {
        stats(channel).count_bytes(side as usize, count);
    }
}

/// The other end has accepted the connection.
#[inline]
pub(crate) fn connected(channel: &Channel) {
    if observe::is_observed() {
        stats(channel).set_connected();
    }
}

/// The state of a layered channel may have changed.
#[inline]
pub(crate) fn layer(channel: &Channel) {
    if observe::is_observed() {
        set_layer_state(channel, stats(channel));
    }
}

fn set_layer_state(channel: &Channel, stats: &ChannelStats) {
    if let Some(state) = VFuncs::of(channel).layer_state() {
        let lower = channel.below().map(self::stats);
        stats.set_layer_state(state, lower.map(Arc::as_ref));
    }
}

/// The name or the description of a channel has changed.
#[inline]
pub(super) fn texts_changed(channel: &Channel) {
    if let Some(stats) = channel.imp().channel_state.stats.get() {
        stats.set_texts(channel.imp().name().map(Into::into), channel.label());
    }
}
