//! Connections to single addresses that need neither a resolver nor a proxy: unix sockets, native
//! addresses such as vsock, for which GIO has no sockets, and IP addresses where no proxy is used.

use std::{
    future::poll_fn,
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use gio::prelude::*;

use super::ConnectStage;
use crate::{
    channel::IoFutureExt as _,
    error::{closed, not_supported, would_block},
    hub::{self, Direction, FdRole, Hub, Registration, RegistrationGuard, Sleep, WaiterKey},
    sys::{SharedFd, address::Native, fd_info::ShortRead, file, poll, socket},
};

/// No event reports that the queue of a unix socket has space again.
const BEFORE_NEXT_TRY: Duration = Duration::from_millis(10);

/// Whether an address can be connected to in this way, by the options of a client.
pub(super) fn suits(
    address: &gio::SocketAddress,
    kind: gio::SocketType,
    client: Option<&gio::SocketClient>,
) -> bool {
    if !address.is::<gio::InetSocketAddress>() {
        return true;
    }
    // GIO implements what else there is.
    let has_default_settings = |client: &gio::SocketClient| {
        client.local_address().is_none()
            && client.timeout() == 0
            && client.family() == gio::SocketFamily::Invalid
            && client.protocol() == gio::SocketProtocol::Default
    };
    kind == gio::SocketType::Stream
        && !address.is::<gio::ProxyAddress>()
        && client.is_none_or(has_default_settings)
        && has_no_proxy(client)
}

/// Whether there is certainly no proxy. Resolvers may need a thread for that, and other processes.
fn has_no_proxy(client: Option<&gio::SocketClient>) -> bool {
    // That of GIO, where no module of it reads the settings of a desktop or of the environment.
    const NONE: &str = "GDummyProxyResolver";
    let resolver = match client {
        Some(client) if !client.enables_proxy() => return true,
        Some(client) => client.proxy_resolver(),
        None => gio::ProxyResolver::default(),
    };
    resolver.type_().name() == NONE
}

/// Connects, and makes the socket blocking. Returns its family and type as well. `report` returns
/// whether a handler was called.
pub(super) async fn connect(
    address: &gio::SocketAddress,
    kind: gio::SocketType,
    client: Option<&gio::SocketClient>,
    report: impl Fn(ConnectStage, Option<&gio::SocketAddress>) -> bool,
) -> io::Result<(OwnedFd, (i32, i32))> {
    // A handler may have aborted the task, or closed the channel.
    let report = async |stage, at: Option<&gio::SocketAddress>| {
        if report(stage, at) {
            hub::yield_now().await;
        }
    };
    if client.is_some_and(|client| client.local_address().is_some()) {
        return Err(not_supported(
            "Only connections over IP can be given a local address",
        ));
    }
    if address.is::<gio::InetSocketAddress>() {
        // As for the connections by GIO, whether it has to wait or not.
        Hub::current_for_wait()?;
    }
    report(ConnectStage::Resolving, None).await;
    let native = Native::new(address)?;
    report(ConnectStage::Resolved, None).await;
    report(ConnectStage::Connecting, Some(address)).await;
    let kind = socket::native_kind(kind);
    let connecting = try_until_connected(&native, kind);
    let fd = match client.map_or(0, |client| client.timeout()) {
        0 => connecting.await?,
        seconds => {
            let limited = connecting.or_timeout(Duration::from_secs(seconds.into()));
            limited.await.map_err(as_system_error)?
        }
    };
    file::set_nonblocking(fd.as_fd(), false)?;
    report(ConnectStage::Connected, Some(address)).await;
    Ok((fd, (native.family(), kind)))
}

fn as_system_error(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::TimedOut => io::Error::from_raw_os_error(libc::ETIMEDOUT),
        _ => error,
    }
}

async fn try_until_connected(address: &Native, kind: i32) -> io::Result<OwnedFd> {
    loop {
        match socket::start_connecting(address, kind) {
            Ok((fd, true)) => return Ok(fd),
            Ok((fd, false)) => return connected(fd).await,
            Err(e) if would_block(&e) && address.family() == libc::AF_UNIX => {
                Sleep::until(Instant::now() + BEFORE_NEXT_TRY).await?;
            }
            Err(e) => return Err(e),
        }
    }
}

/// Waits for the result.
async fn connected(fd: OwnedFd) -> io::Result<OwnedFd> {
    // Over the loopback device it is there already.
    match poll::poll_now(fd.as_raw_fd(), libc::POLLOUT)? {
        0 => {}
        // A failure is reported as POLLERR.
        libc::POLLOUT => return Ok(fd),
        _ => {
            socket::take_error(fd.as_fd())?;
            return Ok(fd);
        }
    }
    // The watch has a lease on it, and is dropped before this returns.
    let kept = fd.try_clone()?;
    let mut answer = Answer::new(fd);
    poll_fn(|cx| answer.poll(cx)).await?;
    drop(answer);
    socket::take_error(kept.as_fd())?;
    Ok(kept)
}

/// A socket that is connecting, registered with a hub.
struct Answer {
    fd: Arc<SharedFd>,
    key: WaiterKey,
    /// In the hub of the last running context.
    registration: Option<RegistrationGuard>,
}

impl Answer {
    fn new(fd: OwnedFd) -> Self {
        Self {
            fd: SharedFd::new(fd),
            key: WaiterKey::default(),
            registration: None,
        }
    }

    fn poll(&mut self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let number = self.fd.get().ok_or_else(closed)?.as_fd().as_raw_fd();
            if poll::poll_now(number, libc::POLLOUT)? != 0 {
                return Poll::Ready(Ok(()));
            }
            let registration = self.registration()?;
            let seen = registration.ready_event(Direction::Write);
            let key = &mut self.key;
            let wait = registration.poll_edge(Direction::Write, key, cx.waker(), Some(seen))?;
            if wait.is_pending() && poll::poll_now(number, libc::POLLOUT)? == 0 {
                return Poll::Pending;
            }
        }
    }

    fn registration(&mut self) -> io::Result<Arc<Registration>> {
        let hub = Hub::current_for_wait()?;
        let here =
            |it: &RegistrationGuard| Arc::ptr_eq(it.get().hub(), &hub) && !it.get().has_ended();
        if self.registration.as_ref().is_none_or(|it| !here(it)) {
            // An epoll instance takes a descriptor once.
            self.registration = None;
            self.key = WaiterKey::default();
            let role = FdRole {
                both: false,
                side: Direction::Write,
                short_read: ShortRead::Unknown,
            };
            self.registration = hub.register(&self.fd, Direction::Write, role)?;
        }
        let registration = self.registration.as_ref().ok_or_else(closed)?;
        Ok(registration.get().clone())
    }
}
