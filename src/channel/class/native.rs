//! Classes of this crate: the properties of their virtual functions, which a derived class inherits
//! unless it overrides them.

use std::{io, sync::Arc};

use crate::{
    channel::{Channel, ffi::QIOChannelClass},
    hub::{Direction, FdRole},
    observe::LayerState,
    sys::{SharedFd, fd_info::Kind},
    types::WriteFlags,
};

/// Returns the descriptor to poll for one direction of a channel.
pub(crate) type PollFdFn = fn(&Channel, Direction) -> Option<PollFd>;

/// Returns the lower channel of a layered channel.
pub(crate) type LowerFn = fn(&Channel) -> Option<&Channel>;

/// Returns the state of a layered channel. `None` without a connection.
pub(crate) type LayerStateFn = fn(&Channel) -> Option<LayerState>;

/// Writes bytes from an offset on without a copy, and holds a reference to them until they are
/// sent.
pub(crate) type WriteOwnedFn = fn(&Channel, &glib::Bytes, usize, WriteFlags) -> io::Result<usize>;

/// Prepares an open channel for being closed after a failure, without blocking.
pub(crate) type AbortFn = fn(&Channel);

/// Returns whether a close takes no time.
pub(crate) type ClosesAtOnceFn = fn(&Channel) -> bool;

/// A descriptor of a channel.
#[derive(Debug)]
pub(crate) enum PollFd {
    /// One that epoll supports.
    Pollable {
        fd: Arc<SharedFd>,
        role: FdRole,
        /// What the descriptor is, if the bytes of the channel are those of the descriptor, in
        /// order: moving bytes by the descriptor is equivalent to `io_readv` and `io_writev`.
        /// `None` for a layered channel, and for a message-oriented one.
        raw: Option<Kind>,
    },
    /// A file on disk: reads and writes may take long, and epoll does not support it. Its bytes are
    /// those of the channel.
    Disk(Arc<SharedFd>),
}

/// The virtual functions that a class of this crate has set, and their properties.
#[derive(Debug)]
pub(in crate::channel) struct NativeClass {
    /// The addresses of `io_readv` and `io_writev`, which honor `NO_WAIT`. Reads write to the
    /// buffers only: the list of buffers, which is const in C, stays as it is.
    data: [usize; 2],
    /// Whether these fail by themselves once the channel is closed.
    check_closed: bool,
    /// The addresses of `io_wait_fd` and `io_create_watch`.
    waiting: [usize; 2],
    /// Returns the descriptors that these poll.
    poll_fd: PollFdFn,
    /// Does what `io_writev` does, for reference-counted memory.
    write_owned: Option<WriteOwnedFn>,
    abort: Option<AbortFn>,
    /// The address of `io_close`.
    close: usize,
    /// Returns whether that takes no time.
    closes_at_once: Option<ClosesAtOnceFn>,
    /// Returns the lower channel, if this class is layered and polls the descriptor of that.
    lower: Option<LowerFn>,
    /// Returns the state of a layered channel, for observers.
    state: Option<LayerStateFn>,
}

impl QIOChannelClass {
    /// Declares the virtual functions of a class of this crate, after they were set.
    ///
    /// Its `io_readv` and `io_writev` honor `NO_WAIT`, and if `check_closed`, fail by themselves
    /// after the channel was closed; its `io_wait_fd` and `io_create_watch` wait for the descriptor
    /// of `poll_fd`. Has no effect on a derived class that overrides them.
    pub(crate) fn set_native_class(&mut self, check_closed: bool, poll_fd: PollFdFn) {
        self.set_native_class_with(check_closed, poll_fd, None, None, None);
    }

    /// As [`set_native_class`](Self::set_native_class), for a class that can write without a copy,
    /// or has to act when a channel is aborted, or whose channels may be closed anywhere.
    pub(crate) fn set_native_class_with(
        &mut self,
        check_closed: bool,
        poll_fd: PollFdFn,
        write_owned: Option<WriteOwnedFn>,
        abort: Option<AbortFn>,
        closes_at_once: Option<ClosesAtOnceFn>,
    ) {
        self.describe(NativeClass {
            data: self.data_slots(),
            check_closed,
            waiting: self.waiting_slots(),
            poll_fd,
            write_owned,
            abort,
            close: self.close_slot(),
            closes_at_once,
            lower: None,
            state: None,
        });
    }

