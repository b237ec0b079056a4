//! Large payloads that are received directly into their messages.

use std::{mem, time::Instant};

use super::{Expected, WebsockState};
use crate::layer::{
    websock::mask,
    wire::{CHUNK, Queue},
};

/// The payload of a frame of so many bytes is received into the message.
const DIRECT: u64 = CHUNK as u64 / 4;

impl WebsockState {
    /// Takes what has been collected of a message whose next payload is to be received behind it,
    /// and how much at most.
    pub(super) fn take_message(&mut self) -> Option<(Queue, usize)> {
        let is_next = self.input.expected == Expected::Message
            && self.input.bytes.is_empty()
            && !self.discards_input();
        let frames = &mut self.frames_in;
        let (message, frame) = (frames.message.as_ref()?, frames.frame.as_ref()?);
        let left = frame.left();
        let size = (frames.assembly.left().len() as u64).saturating_add(left);
        let is_direct = is_next
            && frame.header.len >= DIRECT
            && left > 0
            && !frame.header.opcode.is_control()
            && !message.compressed
            && !message.is_discarded
            && size <= frames.max_message_size as u64;
        // No more than that is allocated for what a peer has announced.
        let most = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
        is_direct.then(|| (mem::take(&mut frames.assembly), most))
    }

    /// Restores it, with so much payload at its end.
    pub(super) fn restore_message(&mut self, mut collected: Queue, count: usize) {
        if count > 0 {
            self.input.has_new = true;
            self.has_received();
        }
        let discards = self.discards_input();
        let Some(frame) = &mut self.frames_in.frame else {
            return;
        };
        let (key, at) = (frame.header.mask, frame.done);
        frame.done += count as u64;
        let is_read = |it: &super::frames_in::Message| !it.is_discarded;
        if discards || !self.frames_in.message.as_ref().is_some_and(is_read) {
            return;
        }
        let payload = collected.last_mut(count);
        if let Some(key) = key {
            mask::apply(payload, key, at);
        }
        // An error is that of all further reads.
        let _ = self.check_text(payload);
        self.frames_in.assembly = collected;
    }

    /// Something has come from the peer.
    pub(super) fn has_received(&mut self) {
        if let Some(last) = &mut self.input.last {
            *last = Instant::now();
        }
    }
}
