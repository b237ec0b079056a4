//! TLS: the options of the command line, and the handshake.

use std::{
    io,
    path::PathBuf,
    sync::{PoisonError, RwLock},
    time::Duration,
};

use clap::{Args, ValueEnum};
use gio::{TlsAuthenticationMode, TlsProtocolVersion, prelude::*};
use qio::{Channel, ChannelTls, IoFutureExt, TlsCreds, TlsCredsBuilder, TlsEndpoint, prelude::*};

use crate::{
    cli::seconds,
    endpoint::{Endpoint, at_once},
};

/// The default timeout of a handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The options of the command line.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "TLS, for all addresses that use it")]
pub(crate) struct TlsOptions {
    /// A directory in the layout of QEMU: ca-cert.pem, ca-crl.pem, server-cert.pem,
    /// server-key.pem, client-cert.pem and client-key.pem, as needed
    #[arg(long = "tls-dir", value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Trusted CA certificates; default, without --tls-psk: the system trust store for tls: and
    /// wss:
    #[arg(long = "tls-ca", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The certificate to present
    #[arg(long = "tls-cert", value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// Its private key, if that is in another file
    #[arg(long = "tls-key", value_name = "FILE")]
    key: Option<PathBuf>,
    /// Pre-shared keys, NAME:KEY in each line, as written by psktool
    #[arg(long = "tls-psk", value_name = "FILE")]
    psk: Option<PathBuf>,
    /// The identity of the key that tls: and wss: use, if there are several
    #[arg(long = "tls-user", value_name = "NAME")]
    user: Option<String>,
    /// The host name, or address, in the certificate of the server, in place of HOST
    #[arg(id = "tls-name", long, value_name = "NAME")]
    name: Option<String>,
    /// Whether clients must present certificates; default: off
    #[arg(long = "tls-clients", value_name = "HOW")]
    clients: Option<Clients>,
    /// The minimum protocol version
    #[arg(long = "tls-min", value_name = "VERSION")]
    min: Option<Version>,
    /// The application protocols (ALPN), by preference, separated by commas
    #[arg(long = "tls-alpn", value_name = "NAMES")]
    alpn: Option<String>,
    /// Whether peers must send close_notify before the end; default: required
    #[arg(long = "tls-close-notify", value_name = "HOW")]
    close_notify: Option<CloseNotify>,
    /// Fail if the handshake takes longer; default: 10
    #[arg(id = "tls-timeout", long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
}

/// Whether clients must present certificates.
#[derive(ValueEnum, Clone, Copy)]
enum Clients {
    Off,
    Optional,
    Required,
}

/// A protocol version.
#[derive(ValueEnum, Clone, Copy)]
enum Version {
    #[value(name = "1.2")]
    Tls12,
    #[value(name = "1.3")]
    Tls13,
}

/// Whether an end without close_notify is an error.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq)]
enum CloseNotify {
    Required,
    Optional,
}

impl From<Clients> for TlsAuthenticationMode {
    fn from(clients: Clients) -> Self {
        match clients {
            Clients::Off => Self::None,
            Clients::Optional => Self::Requested,
            Clients::Required => Self::Required,
        }
    }
}

impl From<Version> for TlsProtocolVersion {
    fn from(version: Version) -> Self {
        match version {
            Version::Tls12 => Self::Tls12,
            Version::Tls13 => Self::Tls13,
        }
    }
}

/// Which addresses an option is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Connecting,
    Listening,
    Both,
}

impl TlsOptions {
    /// The options that are given, and the addresses that each is for.
    fn given(&self) -> impl Iterator<Item = (&'static str, Use)> {
        [
            ("--tls-dir", self.directory.is_some(), Use::Both),
            ("--tls-ca", self.ca.is_some(), Use::Both),
            ("--tls-cert", self.certificate.is_some(), Use::Both),
            ("--tls-key", self.key.is_some(), Use::Both),
            ("--tls-psk", self.psk.is_some(), Use::Both),
            ("--tls-user", self.user.is_some(), Use::Connecting),
            ("--tls-name", self.name.is_some(), Use::Connecting),
            ("--tls-clients", self.clients.is_some(), Use::Listening),
            ("--tls-min", self.min.is_some(), Use::Both),
            ("--tls-alpn", self.alpn.is_some(), Use::Both),
            ("--tls-close-notify", self.close_notify.is_some(), Use::Both),
            ("--tls-timeout", self.timeout.is_some(), Use::Both),
        ]
        .into_iter()
        .filter_map(|(name, given, use_)| given.then_some((name, use_)))
    }

    /// Fails, with one line, for options that the addresses need or cannot use.
    pub(crate) fn check(&self, endpoints: [&Endpoint; 2]) -> Result<(), String> {
        let tls = || endpoints.into_iter().filter(|endpoint| endpoint.is_tls());
        let listens = tls().any(Endpoint::is_listener);
        let connects = tls().any(|endpoint| !endpoint.is_listener());
        for (given, use_) in self.given() {
            let missing = match use_ {
                Use::Both if !connects && !listens => "tls:, wss:, tls-listen: or wss-listen:",
                Use::Connecting if !connects => "tls: or wss:",
                Use::Listening if !listens => "tls-listen: or wss-listen:",
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
                "{scheme}-listen: needs --tls-dir, --tls-cert or --tls-psk"
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
        builder = with(builder, &self.min, |it, version| {
            it.min_version((*version).into())
        });
        builder = with(builder, &self.alpn, |it, names| {
            it.alpn_protocols(names.split(','))
        });
        builder = match end {
            TlsEndpoint::Client => with(builder, &self.user, |it, name| it.psk_user(name)),
            TlsEndpoint::Server => with(builder, &self.clients, |it, mode| {
                it.client_certificates((*mode).into())
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
    creds: RwLock<TlsCreds>,
    /// Of the server, to a client.
    name: Option<String>,
    allows_truncation: bool,
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
            creds: RwLock::new(options.creds(end)?),
            options: options.clone(),
            name: options.name.clone().or_else(|| endpoint.host()),
            allows_truncation: options.close_notify == Some(CloseNotify::Optional),
        })
    }

    /// Reads the files again, for [`replace`](Self::replace).
    pub(crate) fn read(&self) -> io::Result<TlsCreds> {
        self.options.creds(self.end)
    }

    /// Replaces what was read before, for channels from now on.
    pub(crate) fn replace(&self, creds: TlsCreds) {
        *self.creds.write().unwrap_or_else(PoisonError::into_inner) = creds;
    }

    /// TLS over a channel, before the handshake.
    pub(crate) fn over(&self, channel: &Channel) -> io::Result<Channel> {
        let creds = self.creds.read().unwrap_or_else(PoisonError::into_inner);
        let tls = match self.end {
            TlsEndpoint::Client => ChannelTls::new_client(channel, &creds, self.name.as_deref())?,
            TlsEndpoint::Server => ChannelTls::new_server(channel, &creds)?,
        };
        tls.set_require_close_notify(!self.allows_truncation);
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
