//! `qio top`: shows the channels of a process, as its monitor reports them, once a second.
//!
//! `json` reads the snapshots, `table` shows them, and `target` finds the process or starts it.

mod json;
mod table;
mod target;

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use clap::Args;
use gio::prelude::*;
use qio::{ChannelSocket, prelude::*};

use self::{json::Json, table::Table, target::Target};
use crate::{
    session::{Failure, one_line},
    text::{print_if_read, printable},
};

/// The most bytes of a snapshot: some 150,000 channels.
const MOST: usize = 64 * 1024 * 1024;

/// A snapshot is sent each second.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// The shortest time between two snapshots that are shown, if more are sent.
const SHORTEST_WAIT: Duration = Duration::from_millis(200);

#[derive(Args)]
pub(crate) struct TopArgs {
    /// The process: its id, or the path of the socket that it listens on; default: list the
    /// processes
    #[arg(value_name = "PID|PATH", conflicts_with = "command")]
    process: Option<String>,
    /// Show one snapshot, and exit
    #[arg(long)]
    once: bool,
    /// Print each snapshot as one line of JSON
    #[arg(long)]
    json: bool,
    /// Show at most so many channels
    #[arg(long, value_name = "N", default_value_t = 40)]
    rows: usize,
    /// Start this command, and show it
    #[arg(last = true)]
    command: Vec<std::ffi::OsString>,
}

/// Runs until a signal arrives, or the process exits.
pub(crate) fn run(args: &TopArgs, stop: &gio::Cancellable) -> Result<(), Failure> {
    if args.process.is_none() && args.command.is_empty() {
        return Ok(target::list()?);
    }
    let showing = async {
        let mut target = match &args.process {
            Some(process) => Target::of(process)?,
            None => Target::start(&args.command).await?,
        };
        let result = show(args, &mut target).await;
        target.end();
        result
    };
    let result = glib::MainContext::default().block_on(showing.or_cancelled(stop));
    match result {
        Err(_) if stop.is_cancelled() => Ok(()),
        result => Ok(result?),
    }
}

async fn show(args: &TopArgs, target: &mut Target) -> io::Result<()> {
    let channel = ChannelSocket::new();
    let address = gio::UnixSocketAddress::new(target.path());
    let connecting = channel
        .connect_async(&address, None)
        .or_timeout(LONGEST_WAIT);
    connecting.await.map_err(|e| {
        let path = target.path().display();
        let hint = "is it started with QIO_MONITOR=listen?";
        io::Error::other(format!(
            "Unable to connect to {path}: {}; {hint}",
            one_line(&e)
        ))
    })?;
    target.check(&channel)?;
    let mut table = Table::new(args.rows);
    loop {
        let line = channel
            .read_line_future(MOST)
            .or_timeout(LONGEST_WAIT)
            .await
            .map_err(|e| {
                io::Error::other(format!("Unable to read a snapshot: {}", one_line(&e)))
            })?;
        let Some(line) = line else {
            // The process has exited.
            return Ok(());
        };
        let text = std::str::from_utf8(&line)
            .map_err(|e| io::Error::other(format!("Unable to read a snapshot: {e}")))?;
        let snapshot = Json::parse(text).map_err(io::Error::other)?;
        let shown = if args.json {
            // It has no character that controls a terminal, unless another program has sent it.
            format!("{}\n", printable(text))
        } else {
            let redraw = !args.once && io::stdout().is_terminal();
            let text = table.add(&snapshot, &target.output());
            let clear = if redraw { "\x1b[H\x1b[2J" } else { "" };
            format!("{clear}{text}\n")
        };
        if !print_if_read(shown.as_bytes())? || args.once {
            return Ok(());
        }
        glib::timeout_future(SHORTEST_WAIT).await;
    }
}
