//! Addresses as programs and configuration write them.
//!
//! There is one way in: a [`NetAddress`] comes out of `parse`, whoever makes it, so that what there is can be
//! written and read again. `written` is the way out, `error` what a mistake is called, and `open` what an
//! address is good for.

mod error;
mod open;
mod parse;
mod written;

pub use error::NetAddressError;

use std::{
    ffi::OsStr,
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    os::{fd::RawFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
    str::FromStr,
};

/// Where to connect to, or to listen: one type for what programs are told on their command line or in
/// configuration.
///
/// | written | means |
/// | --- | --- |
/// | `tcp:HOST:PORT` | TCP; a host name, an IPv4 address, or an IPv6 address in brackets |
/// | `unix:PATH` | a unix socket in the file system |
/// | `unix:@NAME` | a unix socket in Linux's abstract namespace |
/// | `vsock:CID:PORT` | a socket between a virtual machine and its host |
/// | `fd:N` | a descriptor that this process was started with |
///
/// What [`Display`](fmt::Display) writes, [`FromStr`] reads, and it is the same address. There may be several ways
/// to write one; nothing is looked up until the address is used.
///
/// - **Everywhere**: the scheme is in lower case, numbers are decimal digits, and spaces have no place but in
///   paths and names. What stands too much is an error, never ignored.
/// - **`HOST`**: a name stays a name, and is looked up each time it is used. `localhost` is this machine, without a
///   look-up. A name has letters, of any script, digits, `-` and `_`, in parts of 1 to 63 between dots; one
///   whose last part is a number is an IPv4 address, of four numbers without leading zeros. An IPv6 address may
///   have a scope, `[fe80::1%eth0]` or `[fe80::1%2]`. No host at all, `tcp::80`, is every address of this machine,
///   for listening; there is no `*`.
/// - **`PORT`**: 0 to 65535, with 0 for one that the system chooses, for listening. Names of services are not
///   read, as they mean different things on different machines.
/// - **`PATH`** and **`NAME`**: anything, with `%` and two hexadecimal digits for bytes that could not be written
///   otherwise: `%25` is `%` itself. Control characters must be written so, and bytes that are no UTF-8,
///   and the `@` of a path that begins with it. A path, absolute or relative, has 1 to 107 bytes and no NUL; a
///   name has 1 to 107 bytes, of which any may be NUL.
/// - **`CID`**: a number, or `any` for listening, `local` for this machine, `host` for the machine that this one
///   runs on. The port is a number of 32 bits, or `any` for one that the system chooses.
/// - **`N`**: the number of an open descriptor. See [`connect`](Self::connect) for what becomes of it.
///
/// # Examples
///
/// ```
/// use qio::{NetAddress, prelude::*};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let listener = "tcp:127.0.0.1:0".parse::<NetAddress>()?.listen(16)?;
/// let address = NetAddress::try_from(&listener.local_address()?)?;
/// assert!(address.to_string().starts_with("tcp:127.0.0.1:"));
/// address.connect()?.write_all(b"hello")?;
///
/// let mistake = "tcp:localhost:http".parse::<NetAddress>().unwrap_err();
/// assert_eq!(
///     mistake.to_string(),
///     "Unable to read the address \"tcp:localhost:http\": \
///      expected a port from 0 to 65535 at character 15, not \"http\""
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, glib::Boxed)]
#[boxed_type(name = "QIONetAddress")]
#[doc(alias = "QIONetAddress")]
#[doc(alias = "qio_net_address_copy")]
#[doc(alias = "qio_net_address_free")]
#[doc(alias = "qio_net_address_equal")]
pub struct NetAddress(Kind);

static_assertions::assert_impl_all!(NetAddress: Send, Sync);

/// What an address is, as `parse` has found it to be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Kind {
    Tcp {
        host: Host,
        port: u16,
    },
    /// Of 1 to [`LONGEST`] bytes, without NUL.
    Unix(PathBuf),
    /// Of 1 to [`LONGEST`] bytes.
    Abstract(Vec<u8>),
    Vsock {
        cid: u32,
        port: u32,
    },
    /// Not negative.
    Fd(RawFd),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Host {
    /// Every address of this machine.
    Any,
    Name(String),
    V4(Ipv4Addr),
    /// With the name, or the number, of a network interface.
    V6(Ipv6Addr, Option<String>),
}

