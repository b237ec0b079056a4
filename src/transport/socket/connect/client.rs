//! Connections that GIO makes: it resolves names, tries their addresses concurrently, and
//! implements proxies.
//!
//! Its steps run in a [`GioContext`](crate::gio_context), and its events are queued until the
//! future is polled: signal handlers are called in the context of the user.

use std::{
    future::{Future, poll_fn},
    io,
    os::fd::{AsFd, OwnedFd},
    pin::Pin,
    task::Poll,
};

use gio::prelude::*;

use super::{
    ConnectStage,
    operation::{Failures, Operation},
    target, through, unable,
};
use crate::{
    error::{from_glib_error, not_supported},
    sys::file,
};

/// Connects, and makes the socket blocking.
pub(super) async fn connect(
    connectable: &gio::SocketConnectable,
    kind: gio::SocketType,
    options: Option<&gio::SocketClient>,
    report: impl Fn(ConnectStage, Option<&gio::SocketAddress>),
) -> io::Result<OwnedFd> {
    let failed = match once(connectable, connectable, new_client(kind, options), &report).await {
        Ok(fd) => return Ok(fd),
        Err(failed) => failed,
    };
    // Once GIO has started all attempts, the next failure ends its operation, although others may
    // still succeed. Their addresses are tried again, one by one.
    let report = &report;
    let others = failed.left.iter().map(|address| -> Attempt<'_> {
        let client = new_client(kind, options);
        // The client has already decided whether to use a proxy.
        client.set_enable_proxy(address.is::<gio::ProxyAddress>());
        Box::pin(async move {
            let report = |stage, at: Option<&gio::SocketAddress>| {
                if at.is_some() {
                    report(stage, at);
                }
            };
            let result = once(address.upcast_ref(), connectable, client, &report).await;
            result.map_err(|failed| failed.error)
        })
    });
    first_of(others.collect(), failed.error).await
}

type Attempt<'a> = Pin<Box<dyn Future<Output = io::Result<OwnedFd>> + 'a>>;

/// The first success of several attempts, or the last error, if there is one, or `error`.
async fn first_of(mut attempts: Vec<Attempt<'_>>, mut error: io::Error) -> io::Result<OwnedFd> {
    poll_fn(move |cx| {
        let mut connected = None;
        attempts.retain_mut(|attempt| match attempt.as_mut().poll(cx) {
            Poll::Pending => true,
            Poll::Ready(result) => {
                match result {
                    Ok(fd) => connected = Some(fd),
                    Err(e) => error = e,
                }
                false
            }
        });
        match connected {
            Some(fd) => Poll::Ready(Ok(fd)),
            None if attempts.is_empty() => {
                let none = io::ErrorKind::Other.into();
                Poll::Ready(Err(std::mem::replace(&mut error, none)))
            }
            None => Poll::Pending,
        }
    })
    .await
}

struct Failed {
    error: io::Error,
    /// Addresses whose attempts were pending.
    left: Vec<gio::SocketAddress>,
}

/// Connects once by GIO. `known_as` names the target in errors.
async fn once(
    connectable: &gio::SocketConnectable,
    known_as: &gio::SocketConnectable,
    client: gio::SocketClient,
    report: &impl Fn(ConnectStage, Option<&gio::SocketAddress>),
) -> Result<OwnedFd, Failed> {
    let failed = |e| Failed {
        error: unable(e, &target(known_as, None)),
        left: Vec::new(),
    };
    let operation = Operation::start(connectable, client).map_err(failed)?;
    match poll_fn(|cx| operation.poll(cx, report)).await {
        Ok(connection) => take_fd(&connection).map_err(failed),
        Err(e) => {
            let failures = operation.failures();
            Err(Failed {
                error: explain(&e, connectable, known_as, &failures),
                left: failures.left().cloned().collect(),
            })
        }
    }
}

fn new_client(kind: gio::SocketType, options: Option<&gio::SocketClient>) -> gio::SocketClient {
    let client = gio::SocketClient::new();
    if let Some(options) = options {
        copy_options(options, &client);
    }
    client.set_socket_type(kind);
    client
}

fn copy_options(from: &gio::SocketClient, to: &gio::SocketClient) {
    to.set_family(from.family());
    to.set_protocol(from.protocol());
    to.set_local_address(from.local_address().as_ref());
    to.set_timeout(from.timeout());
    to.set_enable_proxy(from.enables_proxy());
    to.set_proxy_resolver(Some(&from.proxy_resolver()));
}

/// The socket of a connection, which is closed in that.
fn take_fd(connection: &gio::SocketConnection) -> io::Result<OwnedFd> {
    if connection.is::<gio::TcpWrapperConnection>() {
        return Err(not_supported(
            "Proxies that are themselves behind TLS are not supported",
        ));
    }
    let fd = connection.socket().as_fd().try_clone_to_owned()?;
    // This must be the only descriptor.
    connection
        .close(gio::Cancellable::NONE)
        .map_err(from_glib_error)?;
    file::set_nonblocking(fd.as_fd(), false)?;
    Ok(fd)
}

/// Converts an error of GIO: what could not be connected to, and why.
fn explain(
    error: &glib::Error,
    connectable: &gio::SocketConnectable,
    known_as: &gio::SocketConnectable,
    failures: &Failures,
) -> io::Error {
    let message = error.message();
    let (about, reason) = match (&failures.proxy, &failures.refused) {
        (Some(proxy), _) => (through(known_as, proxy), message),
        (None, Some(address)) => {
            let names = names_of_gio(connectable, address);
            let about = target(known_as, Some(address));
            (about, without_target(message, names))
        }
        (None, None) => (target(known_as, None), message),
    };
    let reason = glib::Error::with_domain(error.domain(), error.code(), reason);
    unable(from_glib_error(reason), &about)
}

/// The names of the target in GIO's messages about a failed connection: one of these, depending on
/// its version.
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

/// Removes "Could not connect to NAME: ", in any language, from a message.
fn without_target(message: &str, mut names: impl Iterator<Item = glib::GString>) -> &str {
    let after = names.find_map(|name| message.split_once(name.as_str()));
    let reason = after.and_then(|(_, after)| after.split_once(": "));
    reason.map_or(message, |(_, reason)| reason)
}
