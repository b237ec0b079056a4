//! What has been read from the source and not yet been written to the target.

use std::{
    io::{self, SeekFrom},
    ops::Range,
    os::fd::OwnedFd,
    sync::Arc,
};

use glib::subclass::prelude::*;

use crate::{
    channel::{Channel, class::VFuncs, disk},
    error::with_context,
    sys::{SharedFd, splice::Pipe},
    types::Feature,
};

/// The buffer, in bytes. The system gives the memory as it is used: who moves little takes little.
const BUFFER: usize = 256 * 1024;

/// Where to put what nobody wants.
#[derive(Debug, Clone, Default)]
pub(super) enum Origin {
    /// The next reader is to get it first.
    #[default]
    Stream,
    /// Reading has moved the position of the channel.
    Position,
    /// The source still has it: the position of this file moves only when it is written.
    File(Arc<SharedFd>),
}

/// In memory or in a pipe, never in both.
#[derive(Debug, Default)]
pub(super) struct Held {
    memory: Vec<u8>,
    filled: Range<usize>,
    pipe: Option<Arc<Pipe>>,
    piped: usize,
    origin: Origin,
}

impl Held {
    pub(super) fn is_empty(&self) -> bool {
        self.filled.is_empty() && self.piped == 0
    }

    /// Memory to read up to `most` bytes into; nothing is held.
    pub(super) fn room(&mut self, most: u64) -> &mut [u8] {
        if self.memory.is_empty() {
            self.memory = vec![0; BUFFER];
        }
        self.filled = 0..0;
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        &mut self.memory[..BUFFER.min(most)]
    }

    /// So many bytes have been read into the [`room`](Self::room).
    pub(super) fn filled(&mut self, count: usize, origin: Origin) {
        self.filled = 0..count;
        self.origin = origin;
    }

    /// So many bytes have been moved into the pipe.
    pub(super) fn piped(&mut self, count: usize, origin: Origin) {
        self.piped = count;
        self.origin = origin;
    }

    /// A pipe of our own, if one is to be had.
    pub(super) fn pipe(&mut self) -> Option<&Arc<Pipe>> {
        if self.pipe.is_none() {
            self.pipe = Pipe::new().map(Arc::new);
        }
        self.pipe.as_ref()
    }

    /// The pipe and how many bytes are in it, if there are some.
    pub(super) fn in_pipe(&self) -> Option<(&Pipe, usize)> {
        let pipe = self.pipe.as_deref().filter(|_| self.piped > 0)?;
        Some((pipe, self.piped))
    }

    pub(super) fn in_memory(&self) -> &[u8] {
        &self.memory[self.filled.clone()]
    }

    /// Moves what is in the pipe into memory, for good: the pipe is of no use. Where reading it fails
    /// nothing is held any more: there must be no other bytes in the place of those that were lost.
    pub(super) fn spill(&mut self) -> io::Result<()> {
        let Some(pipe) = self.pipe.take() else {
            return Ok(());
        };
        let count = std::mem::take(&mut self.piped);
        if count > 0 {
            let mut memory = vec![0; count.max(BUFFER)];
            pipe.take(&mut memory[..count])
                .map_err(|e| with_context(e, format!("{count} bytes were lost")))?;
            self.memory = memory;
            self.filled = 0..count;
        }
        Ok(())
    }

    /// So many bytes have been written.
    pub(super) fn wrote(&mut self, count: usize) -> io::Result<()> {
        match self.piped {
            0 => self.filled.start += count,
            piped => self.piped = piped - count,
        }
        match &self.origin {
            Origin::File(file) => disk::skip(file, count),
            _ => Ok(()),
        }
    }

    /// Gives to the source what is still held.
    pub(super) fn give_back(&mut self, source: &Channel) {
        if self.is_empty() || matches!(self.origin, Origin::File(_)) {
            return;
        }
        if self.spill().is_err() {
            return;
        }
        let bytes = self.in_memory();
        let sought = matches!(self.origin, Origin::Position) && seek_back(source, bytes.len());
        if !sought {
            let bytes = [bytes].into_iter();
            source.imp().waiters.take_back(bytes, Vec::new());
        }
        self.filled = 0..0;
    }
}

/// Where bytes come from that are read by a slot of the source.
pub(super) fn origin(source: &Channel) -> Origin {
    let imp = source.imp();
    match imp.features().contains(Feature::SEEKABLE) && !imp.waiters.unread.is_readable() {
        true => Origin::Position,
        false => Origin::Stream,
    }
}

fn seek_back(source: &Channel, count: usize) -> bool {
    // What is in memory has such a size.
    let to = SeekFrom::Current(-(count as i64));
    VFuncs::of(source).seek(to).is_ok()
}

/// Gives bytes and the descriptors that came along to the source.
pub(super) fn give_back_with_fds(source: &Channel, bytes: &[u8], fds: Vec<OwnedFd>) {
    let bytes = [bytes].into_iter();
    source.imp().waiters.take_back(bytes, fds);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_pipe_cannot_be_read_nothing_is_held_instead() {
        let mut held = Held {
            pipe: Some(Arc::new(Pipe::unreadable())),
            ..Held::default()
        };
        held.piped(4, Origin::Stream);
        held.spill().expect_err("it cannot be read");
        assert!(held.is_empty());
        assert_eq!(held.in_memory(), b"");
    }
}
