//! Waiting: watches with a callback, and blocking until a condition is there.

use std::{
    cell::Cell,
    io,
    os::fd::RawFd,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use glib::{ControlFlow, IOCondition, prelude::*, subclass::prelude::*};

use super::{Channel, class::Slots};
use crate::{
    error::{invalid, io_error},
    sys::SharedFd,
    types::Readiness,
    watch,
};

/// Blocks until one of the conditions, or one that is always told, is there.
pub(super) fn wait(
    channel: &Channel,
    condition: IOCondition,
    timeout: Option<Duration>,
) -> io::Result<IOCondition> {
    if condition.is_empty() {
        return Err(invalid("There is no condition to wait for"));
    }
    // A time too far away to be told is no deadline.
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    loop {
        let got = if channel.imp().is_closed() {
            IOCondition::NVAL
        } else {
            match what_to_wait_for(channel, condition) {
                Readiness::Now => condition,
                Readiness::Fd(fd, wanted) => poll(channel, condition, fd, wanted, deadline)?,
                Readiness::Watch => iterate_until(channel, condition, deadline),
            }
        };
        if !got.is_empty() {
            return Ok(got);
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            let label = channel.label();
            return Err(io_error(
                gio::IOErrorEnum::TimedOut,
                &format!("Timed out waiting for {label}"),
            ));
        }
    }
}

/// Polls a descriptor, and tells what its conditions mean for the channel.
fn poll(
    channel: &Channel,
    condition: IOCondition,
    fd: RawFd,
    wanted: IOCondition,
    deadline: Option<Instant>,
) -> io::Result<IOCondition> {
    let got = channel.imp().waiters.block_on(fd, wanted, deadline)?;
    if wanted != condition && got.intersects(wanted - watch::ALWAYS) {
        Ok(condition | (got & watch::ALWAYS))
    } else {
        Ok(got)
    }
}

/// One descriptor if one tells it all; two directions may need two.
fn what_to_wait_for(channel: &Channel, condition: IOCondition) -> Readiness {
    let slots = Slots::of(channel);
    let write = condition & IOCondition::OUT;
    let read = condition - write;
    if write.is_empty() || read.is_empty() {
        return slots.wait_fd(condition);
    }
    match (slots.wait_fd(read), slots.wait_fd(write)) {
        (Readiness::Fd(a, for_read), Readiness::Fd(b, for_write))
            if a == b && for_read == read && for_write == write =>
        {
            Readiness::Fd(a, condition)
        }
        _ => Readiness::Watch,
    }
}

/// Runs the channel's watch in a main context of its own.
fn iterate_until(
    channel: &Channel,
    condition: IOCondition,
    deadline: Option<Instant>,
) -> IOCondition {
    let context = glib::MainContext::new();
    let got = Rc::new(Cell::new(IOCondition::empty()));
    let source = Slots::of(channel).create_watch(condition);
    let result = got.clone();
    watch::set_callback_local(&source, move |_: &Channel, condition| {
        result.set(condition);
        ControlFlow::Break
    });
    source.attach(Some(&context));
    let alarm = deadline.map(|deadline| {
        let left = deadline.saturating_duration_since(Instant::now());
        // GLib counts in whole milliseconds: not earlier than asked.
        let left = left.saturating_add(Duration::from_millis(1));
        let alarm = glib::timeout_source_new(left, None, glib::Priority::DEFAULT, || {
            ControlFlow::Continue
        });
        alarm.attach(Some(&context));
        alarm
    });
    while got.get().is_empty() && deadline.is_none_or(|deadline| Instant::now() < deadline) {
        context.iteration(true);
    }
    source.destroy();
    if let Some(alarm) = alarm {
        alarm.destroy();
    }
    got.get()
}

/// A watch with its callback, not yet attached.
pub(super) fn watch<C, F>(channel: &C, condition: IOCondition, callback: F) -> glib::Source
where
    C: IsA<Channel>,
    F: FnMut(&C, IOCondition) -> ControlFlow + Send + 'static,
{
    let source = Slots::of(channel.as_ref()).create_watch(condition);
    watch::set_callback(&source, callback);
    source
}

/// As [`watch`], for a callback that stays in this thread.
pub(super) fn watch_local<C, F>(channel: &C, condition: IOCondition, callback: F) -> glib::Source
where
    C: IsA<Channel>,
    F: FnMut(&C, IOCondition) -> ControlFlow + 'static,
{
    let source = Slots::of(channel.as_ref()).create_watch(condition);
    watch::set_callback_local(&source, callback);
    source
}

/// Attaches a watch that must stay in this thread.
pub(super) fn attach_local(
    source: &glib::Source,
    context: Option<&glib::MainContext>,
) -> glib::SourceId {
    // Not `unwrap_or_default`: the `Default` of a context is a new one.
    let context = context.cloned().unwrap_or_else(glib::MainContext::default);
    let _owned = context
        .acquire()
        .expect("the main context must belong to this thread, or to none yet");
    source.attach(Some(&context))
}

/// A watch on descriptors of the channel's own. The watch keeps their numbers from being
/// used for anything else. `None` for a closed one.
pub(crate) fn leased_watch(
    channel: &Channel,
    condition: IOCondition,
    read: Option<&Arc<SharedFd>>,
    write: Option<&Arc<SharedFd>>,
) -> glib::Source {
    let same = matches!((read, write), (Some(a), Some(b)) if Arc::ptr_eq(a, b));
    let read = read.and_then(SharedFd::lease).map(Into::into);
    let write = if same {
        None
    } else {
        write.and_then(SharedFd::lease).map(Into::into)
    };
    fd_watch(channel, condition, read, write)
}

/// A watch on descriptors that stay the same.
pub(super) fn fd_watch(
    channel: &Channel,
    condition: IOCondition,
    read: Option<watch::WatchedFd>,
    write: Option<watch::WatchedFd>,
) -> glib::Source {
    channel.watched(|watched| match (read, write) {
        (None, None) => watch::broken(watched, condition),
        (read, write) => watch::on_fds(watched, condition, read, write),
    })
}
