//! Shutting down and closing.

use std::{io, time::Duration};

use super::Connection;
use crate::{channel::Channel, layer::tls::ChannelTls, types::Shutdown};

/// How long `close` waits in blocking mode for a peer that does not read.
const LINGER: Duration = Duration::from_secs(5);

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

    /// Sends close_notify, as far as that does not block.
    pub(in crate::layer::tls) fn leave(&self, channel: &Channel) -> io::Result<()> {
        let result = self.wire.leave(channel);
        self.release_permit();
        result
    }

    /// Sends close_notify, in non-blocking mode as far as that does not block, and closes the
    /// lower channel.
    pub(in crate::layer::tls) fn close(&self, channel: &Channel) -> io::Result<()> {
        let result = self.wire.close(channel, LINGER);
        self.release_permit();
        result
    }
}
