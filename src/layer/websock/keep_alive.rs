//! Pings to a peer from which nothing comes.

use std::{
    io, mem,
    time::{Duration, Instant},
};

use glib::{prelude::*, subclass::prelude::*};

use super::{
    ChannelWebsock,
    connection::Connection,
    engine::WebsockState,
    error::{WebsockError, websock_error},
};
use crate::{
    channel::Channel,
    hub::{Hub, Sleep},
    layer::wire::{BackgroundTask, Engine as _, Failure},
    types::ReadFlags,
};

/// What the task does next.
enum Next {
    /// It sleeps for so long.
    Sleep(Duration),
    /// Nothing has come for the interval: it sends a ping, and sleeps for so long.
    Ping(Duration),
    /// The connection is over.
    End,
    TimedOut,
}

impl Connection {
    /// Starts the task, if it is enabled, in place of the one before.
    pub(super) fn start_keep_alive(&self, channel: &Channel) {
        let is_enabled = {
            let mut engine = self.engine();
            let is_enabled = engine.is_alive() && !engine.ping_interval.is_zero();
            engine.input.last = is_enabled.then(Instant::now);
            is_enabled
        };
        let websock = channel.downcast_ref::<ChannelWebsock>();
        let task = websock
            .filter(|_| is_enabled)
            .map(|websock| BackgroundTask::new(&Hub::current(), keep_alive(websock.downgrade())));
        let before = mem::replace(&mut *self.keep_alive.lock(), task);
        drop(before);
    }

    /// Processes control frames that no caller has read, if no data waits for a reader.
    fn process_control_frames(&self, channel: &Channel) {
        if self.engine().has_answer() {
            return;
        }
        // An error is what the next read reports.
        let _ = self.incoming(
            channel,
            ReadFlags::empty(),
            WebsockState::process_control_frames,
        );
    }

    /// `pinged`: when a ping was sent, if nothing has come since.
    fn next_keep_alive(&self, pinged: &mut Option<Instant>) -> Next {
        let mut engine = self.engine();
        let (interval, timeout) = (engine.ping_interval, engine.pong_timeout);
        let (true, Some(last)) = (engine.is_alive(), engine.input.last) else {
            return Next::End;
        };
        // The pong may be behind data that waits for its reader.
        if engine.has_answer() {
            *pinged = None;
            return Next::Sleep(interval);
        }
        *pinged = pinged.filter(|at| last <= *at);
        match *pinged {
            Some(at) if at.elapsed() >= timeout => {
                engine.time_out();
                Next::TimedOut
            }
            Some(at) => Next::Sleep(timeout.saturating_sub(at.elapsed())),
            None if last.elapsed() < interval => Next::Sleep(interval - last.elapsed()),
            None if timeout.is_zero() => Next::Ping(interval),
            None => {
                *pinged = Some(Instant::now());
                Next::Ping(timeout)
            }
        }
    }
}

/// Keep-alive.
impl ChannelWebsock {
    /// After how long without anything from the peer a ping is sent. Zero: never.
    #[doc(alias = "qio_channel_websock_get_ping_interval")]
    #[must_use]
    pub fn ping_interval(&self) -> Duration {
        self.engine(|engine| engine.ping_interval)
            .unwrap_or_default()
    }

    /// Sets after how long without anything from the peer a ping is sent: see
    /// [`ping_interval`](crate::WebsockOptionsBuilder::ping_interval). Zero: never. Default: that
    /// of the options. On an open connection the context of the caller sends the pings.
    #[doc(alias = "qio_channel_websock_set_ping_interval")]
    pub fn set_ping_interval(&self, interval: Duration) {
        self.set_keep_alive("ping-interval", interval, |it| &mut it.ping_interval);
    }

    /// How long after a ping something must come from the peer. Zero: no limit.
    #[doc(alias = "qio_channel_websock_get_pong_timeout")]
    #[must_use]
    pub fn pong_timeout(&self) -> Duration {
        self.engine(|engine| engine.pong_timeout)
            .unwrap_or_default()
    }

    /// Sets how long after a ping something must come from the peer: see
    /// [`pong_timeout`](crate::WebsockOptionsBuilder::pong_timeout). Zero: no limit. Default: that
    /// of the options.
    #[doc(alias = "qio_channel_websock_set_pong_timeout")]
    pub fn set_pong_timeout(&self, timeout: Duration) {
        self.set_keep_alive("pong-timeout", timeout, |it| &mut it.pong_timeout);
    }

    fn set_keep_alive(
        &self,
        property: &str,
        value: Duration,
        place: fn(&mut WebsockState) -> &mut Duration,
    ) {
        let Ok(connection) = self.imp().connection() else {
            return;
        };
        let before = mem::replace(place(&mut connection.engine()), value);
        if before == value {
            return;
        }
        if self.is_handshake_done() {
            connection.start_keep_alive(self.upcast_ref());
        }
        self.notify(property);
    }
}

/// Keeps no reference to the channel while it sleeps.
async fn keep_alive(websock: glib::WeakRef<ChannelWebsock>) {
    let mut pinged = None;
    loop {
        let pause = {
            let Some(websock) = websock.upgrade() else {
                return;
            };
            let channel = websock.upcast_ref();
            let Ok(connection) = websock.imp().connection() else {
                return;
            };
            connection.process_control_frames(channel);
            match connection.next_keep_alive(&mut pinged) {
                Next::Sleep(pause) => pause,
                Next::Ping(pause) => {
                    let mut engine = connection.engine();
                    // Pending output will be followed by an answer as well.
                    let queued = match engine.has_pending_output() {
                        true => Ok(()),
                        false => engine.ping(b""),
                    };
                    drop(engine);
                    if queued.is_ok() {
                        connection.wire.send_answer::<ChannelWebsock>(channel);
                    }
                    pause
                }
                Next::End => return,
                Next::TimedOut => {
                    channel.wake_waiters();
                    return;
                }
            }
        };
        if Sleep::until(Instant::now() + pause).await.is_err() {
            // The context is destroyed.
            return;
        }
    }
}

impl WebsockState {
    /// Whether the connection is established, and no end of it has come.
    fn is_alive(&self) -> bool {
        self.is_open() && self.may_receive_more() && !self.has_failed()
    }

    /// Nothing has come from the peer for too long.
    fn time_out(&mut self) {
        let message = format!("The {} has not answered a ping in time", self.role.peer());
        let code = WebsockError::TIMED_OUT;
        let error = websock_error(io::ErrorKind::TimedOut, code, &message);
        self.fail(Failure::of(&error));
    }
}
