//! Name resolution, and the text of names and addresses in messages.

use std::{future::poll_fn, io};

use gio::prelude::*;

use crate::{
    coroutine,
    error::{from_glib_error, io_error},
    gio_context::GioOperation,
    sync::LeakInChild,
    sys::address::Native,
};

/// Calls `attempt` with each address until one succeeds. `unable` adds context to an error of an
/// address, or of the resolver.
pub(super) fn each_address<T>(
    connectable: &gio::SocketConnectable,
    mut attempt: impl FnMut(&Native) -> io::Result<T>,
    unable: impl Fn(io::Error, Option<&gio::SocketAddress>) -> io::Error,
) -> io::Result<T> {
    let addresses = unused(connectable).enumerate();
    let mut failure = None;
    while let Some(address) = addresses
        .next(gio::Cancellable::NONE)
        .map_err(|e| unable(from_glib_error(e), None))?
    {
        match Native::new(&address).and_then(|native| attempt(&native)) {
            Err(e) => failure = Some(unable(e, Some(&address))),
            success => return success,
        }
    }
    Err(failure.unwrap_or_else(|| no_address(connectable)))
}

/// Resolves all addresses of a name, at least one. The future must be polled in one thread.
pub(crate) fn resolve(
    connectable: &gio::SocketConnectable,
) -> impl Future<Output = io::Result<Vec<gio::SocketAddress>>> + use<> {
    let connectable = connectable.clone();
    async move {
        let addresses = LeakInChild::new(unused(&connectable).enumerate());
        let mut found = Vec::new();
        while let Some(address) = next(&addresses).await? {
            found.push(address);
        }
        at_least_one(found, &connectable)
    }
}

async fn next(addresses: &gio::SocketAddressEnumerator) -> io::Result<Option<gio::SocketAddress>> {
    let call = GioOperation::here()?;
    call.start(|cancellable, answer| {
        addresses.next_async(Some(cancellable), move |result| answer.complete(result));
    });
    let next = poll_fn(|cx| call.poll(cx)).await;
    next.map_err(from_glib_error)
}

/// As [`resolve`], blocking; in a coroutine, suspends that.
pub(crate) fn resolve_sync(
    connectable: &gio::SocketConnectable,
) -> io::Result<Vec<gio::SocketAddress>> {
    if coroutine::in_coroutine() {
        return coroutine::wait_for(resolve(connectable))?;
    }
    let addresses = unused(connectable).enumerate();
    let next = || addresses.next(gio::Cancellable::NONE).transpose();
    let found = std::iter::from_fn(next).collect::<Result<_, _>>();
    at_least_one(found.map_err(from_glib_error)?, connectable)
}

fn at_least_one(
    found: Vec<gio::SocketAddress>,
    connectable: &gio::SocketConnectable,
) -> io::Result<Vec<gio::SocketAddress>> {
    match found.is_empty() {
        true => Err(no_address(connectable)),
        false => Ok(found),
    }
}

fn no_address(connectable: &gio::SocketConnectable) -> io::Error {
    let message = format!("{} has no address", name(connectable));
    io_error(gio::IOErrorEnum::HostNotFound, &message)
}

/// A service that was resolved once returns no addresses any more, and GIO's client aborts the
/// process then: returns a new connectable.
pub(super) fn unused(connectable: &gio::SocketConnectable) -> gio::SocketConnectable {
    match connectable.downcast_ref::<gio::NetworkService>() {
        Some(used) if used.type_() == gio::NetworkService::static_type() => {
            let new = gio::NetworkService::new(&used.service(), &used.protocol(), &used.domain());
            new.set_scheme(&used.scheme());
            new.upcast()
        }
        _ => connectable.clone(),
    }
}

/// The text of a name or an address in messages.
pub(super) fn name(connectable: &gio::SocketConnectable) -> String {
    if let Some(it) = connectable.downcast_ref::<gio::NetworkService>() {
        return format!("_{}._{}.{}", it.service(), it.protocol(), it.domain());
    }
    if let Some(address) = connectable.downcast_ref::<gio::SocketAddress>() {
        return text(address);
    }
    match connectable.downcast_ref::<gio::NetworkAddress>() {
        // GIO's text has no brackets.
        Some(it) if it.hostname().contains(':') => format!("[{}]:{}", it.hostname(), it.port()),
        Some(it) => format!("{}:{}", it.hostname(), it.port()),
        None => SocketConnectableExt::to_string(connectable).into(),
    }
}

/// The text of an address in messages.
pub(crate) fn text(address: &gio::SocketAddress) -> String {
    // To GIO it is an unknown family.
    match Native::new(address)
        .ok()
        .and_then(|native| native.as_vsock())
    {
        Some((cid, port)) => format!("vsock:{cid}:{port}"),
        None => SocketConnectableExt::to_string(address).into(),
    }
}
