//! The BIO of OpenSSL: memory, so that its calls never wait.

use std::io::{self, Read, Write};

use super::engine::HandshakeFilter;
use crate::layer::wire::Queue;

/// How often OpenSSL may still read in one call of a channel, twice for a record: a peer may send
/// any number of records without application data, such as KeyUpdates.
#[derive(Debug)]
pub(super) struct ReadBudget(usize);

impl Default for ReadBudget {
    fn default() -> Self {
        Self(256)
    }
}

/// Ciphertext from and to the lower channel.
#[derive(Debug, Default)]
pub(super) struct MemoryBio {
    pub(super) input: Queue,
    pub(super) output: Queue,
    /// How often OpenSSL may still read: nothing until [`begin_call`](Self::begin_call).
    reads_left: usize,
    /// During the handshake.
    pub(super) filter: Option<HandshakeFilter>,
}

impl MemoryBio {
    /// To be called before OpenSSL is, which can read nothing otherwise, with the budget of the
    /// call of the channel.
    pub(super) fn begin_call(&mut self, budget: &ReadBudget) {
        self.reads_left = budget.0;
    }

    /// To be called afterwards, before the connection is unlocked.
    pub(super) fn end_call(&self, budget: &mut ReadBudget) {
        budget.0 = self.reads_left;
    }

    /// Adds input. What was there before is a part of a record at most.
    pub(super) fn feed(&mut self, buffer: Vec<u8>, count: usize) {
        self.input.feed(buffer, count);
    }

    /// Whether the next record is complete, by its header. To be called between records only.
    pub(super) fn has_record(&self) -> bool {
        match self.input.left() {
            &[_, _, _, high, low, ref body @ ..] => {
                body.len() >= usize::from(u16::from_be_bytes([high, low]))
            }
            _ => false,
        }
    }
}

impl Read for MemoryBio {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.input.left();
        if left.is_empty() || self.reads_left == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.reads_left -= 1;
        let count = left.len().min(buf.len());
        buf[..count].copy_from_slice(&left[..count]);
        if let Some(filter) = &mut self.filter
            && !filter.takes(&mut buf[..count])
        {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.input.take(count);
        Ok(count)
    }
}

impl Write for MemoryBio {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.output.push(buf);
        if let Some(filter) = &mut self.filter {
            filter.sent.add(buf);
        }
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
