//! Accepting connections: one state machine for callbacks, futures, streams and blocking threads,
//! which differ in how they wait.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, Waker, ready},
    time::Instant,
};

use futures_core::{FusedStream, Stream};
use glib::{prelude::*, subclass::prelude::*};

use super::{
    NetListener,
    admission::{Admission, Decision, WaiterSlot},
    imp::Sockets,
};
use crate::{
    channel::{Channel, IoFlags, PollIo, Transferred, handshakes::HandshakeLimit},
    coroutine,
    error::would_block,
    hub::{Direction, Sleep},
    sys::poll::{Wakeup, poll_readable},
    transport::ChannelSocket,
    types::ReadFlags,
    watch::ChannelState,
};

/// Accepts connections of a listener, for one consumer.
#[derive(Debug)]
pub(super) struct Acceptor {
    slot: WaiterSlot,
    style: Style,
    /// The version of the set of sockets that `attempts` belongs to.
    known: Option<u64>,
    attempts: Vec<(ChannelSocket, PollIo)>,
    timer: Option<Sleep>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// Waits until the listener is opened (again), and yields to blocked threads.
    Callback,
    /// Ends when the listener, which was opened for the n-th time, is disconnected.
    Caller(u64),
}

/// The result of one attempt on all sockets.
enum Step {
    Client(ChannelSocket),
    Failed(io::Error),
    /// There is no connection, or none may be accepted. The waker is woken when that may have
    /// changed; the style waits for readiness of the sockets, unless there is a time to wait for.
    Wait(Wait),
}

enum Wait {
    ForConnection,
    ForPermit,
    Until(Instant),
}

impl Acceptor {
    pub(super) fn for_callback(admission: Arc<Admission>) -> Self {
        Self::new(admission, Style::Callback)
    }

    pub(super) fn for_caller(listener: &NetListener) -> Self {
        let imp = listener.imp();
        Self::new(imp.admission.clone(), Style::Caller(imp.session()))
    }

    fn new(admission: Arc<Admission>, style: Style) -> Self {
        Self {
            slot: WaiterSlot::new(admission),
            style,
            known: None,
            attempts: Vec::new(),
            timer: None,
        }
    }

