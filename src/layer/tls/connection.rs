//! A TLS connection over a lower channel: the engine and its [`Wire`], and what both ends have
//! agreed on.
//!
//! Besides the rules of [`wire`](crate::layer::wire): the mutex of the engine is not locked during
//! the emission of a signal, or a key-log callback. While more than 256 KiB are pending no input is
//! processed.

mod close;
mod handshake;

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem,
    sync::{Arc, MutexGuard},
};

pub(super) use close::closes_at_once;

use super::{ChannelTls, creds::TlsCreds, engine::TlsState, memory_bio::ReadBudget, peer::Peer};
use crate::{
    channel::{Channel, handshakes::HandshakePermit},
    error::would_block,
    hub::Direction,
    layer::wire::{Engine as _, Progress, Wire},
    sync::ForkMutex,
    types::ReadFlags,
};

/// The state of a channel since its construction: nothing changes but what has a lock.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) wire: Wire<TlsState>,
    pub(super) peer: Arc<Peer>,
    pub(super) creds: TlsCreds,
    pub(super) hostname: Option<glib::GString>,
    /// Counts the handshake, where the listener that has accepted the lower channel limits them.
    pub(super) permit: ForkMutex<Option<Box<dyn HandshakePermit>>>,
}

impl Connection {
    pub(super) fn engine(&self) -> MutexGuard<'_, TlsState> {
        self.wire.engine()
    }

    pub(super) fn master(&self) -> &Channel {
        self.wire.lower()
    }

    /// Has pending output sent by the current context.
    pub(super) fn flush_later(&self, channel: &Channel) {
        self.wire.flush_later::<ChannelTls>(channel);
    }

    /// Decrypts buffered input, and what the lower channel has. Would-block if that has nothing.
    pub(super) fn read(
        &self,
        channel: &Channel,
        iov: &mut [IoSliceMut<'_>],
        flags: ReadFlags,
    ) -> io::Result<usize> {
        let peek = flags.contains(ReadFlags::PEEK);
        let relaxed = flags.contains(ReadFlags::RELAXED_EOF);
        let no_event = self.wire.has_no_event(flags);
        self.do_handshake(channel)?;
        let mut budget = ReadBudget::default();
        let mut received = false;
        loop {
            let (step, answers, leaves, settles) = {
                let mut engine = self.engine();
                if engine.output_over_limit() {
                    drop(engine);
                    self.drain_output(channel)?;
                    continue;
                }
                engine.input.waits_for_output = false;
                let was_past_handshake = engine.is_past_handshake();
                let step = engine.read(iov, (peek, relaxed), &mut budget);
                // A read of the descriptor below has met would-block.
                engine.input.recheck &= !(no_event && matches!(step, Ok(Progress::WantRead)));
                (
                    step,
                    engine.has_queued_output(),
                    received && engine.has_answer(),
                    !was_past_handshake && engine.is_past_handshake(),
                )
            };
            self.creds.flush_key_log();
            let leaves = leaves || received && self.wire.lower_has_more();
            if settles {
                // Writers have waited for the handshake message that was read.
                channel.wake_waiters();
            } else if leaves {
                // The lower channel does not become readable again for what is buffered here.
                channel.wake_waiters_for(Direction::Read);
            }
            if answers {
                // Also after an error: the peer is to get the alert.
                self.wire.send_answer::<ChannelTls>(channel);
            }
            match step? {
                Progress::Done(count) => return Ok(count),
                Progress::Yield => return Err(io::ErrorKind::WouldBlock.into()),
                Progress::WantRead if no_event => return Err(io::ErrorKind::WouldBlock.into()),
                Progress::WantRead => {
                    self.wire.receive(channel)?;
                    received = true;
                }
            }
        }
    }

    /// Sends pending output that is over the limit. Would-block as long as it is.
    fn drain_output(&self, channel: &Channel) -> io::Result<()> {
        let Err(e) = self.wire.flush(channel) else {
            return Ok(());
        };
        let mut engine = self.engine();
        if !would_block(&e) || !engine.output_over_limit() {
            return Ok(());
        }
        engine.input.recheck = true;
        let is_first = !mem::replace(&mut engine.input.waits_for_output, true);
        drop(engine);
        if is_first {
            // They wait for input, and have to wait for the output.
            channel.wake_waiters();
        }
        self.flush_later(channel);
        Err(e)
    }

    /// Encrypts a chunk and sends what the lower channel takes of it; the rest stays pending.
    /// Would-block as long as output is pending.
    pub(super) fn write(&self, channel: &Channel, iov: &[IoSlice<'_>]) -> io::Result<usize> {
        self.do_handshake(channel)?;
        let mut budget = ReadBudget::default();
        loop {
            let step = {
                let mut engine = self.engine();
                match engine.has_pending_output() {
                    true => None,
                    false => Some(engine.write(iov, &mut budget)?),
                }
            };
            self.creds.flush_key_log();
            match step {
                None => self.wire.flush(channel)?,
                Some(Progress::Done(count)) => {
                    return match self.wire.flush(channel) {
                        Err(e) if !would_block(&e) => Err(e),
                        _ => Ok(count),
                    };
                }
                Some(Progress::WantRead) => {
                    self.wire.try_flush(channel);
                    self.wire.receive(channel)?;
                    // There may be data in it.
                    channel.wake_waiters_for(Direction::Read);
                }
                Some(Progress::Yield) => {
                    self.wire.try_flush(channel);
                    return Err(io::ErrorKind::WouldBlock.into());
                }
            }
        }
    }
}
