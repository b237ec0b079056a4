//! Payload of data messages: unmasked, expanded, and validated if it is text.

use std::io;

use super::WebsockState;
use crate::layer::{
    websock::{channel::WebsockMessageKind, deflate::TAIL, error::Violation, mask},
    wire::Queue,
};

/// How much compressed payload is expanded at once.
const EXPANDED: usize = 4096;

/// What a call of the expander counts for beyond the bytes that it takes: blocks of two bytes may
/// be final ones, at which it returns.
const EXPAND_COST: usize = 256;

impl WebsockState {
    /// Copies payload that has arrived: see [`Event::Payload`]. Returns how much, which may be
    /// nothing.
    pub(in crate::layer::websock) fn copy_payload(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = match self.frames_in.is_compressed() {
            true => self.expand_payload(out)?,
            false => self.copy_plain(out),
        };
        self.check_text(&out[..count])?;
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

    /// Appends so much payload of the current frame, which has arrived and is not compressed.
    pub(super) fn append_payload(&mut self, out: &mut Queue, count: usize) -> io::Result<()> {
        let appended = out.extend(count);
        self.copy_plain(appended);
        self.check_text(appended)
    }

    /// Checks data of the current message, if that is text.
    pub(super) fn check_text(&mut self, data: &[u8]) -> io::Result<()> {
        let message = self.frames_in.message.as_mut();
        let text = message.filter(|it| it.kind == WebsockMessageKind::Text);
        match text.is_none_or(|message| message.text.feed(data)) {
            true => Ok(()),
            false => Err(self.violate(&Violation::text("a text is not UTF-8"))),
        }
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
        let left = usize::try_from(frame.left()).unwrap_or(usize::MAX);
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
        self.frames_in.spend(taken + EXPAND_COST);
        match (is_tail, &mut self.frames_in.message) {
            (true, Some(message)) => message.tail += taken,
            _ => self.take_payload(taken),
        }
        Ok(written)
    }
}
