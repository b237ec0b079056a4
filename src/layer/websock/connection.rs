//! A WebSocket over a lower channel: the engine and its [`Wire`].

use std::{
    io::{self, IoSlice, IoSliceMut},
    sync::{
        MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use glib::{Bytes, prelude::*};

use super::{
    ChannelWebsock,
    channel::WebsockMessageKind,
    engine::{Stage, WebsockState},
};
use crate::{
    channel::Channel,
    error::would_block,
    hub::Direction,
    layer::wire::{BackgroundTask, CHUNK, Encoded, Engine as _, IN_PLACE_BUFFERS, Progress, Wire},
    sync::ForkMutex,
    types::{ReadFlags, total_len},
};

/// The state of a channel since its construction: nothing changes but what has a lock.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) wire: Wire<WebsockState>,
    pub(super) uri: Option<String>,
    pub(super) keep_alive: ForkMutex<Option<BackgroundTask>>,
    /// The opening handshake is done: calls need not lock the engine for that.
    pub(super) is_open: AtomicBool,
}

/// A server sends at least so much payload from the buffers of the caller.
const IN_PLACE: usize = 4096;

impl Connection {
    pub(super) fn engine(&self) -> MutexGuard<'_, WebsockState> {
        self.wire.engine()
    }

    pub(super) fn lower(&self) -> &Channel {
        self.wire.lower()
    }

    pub(super) fn close_timeout(&self) -> Duration {
        self.engine().options.settings().close_timeout
    }

    /// Has pending output sent by the current context.
    pub(super) fn flush_later(&self, channel: &Channel) {
        self.wire.flush_later::<ChannelWebsock>(channel);
    }

    /// Continues the opening handshake, if it is not done.
    pub(super) fn do_handshake(&self, channel: &Channel) -> io::Result<()> {
        if self.is_open.load(Ordering::Acquire) {
            return Ok(());
        }
        match &self.engine().stage {
            Stage::Open => {
                self.is_open.store(true, Ordering::Release);
                return Ok(());
            }
            Stage::Failed(failure) => return Err(failure.again()),
            _ => {}
        }
        self.open(channel, WebsockState::step_opening)?;
        self.opened(channel);
        Ok(())
    }

    /// The opening handshake is done, which another thread may have reported.
    pub(super) fn opened(&self, channel: &Channel) {
        if !self.engine().opening.begin_report() {
            return;
        }
        // The response of a server.
        self.wire.send_answer::<ChannelWebsock>(channel);
        self.start_keep_alive(channel);
        channel.wake_waiters();
        channel.notify("handshake-done");
    }

    /// Continues the opening handshake by a step of the engine. Would-block where the peer has to
    /// send something first.
    pub(super) fn open(
        &self,
        channel: &Channel,
        mut step: impl FnMut(&mut WebsockState) -> io::Result<Progress<()>>,
    ) -> io::Result<()> {
        loop {
            let stepped = step(&mut self.engine());
            match stepped {
                Ok(Progress::Done(())) => return Ok(()),
                Ok(Progress::Yield) => return Err(io::ErrorKind::WouldBlock.into()),
                Ok(Progress::WantRead) => {
                    self.wire.try_flush(channel);
                    match self.wire.receive(channel) {
                        Err(e) if would_block(&e) => return Err(e),
                        // A failure is what the engine reports next.
                        _ => {}
                    }
                }
                Err(e) => {
                    // The response with the reason.
                    self.wire.send_answer::<ChannelWebsock>(channel);
                    channel.wake_waiters();
                    return Err(e);
                }
            }
        }
    }

    /// Reads data of messages as a stream. Would-block if the lower channel has nothing.
    pub(super) fn read(
        &self,
        channel: &Channel,
        iov: &mut [IoSliceMut<'_>],
        flags: ReadFlags,
    ) -> io::Result<usize> {
        let allows_truncation = flags.contains(ReadFlags::RELAXED_EOF);
        self.incoming(channel, flags, |engine| engine.read(iov, allows_truncation))
    }

    /// Processes input by a step of the engine, until that has a result. Would-block if the lower
    /// channel has nothing; without an event that is not read.
    pub(super) fn incoming<T>(
        &self,
        channel: &Channel,
        flags: ReadFlags,
        mut step: impl FnMut(&mut WebsockState) -> io::Result<Progress<T>>,
    ) -> io::Result<T> {
        let no_event = self.wire.has_no_event(flags);
        self.do_handshake(channel)?;
        let mut engine = self.engine();
        engine.begin_turn();
        let mut received = false;
        loop {
            let stepped = step(&mut engine);
            let needs_input = matches!(stepped, Ok(Progress::WantRead));
            // A read of the descriptor below has met would-block.
            engine.input.recheck &= !(no_event && needs_input);
            let reads = needs_input && !no_event;
            let answers = engine.has_queued_output() || engine.has_end();
            let leaves = received && engine.has_answer();
            let pong = engine.take_pong();
            if !reads || answers || leaves || pong.is_some() {
                drop(engine);
                if leaves || received && self.wire.lower_has_more() {
                    // The lower channel does not become readable again for what is buffered here.
                    channel.wake_waiters_for(Direction::Read);
                }
                if answers {
                    // Also after an error: the peer is to get the close frame.
                    self.wire.send_answer::<ChannelWebsock>(channel);
                }
                if let Some(payload) = pong {
                    emit_pong(channel, &payload);
                }
                match stepped? {
                    Progress::Done(result) => return Ok(result),
                    Progress::WantRead if reads => engine = self.engine(),
                    _ => return Err(io::ErrorKind::WouldBlock.into()),
                }
            }
            let (after, result) = self.wire.receive_locked(channel, engine);
            engine = after;
            match result {
                // After the closing handshake it does not matter how the stream ends.
                Err(e) if !would_block(&e) && engine.peer_close().is_some() => {}
                result => result?,
            }
            received = true;
        }
    }

    /// Writes a message of what fits into one frame. Returns how much.
    pub(super) fn write(
        &self,
        channel: &Channel,
        iov: &[IoSlice<'_>],
        kind: WebsockMessageKind,
    ) -> io::Result<Encoded<usize>> {
        let len = total_len(iov).min(CHUNK);
        let may_be_in_place = kind == WebsockMessageKind::Binary && iov.len() <= IN_PLACE_BUFFERS;
        match may_be_in_place && self.sends_in_place(channel, len)? {
            true => self.outgoing_in_place(channel, iov, len, kind),
            false => self.outgoing(channel, |engine| engine.write(iov, kind)),
        }
    }

    /// Sends a message, as a whole or not at all.
    pub(super) fn send(
        &self,
        channel: &Channel,
        kind: WebsockMessageKind,
        data: &Bytes,
    ) -> io::Result<Encoded<usize>> {
        let is_valid = || kind == WebsockMessageKind::Binary || str::from_utf8(data).is_ok();
        match self.sends_in_place(channel, data.len())? && is_valid() {
            true => self.outgoing_in_place(channel, &[IoSlice::new(data)], data.len(), kind),
            false => self.outgoing(channel, |engine| engine.send(kind, data)),
        }
    }

    /// Whether the payload of a message of so many bytes is sent from the buffers of the caller.
    /// Copying a small one takes less time.
    fn sends_in_place(&self, channel: &Channel, len: usize) -> io::Result<bool> {
        if !(IN_PLACE..=CHUNK).contains(&len) {
            return Ok(false);
        }
        self.do_handshake(channel)?;
        Ok(self.engine().sends_as_is())
    }

    /// As [`outgoing`](Self::outgoing), for the first bytes of a payload that is sent from the
    /// buffers of the caller. Returns how many.
    fn outgoing_in_place(
        &self,
        channel: &Channel,
        iov: &[IoSlice<'_>],
        len: usize,
        kind: WebsockMessageKind,
    ) -> io::Result<Encoded<usize>> {
        let begin = |engine: &mut WebsockState| engine.push_message_header(kind, len);
        loop {
            match self.wire.send_in_place(channel, iov, len, begin)? {
                Some(sent) => return Ok(sent),
                None => self.wire.flush(channel)?,
            }
        }
    }

    /// Encodes output by a step of the engine, once nothing is pending, and sends what the lower
    /// channel takes of it; the rest stays pending. Would-block as long as other output is pending.
    pub(super) fn outgoing<T>(
        &self,
        channel: &Channel,
        mut step: impl FnMut(&mut WebsockState) -> io::Result<T>,
    ) -> io::Result<Encoded<T>> {
        self.do_handshake(channel)?;
        loop {
            match self.wire.send(channel, &mut step)? {
                Some(sent) => return Ok(sent),
                None => self.wire.flush(channel)?,
            }
        }
    }
}

fn emit_pong(channel: &Channel, payload: &[u8]) {
    if let Some(websock) = channel.downcast_ref::<ChannelWebsock>() {
        websock.emit_pong(payload);
    }
}
