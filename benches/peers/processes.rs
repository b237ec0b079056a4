//! Sides that are processes of their own.

use std::{
    env, io,
    net::{SocketAddr, TcpStream},
    process::Command,
    thread,
    time::{Duration, Instant},
};

/// How long a process may take to listen.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The figure that a side of a case prints.
#[allow(dead_code)] // some benchmarks have figures of time alone
pub(crate) fn figure_of(case: &str, side: &str) -> io::Result<f64> {
    let output = Command::new(env::current_exe()?)
        .args(["--case", case, "--side", side])
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().map_err(io::Error::other)
}

/// Connects as soon as the port has a listener.
#[allow(dead_code)] // some benchmarks have no servers
pub(crate) fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let end = Instant::now() + TIMEOUT;
    loop {
        match TcpStream::connect(address) {
            Err(e) if e.kind() == io::ErrorKind::ConnectionRefused && Instant::now() < end => {
                thread::sleep(Duration::from_millis(1));
            }
            result => return result,
        }
    }
}
