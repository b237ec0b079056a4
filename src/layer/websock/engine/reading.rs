//! What readers get: data of messages as a stream, or whole messages.

use std::{io, mem};

use glib::Bytes;

use super::{
    Expected, WebsockState,
    frames_in::{Event, Frame, FramesIn},
};
use crate::layer::{
    websock::{
        channel::WebsockMessageKind,
        error::{CloseCode, Violation},
        frame::Opcode,
        mask,
    },
    wire::{CHUNK, Engine as _, Progress, Queue},
};

/// A message of fewer bytes has memory of just its size, if that is known before.
const EXACT: u64 = CHUNK as u64 / 2;

/// A message as a whole, or `None` at the end of the stream.
pub(in crate::layer::websock) type Received = Option<(WebsockMessageKind, Bytes)>;

impl WebsockState {
    /// The end of the current message was processed.
    pub(in crate::layer::websock) fn finish_message(&mut self) {
        self.frames_in.message = None;
    }

    /// Copies data of messages to a buffer, until that is full or no more has arrived. Zero bytes
    /// are the end of the stream.
    pub(in crate::layer::websock) fn read(
        &mut self,
        iov: &mut [io::IoSliceMut<'_>],
        allows_truncation: bool,
    ) -> io::Result<Progress<usize>> {
        if self.input.shut {
            return Ok(Progress::Done(0));
        }
        self.expect(Expected::Data);
        let mut total = 0;
        for buf in iov {
            let mut from = 0;
            while from < buf.len() {
                match self.read_once(&mut buf[from..], None, allows_truncation) {
                    Ok(Progress::Done(0)) => return Ok(Progress::Done(total)),
                    Ok(Progress::Done(count)) => (from, total) = (from + count, total + count),
                    // The next read reports it.
                    _ if total > 0 => return Ok(Progress::Done(total)),
                    step => return step,
                }
            }
        }
        Ok(Progress::Done(total))
    }

    /// Copies some data of messages, or of the message of one reader. Zero bytes are the end.
    pub(super) fn read_once(
        &mut self,
        out: &mut [u8],
        reader: Option<u64>,
        allows_truncation: bool,
    ) -> io::Result<Progress<usize>> {
        loop {
            if reader.is_some_and(|reader| !self.is_read_by(reader)) {
                return Ok(Progress::Done(0));
            }
            if !self.frames_in.assembly.is_empty() {
                return Ok(Progress::Done(self.read_assembly(out)));
            }
            match self.next_event()? {
                Progress::Done(Event::Payload) => match self.read_payload(out)? {
                    0 => {}
                    count => return Ok(Progress::Done(count)),
                },
                Progress::Done(Event::EndOfMessage) => self.finish_message(),
                Progress::Done(Event::EndOfStream) => {
                    let ended = match reader {
                        Some(_) => self.end_of_messages(allows_truncation),
                        None => self.end_of_data(allows_truncation),
                    };
                    return ended.map(|()| Progress::Done(0));
                }
                Progress::WantRead => return Ok(Progress::WantRead),
                Progress::Yield => return Ok(Progress::Yield),
            }
        }
    }

    /// Copies payload that has arrived, for a reader of a stream. Returns how much, which may be
    /// nothing.
    fn read_payload(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.copy_payload(out)?;
        if let Some(message) = &mut self.frames_in.message {
            message.was_read |= count > 0;
        }
        Ok(count)
    }

    /// Data of a message that a receive has begun to collect.
    fn read_assembly(&mut self, out: &mut [u8]) -> usize {
        let frames = &mut self.frames_in;
        let left = frames.assembly.left();
        let count = left.len().min(out.len());
        out[..count].copy_from_slice(&left[..count]);
        frames.assembly.take(count);
        if let Some(message) = &mut frames.message {
            message.was_read = true;
        }
        count
    }

    /// As [`advance`](Self::advance), past the rest of a message that its reader has discarded.
    pub(super) fn next_event(&mut self) -> io::Result<Progress<Event>> {
        let is_discarded = |frames: &FramesIn| {
            let message = frames.message.as_ref();
            message.is_some_and(|message| message.is_discarded)
        };
        while is_discarded(&self.frames_in) {
            match self.advance()? {
                Progress::Done(Event::Payload) => match self.discard_payload()? {
                    Progress::Done(()) => {}
                    _ => return Ok(Progress::Yield),
                },
                Progress::Done(Event::EndOfMessage) => self.finish_message(),
                step => return Ok(step),
            }
        }
        self.advance()
    }

    /// Discards payload that has arrived, as far as this call may.
    fn discard_payload(&mut self) -> io::Result<Progress<()>> {
        let mut piece = [0; 4096];
        if self.frames_in.has_spent_bytes() {
            return Ok(self.exhausted());
        }
        let discarded = self.copy_payload(&mut piece)?;
        self.frames_in.spend(discarded);
        Ok(Progress::Done(()))
    }

    /// Collects the rest of the current message, or the next one. `None`: the end of the stream.
    pub(in crate::layer::websock) fn receive(
        &mut self,
        allows_truncation: bool,
    ) -> io::Result<Progress<Received>> {
        if self.input.shut {
            return Ok(Progress::Done(None));
        }
        self.expect(Expected::Message);
        loop {
            match self.next_event()? {
                Progress::Done(Event::Payload) => match self.take_short()? {
                    Some(message) => return Ok(Progress::Done(Some(message))),
                    None => self.collect()?,
                },
                Progress::Done(Event::EndOfMessage) => {
                    let data = mem::take(&mut self.frames_in.assembly);
                    let message = self.frames_in.message.take();
                    if let Some(message) = message.filter(|it| !it.was_read || !data.is_empty()) {
                        return Ok(Progress::Done(Some((message.kind, data.into_bytes()))));
                    }
                }
                Progress::Done(Event::EndOfStream) => {
                    let ended = self.end_of_messages(allows_truncation);
                    return ended.map(|()| Progress::Done(None));
                }
                Progress::WantRead => return Ok(Progress::WantRead),
                Progress::Yield => return Ok(Progress::Yield),
            }
        }
    }

    /// Takes a short message of one frame that has arrived as a whole.
    fn take_short(&mut self) -> io::Result<Option<(WebsockMessageKind, Bytes)>> {
        let frames = &self.frames_in;
        let (Some(frame), Some(message)) = (&frames.frame, &frames.message) else {
            return Ok(None);
        };
        let (len, kind) = (frame.header.len, message.kind);
        let is_whole = frame.header.fin
            && !message.compressed
            && !message.was_read
            && frame.done == 0
            && frame.header.opcode != Opcode::Continuation
            && len < EXACT.min(frames.max_message_size as u64)
            && len <= self.input.bytes.left().len() as u64;
        if !is_whole {
            return Ok(None);
        }
        let key = frame.header.mask;
        let payload = self.input.bytes.first_mut(len as usize);
        if let Some(key) = key {
            mask::apply(payload, key, 0);
        }
        let data = Bytes::from(&*payload);
        self.check_text(&data)?;
        self.end_payload()?;
        self.input.bytes.take(len as usize);
        (self.frames_in.frame, self.frames_in.message) = (None, None);
        Ok(Some((kind, data)))
    }

    /// Collects payload that has arrived.
    fn collect(&mut self) -> io::Result<()> {
        let frames = &mut self.frames_in;
        let before = frames.assembly.left().len() as u64;
        let is_compressed = frames.is_compressed();
        let (left, is_last) = match &frames.frame {
            Some(frame) if !is_compressed => (frame.left(), frame.header.fin),
            _ => (0, false),
        };
        let max = frames.max_message_size;
        self.check_size(before.saturating_add(left), max)?;
        let mut assembly = mem::take(&mut self.frames_in.assembly);
        if is_last && before == 0 && left < EXACT {
            assembly = Queue::with_capacity(left as usize);
        }
        let copied = match is_compressed {
            true => {
                let copied = self.copy_payload(assembly.extend(CHUNK));
                assembly.retract(CHUNK - copied.as_ref().unwrap_or(&0));
                copied.map(|_| ())
            }
            false => {
                let arrived = self.input.bytes.left().len();
                // What is behind the frame is other messages.
                let count = arrived.min(usize::try_from(left).unwrap_or(arrived));
                self.append_payload(&mut assembly, count)
            }
        };
        let collected = assembly.left().len() as u64;
        self.frames_in.assembly = assembly;
        copied?;
        self.check_size(collected, max)
    }

    fn check_size(&mut self, size: u64, max: usize) -> io::Result<()> {
        if size <= max as u64 {
            return Ok(());
        }
        let reason = format!("a message of more than {max} bytes");
        self.frames_in.assembly.clear();
        Err(self.violate(&Violation::new(CloseCode::TOO_BIG, reason)))
    }

    /// Discards what the peer sends up to its close frame; a client to the end of the stream, which
    /// the server is to end.
    pub(in crate::layer::websock) fn discard_to_end(&mut self) -> io::Result<Progress<()>> {
        self.expect(Expected::Data);
        loop {
            match self.advance()? {
                Progress::Done(Event::Payload) => match self.discard_payload()? {
                    Progress::Done(()) => {}
                    step => return Ok(step),
                },
                Progress::Done(Event::EndOfMessage) => self.finish_message(),
                Progress::Done(Event::EndOfStream) => break,
                Progress::WantRead => return Ok(Progress::WantRead),
                Progress::Yield => return Ok(Progress::Yield),
            }
        }
        match self.end_of_data(false) {
            // The code of a peer that was closed is the one that it got.
            Err(e) if e.kind() != io::ErrorKind::ConnectionAborted => Err(e),
            _ if self.role.is_client() && self.may_receive_more() => {
                self.input.expected = Expected::EndOfStream;
                match self.frames_in.has_spent_bytes() {
                    true => Ok(self.exhausted()),
                    false => Ok(Progress::WantRead),
                }
            }
            _ => Ok(Progress::Done(())),
        }
    }

    /// Whether the last call, made again, would return without more bytes of the lower channel.
    pub(in crate::layer::websock) fn has_answer(&self) -> bool {
        let has_ended = self.input.ended || self.input.error.is_some();
        match self.input.expected {
            Expected::EndOfStream => has_ended,
            Expected::Data | Expected::Message => {
                let has_part = !self.frames_in.assembly.is_empty();
                has_ended
                    || self.input.shut
                    || self.has_failed()
                    || self.input.has_new && !self.input.bytes.is_empty()
                    || self.has_payload()
                    || has_part && self.input.expected == Expected::Data
            }
        }
    }

    /// Whether payload of the current frame, its end, or that of the current message is buffered.
    fn has_payload(&self) -> bool {
        let frames = &self.frames_in;
        let has_more = |frame: &Frame| {
            !frame.header.opcode.is_control() && (frame.left() == 0 || !self.input.bytes.is_empty())
        };
        frames.message.as_ref().is_some_and(|it| it.has_ended)
            || frames.is_expanding()
            || frames.frame.as_ref().is_some_and(has_more)
    }
}
