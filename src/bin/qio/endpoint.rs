//! Addresses of the command line, and the channels that they stand for.

use std::{
    ffi::{OsStr, OsString},
    fmt, fs, io,
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::MetadataExt,
    },
    path::{Path, PathBuf},
};

use nix::fcntl::{FcntlArg, fcntl};
use qio::{Channel, ChannelCommand, ChannelFile, NetAddress, prelude::*};

use crate::ends::{Ends, unshared};

#[derive(Clone)]
pub(crate) enum Endpoint {
    Connect(NetAddress),
    /// Belongs to others as well: its mode stays as it is.
    Fd(NetAddress),
    Listen(NetAddress),
    /// What has TLS over it connects, or listens, or is a command.
    Tls(Box<Self>),
    /// A WebSocket over TCP, or over TLS over that, with its path, which may be empty.
    Websock(Box<Self>, String),
    Exec(Vec<OsString>),
    File(PathBuf),
    Stdio,
}

/// How a file is opened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Read,
    Write { append: bool },
}

impl Endpoint {
    /// Parses an address. The error is one line.
    pub(crate) fn read(text: &OsStr) -> Result<Self, String> {
        if text == "-" || text == "stdio" {
            return Ok(Self::Stdio);
        }
        let bytes = text.as_bytes();
        let (scheme, rest) = split(bytes).ok_or_else(|| unknown(text))?;
        let address =
            |text: &[u8]| NetAddress::try_from(OsStr::from_bytes(text)).map_err(|e| e.to_string());
        match scheme {
            b"tcp" | b"unix" | b"vsock" => address(bytes).map(Self::Connect),
            b"fd" => address(bytes).map(Self::Fd),
            b"tcp-listen" => address(&listening(b"tcp:", b":", rest)).map(Self::Listen),
            b"unix-listen" => address(&[b"unix:", rest].concat()).map(Self::Listen),
            b"vsock-listen" => address(&listening(b"vsock:", b"any:", rest)).map(Self::Listen),
            b"tls" | b"tls-listen" => Ok(Self::Tls(Box::new(Self::below_tls(scheme, rest)?))),
            b"ws" | b"wss" | b"ws-listen" | b"wss-listen" => Self::over_websock(scheme, rest),
            b"exec" => match glib::shell_parse_argv(OsStr::from_bytes(rest)) {
                Ok(argv) => Ok(Self::Exec(argv)),
                Err(e) => Err(format!(
                    "Unable to read the command of {}: {}",
                    text.display(),
                    e.message()
                )),
            },
            b"file" if rest.is_empty() => Err("file: needs a path".to_owned()),
            b"file" => Ok(Self::File(OsString::from_vec(rest.to_vec()).into())),
            _ => Err(unknown(text)),
        }
    }

    /// Parses an address to listen on, of which the scheme may be that of connecting.
    pub(crate) fn read_listener(text: &OsStr) -> Result<Self, String> {
        let bytes = text.as_bytes();
        let (scheme, rest) = split(bytes).ok_or_else(|| unknown(text))?;
        match scheme {
            b"tcp" | b"unix" | b"vsock" | b"tls" | b"ws" | b"wss" => {
                Self::read(OsStr::from_bytes(&[scheme, b"-listen:", rest].concat()))
            }
            _ => Self::read(text).and_then(|this| match this.is_listener() {
                true => Ok(this),
                false => Err(format!("there is nothing to listen on: {this}")),
            }),
        }
    }

    /// Reads what TLS goes over: TCP, if no other scheme is named.
    fn below_tls(scheme: &[u8], rest: &[u8]) -> Result<Self, String> {
        let listens = scheme == b"tls-listen";
        let (below, rest) = match split(rest) {
            Some((below @ (b"tcp" | b"unix" | b"vsock"), rest)) => (below, rest),
            Some((below @ b"exec", rest)) if !listens => (below, rest),
            Some((b"exec" | b"fd" | b"file" | b"tls", _)) => {
                let scheme = String::from_utf8_lossy(scheme);
                let text = String::from_utf8_lossy(rest);
                return Err(format!("there is no {scheme}: over {text}"));
            }
            _ => (&b"tcp"[..], rest),
        };
        let suffix: &[u8] = if listens { b"-listen:" } else { b":" };
        let text = [below, suffix, rest].concat();
        Self::read(OsStr::from_bytes(&text))
    }

