//! Relays: both directions at once.

use std::{
    future::{Future, poll_fn},
    io,
    os::fd::{AsFd, AsRawFd as _},
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
    task::Poll,
};

use glib::{prelude::*, subclass::prelude::*};

use super::{ByteCounter, flow::Flow, wait_mode::WaitMode};
use crate::{
    channel::{
        Channel,
        class::{VFuncs, native::PollFd},
        flush,
    },
    coroutine,
    error::{TransferError, is_disconnected, relay_error, transfer_error},
    hub::{Direction, block_on},
    log::{self, Activity},
    sys::poll::has_hung_up,
    types::{Feature, Shutdown},
};

/// The number of bytes that a relay has moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RelayStats {
    /// From the first channel to the second one.
    pub sent: u64,
    /// From the second channel to the first one.
    pub received: u64,
}

/// Counters of the bytes of a relay while it runs.
#[derive(Debug, Clone, Default)]
pub struct RelayCounters {
    /// From the first channel to the second one.
    pub sent: ByteCounter,
    /// From the second channel to the first one.
    pub received: ByteCounter,
}

impl RelayCounters {
    /// Returns the counts so far.
    #[must_use]
    pub fn counts(&self) -> RelayStats {
        RelayStats {
            sent: self.sent.count(),
            received: self.received.count(),
        }
    }

    fn error(&self, e: io::Error) -> io::Error {
        relay_error(e, self.sent.count(), self.received.count())
    }
}

/// Moves bytes between two channels, in both directions, until end-of-file of both.
///
/// Blocks, or suspends the running coroutine, whatever the mode of the channels is. At end-of-file
/// of one channel, the other one is shut down for writing once all bytes have been written to it,
/// and the other direction continues. The reader of a channel without [`Feature::SHUTDOWN`] gets
/// end-of-file only when that is closed. The last direction also ends if its target has hung up and
/// no byte is left to be written. The channels stay open.
///
/// How bytes are moved, and what is never lost or cannot be moved, is as for
/// [`splice_to`](crate::ChannelExt::splice_to). The thread runs a private main context meanwhile:
/// the contexts that the channels are attached to need not be iterated.
///
/// # Errors
///
/// The first error of either direction ends both, with a [`TransferError`] inside that has both
/// counts. If the target has hung up, the bytes that it had sent before are delivered first. After
/// a read error the data that the other channel has got is truncated
/// ([`TransferError::is_truncated`]): [`abort`](crate::ChannelExt::abort) that channel instead of
/// closing it.
///
/// # Examples
///
/// ```
/// use qio::{ChannelCommand, ChannelSocket, Shutdown, prelude::*};
///
/// # fn main() -> std::io::Result<()> {
/// let (client, server) = ChannelSocket::pair()?;
/// let sort = ChannelCommand::builder(["sort", "-n"]).spawn()?;
///
/// client.write_all(b"10\n9\n")?;
/// client.shutdown(Shutdown::Write)?;
/// let relayed = qio::relay(&server, &sort)?;
/// assert_eq!((relayed.sent, relayed.received), (5, 5));
///
/// let mut sorted = [0; 5];
/// client.read_all(&mut sorted)?;
/// assert_eq!(&sorted, b"9\n10\n");
/// # Ok(())
/// # }
/// ```
#[doc(alias = "qio_channel_relay")]
pub fn relay(one: &impl IsA<Channel>, other: &impl IsA<Channel>) -> io::Result<RelayStats> {
    relay_counted(one, other, &RelayCounters::default())
}

/// Moves bytes as [`relay`], and counts them meanwhile.
///
/// # Errors
///
/// As [`relay`].
pub fn relay_counted(
    one: &impl IsA<Channel>,
    other: &impl IsA<Channel>,
    counters: &RelayCounters,
) -> io::Result<RelayStats> {
    let (one, other) = (one.upcast_ref(), other.upcast_ref());
    if coroutine::in_coroutine() {
        return coroutine::wait_for(run(one, other, counters, false))?;
    }
    block_on(run(one, other, counters, true))?
}

/// Moves bytes as [`relay`], in a future, which never blocks.
///
/// # Errors
///
/// As [`relay`].
///
/// # Cancel safety
///
/// Loses no data: if the future is dropped, both directions end, and bytes that were read and not
/// yet written are pushed back. [`relay_counted_future`] reports the number of bytes moved before.
#[doc(alias = "qio_channel_relay_async")]
#[doc(alias = "qio_channel_relay_finish")]
pub fn relay_future<'a>(
    one: &'a impl IsA<Channel>,
    other: &'a impl IsA<Channel>,
) -> impl Future<Output = io::Result<RelayStats>> + Send + 'a {
    let (one, other): (&Channel, &Channel) = (one.upcast_ref(), other.upcast_ref());
    async move { run(one, other, &RelayCounters::default(), false).await }
}

/// Moves bytes as [`relay_future`], and counts them meanwhile.
///
/// # Errors
///
/// As [`relay`].
///
/// # Cancel safety
///
/// As for [`relay_future`]. The counts stay correct after a drop.
pub fn relay_counted_future<'a>(
    one: &'a impl IsA<Channel>,
    other: &'a impl IsA<Channel>,
    counters: &'a RelayCounters,
) -> impl Future<Output = io::Result<RelayStats>> + Send + 'a {
    run(one.upcast_ref(), other.upcast_ref(), counters, false)
}

