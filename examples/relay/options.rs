//! The command line.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
    time::Duration,
};

use crate::{endpoint::Endpoint, tls::TlsOptions, websock::WebsockSettings};

pub(crate) const HELP: &str = "\
Usage: relay [OPTIONS] FIRST SECOND

Connects two addresses and moves bytes between them, both ways. The end of one
side is forwarded to the other; the way back continues until it ends too. Over
a WebSocket it does not, as there is no half-close: the end of data is sent as
a close frame, after which most peers send nothing.

Addresses:
  stdio, or -           standard input and output of this program
  tcp:HOST:PORT         connects; an IPv6 address is in brackets: tcp:[::1]:80
  unix:PATH             connects to a unix socket; unix:@NAME to an abstract one
  vsock:CID:PORT        connects to a virtual machine, or its host: vsock:host:1
  tcp-listen:[HOST:]PORT    waits for a client; without HOST, on all addresses
  unix-listen:PATH          the same, and removes PATH at the end
  vsock-listen:[CID:]PORT   the same
  tls:HOST:PORT         connects with TLS; also over other addresses:
                        tls:unix:PATH, tls:vsock:CID:PORT, tls:exec:COMMAND
  tls-listen:[HOST:]PORT    waits for a client with TLS; also
                        tls-listen:unix:PATH, tls-listen:vsock:[CID:]PORT
  ws:HOST:PORT[/PATH]   connects with a WebSocket, whose binary messages are a
                        stream of bytes, as noVNC and QEMU use it
  wss:HOST:PORT[/PATH]  the same over TLS
  ws-listen:[HOST:]PORT[/PATH]      waits for a client with a WebSocket;
                        without PATH, at any
  wss-listen:[HOST:]PORT[/PATH]     the same over TLS
  exec:COMMAND          runs a command, with quotes as in a shell, but nothing
                        else; where that is needed: exec:'sh -c \"ls | wc\"'
  file:PATH             as FIRST: is read, and data sent to it is discarded
                        as SECOND: is written, and created or truncated
  fd:N                  an inherited descriptor; one that can only be read, or
                        written, is used like a file

Bytes that cannot appear in a path of unix: are written as %XX, and % is written
as %25.

Options:
  -f, --fork            FIRST is a listener: serve any number of clients, each
                        with its own SECOND
  -m, --max-clients=N   with --fork: serve at most N clients at a time, others
                        wait; default: as many as there are descriptors for
  -a, --append          append to a written file:, which is implied by --fork
  -t, --timeout=SECONDS fail if connecting takes longer, or if no data
                        moves for so long
  -v, --verbose         log each connection, and how many bytes were moved
  -q, --quiet           do not show the progress on a terminal
  -h, --help            show this

Options for TLS, for both addresses if both use TLS:
      --tls-dir=DIR     a directory in the layout of QEMU: ca-cert.pem,
                        ca-crl.pem, server-cert.pem, server-key.pem,
                        client-cert.pem and client-key.pem, as needed
      --tls-ca=FILE     trusted CA certificates; default, without --tls-psk:
                        the system trust store for tls: and wss:
      --tls-cert=FILE   the certificate to present
      --tls-key=FILE    its private key, if that is in another file
      --tls-psk=FILE    pre-shared keys, NAME:KEY in each line, as written by
                        psktool
      --tls-user=NAME   the identity of the key that tls: and wss: use, if there
                        are several
      --tls-name=NAME   the host name, or address, in the certificate of the
                        server, in place of HOST
      --tls-clients=HOW whether clients must present certificates: off
                        (default), optional or required
      --tls-min=VERSION the minimum protocol version: 1.2 or 1.3
      --tls-alpn=NAMES  the application protocols (ALPN), by preference,
                        separated by commas
      --tls-close-notify=HOW    whether peers must send close_notify before the
                        end: required (default) or optional
      --tls-timeout=SECONDS     fail if the handshake takes longer; default:
                        10

Options for WebSockets, for both addresses if both use them:
      --ws-origin=LIST  the origins of the web pages that may connect, separated
                        by commas, or *; default: those of the same host. ws:
                        and wss: send the first one; default: none
      --ws-protocol=NAMES       the subprotocols, by preference, separated by
                        commas
      --ws-timeout=SECONDS      fail if the opening handshake takes longer;
                        default: 10

SIGINT ends the program. So do SIGTERM and SIGHUP, except with --fork: then
SIGTERM stops accepting, and the program ends after the last client, or at
another SIGTERM; and SIGHUP reloads the files for TLS, if any, for new clients.

The exit status is 0 at the end, also by a signal, 1 after an error, and 2 for
an invalid command line. Without --fork, the status of a command that fails is
returned: 128 plus the number of the signal, if it was killed by one.

