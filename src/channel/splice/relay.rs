//! Both directions at once.

use std::{
    future::{Future, poll_fn},
    io,
    os::fd::AsFd,
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
    task::Poll,
};

use glib::{prelude::*, subclass::prelude::*};

use super::{ByteCounter, flow::Flow, wait_mode::WaitMode};
use crate::{
    channel::{Channel, class::VFuncs, ffi::PollFd, flush},
    coroutine,
    error::{TransferError, is_disconnected, relay_error, transfer_error},
    hub::{Direction, private_context},
    sys::poll::has_hung_up,
    types::{Feature, Shutdown},
};

/// How many bytes a relay has moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Relayed {
    /// From the first channel to the second one.
    pub sent: u64,
    /// From the second channel to the first one.
    pub received: u64,
}

/// Count the bytes of a relay while it runs.
#[derive(Debug, Clone, Default)]
pub struct RelayCounters {
    /// From the first channel to the second one.
    pub sent: ByteCounter,
    /// From the second channel to the first one.
    pub received: ByteCounter,
}

impl RelayCounters {
    /// What they have counted so far.
    #[must_use]
    pub fn counts(&self) -> Relayed {
        Relayed {
            sent: self.sent.count(),
            received: self.received.count(),
        }
    }

    fn error(&self, e: io::Error) -> io::Error {
        relay_error(e, self.sent.count(), self.received.count())
    }
}

/// Moves bytes between two channels, in both directions, until both have come to their end; blocking,
/// or in the coroutine that runs. Waits whatever the mode of the channels is.
///
/// Where one channel ends, the other one is shut down for writing once everything has been written to
/// it, and the other direction goes on. A channel without [`Feature::SHUTDOWN`] cannot be told: its
/// reader learns of the end when the channel is closed. A direction also ends, as the last one,
/// where a connection has gone, or a command has ended, that it writes to, and nothing is left to be
/// written. The channels stay open.
///
/// How bytes are moved, what is never lost, and what does not come along, is as for
/// [`splice_to`](crate::ChannelExt::splice_to). The thread runs a main context of its own meanwhile:
/// whatever context the channels are attached to need not run.
///
/// # Errors
///
/// The first one of either direction ends both, with a [`TransferError`] inside that has both counts.
/// Where a peer has gone that is written to, what it had sent before is delivered first. Where reading
/// has failed, what the other channel's reader has got lacks its end
/// ([`TransferError::is_truncated`]): [`abort`](crate::ChannelExt::abort) that channel rather than close it.
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
pub fn relay(one: &impl IsA<Channel>, other: &impl IsA<Channel>) -> io::Result<Relayed> {
    relay_counted(one, other, &RelayCounters::default())
}

/// As [`relay`], and counts the bytes while it runs.
///
/// # Errors
///
/// As [`relay`].
pub fn relay_counted(
    one: &impl IsA<Channel>,
    other: &impl IsA<Channel>,
    counters: &RelayCounters,
) -> io::Result<Relayed> {
    let (one, other) = (one.upcast_ref(), other.upcast_ref());
    if coroutine::in_coroutine() {
        return coroutine::wait_for(run(one, other, counters, false))?;
    }
    let context = private_context()?;
    context
        .with_thread_default(|| context.block_on(run(one, other, counters, true)))
        .expect("nobody else has this context")
}

/// As [`relay`], in a future, which never blocks, whatever the mode of the channels is. Dropping it ends
/// both directions at once and loses no data; [`relay_counted_future`] tells how far they have come.
///
/// # Errors
///
/// As [`relay`].
#[doc(alias = "qio_channel_relay_async")]
#[doc(alias = "qio_channel_relay_finish")]
pub fn relay_future<'a>(
    one: &'a impl IsA<Channel>,
    other: &'a impl IsA<Channel>,
) -> impl Future<Output = io::Result<Relayed>> + Send + 'a {
    let (one, other): (&Channel, &Channel) = (one.upcast_ref(), other.upcast_ref());
    async move { run(one, other, &RelayCounters::default(), false).await }
}

