//! Ciphertext between the engine and the channel below. One at a time reads that, and one writes,
//! so that records keep their order; other threads get would-block, and are woken when the token is
//! released. No lock is held while the channel below is called.

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem,
    sync::{Arc, MutexGuard},
    task::Waker,
    time::{Duration, Instant},
};

use glib::{IOCondition, subclass::prelude::*};

use super::{
    creds::TlsCreds,
    engine::{Stage, Step, TlsState},
    failure::{is_unsent, lingered, too_slow, unjudged, unsent},
    flusher::BackgroundFlush,
    peer::Peer,
    pipes::{CHUNK, Queue, give_buffer, take_buffer},
};
use crate::{
    channel::{
        Channel, ChannelExt as _, ChannelWatchExt as _, blocking, class::VFuncs,
        handshakes::HandshakePermit, lower_io,
    },
    coroutine,
    error::{closed, is_disconnected, would_block},
    hub::Direction,
    sync::ForkMutex,
    types::{Feature, ReadFlags, Readiness, Shutdown},
};

/// For how long closing waits, where it may block, for a peer that does not read.
const LINGER: Duration = Duration::from_secs(5);

/// How long it waits at first, and at most, before it asks again for acknowledgements.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// What a channel becomes when it is made: it never changes but for the engine.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) engine: ForkMutex<TlsState>,
    pub(super) peer: Arc<Peer>,
    pub(super) master: Channel,
    pub(super) creds: TlsCreds,
    pub(super) hostname: Option<glib::GString>,
    pub(super) flusher: ForkMutex<Option<BackgroundFlush>>,
    /// Woken when the channel below is closed.
    pub(super) collapse: Waker,
    /// Counts the handshake, where the listener that has accepted the channel below limits them.
    pub(super) permit: ForkMutex<Option<Box<dyn HandshakePermit>>>,
}

