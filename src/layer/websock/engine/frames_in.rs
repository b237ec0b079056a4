//! Frames from the peer.

use std::{io, mem};

use super::{Progress, WebsockState};
use crate::layer::websock::{
    channel::WebsockMessageKind,
    deflate::{Expander, TAIL},
    error::{CloseCode, Violation},
    extension::Agreed,
    frame::{self, Header, MAX_CONTROL, Opcode, Parsed},
    mask,
    text::Utf8,
};

/// How many frames a call processes: a peer may send any number of frames without data.
const FRAME_BUDGET: u32 = 128;

/// How much compressed payload is expanded at once.
const EXPANDED: usize = 4096;

/// By how much a message of unspecified length grows at once.
const COLLECTED: usize = 64 * 1024;

/// A data message whose end has not been processed.
#[derive(Debug, Clone)]
struct Message {
    kind: WebsockMessageKind,
    text: Utf8,
    compressed: bool,
    /// How much has been expanded of what ends compressed data and is not sent.
    tail: usize,
    /// Its last frame has been read.
    has_last_frame: bool,
    /// All of its payload has been processed.
    has_ended: bool,
}

/// A message as a whole, or `None` at the end of the stream.
pub(in crate::layer::websock) type Received = Option<(WebsockMessageKind, Vec<u8>)>;

/// What is next in the stream of data messages.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::layer::websock) enum Event {
    /// Payload of the current message has arrived.
    Payload,
    /// The current message has ended.
    EndOfMessage,
    /// No further message will come.
    EndOfStream,
}

/// The frame whose payload is being read.
#[derive(Debug)]
struct Frame {
    header: Header,
    /// How much of the payload has been processed.
    done: u64,
}

#[derive(Debug)]
pub(super) struct FramesIn {
    frame: Option<Frame>,
    /// The message of the frames, which control frames may interrupt.
    message: Option<Message>,
    expander: Option<Expander>,
    /// The payload of the last pong that was not reported.
    pong: Option<Vec<u8>>,
    /// The close frame of the peer.
    close: Option<(CloseCode, String)>,
    /// The content of a message that is received as a whole.
    assembly: Vec<u8>,
    /// How much of that has been read since as a stream.
    taken: usize,
    pub(super) max_message_size: usize,
    budget: u32,
}

impl FramesIn {
    pub(super) fn new(max_message_size: usize) -> Self {
        Self {
            frame: None,
            message: None,
            expander: None,
            pong: None,
            close: None,
            assembly: Vec::new(),
            taken: 0,
            max_message_size,
            budget: 0,
        }
    }

    pub(super) fn set_deflate(&mut self, agreed: Option<&Agreed>) {
        self.expander = agreed.map(Expander::new);
    }

    pub(super) fn close(&self) -> Option<(CloseCode, &str)> {
        self.close.as_ref().map(|(code, reason)| (*code, &**reason))
    }

    /// Whether the current message has data that needs no more input.
    fn is_expanding(&self) -> bool {
        let Some(message) = self
            .message
            .as_ref()
            .filter(|it| it.compressed && !it.has_ended)
        else {
            return false;
        };
        let has_more = self.expander.as_ref().is_some_and(|it| it.has_more);
        has_more || message.has_last_frame && message.tail < TAIL.len()
    }

    /// Takes what a receive has collected.
    fn take_assembly(&mut self) -> Vec<u8> {
        let mut data = mem::take(&mut self.assembly);
        data.drain(..mem::take(&mut self.taken));
        // It may be kept for long.
        if data.capacity() / 2 > data.len() {
            data.shrink_to_fit();
        }
        data
    }

    /// Checks a header against the frames before it.
    fn check(&self, header: &Header, is_client: bool, binary_only: bool) -> Result<(), Violation> {
        if header.mask.is_some() == is_client {
            let fault = match is_client {
                true => "a frame is masked",
                false => "a frame is not masked",
            };
            return Err(Violation::protocol(fault));
        }
        let may_be_compressed =
            self.expander.is_some() && matches!(header.opcode, Opcode::Text | Opcode::Binary);
        if header.rsv1 && !may_be_compressed {
            return Err(Violation::protocol("a reserved bit is set"));
        }
        match (header.opcode, &self.message) {
            (Opcode::Continuation, None) => {
                Err(Violation::protocol("a continuation frame begins a message"))
            }
            (Opcode::Text | Opcode::Binary, Some(_)) => Err(Violation::protocol(
                "a message begins before the end of the one before",
            )),
            (Opcode::Text, None) if binary_only => Err(Violation::new(
                CloseCode::UNSUPPORTED,
                "text, and this end takes binary messages alone",
            )),
            _ => Ok(()),
        }
    }
}

