//! The position of streams that have one.

use std::{
    io::{self, SeekFrom},
    sync::Arc,
};

use super::{
    Streams,
    state::{Call, Received},
};
use crate::{
    error::not_supported,
    gio::{ForeignInput, ForeignOutput, ForeignStream, seek},
    hub::Direction,
};

impl Streams {
    /// The stream whose position is that of the channel: the pair, or the only half. Two halves
    /// have a position each.
    fn seekable(&self) -> Option<&gio::Seekable> {
        let whole = self.whole.as_ref().and_then(ForeignStream::seekable);
        whole.or(match (&self.input, &self.output) {
            (Some(input), None) => ForeignInput::seekable(input),
            (None, Some(output)) => ForeignOutput::seekable(output),
            _ => None,
        })
    }

    pub(in crate::transport::io_stream) fn can_seek(&self) -> bool {
        self.seekable().is_some()
    }

    /// Moves the position, from the end of what was consumed. May block. Would-block, with the
    /// direction to wait for, while a call is in progress.
    pub(in crate::transport::io_stream) fn seek(
        self: &Arc<Self>,
        to: SeekFrom,
    ) -> Result<u64, (Direction, io::Error)> {
        let Some(seekable) = self.seekable() else {
            let e = not_supported("Channel does not support random access");
            return Err((Direction::Read, e));
        };
        let mut state = self.state.lock();
        for (side, other) in [
            (Direction::Read, None),
            (Direction::Write, Some(Direction::Read)),
        ] {
            if let Err(e) = state.begin(side, Call::here()) {
                drop(state);
                if let Some(other) = other {
                    self.end(other, false, |_| ());
                }
                return Err((side, e));
            }
        }
        let to = match to {
            SeekFrom::Current(offset) => {
                // A thread reads at most 64 KiB.
                SeekFrom::Current(offset.saturating_sub_unsigned(state.unread() as u64))
            }
            to => to,
        };
        drop(state);
        let moved = seek(seekable, to);
        self.end(Direction::Write, false, |_| ());
        self.end(Direction::Read, false, |state| {
            if moved.is_ok() {
                // Also the end, and an error, that were found before.
                state.received = Received::Nothing;
            }
        });
        moved.map_err(|e| (Direction::Read, e))
    }
}
