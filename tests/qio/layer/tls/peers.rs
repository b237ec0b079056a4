//! The program `openssl` at the other end.

mod keys;

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
};

use gio::{TlsAuthenticationMode, TlsProtocolVersion};
use qio::{Access, ChannelCommand, ChannelSocket, ChannelTls, TlsCreds, prelude::*};

use super::fixtures::{
    NAME, authority, client_builder, client_cert, server_builder, server_cert, server_creds,
};
use crate::common::{certs::Directory, in_time};

/// Files with what both ends have.
fn files() -> Directory {
    let directory = Directory::of_server(&authority().pem, server_cert());
    directory.write("client-cert.pem", &client_cert().pem);
    directory.write("client-key.pem", &client_cert().key);
    directory
}

fn openssl(directory: &Directory, arguments: &[&str]) -> Command {
    let mut command = Command::new("openssl");
    command.args(arguments).current_dir(directory.path());
    command
}

fn loopback() -> gio::InetSocketAddress {
    let host = gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4);
    gio::InetSocketAddress::new(&host, 0)
}

/// A program that connects to us, and the server that it gets.
struct Client {
    child: Child,
    server: ChannelTls,
}

impl Client {
    fn start(directory: &Directory, creds: &TlsCreds, arguments: &[&str]) -> Self {
        let listener = ChannelSocket::listen(&loopback(), 1).expect("listens");
        let address = listener.local_address().expect("an address");
        let port = address
            .downcast::<gio::InetSocketAddress>()
            .expect("TCP")
            .port();
        let target = format!("127.0.0.1:{port}");
        let mut all = vec![
            "s_client",
            "-connect",
            target.as_str(),
            "-CAfile",
            "ca-cert.pem",
        ];
        all.extend(["-verify_return_error", "-quiet", "-no_ign_eof"]);
        all.extend(arguments);
        let child = openssl(directory, &all)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("install the package openssl");
        let master = listener.accept().expect("it connects");
        let server = ChannelTls::new_server(&master, creds).expect("a server");
        Self { child, server }
    }

    fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("a pipe")
    }

    /// What it has got, until its end.
    fn got(mut self) -> Vec<u8> {
        let mut got = Vec::new();
        let stdout = self.child.stdout.as_mut().expect("a pipe");
        stdout.read_to_end(&mut got).expect("read");
        self.child.wait().expect("it ends");
        got
    }
}

/// A program that we connect to, until this is dropped.
struct Server {
    child: Child,
    port: u16,
    /// Its messages, which are not on the wire.
    _stdout: BufReader<ChildStdout>,
}

impl Server {
    fn start(directory: &Directory, arguments: &[&str]) -> Self {
        let all = [&["s_server", "-accept", "127.0.0.1:0"], arguments].concat();
        let mut child = openssl(directory, &all)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("install the package openssl");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        while !line.starts_with("ACCEPT ") {
            line.clear();
            let count = stdout.read_line(&mut line).expect("text");
            assert_ne!(count, 0, "it does not listen: {}", end(&mut child));
        }
        let port = line.trim_end().rsplit(':').next().expect("a port");
        Self {
            child,
            port: port.parse().expect("a number"),
            _stdout: stdout,
        }
    }

