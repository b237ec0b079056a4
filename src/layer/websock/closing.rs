//! The closing handshake.

use std::{io, time::Instant};

use glib::{IOCondition, prelude::*, subclass::prelude::*};

use super::{
    ChannelWebsock,
    connection::Connection,
    engine::WebsockState,
    error::{CloseCode, WebsockError, websock_error},
};
use crate::{
    channel::{Channel, ChannelWatchExt as _, IoFutureExt as _},
    coroutine,
    error::{invalid, would_block},
    types::ReadFlags,
};

/// The most bytes of a reason.
const MAX_REASON: usize = 123;

fn check(code: u16, reason: &str) -> io::Result<CloseCode> {
    if reason.len() > MAX_REASON {
        let message = format!("A reason for closing has {MAX_REASON} bytes at most");
        return Err(invalid(&message));
    }
    CloseCode::received(code)
        .ok_or_else(|| invalid(&format!("{code} is no code that a close frame can have")))
}

fn step(
    connection: &Connection,
    channel: &Channel,
    code: CloseCode,
    reason: &str,
) -> io::Result<()> {
    connection.do_handshake(channel)?;
    connection.wire.flush(channel)?;
    connection.engine().send_close(code, reason);
    connection.wire.flush(channel)?;
    connection.incoming(channel, ReadFlags::empty(), WebsockState::discard_to_end)
}

fn timed_out() -> io::Error {
    let message = "The peer has not answered the close frame in time";
    websock_error(io::ErrorKind::TimedOut, WebsockError::TIMED_OUT, message)
}

pub(super) fn bye(websock: &ChannelWebsock, code: u16, reason: &str) -> io::Result<()> {
    if coroutine::in_coroutine() {
        return coroutine::wait_for(bye_future(websock, code, reason))?;
    }
    let code = check(code, reason)?;
    let connection = websock.imp().connection()?;
    let channel = websock.upcast_ref();
    let deadline = Instant::now() + connection.close_timeout();
    loop {
        match step(connection, channel, code, reason) {
            Err(e) if would_block(&e) && websock.may_wait() => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(timed_out());
                }
                let condition = match connection.engine().is_open_and_flushed() {
                    true => IOCondition::IN,
                    false => IOCondition::IN | IOCondition::OUT,
                };
                // The next attempt reports what the wait reports.
                let _ = channel.wait_timeout(condition, left);
            }
            Err(e) if would_block(&e) => {
                connection.flush_later(channel);
                return Err(e);
            }
            result => return result,
        }
    }
}

pub(super) async fn bye_future(
    websock: &ChannelWebsock,
    code: u16,
    reason: &str,
) -> io::Result<()> {
    let code = check(code, reason)?;
    let timeout = websock.imp().connection()?.close_timeout();
    let step = move |connection: &Connection, channel: &Channel, _| {
        step(connection, channel, code, reason).inspect_err(|e| {
            if would_block(e) {
                connection.flush_later(channel);
            }
        })
    };
    let ended = websock.step_future(IOCondition::IN, step);
    ended.or_timeout(timeout).await.map_err(|e| match e.kind() {
        io::ErrorKind::TimedOut => timed_out(),
        _ => e,
    })
}
