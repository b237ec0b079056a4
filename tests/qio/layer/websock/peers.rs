//! Other implementations at the other end. Each echoes messages of all sizes, and each end closes
//! once.

mod aiohttp;
mod curl;
mod node;
mod proxies;
mod python;
mod qemu;
mod soup;

use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::TcpStream,
    os::fd::OwnedFd,
    process::{Child, ChildStdout, Command, Stdio},
};

use gio::SocketFamily::Ipv4;
use glib::Bytes;
use qio::{
    Channel, ChannelSocket, ChannelTls, ChannelWebsock, WebsockDeflate, WebsockMessageKind,
    WebsockOptions, prelude::*,
};

use crate::{
    common::certs::Directory,
    layer::tls::fixtures::{NAME, authority, client_creds, server_cert, server_creds},
    peers::{loopback, port_of},
};

/// How a test connects to its peer, and what both ends offer.
#[derive(Debug, Clone, Copy)]
struct Setting {
    /// In the directory of these tests.
    script: &'static str,
    transport: &'static str,
    compression: &'static str,
}

impl Setting {
    fn options(self) -> WebsockOptions {
        let options = WebsockOptions::builder().protocol("echo");
        let deflate = WebsockDeflate::default();
        let options = match self.compression {
            "none" => options,
            "small" => options.deflate(deflate.threshold(0)),
            _ => options.deflate(deflate),
        };
        options.build().expect("good options")
    }

    /// What both ends transfer their bytes by.
    fn lower(self, socket: ChannelSocket, is_client: bool) -> Channel {
        match (self.transport, is_client) {
            ("plain", _) => socket.upcast(),
            (_, true) => {
                let tls = ChannelTls::new_client(&socket, &client_creds(), NAME);
                tls.expect("a client").upcast()
            }
            (_, false) => {
                let tls = ChannelTls::new_server(&socket, &server_creds());
                tls.expect("a server").upcast()
            }
        }
    }
}

/// A program at the other end, which ends with the test.
struct Program {
    child: Child,
    output: BufReader<ChildStdout>,
    _directory: Directory,
}

impl Program {
    fn start(setting: Setting, role: &str, port: Option<u16>) -> Self {
        let directory = Directory::of_server(&authority().pem, server_cert());
        let root = env!("CARGO_MANIFEST_DIR");
        let mut command = match setting.script.ends_with(".py") {
            true => Command::new(format!("{root}/.ci/python")),
            false => Command::new(format!("{root}/.ci/peer")),
        };
        if setting.script.ends_with(".cjs") {
            command.arg("node");
        }
        let mut child = command
            .arg(format!("{root}/tests/qio/layer/websock/{}", setting.script))
            .args([role, setting.transport, setting.compression])
            .arg(directory.path())
            .args(port.map(|port| port.to_string()))
            .stdout(Stdio::piped())
            .spawn()
            .expect("it runs");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        Self {
            child,
            output,
            _directory: directory,
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    /// What it has printed by its end, which is a success.
    fn rest(mut self) -> String {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).expect("text");
        assert!(self.child.wait().expect("a child").success(), "{rest}");
        rest
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Binary messages and texts of the sizes at which headers change, and of many frames; these not
/// with small windows, which take seconds for them in a program without optimization.
fn messages(setting: Setting) -> impl Iterator<Item = (WebsockMessageKind, Bytes)> {
    let sizes = [0, 1, 125, 126, 65_535, 65_536, 1 << 20];
    let count = sizes.len() - usize::from(setting.compression == "small");
    sizes.into_iter().take(count).flat_map(|size| {
        let binary: Vec<u8> = (0..=250).cycle().take(size).collect();
        let text: String = "größer als 1 € ".chars().cycle().take(size).collect();
        [
            (WebsockMessageKind::Binary, Bytes::from_owned(binary)),
            (
                WebsockMessageKind::Text,
                Bytes::from_owned(text.into_bytes()),
            ),
        ]
    })
}

/// Echoes messages up to the end, and closes on request. Returns the peer's code and reason.
fn echo(server: &ChannelWebsock) -> (Option<u16>, Option<String>) {
    while let Ok(Some(message)) = server.receive() {
        if message.text() == Some("close") {
            server.bye(4000, "as requested").expect("answered");
            break;
        }
        server.send(message.kind(), message.data()).expect("sent");
    }
    let close = (server.close_code(), server.close_reason());
    server.close().expect("closed");
    close
}

/// A client of the other implementation talks to our server. `closes` is what it reports to be the
/// end of its connections, and `extensions` what it reports to be negotiated.
#[track_caller]
fn serve(setting: Setting, extensions: &str, closes: [&str; 2]) {
    let listener = ChannelSocket::listen(&loopback(Ipv4, 0), 1).expect("listens");
    let port = port_of(&listener.local_address().expect("an address"));
    let program = Program::start(setting, "client", Some(port));
    for expected in [(3001, "that is all"), (4000, "")] {
        let lower = setting.lower(listener.accept().expect("it connects"), false);
        let server = ChannelWebsock::new_server(&lower, &setting.options()).expect("a server");
        let (code, reason) = echo(&server);
        assert_eq!(code, Some(expected.0), "{setting:?}");
        assert_eq!(server.protocol().as_deref(), Some("echo"));
        if expected.0 == 3001 {
            assert_eq!(reason.as_deref(), Some(expected.1), "{setting:?}");
        }
    }
    let each = |close: &str| format!("protocol echo\nextensions {extensions}\nclosed {close}\n");
    assert_eq!(program.rest(), closes.map(each).concat(), "{setting:?}");
}

/// Our client talks to a server of the other implementation. `extensions` is what is negotiated.
#[track_caller]
fn connect(setting: Setting, extensions: Option<&str>) {
    let mut program = Program::start(setting, "server", None);
    let port: u16 = program.line().parse().expect("a port");
    for closes_first in [true, false] {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("connected");
        let socket = ChannelSocket::new_fd(OwnedFd::from(stream)).expect("a socket");
        let lower = setting.lower(socket, true);
        let uri = format!("ws://127.0.0.1:{port}/chat");
        let client = ChannelWebsock::new_client(&lower, &uri, &setting.options());
        let client = client.expect("a client");
        client.handshake().expect("accepted");
        assert_eq!(client.protocol().as_deref(), Some("echo"));
        let header = client.extensions();
        assert_eq!(header.as_deref(), extensions, "{setting:?}");
        for (kind, data) in messages(setting) {
            client.send(kind, &data).expect("sent");
            let message = client.receive().expect("received").expect("a message");
            assert_eq!(message.kind(), kind);
            assert!(message.data() == &data, "{setting:?}: {} bytes", data.len());
        }
        let expected = match closes_first {
            true => {
                client.bye(3001, "that is all").expect("answered");
                // Python's server waits for this.
                client.close().expect("closed");
                "closed 3001 that is all"
            }
            false => {
                client.send_text("close").expect("sent");
                let error = client.receive().expect_err("closed");
                assert!(error.to_string().contains("as requested"), "{error}");
                assert_eq!(client.close_code(), Some(4000));
                assert_eq!(client.close_reason().as_deref(), Some("as requested"));
                client.close().expect("closed");
                "closed 4000"
            }
        };
        let line = program.line();
        assert!(line.starts_with(expected), "{setting:?}: {line}");
    }
}
