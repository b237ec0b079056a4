//! The transfer buffer: bytes that were read from the source and not yet written to the target.

use std::{
    cell::RefCell,
    io::{self, SeekFrom},
    mem,
    ops::Range,
    os::fd::OwnedFd,
    sync::Arc,
};

use glib::subclass::prelude::*;

use crate::{
    channel::{Channel, class::VFuncs, file_pool},
    error::with_context,
    sys::{SharedFd, splice::Pipe},
    types::Feature,
    watch::Pushback,
};

/// The size of the buffer in bytes. The kernel allocates its pages on first use.
const BUFFER: usize = 256 * 1024;

/// How many buffers a thread keeps for its next flows: those of two relays.
const MOST_KEPT: usize = 4;

thread_local! {
    /// Buffers that no flow uses. What they have had stays in them, and is never read.
    static KEPT: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer: one that was used before, whose memory need not be zeroed again, or a new one.
fn take_memory() -> Vec<u8> {
    let kept = KEPT.try_with(|kept| kept.borrow_mut().pop());
    kept.ok().flatten().unwrap_or_else(|| vec![0; BUFFER])
}

/// Keeps a buffer that is not used any more for the next flow.
fn keep_memory(memory: Vec<u8>) {
    if memory.len() != BUFFER {
        return;
    }
    // A thread that terminates keeps nothing.
    let _ = KEPT.try_with(|kept| {
        let mut kept = kept.borrow_mut();
        if kept.len() < MOST_KEPT {
            kept.push(memory);
        }
    });
}

/// How to return unconsumed bytes to the source.
#[derive(Debug, Clone, Default)]
pub(super) enum Origin {
    /// Push back to the channel, for the next reader.
    #[default]
    Stream,
    /// Move the position of the channel back.
    Position,
    /// Nothing: the position of this file moves when the bytes are written.
    File(Arc<SharedFd>),
}

/// Bytes in memory or in a pipe, never in both.
#[derive(Debug, Default)]
pub(super) struct TransferBuffer {
    memory: Vec<u8>,
    filled: Range<usize>,
    pipe: Option<Arc<Pipe>>,
    piped: usize,
    origin: Origin,
}

impl TransferBuffer {
    pub(super) fn is_empty(&self) -> bool {
        self.filled.is_empty() && self.piped == 0
    }

    /// Memory to read up to `most` bytes into. Nothing may be buffered.
    pub(super) fn space(&mut self, most: u64) -> &mut [u8] {
        if self.memory.is_empty() {
            self.memory = take_memory();
        }
        self.filled = 0..0;
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        &mut self.memory[..BUFFER.min(most)]
    }

    /// Records bytes that were read into the [`space`](Self::space).
    pub(super) fn record_read(&mut self, count: usize, origin: Origin) {
        self.filled = 0..count;
        self.origin = origin;
    }

    /// Records bytes that were moved into the pipe.
    pub(super) fn piped(&mut self, count: usize, origin: Origin) {
        self.piped = count;
        self.origin = origin;
    }

    /// The pipe of this buffer, if one can be created.
    pub(super) fn pipe(&mut self) -> Option<&Arc<Pipe>> {
        if self.pipe.is_none() {
            self.pipe = Pipe::new().map(Arc::new);
        }
        self.pipe.as_ref()
    }

    /// The pipe and the number of bytes in it, if there are any.
    pub(super) fn in_pipe(&self) -> Option<(&Pipe, usize)> {
        let pipe = self.pipe.as_deref().filter(|_| self.piped > 0)?;
        Some((pipe, self.piped))
    }

    pub(super) fn in_memory(&self) -> &[u8] {
        &self.memory[self.filled.clone()]
    }

    /// Moves the bytes of the pipe into memory, and stops using the pipe. If reading the pipe
    /// fails, the buffer is empty: no other bytes must replace those that were lost.
    pub(super) fn spill(&mut self) -> io::Result<()> {
        let Some(pipe) = self.pipe.take() else {
            return Ok(());
        };
        let count = mem::take(&mut self.piped);
        if count > 0 {
            let mut memory = vec![0; count.max(BUFFER)];
            pipe.take(&mut memory[..count])
                .map_err(|e| with_context(e, format!("{count} bytes were lost")))?;
            keep_memory(mem::replace(&mut self.memory, memory));
            self.filled = 0..count;
        }
        Ok(())
    }

    /// Records that buffered bytes were written.
    pub(super) fn record_write(&mut self, count: usize) -> io::Result<()> {
        match self.piped {
            0 => self.filled.start += count,
            piped => self.piped = piped - count,
        }
        match &self.origin {
            Origin::File(file) => file_pool::skip(file, count),
            _ => Ok(()),
        }
    }

    /// Returns buffered bytes to the source.
    pub(super) fn push_back_to(&mut self, source: &Channel) {
        if self.is_empty() || matches!(self.origin, Origin::File(_)) {
            return;
        }
        if self.spill().is_err() {
            return;
        }
        let bytes = self.in_memory();
        let sought = matches!(self.origin, Origin::Position) && seek_back(source, bytes.len());
        if !sought {
            push_back_with_fds(source, bytes, Vec::new());
        }
        self.filled = 0..0;
    }
}

/// How to return bytes that a virtual function of the source has read.
pub(super) fn origin(source: &Channel) -> Origin {
    let imp = source.imp();
    match imp.features().contains(Feature::SEEKABLE) && !imp.channel_state.pushback.is_readable() {
        true => Origin::Position,
        false => Origin::Stream,
    }
}

fn seek_back(source: &Channel, count: usize) -> bool {
    // The size of a buffer in memory fits.
    let to = SeekFrom::Current(-(count as i64));
    VFuncs::of(source).seek(to).is_ok()
}

/// Pushes bytes and received descriptors back to the source.
pub(super) fn push_back_with_fds(source: &Channel, bytes: &[u8], fds: Vec<OwnedFd>) {
    let data = Pushback::copied([bytes].into_iter(), fds);
    source.push_back_data(data);
}

impl Drop for TransferBuffer {
    fn drop(&mut self) {
        keep_memory(mem::take(&mut self.memory));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_flow_of_a_thread_uses_the_memory_of_the_last_one_and_sees_none_of_its_bytes() {
        let mut buffer = TransferBuffer::default();
        let space = buffer.space(u64::MAX);
        space[..6].copy_from_slice(b"secret");
        let address = space.as_ptr();
        buffer.record_read(6, Origin::Stream);
        drop(buffer);
        let mut next = TransferBuffer::default();
        assert_eq!(next.in_memory(), b"");
        assert_eq!(next.space(1).as_ptr(), address);
        assert_eq!(next.in_memory(), b"");
    }

    #[test]
    fn a_thread_keeps_a_few_buffers() {
        let mut buffers: Vec<_> = (0..2 * MOST_KEPT)
            .map(|_| TransferBuffer::default())
            .collect();
        buffers.iter_mut().for_each(|it| it.space(1).fill(0));
        drop(buffers);
        assert_eq!(KEPT.with_borrow(Vec::len), MOST_KEPT);
    }

    #[test]
    fn an_unreadable_pipe_leaves_the_transfer_buffer_empty() {
        let mut buffer = TransferBuffer::default();
        buffer.pipe = Some(Arc::new(Pipe::unreadable()));
        buffer.piped(4, Origin::Stream);
        buffer.spill().expect_err("it cannot be read");
        assert!(buffer.is_empty());
        assert_eq!(buffer.in_memory(), b"");
    }
}
