//! Opening sockets: on all addresses of a name, or on none.

use std::{
    io,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use gio::prelude::*;
use glib::subclass::prelude::*;
use nix::errno::Errno;

use super::{
    NetListener,
    stale::{self, Lock, PathLock},
};
use crate::{
    error::errno,
    hub::Sleep,
    sys::listen::Binding,
    transport::{ChannelSocket, Listening, PathAccess, text},
};

/// How often another port is tried, if the one that the kernel has chosen for the first address is
/// in use for others.
const CLASHES: usize = 200;

/// The options for opening sockets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) reuse_port: bool,
    pub(super) replace_stale: bool,
    pub(super) access: PathAccess,
}

/// How often, and at which interval, the lock on a path is tried again: another task or process has
/// it while it binds a socket.
const LOCK_TRIES: usize = 100;
const BETWEEN: Duration = Duration::from_millis(10);

/// Sockets to be opened: on all addresses, with the same port if the kernel chooses it.
#[derive(Debug)]
pub(super) struct Opening {
    addresses: Vec<gio::SocketAddress>,
    v6_only: bool,
    options: Options,
    backlog: u32,
}

impl Opening {
    pub(super) fn new(
        listener: &NetListener,
        addresses: &[gio::SocketAddress],
        backlog: u32,
    ) -> Self {
        let mut different: Vec<gio::SocketAddress> = Vec::new();
        for address in addresses {
            if !different.iter().any(|known| is_same(known, address)) {
                different.push(address.clone());
            }
        }
        let is_v4 = |it: &gio::SocketAddress| family(it) == Some(gio::SocketFamily::Ipv4);
        Self {
            // Otherwise it may include IPv4, where other sockets listen, or will.
            v6_only: different.iter().any(is_v4) || listener.local_addresses().iter().any(is_v4),
            addresses: different,
            options: listener.imp().options(),
            backlog,
        }
    }

    /// Opens the sockets. Blocks while another process of this user replaces one of the paths.
    pub(super) fn open(&self) -> io::Result<Vec<ChannelSocket>> {
        for _ in 0..LOCK_TRIES {
            if let Some(_locks) = self.lock() {
                return self.open_locked();
            }
            thread::sleep(BETWEEN);
        }
        Err(self.is_busy())
    }

    /// As [`open`](Self::open), without blocking.
    pub(super) async fn open_future(self) -> io::Result<Vec<ChannelSocket>> {
        for _ in 0..LOCK_TRIES {
            if let Some(_locks) = self.lock() {
                return self.open_locked();
            }
            Sleep::until(Instant::now() + BETWEEN).await?;
        }
        Err(self.is_busy())
    }

    /// The paths at which stale sockets are to be replaced.
    fn paths(&self) -> Vec<PathBuf> {
        let addresses = self.addresses.iter().filter(|_| self.options.replace_stale);
        let mut paths: Vec<_> = addresses.filter_map(stale::absolute_path).collect();
        paths.sort();
        paths.dedup();
        paths
    }

    /// Locks all paths, or none, if another task or process has one of the locks.
    fn lock(&self) -> Option<Vec<PathLock>> {
        let mut locks = Vec::new();
        for path in self.paths() {
            match stale::lock(&path) {
                Lock::Locked(lock) => locks.push(lock),
                Lock::Impossible => {}
                Lock::Busy => return None,
            }
        }
        Some(locks)
    }

    fn is_busy(&self) -> io::Error {
        let paths: Vec<_> = self
            .paths()
            .iter()
            .map(|it| it.display().to_string())
            .collect();
        stale::is_busy(&paths.join(", "))
    }

    fn open_locked(&self) -> io::Result<Vec<ChannelSocket>> {
        let mut left = CLASHES;
        loop {
            match self.try_once()? {
                Outcome::Open(channels) => return Ok(channels),
                Outcome::Clash(e) if left == 0 => return Err(e),
                Outcome::Clash(_) => left -= 1,
            }
        }
    }
}

enum Outcome {
    Open(Vec<ChannelSocket>),
    /// The port of the other sockets is in use here.
    Clash(io::Error),
}

impl Opening {
    fn try_once(&self) -> io::Result<Outcome> {
        let mut channels = Vec::new();
        let (mut port, mut absent) = (None, None);
        for address in &self.addresses {
            let any_port = inet(address).is_some_and(|inet| inet.port() == 0);
            let chosen = port.filter(|_| any_port);
            let result = match chosen.and_then(|port| with_port(address, port)) {
                Some(address) => self.listen(&address),
                None => self.listen(address),
            };
            match result {
                Ok(channel) => {
                    let local = channel.local_address()?;
                    if any_port {
                        port = port.or_else(|| inet(&local).map(InetSocketAddressExt::port));
                    }
                    channels.push(channel);
                }
                Err(e) if chosen.is_some() && e.kind() == io::ErrorKind::AddrInUse => {
                    return Ok(Outcome::Clash(e));
                }
                Err(e) if is_absent(&e) => absent = Some(e),
                Err(e) => return Err(e),
            }
        }
        match (channels.is_empty(), absent) {
            (true, Some(e)) => Err(e),
            (true, None) => unreachable!("there is an address"),
            (false, _) => Ok(Outcome::Open(channels)),
        }
    }

    fn listen(&self, address: &gio::SocketAddress) -> io::Result<ChannelSocket> {
        let how = Listening {
            binding: Binding {
                reuse_port: self.options.reuse_port,
                v6_only: self.v6_only.then_some(true),
            },
            access: self.options.access,
        };
        let channel = ChannelSocket::new();
        if self.options.replace_stale
            && let Some(path) = stale::absolute_path(address)
        {
            stale::remove_stale_socket(&path)?;
        }
        channel.listen_as(address, self.backlog, &how)?;
        Ok(channel)
    }
}

/// Whether the machine does not have such an address, or its family: the other addresses of a name
/// are used.
fn is_absent(e: &io::Error) -> bool {
    let errno = errno(e).map(Errno::from_raw);
    matches!(
        errno,
        Some(Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL | Errno::EPROTONOSUPPORT)
    )
}

fn inet(address: &gio::SocketAddress) -> Option<&gio::InetSocketAddress> {
    address.downcast_ref()
}

fn family(address: &gio::SocketAddress) -> Option<gio::SocketFamily> {
    Some(inet(address)?.family())
}

fn with_port(address: &gio::SocketAddress, port: u16) -> Option<gio::SocketAddress> {
    let inet = inet(address)?;
    if inet.family() == gio::SocketFamily::Ipv4 {
        return Some(gio::InetSocketAddress::new(&inet.address(), port).upcast());
    }
    let address: gio::InetSocketAddress = glib::Object::builder()
        .property("address", inet.address())
        .property("flowinfo", inet.flowinfo())
        .property("scope-id", inet.scope_id())
        .property("port", u32::from(port))
        .build();
    Some(address.upcast())
}

fn is_same(a: &gio::SocketAddress, b: &gio::SocketAddress) -> bool {
    a.type_() == b.type_() && text(a) == text(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::address::Native;

    #[test]
    fn addresses_are_the_same_if_they_are_written_the_same_also_where_gio_writes_none() {
        let vsock = |port| Native::vsock(1, port).to_gio().expect("an address");
        assert!(is_same(&vsock(1), &vsock(1)));
        assert!(!is_same(&vsock(1), &vsock(2)));
    }
}
