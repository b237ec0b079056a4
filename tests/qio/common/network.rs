//! Networks of a test's own: namespaces, where the machine lets us have them.

use std::{io, process::Command};

use nix::sched::{CloneFlags, unshare};

use super::alone::alone;
use crate::skip::skip;

/// Runs the body of the test `name` (its full path) in a separate process and network namespace.
/// That has loopback, and at 10.9.0.1 and fd09::1 a link whose other hosts, 10.9.0.2 and fd09::2,
/// never answer. Skips the test where there are no such networks.
#[track_caller]
pub(crate) fn in_a_network(name: &str, body: impl FnOnce()) {
    alone(name, || {
        // This thread, and its children.
        match unshare(CloneFlags::CLONE_NEWNET).map_err(io::Error::from) {
            Ok(()) => {}
            Err(e) => return skip(format_args!("no network namespaces ({e})")),
        }
        match LINKS.iter().try_for_each(|line| ip(line)) {
            Ok(()) => body(),
            Err(e) => skip(format_args!("no network namespaces ({e})")),
        }
    });
}

/// Packets to the hosts that do not answer go to the other end of the link, where no interface has
/// their addresses.
const LINKS: [&str; 8] = [
    "link set lo up",
    "link add quiet0 type veth peer name quiet1",
    "address add 10.9.0.1/24 dev quiet0",
    "address add fd09::1/64 dev quiet0 nodad",
    "link set quiet0 up",
    "link set quiet1 up",
    "neighbour add 10.9.0.2 lladdr 02:00:00:00:00:01 dev quiet0 nud permanent",
    "neighbour add fd09::2 lladdr 02:00:00:00:00:01 dev quiet0 nud permanent",
];

fn ip(line: &str) -> Result<(), String> {
    let output = Command::new("ip").args(line.split(' ')).output();
    let output = output.map_err(|e| format!("ip: {e}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "ip {line}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}