    /// As [`set_native_class`](Self::set_native_class), for a layered class: `poll_fd` returns the
    /// descriptor of the lower channel, as long as the same direction of that is all that there is
    /// to wait for.
    pub(crate) fn set_native_layer(
        &mut self,
        poll_fd: PollFdFn,
        lower: LowerFn,
        state: Option<LayerStateFn>,
        closes_at_once: Option<ClosesAtOnceFn>,
    ) {
        self.describe(NativeClass {
            data: self.data_slots(),
            check_closed: false,
            waiting: self.waiting_slots(),
            poll_fd,
            write_owned: None,
            abort: None,
            close: self.close_slot(),
            closes_at_once,
            lower: Some(lower),
            state,
        });
    }

    pub(in crate::channel) fn abort_fn(&self) -> Option<AbortFn> {
        self.native?.abort
    }

    /// The function that returns whether `io_close` takes no time.
    pub(in crate::channel) fn closes_at_once_fn(&self) -> Option<ClosesAtOnceFn> {
        self.native
            .filter(|native| native.close == self.close_slot())
            .and_then(|native| native.closes_at_once)
    }

    fn describe(&mut self, vfuncs: NativeClass) {
        // That of glib-rs calls the parent class, and no class of this crate overrides it: without
        // it GObject emits nothing if no handler is connected.
        self.parent_class.notify = None;
        // Classes of static types are never freed.
        self.native = Some(Box::leak(Box::new(vfuncs)));
    }

    /// Returns the lower channel, unless a derived class overrides how to wait.
    #[inline]
    pub(in crate::channel) fn lower(&self) -> Option<LowerFn> {
        let native = self.native?;
        native
            .lower
            .filter(|_| native.waiting == self.waiting_slots())
    }

    /// Returns the lower channel, also if a derived class overrides how to wait.
    pub(in crate::channel) fn below(&self) -> Option<LowerFn> {
        self.native?.lower
    }

    /// The function that returns the state of a layered channel.
    pub(in crate::channel) fn layer_state_fn(&self) -> Option<LayerStateFn> {
        self.native?.state
    }

    /// The function that writes reference-counted memory in place of `io_writev`.
    pub(in crate::channel) fn write_owned_fn(&self) -> Option<WriteOwnedFn> {
        self.native
            .filter(|native| native.data == self.data_slots())
            .and_then(|native| native.write_owned)
    }

    /// Whether `io_readv` and `io_writev` check for closed themselves.
    pub(in crate::channel) fn slots_check_closed(&self) -> bool {
        self.native
            .is_some_and(|native| native.check_closed && native.data == self.data_slots())
    }

    /// Whether `io_readv` and `io_writev` honor `NO_WAIT`.
    pub(in crate::channel) fn slots_honor_no_wait(&self) -> bool {
        self.native
            .is_some_and(|native| native.data == self.data_slots())
    }

    /// Returns the descriptors that the channel polls, if it waits for nothing else.
    pub(in crate::channel) fn poll_fd_fn(&self) -> Option<PollFdFn> {
        self.native
            .filter(|native| native.waiting == self.waiting_slots())
            .map(|native| native.poll_fd)
    }

    fn close_slot(&self) -> usize {
        self.io_close.map_or(0, |slot| slot as usize)
    }

    fn data_slots(&self) -> [usize; 2] {
        let readv = self.io_readv.map_or(0, |slot| slot as usize);
        let writev = self.io_writev.map_or(0, |slot| slot as usize);
        [readv, writev]
    }

    fn waiting_slots(&self) -> [usize; 2] {
        let wait_fd = self.io_wait_fd.map_or(0, |slot| slot as usize);
        let create_watch = self.io_create_watch.map_or(0, |slot| slot as usize);
        [wait_fd, create_watch]
    }
}
