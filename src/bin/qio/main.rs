//! The command `qio`: connects any two addresses and moves bytes between them, both ways: a client,
//! a server of many clients, a command, a file, standard input and output.
//!
//! `cli` is the command line, `endpoint` opens the channel of an address, `ends` combines two
//! one-way channels, `tls` adds TLS, `websock` adds a WebSocket, `session` relays between two
//! channels, `signals` are requests by signals, `limits` computes the maximum number of clients,
//! `meter` shows the progress, `serving` has the options of servers, `log` writes the log, `notify`
//! notifies the service manager, `demo` sends a file through five channels, and `top` shows those
//! of another process.

#![forbid(unsafe_code)]

mod cli;
mod demo;
mod endpoint;
mod join;
mod limits;
mod log;
mod meter;
mod notify;
mod peer;
mod probe;
mod proxy_protocol;
mod serving;
mod session;
mod signals;
mod text;
mod tls;
mod top;
mod websock;

use std::{fs, io, path::Path, process::ExitCode};

use clap::{CommandFactory, Parser};
use gio::prelude::*;

use cli::{Cli, Command, Options};
use session::one_line;
use signals::Signals;

fn main() -> ExitCode {
    let command = match Cli::parse().command.relay() {
        Ok(Ok(options)) => return finish(relay(options)),
        Ok(Err(command)) => command,
        Err(error) => error.exit(),
    };
    match command {
        Command::Demo { file } => demo::run(file),
        Command::Probe(args) => finish(probe::run(&args)),
        Command::Top(args) => finish(top::run(&args, &Signals::new(false).stop)),
        Command::Completions { shell } => finish(completions(shell).map_err(Into::into)),
        Command::Man { directory } => finish(man(&directory).map_err(Into::into)),
        Command::Relay(_) | Command::Listen(_) | Command::Connect(_) => {
            unreachable!("handled by relay()")
        }
    }
}

/// Reports a failure, and returns the exit status.
fn finish(result: Result<(), session::Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(session::Failure { error, status }) => {
            let error = one_line(&error);
            let entry = log::entry(log::Event::Error, &error);
            entry.text("error", &error).write();
            status.map_or(ExitCode::FAILURE, ExitCode::from)
        }
    }
}

/// Runs until all sessions have ended, or a signal arrives, which is no failure.
fn relay(options: Options) -> Result<(), session::Failure> {
    log::init(options.settings.serving.format);
    let signals = Signals::new(options.settings.fork);
    let stop = signals.stop.clone();
    // A task of the library: its wakers, and those of the sessions, need no system call.
    let running = async {
        let task = async move { session::run(&options, &signals).await };
        qio::spawn_local(task).await
    };
    match glib::MainContext::default().block_on(running) {
        Ok(Err(_)) if stop.is_cancelled() => Ok(()),
        Ok(result) => result,
        Err(e) => e.resume_panic(),
    }
}

/// Prints the completions of a shell.
fn completions(shell: clap_complete::Shell) -> io::Result<()> {
    // clap panics if its writer fails.
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "qio", &mut text);
    text::print(&text)
}

/// Writes the man pages of all commands.
fn man(directory: &Path) -> io::Result<()> {
    let written = fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), directory));
    written.map_err(|e| {
        let directory = directory.display();
        let message = format!(
            "Unable to write the man pages to {directory}: {}",
            one_line(&e)
        );
        io::Error::new(e.kind(), message)
    })
}
