//! Frames from the peer.

use std::io;

use super::{Expected, WebsockState};
use crate::layer::{
    websock::{
        channel::WebsockMessageKind,
        deflate::{Expander, TAIL},
        error::{CloseCode, Violation},
        extension::Agreed,
        frame::{self, Header, MAX_CONTROL, Opcode, Parsed},
        mask,
        text::Utf8,
    },
    wire::{Progress, Queue},
};

/// How many frames a call processes: a peer may send any number of frames without data.
const FRAME_BUDGET: u32 = 128;

/// How many bytes a call processes for which its caller may get no data: compressed payload, what
/// is discarded, and what comes behind the close frame of a server.
const BYTE_BUDGET: usize = 256 * 1024;

/// A data message whose end has not been processed.
#[derive(Debug)]
pub(super) struct Message {
    /// Its last reader, or 0.
    pub(super) reader: u64,
    pub(super) kind: WebsockMessageKind,
    pub(super) text: Utf8,
    pub(super) compressed: bool,
    /// How much has been expanded of what ends compressed data and is not sent.
    pub(super) tail: usize,
    /// Its last frame has been read.
    pub(super) has_last_frame: bool,
    /// All of its payload has been processed.
    pub(super) has_ended: bool,
    /// A part of it was read as a stream: nothing left of it is no message.
    pub(super) was_read: bool,
    /// No caller reads the rest.
    pub(super) is_discarded: bool,
}

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
pub(super) struct Frame {
    pub(super) header: Header,
    /// How much of the payload has been processed.
    pub(super) done: u64,
}

impl Frame {
    /// How much of the payload has yet to be processed.
    pub(super) fn left(&self) -> u64 {
        self.header.len - self.done
    }
}

/// What idle connections do not have is boxed.
#[derive(Debug)]
pub(super) struct FramesIn {
    pub(super) frame: Option<Frame>,
    /// The message of the frames, which control frames may interrupt.
    pub(super) message: Option<Message>,
    pub(super) expander: Option<Box<Expander>>,
    /// The payload of the last pong that was not reported.
    pong: Option<Vec<u8>>,
    /// The close frame of the peer.
    close: Option<Box<(CloseCode, String)>>,
    /// The content of a message that is received as a whole, without what has been read since as a
    /// stream.
    pub(super) assembly: Queue,
    pub(super) max_message_size: usize,
    /// How many readers of one message there were.
    pub(super) readers: u64,
    /// How many frames the current call may still process.
    budget: u32,
    /// How many bytes without data for its caller it may still process.
    byte_budget: usize,
}

impl FramesIn {
    pub(super) fn new(max_message_size: usize) -> Self {
        Self {
            frame: None,
            message: None,
            expander: None,
            pong: None,
            close: None,
            assembly: Queue::default(),
            max_message_size,
            readers: 0,
            budget: 0,
            byte_budget: 0,
        }
    }

    pub(super) fn set_deflate(&mut self, agreed: Option<&Agreed>) {
        self.expander = agreed.map(|agreed| Box::new(Expander::new(agreed)));
    }

    pub(super) fn close(&self) -> Option<(CloseCode, &str)> {
        let (code, reason) = self.close.as_deref()?;
        Some((*code, reason))
    }

    /// Whether the current message has data that needs no more input.
    pub(super) fn is_expanding(&self) -> bool {
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

    /// The current call has processed so many bytes, for which its caller may get no data.
    pub(super) fn spend(&mut self, bytes: usize) {
        self.byte_budget = self.byte_budget.saturating_sub(bytes);
    }

    /// Whether the current call may process no more bytes for which its caller may get no data.
    pub(super) fn has_spent_bytes(&self) -> bool {
        self.byte_budget == 0
    }

    /// Whether the current message is compressed.
    pub(super) fn is_compressed(&self) -> bool {
        self.message.as_ref().is_some_and(|it| it.compressed)
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
    /// To be called once at the beginning of a call, however often that receives bytes: others have
    /// their turn when its budgets are used up.
    pub(in crate::layer::websock) fn begin_turn(&mut self) {
        self.frames_in.budget = FRAME_BUDGET;
        self.frames_in.byte_budget = BYTE_BUDGET;
    }

    /// Waits that follow are for what this call expects.
    pub(super) fn expect(&mut self, expected: Expected) {
        self.input.expected = expected;
    }

    /// Processes control frames alone, and not what a call expects.
    pub(in crate::layer::websock) fn process_control_frames(&mut self) -> io::Result<Progress<()>> {
        Ok(match self.advance()? {
            Progress::Done(_) => Progress::Done(()),
            Progress::WantRead => Progress::WantRead,
            Progress::Yield => Progress::Yield,
        })
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
                return Ok(self.payload_event());
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
            let left = usize::try_from(frame.left()).unwrap_or(usize::MAX);
            let arrived = left.min(self.input.bytes.left().len());
            match (frame.header.opcode.is_control(), arrived) {
                (true, _) if arrived == left => self.end_control(left)?,
                (false, _) if left == 0 => self.end_data_frame()?,
                // The payload of a control frame is processed as a whole.
                (true, _) | (false, 0) => return Ok(self.without_input()),
                (false, _) => return Ok(self.payload_event()),
            }
        }
    }

    /// Payload is next: compressed payload may be of any size without data.
    fn payload_event(&mut self) -> Progress<Event> {
        match self.frames_in.is_compressed() && self.frames_in.has_spent_bytes() {
            true => self.exhausted(),
            false => Progress::Done(Event::Payload),
        }
    }

    /// A budget of the current call is used up.
    pub(super) fn exhausted<T>(&mut self) -> Progress<T> {
        self.input.recheck = true;
        Progress::Yield
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
            return Ok(self.exhausted());
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
            reader: 0,
            kind,
            text: Utf8::default(),
            compressed: header.rsv1,
            tail: 0,
            has_last_frame: false,
            has_ended: false,
            was_read: false,
            is_discarded: false,
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
    pub(super) fn end_payload(&mut self) -> io::Result<()> {
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
                self.frames_out.cut(code, "");
                self.frames_in.close = Some(Box::new((code, reason)));
            }
        }
        Ok(())
    }

    /// The payload of a pong that has come since the last call.
    pub(in crate::layer::websock) fn take_pong(&mut self) -> Option<Vec<u8>> {
        self.frames_in.pong.take()
    }
}