/// As [`relay_future`], and counts the bytes while it runs.
///
/// # Errors
///
/// As [`relay`].
pub fn relay_counted_future<'a>(
    one: &'a impl IsA<Channel>,
    other: &'a impl IsA<Channel>,
    counters: &'a RelayCounters,
) -> impl Future<Output = io::Result<Relayed>> + Send + 'a {
    run(one.upcast_ref(), other.upcast_ref(), counters, false)
}

async fn run(
    one: &Channel,
    other: &Channel,
    counters: &RelayCounters,
    here: bool,
) -> io::Result<Relayed> {
    // Those of the caller may have counted before.
    let mine = RelayCounters::default();
    let sent = vec![mine.sent.clone(), counters.sent.clone()];
    let received = vec![mine.received.clone(), counters.received.clone()];
    let over = [false, false].map(AtomicBool::new);
    let manner = |back: usize| WaitMode {
        here,
        back_is_over: Some(&over[back]),
    };
    let mut there = pin!(direction(one, other, sent, manner(1)));
    let mut back = pin!(direction(other, one, received, manner(0)));
    // Why the other direction is the last one.
    let mut failure = None;
    poll_fn(|cx| {
        loop {
            let mut news = false;
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
                        news = true;
                    }
                    // What the peer sent before it went is delivered.
                    Poll::Ready(Err(e)) if failure.is_none() && lacks_reader(&e, one, other) => {
                        over.store(true, Ordering::Relaxed);
                        news = true;
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
            // The other one is to see it.
            if news {
                continue;
            }
            // A peer that only does not read may go on writing for ever.
            return match failure.take_if(|(_, peer)| !has_ended(peer)) {
                Some((e, _)) => Poll::Ready(Err(mine.error(e))),
                None => Poll::Pending,
            };
        }
    })
    .await
}

/// Whether writing has failed because the peer reads no more.
fn lacks_reader(e: &io::Error, one: &Channel, other: &Channel) -> bool {
    let is_closed = [one, other].iter().any(|channel| channel.imp().is_closed());
    let is_truncated = TransferError::of(e).is_some_and(TransferError::is_truncated);
    is_disconnected(e) && !is_truncated && !is_closed
}

/// Whether all that a peer will ever have sent has arrived.
fn has_ended(peer: &Channel) -> bool {
    let Some(PollFd::Pollable { fd, .. }) = VFuncs::of(peer.base()).lent(Direction::Read) else {
        return false;
    };
    fd.get()
        .is_some_and(|fd| has_hung_up(fd.as_fd()).unwrap_or(false))
}

/// One direction, with its end.
async fn direction(
    source: &Channel,
    target: &Channel,
    counters: Vec<ByteCounter>,
    manner: WaitMode<'_>,
) -> io::Result<()> {
    let flow = Flow::new(source, target, None, counters);
    let moved = flow.run_async(manner).await?;
    end(target, manner).await.map_err(|e| {
        let label = target.label();
        let action = format!("Unable to end what is written to {label} after {moved} bytes");
        transfer_error(e, action, moved, false)
    })
}

/// Tells the reader of a channel that nothing more comes.
async fn end(channel: &Channel, manner: WaitMode<'_>) -> io::Result<()> {
    let mut attempt = manner.attempt(Direction::Write);
    poll_fn(|cx| flush::poll(channel, &mut attempt, cx)).await?;
    if !channel.imp().features().contains(Feature::SHUTDOWN) {
        return Ok(());
    }
    let told = match VFuncs::of(channel).shutdown(Shutdown::Write) {
        // The goodbye of a layer has not been sent if there was no room for it.
        Ok(()) if channel.below().is_some() => {
            let sent = poll_fn(|cx| flush::poll(channel, &mut attempt, cx));
            sent.await.map(drop)
        }
        result => result,
    };
    match told {
        // The peer has gone already; whether too early, the other direction knows.
        Err(e) if is_disconnected(&e) => Ok(()),
        result => result,
    }
}
