//! Frames to the peer.

use std::{io, iter};

use glib::Bytes;

use super::{Role, fragments::Fragments};
use crate::layer::{
    websock::{
        channel::WebsockMessageKind,
        deflate::{Compressor, Flush},
        error::CloseCode,
        extension::Agreed,
        frame::{self, Header, MAX_CONTROL, MAX_HEADER, Opcode},
        mask,
    },
    wire::{CHUNK, Failure, Queue},
};

/// While more output is pending, a pong waits, and the next one replaces it.
const MAX_PONGS: usize = 4096;

/// The state of the close frame to the peer.
#[derive(Debug, Default, PartialEq, Eq)]
enum CloseFrame {
    /// More may be written.
    #[default]
    None,
    /// Its payload, which is to be sent behind what is pending.
    Due(Vec<u8>),
    /// It is in the pending output.
    Encoded,
    Sent,
}

/// The first bits of a frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bits {
    pub(super) fin: bool,
    pub(super) rsv1: bool,
}

/// Those of a frame that is a message.
pub(super) const END: Bits = Bits {
    fin: true,
    rsv1: false,
};

/// A message that is encoded in pieces, as the lower channel takes them.
#[derive(Debug)]
struct Outgoing {
    data: Bytes,
    at: usize,
    /// Of the next frame.
    opcode: Opcode,
    /// How much of the current frame has yet to be encoded.
    in_frame: usize,
    compressed: bool,
}

/// What idle connections do not have is boxed.
#[derive(Debug, Default)]
pub(super) struct FramesOut {
    /// Output that the lower channel has not taken.
    pub(super) pending: Queue,
    /// The payload of the last ping that was not answered.
    pong: Option<Vec<u8>>,
    message: Option<Box<Outgoing>>,
    /// The message that a writer writes in fragments.
    pub(super) fragments: Option<Fragments>,
    pub(super) compressor: Option<Box<Compressor>>,
    /// Messages of fewer bytes are not compressed; 0: all are, even those that become longer.
    threshold: usize,
    close: CloseFrame,
    /// The error of all further writes.
    pub(super) error: Option<Failure>,
    /// Data is pending, here or in a lower channel that is layered itself.
    pub(super) has_data: bool,
    /// The lower channel is to be shut down when all has been sent.
    pub(super) lower_shutdown_due: bool,
    /// A part of a message was discarded because one end closes.
    pub(super) is_cut: bool,
    /// Data was discarded because the lower channel has failed.
    pub(super) is_broken: bool,
}

impl FramesOut {
    pub(super) fn set_deflate(&mut self, agreed: Option<&Agreed>) {
        let compresses = agreed.filter(|agreed| agreed.threshold < usize::MAX);
        self.compressor = compresses.and_then(Compressor::new).map(Box::new);
        self.threshold = agreed.map_or(0, |agreed| agreed.threshold);
    }

    /// Answers a ping. Behind much output that the peer has not read, a new ping replaces one that
    /// was not answered yet (RFC 6455, section 5.5.3).
    pub(super) fn answer_ping(&mut self, role: &Role, payload: &[u8]) -> io::Result<()> {
        let is_in_frame = self.message.as_ref().is_some_and(|it| it.in_frame > 0);
        match self.close == CloseFrame::None {
            false => Ok(()),
            true if is_in_frame || self.pending.left().len() > MAX_PONGS => {
                self.pong = Some(payload.to_vec());
                Ok(())
            }
            true => self.push_frame(role, END, Opcode::Pong, iter::once(payload)),
        }
    }

    /// Queues the close frame behind what is pending, unless there was one.
    pub(super) fn close(&mut self, code: CloseCode, reason: &str) {
        if self.close != CloseFrame::None {
            return;
        }
        let mut payload = Vec::new();
        if code != CloseCode::NO_STATUS {
            let end = reason.floor_char_boundary(MAX_CONTROL - 2);
            payload.extend_from_slice(&code.number().to_be_bytes());
            payload.extend_from_slice(&reason.as_bytes()[..end]);
        }
        self.close = CloseFrame::Due(payload);
        self.pong = None;
        self.lower_shutdown_due = true;
    }

    /// Queues the close frame, unless there was one, and discards what is pending of a message, up
    /// to the end of a frame: the peer processes nothing more. All further writes fail.
    pub(super) fn cut(&mut self, code: CloseCode, reason: &str) {
        if self.message.take_if(|it| it.in_frame == 0).is_some() {
            self.is_cut = true;
        }
        self.close(code, reason);
        self.end();
    }

    /// Makes all further writes fail.
    pub(super) fn end(&mut self) {
        let over = || Failure::of(&io::Error::from_raw_os_error(libc::EPIPE));
        self.error.get_or_insert_with(over);
    }

    /// Takes a message, which is encoded in pieces.
    pub(super) fn begin_message(&mut self, opcode: Opcode, data: &Bytes) {
        self.message = Some(Box::new(Outgoing {
            data: data.clone(),
            at: 0,
            opcode,
            in_frame: 0,
            compressed: self.compressor.is_some() && data.len() >= self.threshold,
        }));
    }

    /// How many bytes have yet to be taken by the lower channel.
    pub(super) fn buffered(&self) -> usize {
        let message = self.message.as_ref();
        let message = message.map_or(0, |message| message.data.len() - message.at);
        self.pending.left().len() + message
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
            && self.pong.is_none()
            && self.message.is_none()
            && !matches!(self.close, CloseFrame::Due(_))
    }