impl WebsockState {
    /// To be called before the first [`advance`](Self::advance) of a call.
    pub(in crate::layer::websock) fn begin_call(&mut self) {
        self.frames_in.budget = FRAME_BUDGET;
        self.input.awaits_end = false;
    }

    /// Processes control frames up to what is next for a reader. The events are repeated until they
    /// are processed by [`copy_payload`](Self::copy_payload) or
    /// [`finish_message`](Self::finish_message).
    pub(in crate::layer::websock) fn advance(&mut self) -> io::Result<Progress<Event>> {
        if let Some(failure) = &self.failure {
            return Err(failure.again());
        }
        loop {
            let frames = &mut self.frames_in;
            if frames.message.as_ref().is_some_and(|it| it.has_ended) {
                return Ok(Progress::Done(Event::EndOfMessage));
            }
            if frames.is_expanding() {
                return Ok(Progress::Done(Event::Payload));
            }
            if frames.close.is_some() {
                return Ok(Progress::Done(Event::EndOfStream));
            }
            let Some(frame) = &frames.frame else {
                match self.begin_frame()? {
                    Progress::Done(()) => continue,
                    Progress::Yield => return Ok(Progress::Yield),
                    Progress::WantRead => return Ok(self.without_input()),
                }
            };
            let left = usize::try_from(frame.header.len - frame.done).unwrap_or(usize::MAX);
            let arrived = left.min(self.input.bytes.left().len());
            match (frame.header.opcode.is_control(), arrived) {
                (true, _) if arrived == left => self.end_control(left)?,
                (false, _) if left == 0 => self.end_data_frame()?,
                // The payload of a control frame is processed as a whole.
                (true, _) | (false, 0) => return Ok(self.without_input()),
                (false, _) => return Ok(Progress::Done(Event::Payload)),
            }
        }
    }

    fn without_input(&mut self) -> Progress<Event> {
        self.input.has_new = false;
        match self.input.ended || self.input.error.is_some() {
            true => Progress::Done(Event::EndOfStream),
            false => Progress::WantRead,
        }
    }

    fn begin_frame(&mut self) -> io::Result<Progress<()>> {
        let parsed = frame::parse(self.input.bytes.left());
        let (header, len) = match parsed.map_err(|violation| self.violate(&violation))? {
            Parsed::Incomplete => return Ok(Progress::WantRead),
            Parsed::Header(header, len) => (header, len),
        };
        let frames = &mut self.frames_in;
        if frames.budget == 0 {
            self.input.recheck = true;
            return Ok(Progress::Yield);
        }
        frames.budget -= 1;
        let (is_client, binary_only) = (self.role.is_client(), self.options.settings().binary_only);
        let checked = frames.check(&header, is_client, binary_only);
        checked.map_err(|violation| self.violate(&violation))?;
        self.input.bytes.take(len);
        let frames = &mut self.frames_in;
        frames.frame = Some(Frame { header, done: 0 });
        let kind = match header.opcode {
            Opcode::Text => WebsockMessageKind::Text,
            Opcode::Binary => WebsockMessageKind::Binary,
            _ => return Ok(Progress::Done(())),
        };
        frames.message = Some(Message {
            kind,
            text: Utf8::default(),
            compressed: header.rsv1,
            tail: 0,
            has_last_frame: false,
            has_ended: false,
        });
        Ok(Progress::Done(()))
    }

    fn end_data_frame(&mut self) -> io::Result<()> {
        let frames = &mut self.frames_in;
        let is_last = frames.frame.take().is_some_and(|frame| frame.header.fin);
        let Some(message) = frames.message.as_mut().filter(|_| is_last) else {
            return Ok(());
        };
        message.has_last_frame = true;
        match message.compressed {
            true => Ok(()),
            false => self.end_payload(),
        }
    }

    /// All payload of the current message has been processed.
    fn end_payload(&mut self) -> io::Result<()> {
        let Some(message) = &mut self.frames_in.message else {
            return Ok(());
        };
        message.has_ended = true;
        match message.text.is_complete() {
            true => Ok(()),
            false => Err(self.violate(&Violation::text("a text ends inside of a character"))),
        }
    }

