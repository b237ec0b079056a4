//! Addresses in text form, as programs and configuration files have them.
//!
//! Every [`NetAddress`] is created by `parse`, so that its string representation can be parsed
//! again. `display` has the string representation, `error` the parse error, and `open` the
//! conversion to GIO's objects and channels.

mod display;
mod error;
mod open;
mod parse;

pub use error::NetAddressError;

use std::{
    ffi::OsStr,
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    os::{fd::RawFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
    str::FromStr,
};

/// An address to connect to, or to listen on, in text form.
///
/// One type for addresses in command lines and configuration files.
///
/// | text | meaning |
/// | --- | --- |
/// | `tcp:HOST:PORT` | TCP; a host name, an IPv4 address, or an IPv6 address in brackets |
/// | `unix:PATH` | a unix socket in the file system |
/// | `unix:@NAME` | a unix socket in Linux's abstract namespace |
/// | `vsock:CID:PORT` | a socket between a virtual machine and its host |
/// | `fd:N` | a descriptor that this process was started with |
///
/// [`FromStr`] parses the output of [`Display`](fmt::Display) to an equal address. An address may
/// have several representations; names are not resolved before the address is used.
///
/// - **All forms**: the scheme is in lower case, numbers are decimal digits, and spaces are allowed
///   only in paths and names. Superfluous text is an error, and never ignored.
/// - **`HOST`**: a name is resolved each time it is used. `localhost` is this machine, without a
///   resolver. A name has letters, of any script, digits, `-` and `_`, in labels of 1 to 63
///   characters between dots; one whose last label is a number is an IPv4 address, of four numbers
///   without leading zeros. An IPv6 address may have a scope, `[fe80::1%eth0]` or `[fe80::1%2]`. An
///   empty host, `tcp::80`, means all addresses of this machine, for listening; there is no `*`.
/// - **`PORT`**: 0 to 65535, with 0 for one that the kernel chooses, for listening. Service names
///   are not supported, as they have different meanings on different machines.
/// - **`PATH`** and **`NAME`**: any bytes, with `%` and two hexadecimal digits for special ones:
///   `%25` is `%` itself. Control characters, invalid UTF-8, and an `@` at the beginning of a path
///   must be escaped. A path, absolute or relative, has 1 to 107 bytes and no NUL; a name has 1 to
///   107 bytes, including NUL.
/// - **`CID`**: a number, or `any` for listening, `local` for this machine, `host` for the machine
///   that this one runs on. The port is a number of 32 bits, or `any` for one that the kernel
///   chooses.
/// - **`N`**: the number of an open descriptor. See [`connect`](Self::connect) for its ownership.
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
/// let error = "tcp:localhost:http".parse::<NetAddress>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "Invalid address \"tcp:localhost:http\": \
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

/// The parts of an address.
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
    /// All addresses of this machine.
    Any,
    Name(String),
    V4(Ipv4Addr),
    /// With the scope: the name, or the number, of a network interface.
    V6(Ipv6Addr, Option<String>),
}

/// The maximum number of bytes of a unix path, or of an abstract name: 108, less one NUL at the end
/// or at the beginning.
const LONGEST: usize = 107;

/// The CID, and the port, that the kernel chooses.
const VSOCK_ANY: u32 = libc::VMADDR_CID_ANY;

/// The CIDs that have names.
const CIDS: [(&str, u32); 3] = [
    ("any", VSOCK_ANY),
    ("local", libc::VMADDR_CID_LOCAL),
    ("host", libc::VMADDR_CID_HOST),
];

impl NetAddress {
    /// Creates a TCP address.
    ///
    /// The host is as in the text; an IPv6 address needs no brackets.
    ///
    /// # Errors
    ///
    /// If the host is invalid.
    pub fn tcp(host: &str, port: u16) -> Result<Self, NetAddressError> {
        let literal = host.split('%').next().unwrap_or_default();
        match literal.parse::<Ipv6Addr>() {
            Ok(_) => format!("tcp:[{host}]:{port}").parse(),
            Err(_) => format!("tcp:{host}:{port}").parse(),
        }
    }

    /// Creates the address of a unix socket in the file system.
    ///
    /// # Errors
    ///
    /// If the path is empty, has a NUL, or more than 107 bytes.
    pub fn unix(path: impl AsRef<Path>) -> Result<Self, NetAddressError> {
        let path = path.as_ref().as_os_str().as_bytes();
        format!("unix:{}", display::Path(path)).parse()
    }

    /// Creates the address of a unix socket in the abstract namespace.
    ///
    /// # Errors
    ///
    /// If the name is empty, or has more than 107 bytes.
    pub fn unix_abstract(name: impl AsRef<[u8]>) -> Result<Self, NetAddressError> {
        format!("unix:@{}", display::Bytes(name.as_ref())).parse()
    }

    /// Creates the address of a socket between a virtual machine and its host.
    ///
    /// `u32::MAX` stands for any CID, and for any port.
    #[must_use]
    pub fn vsock(cid: u32, port: u32) -> Self {
        Self(Kind::Vsock { cid, port })
    }

    /// Creates the address of a descriptor that this process was started with.
    ///
    /// # Errors
    ///
    /// If the number is negative.
    pub fn fd(number: RawFd) -> Result<Self, NetAddressError> {
        format!("fd:{number}").parse()
    }

    /// Returns the scheme: `tcp`, `unix`, `vsock` or `fd`.
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

    /// Returns the host of a TCP address, as in certificates and other protocols.
    ///
    /// A name, or an IP address without brackets and without its scope.
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

/// For command line arguments, for example.
impl TryFrom<&OsStr> for NetAddress {
    type Error = NetAddressError;

    fn try_from(text: &OsStr) -> Result<Self, NetAddressError> {
        parse::parse_bytes(text.as_bytes()).map(Self)
    }
}

impl fmt::Display for NetAddress {
    #[doc(alias = "qio_net_address_to_string")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display::write(&self.0, f)
    }
}
