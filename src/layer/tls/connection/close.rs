//! Shutting down and closing.

use std::{io, time::Duration};

use super::Connection;
use glib::object::Cast as _;

use crate::{
    channel::{Channel, class::VFuncs},
    error::would_block,
    layer::{
        tls::{ChannelTls, memory_bio::ReadBudget},
        wire::{Layer as _, Progress},
    },
    types::Shutdown,
};

/// How long `close` waits in blocking mode for a peer that does not read.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// There is nothing to wait for once both directions have ended: neither output that has to be
/// sent, nor input that TCP must not find unread.
pub(in crate::layer::tls) fn closes_at_once(channel: &Channel) -> bool {
    let tls = channel.downcast_ref::<ChannelTls>();
    tls.and_then(ChannelTls::wire).is_some_and(|wire| {
        let is_over = wire.engine().is_over();
        is_over && VFuncs::of(wire.lower()).closes_at_once()
    })
}

impl Connection {
    /// Ends one direction, or both. A handshake under way fails.
    pub(in crate::layer::tls) fn shutdown(
        &self,
        channel: &Channel,
        how: Shutdown,
    ) -> io::Result<()> {
        let result = self.wire.shutdown::<ChannelTls>(channel, how);
        self.release_permit();
        result
    }

    /// Sends close_notify after all that was written. Would-block as long as output is pending, or
    /// OpenSSL waits for the rest of a handshake message, before which it sends no alert.
    pub(in crate::layer::tls) fn bye(&self, channel: &Channel) -> io::Result<()> {
        self.do_handshake(channel)?;
        self.wire.flush(channel)?;
        let mut budget = ReadBudget::default();
        let mut received = false;
        loop {
            let step = self.engine().step_close_notify(&mut budget);
            self.creds.flush_key_log();
            if received {
                // There may be data, and writers have waited for the handshake message.
                channel.wake_waiters();
            }
            match step? {
                Progress::Done(()) => return self.wire.flush(channel),
                Progress::Yield => {
                    self.wire.try_flush(channel);
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Progress::WantRead => {
                    self.wire.try_flush(channel);
                    match self.wire.receive(channel) {
                        Err(e) if would_block(&e) => return Err(e),
                        // A failure is what the next step reports.
                        _ => received = true,
                    }
                }
            }
        }
    }

    /// Sends close_notify, as far as that does not block.
    pub(in crate::layer::tls) fn try_send_end(&self, channel: &Channel) -> io::Result<()> {
        let result = self.wire.try_send_end(channel);
        self.release_permit();
        result
    }

    /// Sends close_notify, in non-blocking mode as far as that does not block, and closes the
    /// lower channel.
    pub(in crate::layer::tls) fn close(&self, channel: &Channel) -> io::Result<()> {
        let result = self.wire.close(channel, CLOSE_TIMEOUT);
        self.release_permit();
        result
    }
}
