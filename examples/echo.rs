//! An echo server and ten thousand clients on one main loop, in one thread.
//!
//! `cargo run --release --example echo -- [CLIENTS]`: every client sends a line, waits for it to
//! come back, and then stays connected until all have done so. The number is cut down to what the
//! limit of open files allows.

use std::{env, io, process::ExitCode, time::Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use qio::{ChannelSocket, prelude::*};

/// Descriptors that are not connections.
const SPARE: u64 = 64;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

fn main() -> ExitCode {
    let wanted = env::args().nth(1).map_or(Ok(10_000), |text| text.parse());
    let Ok(wanted) = wanted else {
        eprintln!("echo: the number of clients must be a number");
        return ExitCode::FAILURE;
    };
    let context = glib::MainContext::default();
    match context.block_on(run(wanted)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("echo: {e}");
            ExitCode::FAILURE
        }
    }
}

async fn run(wanted: u64) -> io::Result<()> {
    let clients = affordable(wanted)?;
    let loopback = gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4);
    let listener = ChannelSocket::listen(&gio::InetSocketAddress::new(&loopback, 0), BACKLOG)?;
    let address = listener.local_address()?;
    qio::spawn_local(async move {
        while let Ok(connection) = listener.accept_future().await {
            qio::spawn_local(echo(connection));
        }
    });

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
