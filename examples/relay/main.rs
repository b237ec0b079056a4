//! Connects any two addresses and moves bytes between them, both ways: a client, a server that serves many, a
//! command, a file, this program's own input and output. Everything is on one main loop, in one thread.
//!
//! `cargo run --release --example relay -- --help` tells how; for example, to show what is in a unix socket to a
//! browser, or to try a server by hand:
//!
//! ```text
//! relay --fork tcp-listen:127.0.0.1:8080 unix:/run/service.sock
//! relay stdio tcp:localhost:8080
//! relay --fork --tls-cert=cert.pem --tls-key=key.pem tls-listen:8443 tcp:localhost:8080
//! ```
//!
//! `options` reads the command line, `endpoint` makes channels of addresses, `ends` makes one channel of two
//! one-way ones, `tls` is for those who want that, `session` brings two channels together, and `meter` shows what
//! goes through.

mod endpoint;
mod ends;
mod meter;
mod options;
mod session;
mod tls;

use std::{env, io::Write, process::ExitCode};

use gio::prelude::*;
use glib::ControlFlow;

use options::{Asked, Options};

fn main() -> ExitCode {
    let options = match options::read(env::args_os().skip(1)) {
        Ok(Asked::Relay(options)) => options,
        Ok(Asked::Help) => return help(),
        Err(mistake) => {
            eprintln!("relay: {mistake}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("relay: {}", session::one_line(&e));
            ExitCode::FAILURE
        }
    }
}

fn help() -> ExitCode {
    // Whoever has seen enough may close the pager.
    match std::io::stdout().write_all(options::HELP.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Until everything has gone through, or a signal comes, which is as good an end.
fn run(options: &Options) -> std::io::Result<()> {
    let stop = gio::Cancellable::new();
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGTERM] {
        let stop = stop.clone();
        glib_unix::unix_signal_add_local(signal, move || {
            stop.cancel();
            ControlFlow::Continue
        });
    }
    let result = glib::MainContext::default().block_on(session::run(options, &stop));
    match result {
        Err(_) if stop.is_cancelled() => Ok(()),
        result => result,
    }
}
