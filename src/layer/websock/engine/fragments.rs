//! A message to the peer that is written in fragments.

use std::{io, iter};

use super::{
    WebsockState,
    frames_out::{Bits, opcode_of},
};
use crate::{
    error::{invalid, io_error},
    layer::{
        websock::{
            channel::WebsockMessageKind, deflate::Flush, error::CloseCode, frame::Opcode,
            text::Utf8,
        },
        wire::CHUNK,
    },
};

/// A message whose last fragment was not written.
#[derive(Debug)]
pub(super) struct Fragments {
    kind: WebsockMessageKind,
    text: Utf8,
    /// A frame was written.
    has_begun: bool,
    /// Data was written, which the compressor may have kept.
    has_data: bool,
}

impl WebsockState {
    /// Fails while a message is written in fragments, between which no other message can be.
    pub(super) fn check_fragments(&self) -> io::Result<()> {
        match &self.frames_out.fragments {
            Some(_) => Err(io_error(
                gio::IOErrorEnum::Pending,
                "A message writer has not finished its message",
            )),
            None => Ok(()),
        }
    }

    /// Begins a message. Nothing is written yet.
    pub(in crate::layer::websock) fn begin_fragments(
        &mut self,
        kind: WebsockMessageKind,
    ) -> io::Result<()> {
        self.check_writing()?;
        self.check_fragments()?;
        self.frames_out.fragments = Some(Fragments {
            kind,
            text: Utf8::default(),
            has_begun: false,
            has_data: false,
        });
        Ok(())
    }

    /// Encodes a fragment of one chunk at most. Returns how much. No output may be pending.
    pub(in crate::layer::websock) fn write_fragment(&mut self, data: &[u8]) -> io::Result<usize> {
        let data = &data[..data.len().min(CHUNK)];
        let (kind, mut text) = self.current_fragments()?;
        if kind == WebsockMessageKind::Text && !text.feed(data) {
            return Err(invalid(
                "The data is not UTF-8, as text messages have to be",
            ));
        }
        self.push_fragment(data, Flush::None)?;
        if let Some(fragments) = &mut self.frames_out.fragments {
            fragments.text = text;
            fragments.has_data |= !data.is_empty();
        }
        Ok(data.len())
    }

    /// Encodes what the compressor has of the message. No output may be pending.
    pub(in crate::layer::websock) fn flush_fragments(&mut self) -> io::Result<()> {
        let has_data = |it: &Fragments| it.has_data;
        let has_data = self.frames_out.fragments.as_ref().is_some_and(has_data);
        match self.frames_out.compressor.is_some() && has_data {
            true => self.push_fragment(&[], Flush::Sync),
            false => Ok(()),
        }
    }

    /// Encodes the last fragment. No output may be pending.
    pub(in crate::layer::websock) fn finish_fragments(&mut self) -> io::Result<()> {
        let (_, text) = self.current_fragments()?;
        if !text.is_complete() {
            return Err(invalid("The text ends inside of a character"));
        }
        self.push_fragment(&[], Flush::End)?;
        self.frames_out.fragments = None;
        Ok(())
    }

    /// Ends a message that was not finished: with the connection, if a part of it was written.
    pub(in crate::layer::websock) fn abandon_fragments(&mut self) {
        let Some(fragments) = self.frames_out.fragments.take() else {
            return;
        };
        if let Some(compressor) = &mut self.frames_out.compressor
            && fragments.has_data
        {
            compressor.forget();
        }
        if fragments.has_begun {
            self.send_close(CloseCode::INTERNAL_ERROR, "a message was not finished");
        }
    }

    /// The kind of the message, and the text so far.
    fn current_fragments(&self) -> io::Result<(WebsockMessageKind, Utf8)> {
        self.check_writing()?;
        match &self.frames_out.fragments {
            Some(fragments) => Ok((fragments.kind, fragments.text.clone())),
            None => Err(invalid("The message was finished before")),
        }
    }

    fn push_fragment(&mut self, data: &[u8], flush: Flush) -> io::Result<()> {
        let frames = &mut self.frames_out;
        let Some(fragments) = &frames.fragments else {
            return Ok(());
        };
        let (kind, has_begun) = (fragments.kind, fragments.has_begun);
        let compressed = frames.compressor.as_mut();
        let compressed = compressed.map(|compressor| compressor.compress(data, flush));
        let bits = Bits {
            fin: flush == Flush::End,
            rsv1: compressed.is_some() && !has_begun,
        };
        let payload = compressed.as_deref().unwrap_or(data);
        if !bits.fin && payload.is_empty() {
            return Ok(());
        }
        let opcode = match has_begun {
            true => Opcode::Continuation,
            false => opcode_of(kind),
        };
        frames.push_frame(&self.role, bits, opcode, iter::once(payload))?;
        frames.has_data = true;
        if let Some(fragments) = &mut frames.fragments {
            fragments.has_begun = true;
        }
        Ok(())
    }
}