    pub(super) fn has_sent_close(&self) -> bool {
        self.close == CloseFrame::Sent
    }

    /// All pending output was taken by the lower channel.
    pub(super) fn sent(&mut self) {
        if self.close == CloseFrame::Encoded {
            self.close = CloseFrame::Sent;
        }
    }

    /// Discards what is pending: the lower channel takes no more.
    pub(super) fn discard(&mut self) {
        self.is_broken |= self.has_data;
        self.pending.clear();
        (self.pong, self.message) = (None, None);
        if matches!(self.close, CloseFrame::Due(_) | CloseFrame::Encoded) {
            self.close = CloseFrame::Sent;
        }
    }

    /// Encodes what is next, if nothing is pending.
    pub(super) fn encode(&mut self, role: &Role) -> io::Result<()> {
        if !self.pending.is_empty() {
            return Ok(());
        }
        let is_in_frame = |message: &Outgoing| message.in_frame > 0;
        if !self.message.as_deref().is_some_and(is_in_frame)
            && let Some(pong) = self.pong.take()
        {
            self.push_frame(role, END, Opcode::Pong, iter::once(&pong[..]))?;
        }
        if self.message.is_some() {
            return self.encode_message(role);
        }
        if let CloseFrame::Due(payload) = &mut self.close {
            let payload = std::mem::take(payload);
            self.push_frame(role, END, Opcode::Close, iter::once(&payload[..]))?;
            self.close = CloseFrame::Encoded;
        }
        Ok(())
    }

    /// Encodes the next piece of the message. Pieces that a client masks, or that are compressed,
    /// are frames, between which others may go; else a server sends one frame.
    fn encode_message(&mut self, role: &Role) -> io::Result<()> {
        let Some(mut message) = self.message.take() else {
            return Ok(());
        };
        let data = message.data.clone();
        let left = &data[message.at..];
        let piece = &left[..left.len().min(CHUNK)];
        let bits = Bits {
            fin: piece.len() == left.len(),
            rsv1: message.compressed && message.at == 0,
        };
        if message.compressed
            && let Some(compressor) = &mut self.compressor
        {
            let compressed = compressor.compress(piece, Flush::end_if(bits.fin));
            self.push_frame(role, bits, message.opcode, iter::once(&compressed[..]))?;
            message.opcode = Opcode::Continuation;
        } else if role.is_client() {
            self.push_frame(role, bits, message.opcode, iter::once(piece))?;
            message.opcode = Opcode::Continuation;
        } else {
            if message.in_frame == 0 {
                self.push_header(END, message.opcode, None, left.len());
                message.in_frame = left.len();
            }
            self.pending.push(piece);
            message.in_frame -= piece.len();
        }
        message.at += piece.len();
        self.message = (message.at < data.len()).then_some(message);
        Ok(())
    }

    /// Encodes a message as one frame, compressed if that is shorter, or if all messages are.
    pub(super) fn push_message<'a>(
        &mut self,
        role: &Role,
        opcode: Opcode,
        data: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> io::Result<()> {
        let len: usize = data.clone().map(<[u8]>::len).sum();
        if len >= self.threshold
            && let Some(compressor) = &mut self.compressor
        {
            let joined = data.clone().collect::<Vec<_>>().concat();
            let compressed = compressor.compress(&joined, Flush::End);
            if self.threshold == 0 || compressed.len() < len {
                let bits = Bits { rsv1: true, ..END };
                return self.push_frame(role, bits, opcode, iter::once(&compressed[..]));
            }
            compressor.forget();
        }
        self.push_frame(role, END, opcode, data)
    }

    pub(super) fn push_header(
        &mut self,
        bits: Bits,
        opcode: Opcode,
        mask: Option<[u8; 4]>,
        len: usize,
    ) {
        let header = Header {
            fin: bits.fin,
            rsv1: bits.rsv1,
            opcode,
            mask,
            len: len as u64,
        };
        let mut bytes = [0; MAX_HEADER];
        let end = frame::format(&header, &mut bytes);
        self.pending.push(&bytes[..end]);
    }

    /// Encodes a frame with the contents of several buffers.
    pub(super) fn push_frame<'a>(
        &mut self,
        role: &Role,
        bits: Bits,
        opcode: Opcode,
        data: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> io::Result<()> {
        let key = role.is_client().then(mask::new_key).transpose();
        // A compressor may be ahead of what is sent: nothing more can be.
        let key = key.inspect_err(|e| self.error = Some(Failure::of(e)))?;
        let len = data.clone().map(<[u8]>::len).sum();
        self.push_header(bits, opcode, key, len);
        let mut offset = 0;
        for buf in data {
            let place = self.pending.extend(buf.len());
            match key {
                Some(key) => mask::copy(buf, place, key, offset),
                None => place.copy_from_slice(buf),
            }
            offset += buf.len() as u64;
        }
        Ok(())
    }
}

pub(super) fn opcode_of(kind: WebsockMessageKind) -> Opcode {
    match kind {
        WebsockMessageKind::Text => Opcode::Text,
        WebsockMessageKind::Binary => Opcode::Binary,
    }
}
