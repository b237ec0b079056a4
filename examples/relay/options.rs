//! The command line.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
    time::Duration,
};

use crate::{endpoint::Endpoint, tls::TlsOptions};

pub(crate) const HELP: &str = "\
Usage: relay [OPTIONS] FIRST SECOND

Connects two addresses and moves bytes between them, both ways. The end of one
side is forwarded to the other; the way back continues until it ends too.

Addresses:
  stdio, or -           this program's standard input and output
  tcp:HOST:PORT         connects; an IPv6 address is in brackets: tcp:[::1]:80
  unix:PATH             connects to a unix socket; unix:@NAME to an abstract one
  vsock:CID:PORT        connects to a virtual machine, or its host: vsock:host:1
  tcp-listen:[HOST:]PORT    waits for a client; without HOST, on all addresses
  unix-listen:PATH          the same, and removes PATH at the end
  vsock-listen:[CID:]PORT   the same
  tls:HOST:PORT         connects, and speaks TLS; also over what is not TCP:
                        tls:unix:PATH, tls:vsock:CID:PORT, tls:exec:COMMAND
  tls-listen:[HOST:]PORT    waits for a client that speaks TLS; also
                        tls-listen:unix:PATH, tls-listen:vsock:[CID:]PORT
  exec:COMMAND          runs a command, with quotes as in a shell, but nothing
                        else; where that is needed: exec:'sh -c \"ls | wc\"'
  file:PATH             as FIRST: is read, and what comes back is thrown away
                        as SECOND: is written, and made or emptied before
  fd:N                  a descriptor that this program was started with; one
                        that can only be read, or written, is as a file is

Bytes that a path of unix: cannot be written with are written as %XX, and % is
written as %25.

Options:
  -f, --fork            FIRST is a listener: serve any number of clients, each
                        with a SECOND of its own
  -m, --max-clients=N   with --fork: serve at most N clients at a time, others
                        wait; as many as there are descriptors for, which is
                        so if this is not given
  -a, --append          a file: that is written keeps what it has, which it does
                        with --fork anyway
  -t, --timeout=SECONDS give up if connecting takes longer, or if nothing has
                        moved for so long
  -v, --verbose         log each connection, and how many bytes were moved
  -q, --quiet           do not show on a terminal how much goes through
  -h, --help            show this

Options for TLS, where both addresses speak it for both:
      --tls-dir=DIR     has files as QEMU wants them: ca-cert.pem, ca-crl.pem,
                        server-cert.pem, server-key.pem, client-cert.pem and
                        client-key.pem, each if it is needed
      --tls-ca=FILE     trust these authorities; without any, and without keys,
                        tls: trusts those of the system
      --tls-cert=FILE   show this certificate
      --tls-key=FILE    its private key, if that is in a file of its own
      --tls-psk=FILE    keys that the peer has too, NAME:KEY in each line, as
                        psktool makes them
      --tls-user=NAME   whose key of them tls: uses, if there are several
      --tls-name=NAME   the name, or the address, that a server has to prove to
                        have, in place of HOST
      --tls-clients=HOW whether clients have to show certificates: off, which is
                        so if this is not given, optional, or required
      --tls-min=VERSION the oldest version to speak: 1.2 or 1.3
      --tls-alpn=NAMES  the protocols that are spoken over TLS, the best one
                        first, with commas between them
      --tls-close-notify=HOW    whether peers have to send close_notify before
                        they end: required, which is so if this is not given, or
                        optional
      --tls-timeout=SECONDS     give up if the handshake takes longer; 10 if
                        this is not given

SIGINT ends it, and so do SIGTERM and SIGHUP, but with --fork: then SIGTERM
stops accepting, and the program ends once the last client has ended, or at
another SIGTERM; and SIGHUP reads the files for TLS again, for new clients, if
there are any.

The exit status is 0 at the end, also by a signal, 1 after an error, and 2 for a
command line that cannot be understood. Without --fork, that of a command which
fails is handed on: 128 and the number of the signal that ended it, if one did.

Examples:
  relay stdio tcp:localhost:80
  relay --fork tcp-listen:127.0.0.1:8080 unix:/run/service.sock
  relay --fork unix-listen:/tmp/echo exec:cat
  relay tcp-listen:9000 file:received
  relay --fork --tls-dir=/etc/pki/qemu tls-listen:8443 tcp:localhost:80
  relay --tls-ca=ca-cert.pem stdio tls:localhost:8443
";

/// What the command line asks for.
pub(crate) enum Asked {
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
    pub(crate) verbose: bool,
    pub(crate) quiet: bool,
}

/// Reads the arguments, or says in one line what is wrong with them.
pub(crate) fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Asked, String> {
    let mut arguments = arguments.into_iter();
    let mut addresses = Vec::new();
    let (mut fork, mut append, mut verbose, mut quiet) = (false, false, false, false);
    let (mut timeout, mut tls, mut max_clients) = (None, TlsOptions::default(), None);
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
            ("-h" | "--help", None) => return Ok(Asked::Help),
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
            "{first} and {second} are the same file: it would be read for ever, or be lost"
        ));
    }
    tls.check([&first, &second])?;
    Ok(Asked::Relay(Box::new(Options {
        first,
        second,
        fork,
        append,
        max_clients,
        timeout,
        tls,
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
