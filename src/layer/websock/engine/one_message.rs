//! One message as a stream of its own.

use std::io;

use super::{
    Expected, WebsockState,
    frames_in::{Event, Message},
};
use crate::layer::{websock::channel::WebsockMessageKind, wire::Progress};

/// By how much more of a message is examined that was read in part.
const EXAMINED: usize = 512;

/// The number of a reader, and the kind of its message. `None` at the end of the stream.
pub(in crate::layer::websock) type Begun = Option<(u64, WebsockMessageKind)>;

impl WebsockState {
    /// Begins to read the next message, or what is left of one that was read in part.
    pub(in crate::layer::websock) fn begin_message(
        &mut self,
        allows_truncation: bool,
    ) -> io::Result<Progress<Begun>> {
        if self.input.shut {
            return Ok(Progress::Done(None));
        }
        self.expect(Expected::Data);
        loop {
            let event = self.next_event()?;
            let frames = &mut self.frames_in;
            let has_part = !frames.assembly.is_empty();
            let is_unread = |it: &&mut Message| !it.is_discarded && (!it.was_read || has_part);
            if let Some(message) = frames.message.as_mut().filter(is_unread) {
                frames.readers += 1;
                message.reader = frames.readers;
                return Ok(Progress::Done(Some((message.reader, message.kind))));
            }
            match event {
                Progress::Done(Event::Payload) => self.examine()?,
                Progress::Done(Event::EndOfMessage) => self.finish_message(),
                Progress::Done(Event::EndOfStream) => {
                    let ended = self.end_of_messages(allows_truncation);
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
        self.frames_in.assembly.push(&piece[..count]);
        Ok(())
    }

    /// Copies data of the message of a reader to a buffer that is not empty. Zero bytes are its
    /// end.
    pub(in crate::layer::websock) fn read_message(
        &mut self,
        reader: u64,
        out: &mut [u8],
    ) -> io::Result<Progress<usize>> {
        if self.input.shut {
            return Ok(Progress::Done(0));
        }
        self.expect(Expected::Data);
        self.read_once(out, Some(reader), true)
    }

    /// Has the rest of the message of a reader discarded by the next call.
    pub(in crate::layer::websock) fn discard_message(&mut self, reader: u64) {
        if !self.is_read_by(reader) {
            return;
        }
        self.frames_in.assembly.clear();
        if let Some(message) = &mut self.frames_in.message {
            message.is_discarded = true;
        }
    }

    /// Whether this is the last reader of the current message.
    pub(super) fn is_read_by(&self, reader: u64) -> bool {
        let message = self.frames_in.message.as_ref();
        message.is_some_and(|message| message.reader == reader)
    }
}
