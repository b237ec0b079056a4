//! Pings to a peer from which nothing comes.

use std::{
    io,
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
    /// Starts the task, if it is enabled.
    pub(super) fn start_keep_alive(&self, channel: &Channel) {
        let mut engine = self.engine();
        if engine.options.settings().ping_interval.is_zero() {
            return;
        }
        engine.input.last = Some(Instant::now());
        drop(engine);
        let Some(websock) = channel.downcast_ref::<ChannelWebsock>() else {
            return;
        };
        let task = BackgroundTask::new(&Hub::current(), keep_alive(websock.downgrade()));
        let before = self.keep_alive.lock().replace(task);
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
        let settings = engine.options.settings();
        let (interval, timeout) = (settings.ping_interval, settings.pong_timeout);
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
