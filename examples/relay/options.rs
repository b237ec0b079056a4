//! The command line.

use std::{ffi::OsString, time::Duration};

use crate::endpoint::Endpoint;

pub(crate) const HELP: &str = "\
Usage: relay [OPTIONS] FIRST SECOND

Connects two addresses and moves bytes between them, both ways. Where one side
ends, the other is told, and the way back goes on until it ends too.

Addresses:
  stdio, or -           this program's standard input and output
  tcp:HOST:PORT         connects; an IPv6 address is in brackets: tcp:[::1]:80
  unix:PATH             connects to a unix socket; unix:@NAME to an abstract one
  vsock:CID:PORT        connects to a virtual machine, or its host: vsock:host:1
  tcp-listen:[HOST:]PORT    waits for a client; without HOST, on all addresses
  unix-listen:PATH          the same, and removes PATH at the end
  vsock-listen:[CID:]PORT   the same
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
  -a, --append          a file: that is written keeps what it has, which it does
                        with --fork anyway
  -t, --timeout=SECONDS give up if connecting takes longer, or if nothing has
                        moved for so long
  -v, --verbose         tell of each connection, and how much went through
  -q, --quiet           do not show on a terminal how much goes through
  -h, --help            show this

The exit status is 0 at the end, also if that is SIGINT, SIGTERM or SIGHUP, 1
after an error, and 2 for a command line that cannot be understood.

Examples:
  relay stdio tcp:localhost:80
  relay --fork tcp-listen:127.0.0.1:8080 unix:/run/service.sock
  relay --fork unix-listen:/tmp/echo exec:cat
  relay tcp-listen:9000 file:received
";

/// What the command line asks for.
pub(crate) enum Asked {
    Help,
    Relay(Options),
}

pub(crate) struct Options {
    pub(crate) first: Endpoint,
    pub(crate) second: Endpoint,
    pub(crate) fork: bool,
    pub(crate) append: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) verbose: bool,
    pub(crate) quiet: bool,
}

/// Reads the arguments, or says in one line what is wrong with them.
pub(crate) fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Asked, String> {
    let mut arguments = arguments.into_iter();
    let mut addresses = Vec::new();
    let (mut fork, mut append, mut verbose, mut quiet) = (false, false, false, false);
    let mut timeout = None;
    let mut only_addresses = false;
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy();
        if only_addresses || text == "-" || !text.starts_with('-') {
            addresses.push(argument);
            continue;
        }
        let (name, value) = match text.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
            _ => (&*text, None),
        };
        match (name, value) {
            ("-h" | "--help", None) => return Ok(Asked::Help),
            ("-f" | "--fork", None) => fork = true,
            ("-a" | "--append", None) => append = true,
            ("-v" | "--verbose", None) => verbose = true,
            ("-q" | "--quiet", None) => quiet = true,
            ("-t" | "--timeout", value) => {
                let next = || Some(arguments.next()?.to_string_lossy().into_owned());
                timeout = Some(seconds(value.or_else(next))?);
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
    Ok(Asked::Relay(Options {
        first,
        second,
        fork,
        append,
        timeout,
        verbose,
        quiet,
    }))
}

fn seconds(value: Option<String>) -> Result<Duration, String> {
    let value = value.ok_or("--timeout needs a number of seconds")?;
    let seconds = value.parse::<f64>().ok();
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|timeout| !timeout.is_zero())
        .ok_or_else(|| format!("--timeout needs a number of seconds above 0, not \"{value}\""))
}
