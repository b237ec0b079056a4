//! The options after an address: `tcp:HOST:PORT,retry=3,timeout=5`.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use gio::prelude::*;
use nix::unistd::{Group, User};

use super::range::Range;
use crate::{cli::seconds, proxy_protocol::Version};

/// The options of an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AddressOptions {
    /// The local address of a connection.
    pub(crate) bind: Option<SocketAddr>,
    /// How often a failed connection is tried again.
    pub(crate) retry: u32,
    /// How long an attempt to connect may take.
    pub(crate) timeout: Option<Duration>,
    /// The PROXY protocol header to send.
    pub(crate) send_proxy: Option<Version>,
    /// A client sends a PROXY protocol header first, within this time.
    pub(crate) expect_proxy: Option<Duration>,
    /// The sources that may connect; empty: all.
    pub(crate) range: Vec<Range>,
    /// The permissions of a unix path.
    pub(crate) mode: Option<u32>,
    /// The user and the group of a unix path.
    pub(crate) owner: Option<(Option<u32>, Option<u32>)>,
    /// Fails if a unix path exists, also if no process listens on it.
    pub(crate) keep_stale: bool,
}

/// The default timeout of a PROXY protocol header.
const PROXY_HEADER: Duration = Duration::from_secs(10);

/// The options that each scheme has, by name.
const OPTIONS: [(&[&str], &[&str]); 6] = [
    (&["tcp"], &["bind", "retry", "timeout", "send-proxy"]),
    (&["unix", "vsock"], &["retry", "timeout", "send-proxy"]),
    (&["tcp-listen", "systemd"], &["range", "expect-proxy"]),
    (
        &["unix-listen"],
        &["mode", "owner", "replace", "expect-proxy"],
    ),
    (&["vsock-listen"], &["expect-proxy"]),
    (&["udp"], &["bind"]),
];

impl AddressOptions {
    /// Connects from the local address, if there is one.
    pub(crate) fn client(&self) -> gio::SocketClient {
        let client = gio::SocketClient::new();
        if let Some(local) = self.bind.map(gio::InetSocketAddress::from) {
            client.set_family(local.family());
            client.set_local_address(Some(&local));
        }
        client
    }

    /// Parses the text after the first comma of an address of this scheme. The error is one line.
    pub(crate) fn read(scheme: &str, text: &str) -> Result<Self, String> {
        let mut this = Self::default();
        let allowed = OPTIONS
            .iter()
            .find(|(schemes, _)| schemes.contains(&scheme));
        let allowed = allowed.map_or(&[][..], |(_, names)| names);
        for option in text.split(',') {
            let (name, value) = match option.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (option, None),
            };
            if !allowed.contains(&name) {
                let names = match allowed {
                    [] => "it has none".to_owned(),
                    names => format!("it has {}", names.join(", ")),
                };
                return Err(format!(
                    "{scheme}: has no option \"{name}\": {names}; a comma in a path is written %2C"
                ));
            }
            this.set(name, value)
                .map_err(|expected| format!("the option \"{option}\" of {scheme}: {expected}"))?;
        }
        Ok(this)
    }

    /// Sets an option. The error completes a sentence.
    fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), String> {
        let needed = |what: &str| value.ok_or_else(|| format!("expected {name}={what}"));
        match name {
            "bind" => self.bind = Some(socket_address(needed("ADDRESS[:PORT]")?)?),
            "retry" => {
                let count = needed("COUNT")?.parse();
                self.retry = count.map_err(|_| "expected a number".to_owned())?;
            }
            "timeout" => self.timeout = Some(seconds(needed("SECONDS")?)?),
            "send-proxy" => {
                self.send_proxy = Some(match value {
                    None | Some("2") => Version::V2,
                    Some("1") => Version::V1,
                    Some(_) => return Err("expected 1 or 2".to_owned()),
                });
            }
            "range" => self.range.push(needed("ADDRESS/BITS")?.parse()?),
            "mode" => {
                let mode = u32::from_str_radix(needed("OCTAL")?, 8).ok();
                let mode = mode.filter(|mode| *mode <= 0o7777);
                self.mode = Some(mode.ok_or("expected octal permissions, such as 0660")?);
            }
            "owner" => self.owner = Some(owner(needed("USER[:GROUP]")?)?),
            "replace" => {
                self.keep_stale = match value {
                    None | Some("stale") => false,
                    Some("no") => true,
                    Some(_) => return Err("expected stale or no".to_owned()),
                };
            }
            _ => self.expect_proxy = Some(value.map_or(Ok(PROXY_HEADER), seconds)?),
        }
        Ok(())
    }
}

/// An address with or without a port, as for `bind`.
fn socket_address(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse().ok();
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let address = address.or_else(|| Some(SocketAddr::new(bare.parse::<IpAddr>().ok()?, 0)));
    address.ok_or_else(|| "expected an IP address, with or without a port".to_owned())
}

/// A user, a group, or both, by name or by number.
fn owner(text: &str) -> Result<(Option<u32>, Option<u32>), String> {
    let (user, group) = text.split_once(':').unwrap_or((text, ""));
    if user.is_empty() && group.is_empty() {
        return Err("expected a user, a group after a colon, or both".to_owned());
    }
    let user = id(user, "user", |name| {
        Ok(User::from_name(name)?.map(|user| user.uid.as_raw()))
    })?;
    let group = id(group, "group", |name| {
        Ok(Group::from_name(name)?.map(|group| group.gid.as_raw()))
    })?;
    Ok((user, group))
}

fn id(
    text: &str,
    kind: &str,
    by_name: impl FnOnce(&str) -> nix::Result<Option<u32>>,
) -> Result<Option<u32>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    if let Ok(number) = text.parse() {
        return Ok(Some(number));
    }
    match by_name(text) {
        Ok(Some(number)) => Ok(Some(number)),
        Ok(None) => Err(format!("there is no {kind} \"{text}\"")),
        Err(e) => Err(format!("the {kind} \"{text}\" is not found: {}", e.desc())),
    }
}
