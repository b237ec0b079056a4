//! Connections that GIO makes: it looks names up, tries their addresses side by side, and speaks with
//! proxies.
//!
//! Its steps run in the [`Inner`] context, and what it tells is kept until the future is polled: handlers
//! of the user run in the context that the user runs.

use std::{
    cell::RefCell,
    collections::VecDeque,
    future::poll_fn,
    io,
    os::fd::{AsFd, OwnedFd},
    rc::Rc,
    sync::{Arc, Mutex, Weak},
    task::{Poll, Waker},
};

use gio::prelude::*;
use glib::SignalHandlerId;

use super::{ConnectStage, target, through, unable};
use crate::{
    error::{from_glib_error, not_supported},
    hub::Inner,
    sys::{file, lock},
};

/// Connects, and makes the socket blocking.
pub(super) async fn connect(
    connectable: &gio::SocketConnectable,
    kind: gio::SocketType,
    client: Option<&gio::SocketClient>,
    tell: impl Fn(ConnectStage, Option<&gio::SocketAddress>),
) -> io::Result<OwnedFd> {
    let operation = Operation::start(connectable, kind, client)
        .map_err(|e| unable(e, &target(connectable, None)))?;
    let result = poll_fn(|cx| {
        operation.inner.come_here();
        loop {
            let mut story = operation.story.borrow_mut();
            match story.news.pop_front() {
                Some((stage, address)) => {
                    drop(story);
                    tell(stage, address.as_ref());
                }
                None => {
                    let before = story.waker.replace(cx.waker().clone());
                    let result = story.result.take();
                    drop((story, before));
                    return result.map_or(Poll::Pending, Poll::Ready);
                }
            }
        }
    });
    let connection = match result.await {
        Ok(connection) => connection,
        Err(e) => {
            let failures = std::mem::take(&mut *lock(&operation.failures));
            return Err(told(&e, connectable, &failures));
        }
    };
    let fd = take_fd(&connection).map_err(|e| unable(e, &target(connectable, None)))?;
    Ok(fd)
}

/// The socket of a connection, which is closed there.
fn take_fd(connection: &gio::SocketConnection) -> io::Result<OwnedFd> {
    if connection.is::<gio::TcpWrapperConnection>() {
        return Err(not_supported(
            "Proxies that are themselves behind TLS are not supported",
        ));
    }
    let fd = connection.socket().as_fd().try_clone_to_owned()?;
    // No other than this one is to be left.
    connection
        .close(gio::Cancellable::NONE)
        .map_err(from_glib_error)?;
    file::set_blocking(fd.as_fd(), true)?;
    Ok(fd)
}

/// A client of GIO's that connects once.
struct Operation {
    client: gio::SocketClient,
    events: Option<SignalHandlerId>,
    cancellable: gio::Cancellable,
    story: Rc<RefCell<Story>>,
    failures: SharedFailures,
    inner: Inner,
}

/// What GIO has told.
#[derive(Default)]
struct Story {
    news: VecDeque<(ConnectStage, Option<gio::SocketAddress>)>,
    result: Option<Result<gio::SocketConnection, glib::Error>>,
    waker: Option<Waker>,
}

impl Story {
    fn wake(story: &RefCell<Self>) {
        let waker = story.borrow_mut().waker.take();
        waker.into_iter().for_each(Waker::wake);
    }
}

/// Which connections have failed. Threads of GIO's may be the last that have one.
type SharedFailures = Arc<Mutex<Failures>>;

#[derive(Default)]
struct Failures {
    /// The last address that did not answer as it should.
    refused: Option<gio::SocketAddress>,
    /// GIO lets go of one more connection after it has told the end, that of the last failure; then of
    /// those that it gives up.
    to_come: Option<u32>,
    /// The last proxy that answered: of all errors, GIO reports its one.
    proxy: Option<gio::SocketAddress>,
}

