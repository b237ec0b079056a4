//! `qio probe`: connects to an address, and prints each step, when it is complete.
//!
//! The peer may be hostile: all steps together have a time limit, and what the peer sends is
//! printed up to a length, with control characters escaped.

use std::{
    cell::{Cell, RefCell},
    io, iter,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use clap::Args;
use gio::{TlsCertificate, TlsCertificateFlags, prelude::*};
use qio::{Channel, ChannelSocket, ChannelTls, IoFutureExt, NetAddress, prelude::*};

use crate::{
    cli::seconds,
    endpoint::{Endpoint, Mode, at_once},
    peer::Peer,
    session::{Failure, one_line},
    text::{print, printable, shortened},
    tls::{self, Tls, TlsOptions},
    websock::{self, Websock, WebsockSettings},
};

/// The maximum number of characters of a name, or a reason, that the peer has sent.
const MOST_TEXT: usize = 256;

/// The maximum number of certificates of a chain, and of names of a certificate.
const MOST_CERTIFICATES: usize = 8;
const MOST_NAMES: usize = 16;

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
    /// Fail if all steps together take longer
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds, default_value = "30")]
    pub(crate) max_time: Duration,
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
        let options = self.address.options();
        if options.is_some_and(|it| it.retry > 0 || it.timeout.is_some() || it.send_proxy.is_some())
        {
            let others = "the options retry, timeout and send-proxy are not those of a probe";
            return Err(format!("{}: {others}, which has --timeout", self.address));
        }
        let addresses = [&self.address, &Endpoint::Stdio];
        self.tls.check(addresses)?;
        self.websock.check(addresses)
    }
}

/// Connects, prints what is found, and closes. Fails at the first step that does.
pub(crate) fn run(args: &ProbeArgs) -> Result<(), Failure> {
    let report = Report::default();
    // The limit is not that of a step.
    let probing = async { Ok(probe(args, &report).await) }.or_timeout(args.max_time);
    let result = match glib::MainContext::default().block_on(probing) {
        Ok(result) => result.map_err(|e| io::Error::new(e.kind(), reason(&e))),
        Err(e) if e.kind() == io::ErrorKind::TimedOut => {
            report.line(report.step.get(), "no answer in time");
            let message = format!("Unable to probe {} in {:?}", args.address, args.max_time);
            Err(io::Error::new(io::ErrorKind::TimedOut, message))
        }
        Err(e) => Err(e),
    };
    report.printed()?;
    Ok(result?)
}

/// The message of an error, of which the peer may have sent a part.
fn reason(e: &io::Error) -> String {
    shortened(&one_line(e), MOST_TEXT).into_owned()
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
    let (address, options) = match args.address.below() {
        Endpoint::Connect(address, options) if address.scheme() == "tcp" => (address, options),
        _ => {
            report.begin("connected");
            let (begin, peer) = (Instant::now(), Peer::default());
            let opened = args.address.open(Mode::Read, &peer);
            let channel = opened.or_timeout(args.timeout).await?;
            report.line("connected", &format!("in {:.1?}", begin.elapsed()));
            return Ok(channel);
        }
    };
    report.begin("resolved");
    let begin = Instant::now();
    let found = resolve(address).or_timeout(args.timeout).await;
    if let Err(e) = &found {
        report.line("resolved", &format!("no: {}", reason(e)));
    }
    let found = found?;
    let count = match found.len() {
        1 => "1 address".to_owned(),
        count => format!("{count} addresses"),
    };
    report.line("resolved", &format!("{count} in {:.1?}", begin.elapsed()));
    report.begin("connected");
    let mut failure = None;
    for candidate in found {
        let name = NetAddress::try_from(&candidate).map(|it| it.to_string());
        let name = name.unwrap_or_else(|_| address.to_string());
        let name = name.trim_start_matches("tcp:");
        let (begin, socket) = (Instant::now(), ChannelSocket::new());
        let client = options.client();
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
        report.begin("TLS");
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
                let agreed = agreed.as_deref().unwrap_or_default();
                let agreed = shortened(agreed, MOST_TEXT);
                report.line("TLS", &format!("{agreed}, in {took:.1?}"));
            }
            Err(e) => report.line("TLS", &format!("failed: {}", reason(e))),
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
        report.begin("WebSocket");
        let over = websock.over(&top)?;
        let begin = Instant::now();
        let result = websock::handshake(&over, args.websock.deadline()).await;
        let took = begin.elapsed();
        match &result {
            Ok(agreed) => {
                let agreed = agreed.as_deref().unwrap_or_default();
                let agreed = shortened(agreed, MOST_TEXT);
                report.line("WebSocket", &format!("accepted: {agreed}, in {took:.1?}"));
            }
            Err(e) => report.line("WebSocket", &format!("refused: {}", reason(e))),
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
    let mut chain = iter::successors(Some(first), TlsCertificate::issuer);
    for (depth, certificate) in chain.by_ref().take(MOST_CERTIFICATES).enumerate() {
        one_certificate(depth, &certificate, report);
    }
    match chain.count() {
        0 => {}
        more => report.line("  ", &format!("{more} more")),
    }
}

/// A certificate of the chain.
fn one_certificate(depth: usize, certificate: &TlsCertificate, report: &Report) {
    let name =
        |name: Option<glib::GString>| shortened(&name.unwrap_or_default(), MOST_TEXT).into_owned();
    let date = |time: Option<glib::DateTime>| {
        let date = time.and_then(|time| time.format("%F").ok());
        date.unwrap_or_else(|| "?".into())
    };
    let text = format!(
        "{}, issued by {}, valid from {} to {}",
        name(certificate.subject_name()),
        name(certificate.issuer_name()),
        date(certificate.not_valid_before()),
        date(certificate.not_valid_after())
    );
    report.line(&format!("  {depth}"), &text);
    let (names, addresses) = (certificate.dns_names(), certificate.ip_addresses());
    let names = names
        .iter()
        .map(|name| String::from_utf8_lossy(name).into_owned());
    let addresses = addresses.iter().map(|address| address.to_str().into());
    let names: Vec<String> = names.chain(addresses).collect();
    let shown = names.iter().take(MOST_NAMES);
    let shown = shown.map(|name| shortened(name, MOST_TEXT).into_owned());
    let mut shown: Vec<_> = shown.collect();
    if names.len() > MOST_NAMES {
        shown.push(format!("and {} more", names.len() - MOST_NAMES));
    }
    if !shown.is_empty() {
        report.line("    names", &shown.join(", "));
    }
    if let Some(der) = certificate.certificate() {
        let der = glib::Bytes::from(&der[..]);
        let digest = glib::compute_checksum_for_bytes(glib::ChecksumType::Sha256, &der);
        report.line("    sha256", &digest.unwrap_or_default());
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

/// Prints lines, each at once.
#[derive(Default)]
struct Report {
    /// The label of the step that is in progress.
    step: Cell<&'static str>,
    /// Why a line could not be printed.
    failure: RefCell<Option<io::Error>>,
}

impl Report {
    /// A step begins.
    fn begin(&self, step: &'static str) {
        self.step.set(step);
    }

    /// Prints a line. What comes from the peer is made printable.
    fn line(&self, label: &str, text: &str) {
        let text = printable(text);
        if let Err(e) = print(format!("{label:<12} {text}\n").as_bytes()) {
            self.failure.borrow_mut().get_or_insert(e);
        }
    }

    /// Fails if a line could not be printed.
    fn printed(&self) -> io::Result<()> {
        self.failure.take().map_or(Ok(()), Err)
    }
}