Examples:
  relay stdio tcp:localhost:80
  relay --fork tcp-listen:127.0.0.1:8080 unix:/run/service.sock
  relay --fork unix-listen:/tmp/echo exec:cat
  relay tcp-listen:9000 file:received
  relay --fork --tls-dir=/etc/pki/qemu tls-listen:8443 tcp:localhost:80
  relay --tls-ca=ca-cert.pem stdio tls:localhost:8443
  relay --fork ws-listen:6080/websockify unix:/run/vnc.sock
";

/// The result of parsing the command line.
pub(crate) enum Parsed {
    Help,
    Relay(Box<Options>),
}

pub(crate) struct Options {
    pub(crate) first: Endpoint,
    pub(crate) second: Endpoint,
    pub(crate) fork: bool,
    pub(crate) append: bool,
    pub(crate) max_clients: Option<u32>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) tls: TlsOptions,
    pub(crate) websock: WebsockSettings,
    pub(crate) verbose: bool,
    pub(crate) quiet: bool,
}

/// Parses the arguments. The error is one line.
pub(crate) fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Parsed, String> {
    let mut arguments = arguments.into_iter();
    let mut addresses = Vec::new();
    let (mut fork, mut append, mut verbose, mut quiet) = (false, false, false, false);
    let (mut timeout, mut tls, mut max_clients) = (None, TlsOptions::default(), None);
    let mut websock = WebsockSettings::default();
    let mut only_addresses = false;
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy();
        if only_addresses || text == "-" || !text.starts_with('-') {
            addresses.push(argument);
            continue;
        }
        let (name, value) = match text.split_once('=') {
            // Names are ASCII: there are as many bytes of it.
            Some((name, _)) if name.starts_with("--") => {
                let value = &argument.as_bytes()[name.len() + 1..];
                (name, Some(OsStr::from_bytes(value).to_owned()))
            }
            _ => (&*text, None),
        };
        match (name, value) {
            ("-h" | "--help", None) => return Ok(Parsed::Help),
            ("-f" | "--fork", None) => fork = true,
            ("-a" | "--append", None) => append = true,
            ("-v" | "--verbose", None) => verbose = true,
            ("-q" | "--quiet", None) => quiet = true,
            ("-t" | "--timeout", value) => {
                timeout = Some(seconds("--timeout", value.or_else(|| arguments.next()))?);
            }
            ("-m" | "--max-clients", value) => {
                max_clients = Some(number("--max-clients", value.or_else(|| arguments.next()))?);
            }
            (name, value) if TlsOptions::has(name) => {
                tls.take(name, value.or_else(|| arguments.next()))?;
            }
            (name, value) if WebsockSettings::has(name) => {
                websock.take(name, value.or_else(|| arguments.next()))?;
            }
            ("--", None) => only_addresses = true,
            _ => return Err(format!("there is no option {text}; see relay --help")),
        }
    }
    let count = addresses.len();
    let Ok([first, second]) = <[OsString; 2]>::try_from(addresses) else {
        return Err(format!(
            "expected two addresses, not {count}; see relay --help"
        ));
    };
    let (first, second) = (Endpoint::read(&first)?, Endpoint::read(&second)?);
    if first.is_single() && second.is_single() {
        return Err("stdio can be one of the two addresses, not both".to_owned());
    }
    if fork && !first.is_listener() {
        return Err("--fork is for a FIRST that listens, such as tcp-listen:".to_owned());
    }
    if fork && second.is_single() {
        return Err("with --fork, SECOND must be there for each client: not stdio".to_owned());
    }
    if max_clients.is_some() && !fork {
        return Err("--max-clients is for --fork".to_owned());
    }
    if first.file().is_some() && first.file() == second.file() {
        return Err(format!(
            "{first} and {second} are the same file: the copy would never end, or lose its data"
        ));
    }
    tls.check([&first, &second])?;
    websock.check([&first, &second])?;
    Ok(Parsed::Relay(Box::new(Options {
        first,
        second,
        fork,
        append,
        max_clients,
        timeout,
        tls,
        websock,
        verbose,
        quiet,
    })))
}

/// The value of the option `name`, in seconds.
pub(crate) fn seconds(name: &str, value: Option<OsString>) -> Result<Duration, String> {
    let value = value.ok_or_else(|| format!("{name} needs a number of seconds"))?;
    let value = value.to_string_lossy();
    let seconds = value.parse::<f64>().ok();
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|timeout| !timeout.is_zero())
        .ok_or_else(|| format!("{name} needs a number of seconds above 0, not \"{value}\""))
}

/// The value of the option `name`, a number above 0.
fn number(name: &str, value: Option<OsString>) -> Result<u32, String> {
    let value = value.ok_or_else(|| format!("{name} needs a number"))?;
    let value = value.to_string_lossy();
    let number = value.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("{name} needs a number above 0, not \"{value}\""))
}
