//! Addresses of the command line, and the channels that they stand for.
//!
//! `parse` reads them, with their `options` and the `range` of one of these; `open` opens their
//! channels, of which `udp` and `pty` are the less common ones; `proxies` is about connections.
//! `adapted` are their streams, `link` the link to a terminal.

mod adapted;
mod link;
mod open;
mod options;
mod parse;
mod proxies;
mod pty;
mod range;
mod udp;

use std::{
    ffi::{OsStr, OsString},
    fmt, fs,
    net::SocketAddr,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use qio::NetAddress;

pub(crate) use open::at_once;
pub(crate) use options::AddressOptions;
pub(crate) use udp::Listener as DatagramListener;

#[derive(Clone)]
pub(crate) enum Endpoint {
    Connect(NetAddress, Box<AddressOptions>),
    /// Belongs to others as well: its mode stays as it is.
    Fd(NetAddress),
    Listen(Local, Box<AddressOptions>),
    /// Datagrams, to an address or from the first client.
    Udp {
        address: NetAddress,
        bind: Option<SocketAddr>,
        listens: bool,
    },
    /// A terminal that other programs open, by the path of a link.
    Pty(PathBuf),
    /// What has TLS over it connects, or listens, or is a command.
    Tls(Box<Self>),
    /// A WebSocket over TCP, or over TLS over that, with its path, which may be empty.
    Websock(Box<Self>, String),
    Exec(Vec<OsString>),
    File(PathBuf),
    Stdio,
}

/// What is listened on.
#[derive(Clone)]
pub(crate) enum Local {
    Address(NetAddress),
    /// The sockets that the service manager passes, with this name or any.
    Activated(Option<String>),
}

impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Activated(name) => write!(f, "systemd:{}", name.as_deref().unwrap_or_default()),
        }
    }
}

/// How a file is opened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Read,
    Write { append: bool },
}

impl Endpoint {
    /// The same without TLS and WebSocket.
    pub(crate) fn below(&self) -> &Self {
        match self {
            Self::Tls(below) | Self::Websock(below, _) => below.below(),
            this => this,
        }
    }

    pub(crate) fn is_tls(&self) -> bool {
        match self {
            Self::Websock(below, _) => below.is_tls(),
            this => matches!(this, Self::Tls(_)),
        }
    }

    /// The scheme and the path of a WebSocket.
    pub(crate) fn websock(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::Websock(below, path) if below.is_tls() => Some(("wss", path)),
            Self::Websock(_, path) => Some(("ws", path)),
            _ => None,
        }
    }

    /// An address that is used as this one is, in its syntax.
    pub(crate) fn with(&self, address: impl fmt::Display) -> String {
        match (self.websock(), self.is_tls()) {
            (Some((scheme, path)), _) => {
                let address = address.to_string();
                let authority = address.strip_prefix("tcp:").unwrap_or(&address);
                format!("{scheme}:{authority}{path}")
            }
            (None, true) => format!("tls:{address}"),
            (None, false) => address.to_string(),
        }
    }

    pub(crate) fn is_listener(&self) -> bool {
        let is_datagrams = matches!(self, Self::Udp { listens: true, .. });
        is_datagrams || matches!(self.below(), Self::Listen(..))
    }

    /// Whether it sends and receives datagrams.
    pub(crate) fn is_datagrams(&self) -> bool {
        matches!(self, Self::Udp { .. })
    }

    /// The options of the address that is connected to, or listened on.
    pub(crate) fn options(&self) -> Option<&AddressOptions> {
        match self.below() {
            Self::Connect(_, options) | Self::Listen(_, options) => Some(options),
            _ => None,
        }
    }

    /// The name of what it connects to, as a certificate has it.
    pub(crate) fn host(&self) -> Option<String> {
        match self.below() {
            Self::Connect(address, _) => address.host(),
            _ => None,
        }
    }

    /// Whether there is only one of it, for one client.
    pub(crate) fn is_single(&self) -> bool {
        matches!(self, Self::Stdio)
    }

    /// Which regular file it stands for, if it is one that is there: device and inode.
    pub(crate) fn file(&self) -> Option<(u64, u64)> {
        let path = match self {
            Self::File(path) => path.clone(),
            Self::Fd(address) => {
                let number = address.to_string();
                Path::new("/proc/self/fd").join(number.strip_prefix("fd:")?)
            }
            _ => return None,
        };
        let found = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        Some((found.dev(), found.ino()))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(address, _) | Self::Fd(address) => write!(f, "{address}"),
            Self::Listen(local, _) => write!(f, "{local}"),
            Self::Udp {
                address, listens, ..
            } => {
                let address = address.to_string();
                let scheme = if *listens { "udp-listen" } else { "udp" };
                write!(f, "{scheme}:{}", address.trim_start_matches("tcp:"))
            }
            Self::Pty(link) => write!(f, "pty:{}", link.display()),
            Self::Tls(below) | Self::Websock(below, _) => f.write_str(&self.with(below.below())),
            Self::Exec(argv) => write!(f, "exec:{}", argv.join(OsStr::new(" ")).display()),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Stdio => f.write_str("stdio"),
        }
    }
}
