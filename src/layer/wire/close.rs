//! What closing needs: output that is sent until a deadline, and input that TCP must not find
//! unread.

use std::{
    io,
    time::{Duration, Instant},
};

use glib::IOCondition;

use super::{CHUNK, Engine, Wire, give_buffer, take_buffer};
use crate::{
    channel::{Channel, ChannelWatchExt as _, lower_io},
    error::would_block,
};

/// The first and the longest interval between two checks for acknowledgments.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

impl<E: Engine> Wire<E> {
    /// Sends pending output, for callers that may block. Would-block at the deadline.
    pub(in crate::layer) fn flush_until(
        &self,
        channel: &Channel,
        deadline: Instant,
    ) -> io::Result<()> {
        loop {
            match self.flush(channel) {
                Err(e) if would_block(&e) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(e);
                    }
                    // The next attempt reports what the wait reports.
                    let _ = channel.wait_timeout(IOCondition::OUT, left);
                }
                result => return result,
            }
        }
    }

    /// Reads and discards what the peer still sends, until its system has acknowledged all data or
    /// has ended, or until `deadline`: a TCP connection that is closed with input unread, or that
    /// gets some afterwards, such as session tickets, is reset, and what is unacknowledged is lost
    /// (RFC 9112, section 9.6).
    pub(in crate::layer) fn discard_input_until(&self, deadline: Instant) {
        let mut pause = SHORTEST_PAUSE;
        while self.engine().may_receive_more() && lower_io::has_unacknowledged(self.lower()) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.discard_input().is_err_and(|e| !would_block(&e)) {
                return;
            }
            // There is no event for an acknowledgment.
            let _ = self.lower().wait_timeout(IOCondition::IN, left.min(pause));
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    /// Reads once from the lower channel, and discards it. An end-of-file is an error.
    pub(in crate::layer) fn discard_input(&self) -> io::Result<()> {
        let mut buffer = take_buffer();
        buffer.resize(CHUNK, 0);
        let result = lower_io::read(self.lower(), &mut buffer);
        give_buffer(buffer);
        match result? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}
