//! The command line.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{
    Args, CommandFactory, Parser, Subcommand,
    builder::{OsStringValueParser, TypedValueParser},
    error::ErrorKind,
};

use crate::{
    endpoint::Endpoint, probe::ProbeArgs, serving::Serving, tls::TlsOptions, top::TopArgs,
    websock::WebsockSettings,
};

/// Connects any two addresses: sockets, TLS, WebSockets, commands, files and terminals.
#[derive(Parser)]
#[command(name = "qio", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The subcommands.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Connects two addresses and moves bytes between them, both ways
    ///
    /// The end of one side is forwarded to the other; the way back continues until it ends too.
    /// Over a WebSocket it does not, as there is no half-close: the end of data is sent as a close
    /// frame, after which most peers send nothing.
    #[command(after_long_help = format!("{EXAMPLES}\n\n{ADDRESSES}"))]
    Relay(RelayArgs),
    /// Waits for a client, and connects it to standard input and output or to SECOND
    #[command(after_long_help = ADDRESSES)]
    Listen(ListenArgs),
    /// Connects to an address, with standard input and output
    #[command(after_long_help = ADDRESSES)]
    Connect(ConnectArgs),
    /// Connects to an address, and shows how: addresses, TLS, certificates, WebSocket, times
    #[command(after_long_help = ADDRESSES)]
    Probe(ProbeArgs),
    /// Shows the channels of a process, once a second
    ///
    /// The process must have opted in, by QIO_MONITOR=listen in its environment or by
    /// qio_monitor_listen(). Sizes are in bytes: k is 1000.
    Top(TopArgs),
    /// Sends a file through five channels, and compares what arrives
    Demo {
        /// The file; default: this program
        file: Option<PathBuf>,
    },
    /// Prints the completions of a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Writes the man pages, one for each command
    Man {
        /// The directory, which is created if needed
        directory: PathBuf,
    },
}

#[derive(Args)]
pub(crate) struct RelayArgs {
    /// An address, such as tcp-listen:8080 or stdio
    #[arg(value_parser = endpoint())]
    first: Endpoint,
    /// Another one
    #[arg(value_parser = endpoint())]
    second: Endpoint,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Args)]
pub(crate) struct ListenArgs {
    /// The address to listen on: tcp:HOST:PORT, tls:PORT, unix:PATH, ...
    #[arg(value_parser = listener())]
    address: Endpoint,
    /// What each client is connected to
    #[arg(value_parser = endpoint(), default_value = "stdio")]
    second: Endpoint,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Args)]
pub(crate) struct ConnectArgs {
    /// The address to connect to: tcp:HOST:PORT, tls:HOST:PORT, unix:PATH, ...
    #[arg(value_parser = endpoint())]
    address: Endpoint,
    #[command(flatten)]
    settings: Settings,
}

/// The options of all commands that relay.
#[derive(Args, Clone)]
pub(crate) struct Settings {
    /// Serve any number of clients of FIRST, which listens, each with its own SECOND
    #[arg(short, long)]
    pub(crate) fork: bool,
    /// With --fork: serve at most N clients at a time, others wait; default: as many as there are
    /// descriptors for, whose soft limit is raised
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_clients: Option<u32>,
    /// Append to a written file:, which is implied by --fork
    #[arg(short, long)]
    pub(crate) append: bool,
    /// Fail if connecting takes longer, or if no data moves for so long
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
    /// Log each connection, and how many bytes were moved
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// Do not show the progress on a terminal
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) serving: Serving,
    #[command(flatten)]
    pub(crate) tls: TlsOptions,
    #[command(flatten)]
    pub(crate) websock: WebsockSettings,
}

/// What is to be relayed, and how.
pub(crate) struct Options {
    pub(crate) first: Endpoint,
    pub(crate) second: Endpoint,
    pub(crate) settings: Settings,
}

impl Command {
    /// The options of a command that relays, which fit the addresses; others are returned as they
    /// are.
    pub(crate) fn relay(self) -> Result<Result<Options, Self>, clap::Error> {
        let (name, options) = match self {
            Self::Relay(RelayArgs {
                first,
                second,
                settings,
            }) => ("relay", Options::new(first, second, settings)),
            Self::Listen(ListenArgs {
                address,
                second,
                settings,
            }) => ("listen", Options::new(address, second, settings)),
            Self::Connect(ConnectArgs { address, settings }) => {
                ("connect", Options::new(Endpoint::Stdio, address, settings))
            }
            Self::Probe(args) => {
                let checked = args.check();
                return match checked {
                    Ok(()) => Ok(Err(Self::Probe(args))),
                    Err(message) => Err(usage_error("probe", &message)),
                };
            }
            other => return Ok(Err(other)),
        };
        match options.check() {
            Ok(()) => Ok(Ok(options)),
            Err(message) => Err(usage_error(name, &message)),
        }
    }
}