    /// Reads an address of WebSockets, with or without the slashes of a URI.
    fn over_websock(scheme: &[u8], rest: &[u8]) -> Result<Self, String> {
        let rest = rest.strip_prefix(b"//").unwrap_or(rest);
        let end = rest.iter().position(|byte| b"/?#".contains(byte));
        let (authority, path) = rest.split_at(end.unwrap_or(rest.len()));
        let below: &[u8] = match scheme {
            b"ws" => b"tcp:",
            b"wss" => b"tls:tcp:",
            b"ws-listen" => b"tcp-listen:",
            _ => b"tls-listen:tcp:",
        };
        let below = Self::read(OsStr::from_bytes(&[below, authority].concat()))?;
        let path = String::from_utf8_lossy(path).into_owned();
        Ok(Self::Websock(Box::new(below), path))
    }

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
        matches!(self.below(), Self::Listen(_))
    }

    /// The name of what it connects to, as a certificate has it.
    pub(crate) fn host(&self) -> Option<String> {
        match self.below() {
            Self::Connect(address) => address.host(),
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

    /// Opens what does not listen, without TLS and WebSocket.
    pub(crate) async fn open(&self, mode: Mode) -> io::Result<Channel> {
        let channel = match self.below() {
            Self::Connect(address) => at_once(address.connect_future().await?)?,
            Self::Listen(_) | Self::Tls(_) | Self::Websock(..) => {
                unreachable!("clients are accepted, and layers are not below")
            }
            Self::Fd(address) => as_opened(unshared(address.connect()?))?,
            Self::Exec(argv) => at_once(ChannelCommand::builder(argv).spawn()?.upcast())?,
            Self::File(path) => file(path.clone(), mode).await?,
            Self::Stdio => Ends::stdio()?.upcast(),
        };
        channel.set_name(Some(&self.below().to_string()));
        Ok(channel)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(address) | Self::Fd(address) | Self::Listen(address) => {
                write!(f, "{address}")
            }
            Self::Tls(below) | Self::Websock(below, _) => f.write_str(&self.with(below.below())),
            Self::Exec(argv) => write!(f, "exec:{}", argv.join(OsStr::new(" ")).display()),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Stdio => f.write_str("stdio"),
        }
    }
}

/// The scheme of an address, and the rest.
fn split(address: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = address.iter().position(|&byte| byte == b':')?;
    Some((&address[..colon], &address[colon + 1..]))
}

/// An address to listen on, of a port alone too.
fn listening(scheme: &[u8], any: &[u8], rest: &[u8]) -> Vec<u8> {
    match rest.contains(&b':') {
        true => [scheme, rest].concat(),
        false => [scheme, any, rest].concat(),
    }
}

fn unknown(text: &OsStr) -> String {
    let text = text.display();
    format!("\"{text}\" is no address, such as tcp:HOST:PORT or stdio")
}

/// Makes a channel non-blocking, whose descriptor no other process uses: no poll(2) is needed
/// before each call.
pub(crate) fn at_once(channel: Channel) -> io::Result<Channel> {
    channel.set_blocking(false)?;
    Ok(channel)
}

/// What was opened by others to be read only, or to be written, is like a file of that kind.
fn as_opened(channel: Channel) -> io::Result<Channel> {
    let file = match channel.downcast::<ChannelFile>() {
        Ok(file) => file,
        Err(channel) => return Ok(channel),
    };
    let flags = file.with_fd(|fd| fcntl(fd, FcntlArg::F_GETFL))??;
    Ok(match flags & libc::O_ACCMODE {
        libc::O_RDONLY => Ends::reading(file).upcast(),
        libc::O_WRONLY => Ends::writing(file)?.upcast(),
        _ => file.upcast(),
    })
}

/// Opens a file in a thread: opening a FIFO blocks until its other end is open.
async fn file(path: PathBuf, mode: Mode) -> io::Result<Channel> {
    let open = move || match mode {
        Mode::Read => Ok(Ends::reading(ChannelFile::open(path)?)),
        Mode::Write { append } => {
            let how = if append {
                libc::O_APPEND
            } else {
                libc::O_TRUNC
            };
            let flags = libc::O_WRONLY | libc::O_CREAT | how;
            Ends::writing(ChannelFile::new_path(path, flags, 0o666)?)
        }
    };
    let opened = gio::spawn_blocking(open).await.expect("it does not panic");
    let ends: Ends = opened?;
    Ok(ends.upcast())
}
