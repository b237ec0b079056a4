//! The tokens of the lower channel: see [`Connection`].

use std::{io, mem};

use super::Connection;
use crate::{channel::Channel, layer::tls::memory_bio::Queue};

/// The right to read from the lower channel.
pub(super) struct Receiving<'a> {
    connection: &'a Connection,
    channel: &'a Channel,
}

impl<'a> Receiving<'a> {
    /// `None` if another thread has it.
    pub(super) fn acquire(connection: &'a Connection, channel: &'a Channel) -> Option<Self> {
        let mut engine = connection.engine();
        if mem::replace(&mut engine.tokens.receiving, true) {
            engine.tokens.waiting_receive = true;
            return None;
        }
        Some(Self {
            connection,
            channel,
        })
    }
}

impl Drop for Receiving<'_> {
    fn drop(&mut self) {
        let mut engine = self.connection.engine();
        engine.tokens.receiving = false;
        let missed = mem::take(&mut engine.tokens.waiting_receive);
        drop(engine);
        if missed {
            self.channel.wake_waiters();
        }
    }
}

/// The right to write to the lower channel, with the output that is pending.
pub(super) struct Sending<'a> {
    connection: &'a Connection,
    channel: &'a Channel,
    pub(super) queue: Queue,
}

impl<'a> Sending<'a> {
    /// `None` if no output is pending; would-block if another thread has it.
    pub(super) fn acquire(
        connection: &'a Connection,
        channel: &'a Channel,
    ) -> io::Result<Option<Self>> {
        let mut engine = connection.engine();
        if engine.tokens.sending {
            engine.tokens.waiting_send = true;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let queue = engine.take_pending();
        engine.tokens.sending = queue.is_some();
        Ok(queue.map(|queue| Self {
            connection,
            channel,
            queue,
        }))
    }
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        let mut engine = self.connection.engine();
        engine.tokens.sending = false;
        engine.restore_pending(mem::take(&mut self.queue));
        let missed = mem::take(&mut engine.tokens.waiting_send);
        drop(engine);
        if missed {
            self.channel.wake_waiters();
        }
    }
}
