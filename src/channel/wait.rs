//! Waiting: watches with a callback, and blocking until a condition holds.

use std::{
    cell::Cell,
    future::poll_fn,
    io,
    rc::Rc,
    sync::Arc,
    task::{Poll, ready},
    time::{Duration, Instant},
};

use gio::prelude::*;
use glib::{ControlFlow, IOCondition, subclass::prelude::*};

use super::{Channel, class::VFuncs, observed, poll_io::PollIo, timeout::IoFutureExt as _};
use crate::{
    coroutine,
    error::{cancelled, invalid, io_error},
    hub::{self, Direction, private_context},
    sys::SharedFd,
    types::Readiness,
    watch::{self, ALWAYS, Fds, LeasedFd},
};

/// Blocks until one of the conditions holds, or one that is always reported. In a coroutine,
/// suspends that.
pub(super) fn wait(
    channel: &Channel,
    condition: IOCondition,
    timeout: Option<Duration>,
) -> io::Result<IOCondition> {
    if coroutine::in_coroutine() {
        let ready = future(channel, condition);
        let result = match timeout {
            Some(timeout) => coroutine::wait_for(ready.or_timeout(timeout)),
            None => coroutine::wait_for(ready),
        };
        return match result? {
            Err(e) if e.kind() == io::ErrorKind::TimedOut => Err(timed_out(channel)),
            result => result,
        };
    }
    block(channel, condition, timeout)
}

/// As [`wait`], but blocks the thread in a coroutine as well.
pub(super) fn block(
    channel: &Channel,
    condition: IOCondition,
    timeout: Option<Duration>,
) -> io::Result<IOCondition> {
    // A deadline that overflows `Instant` is none.
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    wait_until(channel, condition, deadline, &|| false)
}

/// As [`wait`], in a future.
pub(super) async fn future(channel: &Channel, condition: IOCondition) -> io::Result<IOCondition> {
    if condition.is_empty() {
        return Err(invalid("No condition to wait for"));
    }
    let [read, write] = watch::directions(condition);
    let mut sides = [(read, Direction::Read), (write, Direction::Write)]
        .map(|(condition, side)| (condition, PollIo::new(side)));
    poll_fn(move |cx| {
        // A channel that is always ready must not starve other tasks.
        ready!(hub::poll_budget(cx));
        observed::polled(channel);
        for (condition, attempt) in &mut sides {
            if !condition.is_empty()
                && let Poll::Ready(result) = attempt.poll_level(channel, *condition, cx)
            {
                return Poll::Ready(result);
            }
        }
        Poll::Pending
    })
    .await
}

/// As [`wait`], until a cancellable is cancelled.
pub(super) fn wait_cancellable(
    channel: &Channel,
    condition: IOCondition,
    cancellable: &gio::Cancellable,
) -> io::Result<IOCondition> {
    if coroutine::in_coroutine() {
        let ready = future(channel, condition);
        return coroutine::wait_for(ready.or_cancelled(cancellable))?;
    }
    block_cancellable(channel, condition, cancellable)
}

/// As [`wait_cancellable`], but blocks the thread in a coroutine as well.
fn block_cancellable(
    channel: &Channel,
    condition: IOCondition,
    cancellable: &gio::Cancellable,
) -> io::Result<IOCondition> {
    let wait = |stop: &dyn Fn() -> bool| wait_until(channel, condition, None, stop);
    let result = until_cancelled(channel, Some(cancellable), wait);
    match cancellable.is_cancelled() {
        true => Err(cancelled()),
        false => result,
    }
}

/// Calls `f`, which waits, with a function that returns whether the cancellable is cancelled. While
/// `f` runs, that wakes the waiters of the channel.
pub(super) fn until_cancelled<R>(
    channel: &Channel,
    cancellable: Option<&gio::Cancellable>,
    f: impl FnOnce(&dyn Fn() -> bool) -> R,
) -> R {
    let Some(cancellable) = cancellable else {
        return f(&|| false);
    };
    let channel_state = channel.imp().channel_state.clone();
    let handler = cancellable.connect_cancelled(move |_| channel_state.wake());
    let result = f(&|| cancellable.is_cancelled());
    if let Some(handler) = handler {
        cancellable.disconnect_cancelled(handler);
    }
    result
}

