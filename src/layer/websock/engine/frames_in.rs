//! Frames from the peer.

use std::{io, mem};

use super::{Progress, WebsockState};
use crate::layer::websock::{
    channel::WebsockMessageKind,
    error::{CloseCode, Violation},
    frame::{self, Header, MAX_CONTROL, Opcode, Parsed},
    mask,
    text::Utf8,
};

/// How many frames a call processes: a peer may send any number of frames without data.
const FRAME_BUDGET: u32 = 128;

/// A data message whose end has not been processed.
#[derive(Debug, Clone)]
struct Message {
    kind: WebsockMessageKind,
    text: Utf8,
    /// Its last frame has been read.
    has_ended: bool,
}

/// A message as a whole, or `None` at the end of the stream.
pub(in crate::layer::websock) type Received = Option<(WebsockMessageKind, Vec<u8>)>;

/// What is next in the stream of data messages.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::layer::websock) enum Event {
    /// So many bytes of the current message have arrived.
    Payload(usize),
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
            pong: None,
            close: None,
            assembly: Vec::new(),
            taken: 0,
            max_message_size,
            budget: 0,
        }
    }

    pub(super) fn close(&self) -> Option<(CloseCode, &str)> {
        self.close.as_ref().map(|(code, reason)| (*code, &**reason))
    }

    /// Takes what a receive has collected.
    fn take_assembly(&mut self) -> Vec<u8> {
        let mut data = mem::take(&mut self.assembly);
        data.drain(..mem::take(&mut self.taken));
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
        if header.rsv1 {
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
                (false, _) => return Ok(Progress::Done(Event::Payload(arrived))),
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

    /// Copies payload that has arrived: see [`Event::Payload`]. Returns how much.
    pub(in crate::layer::websock) fn copy_payload(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let frames = &mut self.frames_in;
        let (Some(frame), Some(message)) = (&mut frames.frame, &mut frames.message) else {
            return Ok(0);
        };
        let left = usize::try_from(frame.header.len - frame.done).unwrap_or(usize::MAX);
        let arrived = self.input.bytes.left();
        let count = left.min(arrived.len()).min(out.len());
        let out = &mut out[..count];
        match frame.header.mask {
            Some(key) => mask::copy(&arrived[..count], out, key, frame.done),
            None => out.copy_from_slice(&arrived[..count]),
        }
        frame.done += count as u64;
        self.input.bytes.take(count);
        if message.kind == WebsockMessageKind::Text && !message.text.feed(out) {
            return Err(self.violate(&Violation::text("a text is not UTF-8")));
        }
        Ok(count)
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
                    Progress::Done(Event::Payload(_)) => {
                        match self.copy_payload(&mut buf[from..]) {
                            Err(_) if total > 0 => return Ok(Progress::Done(total)),
                            count => {
                                let count = count?;
                                (from, total) = (from + count, total + count);
                            }
                        }
                    }
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
                Progress::Done(Event::Payload(count)) => self.collect(count)?,
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

    fn collect(&mut self, count: usize) -> io::Result<()> {
        let frames = &mut self.frames_in;
        let before = frames.assembly.len();
        let announced = frames
            .frame
            .as_ref()
            .map_or(0, |it| it.header.len - it.done);
        let max = frames.max_message_size;
        if (before as u64).saturating_add(announced) > max as u64 {
            let violation = Violation::new(
                CloseCode::TOO_BIG,
                format!("a message of more than {max} bytes"),
            );
            frames.take_assembly();
            return Err(self.violate(&violation));
        }
        let mut assembly = mem::take(&mut frames.assembly);
        assembly.resize(before + count, 0);
        let copied = self.copy_payload(&mut assembly[before..]);
        self.frames_in.assembly = assembly;
        copied.map(|_| ())
    }

    /// The payload of a pong that has come since the last call.
    pub(in crate::layer::websock) fn take_pong(&mut self) -> Option<Vec<u8>> {
        self.frames_in.pong.take()
    }

    /// Whether a read returns without more bytes of the lower channel.
    pub(in crate::layer::websock) fn has_answer(&self) -> bool {
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
            || frames.frame.as_ref().is_some_and(is_data) && !self.input.bytes.is_empty()
    }
}
