//! [`ChannelWatchExt`]: waiting and watches, documentation and one-line bodies.

use std::{io, os::fd::RawFd, time::Duration};

use glib::{ControlFlow, IOCondition, prelude::*, subclass::prelude::*};

use super::{
    Channel,
    class::{VFuncs, fd_handler},
    wait, yield_until,
};
use crate::watch::{Fds, LeasedFd, adopt_any, set_name_and_priority};

/// The methods of every [`Channel`] that wait, without futures: in blocked threads, in coroutines,
/// and by callbacks of a main context.
///
/// [`ChannelFutureExt::ready`](super::ChannelFutureExt::ready) is the future.
pub trait ChannelWatchExt: IsA<Channel> + 'static {
    /// Waits until one of the conditions holds, and returns those that do.
    ///
    /// Blocks this thread, or suspends the running coroutine. `HUP`, `ERR` and `NVAL` end the wait
    /// too; a channel that is closed meanwhile returns `NVAL`. Readiness may be spurious: a read or
    /// write is worth an attempt, and may still fail with would-block.
    ///
    /// # Errors
    ///
    /// `EINVAL` for no condition at all.
    #[doc(alias = "qio_channel_wait")]
    fn wait(&self, condition: IOCondition) -> io::Result<IOCondition> {
        wait::wait(self.as_ref(), condition, None)
    }

    /// Waits as [`wait`](Self::wait), for at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`TimedOut`](io::ErrorKind::TimedOut) if no condition held in time.
    #[doc(alias = "qio_channel_wait_timeout")]
    fn wait_timeout(&self, condition: IOCondition, timeout: Duration) -> io::Result<IOCondition> {
        wait::wait(self.as_ref(), condition, Some(timeout))
    }

    /// Waits as [`wait`](Self::wait), until the cancellable is cancelled by any thread.
    ///
    /// # Errors
    ///
    /// [`Cancelled`](gio::IOErrorEnum::Cancelled).
    #[doc(alias = "qio_channel_wait_cancellable")]
    fn wait_cancellable(
        &self,
        condition: IOCondition,
        cancellable: &gio::Cancellable,
    ) -> io::Result<IOCondition> {
        wait::wait_cancellable(self.as_ref(), condition, cancellable)
    }

    /// Suspends the coroutine that runs until one of the conditions is there, and returns those
    /// that are. See [`wait`](Self::wait). None are returned if [`wake_read`](Self::wake_read) has
    /// ended the wait.
    ///
    /// # Errors
    ///
    /// `EINVAL` outside of coroutines, and for no condition at all.
    #[doc(alias = "qio_channel_yield")]
    #[doc(alias = "qio_channel_yield_full")]
    fn yield_until(&self, condition: IOCondition) -> io::Result<IOCondition> {
        yield_until::yield_until(self.as_ref(), condition)
    }

    /// Makes coroutines that wait for `IN` in [`yield_until`](Self::yield_until) resume at once,
    /// although the channel is not readable. May be called from any thread. Nothing else is woken:
    /// reads go on waiting, and a coroutine that does not wait yet is not affected by an earlier
    /// call.
    #[doc(alias = "qio_channel_wake_read")]
    fn wake_read(&self) {
        self.as_ref().imp().channel_state.wake_yields();
    }

    /// Creates a source that fires when one of the conditions holds, with no callback.
    ///
    /// For code that sets a callback by C functions. The source holds a reference to the channel
    /// and is named after it.
    ///
    /// `HUP`, `ERR` and `NVAL` are always delivered, and the end of a pipe may be reported as `HUP`
    /// alone, without `IN`: read whatever the condition is. `NVAL` is delivered once and ends the
    /// watch: the channel is closed, or cannot be waited for.
    #[doc(alias = "qio_channel_create_watch")]
    fn create_watch(&self, condition: IOCondition) -> glib::Source {
        VFuncs::of(self.as_ref()).create_watch(condition)
    }

    /// Creates a source with a name, a priority and a callback.
    ///
    /// It is still to be attached to a context.
    ///
    /// See [`create_watch`](Self::create_watch). The callback gets the channel and the conditions
    /// that hold, at least one.
    #[doc(alias = "qio_channel_create_watch_full")]
    fn create_watch_full<F>(
        &self,
        condition: IOCondition,
        name: Option<&str>,
        priority: glib::Priority,
        func: F,
    ) -> glib::Source
    where
        F: FnMut(&Self, IOCondition) -> ControlFlow + Send + 'static,
    {
        set_name_and_priority(wait::watch(self, condition, func), name, priority)
    }

    /// Creates a source as [`create_watch_full`](Self::create_watch_full), for a local callback.
    ///
    /// The callback must stay in this thread.
    ///
    /// # Panics
    ///
    /// The callback panics if it is run or dropped in another thread.
    fn create_watch_full_local<F>(
        &self,
        condition: IOCondition,
        name: Option<&str>,
        priority: glib::Priority,
        func: F,
    ) -> glib::Source
    where
        F: FnMut(&Self, IOCondition) -> ControlFlow + 'static,
    {
        set_name_and_priority(wait::watch_local(self, condition, func), name, priority)
    }

    /// Calls `func` from the default main context whenever one of the conditions holds.
    ///
    /// Until it returns [`ControlFlow::Break`] or the id is removed.
    #[doc(alias = "qio_channel_add_watch")]
    fn add_watch<F>(&self, condition: IOCondition, func: F) -> glib::SourceId
    where
        F: FnMut(&Self, IOCondition) -> ControlFlow + Send + 'static,
    {
        self.add_watch_full(condition, func, None)
    }

    /// Adds a watch as [`add_watch`](Self::add_watch), for a callback that must stay in this
    /// thread.
    ///
    /// # Panics
    ///
    /// If another thread owns the default main context.
    fn add_watch_local<F>(&self, condition: IOCondition, func: F) -> glib::SourceId
    where
        F: FnMut(&Self, IOCondition) -> ControlFlow + 'static,
    {
        self.add_watch_full_local(condition, func, None)
    }

    /// Adds a watch as [`add_watch`](Self::add_watch), to a given context; `None` is the default
    /// one.
    ///
    /// The id can be removed by [`glib::SourceId::remove`] in the default context only.
    #[doc(alias = "qio_channel_add_watch_full")]
    fn add_watch_full<F>(
        &self,
        condition: IOCondition,
        func: F,
        context: Option<&glib::MainContext>,
    ) -> glib::SourceId
    where
        F: FnMut(&Self, IOCondition) -> ControlFlow + Send + 'static,
    {
        wait::watch(self, condition, func).attach(context)
    }

    /// Adds a watch as [`add_watch_full`](Self::add_watch_full), for a local callback.
    ///
    /// The callback must stay in this thread.
    ///
    /// # Panics
    ///
    /// If another thread owns the context.
    fn add_watch_full_local<F>(
        &self,
        condition: IOCondition,
        func: F,
        context: Option<&glib::MainContext>,
    ) -> glib::SourceId
    where
        F: FnMut(&Self, IOCondition) -> ControlFlow + 'static,
    {
        wait::attach_local(&wait::watch_local(self, condition, func), context)
    }

    /// Adds a watch as [`add_watch_full`](Self::add_watch_full), and returns its source.
    ///
    /// The source can be destroyed whatever its context is.
    #[doc(alias = "qio_channel_add_watch_source")]
    fn add_watch_source<F>(
        &self,
        condition: IOCondition,
        func: F,
        context: Option<&glib::MainContext>,
    ) -> glib::Source
    where
        F: FnMut(&Self, IOCondition) -> ControlFlow + Send + 'static,
    {
        let source = wait::watch(self, condition, func);
        source.attach(context);
        source
    }

    /// Adds a watch as [`add_watch_source`](Self::add_watch_source), for a local callback.
    ///
    /// The callback must stay in this thread.
    ///
    /// # Panics
    ///
    /// If another thread owns the context.
    fn add_watch_source_local<F>(
        &self,
        condition: IOCondition,
        func: F,
        context: Option<&glib::MainContext>,
    ) -> glib::Source
    where
        F: FnMut(&Self, IOCondition) -> ControlFlow + 'static,
    {
        let source = wait::watch_local(self, condition, func);
        wait::attach_local(&source, context);
        source
    }

    /// Creates a watch on a descriptor that reports both directions.
    ///
    /// For classes that override [`create_watch`](super::ChannelImpl::create_watch). The descriptor
    /// must stay open while the source exists; a negative one makes a watch that fires `NVAL`.
    #[doc(alias = "qio_channel_create_fd_watch")]
    fn create_fd_watch(&self, fd: RawFd, condition: IOCondition) -> glib::Source {
        let fds = (fd >= 0).then(|| Fds::Both(LeasedFd::unleased(fd)));
        wait::fd_watch(self.as_ref(), condition, fds)
    }

    /// Creates a watch on two descriptors, one to read from and one to write to.
    ///
    /// As [`create_fd_watch`](Self::create_fd_watch). A direction with a negative descriptor has
    /// hung up; two negative ones make a watch that fires `NVAL`.
    #[doc(alias = "qio_channel_create_fd_pair_watch")]
    fn create_fd_pair_watch(
        &self,
        read_fd: RawFd,
        write_fd: RawFd,
        condition: IOCondition,
    ) -> glib::Source {
        if read_fd == write_fd {
            return self.create_fd_watch(read_fd, condition);
        }
        let [read, write] = [read_fd, write_fd].map(|fd| (fd >= 0).then(|| LeasedFd::unleased(fd)));
        let none = read.is_none() && write.is_none();
        let fds = (!none).then_some(Fds::Pair(read, write));
        wait::fd_watch(self.as_ref(), condition, fds)
    }

    /// Creates a watch that is ready when another source is, which becomes its child.
    ///
    /// For classes that implement [`create_watch`](super::ChannelImpl::create_watch) by a source of
    /// GLib, GIO or their own. The source must be new; its callback is replaced. Closing the
    /// channel wakes the watch, whether or not that makes the source ready.
    #[doc(alias = "qio_channel_create_child_watch")]
    fn create_child_watch(&self, condition: IOCondition, source: glib::Source) -> glib::Source {
        let channel: &Channel = self.upcast_ref();
        channel.watched(|watched| adopt_any(watched, condition, source))
    }

    /// Sets functions that are called whenever the channel can be read or written.
    ///
    /// They replace the ones set before; `None` for both ends the calls. `None` as context is the
    /// default one. The functions are called as long as the channel is ready (level-triggered), and
    /// a last time when it is closed. They hold a reference to the channel until then. Idle
    /// channels with handlers cost nothing per iteration.
    ///
    /// In the thread that runs the context the previous functions are not called any more once this
    /// returns. If another thread runs it, a call of each may still be in progress.
    #[doc(alias = "qio_channel_set_aio_fd_handler")]
    fn set_fd_handler(
        &self,
        context: Option<&glib::MainContext>,
        read: Option<Box<dyn FnMut() + Send>>,
        write: Option<Box<dyn FnMut() + Send>>,
    ) {
        fd_handler::set_closures(self.as_ref(), context, read, write);
    }

    /// Sets functions as [`set_fd_handler`](Self::set_fd_handler) that must stay in this thread.
    ///
    /// # Panics
    ///
    /// If another thread owns the context.
    fn set_fd_handler_local(
        &self,
        context: Option<&glib::MainContext>,
        read: Option<Box<dyn FnMut()>>,
        write: Option<Box<dyn FnMut()>>,
    ) {
        wait::assert_owned(context);
        let [read, write] = [read, write].map(|func| func.map(fd_handler::local));
        fd_handler::set_closures(self.as_ref(), context, read, write);
    }

    /// Makes the hub of a context wait for the channel, for futures in any context.
    ///
    /// Futures and coroutines that wait at that time continue in the hub of the context. Default:
    /// the hub of the context that the waiting future runs in.
    #[doc(alias = "qio_channel_attach_aio_context")]
    fn attach_context(&self, context: &glib::MainContext) {
        self.as_ref().set_context(Some(context));
    }

    /// Detaches the channel from its context. See [`attach_context`](Self::attach_context).
    #[doc(alias = "qio_channel_detach_aio_context")]
    fn detach_context(&self) {
        self.as_ref().set_context(None);
    }

    /// Makes coroutines wait for the channel in the context in which they run (`true`, the
    /// default), or attaches the channel to the global default context (`false`). Of this function,
    /// [`attach_context`](Self::attach_context) and [`detach_context`](Self::detach_context), the
    /// last call counts.
    #[doc(alias = "qio_channel_set_follow_coroutine_ctx")]
    fn set_follow_coroutine_ctx(&self, enabled: bool) {
        let context = (!enabled).then(glib::MainContext::default);
        self.as_ref().set_context(context.as_ref());
    }
}

impl<T: IsA<Channel>> ChannelWatchExt for T {}
