//! Shutting down and closing.

use std::{io, time::Duration};

use super::Connection;
use glib::object::Cast as _;

use crate::{
    channel::{Channel, class::VFuncs},
    layer::{tls::ChannelTls, wire::Layer as _},
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
