//! The programs of GnuTLS at the other end. They need the package `gnutls-bin`.

mod clients;
mod keys;
mod servers;

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::fd::{AsRawFd as _, OwnedFd},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::Instant,
};

use gio::TlsProtocolVersion;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, bind, getsockname, setsockopt, socket, sockopt,
};
use qio::{ChannelSocket, ChannelTls, TlsCreds, prelude::*};

use super::fixtures::{authority, client_cert, server_cert};
use crate::common::{TIMEOUT, certs::Directory};

/// The key of `psktool`'s manual, and what a file has of it.
const HEX: &str = "88f3824b3e5659f52d00e959bacab954b6540344";

fn key() -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&HEX[at..at + 2], 16).expect("a byte");
    (0..HEX.len()).step_by(2).map(byte).collect()
}

/// What GnuTLS may do, of the one version.
fn priority(version: TlsProtocolVersion) -> String {
    let version = match version {
        TlsProtocolVersion::Tls12 => "1.2",
        _ => "1.3",
    };
    format!("NORMAL:-VERS-ALL:+VERS-TLS{version}")
}

/// Files with what both ends have.
fn files() -> Directory {
    let directory = Directory::of_server(&authority().pem, server_cert());
    directory.write("client-cert.pem", &client_cert().pem);
    directory.write("client-key.pem", &client_cert().key);
    directory
}

/// A program that ends with the test.
struct Program(Child);

impl Program {
    #[track_caller]
    fn start(name: &str, directory: &Directory, arguments: &[&str], output: Stdio) -> Self {
        let child = Command::new(name)
            .args(arguments)
            .current_dir(directory.path())
            // What the machine allows is not the business of tests.
            .env("GNUTLS_SYSTEM_PRIORITY_FILE", "/dev/null")
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(Stdio::null())
            .spawn();
        Self(child.unwrap_or_else(|e| panic!("{name}: {e}: install the package gnutls-bin")))
    }

    /// Tries until it succeeds, because the program is not ready yet.
    #[track_caller]
    fn until_ready<T>(&mut self, mut attempt: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            if let Some(result) = attempt() {
                return result;
            }
            if let Some(status) = self.0.try_wait().expect("a child") {
                panic!("the peer has ended with {status}");
            }
            assert!(Instant::now() < deadline, "the peer is never ready");
            thread::yield_now();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `gnutls-cli`, which connects to us. Received data goes to its standard output, messages to a
/// log file.
struct Client {
    program: Program,
    listener: TcpListener,
    directory: Directory,
}

impl Client {
    #[track_caller]
    fn start(directory: Directory, arguments: &[&str]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        listener.set_nonblocking(true).expect("non-blocking");
        let port = listener.local_addr().expect("an address").port();
        let port = port.to_string();
        let all = ["--logfile", "log", "--port", &port, "127.0.0.1"];
        let all = [arguments, &all].concat();
        let program = Program::start("gnutls-cli", &directory, &all, Stdio::piped());
        Self {
            program,
            listener,
            directory,
        }
    }

    /// The server of its next connection.
    #[track_caller]
    fn server(&mut self, creds: &TlsCreds) -> ChannelTls {
        let listener = &self.listener;
        let (socket, _) = self.program.until_ready(|| listener.accept().ok());
        socket.set_nonblocking(false).expect("blocking");
        let master = ChannelSocket::new_fd(OwnedFd::from(socket)).expect("a socket");
        ChannelTls::new_server(&master, creds).expect("a server")
    }

    /// What is written there it sends; when that is closed, it sends close_notify.
    fn input(&mut self) -> ChildStdin {
        self.program.0.stdin.take().expect("a pipe")
    }

    /// What it gets.
    fn output(&mut self) -> &mut ChildStdout {
        self.program.0.stdout.as_mut().expect("a pipe")
    }

    /// What it has got, until its end, and whether it is content.
    fn got(&mut self) -> (Vec<u8>, bool) {
        let mut got = Vec::new();
        self.output().read_to_end(&mut got).expect("read");
        (got, self.program.0.wait().expect("it ends").success())
    }

    fn log(&self) -> String {
        let file = self.directory.file("log");
        std::fs::read_to_string(file).unwrap_or_default()
    }
}

/// `gnutls-serv`, which sends back what it gets.
struct Server {
    program: Program,
    port: u16,
    /// Keeps the port for it: the system assigns no port that is bound.
    _reserved: OwnedFd,
}

/// A port that can be bound once more with `SO_REUSEADDR`, as the program does.
fn reserve_port() -> (OwnedFd, u16) {
    let family = AddressFamily::Inet;
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket(family, SockType::Stream, flags, None).expect("a socket");
    setsockopt(&socket, sockopt::ReuseAddr, &true).expect("set");
    let any = SockaddrIn::new(0, 0, 0, 0, 0);
    bind(socket.as_raw_fd(), &any).expect("a port");
    let address: SockaddrIn = getsockname(socket.as_raw_fd()).expect("bound");
    (socket, address.port())
}

impl Server {
    #[track_caller]
    fn start(directory: &Directory, arguments: &[&str]) -> Self {
        // It accepts no open socket, and does not print the port that it has chosen.
        let (reserved, port) = reserve_port();
        let number = port.to_string();
        let all = [&["--echo", "--quiet", "--port", &number], arguments].concat();
        let mut program = Program::start("gnutls-serv", directory, &all, Stdio::null());
        program.until_ready(|| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok());
        Self {
            program,
            port,
            _reserved: reserved,
        }
    }

    /// A connection with it.
    #[track_caller]
    fn client(&mut self, creds: &TlsCreds, name: Option<&str>) -> ChannelTls {
        let port = self.port;
        let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok();
        let socket = self.program.until_ready(connect);
        let master = ChannelSocket::new_fd(OwnedFd::from(socket)).expect("a socket");
        ChannelTls::new_client(&master, creds, name).expect("a client")
    }
}

/// A line goes there and comes back.
#[track_caller]
fn echo(client: &ChannelTls, line: &[u8]) -> std::io::Result<()> {
    client.write_all(line)?;
    let mut got = vec![0; line.len()];
    client.read_all(&mut got)?;
    assert!(got == line);
    Ok(())
}

/// Lines, of several MiB, of which no two are alike.
fn lines() -> Vec<u8> {
    let mut text = Vec::new();
    for number in 0..400_000 {
        writeln!(text, "{number:09}").expect("memory");
    }
    text
}