impl Operation {
    fn start(
        connectable: &gio::SocketConnectable,
        kind: gio::SocketType,
        options: Option<&gio::SocketClient>,
    ) -> io::Result<Self> {
        let inner = Inner::here()?;
        // Of its own: what it tells does not say which connect it is about.
        let client = gio::SocketClient::new();
        if let Some(options) = options {
            copy_options(options, &client);
        }
        client.set_socket_type(kind);
        make_singletons(&client);
        let (story, failures) = (Rc::<RefCell<Story>>::default(), SharedFailures::default());
        let (listens, watches) = (story.clone(), Arc::downgrade(&failures));
        let events = client.connect_event(move |_, event, _, connection| {
            let Some(stage) = stage(event) else {
                return end(&watches);
            };
            let connection = connection.and_then(|it| it.downcast_ref::<gio::SocketConnection>());
            let address = connection.and_then(|connection| connection.remote_address().ok());
            if let (Some(connection), Some(address)) = (connection, &address) {
                match stage {
                    ConnectStage::Connecting => watch(connection, address, watches.clone()),
                    ConnectStage::ProxyNegotiating => note_proxy(address, &watches),
                    _ => {}
                }
            }
            listens.borrow_mut().news.push_back((stage, address));
            Story::wake(&listens);
        });
        let cancellable = gio::Cancellable::new();
        let ends = story.clone();
        inner.start(|| {
            client.connect_async(connectable, Some(&cancellable), move |result| {
                ends.borrow_mut().result = Some(result);
                Story::wake(&ends);
            });
        });
        Ok(Self {
            client,
            events: Some(events),
            cancellable,
            story,
            failures,
            inner,
        })
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        self.events
            .take()
            .into_iter()
            .for_each(|events| self.client.disconnect(events));
        // It may also have addresses left that it tries no more.
        self.cancellable.cancel();
        let result = self.story.borrow_mut().result.take();
        drop(result);
        self.inner.settle();
    }
}

/// What GIO makes once for the process listens for changes, of the proxy settings for example, in the
/// context that is the default at that time: the inner one would not do, which goes.
fn make_singletons(client: &gio::SocketClient) {
    let _ = gio::Resolver::default();
    if client.enables_proxy() {
        let _ = client.proxy_resolver();
    }
}

fn copy_options(from: &gio::SocketClient, to: &gio::SocketClient) {
    to.set_family(from.family());
    to.set_protocol(from.protocol());
    to.set_local_address(from.local_address().as_ref());
    to.set_timeout(from.timeout());
    to.set_enable_proxy(from.enables_proxy());
    to.set_proxy_resolver(Some(&from.proxy_resolver()));
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

/// GIO lets go of a connection when it fails.
fn watch(
    connection: &gio::SocketConnection,
    address: &gio::SocketAddress,
    failures: Weak<Mutex<Failures>>,
) {
    let address = address.clone();
    connection.add_weak_ref_notify(move || {
        let Some(failures) = failures.upgrade() else {
            return;
        };
        let mut failures = lock(&failures);
        if failures.to_come != Some(0) {
            failures.to_come = failures.to_come.map(|count| count - 1);
            let replaced = failures.refused.replace(address);
            drop((failures, replaced));
        }
    });
}

fn note_proxy(address: &gio::SocketAddress, failures: &Weak<Mutex<Failures>>) {
    if let Some(failures) = failures.upgrade() {
        lock(&failures).proxy = Some(address.clone());
    }
}

fn end(failures: &Weak<Mutex<Failures>>) {
    if let Some(failures) = failures.upgrade() {
        lock(&failures).to_come = Some(1);
    }
}

/// An error of GIO's in our words: what could not be connected to, and why.
fn told(
    error: &glib::Error,
    connectable: &gio::SocketConnectable,
    failures: &Failures,
) -> io::Error {
    let message = error.message();
    let (about, reason) = match (&failures.proxy, &failures.refused) {
        (Some(proxy), _) => (through(connectable, proxy), message),
        (None, Some(address)) => {
            let names = names_of_gio(connectable, address);
            let about = target(connectable, Some(address));
            (about, without_target(message, names))
        }
        (None, None) => (target(connectable, None), message),
    };
    let reason = glib::Error::with_domain(error.domain(), error.code(), reason);
    unable(from_glib_error(reason), &about)
}

/// What GIO calls that in its message, where connecting to an address has failed: one of these,
/// depending on its version.
fn names_of_gio(
    connectable: &gio::SocketConnectable,
    address: &gio::SocketAddress,
) -> impl Iterator<Item = glib::GString> {
    let host = connectable.downcast_ref::<gio::NetworkAddress>();
    let service = connectable.downcast_ref::<gio::NetworkService>();
    let address = address.downcast_ref::<gio::InetSocketAddress>();
    [
        host.map(NetworkAddressExt::hostname),
        service.map(NetworkServiceExt::domain),
        address.map(|it| it.address().to_str()),
        Some(SocketConnectableExt::to_string(connectable)),
    ]
    .into_iter()
    .flatten()
}

/// Takes "Could not connect to NAME: ", in whatever language, off a message.
fn without_target(message: &str, mut names: impl Iterator<Item = glib::GString>) -> &str {
    let after = names.find_map(|name| message.split_once(name.as_str()));
    let reason = after.and_then(|(_, after)| after.split_once(": "));
    reason.map_or(message, |(_, reason)| reason)
}
