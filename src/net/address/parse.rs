//! Parses addresses. Errors have their position.

use std::{
    borrow::Cow,
    ffi::OsString,
    net::{Ipv4Addr, Ipv6Addr},
    ops::Range,
    os::unix::ffi::OsStringExt,
    str::FromStr,
};

use super::{CIDS, Host, Kind, LONGEST, NetAddressError, VSOCK_ANY, display, error::ParseError};

pub(super) fn parse(text: &str) -> Result<Kind, NetAddressError> {
    kind(Part {
        text,
        range: 0..text.len(),
    })
    .map_err(|error| NetAddressError::new(text, error))
}

/// As [`parse`], for bytes that may be invalid UTF-8.
pub(super) fn parse_bytes(bytes: &[u8]) -> Result<Kind, NetAddressError> {
    let e = match std::str::from_utf8(bytes) {
        Ok(text) => return parse(text),
        Err(e) => e,
    };
    let text = String::from_utf8_lossy(bytes);
    let start = e.valid_up_to();
    let wrong = Part {
        text: &text,
        range: start..start + char::REPLACEMENT_CHARACTER.len_utf8(),
    };
    let code = code_of(&bytes[start..=start]);
    Err(NetAddressError::new(&text, wrong.instead_of(code)))
}

/// A part of the text, with its position.
#[derive(Clone)]
struct Part<'a> {
    text: &'a str,
    range: Range<usize>,
}

impl<'a> Part<'a> {
    fn as_str(&self) -> &'a str {
        &self.text[self.range.clone()]
    }

    /// A slice of this part.
    fn slice(&self, range: Range<usize>) -> Self {
        let start = self.range.start;
        Self {
            text: self.text,
            range: start + range.start..start + range.end,
        }
    }

    fn from(&self, start: usize) -> Self {
        self.slice(start..self.range.len())
    }

    fn until(&self, end: usize) -> Self {
        self.slice(0..end)
    }

    /// The error that something else was expected in place of this part.
    fn instead_of(&self, expected: impl Into<Cow<'static, str>>) -> ParseError {
        ParseError {
            found: self.range.clone(),
            expected: expected.into(),
        }
    }

    /// Splits at the first of these characters.
    fn split(&self, at: char) -> Option<(Self, Self)> {
        let place = self.as_str().find(at)?;
        Some((self.until(place), self.from(place + at.len_utf8())))
    }

    /// A number, of digits and nothing else.
    fn number<N: FromStr>(&self) -> Option<N> {
        let digits = self.as_str();
        let only = digits.bytes().all(|byte| byte.is_ascii_digit());
        only.then(|| digits.parse().ok()).flatten()
    }
}

fn kind(text: Part<'_>) -> Result<Kind, ParseError> {
    const SCHEMES: &str = "\"tcp:\", \"unix:\", \"vsock:\" or \"fd:\"";
    let Some((scheme, rest)) = text.split(':') else {
        return Err(text.instead_of(SCHEMES));
    };
    match scheme.as_str() {
        "tcp" => tcp(rest),
        "unix" => unix(rest),
        "vsock" => vsock(rest),
        "fd" => fd(rest),
        _ => Err(text.until(scheme.range.len() + 1).instead_of(SCHEMES)),
    }
}

fn tcp(rest: Part<'_>) -> Result<Kind, ParseError> {
    let (host, port) = match rest.as_str().starts_with('[') {
        true => bracketed(&rest.from(1))?,
        false => plain(&rest)?,
    };
    match port.number() {
        Some(port) => Ok(Kind::Tcp { host, port }),
        None => Err(port.instead_of("a port from 0 to 65535")),
    }
}

/// An IPv6 address, and the rest behind its bracket and a colon.
fn bracketed<'a>(rest: &Part<'a>) -> Result<(Host, Part<'a>), ParseError> {
    let Some((inside, behind)) = rest.split(']') else {
        let end = rest.from(rest.range.len());
        return Err(end.instead_of("\"]\" after the IPv6 address"));
    };
    let (address, scope) = match inside.split('%') {
        Some((address, scope)) => (address, Some(interface(&scope)?)),
        None => (inside, None),
    };
    let Ok(v6) = address.as_str().parse::<Ipv6Addr>() else {
        return Err(address.instead_of("an IPv6 address"));
    };
    match behind.as_str().starts_with(':') {
        true => Ok((Host::V6(v6, scope), behind.from(1))),
        false => Err(behind.instead_of(PORT_MISSING)),
    }
}

const PORT_MISSING: &str = "\":\" and a port";

/// A name or a number, within the limits of the kernel for names.
fn interface(scope: &Part<'_>) -> Result<String, ParseError> {
    const LONGEST_NAME: usize = 15;
    let name = scope.as_str();
    let is_name = name.len() <= LONGEST_NAME
        && !name.bytes().all(|byte| byte.is_ascii_digit())
        && ![".", ".."].contains(&name)
        && !name.contains(|c: char| "/:[%".contains(c) || c.is_whitespace() || c.is_control());
    match scope.number::<u32>() {
        Some(number @ 1..) => Ok(number.to_string()),
        None if is_name => Ok(name.to_owned()),
        _ => Err(scope.instead_of("the name or the number of a network interface")),
    }
}

/// A name, an IPv4 address or nothing, and the rest behind the colon.
fn plain<'a>(rest: &Part<'a>) -> Result<(Host, Part<'a>), ParseError> {
    // All but the last part may be an IPv6 address without brackets.
    let last = rest.as_str().rfind(':').unwrap_or_default();
    for end in [last, rest.range.len()] {
        let bare = rest.until(end);
        let literal = bare.as_str().split('%').next().unwrap_or_default();
        if literal.parse::<Ipv6Addr>().is_ok() {
            return Err(bare.instead_of("an IPv6 address in brackets, as in [::1]"));
        }
    }
    match rest.split(':') {
        Some((host, port)) => Ok((plain_host(&host)?, port)),
        None => {
            plain_host(rest)?;
            Err(rest.from(rest.range.len()).instead_of(PORT_MISSING))
        }
    }
}

