//! `qio probe`: connects to an address, and prints each step.

use std::{
    cell::RefCell,
    fmt::Write as _,
    io,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use clap::Args;
use gio::{TlsCertificateFlags, prelude::*};
use qio::{Channel, ChannelSocket, ChannelTls, IoFutureExt, NetAddress, prelude::*};

use crate::{
    cli::seconds,
    endpoint::{Endpoint, Mode, at_once},
    peer::Peer,
    session::{Failure, one_line},
    text::{print, printable},
    tls::{self, Tls, TlsOptions},
    websock::{self, Websock, WebsockSettings},
};

#[derive(Args)]
pub(crate) struct ProbeArgs {
    /// The address to connect to: tcp:HOST:PORT, tls:HOST:PORT, wss:HOST:PORT/PATH, unix:PATH, ...
    #[arg(value_parser = crate::cli::endpoint())]
    pub(crate) address: Endpoint,
    /// Fail if connecting to one address takes longer
    #[arg(
        id = "connect-timeout",
        short,
        long = "timeout",
        value_name = "SECONDS"
    )]
    #[arg(value_parser = seconds, default_value = "10")]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) tls: TlsOptions,
    #[command(flatten)]
    pub(crate) websock: WebsockSettings,
}

impl ProbeArgs {
    /// Fails, with one line, for what cannot be probed.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.address.is_listener() || self.address.is_single() {
            return Err(format!("{} is nothing to connect to", self.address));
        }
        let addresses = [&self.address, &Endpoint::Stdio];
        self.tls.check(addresses)?;
        self.websock.check(addresses)
    }
}

/// Connects, prints what is found, and closes. Fails at the first step that does.
pub(crate) fn run(args: &ProbeArgs) -> Result<(), Failure> {
    let report = Report::default();
    let result = glib::MainContext::default().block_on(probe(args, &report));
    report.print()?;
    Ok(result?)
}

async fn probe(args: &ProbeArgs, report: &Report) -> io::Result<()> {
    report.line("address", &args.address.to_string());
    let begin = Instant::now();
    let channel = connect(args, report).await?;
    let verified = over(args, &channel, report).await;
    report.line("total", &format!("{:.1?}", begin.elapsed()));
    // What is over it has not been used: there is nothing to be lost.
    channel.close_future().await?;
    verified
}

/// The channel below TLS and WebSocket, and how it was connected.
async fn connect(args: &ProbeArgs, report: &Report) -> io::Result<Channel> {
    let address = match args.address.below() {
        Endpoint::Connect(address, _) if address.scheme() == "tcp" => address,
        _ => {
            let (begin, peer) = (Instant::now(), Peer::default());
            let opened = args.address.open(Mode::Read, &peer);
            let channel = opened.or_timeout(args.timeout).await?;
            report.line("connected", &format!("in {:.1?}", begin.elapsed()));
            return Ok(channel);
        }
    };
    let begin = Instant::now();
    let found = resolve(address).or_timeout(args.timeout).await;
    if let Err(e) = &found {
        report.line("resolved", &format!("no: {}", one_line(e)));
    }
    let found = found?;
    let count = match found.len() {
        1 => "1 address".to_owned(),
        count => format!("{count} addresses"),
    };
    report.line("resolved", &format!("{count} in {:.1?}", begin.elapsed()));
    let mut failure = None;
    for candidate in found {
        let name = NetAddress::try_from(&candidate).map(|it| it.to_string());
        let name = name.unwrap_or_else(|_| address.to_string());
        let name = name.trim_start_matches("tcp:");
        let (begin, socket) = (Instant::now(), ChannelSocket::new());
        let client = gio::SocketClient::new();
        client.set_enable_proxy(false);
        let connecting = socket.connect_async(&candidate, Some(&client));
        match connecting.or_timeout(args.timeout).await {
            Ok(()) => {
                report.line(
                    "  ",
                    &format!("{name}: connected in {:.1?}", begin.elapsed()),
                );
                let local = NetAddress::try_from(&socket.local_address()?);
                let local = local.map(|it| it.to_string()).unwrap_or_default();
                report.line("  from", local.trim_start_matches("tcp:"));
                let channel = at_once(socket.upcast())?;
                channel.set_name(Some(&address.to_string()));
                return Ok(channel);
            }
            Err(e) => {
                let reason = one_line(&e);
                let prefix = format!("Unable to connect to {name}: ");
                let reason = reason.strip_prefix(&prefix).unwrap_or(&reason);
                report.line("  ", &format!("{name}: {reason}"));
                failure = Some(e);
            }
        }
    }
    Err(failure.unwrap_or_else(|| io::Error::other(format!("{address} has no address"))))
}

async fn resolve(address: &NetAddress) -> io::Result<Vec<gio::SocketAddress>> {
    let failed = |e: glib::Error| io::Error::other(e.message().to_owned());
    let enumerator = address.to_connectable()?.enumerate();
    let mut found = Vec::new();
    while let Some(next) = enumerator.next_future().await.map_err(failed)? {
        if !found.iter().any(|it: &gio::SocketAddress| same(it, &next)) {
            found.push(next);
        }
    }
    Ok(found)
}

