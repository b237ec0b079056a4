//! What writers send: data as messages, or whole messages.

use std::{
    io::{self, IoSlice},
    iter,
};

use glib::Bytes;

use super::{
    WebsockState,
    frames_out::{END, opcode_of},
};
use crate::{
    error::invalid,
    layer::{
        websock::{
            channel::WebsockMessageKind,
            frame::{MAX_CONTROL, Opcode},
        },
        wire::{CHUNK, first_bytes},
    },
};

impl WebsockState {
    pub(super) fn check_writing(&self) -> io::Result<()> {
        match &self.frames_out.error {
            Some(over) => Err(over.again()),
            None => Ok(()),
        }
    }

    /// Encodes a message with the contents of several buffers, of one chunk at most. Returns how
    /// much. No output may be pending.
    pub(in crate::layer::websock) fn write(
        &mut self,
        iov: &[IoSlice<'_>],
        kind: WebsockMessageKind,
    ) -> io::Result<usize> {
        self.check_writing()?;
        self.check_fragments()?;
        let role = &self.role;
        let frames = &mut self.frames_out;
        let data = first_bytes(iov, CHUNK);
        let total = match kind {
            WebsockMessageKind::Binary => data.clone().map(<[u8]>::len).sum(),
            WebsockMessageKind::Text => valid_text(&data.clone().collect::<Vec<_>>().concat())?,
        };
        if total > 0 {
            frames.push_message(role, opcode_of(kind), first_bytes(iov, total))?;
            frames.has_data = true;
        }
        Ok(total)
    }

    /// Whether the payload of a message is sent as it is.
    pub(in crate::layer::websock) fn sends_as_is(&self) -> bool {
        !self.role.is_client() && self.frames_out.compressor.is_none()
    }

    /// Encodes the header of a message whose payload of so many bytes the caller sends. Returns
    /// that length. No output may be pending.
    pub(in crate::layer::websock) fn push_message_header(
        &mut self,
        kind: WebsockMessageKind,
        len: usize,
    ) -> io::Result<usize> {
        self.check_writing()?;
        self.check_fragments()?;
        self.frames_out.push_header(END, opcode_of(kind), None, len);
        self.frames_out.has_data = true;
        Ok(len)
    }

    /// Takes a message, which is encoded as the lower channel takes it. Returns its length. No
    /// output may be pending.
    pub(in crate::layer::websock) fn send(
        &mut self,
        kind: WebsockMessageKind,
        data: &Bytes,
    ) -> io::Result<usize> {
        self.check_writing()?;
        self.check_fragments()?;
        if kind == WebsockMessageKind::Text && str::from_utf8(data).is_err() {
            return Err(invalid("The message is not UTF-8, as text has to be"));
        }
        let frames = &mut self.frames_out;
        let opcode = opcode_of(kind);
        if data.len() <= CHUNK {
            frames.push_message(&self.role, opcode, iter::once(&data[..]))?;
        } else {
            frames.begin_message(opcode, data);
        }
        frames.has_data = true;
        Ok(data.len())
    }

    /// Encodes a ping. No output may be pending.
    pub(in crate::layer::websock) fn ping(&mut self, payload: &[u8]) -> io::Result<()> {
        self.check_writing()?;
        if payload.len() > MAX_CONTROL {
            let message = format!("A ping has 125 bytes at most, not {}", payload.len());
            return Err(invalid(&message));
        }
        let data = iter::once(payload);
        self.frames_out
            .push_frame(&self.role, END, Opcode::Ping, data)
    }

    /// Fails if a message that was taken is discarded in part, as one end closes.
    pub(in crate::layer::websock) fn check_whole(&self) -> io::Result<()> {
        match self.frames_out.is_cut {
            true => self.check_writing(),
            false => Ok(()),
        }
    }

    /// The same, also for a failure of the lower channel, which another thread may have met.
    pub(in crate::layer::websock) fn check_sent(&self) -> io::Result<()> {
        match self.frames_out.is_broken {
            true => self.check_writing(),
            false => self.check_whole(),
        }
    }

    /// How many bytes have yet to be taken by the lower channel.
    pub(in crate::layer::websock) fn buffered(&self) -> usize {
        self.frames_out.buffered()
    }
}

/// How much of the bytes is whole characters.
fn valid_text(bytes: &[u8]) -> io::Result<usize> {
    match str::from_utf8(bytes) {
        Ok(_) => Ok(bytes.len()),
        Err(e) if e.error_len().is_none() && e.valid_up_to() > 0 => Ok(e.valid_up_to()),
        Err(_) => Err(invalid(
            "The data is not UTF-8, as text messages have to be",
        )),
    }
}
