//! TLS: the options of the command line, and the handshake.

use std::{cell::RefCell, ffi::OsString, io, path::PathBuf, time::Duration};

use gio::{TlsAuthenticationMode, TlsProtocolVersion, prelude::*};
use qio::{Channel, ChannelTls, IoFutureExt, TlsCreds, TlsCredsBuilder, TlsEndpoint, prelude::*};

use crate::{
    endpoint::{Endpoint, at_once},
    options::seconds,
};

/// The default timeout of a handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The options, and which of the addresses each is for: the one that connects, and the one that
/// listens.
const OPTIONS: [(&str, bool, bool); 12] = [
    ("--tls-dir", true, true),
    ("--tls-ca", true, true),
    ("--tls-cert", true, true),
    ("--tls-key", true, true),
    ("--tls-psk", true, true),
    ("--tls-user", true, false),
    ("--tls-name", true, false),
    ("--tls-clients", false, true),
    ("--tls-min", true, true),
    ("--tls-alpn", true, true),
    ("--tls-close-notify", true, true),
    ("--tls-timeout", true, true),
];

/// The options of the command line.
#[derive(Clone, Default)]
pub(crate) struct TlsOptions {
    /// The names of the options that are there.
    given: Vec<String>,
    directory: Option<PathBuf>,
    ca: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    psk: Option<PathBuf>,
    user: Option<String>,
    name: Option<String>,
    clients: Option<TlsAuthenticationMode>,
    min: Option<TlsProtocolVersion>,
    alpn: Option<String>,
    /// An end without close_notify is an end as well.
    lenient: bool,
    timeout: Option<Duration>,
}

impl TlsOptions {
    /// Whether there is such an option.
    pub(crate) fn has(name: &str) -> bool {
        OPTIONS.iter().any(|(option, ..)| *option == name)
    }

    /// Parses an option that [exists](Self::has). The error is one line.
    pub(crate) fn take(&mut self, name: &str, value: Option<OsString>) -> Result<(), String> {
        let value = value.ok_or_else(|| format!("{name} needs a value"))?;
        let text = value.to_string_lossy().into_owned();
        let path = Some(PathBuf::from(&value));
        let one_of = |all| format!("{name} is {all}, not \"{text}\"");
        match name {
            "--tls-dir" => self.directory = path,
            "--tls-ca" => self.ca = path,
            "--tls-cert" => self.certificate = path,
            "--tls-key" => self.key = path,
            "--tls-psk" => self.psk = path,
            "--tls-user" => self.user = Some(text),
            "--tls-name" => self.name = Some(text),
            "--tls-clients" => {
                self.clients = Some(match &*text {
                    "off" => TlsAuthenticationMode::None,
                    "optional" => TlsAuthenticationMode::Requested,
                    "required" => TlsAuthenticationMode::Required,
                    _ => return Err(one_of("off, optional or required")),
                });
            }
            "--tls-min" => {
                self.min = Some(match &*text {
                    "1.2" => TlsProtocolVersion::Tls12,
                    "1.3" => TlsProtocolVersion::Tls13,
                    _ => return Err(one_of("1.2 or 1.3")),
                });
            }
            "--tls-alpn" => self.alpn = Some(text),
            "--tls-close-notify" => {
                self.lenient = match &*text {
                    "required" => false,
                    "optional" => true,
                    _ => return Err(one_of("required or optional")),
                };
            }
            _ => self.timeout = Some(seconds(name, Some(value))?),
        }
        self.given.push(name.to_owned());
        Ok(())
    }

    /// Fails, with one line, for options that the addresses need or cannot use.
    pub(crate) fn check(&self, endpoints: [&Endpoint; 2]) -> Result<(), String> {
        let tls = || endpoints.into_iter().filter(|endpoint| endpoint.is_tls());
        let listens = tls().any(Endpoint::is_listener);
        let connects = tls().any(|endpoint| !endpoint.is_listener());
        for given in &self.given {
            let option = OPTIONS.iter().find(|(option, ..)| option == given);
            let (_, connecting, listening) = option.expect("taken");
            let missing = match (connecting, listening) {
                (true, true) if !connects && !listens => "tls:, wss:, tls-listen: or wss-listen:",
                (true, false) if !connects => "tls: or wss:",
                (false, true) if !listens => "tls-listen: or wss-listen:",
                _ => continue,
            };
            return Err(format!("{given} is for an address {missing}"));
        }
        if self.key.is_some() && self.certificate.is_none() {
            return Err("--tls-key is for a certificate: --tls-cert is missing".to_owned());
        }
        if self.user.is_some() && self.psk.is_none() {
            return Err("--tls-user is for keys: --tls-psk is missing".to_owned());
        }
        let has_certificate = self.certificate.is_some() || self.directory.is_some();
        if listens && !has_certificate && self.psk.is_none() {
            let listener = tls().find(|endpoint| endpoint.is_listener());
            let scheme = match listener.and_then(Endpoint::websock) {
                Some((scheme, _)) => scheme,
                None => "tls",
            };
            return Err(format!(
                "{scheme}-listen: needs --tls-dir, --tls-cert or --tls-psk; see relay --help"
            ));
        }
        let by_key = self.psk.is_some() && self.ca.is_none() && self.directory.is_none();
        let unnamed = tls().find(|endpoint| !endpoint.is_listener() && endpoint.host().is_none());
        match unnamed.filter(|_| self.name.is_none() && !by_key) {
            Some(endpoint) => Err(format!(
                "{endpoint} has no name that its certificate could be for: --tls-name is missing"
            )),
            None => Ok(()),
        }
    }

