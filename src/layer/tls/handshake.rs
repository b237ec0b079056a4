//! Preparing a connection: the name of the server that a client asks for, and expects in its
//! certificate.

use std::{io, sync::Arc};

use glib::GString;
use openssl::{
    ssl::{Ssl, SslRef, SslVersion},
    x509::verify::X509CheckFlags,
};

use super::{TlsCreds, TlsEndpoint, failure::of_stack, link::Connection, peer::Peer};
use crate::error::invalid;

/// A connection of these credentials, with what is asked of its peer.
pub(super) fn prepare(creds: &TlsCreds, hostname: Option<&str>) -> io::Result<(Ssl, Arc<Peer>)> {
    let failed = |e| of_stack("Unable to begin with TLS", &e);
    let mut ssl = Ssl::new(creds.context()).map_err(failed)?;
    if creds.endpoint() == TlsEndpoint::Server {
        ssl.set_accept_state();
        let peer = Peer::attach(&mut ssl, None);
        return Ok((ssl, peer));
    }
    ssl.set_connect_state();
    let name = hostname.map(|name| name.strip_suffix('.').unwrap_or(name));
    match name.filter(|name| !name.is_empty()) {
        Some(name) => expect(&mut ssl, creds, name)?,
        None if creds.verifies_peer() => {
            return Err(invalid(
                "The certificate of a server is checked for its name: say which",
            ));
        }
        None => {}
    }
    let peer = Peer::attach(&mut ssl, name);
    Ok((ssl, peer))
}

/// Asks for the server of this name, or of this address.
fn expect(ssl: &mut SslRef, creds: &TlsCreds, name: &str) -> io::Result<()> {
    if name.contains('\0') {
        return Err(no_name(name));
    }
    let failed = |e| of_stack(&format!("Unable to ask for {name}"), &e);
    // The brackets of an address in a URI are not part of it.
    let bare = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    // Nor is the interface that leads there.
    let bare = bare.unwrap_or(name);
    let address = bare.split('%').next().unwrap_or(bare);
    let verifies = creds.verifies_peer();
    if verifies {
        ssl.param_mut().set_hostflags(
            X509CheckFlags::NO_PARTIAL_WILDCARDS | X509CheckFlags::NEVER_CHECK_SUBJECT,
        );
    }
    match address.parse() {
        Ok(address) if verifies => ssl.param_mut().set_ip(address).map_err(failed)?,
        Ok(_) => {}
        Err(_) => {
            let name = dns_name(name)?;
            ssl.set_hostname(&name).map_err(failed)?;
            if verifies {
                ssl.param_mut().set_host(&name).map_err(failed)?;
            }
        }
    }
    Ok(())
}

/// A name as it is in certificates, and on the wire.
fn dns_name(name: &str) -> io::Result<GString> {
    let ascii = match name.is_ascii() {
        true => Some(name.into()),
        false => glib::hostname_to_ascii(name),
    };
    ascii
        .filter(|name| is_dns_name(name))
        .ok_or_else(|| no_name(name))
}

/// What a client has asked for, if that can be the name of a server.
pub(super) fn asked_name(name: &str) -> Option<&str> {
    Some(name).filter(|name| name.is_ascii() && is_dns_name(name))
}

/// Whether it is made of labels: nothing that a URI may have beside the name, no pattern, and no
/// address, whose last part is a number.
fn is_dns_name(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    if last.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let is_label = |label: &str| {
        let is_of_it = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (1..=63).contains(&label.len()) && label.bytes().all(is_of_it)
    };
    name.split('.').all(is_label)
}

fn no_name(name: &str) -> io::Error {
    let name = name.escape_debug();
    invalid(&format!(
        "\"{name}\" is no name of a server, as the domain name system has them, nor an address"
    ))
}

impl Connection {
    pub(super) fn protocol_version(&self) -> gio::TlsProtocolVersion {
        let engine = self.engine();
        match engine.ssl().version2() {
            _ if !engine.is_open() => gio::TlsProtocolVersion::Unknown,
            Some(SslVersion::TLS1_2) => gio::TlsProtocolVersion::Tls12,
            Some(SslVersion::TLS1_3) => gio::TlsProtocolVersion::Tls13,
            _ => gio::TlsProtocolVersion::Unknown,
        }
    }
}