impl Options {
    fn new(first: Endpoint, second: Endpoint, settings: Settings) -> Self {
        Self {
            first,
            second,
            settings,
        }
    }

    /// Fails, with one line, for addresses that do not go together, and for options that none of
    /// them can use.
    fn check(&self) -> Result<(), String> {
        let (first, second) = (&self.first, &self.second);
        let Settings {
            fork, max_clients, ..
        } = self.settings;
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
        self.settings.serving.check(fork)?;
        self.settings.tls.check([first, second])?;
        self.settings.websock.check([first, second])
    }
}

/// An error of the command line, as clap reports its own.
fn usage_error(subcommand: &str, message: &str) -> clap::Error {
    let mut command = Cli::command();
    command.build();
    let command = command.find_subcommand_mut(subcommand).expect("a command");
    command.error(ErrorKind::ValueValidation, message)
}

/// The parser of an address.
pub(crate) fn endpoint() -> impl TypedValueParser<Value = Endpoint> {
    OsStringValueParser::new().try_map(|text: OsString| Endpoint::read(&text))
}

/// The parser of an address to listen on.
fn listener() -> impl TypedValueParser<Value = Endpoint> {
    OsStringValueParser::new().try_map(|text: OsString| Endpoint::read_listener(&text))
}

/// The longest time, which a timer of GLib has: milliseconds in 32 bits.
const LONGEST: Duration = Duration::from_millis(u32::MAX as u64);

/// Parses a number of seconds above 0.
pub(crate) fn seconds(value: &str) -> Result<Duration, String> {
    let seconds = value.parse::<f64>().ok();
    let time = seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|timeout| !timeout.is_zero())
        .ok_or_else(|| "expected a number of seconds above 0".to_owned())?;
    match time > LONGEST {
        true => Err(format!(
            "expected at most {} seconds, which are 49 days",
            LONGEST.as_secs()
        )),
        false => Ok(time),
    }
}

const EXAMPLES: &str = "\
Examples:
  qio relay stdio tcp:localhost:80
  qio relay --fork tcp-listen:127.0.0.1:8080 unix:/run/service.sock
  qio relay --fork unix-listen:/tmp/echo exec:cat
  qio relay tcp-listen:9000 file:received
  qio relay --fork --tls-dir=/etc/pki/qemu tls-listen:8443 tcp:localhost:80
  qio relay --tls-ca=ca-cert.pem stdio tls:localhost:8443
  qio relay --fork ws-listen:6080/websockify unix:/run/vnc.sock";

const ADDRESSES: &str = "\
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
  systemd:[NAME]        waits for a client of the sockets that the service
                        manager passes; tls-listen:systemd:NAME with TLS
  udp:HOST:PORT         sends datagrams, one for each piece that is read, and
                        receives those of that address; after the end of the
                        data, answers are awaited for half a second
  udp-listen:[HOST:]PORT    waits for a datagram, and serves its sender; with
                        --fork all senders, each until nothing has moved for
                        the time of --timeout, by default a minute
  pty:PATH              makes a terminal, with a link to it at PATH, and waits
                        until a program opens it

Options follow an address after a comma each: tcp:HOST:PORT,retry=3,timeout=5
  bind=ADDRESS[:PORT]   of tcp: and udp:, the local address
  retry=COUNT           of tcp:, unix: and vsock:, connect again after failures
  timeout=SECONDS       of these, how long each attempt to connect may take
  send-proxy[=1|2]      of these, send the PROXY protocol header with the
                        addresses of the client; default: version 2
  expect-proxy[=SECONDS]    of listening addresses: each client sends a PROXY
                        protocol header first, within this time; default: 10
  range=ADDRESS/BITS    of tcp-listen: and systemd:, the sources that may
                        connect; may be repeated
  mode=OCTAL            of unix-listen:, the permissions of the path
  owner=USER[:GROUP]    of unix-listen:, the owner of the path
  replace=stale|no      of unix-listen:, whether a path that no process listens
                        on is replaced; default: stale

Bytes that cannot appear in a path of unix: are written as %XX: % is %25, and a
comma is %2C.

Commands of exec: get the addresses of a client in QIO_PEER_ADDR,
QIO_PEER_PORT, QIO_SOCK_ADDR and QIO_SOCK_PORT, and the process of a client of
a unix socket in QIO_PEER_PID, QIO_PEER_UID and QIO_PEER_GID.

Signals: SIGINT ends the program. So do SIGTERM and SIGHUP, except with --fork:
then SIGTERM stops accepting, and the program ends after the last client, at
another SIGTERM, or after the time of --drain-timeout; and SIGHUP reloads the
files for TLS, if any, for new clients. A service manager can always send it.

The exit status is 0 at the end, also by a signal, 1 after an error, and 2 for
an invalid command line. Without --fork, the status of a command that fails is
returned: 128 plus the number of the signal, if it was killed by one.";
