//! A channel of a session, and how it ends.

use std::{io, os::unix::process::ExitStatusExt};

use qio::{Channel, ChannelCommand, ChannelSocket, ChannelTls, Shutdown, prelude::*};

use super::acceptor::address_of;
use crate::websock;

/// A channel of a session. If the session ends early, a command is terminated, and a TLS channel
/// sends no close_notify, and a WebSocket no close frame, so that the peer does not take it for the
/// end of the data.
pub(super) struct Guard(pub(super) Channel);

impl Guard {
    pub(super) fn name(&self) -> String {
        self.0.name().map_or_else(String::new, Into::into)
    }

    /// The address of the peer, if this is a connection.
    pub(super) fn peer(&self) -> Option<String> {
        address_of(self.bottom().downcast_ref()?)
    }

    /// Guards what has taken the channel over.
    pub(super) fn replaced(mut self, channel: Channel) -> Self {
        self.0 = channel;
        self
    }

    pub(super) fn abort(&self) {
        let bottom = self.bottom();
        // Without a close_notify or close frame a layer is cut anyhow, and a command gets the
        // chance to end: see below.
        if bottom == self.0 && bottom.downcast_ref::<ChannelCommand>().is_none() {
            bottom.abort();
        }
    }

    pub(super) async fn close(self) -> io::Result<()> {
        self.0.close_future().await
    }

    /// Ends a connection that is not served: a peer over TCP sees a reset, and no end-of-file.
    pub(super) fn refuse(self) {
        let bottom = self.bottom();
        // A command gets the chance to end, when this is dropped.
        if bottom.is::<ChannelSocket>() {
            bottom.abort();
        }
    }

    /// The channel below TLS and WebSocket, or this one.
    fn bottom(&self) -> Channel {
        bottom(&self.0)
    }

    pub(super) fn command(&self) -> Option<ChannelCommand> {
        self.bottom().downcast().ok()
    }
}

/// The status with which a command has failed, as a shell reports it.
pub(super) fn status_of(command: &ChannelCommand) -> Option<u8> {
    let status = command.exit_status().ok()??;
    let code = status.code().or_else(|| Some(128 + status.signal()?))?;
    u8::try_from(code).ok().filter(|code| *code != 0)
}

impl Drop for Guard {
    fn drop(&mut self) {
        let bottom = self.bottom();
        if bottom != self.0 {
            // Nothing gets through after that.
            let _ = bottom.shutdown(Shutdown::Both);
        }
        if let Some(command) = bottom.downcast_ref::<ChannelCommand>() {
            // It may have ended already.
            let _ = command.terminate();
        }
    }
}

/// What is below TLS and WebSocket, or the channel itself.
fn bottom(channel: &Channel) -> Channel {
    if let Some(below) = websock::below(channel) {
        return bottom(&below);
    }
    let tls = channel.downcast_ref::<ChannelTls>();
    tls.map_or_else(|| channel.clone(), ChannelTls::master)
}
