//! Connects any two addresses and moves bytes between them, both ways: a client, a server of many
//! clients, a command, a file, standard input and output. Everything runs on one main loop, in one
//! thread.
//!
//! `cargo run --release --example relay -- --help` lists the options; for example, to show what is
//! in a unix socket to a browser, or to try a server by hand:
//!
//! ```text
//! relay --fork tcp-listen:127.0.0.1:8080 unix:/run/service.sock
//! relay stdio tcp:localhost:8080
//! relay --fork --tls-cert=cert.pem --tls-key=key.pem tls-listen:8443 tcp:localhost:8080
//! relay --fork ws-listen:6080/websockify unix:/run/vnc.sock
//! ```
//!
//! `options` parses the command line, `endpoint` opens the channel of an address, `ends` combines
//! two one-way channels, `tls` adds TLS, `websock` adds a WebSocket, `session` relays between two
//! channels, `limits` computes the maximum number of clients, and `meter` shows the progress.

mod endpoint;
mod ends;
mod limits;
mod meter;
mod options;
mod session;
mod tls;
mod websock;

use std::{cell::RefCell, env, io::Write, process::ExitCode, rc::Rc};

use gio::prelude::*;
use glib::ControlFlow;

use options::{Options, Parsed};

fn main() -> ExitCode {
    let options = match options::read(env::args_os().skip(1)) {
        Ok(Parsed::Relay(options)) => options,
        Ok(Parsed::Help) => return help(),
        Err(error) => {
            eprintln!("relay: {error}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(session::Failure { error, status }) => {
            eprintln!("relay: {}", session::one_line(&error));
            status.map_or(ExitCode::FAILURE, ExitCode::from)
        }
    }
}

fn help() -> ExitCode {
    // A pager may have been closed: no error.
    match std::io::stdout().write_all(options::HELP.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Runs until all sessions have ended, or a signal arrives, which is no failure.
fn run(options: &Options) -> Result<(), session::Failure> {
    let signals = Signals::new(options.fork);
    let result = glib::MainContext::default().block_on(session::run(options, &signals));
    match result {
        Err(_) if signals.stop.is_cancelled() => Ok(()),
        result => result,
    }
}

/// The requests by signals.
pub(crate) struct Signals {
    /// The end of everything.
    pub(crate) stop: gio::Cancellable,
    /// No more clients.
    pub(crate) drain: gio::Cancellable,
    /// Reads the files for TLS again, if there are any: SIGHUP is an end otherwise.
    pub(crate) reload: Rc<RefCell<Option<Reload>>>,
}

type Reload = Box<dyn Fn()>;

impl Signals {
    fn new(serves_many: bool) -> Self {
        let this = Self {
            stop: gio::Cancellable::new(),
            drain: gio::Cancellable::new(),
            reload: Rc::default(),
        };
        let (stop, drain, reload) = (this.stop.clone(), this.drain.clone(), this.reload.clone());
        on(libc::SIGINT, {
            let stop = stop.clone();
            move || stop.cancel()
        });
        on(libc::SIGTERM, {
            let stop = stop.clone();
            move || match serves_many && !drain.is_cancelled() {
                true => drain.cancel(),
                false => stop.cancel(),
            }
        });
        on(libc::SIGHUP, move || match &*reload.borrow() {
            Some(reload) => reload(),
            None => stop.cancel(),
        });
        this
    }
}

fn on(signal: i32, f: impl Fn() + 'static) {
    glib_unix::unix_signal_add_local(signal, move || {
        f();
        ControlFlow::Continue
    });
}