fn plain_host(host: &Part<'_>) -> Result<Host, ParseError> {
    const LONGEST_LABEL: usize = 63;
    const LONGEST_NAME: usize = 253;
    if host.range.is_empty() {
        return Ok(Host::Any);
    }
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    if let Some((at, c)) = host.as_str().char_indices().find(|(_, c)| !is_part(*c)) {
        let wrong = host.slice(at..at + c.len_utf8());
        return Err(wrong.instead_of("a letter, a digit, \"-\", \"_\" or \".\""));
    }
    // One dot at the end is allowed: the name is fully qualified then.
    let name = match host.as_str().strip_suffix('.') {
        Some(name) => host.until(name.len()),
        None => host.clone(),
    };
    let mut start = 0;
    let mut last = "";
    for label in name.as_str().split('.') {
        if label.is_empty() {
            // The dot, or the character that is there.
            let end = host.range.len().min(start + 1);
            return Err(host.slice(start..end).instead_of("a letter or a digit"));
        }
        if label.chars().count() > LONGEST_LABEL {
            let long = host.slice(start..start + label.len());
            return Err(long.instead_of("at most 63 characters between dots"));
        }
        start += label.len() + 1;
        last = label;
    }
    if name.as_str().chars().count() > LONGEST_NAME {
        return Err(host.instead_of("a host of at most 253 characters"));
    }
    if !is_numeric(last) {
        return Ok(Host::Name(host.as_str().to_owned()));
    }
    match host.as_str().parse::<Ipv4Addr>() {
        Ok(address) => Ok(Host::V4(address)),
        Err(_) => Err(host.instead_of("four numbers from 0 to 255, as in 127.0.0.1")),
    }
}

/// Whether resolvers interpret this label as a number.
fn is_numeric(label: &str) -> bool {
    let hexadecimal = label.strip_prefix("0x").or(label.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

fn unix(rest: Part<'_>) -> Result<Kind, ParseError> {
    if rest.range.is_empty() {
        return Err(rest.instead_of("a path, or \"@\" and a name"));
    }
    let is_abstract = rest.as_str().starts_with('@');
    let part = rest.from(is_abstract.into());
    if part.range.is_empty() {
        return Err(part.instead_of("a name"));
    }
    let bytes = decoded(&part, is_abstract)?;
    Ok(match is_abstract {
        true => Kind::Abstract(bytes),
        false => Kind::Unix(OsString::from_vec(bytes).into()),
    })
}

/// Decodes the bytes in a part of the text.
fn decoded(part: &Part<'_>, nul: bool) -> Result<Vec<u8>, ParseError> {
    let mut bytes = Vec::with_capacity(part.range.len().min(LONGEST));
    let mut place = 0;
    while let Some(c) = part.from(place).as_str().chars().next() {
        let (here, mut utf8) = (place, [0; 4]);
        let new = match c {
            '%' => {
                utf8[0] = code(&part.from(here + 1))?;
                place += "%00".len();
                &utf8[..1]
            }
            c => {
                place += c.len_utf8();
                c.encode_utf8(&mut utf8).as_bytes()
            }
        };
        let this = part.slice(here..place);
        if new == [0] && !nul {
            return Err(this.instead_of("a path without NUL"));
        }
        if c.is_control() {
            return Err(this.instead_of(code_of(new)));
        }
        if bytes.len() + new.len() > LONGEST {
            return Err(part.from(here).instead_of("the end after 107 bytes"));
        }
        bytes.extend_from_slice(new);
    }
    Ok(bytes)
}

/// The byte of two hexadecimal digits.
fn code(behind: &Part<'_>) -> Result<u8, ParseError> {
    let digits: String = behind.as_str().chars().take(2).collect();
    let is_code = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    match u8::from_str_radix(&digits, 16) {
        Ok(byte) if is_code => Ok(byte),
        _ => Err(behind
            .until(digits.len())
            .instead_of("two hexadecimal digits after \"%\", which is itself \"%25\"")),
    }
}

/// The escape sequence of a character.
fn code_of(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    display::codes(&mut text, bytes).expect("a string takes everything");
    text + "\""
}

fn vsock(rest: Part<'_>) -> Result<Kind, ParseError> {
    let (cid, port) = match rest.split(':') {
        Some((cid, port)) => (cid, Some(port)),
        None => (rest.clone(), None),
    };
    let named = CIDS.iter().find(|(name, _)| *name == cid.as_str());
    let Some(cid) = named.map(|(_, number)| *number).or(cid.number()) else {
        return Err(cid.instead_of("a CID from 0 to 4294967295, \"any\", \"local\" or \"host\""));
    };
    let Some(port) = port else {
        return Err(rest.from(rest.range.len()).instead_of(PORT_MISSING));
    };
    match port.as_str() {
        "any" => Some(VSOCK_ANY),
        _ => port.number(),
    }
    .map(|port| Kind::Vsock { cid, port })
    .ok_or_else(|| port.instead_of("a port from 0 to 4294967295, or \"any\""))
}

fn fd(rest: Part<'_>) -> Result<Kind, ParseError> {
    match rest.number() {
        Some(number) => Ok(Kind::Fd(number)),
        None => Err(rest.instead_of("the number of a file descriptor")),
    }
}
