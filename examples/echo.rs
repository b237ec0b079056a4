//! An echo server and ten thousand clients on one main loop, in one thread; or the server in a pool
//! of threads.
//!
//! `cargo run --release --example echo -- [--threads=N] [CLIENTS]`: every client sends a line,
//! waits for it to come back, and then stays connected until all have done so. The number is cut
//! down to what the limit of open files allows. With `--threads` the server has that many threads
//! of its own, 0 for one per processor.
//!
//! With `QIO_MONITOR=listen` in its environment, `qio top` shows its channels.

use std::{
    env, io,
    process::ExitCode,
    time::{Duration, Instant},
};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use qio::{ChannelSocket, ContextPool, NetListener, prelude::*};

/// Descriptors that are not connections.
const SPARE: u64 = 64;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// The time that connections have to end, once their clients have.
const GRACE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let (mut wanted, mut threads) = (Some(10_000), None);
    for argument in env::args().skip(1) {
        match argument.strip_prefix("--threads=") {
            Some(number) => threads = number.parse().map(Some).unwrap_or_else(|_| usage()),
            None => wanted = argument.parse().ok(),
        }
    }
    let wanted = wanted.unwrap_or_else(usage);
    let context = glib::MainContext::default();
    match context.block_on(run(wanted, threads)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("echo: {e}");
            ExitCode::FAILURE
        }
    }
}

fn usage<T>() -> T {
    eprintln!("usage: echo [--threads=N] [CLIENTS]");
    std::process::exit(2)
}

async fn run(wanted: u64, threads: Option<u32>) -> io::Result<()> {
    let clients = affordable(wanted)?;
    let loopback = gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4);
    let listener = NetListener::new();
    listener.open_sync(&gio::InetSocketAddress::new(&loopback, 0), BACKLOG)?;
    let address = listener.local_addresses().remove(0);
    let pool = threads.map(ContextPool::new).transpose()?;
    match &pool {
        Some(pool) => listener.serve_on(pool, async |connection| drop(echo(connection).await))?,
        None => drop(qio::spawn_local(async move {
            while let Ok(connection) = listener.accept_future().await {
                qio::spawn_local(echo(connection));
            }
        })),
    }

    let begin = Instant::now();
    let mut connected = Vec::new();
    while (connected.len() as u64) < clients {
        // Connecting blocks this example's only thread: no more at once than the backlog holds.
        let first = connected.len() as u64;
        let numbers = first..clients.min(first + u64::from(BACKLOG) / 2);
        let tasks = numbers
            .map(|number| {
                Ok(qio::spawn_local(client(
                    ChannelSocket::connect(&address)?,
                    number,
                )))
            })
            .collect::<io::Result<Vec<_>>>()?;
        for task in tasks {
            connected.push(task.await.map_err(io::Error::other)??);
        }
    }
    let (count, time) = (connected.len(), begin.elapsed());
    println!("echo: ok, {count} clients connected at once were answered in {time:.1?}");
    drop(connected);
    if let Some(pool) = pool {
        match pool.shutdown_future(Some(GRACE)).await? {
            0 => {}
            left => eprintln!("echo: {left} connections had not ended after {GRACE:?}"),
        }
    }
    Ok(())
}

/// Sends everything back until end-of-file.
async fn echo(connection: ChannelSocket) -> io::Result<()> {
    let mut buf = [0; 1024];
    loop {
        match connection.read_future(&mut buf).await? {
            0 => return Ok(()),
            count => connection.write_all_future(&buf[..count]).await?,
        }
    }
}

/// Has a line echoed, and returns the connection, to be kept.
async fn client(socket: ChannelSocket, number: u64) -> io::Result<ChannelSocket> {
    let line = format!("client {number}\n");
    socket.write_all_future(line.as_bytes()).await?;
    let mut answer = vec![0; line.len()];
    socket.read_all_future(&mut answer).await?;
    match answer == line.as_bytes() {
        true => Ok(socket),
        false => Err(io::Error::other(format!(
            "client {number} got another's answer"
        ))),
    }
}

/// Raises the limit of open files, and returns how many clients it allows: each has two descriptors
/// here.
fn affordable(wanted: u64) -> io::Result<u64> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    let most = hard.saturating_sub(SPARE) / 2;
    if most < wanted {
        eprintln!("echo: the limit of {hard} open files allows {most} clients");
    }
    Ok(wanted.min(most))
}
