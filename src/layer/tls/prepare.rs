//! Prepares a connection: the name that a client requests (SNI), and verifies.

use std::{io, sync::Arc};

use glib::GString;
use openssl::{
    ssl::{Ssl, SslRef},
    x509::verify::X509CheckFlags,
};

use super::{TlsCreds, TlsEndpoint, failure::of_stack, peer::Peer};
use crate::error::invalid;

/// Returns a connection of these credentials, before its handshake.
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
        Some(name) => set_server_name(&mut ssl, creds, name)?,
        None if creds.verifies_peer() => {
            return Err(invalid(
                "A hostname is required to verify the server certificate",
            ));
        }
        None => {}
    }
    let peer = Peer::attach(&mut ssl, name);
    Ok((ssl, peer))
}

/// Sets the name, or the address, that is requested and verified.
fn set_server_name(ssl: &mut SslRef, creds: &TlsCreds, name: &str) -> io::Result<()> {
    if name.contains('\0') {
        return Err(invalid_name(name));
    }
    let failed = |e| of_stack(&format!("Unable to set the server name {name}"), &e);
    // Without the brackets of an IPv6 address in a URI.
    let bare = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    // Without the zone identifier (RFC 4007).
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

/// A DNS name in A-labels (RFC 5890).
fn dns_name(name: &str) -> io::Result<GString> {
    let ascii = match name.is_ascii() {
        true => Some(name.into()),
        false => glib::hostname_to_ascii(name),
    };
    ascii
        .filter(|name| is_dns_name(name))
        .ok_or_else(|| invalid_name(name))
}

/// The name that a client has requested, if it is a valid DNS name.
pub(super) fn requested_name(name: &str) -> Option<&str> {
    Some(name).filter(|name| name.is_ascii() && is_dns_name(name))
}

/// Whether a name consists of labels, and is no wildcard and no address, whose last label is a
/// number.
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

fn invalid_name(name: &str) -> io::Error {
    let name = name.escape_debug();
    invalid(&format!(
        "\"{name}\" is neither a DNS name nor an IP address"
    ))
}
