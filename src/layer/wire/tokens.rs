//! The tokens of the lower channel: see the [module](super).

use std::{io, mem};

use super::{Engine, Queue, Wire};
use crate::channel::Channel;

/// Which tokens are taken: one caller at a time reads from the lower channel, and one writes.
#[derive(Debug, Default)]
pub(in crate::layer) struct Tokens {
    pub(super) receiving: bool,
    pub(super) sending: bool,
    /// Something waits for the token of receiving to be released.
    pub(super) waiting_receive: bool,
    /// The same for sending. With one flag for both, a receiver would wake itself while another
    /// caller sends.
    pub(super) waiting_send: bool,
}

impl Tokens {
    /// Whether a caller is writing output to the lower channel.
    pub(in crate::layer) fn is_sending(&self) -> bool {
        self.sending
    }

    /// Returns whether something waits for that.
    fn release_receiving(&mut self) -> bool {
        self.receiving = false;
        mem::take(&mut self.waiting_receive)
    }

    /// The same for sending.
    fn release_sending(&mut self) -> bool {
        self.sending = false;
        mem::take(&mut self.waiting_send)
    }
}

/// The right to read from the lower channel.
pub(super) struct Receiving<'a, E: Engine> {
    wire: &'a Wire<E>,
    channel: &'a Channel,
}

impl<'a, E: Engine> Receiving<'a, E> {
    /// `None` if another thread has it.
    pub(super) fn acquire(wire: &'a Wire<E>, channel: &'a Channel, engine: &mut E) -> Option<Self> {
        let tokens = engine.tokens_mut();
        if mem::replace(&mut tokens.receiving, true) {
            tokens.waiting_receive = true;
            return None;
        }
        Some(Self { wire, channel })
    }

    /// Releases it. Returns whether waiters of the channel must be woken, without the lock.
    pub(super) fn release(self, engine: &mut E) -> bool {
        mem::forget(self);
        engine.tokens_mut().release_receiving()
    }
}

impl<E: Engine> Drop for Receiving<'_, E> {
    fn drop(&mut self) {
        let missed = self.wire.engine().tokens_mut().release_receiving();
        if missed {
            self.channel.wake_waiters();
        }
    }
}

/// The right to write to the lower channel, with the output that is pending.
pub(super) struct Sending<'a, E: Engine> {
    wire: &'a Wire<E>,
    channel: &'a Channel,
    pub(super) queue: Queue,
}

/// What follows when the output of a token has been sent.
pub(super) enum Next<'a, E: Engine> {
    More(Sending<'a, E>),
    /// Nothing: the token is released. Whether the lower channel is to be shut down now.
    Nothing {
        is_over: bool,
    },
}

impl<'a, E: Engine> Sending<'a, E> {
    /// `None` if no output is pending; would-block if another thread has it.
    pub(super) fn acquire(wire: &'a Wire<E>, channel: &'a Channel) -> io::Result<Option<Self>> {
        let mut engine = wire.engine();
        if engine.tokens().sending {
            engine.tokens_mut().waiting_send = true;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let queue = engine.take_pending();
        engine.tokens_mut().sending = queue.is_some();
        Ok(queue.map(|queue| Self {
            wire,
            channel,
            queue,
        }))
    }

    /// Encodes output by a step of the engine, and takes it. `None` if other output is pending.
    pub(super) fn begin<T>(
        wire: &'a Wire<E>,
        channel: &'a Channel,
        step: impl FnOnce(&mut E) -> io::Result<T>,
    ) -> io::Result<Option<(T, Self)>> {
        let mut engine = wire.engine();
        if engine.has_pending_output() {
            return Ok(None);
        }
        let result = step(&mut engine)?;
        let queue = engine.take_pending().unwrap_or_default();
        engine.tokens_mut().sending = true;
        let token = Self {
            wire,
            channel,
            queue,
        };
        Ok(Some((result, token)))
    }

    /// Continues with what is pending, once the queue is empty. `takes_end`: see
    /// [`Engine::take_end`].
    pub(super) fn next(mut self, takes_end: bool) -> Next<'a, E> {
        let mut engine = self.wire.engine();
        if let Some(queue) = engine.take_pending() {
            drop(engine);
            self.queue = queue;
            return Next::More(self);
        }
        let missed = engine.tokens_mut().release_sending();
        let is_over = takes_end && engine.take_end();
        drop(engine);
        let channel = self.channel;
        // The queue is empty, and has no buffer.
        mem::forget(self);
        if missed {
            channel.wake_waiters();
        }
        Next::Nothing { is_over }
    }
}

impl<E: Engine> Drop for Sending<'_, E> {
    fn drop(&mut self) {
        let mut engine = self.wire.engine();
        engine.restore_pending(mem::take(&mut self.queue));
        let missed = engine.tokens_mut().release_sending();
        drop(engine);
        if missed {
            self.channel.wake_waiters();
        }
    }
}
