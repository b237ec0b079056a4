//! Calls of streams that cannot poll: by a thread of the pool, into memory of the channel.

use std::{
    io::{self, IoSlice},
    mem,
    sync::{Arc, Mutex},
};

use gio::Cancellable;

use super::{
    Streams,
    state::{FlushState, Received},
    without_signal,
};
use crate::{
    channel::{blocking, class::PoolRef},
    hub::Direction,
    sys::{lock, without_sigpipe},
    types::zeros,
};

/// The most bytes of a call.
const CHUNK: usize = 64 * 1024;

/// The result of a write for the thread that is blocked until it is there.
#[derive(Debug, Default)]
pub(in crate::transport::io_stream) struct Answer(Mutex<AnswerState>);

#[derive(Debug, Default)]
enum AnswerState {
    #[default]
    Awaited,
    /// The thread does not wait any more.
    Abandoned,
    Done(io::Result<()>),
}

impl Answer {
    pub(in crate::transport::io_stream) fn is_done(&self) -> bool {
        matches!(*lock(&self.0), AnswerState::Done(_))
    }

    /// Takes the result. `None` if the write is in progress: the next call reports its error.
    pub(in crate::transport::io_stream) fn take(&self) -> Option<io::Result<()>> {
        match mem::replace(&mut *lock(&self.0), AnswerState::Abandoned) {
            AnswerState::Done(result) => Some(result),
            AnswerState::Awaited | AnswerState::Abandoned => None,
        }
    }

    /// Stores the result, or returns it if no thread waits for it.
    fn set(&self, result: io::Result<()>) -> Option<io::Result<()>> {
        let mut state = lock(&self.0);
        match &*state {
            AnswerState::Abandoned => Some(result),
            _ => {
                *state = AnswerState::Done(result);
                None
            }
        }
    }
}

impl Streams {
    /// Reads later, after [`begin`](super::state::State::begin).
    pub(super) fn read_later(
        self: &Arc<Self>,
        size: usize,
        cancellable: PoolRef<Cancellable>,
    ) -> io::Result<()> {
        self.begin_in_pool(Direction::Read, move |this| {
            let result = zeros(size.min(CHUNK)).and_then(|mut data| {
                let input = this.input.as_ref().expect("a half that reads");
                let count = input.read(&mut data, &cancellable)?;
                data.truncate(count);
                Ok(data)
            });
            this.end(Direction::Read, true, |state| {
                state.received = match result {
                    Ok(data) if data.is_empty() => Received::End,
                    Ok(data) => Received::Data(data, 0),
                    Err(e) => Received::Failed(e),
                };
            });
        })
    }

    /// Writes a copy of the data later, likewise. Returns the number of bytes.
    pub(super) fn write_later(
        self: &Arc<Self>,
        iov: &[IoSlice<'_>],
        cancellable: PoolRef<Cancellable>,
        answer: Option<Arc<Answer>>,
    ) -> io::Result<usize> {
        let bytes = iov.iter().flat_map(|buf| buf.iter().copied());
        let data: Vec<u8> = bytes.take(CHUNK).collect();
        let size = data.len();
        self.begin_in_pool(Direction::Write, move |this| {
            let result = this.write_all(&data, &cancellable);
            let unclaimed = match answer {
                Some(answer) => answer.set(result),
                None => Some(result),
            };
            this.end(Direction::Write, true, |state| {
                if let Some(Err(e)) = unclaimed {
                    state.output_error.get_or_insert(e);
                }
            });
        })?;
        Ok(size)
    }

    fn write_all(&self, mut data: &[u8], cancellable: &Cancellable) -> io::Result<()> {
        let output = self.output.as_ref().expect("a half that writes");
        while !data.is_empty() {
            let written = without_sigpipe(data.len(), || output.write(data, cancellable))?;
            data = &data[written..];
        }
        Ok(())
    }

    /// Flushes later, likewise.
    pub(super) fn flush_later(
        self: &Arc<Self>,
        cancellable: PoolRef<Cancellable>,
    ) -> io::Result<()> {
        self.begin_in_pool(Direction::Write, move |this| {
            let output = this.output.as_ref().expect("a half that writes");
            let result = without_signal(|| output.flush(&cancellable));
            this.end(Direction::Write, true, |state| match result {
                Ok(()) => state.flush = FlushState::Done,
                Err(e) => {
                    state.output_error.get_or_insert(e);
                }
            });
        })
    }

    /// Makes a call in a thread of the pool. Ends it if there is no thread.
    fn begin_in_pool(
        self: &Arc<Self>,
        side: Direction,
        call: impl FnOnce(&Arc<Self>) + Send + 'static,
    ) -> io::Result<()> {
        let this = self.clone();
        let begun = blocking::begin(move || {
            this.enter_pool(side);
            call(&this);
            Ok(())
        });
        let begun = begun.map(drop);
        begun.inspect_err(|_| self.end(side, true, |_| ()))
    }
}