    /// Processes a control frame whose payload has arrived.
    fn end_control(&mut self, len: usize) -> io::Result<()> {
        let Some(frame) = self.frames_in.frame.take() else {
            return Ok(());
        };
        let mut payload = [0; MAX_CONTROL];
        let payload = &mut payload[..len];
        payload.copy_from_slice(&self.input.bytes.left()[..len]);
        self.input.bytes.take(len);
        if let Some(key) = frame.header.mask {
            mask::apply(payload, key, 0);
        }
        match frame.header.opcode {
            Opcode::Ping => self.frames_out.answer_ping(&self.role, payload)?,
            Opcode::Pong => self.frames_in.pong = Some(payload.to_vec()),
            _ => {
                let close = frame::parse_close(payload);
                let (code, reason) = close.map_err(|violation| self.violate(&violation))?;
                // What comes behind it is no part of the connection.
                self.input.bytes.clear();
                self.input.has_new = false;
                self.frames_out.close(code, "");
                self.frames_out.end();
                self.frames_in.close = Some((code, reason));
            }
        }
        Ok(())
    }

    /// Copies payload that has arrived: see [`Event::Payload`]. Returns how much, which may be
    /// nothing.
    pub(in crate::layer::websock) fn copy_payload(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let is_compressed = |message: &Message| message.compressed;
        let count = match self.frames_in.message.as_ref().is_some_and(is_compressed) {
            true => self.expand_payload(out)?,
            false => self.copy_plain(out),
        };
        let message = self.frames_in.message.as_mut();
        if let Some(message) = message.filter(|it| it.kind == WebsockMessageKind::Text)
            && !message.text.feed(&out[..count])
        {
            return Err(self.violate(&Violation::text("a text is not UTF-8")));
        }
        let message = self.frames_in.message.as_ref();
        let has_tail = message.is_some_and(|it| it.compressed && it.tail == TAIL.len());
        if has_tail && !self.frames_in.is_expanding() {
            if let Some(expander) = &mut self.frames_in.expander {
                expander.end_message();
            }
            self.end_payload()?;
        }
        Ok(count)
    }

    /// Copies payload of the current frame, unmasked.
    fn copy_plain(&mut self, out: &mut [u8]) -> usize {
        let count = self.unmask(out);
        self.take_payload(count);
        count
    }

    /// Copies payload of the current frame, unmasked, and leaves it where it is.
    fn unmask(&mut self, out: &mut [u8]) -> usize {
        let Some(frame) = &self.frames_in.frame else {
            return 0;
        };
        let left = usize::try_from(frame.header.len - frame.done).unwrap_or(usize::MAX);
        let arrived = self.input.bytes.left();
        let count = left.min(arrived.len()).min(out.len());
        match frame.header.mask {
            Some(key) => mask::copy(&arrived[..count], &mut out[..count], key, frame.done),
            None => out[..count].copy_from_slice(&arrived[..count]),
        }
        count
    }

    fn take_payload(&mut self, count: usize) {
        if let Some(frame) = &mut self.frames_in.frame {
            frame.done += count as u64;
            self.input.bytes.take(count);
        }
    }

    /// Expands compressed payload. Returns how much data there was in it.
    fn expand_payload(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut piece = [0; EXPANDED];
        let (len, is_tail) = match &self.frames_in.message {
            Some(message) if message.has_last_frame => {
                let tail = &TAIL[message.tail..];
                piece[..tail.len()].copy_from_slice(tail);
                (tail.len(), true)
            }
            _ => (self.unmask(&mut piece), false),
        };
        let Some(expander) = &mut self.frames_in.expander else {
            return Ok(0);
        };
        let Ok((taken, written)) = expander.expand(&piece[..len], out) else {
            let reason = "the compressed data of a message is invalid";
            return Err(self.violate(&Violation::text(reason)));
        };
        match (is_tail, &mut self.frames_in.message) {
            (true, Some(message)) => message.tail += taken,
            _ => self.take_payload(taken),
        }
        Ok(written)
    }

    /// The end of the current message was processed.
    pub(in crate::layer::websock) fn finish_message(&mut self) {
        self.frames_in.message = None;
    }