/// The most bytes of a unix path, or of an abstract name: a place of 108, less the NUL behind or before it.
const LONGEST: usize = 107;

/// What a CID, and a port, is called that stands for whichever there is.
const VSOCK_ANY: u32 = libc::VMADDR_CID_ANY;

/// The CIDs that have names.
const CIDS: [(&str, u32); 3] = [
    ("any", VSOCK_ANY),
    ("local", libc::VMADDR_CID_LOCAL),
    ("host", libc::VMADDR_CID_HOST),
];

impl NetAddress {
    /// An address of TCP. The host is as in the text; an IPv6 address needs no brackets.
    ///
    /// # Errors
    ///
    /// If it is no host.
    pub fn tcp(host: &str, port: u16) -> Result<Self, NetAddressError> {
        let literal = host.split('%').next().unwrap_or_default();
        match literal.parse::<Ipv6Addr>() {
            Ok(_) => format!("tcp:[{host}]:{port}").parse(),
            Err(_) => format!("tcp:{host}:{port}").parse(),
        }
    }

    /// A unix socket in the file system.
    ///
    /// # Errors
    ///
    /// If no socket can have this path: an empty one, one with a NUL, or one of more than 107 bytes.
    pub fn unix(path: impl AsRef<Path>) -> Result<Self, NetAddressError> {
        let path = path.as_ref().as_os_str().as_bytes();
        format!("unix:{}", written::Path(path)).parse()
    }

    /// A unix socket in the abstract namespace.
    ///
    /// # Errors
    ///
    /// If no socket can have this name: an empty one, or one of more than 107 bytes.
    pub fn unix_abstract(name: impl AsRef<[u8]>) -> Result<Self, NetAddressError> {
        format!("unix:@{}", written::Bytes(name.as_ref())).parse()
    }

    /// A socket between a virtual machine and its host. `u32::MAX` stands for any CID, and for any port.
    #[must_use]
    pub fn vsock(cid: u32, port: u32) -> Self {
        Self(Kind::Vsock { cid, port })
    }

    /// A descriptor that this process was started with.
    ///
    /// # Errors
    ///
    /// If the number is negative.
    pub fn fd(number: RawFd) -> Result<Self, NetAddressError> {
        format!("fd:{number}").parse()
    }

    /// What the text begins with: `tcp`, `unix`, `vsock` or `fd`.
    #[doc(alias = "qio_net_address_get_scheme")]
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        match self.0 {
            Kind::Tcp { .. } => "tcp",
            Kind::Unix(_) | Kind::Abstract(_) => "unix",
            Kind::Vsock { .. } => "vsock",
            Kind::Fd(_) => "fd",
        }
    }

    /// The host of an address of TCP, if there is one, as a certificate or another protocol has it: a name, or an
    /// address without brackets and without its scope.
    #[doc(alias = "qio_net_address_get_host")]
    #[must_use]
    pub fn host(&self) -> Option<String> {
        match &self.0 {
            Kind::Tcp { host, .. } => match host {
                Host::Any => None,
                Host::Name(name) => Some(name.clone()),
                Host::V4(address) => Some(address.to_string()),
                Host::V6(address, _) => Some(address.to_string()),
            },
            _ => None,
        }
    }
}

impl FromStr for NetAddress {
    type Err = NetAddressError;

    #[doc(alias = "qio_net_address_new_from_string")]
    fn from_str(text: &str) -> Result<Self, NetAddressError> {
        parse::parse(text).map(Self)
    }
}

/// Of arguments of the command line, for example.
impl TryFrom<&OsStr> for NetAddress {
    type Error = NetAddressError;

    fn try_from(text: &OsStr) -> Result<Self, NetAddressError> {
        parse::parse_bytes(text.as_bytes()).map(Self)
    }
}

impl fmt::Display for NetAddress {
    #[doc(alias = "qio_net_address_to_string")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        written::write(&self.0, f)
    }
}
