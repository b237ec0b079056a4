//! How many clients there are descriptors for: so that one that is accepted also gets its second
//! channel.

use std::{fs, io, net::IpAddr, sync::OnceLock};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use qio::NetAddress;
use rustix::process::{Pid, Rlimit, prlimit};

use crate::{
    endpoint::{Endpoint, Local},
    text::with_action,
};

/// The maximum number of pipes that the library has at a time, with two descriptors each.
const MOST_PIPES: u64 = 16;

/// What each client takes, with its second channel.
#[derive(Clone, Copy)]
pub(crate) struct Usage {
    /// The most descriptors at a time, without those of `pipes`.
    descriptors: u64,
    /// Pipes through which the kernel moves data. There are at most [`MOST_PIPES`] of all clients;
    /// the others' data goes through memory.
    pipes: u64,
    is_command: bool,
}

impl Usage {
    /// That of the clients of an address, with this second address.
    pub(crate) fn of(first: &Endpoint, second: &Endpoint) -> Self {
        let second_channel = match second.below() {
            // A socket, and a duplicate of it until it is connected. Of a name, another
            // address is tried in parallel.
            Endpoint::Connect(address, _) => 2 + u64::from(is_name(address)),
            Endpoint::Listen(..) | Endpoint::Udp { .. } => 1,
            // Two pipes, the process, and one that has not ended yet, of a client before.
            Endpoint::Exec(_) => 4,
            // The file, and a pipe that ends with it: there is nothing to read.
            Endpoint::File(_) => 3,
            // The same, and the original one.
            Endpoint::Fd(_) => 4,
            // Both sides, until it is set up.
            Endpoint::Pty(_) => 2,
            Endpoint::Stdio => 2,
            Endpoint::Tls(_) | Endpoint::Websock(..) => unreachable!("layers are not below"),
        };
        let are_sockets = is_socket(first) && is_socket(second);
        // What is read from unix sockets may come with descriptors.
        let is_moved = |from: &&Endpoint| are_sockets && !is_unix(from);
        Self {
            descriptors: 1 + second_channel,
            pipes: [first, second].iter().copied().filter(is_moved).count() as u64,
            is_command: matches!(second.below(), Endpoint::Exec(_)),
        }
    }

    /// How many so many clients need.
    fn needed(self, clients: u64) -> u64 {
        let pipes = (self.pipes * clients).min(MOST_PIPES);
        self.descriptors * clients + 2 * pipes
    }

    /// For how many clients so many are enough.
    fn enough_for(self, descriptors: u64) -> u64 {
        let all_piped = descriptors / (self.descriptors + 2 * self.pipes);
        // The others have none.
        let others = descriptors.saturating_sub(2 * MOST_PIPES) / self.descriptors;
        all_piped.max(others)
    }
}

/// Whether a name is resolved for an address.
fn is_name(address: &NetAddress) -> bool {
    let host = address.host();
    host.is_some_and(|host| host.parse::<IpAddr>().is_err())
}

/// Whether it is a stream socket, without a layer over it.
fn is_socket(endpoint: &Endpoint) -> bool {
    matches!(endpoint, Endpoint::Connect(..) | Endpoint::Listen(..))
}

fn is_unix(endpoint: &Endpoint) -> bool {
    match endpoint {
        Endpoint::Connect(address, _) | Endpoint::Listen(Local::Address(address), _) => {
            address.scheme() == "unix"
        }
        _ => false,
    }
}

/// What is left for everything else: resolving a name, reading files for TLS.
const OTHERS: u64 = 16;

/// What is left for each thread: its loop, and starting a command.
const OF_THREAD: u64 = 8;

/// The soft limit before it was raised.
static BEFORE: OnceLock<u64> = OnceLock::new();

/// How many clients to serve at a time, in so many threads: `wanted`, or as many as there are
/// descriptors for.
///
/// The soft limit is raised to the hard one, except for commands where it is sufficient: there the
/// default of `wanted` is the number of processes too.
pub(crate) fn clients(wanted: Option<u32>, usage: Usage, threads: u32) -> io::Result<u32> {
    let opened =
        fs::read_dir("/proc/self/fd").map_err(|e| with_action(&e, "read /proc/self/fd"))?;
    let used = opened.count() as u64;
    let used = used + OTHERS + OF_THREAD * u64::from(threads);
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let enough_for = |limit: u64| usage.enough_for(limit.saturating_sub(used));
    let needed = wanted.map(|wanted| used + usage.needed(wanted.into()));
    if let (Some(wanted), Some(needed)) = (wanted, needed)
        && needed > hard
    {
        let most = enough_for(hard);
        let message = format!(
            "Unable to serve {wanted} clients: the limit of {hard} descriptors is enough for {most}"
        );
        return Err(io::Error::other(message));
    }
    let is_sufficient = usage.is_command && needed.is_none_or(|needed| needed <= soft);
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
