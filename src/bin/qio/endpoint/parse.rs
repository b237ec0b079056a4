//! The syntax of addresses.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
};

use qio::NetAddress;

use super::{AddressOptions, Endpoint, Local};

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
        let plain = |prefix: &[u8]| {
            let (rest, options) = with_options(scheme, rest)?;
            Ok::<_, String>((address(&[prefix, rest].concat())?, Box::new(options)))
        };
        let listen = |prefix: &[u8], any: &[u8]| {
            let (rest, options) = with_options(scheme, rest)?;
            let local = address(&listening(prefix, any, rest))?;
            Ok::<_, String>(Self::Listen(Local::Address(local), Box::new(options)))
        };
        match scheme {
            b"tcp" => plain(b"tcp:").map(|(address, options)| Self::Connect(address, options)),
            b"unix" => plain(b"unix:").map(|(address, options)| Self::Connect(address, options)),
            b"vsock" => plain(b"vsock:").map(|(address, options)| Self::Connect(address, options)),
            b"fd" => address(bytes).map(Self::Fd),
            b"tcp-listen" => listen(b"tcp:", b":"),
            b"unix-listen" => {
                let (path, options) = with_options(scheme, rest)?;
                let local = address(&[b"unix:", path].concat())?;
                Ok(Self::Listen(Local::Address(local), Box::new(options)))
            }
            b"vsock-listen" => listen(b"vsock:", b"any:"),
            b"systemd" => {
                let (name, options) = with_options(scheme, rest)?;
                let name = (!name.is_empty()).then(|| String::from_utf8_lossy(name).into_owned());
                Ok(Self::Listen(Local::Activated(name), Box::new(options)))
            }
            b"udp" => {
                let (rest, options) = with_options(scheme, rest)?;
                Ok(Self::Udp {
                    address: address(&[b"tcp:", rest].concat())?,
                    bind: options.bind,
                    listens: false,
                })
            }
            b"udp-listen" => {
                let (rest, _) = with_options(scheme, rest)?;
                Ok(Self::Udp {
                    address: address(&listening(b"tcp:", b":", rest))?,
                    bind: None,
                    listens: true,
                })
            }
            b"pty" if rest.is_empty() => Err("pty: needs a path, for a link to it".to_owned()),
            b"pty" => Ok(Self::Pty(OsString::from_vec(rest.to_vec()).into())),
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
            b"tcp" | b"udp" | b"unix" | b"vsock" | b"tls" | b"ws" | b"wss" => {
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
            Some((b"systemd", _)) if listens => return Self::read(OsStr::from_bytes(rest)),
            Some((below @ b"exec", rest)) if !listens => (below, rest),
            Some((b"exec" | b"fd" | b"file" | b"pty" | b"systemd" | b"tls" | b"udp", _)) => {
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
        let comma = rest.iter().position(|&byte| byte == b',');
        let (rest, options) = rest.split_at(comma.unwrap_or(rest.len()));
        let end = rest.iter().position(|byte| b"/?#".contains(byte));
        let (authority, path) = rest.split_at(end.unwrap_or(rest.len()));
        let below: &[u8] = match scheme {
            b"ws" => b"tcp:",
            b"wss" => b"tls:tcp:",
            b"ws-listen" => b"tcp-listen:",
            _ => b"tls-listen:tcp:",
        };
        let below = Self::read(OsStr::from_bytes(&[below, authority, options].concat()))?;
        let path = String::from_utf8_lossy(path).into_owned();
        Ok(Self::Websock(Box::new(below), path))
    }
}

/// The address before the first comma, and the options after it.
fn with_options<'a>(scheme: &[u8], rest: &'a [u8]) -> Result<(&'a [u8], AddressOptions), String> {
    let Some(comma) = rest.iter().position(|&byte| byte == b',') else {
        return Ok((rest, AddressOptions::default()));
    };
    let (scheme, options) = (
        String::from_utf8_lossy(scheme),
        String::from_utf8_lossy(&rest[comma + 1..]),
    );
    Ok((&rest[..comma], AddressOptions::read(&scheme, &options)?))
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
