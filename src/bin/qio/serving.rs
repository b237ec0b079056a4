//! How clients are served: the options of the command line.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::{cli::seconds, log::Format};

/// The options of the command line.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Serving and logs")]
pub(crate) struct Serving {
    /// With --fork: serve the clients in N threads; 0: one per processor; default: 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=1024))]
    pub(crate) threads: Option<u32>,
    /// With --fork: how long the sessions may continue after SIGTERM; default: to their end
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) drain_timeout: Option<Duration>,
    /// With --fork: end after so long without a client; for sockets of a service manager, which
    /// starts the service again
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) exit_idle: Option<Duration>,
    /// The format of messages; default: journald if standard error is the journal, or text
    #[arg(long = "log", value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
    /// Show the progress: on a terminal that is not one of the addresses, or always (in the log if
    /// there is no terminal), or never; default: auto
    #[arg(long, value_name = "WHEN", default_missing_value = "on", num_args = 0..=1)]
    #[arg(require_equals = true)]
    progress: Option<Progress>,
}

/// When the progress is shown.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum Progress {
    /// On a terminal that is not one of the addresses
    #[default]
    Auto,
    /// Always, in the log if there is no terminal
    On,
    /// Never
    Off,
}

impl Serving {
    /// Fails, with one line, for options that are for more than one client.
    pub(crate) fn check(&self, fork: bool) -> Result<(), String> {
        let given = [
            ("--threads", self.threads.is_some()),
            ("--drain-timeout", self.drain_timeout.is_some()),
            ("--exit-idle", self.exit_idle.is_some()),
        ];
        match given.into_iter().find(|(_, is_given)| *is_given && !fork) {
            Some((name, _)) => Err(format!("{name} is for --fork")),
            None => Ok(()),
        }
    }

    /// When the progress is shown. `quiet` is never, unless it was chosen explicitly.
    pub(crate) fn progress(&self, quiet: bool) -> Progress {
        match quiet {
            true => self.progress.unwrap_or(Progress::Off),
            false => self.progress.unwrap_or_default(),
        }
    }
}