impl Connection {
    pub(super) fn engine(&self) -> MutexGuard<'_, TlsState> {
        self.engine.lock()
    }

    /// Decrypts what there is, and what the channel below has. Would-block where that has nothing.
    pub(super) fn read(
        &self,
        channel: &Channel,
        iov: &mut [IoSliceMut<'_>],
        flags: ReadFlags,
    ) -> io::Result<usize> {
        let peek = flags.contains(ReadFlags::PEEK);
        let relaxed = flags.contains(ReadFlags::RELAXED_EOF);
        // The channel below may hold something itself.
        let no_event = flags.contains(ReadFlags::NO_EVENT)
            && self.master.lower().is_none()
            && !self.master.has_pushback();
        self.do_handshake(channel)?;
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
                let settled = engine.is_settled();
                let step = engine.read(iov, peek, relaxed);
                // A read of the descriptor below has met would-block.
                engine.input.recheck &= !(no_event && matches!(step, Ok(Step::Starving)));
                (
                    step,
                    engine.has_left(),
                    received && engine.has_answer(),
                    !settled && engine.is_settled(),
                )
            };
            self.creds.flush_key_log();
            let leaves = leaves || received && self.below_holds_more();
            if settles {
                // Writers have waited for what has been read.
                channel.wake_waiters();
            } else if leaves {
                // The channel below has nothing any more for those who wait there.
                channel.wake_waiters_for(Direction::Read);
            }
            if answers
                && let Err(e) = self.flush(channel)
                && would_block(&e)
            {
                // Also after an error: the peer is to get the alert.
                self.flush_later(channel);
            }
            match step? {
                Step::Done(count) => return Ok(count),
                Step::Tired => return Err(io::ErrorKind::WouldBlock.into()),
                Step::Starving if no_event => return Err(io::ErrorKind::WouldBlock.into()),
                Step::Starving => {
                    self.receive(channel)?;
                    received = true;
                }
            }
        }
    }

    /// Whether the channel below is a layer that has more without an event. Those who wait here may
    /// wait for the descriptor of the lowest one.
    fn below_holds_more(&self) -> bool {
        self.master.lower().is_some()
            && VFuncs::of(&self.master).wait_fd(IOCondition::IN) == Readiness::Now
    }

    /// Sends what is unsent where that is too much to read on. Would-block as long as it is.
    fn drain_output(&self, channel: &Channel) -> io::Result<()> {
        let Err(e) = self.flush(channel) else {
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
            // They wait for more to come.
            channel.wake_waiters();
        }
        self.flush_later(channel);
        Err(e)
    }

    /// Encrypts a chunk and sends what the channel below takes of it; the rest is unsent.
    /// Would-block as long as something is.
    pub(super) fn write(&self, channel: &Channel, iov: &[IoSlice<'_>]) -> io::Result<usize> {
        self.do_handshake(channel)?;
        loop {
            let step = {
                let mut engine = self.engine();
                match engine.has_unsent() {
                    true => None,
                    false => Some(engine.write(iov)?),
                }
            };
            self.creds.flush_key_log();
            match step {
                None => self.flush(channel)?,
                Some(Step::Done(count)) => {
                    return match self.flush(channel) {
                        Err(e) if !would_block(&e) => Err(e),
                        _ => Ok(count),
                    };
                }
                Some(Step::Starving) => {
                    self.try_flush(channel);
                    self.receive(channel)?;
                    // There may be data in it.
                    channel.wake_waiters_for(Direction::Read);
                }
                Some(Step::Tired) => {
                    self.try_flush(channel);
                    return Err(io::ErrorKind::WouldBlock.into());
                }
            }
        }
    }

    /// Continues the handshake, if it is not done. Would-block where the peer has to send something
    /// first. The error of a failed one is reported to every caller.
    pub(super) fn do_handshake(&self, channel: &Channel) -> io::Result<()> {
        loop {
            match &self.engine().stage {
                Stage::Open => return Ok(()),
                Stage::Failed(failure) => return Err(failure.again()),
                _ => {}
            }
            let step = self.step_handshake(channel);
            if !matches!(step, Ok(Step::Done(()))) {
                self.creds.flush_key_log();
            }
            match step {
                // Which flushes the key log as well.
                Ok(Step::Done(())) => self.finish_handshake(channel),
                Ok(Step::Tired) => {
                    self.try_flush(channel);
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Ok(Step::Starving) => {
                    self.try_flush(channel);
                    match self.receive(channel) {
                        Err(e) if would_block(&e) => return Err(e),
                        // What has failed is what OpenSSL sees next.
                        _ if !self.engine().is_open() => {}
                        // Another thread was faster, and it was data, or the end.
                        _ => channel.wake_waiters_for(Direction::Read),
                    }
                }
                Err(e) if would_block(&e) => return Err(e),
                Err(e) => {
                    // The alert, as far as it is taken.
                    self.try_flush(channel);
                    self.release_permit();
                    channel.wake_waiters();
                    return Err(e);
                }
            }
        }
    }

    /// Does not count as a handshake that is under way any more, if that is over.
    pub(super) fn release_permit(&self) {
        let is_over = matches!(self.engine().stage, Stage::Open | Stage::Failed(_));
        let permit = match is_over {
            true => self.permit.lock().take(),
            false => None,
        };
        drop(permit);
    }

    /// Gives a handshake up that takes long, while others wait.
    pub(super) fn abort_handshake(&self, channel: &Channel) {
        let mut engine = self.engine();
        if !matches!(engine.stage, Stage::Open | Stage::Failed(_)) {
            engine.fail_handshake(too_slow());
            engine.discard();
        }
        drop(engine);
        self.release_permit();
        channel.wake_waiters();
    }

    /// Fails where this thread or coroutine would wait for itself: in a handler of
    /// `authorize-peer`.
    pub(super) fn may_wait(&self) -> io::Result<()> {
        match self.engine().stage {
            Stage::Authorizing(handler) if handler.is_current() => Err(unjudged()),
            _ => Ok(()),
        }
    }

    /// Reads ciphertext once, and feeds the engine.
    fn receive(&self, channel: &Channel) -> io::Result<()> {
        let Some(token) = Receiving::begin(self, channel) else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let mut buffer = take_buffer();
        // Only what is new is zeroed.
        buffer.resize(CHUNK, 0);
        let result = lower_io::read(&self.master, &mut buffer);
        let mut engine = self.engine();
        let result = match result {
            Ok(count) => {
                engine.feed(buffer, count);
                Ok(())
            }
            Err(e) => {
                give_buffer(buffer);
                match would_block(&e) {
                    true => engine.input.recheck = false,
                    false => engine.fail_receiving(&e),
                }
                Err(e)
            }
        };
        drop(engine);
        drop(token);
        if result.as_ref().is_err_and(|e| !would_block(e)) {
            // A lower channel may report it but once.
            channel.wake_waiters();
        }
        result
    }

    /// Sends what is unsent. Would-block where the channel below does not take it all, or another
    /// thread is at it.
    pub(super) fn flush(&self, channel: &Channel) -> io::Result<()> {
        loop {
            let Some(mut token) = Sending::begin(self, channel)? else {
                return self.finish_writing();
            };
            let sent = lower_io::write(&self.master, token.queue.left());
            match sent {
                Ok(count) => token.queue.take(count),
                Err(e) if would_block(&e) => return Err(e),
                Err(e) if is_disconnected(&e) && self.engine().only_close_notify_left() => {
                    token.queue.clear();
                }
                Err(e) => {
                    self.engine().break_sending(&e);
                    token.queue.clear();
                    drop(token);
                    // A lower channel may report it but once.
                    channel.wake_waiters();
                    return Err(e);
                }
            }
        }
    }

    /// As [`flush`](Self::flush), whose error does not matter now: the next write reports it.
    pub(super) fn try_flush(&self, channel: &Channel) {
        let _ = self.flush(channel);
    }

    /// All has been given to the channel below. If nothing will be written any more, that may know;
    /// if it is a layer itself, it may still hold something.
    fn finish_writing(&self) -> io::Result<()> {
        if self.master.lower().is_some() {
            VFuncs::of(&self.master).flush()?;
        }
        let is_over = self.engine().take_end();
        if !is_over || !self.master.has_feature(Feature::SHUTDOWN) {
            return Ok(());
        }
        match self.master.shutdown(Shutdown::Write) {
            Err(e) if is_disconnected(&e) && self.engine().only_close_notify_left() => Ok(()),
            result => result,
        }
    }

    /// Ends one direction, or both. A handshake that is going on fails.
    pub(super) fn shutdown(&self, channel: &Channel, how: Shutdown) -> io::Result<()> {
        {
            let mut engine = self.engine();
            if engine.is_open() {
                if how.writes() {
                    engine.send_close_notify();
                    engine.output.shut_lower = true;
                }
                engine.input.shut |= how.reads();
            } else if !matches!(engine.stage, Stage::Failed(_)) {
                engine.fail_handshake(closed());
                if how.writes() {
                    engine.end_writing();
                    engine.output.shut_lower = true;
                }
            }
        }
        self.release_permit();
        let sent = match self.flush(channel) {
            Err(e) if would_block(&e) => {
                self.flush_later(channel);
                Ok(())
            }
            result => result,
        };
        if how.reads() && self.master.has_feature(Feature::SHUTDOWN) {
            self.master.shutdown(Shutdown::Read)?;
        }
        channel.wake_waiters();
        sent
    }

    /// Sends close_notify, as far as that does not block.
    pub(super) fn leave(&self, channel: &Channel) -> io::Result<()> {
        let is_open = self.engine().is_open();
        let sent = match self.flush(channel) {
            // Nothing has been written yet that could be missed.
            Err(_) if !is_open => Ok(()),
            // Answers to the peer, tickets and updates of keys.
            Err(e) if would_block(&e) && !self.engine().has_unsent_data() => Ok(()),
            result => result,
        };
        if sent.is_ok() {
            self.engine().send_close_notify();
            // A failure to send close_notify is no error: the peer may have disconnected.
            self.try_flush(channel);
        }
        if self.engine().may_receive_more() {
            // With session tickets unread, TCP discards what it has not sent yet.
            let _ = self.discard_input();
        }
        self.engine().close();
        self.release_permit();
        let flusher = self.flusher.lock().take();
        drop(flusher);
        sent
    }

    /// Where the caller may block: sends what is left, and close_notify, for at most [`LINGER`].
    fn linger(&self, channel: &Channel) -> io::Result<()> {
        let deadline = Instant::now() + LINGER;
        let flush = || loop {
            match self.flush(channel) {
                Err(e) if would_block(&e) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(lingered());
                    }
                    // What the wait has to say, the next look says as well.
                    let _ = channel.wait_timeout(IOCondition::OUT, left);
                }
                result => return result,
            }
        };
        flush()?;
        self.engine().send_close_notify();
        match flush() {
            Err(e) if e.kind() == io::ErrorKind::TimedOut => Err(e),
            // close_notify itself is not worth an error: the peer may have gone.
            Err(_) => Ok(()),
            Ok(()) => {
                self.discard_input_until(deadline);
                Ok(())
            }
        }
    }

    /// Reads and discards what the peer still sends, until its system has acknowledged all data or
    /// has ended, or until `deadline`: a TCP connection that is closed with input unread, or that
    /// gets some afterwards, such as session tickets, is reset, and what is unacknowledged is lost
    /// (RFC 9112, section 9.6).
    fn discard_input_until(&self, deadline: Instant) {
        let mut pause = SHORTEST_PAUSE;
        while self.engine().may_receive_more() && lower_io::has_unacknowledged(&self.master) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.discard_input().is_err_and(|e| !would_block(&e)) {
                return;
            }
            // Nothing reports an acknowledgement.
            let _ = self.master.wait_timeout(IOCondition::IN, left.min(pause));
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    /// Reads once from the channel below what no read will decrypt. An end is an error.
    fn discard_input(&self) -> io::Result<()> {
        let mut buffer = take_buffer();
        buffer.resize(CHUNK, 0);
        let result = lower_io::read(&self.master, &mut buffer);
        give_buffer(buffer);
        match result? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Sends close_notify, in non-blocking mode as far as that does not block, and closes the
    /// channel below.
    pub(super) fn close(&self, channel: &Channel) -> io::Result<()> {
        let may_wait = (channel.is_blocking() || blocking::in_pool_thread())
            && !coroutine::in_coroutine()
            && self.engine().is_open();
        let lingered = match may_wait {
            true => self.linger(channel),
            false => Ok(()),
        };
        let sent = match self.leave(channel) {
            Err(e) if would_block(&e) => lingered.and(Err(unsent())),
            result => lingered.and(result),
        };
        // Before those who wait see that the channel below is closed.
        channel.imp().mark_closed();
        let closed = match self.master.close() {
            // All but close_notify had left that layer before: see `leave`.
            Err(e) if sent.is_ok() && self.master.lower().is_some() && is_unsent(&e) => Ok(()),
            closed => closed,
        };
        channel.wake_waiters();
        sent.and(closed)
    }
}

/// Who reads from the channel below.
struct Receiving<'a> {
    link: &'a Connection,
    channel: &'a Channel,
}