fn same(one: &gio::SocketAddress, other: &gio::SocketAddress) -> bool {
    let [one, other] = [one, other].map(|it| NetAddress::try_from(it).ok());
    one.is_some() && one == other
}

/// Performs the handshakes over a channel. The verification of a certificate that fails is reported
/// at the end: until then the peer is only looked at.
async fn over(args: &ProbeArgs, channel: &Channel, report: &Report) -> io::Result<()> {
    let (address, mut top, mut verified) = (&args.address, channel.clone(), Ok(()));
    if address.is_tls() {
        let over = Tls::new(address, &args.tls)?.over(&top)?;
        let tls = over.downcast_ref::<ChannelTls>().expect("made by Tls");
        let errors = Arc::new(Mutex::new(TlsCertificateFlags::empty()));
        tls.connect_accept_certificate({
            let errors = errors.clone();
            move |_, _, found| {
                *errors.lock().expect("no panic") |= found;
                // Nothing of the user is sent over it, and the verdict is reported.
                true
            }
        });
        let begin = Instant::now();
        let result = tls::handshake(&over, args.tls.deadline()).await;
        let took = begin.elapsed();
        match &result {
            Ok(agreed) => {
                let agreed = agreed.clone().unwrap_or_default();
                report.line("TLS", &format!("{agreed}, in {took:.1?}"));
            }
            Err(e) => report.line("TLS", &format!("failed: {}", one_line(e))),
        }
        let errors = *errors.lock().expect("no panic");
        certificates(tls, errors, report);
        result?;
        if !errors.is_empty() {
            let message = format!("The certificate does not verify: {}", names(errors));
            verified = Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
        }
        top = over;
    }
    if let Some(websock) = Websock::new(address, &args.websock)? {
        let over = websock.over(&top)?;
        let begin = Instant::now();
        let result = websock::handshake(&over, args.websock.deadline()).await;
        let took = begin.elapsed();
        match &result {
            Ok(agreed) => {
                let agreed = agreed.clone().unwrap_or_default();
                report.line("WebSocket", &format!("accepted: {agreed}, in {took:.1?}"));
            }
            Err(e) => report.line("WebSocket", &format!("refused: {}", one_line(e))),
        }
        result?;
    }
    verified
}

/// The verdict about the peer, and its chain of certificates.
fn certificates(tls: &ChannelTls, errors: TlsCertificateFlags, report: &Report) {
    let Some(first) = tls.peer_certificate() else {
        let reason = match gio::TlsBackend::default().supports_tls() {
            true => "the peer has presented none",
            false => "not shown without the package glib-networking",
        };
        return report.line("certificate", reason);
    };
    let verdict = match errors.is_empty() {
        true => "verified".to_owned(),
        false => format!("does not verify: {}", names(errors)),
    };
    report.line("certificate", &verdict);
    let (mut next, mut depth) = (Some(first), 0);
    while let Some(certificate) = next {
        let mut text = certificate
            .subject_name()
            .map_or_else(String::new, Into::into);
        let time = |time: Option<glib::DateTime>| {
            time.and_then(|time| time.format("%F").ok())
                .unwrap_or_else(|| "?".into())
        };
        let _ = write!(
            text,
            ", issued by {}, valid from {} to {}",
            certificate.issuer_name().unwrap_or_default(),
            time(certificate.not_valid_before()),
            time(certificate.not_valid_after())
        );
        report.line(&format!("  {depth}"), &text);
        let dns = certificate.dns_names();
        let dns = dns.iter().map(|name| String::from_utf8_lossy(name));
        let dns: Vec<_> = dns.collect();
        if !dns.is_empty() {
            report.line("    names", &dns.join(", "));
        }
        if let Some(der) = certificate.certificate() {
            let digest = glib::compute_checksum_for_bytes(
                glib::ChecksumType::Sha256,
                &glib::Bytes::from(&der[..]),
            );
            report.line("    sha256", &digest.unwrap_or_default());
        }
        (next, depth) = (certificate.issuer(), depth + 1);
    }
}

/// The errors of a certificate, as words.
fn names(errors: TlsCertificateFlags) -> String {
    let all = [
        (TlsCertificateFlags::UNKNOWN_CA, "the issuer is not trusted"),
        (TlsCertificateFlags::BAD_IDENTITY, "it is for another name"),
        (TlsCertificateFlags::NOT_ACTIVATED, "it is not valid yet"),
        (TlsCertificateFlags::EXPIRED, "it has expired"),
        (TlsCertificateFlags::REVOKED, "it is revoked"),
        (TlsCertificateFlags::INSECURE, "its algorithm is insecure"),
        (TlsCertificateFlags::GENERIC_ERROR, "it is invalid"),
    ];
    let found = all.iter().filter(|(flag, _)| errors.contains(*flag));
    let found: Vec<_> = found.map(|(_, name)| *name).collect();
    found.join(", ")
}

/// The lines that are printed at the end.
#[derive(Default)]
struct Report(RefCell<String>);

impl Report {
    /// Adds a line. What comes from the peer is made printable.
    fn line(&self, label: &str, text: &str) {
        let text = printable(text);
        let _ = writeln!(self.0.borrow_mut(), "{label:<12} {text}");
    }

    fn print(&self) -> io::Result<()> {
        print(self.0.borrow().as_bytes())
    }
}
