//! One connect of a client of GIO's, and what becomes known of it.

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
use crate::{gio_context::GioOperation, sys::lock};

/// A client of GIO's that connects once. Dropping it cancels that.
pub(super) struct Operation {
    client: gio::SocketClient,
    events: Option<SignalHandlerId>,
    news: News,
    failures: SharedFailures,
    call: GioOperation<gio::SocketConnection>,
}

/// What GIO has told, and nobody has heard yet.
type News = Rc<RefCell<VecDeque<(ConnectStage, Option<gio::SocketAddress>)>>>;

/// Threads of GIO's may be the last that have a connection.
type SharedFailures = Arc<Mutex<Failures>>;

/// Which connections have failed: GIO lets go of them.
#[derive(Default)]
pub(super) struct Failures {
    /// What is being tried, by numbers.
    trying: Vec<(u32, gio::SocketAddress)>,
    begun: u32,
    /// The last address that did not answer as it should.
    pub(super) refused: Option<gio::SocketAddress>,
    /// The last proxy that answered: of all errors, GIO reports its one.
    pub(super) proxy: Option<gio::SocketAddress>,
    end: End,
}

#[derive(Default)]
enum End {
    #[default]
    NotYet,
    /// The connection whose failure was the last is about to go.
    Told,
    /// What goes now was given up.
    Over,
}

impl Failures {
    /// Addresses that might still have answered.
    pub(super) fn left(&self) -> impl Iterator<Item = &gio::SocketAddress> {
        // What comes after a connection is tried in turn.
        let given_up = self.trying.iter().filter(|_| self.proxy.is_none());
        given_up.map(|(_, address)| address)
    }

    fn note_failure(&mut self, number: u32) {
        match self.end {
            End::NotYet => {}
            End::Told => self.end = End::Over,
            End::Over => return,
        }
        let mine = self.trying.iter().position(|(it, _)| *it == number);
        if let Some(mine) = mine {
            self.refused = Some(self.trying.remove(mine).1);
        }
    }
}

impl Operation {
    /// Starts to connect by a client that is used for nothing else: what it tells does not say which
    /// connect it is about.
    pub(super) fn start(
        connectable: &gio::SocketConnectable,
        client: gio::SocketClient,
    ) -> io::Result<Self> {
        let call = GioOperation::here()?;
        make_proxy_resolver(&client);
        let (news, failures) = (News::default(), SharedFailures::default());
        let (listens, watches) = (news.clone(), Arc::downgrade(&failures));
        let mut events = None;
        call.start(|cancellable, answer| {
            let ends = answer.clone();
            events = Some(client.connect_event(move |_, event, _, connection| {
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
                ends.give(result);
            });
        });
        Ok(Self {
            client,
            events,
            news,
            failures,
            call,
        })
    }

    /// Passes on what was told, and gives the result.
    pub(super) fn poll(
        &self,
        cx: &Context<'_>,
        tell: impl Fn(ConnectStage, Option<&gio::SocketAddress>),
    ) -> Poll<Result<gio::SocketConnection, glib::Error>> {
        let result = self.call.poll(cx);
        loop {
            let next = self.news.borrow_mut().pop_front();
            match next {
                Some((stage, address)) => tell(stage, address.as_ref()),
                None => return result,
            }
        }
    }

    /// What has failed, once the result is there.
    pub(super) fn failures(&self) -> Failures {
        mem::take(&mut *lock(&self.failures))
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        self.events
            .take()
            .into_iter()
            .for_each(|events| self.client.disconnect(events));
        // The call is cancelled also if it has ended: there may be addresses left that are tried no more.
    }
}

/// This is made once for the process as well, and listens for changes of the settings in the context
/// that is the default one at that time: the inner one would not do, which goes.
fn make_proxy_resolver(client: &gio::SocketClient) {
    if client.enables_proxy() {
        let _ = client.proxy_resolver();
    }
}

/// `None` for what is of TLS, and for the end, where the channel is not open yet.
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

/// Notes which connection an event is about, as far as failures go.
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
        (gio::SocketClientEvent::Complete, ..) => known.end = End::Told,
        _ => {}
    }
}
