//! The streams of a channel, and the calls of them.
//!
//! A direction has one call at a time, which is made without a lock. A call of a stream that can
//! poll is made by the thread that reads or writes, any other one by a thread of the pool. A caller
//! that finds a call in progress gets would-block, and is woken when that ends. What a thread of
//! the pool has read is kept for the next reader; its errors are kept for the next writer.

mod close;
mod seek;
mod state;
mod threaded;

pub(super) use self::{state::WaitFor, threaded::Answer};

use std::{
    io::{self, IoSlice, IoSliceMut, SeekFrom},
    mem,
    os::fd::{AsRawFd as _, RawFd},
    sync::{Arc, Condvar, atomic::AtomicBool},
};

use glib::IOCondition;

use self::state::{Call, CloseState, FlushState, Received, Shut, State};
use crate::{
    channel::blocking,
    gio::{ForeignInput, ForeignOutput, ForeignStream},
    hub::Direction,
    sync::{ForkMutex, thread_number},
    sys::without_sigpipe,
    types::{Flushed, total_len},
    watch::ChannelState,
};

#[derive(Debug)]
pub(super) struct Streams {
    /// The pair, which is closed in place of its halves.
    pub(super) whole: Option<ForeignStream>,
    pub(super) input: Option<ForeignInput>,
    pub(super) output: Option<ForeignOutput>,
    state: ForkMutex<State>,
    /// Notified when the streams have been closed.
    closed: Condvar,
    /// Closing sends nothing more.
    is_aborted: AtomicBool,
    channel_state: Arc<ChannelState>,
}

impl Streams {
    pub(super) fn new(
        whole: Option<ForeignStream>,
        input: Option<ForeignInput>,
        output: Option<ForeignOutput>,
        channel_state: Arc<ChannelState>,
    ) -> Self {
        let state = State {
            is_usable: true,
            ..State::default()
        };
        Self {
            whole,
            input,
            output,
            state: ForkMutex::new(state),
            closed: Condvar::new(),
            is_aborted: AtomicBool::new(false),
            channel_state,
        }
    }

    /// Reads once, without blocking.
    pub(super) fn read(self: &Arc<Self>, iov: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let Some(input) = &self.input else {
            return Ok(0);
        };
        let mut state = self.state.lock();
        if state.read.shut != Shut::No {
            return Ok(0);
        }
        if !input.can_poll() {
            let size = total_len(iov);
            return match state.received.take(iov) {
                Some(result) => result,
                None => {
                    let cancellable = state.begin_in_pool(Direction::Read, false)?;
                    drop(state);
                    self.read_later(size, cancellable)?;
                    Err(io::ErrorKind::WouldBlock.into())
                }
            };
        }
        state.begin(Direction::Read, Call::here())?;
        drop(state);
        let first = iov.iter_mut().find(|buf| !buf.is_empty());
        let result = input.read_now(first.expect("a buffer with space"));
        let mut is_shut = false;
        self.end(Direction::Read, false, |state| {
            is_shut = state.read.shut != Shut::No;
        });
        match result {
            Err(_) if is_shut => Ok(0),
            result => result,
        }
    }