fn timed_out(channel: &Channel) -> io::Error {
    let label = channel.label();
    io_error(
        gio::IOErrorEnum::TimedOut,
        &format!("Timed out waiting for {label}"),
    )
}

/// Blocks until a condition holds, the deadline has passed, which is an error, or `stop` returns
/// `true`: a thread that changes the result of `stop` must wake the waiters.
pub(crate) fn wait_until(
    channel: &Channel,
    condition: IOCondition,
    deadline: Option<Instant>,
    stop: &dyn Fn() -> bool,
) -> io::Result<IOCondition> {
    if condition.is_empty() {
        return Err(invalid("No condition to wait for"));
    }
    observed::call(channel, "a wait", || {
        wait_for_condition(channel, condition, deadline, stop)
    })
}

fn wait_for_condition(
    channel: &Channel,
    condition: IOCondition,
    deadline: Option<Instant>,
    stop: &dyn Fn() -> bool,
) -> io::Result<IOCondition> {
    let channel_state = &channel.imp().channel_state;
    loop {
        // Before `stop` is called: a change of its result makes the waiters poll again.
        let seen = channel_state.wake_epoch();
        if stop() {
            return Ok(IOCondition::empty());
        }
        let got = if channel.imp().is_closed() {
            IOCondition::NVAL
        } else if channel_state.pushback.is_readable() && condition.contains(IOCondition::IN) {
            IOCondition::IN
        } else {
            match what_to_wait_for(channel, condition) {
                // Closed since the check above: there is no descriptor any more.
                Readiness::Now if channel.imp().is_closed() => IOCondition::NVAL,
                Readiness::Now if !(condition - ALWAYS).is_empty() => condition - ALWAYS,
                Readiness::Fd(fd, wanted) => {
                    let got = channel_state.block_on(fd, wanted, deadline, seen)?;
                    // Without the completions: poll again.
                    let poll_again = || Ok(IOCondition::empty());
                    let got = channel_state.ignore_completions(got, condition, poll_again)?;
                    meaning(got, wanted, condition)
                }
                Readiness::Now | Readiness::Watch => {
                    iterate_until(channel, condition, deadline, stop)?
                }
            }
        };
        if !got.is_empty() || stop() {
            return Ok(got);
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(timed_out(channel));
        }
    }
}

/// Translates the conditions of a descriptor to the channel's, which may need another direction.
fn meaning(got: IOCondition, wanted: IOCondition, condition: IOCondition) -> IOCondition {
    if wanted != condition && got.intersects(wanted - ALWAYS) {
        (condition - ALWAYS) | (got & ALWAYS)
    } else {
        got
    }
}

/// One descriptor if it reports all conditions; two directions may need two.
fn what_to_wait_for(channel: &Channel, condition: IOCondition) -> Readiness {
    let vfuncs = VFuncs::of(channel);
    let [read, write] = watch::directions(condition).map(|side| side - ALWAYS);
    if write.is_empty() || read.is_empty() {
        let answer = vfuncs.wait_fd(watch::primary_condition(condition));
        return match answer {
            // poll(2) reports errors and hang-ups without a request.
            Readiness::Fd(fd, _) if (condition - ALWAYS).is_empty() => Readiness::Fd(fd, condition),
            answer => answer,
        };
    }
    match (vfuncs.wait_fd(read), vfuncs.wait_fd(write)) {
        (Readiness::Fd(a, for_read), Readiness::Fd(b, for_write))
            if a == b && for_read == read && for_write == write =>
        {
            Readiness::Fd(a, condition)
        }
        _ => Readiness::Watch,
    }
}

