//! How many clients there are descriptors for: so that one that is accepted also gets its second
//! channel.

use std::{fs, io};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// What a client takes at most: its socket; the second channel, of a command two pipes and a
/// descriptor of its process; and two pipes, one for each direction, for what the kernel moves.
const PER_CLIENT: u64 = 8;

/// What is left for everything else: starting a command, resolving a name, reading files for TLS.
const OTHERS: u64 = 16;

/// How many clients to serve at a time: `wanted`, for which the limit of descriptors is raised if
/// it has to be, or as many as there are descriptors for.
pub(crate) fn clients(wanted: Option<u32>) -> io::Result<u32> {
    let used = fs::read_dir("/proc/self/fd")?.count() as u64 + OTHERS;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let Some(wanted) = wanted else {
        let clients = soft.saturating_sub(used) / PER_CLIENT;
        return Ok(clients.clamp(1, u32::MAX.into()) as u32);
    };
    let needed = used + u64::from(wanted) * PER_CLIENT;
    if needed > hard {
        let most = hard.saturating_sub(used) / PER_CLIENT;
        let message = format!(
            "Unable to serve {wanted} clients: the limit of {hard} descriptors is enough for {most}"
        );
        return Err(io::Error::other(message));
    }
    if needed > soft {
        setrlimit(Resource::RLIMIT_NOFILE, needed, hard)?;
    }
    Ok(wanted)
}