    /// A connection with it.
    fn connect(&self) -> ChannelSocket {
        let host = gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4);
        let address = gio::InetSocketAddress::new(&host, self.port);
        ChannelSocket::connect(&address).expect("it listens")
    }

    /// Ends it, and returns what it has complained of.
    fn complaints(&mut self) -> String {
        end(&mut self.child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Ends a program, and returns what is on its standard error, the first time.
fn end(child: &mut Child) -> String {
    let _ = child.kill();
    let _ = child.wait();
    let mut log = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        let _ = stderr.read_to_string(&mut log);
    }
    log
}

#[test]
fn s_client_talks_to_us() {
    needs!("openssl");
    in_time(|| {
        let directory = files();
        for version in ["-tls1_2", "-tls1_3"] {
            let requesting = server_builder()
                .client_certificates(TlsAuthenticationMode::Required)
                .alpn_protocols(["echo"]);
            let arguments = [
                version,
                "-servername",
                NAME,
                "-verify_hostname",
                NAME,
                "-alpn",
                "other,echo",
                "-cert",
                "client-cert.pem",
                "-key",
                "client-key.pem",
            ];
            let creds = requesting.build().expect("good");
            let mut client = Client::start(&directory, &creds, &arguments);
            let mut stdin = client.stdin();
            let server = client.server.clone();
            server.handshake().expect("connected");
            let expected = match version {
                "-tls1_2" => TlsProtocolVersion::Tls12,
                _ => TlsProtocolVersion::Tls13,
            };
            assert_eq!(server.protocol_version(), expected);
            assert_eq!(server.alpn_protocol().as_deref(), Some("echo"));
            let shown = server.peer_certificate().expect("it was requested");
            assert!(shown.subject_name().expect("a name").contains("client"));
            let text = vec![b'x'; 300_000];
            let sent = thread::spawn({
                let text = text.clone();
                move || stdin.write_all(&text).map(|()| stdin)
            });
            let mut got = vec![0; text.len()];
            server.read_all(&mut got).expect("read");
            assert!(got == text);
            let stdin = sent.join().expect("no panic").expect("written");
            let echo = thread::spawn(move || {
                server.write_all(&got).expect("written");
                server.bye().expect("sent");
                server
            });
            let received = thread::spawn(move || client.got());
            let server = echo.join().expect("no panic");
            assert!(received.join().expect("no panic") == text);
            drop((stdin, server));
        }
    });
}

#[test]
fn s_client_updates_its_keys_and_ours() {
    needs!("openssl");
    in_time(|| {
        let directory = files();
        let arguments = ["-tls1_3", "-servername", NAME];
        // `K` at the beginning of a line requests a KeyUpdate as well; `-quiet` would send it.
        let mut client = Client::start(&directory, &server_creds(), &arguments);
        let server = client.server.clone();
        server.handshake().expect("connected");
        let mut stdin = client.stdin();
        for round in 0..20_u8 {
            server.update_keys(round % 2 == 0).expect("new keys");
            server.write_all(&[round]).expect("written");
            stdin.write_all(&[round; 100]).expect("written");
            let mut got = [0; 100];
            server.read_all(&mut got).expect("read");
            assert_eq!(got, [round; 100]);
        }
        server.bye().expect("sent");
        assert_eq!(client.got(), (0..20).collect::<Vec<u8>>());
    });
}

#[test]
fn s_client_resumes_a_session() {
    needs!("openssl");
    in_time(|| {
        let directory = files();
        let creds = server_creds();
        for version in ["-tls1_2", "-tls1_3"] {
            for (option, resumed) in [("-sess_out", false), ("-sess_in", true)] {
                let arguments = [version, "-servername", NAME, option, "session.pem"];
                let mut client = Client::start(&directory, &creds, &arguments);
                let server = client.server.clone();
                server.handshake().expect("connected");
                assert_eq!(server.is_resumed(), resumed, "{version}");
                server.write_all(b"a word").expect("written");
                let mut stdin = client.stdin();
                stdin.write_all(b"another").expect("written");
                server.read_all(&mut [0; 7]).expect("read");
                server.bye().expect("sent");
                assert_eq!(client.got(), b"a word");
            }
        }
    });
}

/// `openssl s_server` on the pipes of a command of ours: `socat` connects the two.
#[test]
fn we_talk_to_s_server_through_pipes() {
    needs!("openssl");
    in_time(|| {
        let directory = files();
        let shown = ["-cert", "server-cert.pem", "-key", "server-key.pem"];
        let requesting = ["-CAfile", "ca-cert.pem", "-Verify", "1"];
        let talking = ["-verify_return_error", "-rev", "-alpn", "rev"];
        let peer = Server::start(&directory, &[&shown[..], &requesting, &talking].concat());
        let creds = client_builder()
            .certificate_pem(client_cert().pem.as_str(), client_cert().key.as_str())
            .alpn_protocols(["rev"])
            .build()
            .expect("good");
        let target = format!("TCP:127.0.0.1:{}", peer.port);
        for resumed in [false, true] {
            let command = ["socat", "-", target.as_str()];
            let command = ChannelCommand::new_spawn(command, Access::ReadWrite).expect("socat");
            let client = ChannelTls::new_client(&command, &creds, NAME).expect("a client");
            client.handshake().expect("connected");
            assert_eq!(client.alpn_protocol().as_deref(), Some("rev"));
            for line in [&b"desserts\n"[..], b"drawer\n"] {
                client.write_all(line).expect("written");
                let mut got = vec![0; line.len()];
                client.read_all(&mut got).expect("read");
                let mut expected = line.to_vec();
                expected[..line.len() - 1].reverse();
                assert_eq!(got, expected);
                client.update_keys(true).expect("new keys");
            }
            assert_eq!(client.is_resumed(), resumed);
            client.bye().expect("sent");
        }
    });
}

#[test]
fn s_client_that_trusts_another_thread_is_distinguished() {
    needs!("openssl");
    in_time(|| {
        let directory = files();
        directory.write("ca-cert.pem", &client_cert().pem);
        let client = Client::start(&directory, &server_creds(), &["-servername", NAME]);
        let e = client.server.handshake().unwrap_err();
        assert!(
            e.to_string()
                .contains("the peer sent the alert \"unknown ca\""),
            "{e}"
        );
        client.got();
    });
}
