//! One connection attempt of a client of GIO, and its events.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io, mem,
    rc::Rc,
    sync::{Arc, Mutex, Weak},
    task::{Context, Poll},
};

use gio::prelude::*;
use glib::SignalHandlerId;

use super::ConnectStage;
use crate::{gio_context::GioOperation, sync::LeakInChild, sys::lock};

/// A client of GIO that connects once. Dropping it cancels the attempt, but not in a forked child.
pub(super) struct Operation(LeakInChild<Parts>);

struct Parts {
    client: gio::SocketClient,
    handler: Option<SignalHandlerId>,
    queue: EventQueue,
    failures: SharedFailures,
    call: GioOperation<gio::SocketConnection>,
}

/// Events of GIO that have not been passed on yet.
type EventQueue = Rc<RefCell<VecDeque<(ConnectStage, Option<gio::SocketAddress>)>>>;

/// Threads of GIO may drop the last reference to a connection.
type SharedFailures = Arc<Mutex<Failures>>;

/// The connections that have failed, which is detected when GIO drops them.
#[derive(Default)]
pub(super) struct Failures {
    /// The attempts in progress, by number.
    trying: Vec<(u32, gio::SocketAddress)>,
    begun: u32,
    /// The last address that did not accept the connection.
    pub(super) refused: Option<gio::SocketAddress>,
    /// The last proxy that has accepted the connection: GIO reports its error.
    pub(super) proxy: Option<gio::SocketAddress>,
    end: End,
}

#[derive(Default)]
enum End {
    #[default]
    NotYet,
    /// The connection that failed last is about to be dropped.
    Reported,
    /// Connections that are dropped now were abandoned.
    Over,
}

impl Failures {
    /// Addresses whose attempts were pending.
    pub(super) fn left(&self) -> impl Iterator<Item = &gio::SocketAddress> {
        // After a proxy connection the attempts are sequential.
        let given_up = self.trying.iter().filter(|_| self.proxy.is_none());
        given_up.map(|(_, address)| address)
    }

    fn note_failure(&mut self, number: u32) {
        match self.end {
            End::NotYet => {}
            End::Reported => self.end = End::Over,
            End::Over => return,
        }
        let mine = self.trying.iter().position(|(it, _)| *it == number);
        if let Some(mine) = mine {
            self.refused = Some(self.trying.remove(mine).1);
        }
    }
}

impl Operation {
    /// Starts to connect by a client that is used for nothing else: its events do not identify the
    /// attempt.
    pub(super) fn start(
        connectable: &gio::SocketConnectable,
        client: gio::SocketClient,
    ) -> io::Result<Self> {
        let call = GioOperation::here()?;
        make_proxy_resolver(&client);
        let (queue, failures) = (EventQueue::default(), SharedFailures::default());
        let (listens, watches) = (queue.clone(), Arc::downgrade(&failures));
        let mut handler = None;
        call.start(|cancellable, answer| {
            let ends = answer.clone();
            handler = Some(client.connect_event(move |_, event, _, connection| {
                let connection = connection.and_then(|it| it.downcast_ref());
                let address =
                    connection.and_then(|it: &gio::SocketConnection| it.remote_address().ok());
                note(&watches, event, connection, address.as_ref());
                if let Some(stage) = stage(event) {
                    listens.borrow_mut().push_back((stage, address));
                    answer.wake();
                }
            }));
            client.connect_async(connectable, Some(cancellable), move |result| {
                ends.complete(result);
            });
        });
        Ok(Self(LeakInChild::new(Parts {
            client,
            handler,
            queue,
            failures,
            call,
        })))
    }

    /// Passes queued events on, and returns the result.
    pub(super) fn poll(
        &self,
        cx: &Context<'_>,
        report: impl Fn(ConnectStage, Option<&gio::SocketAddress>),
    ) -> Poll<Result<gio::SocketConnection, glib::Error>> {
        let result = self.0.call.poll(cx);
        loop {
            let next = self.0.queue.borrow_mut().pop_front();
            match next {
                Some((stage, address)) => report(stage, address.as_ref()),
                None => return result,
            }
        }
    }

    /// The failures, once the result is there.
    pub(super) fn failures(&self) -> Failures {
        mem::take(&mut *lock(&self.0.failures))
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        self.handler
            .take()
            .into_iter()
            .for_each(|handler| self.client.disconnect(handler));
        // Cancelled also after the end: attempts for other addresses may be in progress.
    }
}

/// Created once per process, and watches the settings in the default context of that time: the
/// private context, which is dropped later, must not be that.
fn make_proxy_resolver(client: &gio::SocketClient) {
    if client.enables_proxy() {
        let _ = client.proxy_resolver();
    }
}

/// `None` for the stages of TLS, and for the end, as the channel is not open yet.
fn stage(event: gio::SocketClientEvent) -> Option<ConnectStage> {
    Some(match event {
        gio::SocketClientEvent::Resolving => ConnectStage::Resolving,
        gio::SocketClientEvent::Resolved => ConnectStage::Resolved,
        gio::SocketClientEvent::Connecting => ConnectStage::Connecting,
        gio::SocketClientEvent::Connected => ConnectStage::Connected,
        gio::SocketClientEvent::ProxyNegotiating => ConnectStage::ProxyNegotiating,
        gio::SocketClientEvent::ProxyNegotiated => ConnectStage::ProxyNegotiated,
        _ => return None,
    })
}

/// Records the event of a connection, as far as it is about failures.
fn note(
    failures: &Weak<Mutex<Failures>>,
    event: gio::SocketClientEvent,
    connection: Option<&gio::SocketConnection>,
    address: Option<&gio::SocketAddress>,
) {
    let Some(shared) = failures.upgrade() else {
        return;
    };
    let mut known = lock(&shared);
    match (event, connection, address) {
        (gio::SocketClientEvent::Connecting, Some(connection), Some(address)) => {
            let number = known.begun;
            known.begun += 1;
            known.trying.push((number, address.clone()));
            let failures = failures.clone();
            connection.add_weak_ref_notify(move || {
                if let Some(failures) = failures.upgrade() {
                    lock(&failures).note_failure(number);
                }
            });
        }
        (gio::SocketClientEvent::ProxyNegotiating, _, Some(address)) => {
            known.proxy = Some(address.clone());
        }
        (gio::SocketClientEvent::Complete, ..) => known.end = End::Reported,
        _ => {}
    }
}
