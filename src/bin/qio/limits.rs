//! How many clients there are descriptors for: so that one that is accepted also gets its second
//! channel.

use std::{fs, io, sync::OnceLock};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rustix::process::{Pid, Rlimit, prlimit};

/// What a client takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Usage {
    /// Two sockets, and a third one while the second address is tried in parallel: TLS or a
    /// WebSocket moves the data through memory.
    Layered,
    /// At most its socket, a second channel, and two pipes, one for each direction, for what the
    /// kernel moves.
    Plain,
    /// Its socket, and two pipes and a descriptor of a process.
    Command,
}

impl Usage {
    fn descriptors(self) -> u64 {
        match self {
            Self::Layered => 3,
            Self::Plain | Self::Command => 8,
        }
    }
}

/// What is left for everything else: starting a command, resolving a name, reading files for TLS.
const OTHERS: u64 = 16;

/// The soft limit before it was raised.
static BEFORE: OnceLock<u64> = OnceLock::new();

/// How many clients to serve at a time: `wanted`, or as many as there are descriptors for.
///
/// The soft limit is raised to the hard one, except for commands where it is sufficient: there the
/// default of `wanted` is the number of processes too.
pub(crate) fn clients(wanted: Option<u32>, usage: Usage) -> io::Result<u32> {
    let used = fs::read_dir("/proc/self/fd")?.count() as u64 + OTHERS;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let enough_for = |limit: u64| limit.saturating_sub(used) / usage.descriptors();
    let needed = wanted.map(|wanted| used + u64::from(wanted) * usage.descriptors());
    if let (Some(wanted), Some(needed)) = (wanted, needed)
        && needed > hard
    {
        let most = enough_for(hard);
        let message = format!(
            "Unable to serve {wanted} clients: the limit of {hard} descriptors is enough for {most}"
        );
        return Err(io::Error::other(message));
    }
    let is_sufficient = usage == Usage::Command && needed.is_none_or(|needed| needed <= soft);
    if soft < hard && !is_sufficient {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
        BEFORE.get_or_init(|| soft);
    }
    let limit = if is_sufficient { soft } else { hard };
    Ok(wanted.unwrap_or(enough_for(limit).clamp(1, u32::MAX.into()) as u32))
}

/// Gives a command the soft limit that this process had at its start: select(2) has none of the
/// numbers above 1023.
pub(crate) fn restore(pid: u32) -> io::Result<()> {
    let (Some(&before), Some(pid)) = (BEFORE.get(), Pid::from_raw(pid.cast_signed())) else {
        return Ok(());
    };
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let limit = Rlimit {
        current: Some(before),
        maximum: (hard != libc::RLIM_INFINITY).then_some(hard),
    };
    prlimit(Some(pid), rustix::process::Resource::Nofile, limit)?;
    Ok(())
}
