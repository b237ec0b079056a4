//! One message as a stream of its own.

use std::io;

use super::{
    Expected, WebsockState,
    frames_in::{Event, Message},
};
use crate::layer::{websock::channel::WebsockMessageKind, wire::Progress};

/// By how much more of a message is examined that was read in part.
const EXAMINED: usize = 512;

/// A message: its number and its kind. `None` at the end of the stream.
pub(in crate::layer::websock) type Begun = Option<(u64, WebsockMessageKind)>;

impl WebsockState {
    /// Begins to read the next message, or what is left of one that was read in part.
    pub(in crate::layer::websock) fn begin_message(
        &mut self,
        is_lenient: bool,
    ) -> io::Result<Progress<Begun>> {
        if self.input.shut {
            return Ok(Progress::Done(None));
        }
        self.expect(Expected::Data);
        loop {
            let event = self.next_event()?;
            let frames = &self.frames_in;
            let is_begun = |message: &&Message| {
                !message.is_discarded && (!message.was_read || !frames.assembly.is_empty())
            };
            if let Some(message) = frames.message.as_ref().filter(is_begun) {
                return Ok(Progress::Done(Some((message.number, message.kind))));
            }
            match event {
                Progress::Done(Event::Payload) => self.examine()?,
                Progress::Done(Event::EndOfMessage) => self.finish_message(),
                Progress::Done(Event::EndOfStream) => {
                    let ended = self.end_of_messages(is_lenient);
                    return ended.map(|()| Progress::Done(None));
                }
                Progress::WantRead => return Ok(Progress::WantRead),
                Progress::Yield => return Ok(Progress::Yield),
            }
        }
    }

    /// Whether something is left of the message.
    fn examine(&mut self) -> io::Result<()> {
        let mut piece = [0; EXAMINED];
        let count = self.copy_payload(&mut piece)?;
        self.frames_in.assembly.extend_from_slice(&piece[..count]);
        Ok(())
    }

    /// Copies data of this message to a buffer that is not empty. Zero bytes are its end.
    pub(in crate::layer::websock) fn read_message(
        &mut self,
        number: u64,
        out: &mut [u8],
    ) -> io::Result<Progress<usize>> {
        self.expect(Expected::Data);
        loop {
            if self.input.shut || !self.is_current(number) {
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
                Progress::Done(Event::EndOfStream) => self.end_of_messages(true)?,
                Progress::WantRead => return Ok(Progress::WantRead),
                Progress::Yield => return Ok(Progress::Yield),
            }
        }
    }

    /// Has the rest of this message discarded by the next reader.
    pub(in crate::layer::websock) fn discard_message(&mut self, number: u64) {
        if !self.is_current(number) {
            return;
        }
        self.frames_in.take_assembly();
        if let Some(message) = &mut self.frames_in.message {
            message.is_discarded = true;
        }
    }

    /// Whether the end of this message has not been processed.
    fn is_current(&self, number: u64) -> bool {
        let message = self.frames_in.message.as_ref();
        message.is_some_and(|message| message.number == number)
    }
}