    /// Copies data of messages to a buffer, until that is full or no more has arrived. Zero bytes
    /// are the end of the stream.
    pub(in crate::layer::websock) fn read(
        &mut self,
        iov: &mut [io::IoSliceMut<'_>],
        is_lenient: bool,
    ) -> io::Result<Progress<usize>> {
        if self.input.shut {
            return Ok(Progress::Done(0));
        }
        self.begin_call();
        let mut total = 0;
        for buf in iov {
            let mut from = 0;
            while from < buf.len() {
                if !self.frames_in.assembly.is_empty() {
                    let count = self.take_assembly(&mut buf[from..]);
                    (from, total) = (from + count, total + count);
                    continue;
                }
                let step = match self.advance() {
                    // The next read reports it.
                    Err(_) if total > 0 => return Ok(Progress::Done(total)),
                    step => step?,
                };
                match step {
                    Progress::Done(Event::Payload) => match self.copy_payload(&mut buf[from..]) {
                        Err(_) if total > 0 => return Ok(Progress::Done(total)),
                        count => {
                            let count = count?;
                            (from, total) = (from + count, total + count);
                        }
                    },
                    Progress::Done(Event::EndOfMessage) => self.finish_message(),
                    _ if total > 0 => return Ok(Progress::Done(total)),
                    Progress::Done(Event::EndOfStream) => {
                        return match self.end_of_data(is_lenient) {
                            Some(error) => Err(error),
                            None => Ok(Progress::Done(0)),
                        };
                    }
                    Progress::WantRead => return Ok(Progress::WantRead),
                    Progress::Yield => return Ok(Progress::Yield),
                }
            }
        }
        Ok(Progress::Done(total))
    }

    /// Data of a message that a receive has begun to collect.
    fn take_assembly(&mut self, out: &mut [u8]) -> usize {
        let frames = &mut self.frames_in;
        let left = &frames.assembly[frames.taken..];
        let count = left.len().min(out.len());
        out[..count].copy_from_slice(&left[..count]);
        frames.taken += count;
        if frames.taken == frames.assembly.len() {
            frames.take_assembly();
        }
        count
    }

    /// Collects the rest of the current message, or the next one. `None`: the end of the stream.
    pub(in crate::layer::websock) fn receive(
        &mut self,
        is_lenient: bool,
    ) -> io::Result<Progress<Received>> {
        if self.input.shut {
            return Ok(Progress::Done(None));
        }
        self.begin_call();
        loop {
            match self.advance()? {
                Progress::Done(Event::Payload) => self.collect()?,
                Progress::Done(Event::EndOfMessage) => {
                    let frames = &mut self.frames_in;
                    let kind = frames.message.take().map(|message| message.kind);
                    let data = frames.take_assembly();
                    let kind = kind.unwrap_or(WebsockMessageKind::Binary);
                    return Ok(Progress::Done(Some((kind, data))));
                }
                Progress::Done(Event::EndOfStream) => {
                    return match self.end_of_data(is_lenient) {
                        Some(error) => Err(error),
                        None => Ok(Progress::Done(None)),
                    };
                }
                Progress::WantRead => return Ok(Progress::WantRead),
                Progress::Yield => return Ok(Progress::Yield),
            }
        }
    }

    fn collect(&mut self) -> io::Result<()> {
        let frames = &mut self.frames_in;
        let before = frames.assembly.len();
        let is_compressed = frames.message.as_ref().is_some_and(|it| it.compressed);
        let left = frames
            .frame
            .as_ref()
            .map_or(0, |it| it.header.len - it.done);
        let arrived = self.input.bytes.left().len();
        let (announced, count) = match is_compressed {
            true => (0, COLLECTED),
            // What is behind the frame is other messages.
            false => (left, arrived.min(usize::try_from(left).unwrap_or(arrived))),
        };
        let max = self.frames_in.max_message_size;
        self.check_size((before as u64).saturating_add(announced), max)?;
        let mut assembly = mem::take(&mut self.frames_in.assembly);
        assembly.resize(before + count, 0);
        let copied = self.copy_payload(&mut assembly[before..]);
        assembly.truncate(before + copied.as_ref().unwrap_or(&0));
        let collected = assembly.len() as u64;
        self.frames_in.assembly = assembly;
        copied?;
        self.check_size(collected, max)
    }

    fn check_size(&mut self, size: u64, max: usize) -> io::Result<()> {
        if size <= max as u64 {
            return Ok(());
        }
        let reason = format!("a message of more than {max} bytes");
        self.frames_in.take_assembly();
        Err(self.violate(&Violation::new(CloseCode::TOO_BIG, reason)))
    }

    /// The payload of a pong that has come since the last call.
    pub(in crate::layer::websock) fn take_pong(&mut self) -> Option<Vec<u8>> {
        self.frames_in.pong.take()
    }

    /// Whether a read returns without more bytes of the lower channel.
    pub(in crate::layer::websock) fn has_answer(&self) -> bool {
        if self.input.awaits_end {
            return self.input.ended || self.input.error.is_some();
        }
        self.input.shut
            || self.failure.is_some()
            || self.frames_in.close.is_some()
            || self.input.ended
            || self.input.error.is_some()
            || self.input.has_new
            || !self.frames_in.assembly.is_empty()
            || self.has_payload()
    }

    /// Whether payload of the current frame, or the end of the current message, is buffered.
    fn has_payload(&self) -> bool {
        let frames = &self.frames_in;
        let is_data = |frame: &Frame| !frame.header.opcode.is_control();
        frames.message.as_ref().is_some_and(|it| it.has_ended)
            || frames.is_expanding()
            || frames.frame.as_ref().is_some_and(is_data) && !self.input.bytes.is_empty()
    }
}