    /// How long a handshake may take.
    pub(crate) fn deadline(&self) -> Duration {
        self.timeout.unwrap_or(HANDSHAKE)
    }

    fn creds(&self, end: TlsEndpoint) -> io::Result<TlsCreds> {
        let mut builder = TlsCreds::builder(end);
        builder = with(builder, &self.directory, |it, path| it.directory(path));
        builder = with(builder, &self.ca, |it, path| it.trust_file(path));
        builder = with(builder, &self.certificate, |it, path| {
            it.certificate_files(path, self.key.as_ref().unwrap_or(path))
        });
        builder = with(builder, &self.psk, |it, path| it.psk_file(path));
        builder = with(builder, &self.min, |it, version| it.min_version(*version));
        builder = with(builder, &self.alpn, |it, names| {
            it.alpn_protocols(names.split(','))
        });
        builder = match end {
            TlsEndpoint::Client => with(builder, &self.user, |it, name| it.psk_user(name)),
            TlsEndpoint::Server => with(builder, &self.clients, |it, mode| {
                it.client_certificates(*mode)
            }),
        };
        builder.build()
    }
}

fn with<T>(
    builder: TlsCredsBuilder,
    option: &Option<T>,
    add: impl FnOnce(TlsCredsBuilder, &T) -> TlsCredsBuilder,
) -> TlsCredsBuilder {
    match option {
        Some(value) => add(builder, value),
        None => builder,
    }
}

/// The TLS settings of an address.
pub(crate) struct Tls {
    end: TlsEndpoint,
    options: TlsOptions,
    /// For channels from now on.
    creds: RefCell<TlsCreds>,
    /// Of the server, to a client.
    name: Option<String>,
    lenient: bool,
}

impl Tls {
    /// Reads the files that the options name.
    pub(crate) fn new(endpoint: &Endpoint, options: &TlsOptions) -> io::Result<Self> {
        let end = match endpoint.is_listener() {
            true => TlsEndpoint::Server,
            false => TlsEndpoint::Client,
        };
        Ok(Self {
            end,
            creds: RefCell::new(options.creds(end)?),
            options: options.clone(),
            name: options.name.clone().or_else(|| endpoint.host()),
            lenient: options.lenient,
        })
    }

    /// Reads the files again. Where that fails, what was read before stays.
    pub(crate) fn reload(&self) -> io::Result<()> {
        let creds = self.options.creds(self.end)?;
        self.creds.replace(creds);
        Ok(())
    }

    /// TLS over a channel, before the handshake.
    pub(crate) fn over(&self, channel: &Channel) -> io::Result<Channel> {
        let creds = self.creds.borrow();
        let tls = match self.end {
            TlsEndpoint::Client => ChannelTls::new_client(channel, &creds, self.name.as_deref())?,
            TlsEndpoint::Server => ChannelTls::new_server(channel, &creds)?,
        };
        tls.set_require_close_notify(!self.lenient);
        let name = channel.name().unwrap_or_default();
        tls.set_name(Some(&format!("tls:{name}")));
        at_once(tls.upcast())
    }
}

/// Performs the handshake, and returns the negotiated parameters. `None` without TLS.
pub(crate) async fn handshake(channel: &Channel, deadline: Duration) -> io::Result<Option<String>> {
    let Some(tls) = channel.downcast_ref::<ChannelTls>() else {
        return Ok(None);
    };
    let result = tls.handshake_future().or_timeout(deadline).await;
    result.map_err(|e| match e.kind() {
        io::ErrorKind::TimedOut => {
            let peer = tls.hostname().unwrap_or_else(|| "the client".into());
            let message =
                format!("Unable to perform the TLS handshake with {peer} in {deadline:?}");
            io::Error::new(io::ErrorKind::TimedOut, message)
        }
        _ => e,
    })?;
    Ok(Some(agreed(tls)))
}

fn agreed(tls: &ChannelTls) -> String {
    let version = match tls.protocol_version() {
        TlsProtocolVersion::Tls12 => "TLS 1.2",
        _ => "TLS 1.3",
    };
    let mut all = vec![version.to_owned()];
    all.extend(tls.cipher().map(Into::into));
    all.extend(tls.alpn_protocol().map(|name| format!("ALPN {name}")));
    let subject = tls.peer_certificate().and_then(|it| it.subject_name());
    all.extend(subject.map(|name| format!("with {name}")));
    all.join(", ")
}
