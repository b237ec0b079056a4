//! Output of an engine to the lower channel.

use std::io::{self, IoSlice};

use glib::IOCondition;

use super::{
    Engine, IN_PLACE_BUFFERS, Layer, Queue, Wire, first_bytes,
    tokens::{Next, Sending},
    until_done,
};
use crate::{
    channel::{Channel, ChannelExt as _, class::VFuncs, lower_io, observed},
    error::{is_disconnected, would_block},
    observe,
    types::{Feature, Shutdown, WriteFlags},
};

/// The result of a step whose output was encoded.
#[derive(Debug)]
pub(in crate::layer) struct Encoded<T> {
    pub(in crate::layer) result: T,
    /// The lower channel has taken all output.
    pub(in crate::layer) is_sent: bool,
}

impl<E: Engine> Wire<E> {
    /// Sends pending output. Would-block if the lower channel does not take it all, or another
    /// thread has the token.
    pub(in crate::layer) fn flush(&self, channel: &Channel) -> io::Result<()> {
        let sent = match Sending::acquire(self, channel) {
            Ok(Some(token)) => self.send_all(channel, token),
            Ok(None) => self.finish_writing(),
            Err(e) => Err(e),
        };
        self.record(channel);
        sent
    }

    /// Updates what observers see of the channel.
    fn record(&self, channel: &Channel) {
        if observe::is_observed() {
            observed::layer(channel);
        }
    }

    /// Sends the output of a token, and what follows it.
    fn send_all(&self, channel: &Channel, mut token: Sending<'_, E>) -> io::Result<()> {
        let is_layered = self.lower().is_layered();
        loop {
            while !token.queue.is_empty() {
                match lower_io::write(self.lower(), token.queue.left()) {
                    Ok(count) => token.queue.take(count),
                    Err(e) if would_block(&e) => return Err(e),
                    Err(e) => self.fail_sending(channel, &mut token, e)?,
                }
            }
            token = match token.next(!is_layered) {
                Next::More(token) => token,
                Next::Nothing { .. } if is_layered => return self.finish_writing(),
                Next::Nothing { is_over } => return self.end_writing(is_over),
            };
        }
    }

    /// Writing to the lower channel has failed.
    fn fail_sending(
        &self,
        channel: &Channel,
        token: &mut Sending<'_, E>,
        error: io::Error,
    ) -> io::Result<()> {
        token.queue.clear();
        let mut engine = self.engine();
        if is_disconnected(&error) && engine.only_end_left() {
            return Ok(());
        }
        engine.break_sending(&error);
        drop(engine);
        // A lower channel may report it but once.
        channel.wake_waiters();
        Err(error)
    }

    /// Encodes output by a step of the engine, and sends as much as the lower channel takes; the
    /// rest is pending. `None` if other output is pending.
    pub(in crate::layer) fn send<T>(
        &self,
        channel: &Channel,
        step: impl FnOnce(&mut E) -> io::Result<T>,
    ) -> io::Result<Option<Encoded<T>>> {
        match Sending::begin(self, channel, step)? {
            Some((result, token)) => self.send_encoded(channel, token, result).map(Some),
            None => Ok(None),
        }
    }

    fn send_encoded<T>(
        &self,
        channel: &Channel,
        token: Sending<'_, E>,
        result: T,
    ) -> io::Result<Encoded<T>> {
        let sent = self.send_all(channel, token);
        self.record(channel);
        match sent {
            Err(e) if !would_block(&e) => Err(e),
            sent => Ok(Encoded {
                result,
                is_sent: sent.is_ok(),
            }),
        }
    }

    /// As [`send`](Self::send), with the first bytes of a payload behind the output. What the lower
    /// channel does not take of these is copied.
    pub(in crate::layer) fn send_in_place<T>(
        &self,
        channel: &Channel,
        payload: &[IoSlice<'_>],
        len: usize,
        step: impl FnOnce(&mut E) -> io::Result<T>,
    ) -> io::Result<Option<Encoded<T>>> {
        let Some((result, mut token)) = Sending::begin(self, channel, step)? else {
            return Ok(None);
        };
        let mut iov = [IoSlice::new(&[]); IN_PLACE_BUFFERS + 1];
        iov[0] = IoSlice::new(token.queue.left());
        for (place, bytes) in iov[1..].iter_mut().zip(first_bytes(payload, len)) {
            *place = IoSlice::new(bytes);
        }
        let mut left = &mut iov[..=payload.len()];
        let written = lower_io::writev(self.lower(), left, &[], WriteFlags::empty());
        let is_full = match written {
            Ok(count) => {
                IoSlice::advance_slices(&mut left, count);
                false
            }
            Err(e) if would_block(&e) => true,
            Err(e) => {
                self.fail_sending(channel, &mut token, e)?;
                return self.send_encoded(channel, token, result).map(Some);
            }
        };
        let mut rest = Queue::default();
        left.iter().for_each(|bytes| rest.push(bytes));
        token.queue = rest;
        if is_full {
            drop(token);
            self.record(channel);
            let is_sent = false;
            return Ok(Some(Encoded { result, is_sent }));
        }
        self.send_encoded(channel, token, result).map(Some)
    }

    /// As [`flush`](Self::flush), for callers that have another result: the next write reports an
    /// error.
    pub(in crate::layer) fn try_flush(&self, channel: &Channel) {
        let _ = self.flush(channel);
    }

    /// Sends what the peer waits for, for callers that have another result: now, or by a task of
    /// the current context.
    pub(in crate::layer) fn send_answer<L: Layer<Engine = E>>(&self, channel: &Channel) {
        if let Err(e) = self.flush(channel)
            && would_block(&e)
        {
            self.flush_later::<L>(channel);
        }
    }

    /// Sends what a write has left: later, or before this returns, whatever the mode of the channel
    /// is by then, as the data has been taken. `check` fails where a wait would never end.
    pub(in crate::layer) fn end_write<L: Layer<Engine = E>>(
        &self,
        channel: &Channel,
        no_wait: bool,
        check: impl Fn() -> io::Result<()>,
    ) -> io::Result<()> {
        if no_wait {
            self.flush_later::<L>(channel);
            return Ok(());
        }
        let may_wait = || check().map(|()| true);
        until_done(channel, IOCondition::OUT, may_wait, || self.flush(channel))
    }

    /// All output has been written to the lower channel: flushes that if it is layered itself, and
    /// shuts it down after the end of writing.
    fn finish_writing(&self) -> io::Result<()> {
        if self.lower().is_layered() {
            VFuncs::of(self.lower()).flush()?;
        }
        let is_over = self.engine().take_end();
        self.end_writing(is_over)
    }

    fn end_writing(&self, is_over: bool) -> io::Result<()> {
        if !is_over || !self.lower().has_feature(Feature::SHUTDOWN) {
            return Ok(());
        }
        match self.lower().shutdown(Shutdown::Write) {
            Err(e) if is_disconnected(&e) && self.engine().only_end_left() => Ok(()),
            result => result,
        }
    }
}