/// Waits by the channel's watch, in a private main context.
fn iterate_until(
    channel: &Channel,
    condition: IOCondition,
    deadline: Option<Instant>,
    stop: &dyn Fn() -> bool,
) -> io::Result<IOCondition> {
    let context = private_context()?;
    let got = Rc::new(Cell::new(IOCondition::empty()));
    let source = VFuncs::of(channel).create_watch(condition);
    let result = got.clone();
    watch::set_callback_local(&source, channel, move |_, condition| {
        result.set(condition);
        ControlFlow::Break
    });
    source.attach(Some(&context));
    let timer = deadline.map(|deadline| {
        let left = deadline.saturating_duration_since(Instant::now());
        // GLib counts in whole milliseconds: rounded up, not to return early.
        let left = left.saturating_add(Duration::from_millis(1));
        let timer = glib::timeout_source_new(left, None, glib::Priority::DEFAULT, || {
            ControlFlow::Continue
        });
        timer.attach(Some(&context));
        timer
    });
    // Enters the source in the wait list: a thread that stops the wait after the first check of
    // `stop` wakes the source.
    context.iteration(false);
    while got.get().is_empty() && !stop() {
        let late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
        context.iteration(!late);
        if late {
            break;
        }
    }
    source.destroy();
    if let Some(timer) = timer {
        timer.destroy();
    }
    Ok(got.get())
}

/// Creates a watch with its callback, not yet attached.
pub(super) fn watch<C, F>(channel: &C, condition: IOCondition, callback: F) -> glib::Source
where
    C: IsA<Channel>,
    F: FnMut(&C, IOCondition) -> ControlFlow + Send + 'static,
{
    let source = VFuncs::of(channel.as_ref()).create_watch(condition);
    watch::set_callback(&source, channel, callback);
    source
}

/// As [`watch`], for a callback that stays in this thread.
pub(super) fn watch_local<C, F>(channel: &C, condition: IOCondition, callback: F) -> glib::Source
where
    C: IsA<Channel>,
    F: FnMut(&C, IOCondition) -> ControlFlow + 'static,
{
    let source = VFuncs::of(channel.as_ref()).create_watch(condition);
    watch::set_callback_local(&source, channel, callback);
    source
}

/// Attaches a watch that must stay in this thread.
pub(super) fn attach_local(
    source: &glib::Source,
    context: Option<&glib::MainContext>,
) -> glib::SourceId {
    assert_owned(context);
    source.attach(context)
}

/// # Panics
///
/// If another thread owns the context.
pub(super) fn assert_owned(context: Option<&glib::MainContext>) {
    // Not `unwrap_or_default`: the `Default` of a context is a new one.
    let context = context.cloned().unwrap_or_else(glib::MainContext::default);
    let _owned = context
        .acquire()
        .expect("the main context must belong to this thread, or to none yet");
}

/// Creates a watch on descriptors of the channel, for reading and for writing. The watch holds a
/// lease on their numbers.
pub(crate) fn leased_watch(
    channel: &Channel,
    condition: IOCondition,
    read: Option<&Arc<SharedFd>>,
    write: Option<&Arc<SharedFd>>,
) -> glib::Source {
    let lease = |fd: &Arc<SharedFd>| fd.lease().map(LeasedFd::from);
    let fds = match (read, write) {
        (None, None) => None,
        (Some(a), Some(b)) if Arc::ptr_eq(a, b) => lease(a).map(Fds::Both),
        (read, write) => Some(Fds::Pair(read.and_then(lease), write.and_then(lease))),
    };
    fd_watch(channel, condition, fds)
}

/// Creates a watch on descriptors that stay the same. Without descriptors it fires `NVAL`.
pub(super) fn fd_watch(
    channel: &Channel,
    condition: IOCondition,
    fds: Option<Fds>,
) -> glib::Source {
    channel.watched(|watched| match fds {
        Some(fds) => watch::on_fds(watched, condition, fds),
        None => watch::nval_watch(watched, condition),
    })
}
