//! The PROXY protocol, versions 1 and 2: the addresses of a client that a proxy has accepted.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use qio::{Channel, IoFutureExt, prelude::*};

/// What the header of version 2 begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// The maximum length of a header of version 1, with its line end.
const LONGEST_V1: usize = 107;

/// The maximum length of what follows the first 16 bytes in version 2: addresses, and extensions of
/// which the largest known ones are certificates.
const LONGEST_V2: usize = 4096;

/// The version of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
}

/// The addresses of a connection: of the client, and what it connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Addresses {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
}

/// Encodes a header. `None`: the connection has no IP addresses, or is the proxy's own.
pub(crate) fn encode(version: Version, addresses: Option<Addresses>) -> Vec<u8> {
    let addresses = addresses.map(
        |Addresses {
             source,
             destination,
         }| {
            let both = (source.ip().to_canonical(), destination.ip().to_canonical());
            let ips = match both {
                (IpAddr::V4(from), IpAddr::V4(to)) => Ips::V4(from, to),
                (from, to) => Ips::V6(mapped(from), mapped(to)),
            };
            (ips, source.port(), destination.port())
        },
    );
    match version {
        Version::V1 => encode_v1(addresses).into_bytes(),
        Version::V2 => encode_v2(addresses),
    }
}

/// Both addresses, in one family.
enum Ips {
    V4(Ipv4Addr, Ipv4Addr),
    V6(Ipv6Addr, Ipv6Addr),
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

fn encode_v1(addresses: Option<(Ips, u16, u16)>) -> String {
    match addresses {
        None => "PROXY UNKNOWN\r\n".to_owned(),
        Some((Ips::V4(from, to), source, destination)) => {
            format!("PROXY TCP4 {from} {to} {source} {destination}\r\n")
        }
        Some((Ips::V6(from, to), source, destination)) => {
            format!("PROXY TCP6 {from} {to} {source} {destination}\r\n")
        }
    }
}

fn encode_v2(addresses: Option<(Ips, u16, u16)>) -> Vec<u8> {
    let (command, family, content) = match addresses {
        None => (0x20, 0x00, Vec::new()),
        Some((ips, source, destination)) => {
            let (family, mut content) = match ips {
                Ips::V4(from, to) => (0x11, [from.octets(), to.octets()].concat()),
                Ips::V6(from, to) => (0x21, [from.octets(), to.octets()].concat()),
            };
            content.extend(source.to_be_bytes());
            content.extend(destination.to_be_bytes());
            (0x21, family, content)
        }
    };
    let mut header = SIGNATURE.to_vec();
    header.extend([command, family]);
    // At most 36 bytes.
    header.extend((content.len() as u16).to_be_bytes());
    header.extend(content);
    header
}

/// Reads the header of a connection, of either version, and nothing after it.
///
/// `None`: the proxy does not pass addresses on.
pub(crate) async fn read(channel: &Channel, limit: Duration) -> io::Result<Option<Addresses>> {
    let result = header(channel).or_timeout(limit).await;
    result.map_err(|e| io::Error::new(e.kind(), format!("Unable to read the PROXY header: {e}")))
}

async fn header(channel: &Channel) -> io::Result<Option<Addresses>> {
    // No header is shorter.
    let mut start = [0; SIGNATURE.len()];
    channel.read_all_future(&mut start[..]).await?;
    if start == SIGNATURE {
        return header_v2(channel).await;
    }
    if !start.starts_with(b"PROXY ") {
        return Err(invalid("the connection begins with something else"));
    }
    let left = LONGEST_V1 - start.len();
    let rest = channel.read_until_future(b"\n", left).await?;
    let rest = rest.ok_or_else(|| invalid("the line has no end"))?;
    let line = [&start[..], &rest].concat();
    let line = std::str::from_utf8(&line).ok();
    let line = line.map(|line| line.trim_end_matches('\n').trim_end_matches('\r'));
    line.and_then(parse_v1)
        .ok_or_else(|| invalid("the line is malformed"))
}

/// Parses a line of version 1, without its end.
fn parse_v1(line: &str) -> Option<Option<Addresses>> {
    let mut words = line.split(' ').skip(1);
    let family = words.next()?;
    if family == "UNKNOWN" {
        return Some(None);
    }
    let [from, to, source, destination] = [(); 4].map(|()| words.next());
    let ip = |text: Option<&str>| text?.parse::<IpAddr>().ok();
    let port = |text: Option<&str>| text?.parse::<u16>().ok();
    let (from, to) = (ip(from)?, ip(to)?);
    let fits = match family {
        "TCP4" => from.is_ipv4() && to.is_ipv4(),
        "TCP6" => from.is_ipv6() && to.is_ipv6(),
        _ => false,
    };
    (fits && words.next().is_none()).then_some(Some(Addresses {
        source: SocketAddr::new(from, port(source)?),
        destination: SocketAddr::new(to, port(destination)?),
    }))
}

async fn header_v2(channel: &Channel) -> io::Result<Option<Addresses>> {
    let mut fixed = [0; 4];
    channel.read_all_future(&mut fixed[..]).await?;
    let [command, family, high, low] = fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > LONGEST_V2 {
        return Err(invalid(&format!(
            "it has {length} bytes, more than {LONGEST_V2}"
        )));
    }
    let mut content = vec![0; length];
    channel.read_all_future(&mut content[..]).await?;
    parse_v2(command, family, &content)
}

fn parse_v2(command: u8, family: u8, content: &[u8]) -> io::Result<Option<Addresses>> {
    match command {
        0x21 => {}
        // A health check of the proxy itself.
        0x20 => return Ok(None),
        _ => return Err(invalid(&format!("there is no command {command:#04x}"))),
    }
    let too_short = || invalid("its addresses are cut off");
    match family {
        0x11 => {
            let (from, rest) = content.split_first_chunk::<4>().ok_or_else(too_short)?;
            let (to, rest) = rest.split_first_chunk::<4>().ok_or_else(too_short)?;
            with_ports((*from).into(), (*to).into(), rest).ok_or_else(too_short)
        }
        0x21 => {
            let (from, rest) = content.split_first_chunk::<16>().ok_or_else(too_short)?;
            let (to, rest) = rest.split_first_chunk::<16>().ok_or_else(too_short)?;
            with_ports((*from).into(), (*to).into(), rest).ok_or_else(too_short)
        }
        // Unspecified, datagrams, or unix sockets.
        _ => Ok(None),
    }
}

fn with_ports(from: IpAddr, to: IpAddr, rest: &[u8]) -> Option<Option<Addresses>> {
    let (source, rest) = rest.split_first_chunk::<2>()?;
    let (destination, _extensions) = rest.split_first_chunk::<2>()?;
    Some(Some(Addresses {
        source: SocketAddr::new(from, u16::from_be_bytes(*source)),
        destination: SocketAddr::new(to, u16::from_be_bytes(*destination)),
    }))
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}
