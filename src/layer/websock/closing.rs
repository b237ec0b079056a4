//! The closing handshake.

use std::{
    future::poll_fn,
    io,
    task::{Poll, ready},
    time::Instant,
};

use glib::{prelude::*, subclass::prelude::*};

use super::{
    ChannelWebsock,
    connection::Connection,
    engine::WebsockState,
    error::{CloseCode, WebsockError, websock_error},
};
use crate::{
    channel::{Channel, ChannelWatchExt as _, IoFutureExt as _, PollIo},
    coroutine,
    error::{invalid, would_block},
    hub::Direction,
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

/// Continues the closing handshake. With an error, which may be would-block: the direction in which
/// it was met.
fn step(
    connection: &Connection,
    channel: &Channel,
    code: CloseCode,
    reason: &str,
) -> Result<(), (Direction, io::Error)> {
    let reading = |e| (Direction::Read, e);
    let writing = |e| (Direction::Write, e);
    connection.do_handshake(channel).map_err(reading)?;
    // Behind what is pending: if another caller flushes that, the close frame is sent with it.
    connection.engine().send_close(code, reason);
    match connection.wire.flush(channel) {
        // The peer may read no more before its own output is read.
        Err(e) if would_block(&e) => {}
        sent => sent.map_err(writing)?,
    }
    let flags = ReadFlags::empty();
    let discarded = connection.incoming(channel, flags, WebsockState::discard_to_end);
    discarded.map_err(reading)?;
    // What was pending when the close frame of the peer came.
    connection.wire.flush(channel).map_err(writing)
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
            Err((direction, e)) if would_block(&e) && websock.may_wait() => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(timed_out());
                }
                // The next attempt reports what the wait reports. For input this waits for pending
                // output as well.
                let _ = channel.wait_timeout(direction.condition(), left);
            }
            Err((_, e)) if would_block(&e) => {
                connection.flush_later(channel);
                return Err(e);
            }
            result => return result.map_err(|(_, e)| e),
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
    let ended = until_ended(websock, code, reason);
    ended.or_timeout(timeout).await.map_err(|e| match e.kind() {
        io::ErrorKind::TimedOut => timed_out(),
        _ => e,
    })
}

/// Waits in the direction in which a step has met would-block.
async fn until_ended(websock: &ChannelWebsock, code: CloseCode, reason: &str) -> io::Result<()> {
    let mut waiting = Direction::Read;
    let [mut receiving, mut sending] = [Direction::Read, Direction::Write].map(PollIo::new);
    poll_fn(|cx| {
        loop {
            let direction = waiting;
            let attempt = match direction {
                Direction::Read => &mut receiving,
                Direction::Write => &mut sending,
            };
            let polled = websock.poll_step(attempt, cx, |connection, channel, _| {
                match step(connection, channel, code, reason) {
                    Ok(()) => Ok(true),
                    Err((other, e)) if would_block(&e) => {
                        connection.flush_later(channel);
                        waiting = other;
                        // An attempt waits for its own direction only.
                        match other == direction {
                            true => Err(e),
                            false => Ok(false),
                        }
                    }
                    Err((_, e)) => Err(e),
                }
            });
            if ready!(polled)? {
                return Poll::Ready(Ok(()));
            }
        }
    })
    .await
}
