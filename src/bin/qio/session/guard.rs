//! A channel of a session, and how it ends.

use std::{
    io,
    os::{fd::AsRawFd, unix::process::ExitStatusExt},
};

use nix::{
    errno::Errno,
    sys::socket::{MsgFlags, SockType, getsockopt, send, sockopt},
};
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

    /// Ends the connection before the end of the data: a peer over TCP sees a reset, unless it has
    /// got the end-of-file already.
    pub(super) fn abort(&self) {
        let bottom = self.bottom();
        // Without a close_notify or close frame a layer is cut anyhow, and a command gets the
        // chance to end: see below.
        let is_reset_by_abort =
            bottom == self.0 && bottom.downcast_ref::<ChannelCommand>().is_none();
        if is_reset_by_abort && !has_ended(&bottom) {
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

    /// Whether there is TLS, or a WebSocket.
    pub(super) fn is_layered(&self) -> bool {
        self.bottom() != self.0
    }

    /// The channel below TLS and WebSocket, or this one.
    fn bottom(&self) -> Channel {
        bottom(&self.0)
    }

    pub(super) fn command(&self) -> Option<ChannelCommand> {
        self.bottom().downcast().ok()
    }
}

/// A client that is refused, unless it is [`admitted`](Self::admitted): also if that is cancelled.
pub(super) struct Unadmitted(Option<Guard>);

impl Unadmitted {
    pub(super) fn new(guard: Guard) -> Self {
        Self(Some(guard))
    }

    pub(super) fn admitted(mut self) -> Guard {
        self.0.take().expect("taken once")
    }
}

impl Drop for Unadmitted {
    fn drop(&mut self) {
        if let Some(guard) = self.0.take() {
            guard.refuse();
        }
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

/// Whether a socket was shut down for writing: all the data is there, or on its way.
fn has_ended(channel: &Channel) -> bool {
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    let Some(socket) = channel.downcast_ref::<ChannelSocket>() else {
        return false;
    };
    // An empty write has no other effect on a stream; elsewhere it is a message.
    let is_shut = socket.with_fd(|fd| {
        getsockopt(&fd, sockopt::SockType) == Ok(SockType::Stream)
            && send(fd.as_raw_fd(), &[], flags) == Err(Errno::EPIPE)
    });
    is_shut.unwrap_or(false)
}

/// What is below TLS and WebSocket, or the channel itself.
fn bottom(channel: &Channel) -> Channel {
    if let Some(below) = websock::below(channel) {
        return bottom(&below);
    }
    let tls = channel.downcast_ref::<ChannelTls>();
    tls.map_or_else(|| channel.clone(), ChannelTls::master)
}