impl<'a> Receiving<'a> {
    /// `None` if another thread does.
    fn begin(link: &'a Connection, channel: &'a Channel) -> Option<Self> {
        let mut engine = link.engine();
        if mem::replace(&mut engine.tokens.receiving, true) {
            engine.tokens.waiting_receive = true;
            return None;
        }
        Some(Self { link, channel })
    }
}

impl Drop for Receiving<'_> {
    fn drop(&mut self) {
        let mut engine = self.link.engine();
        engine.tokens.receiving = false;
        let missed = mem::take(&mut engine.tokens.waiting_receive);
        drop(engine);
        if missed {
            self.channel.wake_waiters();
        }
    }
}

/// Who writes to the channel below.
struct Sending<'a> {
    link: &'a Connection,
    channel: &'a Channel,
    queue: Queue,
}

impl<'a> Sending<'a> {
    /// `None` if there is nothing to send; would-block if another thread sends.
    fn begin(link: &'a Connection, channel: &'a Channel) -> io::Result<Option<Self>> {
        let mut engine = link.engine();
        if engine.tokens.sending {
            engine.tokens.waiting_send = true;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let queue = engine.take_unsent();
        engine.tokens.sending = queue.is_some();
        Ok(queue.map(|queue| Self {
            link,
            channel,
            queue,
        }))
    }
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        let mut engine = self.link.engine();
        engine.tokens.sending = false;
        engine.keep_unsent(mem::take(&mut self.queue));
        let missed = mem::take(&mut engine.tokens.waiting_send);
        drop(engine);
        if missed {
            self.channel.wake_waiters();
        }
    }
}
