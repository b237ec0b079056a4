//! The state of the streams: the calls in progress, and what they have left for the next caller.

use std::{
    io::{self, IoSliceMut},
    mem,
    os::fd::RawFd,
};

use crate::{
    channel::class::PoolRef,
    error::{closed, io_error},
    hub::Direction,
    sync::{Creator, thread_number},
    types::scatter,
};

/// The default is the state in a forked child, if another thread had it locked.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) is_usable: bool,
    pub(super) read: Side,
    pub(super) write: Side,
    pub(super) received: Received,
    /// The error of a write, a flush or a shutdown that has returned before.
    pub(super) output_error: Option<io::Error>,
    pub(super) flush: FlushState,
    pub(super) close: CloseState,
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Side {
    pub(super) call: Option<Call>,
    /// A caller waits for the end of the call.
    pub(super) is_awaited: bool,
    pub(super) shut: Shut,
}

/// A call of a stream that is in progress.
#[derive(Debug)]
pub(super) struct Call {
    /// The thread that makes it, or 0 before that has begun.
    pub(super) thread: u64,
    pub(super) creator: Creator,
    pub(super) cancellable: Option<PoolRef<gio::Cancellable>>,
    /// It writes data that were accepted: closing does not cancel it.
    pub(super) has_accepted: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shut {
    #[default]
    No,
    /// The call in progress closes the half when it ends.
    Requested,
    Done,
}

/// What a thread of the pool has read.
#[derive(Debug, Default)]
pub(super) enum Received {
    #[default]
    Nothing,
    /// Bytes, and how many of them were consumed.
    Data(Vec<u8>, usize),
    End,
    Failed(io::Error),
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum FlushState {
    #[default]
    Clean,
    /// Something was written since the last flush.
    Dirty,
    /// A flush has succeeded, which the caller that began it has not seen yet.
    Done,
}

#[derive(Debug, Default)]
pub(super) enum CloseState {
    #[default]
    Open,
    /// The last call in progress closes the streams.
    Requested,
    Begun,
    Done(Option<io::Result<()>>),
}

/// What a direction waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::transport::io_stream) enum WaitFor {
    Nothing,
    /// The end of the call in progress, which wakes the waiters.
    Call,
    /// The source of the stream.
    Source,
    /// A descriptor, which is that of the stream as long as this is open.
    Fd(RawFd),
}

impl State {
    pub(super) fn side(&mut self, side: Direction) -> &mut Side {
        match side {
            Direction::Read => &mut self.read,
            Direction::Write => &mut self.write,
        }
    }

    /// How many bytes a thread has read that no caller has consumed.
    pub(super) fn unread(&self) -> usize {
        match &self.received {
            Received::Data(data, from) => data.len() - from,
            _ => 0,
        }
    }

    /// Begins a call. Would-block while there is one in another thread.
    pub(super) fn begin(&mut self, side: Direction, call: Call) -> io::Result<()> {
        self.check()?;
        if !matches!(self.close, CloseState::Open) {
            return Err(closed());
        }
        let side = self.side(side);
        match &side.call {
            None => side.call = Some(call),
            Some(call) => {
                call.check_caller()?;
                side.is_awaited = true;
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
        Ok(())
    }

    /// As [`begin`](Self::begin), for a call in the thread pool. Returns what cancels it, which is
    /// made only for a call that begins: GLib takes a lock where an object is destroyed, and
    /// another thread may have held that when this process was forked.
    pub(super) fn begin_in_pool(
        &mut self,
        side: Direction,
        has_accepted: bool,
    ) -> io::Result<PoolRef<gio::Cancellable>> {
        let call = Call {
            has_accepted,
            ..Call::in_pool()
        };
        self.begin(side, call)?;
        let cancellable = PoolRef::new(gio::Cancellable::new());
        let call = self.side(side).call.as_mut().expect("has begun");
        call.cancellable = Some(cancellable.clone());
        Ok(cancellable)
    }

    pub(super) fn check(&self) -> io::Result<()> {
        match self.is_usable {
            true => Ok(()),
            false => Err(forked()),
        }
    }

    /// Whether the caller is to close the streams: that was requested, and no call is in progress.
    pub(super) fn begin_close(&mut self) -> bool {
        let begins = matches!(self.close, CloseState::Requested)
            && self.read.call.is_none()
            && self.write.call.is_none();
        if begins {
            self.close = CloseState::Begun;
        }
        begins
    }
}

impl Call {
    /// A call in this thread, of a stream that can poll.
    pub(super) fn here() -> Self {
        Self {
            thread: thread_number(),
            creator: Creator::default(),
            cancellable: None,
            has_accepted: false,
        }
    }

    /// A call in a thread of the pool, which nothing cancels.
    pub(super) fn in_pool() -> Self {
        Self {
            thread: 0,
            ..Self::here()
        }
    }

    /// What cancels the call. Not in a child that was forked meanwhile: it has no such call, and a
    /// thread of the parent may have held locks of GLib.
    pub(super) fn cancellable(&self) -> Option<PoolRef<gio::Cancellable>> {
        let cancellable = self.cancellable.clone();
        cancellable.filter(|_| !self.creator.is_parent())
    }

    /// Fails for a caller that would wait forever: this call itself, and a child that was forked
    /// meanwhile.
    pub(super) fn check_caller(&self) -> io::Result<()> {
        if self.creator.is_parent() {
            return Err(forked());
        }
        match self.thread == thread_number() {
            true => Err(io_error(
                gio::IOErrorEnum::Pending,
                "The stream uses the channel that reads from it or writes to it",
            )),
            false => Ok(()),
        }
    }

    pub(super) fn is_stuck(&self) -> bool {
        self.check_caller().is_err()
    }
}

impl Received {
    pub(super) fn take(&mut self, iov: &mut [IoSliceMut<'_>]) -> Option<io::Result<usize>> {
        match mem::take(self) {
            Self::Nothing => None,
            Self::Data(data, from) => {
                let count = scatter(&data[from..], iov);
                if from + count < data.len() {
                    *self = Self::Data(data, from + count);
                }
                Some(Ok(count))
            }
            Self::End => Some(Ok(0)),
            Self::Failed(e) => Some(Err(e)),
        }
    }
}

/// The error in a child that was forked while a thread of the parent used the streams.
fn forked() -> io::Error {
    io_error(
        gio::IOErrorEnum::Failed,
        "The process was forked while another thread used the stream",
    )
}
