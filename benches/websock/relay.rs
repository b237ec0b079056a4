//! A relay from a WebSocket to TCP, in a separate process: ours, websocat and websockify. The
//! client sends frames that were masked beforehand, so that it costs nothing but its writes.

use std::{
    env,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use qio::{ChannelSocket, ChannelWebsock, WebsockOptions};

use crate::{Side, processes::connect};

/// What a relay moves, in bytes.
pub(crate) const RELAYED: u64 = 1 << 30;

/// The payload of a frame.
const FRAME: usize = 64 * 1024;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// Where `.ci/bench-peers` installs programs.
fn installed(path: &str) -> io::Result<PathBuf> {
    // A file of the target directory.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    let path = target.unwrap_or(Path::new(".")).join("peers").join(path);
    match path.exists() {
        true => Ok(path),
        false => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "not installed: see .ci/bench-peers",
        )),
    }
}

fn start(side: Side, listen: SocketAddr, target: SocketAddr) -> io::Result<Child> {
    let mut command = match side {
        Side::Websocat => {
            let mut command = Command::new(installed("bin/websocat")?);
            // Binary messages, and its default buffer size, which holds a frame.
            command.args(["--binary", "-B", "65536"]);
            command.args([format!("ws-l:{listen}"), format!("tcp:{target}")]);
            command
        }
        Side::Websockify => {
            let mut command = Command::new(installed("python/bin/python3")?);
            command.args(["-m", "websockify", "--run-once"]);
            command.args([listen.to_string(), target.to_string()]);
            command
        }
        _ => {
            let mut command = Command::new(env::current_exe()?);
            command.args(["--relay", &listen.to_string(), &target.to_string()]);
            command
        }
    };
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// The time that it takes to send so much through a relay, until all has arrived.
pub(crate) fn measure(side: Side, bytes: u64) -> io::Result<Duration> {
    let sink = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let target = sink.local_addr()?;
    // A port that was free a moment ago; no other process binds ports here.
    let listen = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let mut relay = start(side, listen, target)?;
    let sink = thread::spawn(move || {
        let (mut connection, _) = sink.accept()?;
        let (mut buf, mut received) = (vec![0; 256 * 1024], 0);
        while received < bytes {
            match connection.read(&mut buf)? {
                0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
                count => received += count as u64,
            }
        }
        Ok(())
    });
    let took = send(listen, bytes).and_then(|(client, start)| {
        sink.join().expect("no panic")?;
        drop(client);
        Ok(start.elapsed())
    });
    if relay.try_wait()?.is_none() {
        relay.kill()?;
    }
    relay.wait()?;
    took
}

fn send(address: SocketAddr, bytes: u64) -> io::Result<(TcpStream, Instant)> {
    let mut client = connect(address)?;
    client.write_all(REQUEST)?;
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let mut frame = vec![0x82, 0xff];
    frame.extend_from_slice(&(FRAME as u64).to_be_bytes());
    frame.extend_from_slice(&[1, 2, 3, 4]);
    frame.resize(frame.len() + FRAME, 7);
    let frames = frame.repeat(4);
    let start = Instant::now();
    for _ in 0..bytes / FRAME as u64 / 4 {
        client.write_all(&frames)?;
    }
    Ok((client, start))
}

/// Relays one connection, in a separate process.
pub(crate) fn serve(listen: &str, target: &str) -> io::Result<()> {
    let address = |text: &str| -> io::Result<gio::InetSocketAddress> {
        let address: SocketAddr = text.parse().map_err(io::Error::other)?;
        let loopback = gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4);
        Ok(gio::InetSocketAddress::new(&loopback, address.port()))
    };
    let client = ChannelSocket::listen(&address(listen)?, 1)?.accept()?;
    let client = ChannelWebsock::new_server(&client, &WebsockOptions::default())?;
    let server = ChannelSocket::connect(&address(target)?)?;
    let relay = qio::spawn_local(async move { qio::relay_future(&client, &server).await });
    // The client ends without a closing handshake.
    let _ = glib::MainContext::default()
        .block_on(relay)
        .expect("no panic");
    Ok(())
}