    /// The next connection, in the hub of the running context.
    pub(super) fn poll(
        &mut self,
        listener: &NetListener,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<ChannelSocket>> {
        loop {
            let step = self.step(listener, cx.waker(), |channel, attempt| {
                attempt.poll(channel.as_ref(), cx, |how| {
                    channel.accept_now(how).map(Transferred::whole)
                })
            });
            match step {
                Step::Client(client) => return Poll::Ready(Ok(client)),
                Step::Failed(e) => return Poll::Ready(Err(e)),
                Step::Wait(Wait::Until(time)) => {
                    let timer = self.timer.insert(Sleep::until(time));
                    ready!(Pin::new(timer).poll(cx))?;
                }
                Step::Wait(_) => return Poll::Pending,
            }
        }
    }

    /// The next connection; blocks until there is one.
    fn block(&mut self, listener: &NetListener) -> io::Result<ChannelSocket> {
        let wakeup = Wakeup::of_this_thread();
        let waker = match &wakeup {
            Some(wakeup) => Waker::from(wakeup.clone()),
            // Without a wake-up the poll ends periodically.
            None => Waker::noop().clone(),
        };
        let no_wait = {
            let mut flags = IoFlags::plain();
            flags.read |= ReadFlags::NO_WAIT;
            flags
        };
        loop {
            let step = self.step(listener, &waker, |channel, _| {
                match channel.accept_now(no_wait) {
                    Err(e) if would_block(&e) => Poll::Pending,
                    result => Poll::Ready(result),
                }
            });
            let (watched, deadline) = match step {
                Step::Client(client) => return Ok(client),
                Step::Failed(e) => return Err(e),
                Step::Wait(Wait::ForConnection) => (&self.attempts[..], None),
                Step::Wait(Wait::ForPermit) => (&[][..], None),
                Step::Wait(Wait::Until(time)) => (&[][..], Some(time)),
            };
            let woken: Vec<_> = watched
                .iter()
                .map(|(channel, _)| channel_state(channel).enter_thread(wakeup.clone()))
                .collect();
            // The next attempt detects a closed one.
            let leases: Option<Vec<_>> =
                watched.iter().map(|(channel, _)| channel.lease()).collect();
            if let Some(leases) = leases {
                let numbers = leases.iter().map(|lease| lease.number());
                poll_readable(numbers, wakeup.as_deref(), deadline)?;
            }
            drop(woken);
            if let Some(wakeup) = &wakeup {
                wakeup.forget();
            }
        }
    }

    /// Attempts on all sockets once, by `try_one`, which returns pending without a connection.
    fn step(
        &mut self,
        listener: &NetListener,
        waker: &Waker,
        mut try_one: impl FnMut(&ChannelSocket, &mut PollIo) -> Poll<io::Result<ChannelSocket>>,
    ) -> Step {
        loop {
            let admission = self.slot.admission().clone();
            let entry = admission.enter(&mut self.slot, waker, self.style == Style::Callback);
            // After the waker was entered, so that no change is missed.
            match self.update_sockets(listener) {
                Ok(None) => {}
                Ok(Some(client)) => return Step::Client(client),
                Err(step) => return step,
            }
            let permit = match entry {
                Decision::Admit(permit) => permit,
                Decision::Refuse => return Step::Wait(Wait::ForPermit),
                Decision::RefuseUntil(time) => return Step::Wait(Wait::Until(time)),
            };
            self.timer = None;
            let mut failure = None;
            let next = &listener.imp().next;
            let first = next.load(Ordering::Relaxed);
            for i in 0..self.attempts.len() {
                let place = first.wrapping_add(i) % self.attempts.len();
                let (channel, attempt) = &mut self.attempts[place];
                match try_one(channel, attempt) {
                    Poll::Pending => {}
                    Poll::Ready(Ok(client)) => {
                        next.store(place + 1, Ordering::Relaxed);
                        let limit: Arc<dyn HandshakeLimit> = admission;
                        let handshakes = &client.upcast_ref::<Channel>().imp().handshakes;
                        let _ = handshakes.set(limit);
                        client.on_close(Box::new(permit.admit()));
                        return Step::Client(client);
                    }
                    Poll::Ready(Err(e)) => {
                        // The other sockets are tried next, even if this one fails forever.
                        next.store(place + 1, Ordering::Relaxed);
                        failure = Some((channel.clone(), e));
                        break;
                    }
                }
            }
            drop(permit);
            let Some((channel, e)) = failure else {
                return Step::Wait(Wait::ForConnection);
            };
            if let Err(e) = listener.imp().failed(&channel, e) {
                return Step::Failed(e);
            }
        }
    }

    /// Updates `attempts` to the listener's sockets. Returns a connection that another task had
    /// accepted and not delivered; or the step to take if the listener is not open.
    fn update_sockets(&mut self, listener: &NetListener) -> Result<Option<ChannelSocket>, Step> {
        let session = match self.style {
            Style::Callback => None,
            Style::Caller(session) => Some(session),
        };
        match listener.imp().sockets(session, self.known) {
            Ok(Sockets::Returned(client)) => return Ok(Some(client)),
            Ok(Sockets::Same) => {}
            Ok(Sockets::Changed { known, channels }) => {
                let attempt = |channel| (channel, PollIo::new(Direction::Read));
                self.attempts = channels.into_iter().map(attempt).collect();
                self.known = Some(known);
            }
            Err(e) => {
                self.attempts = Vec::new();
                self.known = None;
                return Err(match self.style {
                    Style::Callback => Step::Wait(Wait::ForPermit),
                    Style::Caller(_) => Step::Failed(e),
                });
            }
        }
        Ok(None)
    }
}

fn channel_state(channel: &ChannelSocket) -> &ChannelState {
    &channel.upcast_ref::<Channel>().imp().channel_state
}

/// Waits in a future.
pub(super) async fn in_future(listener: NetListener) -> io::Result<ChannelSocket> {
    let mut acceptor = Acceptor::for_caller(&listener);
    poll_fn(|cx| acceptor.poll(&listener, cx)).await
}

/// Blocks, or suspends a coroutine.
pub(super) fn wait(listener: &NetListener) -> io::Result<ChannelSocket> {
    let _callbacks_wait = listener.imp().admission.block();
    if coroutine::in_coroutine() {
        return coroutine::wait_for(in_future(listener.clone()))?;
    }
    Acceptor::for_caller(listener).block(listener)
}

/// The connections of a [`NetListener`], as a [`Stream`].
///
/// Made by [`incoming`](NetListener::incoming).
///
/// # Cancel safety
///
/// Dropping the stream, or a future of its next item, loses no connection.
#[derive(Debug)]
pub struct Incoming {
    listener: NetListener,
    acceptor: Acceptor,
    has_ended: bool,
}

static_assertions::assert_impl_all!(Incoming: Send, Unpin);

impl Incoming {
    pub(super) fn new(listener: &NetListener) -> Self {
        Self {
            listener: listener.clone(),
            acceptor: Acceptor::for_caller(listener),
            has_ended: false,
        }
    }
}

impl Stream for Incoming {
    type Item = io::Result<ChannelSocket>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.has_ended {
            return Poll::Ready(None);
        }
        this.acceptor.poll(&this.listener, cx).map(|client| {
            // The error of a listener that is not open, or was disconnected, is the end of the
            // stream.
            this.has_ended = client.is_err() && !this.is_open();
            match this.has_ended {
                true => None,
                false => Some(client),
            }
        })
    }
}

impl Incoming {
    fn is_open(&self) -> bool {
        match self.acceptor.style {
            Style::Caller(session) => self.listener.imp().is_open_since(session),
            Style::Callback => true,
        }
    }
}

impl FusedStream for Incoming {
    fn is_terminated(&self) -> bool {
        self.has_ended
    }
}