fn run<'a>(
    one: &'a Channel,
    other: &'a Channel,
    counters: &'a RelayCounters,
    here: bool,
) -> impl Future<Output = io::Result<RelayStats>> + Send + 'a {
    log::in_span(Activity::Relay, one, move_both(one, other, counters, here))
}

async fn move_both(
    one: &Channel,
    other: &Channel,
    counters: &RelayCounters,
    here: bool,
) -> io::Result<RelayStats> {
    // The counters of the caller may have counted before.
    let mine = RelayCounters::default();
    let sent = vec![mine.sent.clone(), counters.sent.clone()];
    let received = vec![mine.received.clone(), counters.received.clone()];
    let over = [false, false].map(AtomicBool::new);
    let wait_mode = |back: usize| WaitMode {
        here,
        back_is_over: Some(&over[back]),
    };
    let mut there = pin!(direction(one, other, sent, wait_mode(1)));
    let mut back = pin!(direction(other, one, received, wait_mode(0)));
    // The error for which the other direction is the last one.
    let mut failure = None;
    poll_fn(|cx| {
        loop {
            let mut has_progress = false;
            for (i, over) in over.iter().enumerate() {
                if over.load(Ordering::Relaxed) {
                    continue;
                }
                let polled = match i {
                    0 => there.as_mut().poll(cx),
                    _ => back.as_mut().poll(cx),
                };
                match polled {
                    Poll::Ready(Ok(())) => {
                        over.store(true, Ordering::Relaxed);
                        has_progress = true;
                    }
                    // The bytes that the peer sent before it hung up are still delivered.
                    Poll::Ready(Err(e)) if failure.is_none() && lacks_reader(&e, one, other) => {
                        over.store(true, Ordering::Relaxed);
                        has_progress = true;
                        failure = Some((e, [other, one][i]));
                    }
                    Poll::Ready(Err(e)) => {
                        let e = failure.take().map_or(e, |(first, _)| first);
                        return Poll::Ready(Err(mine.error(e)));
                    }
                    Poll::Pending => {}
                }
            }
            if over.iter().all(|over| over.load(Ordering::Relaxed)) {
                return Poll::Ready(match failure.take() {
                    Some((e, _)) => Err(mine.error(e)),
                    None => Ok(mine.counts()),
                });
            }
            // The other direction reads the flag.
            if has_progress {
                continue;
            }
            // A peer that does not read may still write forever.
            return match failure.take_if(|(_, peer)| !has_ended(peer)) {
                Some((e, _)) => Poll::Ready(Err(mine.error(e))),
                None => Poll::Pending,
            };
        }
    })
    .await
}

/// Whether a write has failed because the peer does not read any more.
fn lacks_reader(e: &io::Error, one: &Channel, other: &Channel) -> bool {
    let is_closed = [one, other].iter().any(|channel| channel.imp().is_closed());
    let is_truncated = TransferError::of(e).is_some_and(TransferError::is_truncated);
    is_disconnected(e) && !is_truncated && !is_closed
}

/// Whether the peer has ended its stream, and all its bytes have arrived.
fn has_ended(peer: &Channel) -> bool {
    let Some(PollFd::Pollable { fd, .. }) = VFuncs::of(peer.bottom()).poll_fd(Direction::Read)
    else {
        return false;
    };
    fd.get()
        .is_some_and(|fd| has_hung_up(fd.as_fd().as_raw_fd()).unwrap_or(false))
}

/// One direction, and the shutdown of its target.
async fn direction(
    source: &Channel,
    target: &Channel,
    counters: Vec<ByteCounter>,
    wait_mode: WaitMode<'_>,
) -> io::Result<()> {
    let flow = Flow::new(source, target, None, counters);
    let moved = flow.run_async(wait_mode).await?;
    end(target, wait_mode).await.map_err(|e| {
        let label = target.label();
        let action = format!("Unable to shut down writing to {label} after {moved} bytes");
        transfer_error(e, action, moved, false)
    })
}

/// Shuts a channel down for writing, so that its reader gets end-of-file.
async fn end(channel: &Channel, wait_mode: WaitMode<'_>) -> io::Result<()> {
    let mut attempt = wait_mode.poll_io(Direction::Write);
    poll_fn(|cx| flush::poll(channel, &mut attempt, cx)).await?;
    if !channel.imp().features().contains(Feature::SHUTDOWN) {
        return Ok(());
    }
    let shut_down = match VFuncs::of(channel).shutdown(Shutdown::Write) {
        // The close_notify of a layered channel was not sent if the lower channel was not writable.
        Ok(()) if channel.is_layered() => {
            let sent = poll_fn(|cx| flush::poll(channel, &mut attempt, cx));
            sent.await.map(drop)
        }
        result => result,
    };
    match shut_down {
        // The peer has hung up; the other direction reports whether its data is truncated.
        Err(e) if is_disconnected(&e) => Ok(()),
        result => result,
    }
}
