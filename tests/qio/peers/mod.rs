//! Other programs at the other end, started by each test, and ended with it.

mod dbus;
mod difficult;
mod ncat;
mod qemu;
mod socat;
mod swtpm;

use std::{
    ffi::OsStr,
    io::Read as _,
    path::Path,
    process::{Child, ChildStderr, Command, Stdio},
    time::Instant,
};

use qio::{ChannelSocket, prelude::*};

use crate::common::TIMEOUT;

/// A program that ends with the test.
pub(crate) struct Peer(Child);

impl Peer {
    /// Starts a program of a package. Nothing is skipped: one that is missing is named.
    #[track_caller]
    pub(crate) fn start(package: &str, program: &str, arguments: &[impl AsRef<OsStr>]) -> Self {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        Self::spawn(package, &mut command)
    }

    #[track_caller]
    fn spawn(package: &str, command: &mut Command) -> Self {
        let program = command.get_program().to_owned();
        let child = command.spawn().unwrap_or_else(|e| {
            panic!("{}: {e}: install the package {package}", program.display());
        });
        Self(child)
    }

    /// Panics with its output if it has exited.
    #[track_caller]
    fn check_lives(&mut self) {
        if let Some(status) = self.0.try_wait().expect("a child") {
            let mut output = String::new();
            let read = |stderr: &mut ChildStderr| stderr.read_to_string(&mut output);
            let _ = self.0.stderr.as_mut().map(read);
            panic!("the peer has ended with {status}: {output}");
        }
    }

    /// Tries until it succeeds, because the peer is not ready yet.
    #[track_caller]
    fn until_ready<T>(&mut self, mut attempt: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            if let Some(result) = attempt() {
                return result;
            }
            self.check_lives();
            assert!(Instant::now() < deadline, "the peer is never ready");
            std::thread::yield_now();
        }
    }

    /// Connects, once the peer listens.
    #[track_caller]
    pub(crate) fn connect(
        &mut self,
        kind: gio::SocketType,
        address: &gio::SocketAddress,
    ) -> ChannelSocket {
        self.until_ready(|| {
            let channel = ChannelSocket::of_type(kind);
            channel.connect_sync(address).ok().map(|()| channel)
        })
    }

    /// Waits until it ends by itself.
    #[track_caller]
    fn wait(mut self) {
        let status = self.until_ready_to_end();
        assert!(status.success(), "the peer has failed: {status}");
    }

    fn until_ready_to_end(&mut self) -> std::process::ExitStatus {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            if let Some(status) = self.0.try_wait().expect("a child") {
                return status;
            }
            assert!(Instant::now() < deadline, "the peer never ends");
            std::thread::yield_now();
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that is not in use now.
pub(crate) fn free_port(family: gio::SocketFamily) -> u16 {
    let address = gio::InetSocketAddress::new(&gio::InetAddress::new_loopback(family), 0);
    let listener = ChannelSocket::listen(&address, 1).expect("listens");
    port_of(&listener.local_address().expect("an address"))
}

pub(crate) fn port_of(address: &gio::SocketAddress) -> u16 {
    use glib::prelude::*;
    address
        .downcast_ref::<gio::InetSocketAddress>()
        .expect("internet")
        .port()
}

pub(crate) fn loopback(family: gio::SocketFamily, port: u16) -> gio::SocketAddress {
    use glib::prelude::*;
    gio::InetSocketAddress::new(&gio::InetAddress::new_loopback(family), port).upcast()
}

fn unix(path: &Path) -> gio::SocketAddress {
    use glib::prelude::*;
    gio::UnixSocketAddress::new(path).upcast()
}

/// Reads up to the end of a line, one byte at a time: what follows may come with descriptors.
fn read_line(channel: &ChannelSocket) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while channel.read_all_eof(&mut byte).expect("a line") && byte != *b"\n" {
        line.push(byte[0]);
    }
    String::from_utf8(line).expect("text")
}

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i * 7 + i / 251) as u8).collect()
}

/// Sends a pattern through a peer that echoes up to the end, and compares.
#[track_caller]
fn check_echo(channel: &ChannelSocket) {
    const SIZE: usize = 300_000;
    let (writer, reader) = (channel.clone(), channel.clone());
    let received = crate::common::in_time(move || {
        let writing = std::thread::spawn(move || {
            writer.write_all(&pattern(SIZE)).expect("written");
            writer.shutdown(qio::Shutdown::Write).expect("half closed");
        });
        let mut received = vec![0; SIZE];
        reader.read_all(&mut received).expect("the echo");
        assert_eq!(reader.read(&mut [0]).expect("the end"), 0);
        writing.join().expect("no panic");
        received
    });
    assert!(received == pattern(SIZE), "the echo differs");
}

/// The same piece by piece: for peers that stop reading when they have much to write.
#[track_caller]
fn check_echo_by_pieces(channel: &ChannelSocket) {
    let channel = channel.clone();
    crate::common::in_time(move || {
        for size in (1..4000).step_by(37) {
            channel.write_all(&pattern(size)).expect("written");
            let mut received = vec![0; size];
            channel.read_all(&mut received).expect("the echo");
            assert!(received == pattern(size), "the echo differs");
        }
    });
}

/// Sends messages to a peer that echoes them, one by one.
#[track_caller]
fn check_message_echo(channel: &ChannelSocket) {
    let channel = channel.clone();
    crate::common::in_time(move || {
        let mut buf = [0; 4096];
        for size in [1, 17, 1000, 3] {
            channel.write_all(&pattern(size)).expect("sent");
            assert_eq!(channel.read(&mut buf).expect("the echo"), size);
            assert_eq!(buf[..size], pattern(size));
        }
    });
}
