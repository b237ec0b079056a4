//! Opening sockets: all addresses of a name, or none.

use std::io;

use gio::prelude::*;
use glib::subclass::prelude::*;
use nix::errno::Errno;

use super::{NetListener, stale};
use crate::{
    error::errno,
    sys::listen::Binding,
    transport::{ChannelSocket, Listening, PathAccess, text},
};

/// How often another port is tried, if one that the system has chosen for the first address is not
/// free for the others.
const CLASHES: usize = 200;

/// How sockets are to be opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) reuse_port: bool,
    pub(super) replace_stale: bool,
    pub(super) access: PathAccess,
}

/// Listens on all of them, with the same port where that is up to the system.
pub(super) fn open(
    listener: &NetListener,
    addresses: &[gio::SocketAddress],
    backlog: u32,
) -> io::Result<Vec<ChannelSocket>> {
    let mut different: Vec<&gio::SocketAddress> = Vec::new();
    for address in addresses {
        let is_known = |known: &&gio::SocketAddress| is_same(known, address);
        if !different.iter().any(is_known) {
            different.push(address);
        }
    }
    let opening = Opening {
        addresses: &different,
        // Otherwise it may take IPv4 along, where others are to listen, or do already.
        v6_only: different
            .iter()
            .any(|it| family(it) == Some(gio::SocketFamily::Ipv4))
            || listener
                .local_addresses()
                .iter()
                .any(|it| family(it) == Some(gio::SocketFamily::Ipv4)),
        options: listener.imp().options(),
        backlog,
    };
    let mut left = CLASHES;
    loop {
        match opening.try_once()? {
            Outcome::Open(channels) => return Ok(channels),
            Outcome::Clash(e) if left == 0 => return Err(e),
            Outcome::Clash(_) => left -= 1,
        }
    }
}

struct Opening<'a> {
    addresses: &'a [&'a gio::SocketAddress],
    v6_only: bool,
    options: Options,
    backlog: u32,
}

enum Outcome {
    Open(Vec<ChannelSocket>),
    /// Somebody has the port of the others here.
    Clash(io::Error),
}

impl Opening<'_> {
    fn try_once(&self) -> io::Result<Outcome> {
        let mut channels = Vec::new();
        let (mut port, mut absent) = (None, None);
        for address in self.addresses {
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
        // Until the socket answers.
        let _others_wait = match self.options.replace_stale {
            true => stale::make_room(address)?,
            false => None,
        };
        channel.listen_as(address, self.backlog, &how)?;
        Ok(channel)
    }
}

/// The machine has no such address, or does not know the family: the other addresses of a name
/// will do.
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