    /// Writes once, without blocking. With an answer, a stream that cannot poll returns the result
    /// there; without one, the next call reports an error.
    pub(super) fn write(
        self: &Arc<Self>,
        iov: &[IoSlice<'_>],
        answer: Option<&Arc<Answer>>,
    ) -> io::Result<usize> {
        let Some(output) = &self.output else {
            return Err(io::Error::from_raw_os_error(libc::EBADF));
        };
        let mut state = self.state.lock();
        if let Some(e) = state.output_error.take() {
            return Err(e);
        }
        if state.write.shut != Shut::No {
            return Err(io::Error::from_raw_os_error(libc::EPIPE));
        }
        if state.unread() > 0 && self.can_seek() {
            // It is written behind what was consumed.
            drop(state);
            self.seek(SeekFrom::Current(0)).map_err(|(_, e)| e)?;
            state = self.state.lock();
        }
        if !output.can_poll() {
            let cancellable = state.begin_in_pool(Direction::Write, answer.is_none())?;
            state.flush = FlushState::Dirty;
            drop(state);
            return self.write_later(iov, cancellable, answer.cloned());
        }
        state.begin(Direction::Write, Call::here())?;
        drop(state);
        let result = without_sigpipe(total_len(iov), || output.write_now(iov));
        let is_written = result.is_ok();
        self.end(Direction::Write, false, |state| {
            state.flush = match state.flush {
                _ if is_written => FlushState::Dirty,
                // The caller of the flush may have stopped waiting: no longer ready because of it.
                FlushState::Done => FlushState::Clean,
                flush => flush,
            };
        });
        result
    }

    /// Sends what the stream has buffered. Would-block until that is done.
    pub(super) fn flush(self: &Arc<Self>) -> io::Result<Flushed> {
        let Some(output) = &self.output else {
            return Ok(Flushed::ZeroCopy);
        };
        let mut state = self.state.lock();
        state.check()?;
        if let Some(call) = &state.write.call {
            call.check_caller()?;
            state.write.is_awaited = true;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if let Some(e) = state.output_error.take() {
            return Err(e);
        }
        let is_open = state.write.shut == Shut::No;
        match mem::take(&mut state.flush) {
            FlushState::Dirty if is_open && output.has_flush() => {
                let cancellable = state.begin_in_pool(Direction::Write, false)?;
                drop(state);
                self.flush_later(cancellable)?;
                Err(io::ErrorKind::WouldBlock.into())
            }
            _ => Ok(Flushed::ZeroCopy),
        }
    }

    pub(super) fn output_can_poll(&self) -> bool {
        self.output.as_ref().is_some_and(ForeignOutput::can_poll)
    }

    pub(super) fn wait_for(&self, condition: IOCondition) -> WaitFor {
        let side = match condition.contains(IOCondition::OUT) {
            true => Direction::Write,
            false => Direction::Read,
        };
        let can_poll = match side {
            Direction::Read => self.input.as_ref().map(ForeignInput::can_poll),
            Direction::Write => self.output.as_ref().map(ForeignOutput::can_poll),
        };
        let mut state = self.state.lock();
        let has_result = match side {
            Direction::Read => {
                !matches!(state.received, Received::Nothing) || state.read.shut != Shut::No
            }
            Direction::Write => state.output_error.is_some() || state.flush == FlushState::Done,
        };
        let (is_usable, half) = (state.is_usable, state.side(side));
        match &half.call {
            Some(call) if is_usable && !call.is_stuck() && !has_result => {
                half.is_awaited = true;
                WaitFor::Call
            }
            None if can_poll == Some(true) && !has_result && half.shut == Shut::No => {
                match self.unix_fd(side) {
                    Some(fd) => WaitFor::Fd(fd),
                    None => WaitFor::Source,
                }
            }
            _ => WaitFor::Nothing,
        }
    }

    /// The descriptor of one direction, if its half is a unix stream that is open. The two may
    /// differ: those of the pipes of a process do.
    fn unix_fd(&self, side: Direction) -> Option<RawFd> {
        let fd = match side {
            Direction::Read => self.input.as_ref()?.unix_fd(),
            Direction::Write => self.output.as_ref()?.unix_fd(),
        };
        fd.map(|fd| fd.as_raw_fd())
    }

    /// The source of the stream for one direction. `None` while another thread uses that: its end
    /// wakes the waiters.
    pub(super) fn create_source(self: &Arc<Self>, side: Direction) -> Option<Option<glib::Source>> {
        self.state.lock().begin(side, Call::here()).ok()?;
        let source = match side {
            Direction::Read => self.input.as_ref().map(ForeignInput::create_source),
            Direction::Write => self.output.as_ref().map(ForeignOutput::create_source),
        };
        self.end(side, false, |_| ());
        source
    }

    /// Makes closing complete the write in progress: no caller waits for its result any more.
    pub(super) fn accept_write(&self) {
        if let Some(call) = &mut self.state.lock().write.call {
            call.has_accepted = true;
        }
    }

    /// Ends a call, and closes what was to be closed meanwhile.
    fn end(self: &Arc<Self>, side: Direction, has_result: bool, update: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        update(&mut state);
        let is_open = matches!(state.close, CloseState::Open);
        let half = state.side(side);
        let is_awaited = mem::take(&mut half.is_awaited);
        let closes_half = half.shut == Shut::Requested && is_open;
        if closes_half {
            half.shut = Shut::Done;
        }
        let next = closes_half.then(Call::in_pool);
        let ended = mem::replace(&mut half.call, next);
        let closes_all = state.begin_close();
        drop(state);
        drop(ended);
        if closes_half {
            self.in_pool(move |this| this.close_half(side));
        } else if closes_all {
            self.in_pool(Self::close_all);
        }
        if is_awaited || has_result {
            self.channel_state.wake();
        }
    }

    /// Calls a function that may block, in a thread of the pool; without one, in this thread.
    fn in_pool(self: &Arc<Self>, call: impl Fn(&Arc<Self>) + Copy + Send + 'static) {
        if blocking::in_pool_thread() {
            return call(self);
        }
        let this = self.clone();
        let begun = blocking::begin(move || {
            call(&this);
            Ok(())
        });
        if begun.is_err() {
            call(self);
        }
    }

    /// Records that this thread makes the call of a direction.
    fn enter_pool(&self, side: Direction) {
        if let Some(call) = &mut self.state.lock().side(side).call {
            call.thread = thread_number();
        }
    }
}

/// Calls a function that writes an unknown number of bytes without raising `SIGPIPE`, also where it
/// ignores `EPIPE` and succeeds.
fn without_signal(call: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    without_sigpipe(usize::MAX, || call().map(|()| 0)).map(drop)
}
