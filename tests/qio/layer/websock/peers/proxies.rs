//! nginx and haproxy as reverse proxies between our client and our server: plain, and with TLS that
//! ends at the proxy.

use std::{
    fs,
    io::Read as _,
    net::TcpStream,
    os::fd::OwnedFd,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Instant,
};

use gio::SocketFamily::Ipv4;
use qio::{ChannelSocket, ChannelWebsock, prelude::*};

use super::{Setting, echo, messages};
use crate::{
    common::{TIMEOUT, certs::Directory, in_time},
    layer::tls::fixtures::{authority, server_cert},
    peers::{free_port, loopback, port_of},
};

/// A proxy with one port for plain connections and one for TLS, which ends with the test.
struct Proxy {
    child: Child,
    plain: u16,
    tls: u16,
    _directory: Directory,
}

impl Proxy {
    /// Starts a proxy with a file that `configure` makes from the directory, both ports and the
    /// port of the server.
    #[track_caller]
    fn start(
        program: &str,
        configure: impl FnOnce(&Path, u16, u16, u16) -> String,
        arguments: impl FnOnce(&Path) -> Vec<String>,
        server: u16,
    ) -> Self {
        let directory = Directory::of_server(&authority().pem, server_cert());
        let [plain, tls] = [(); 2].map(|()| free_port(Ipv4));
        let text = configure(directory.path(), plain, tls, server);
        directory.write("conf", text);
        let mut command = Command::new(format!("{}/.ci/peer", env!("CARGO_MANIFEST_DIR")));
        let child = command
            .arg(program)
            .args(arguments(directory.path()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut this = Self {
            child,
            plain,
            tls,
            _directory: directory,
        };
        for port in [plain, tls] {
            this.wait_until_it_listens(program, port);
        }
        this
    }

    #[track_caller]
    fn wait_until_it_listens(&mut self, program: &str, port: u16) {
        let deadline = Instant::now() + TIMEOUT;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = self.child.try_wait().expect("a child") {
                let mut errors = String::new();
                let _ = self
                    .child
                    .stderr
                    .take()
                    .map(|mut it| it.read_to_string(&mut errors));
                panic!("{program} has ended with {status}: {errors}");
            }
            assert!(Instant::now() < deadline, "{program} never listens");
            thread::yield_now();
        }
    }

    fn port(&self, setting: Setting) -> u16 {
        match setting.transport {
            "plain" => self.plain,
            _ => self.tls,
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn nginx(server: u16) -> Proxy {
    let configure = |directory: &Path, plain, tls, server| {
        let at = |name: &str| directory.join(name).display().to_string();
        let (cert, key, temp) = (at("server-cert.pem"), at("server-key.pem"), at("temp"));
        let temp: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {temp}-{kind};\n"))
            .concat();
        format!(
            "daemon off;
            master_process off;
            pid {pid};
            events {{}}
            http {{
                access_log off;
                {temp}
                map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
                server {{
                    listen 127.0.0.1:{plain};
                    listen 127.0.0.1:{tls} ssl;
                    ssl_certificate {cert};
                    ssl_certificate_key {key};
                    location / {{
                        proxy_pass http://127.0.0.1:{server};
                        proxy_http_version 1.1;
                        proxy_set_header Host $http_host;
                        proxy_set_header Upgrade $http_upgrade;
                        proxy_set_header Connection $connection_upgrade;
                    }}
                }}
            }}",
            pid = at("pid"),
        )
    };
    let arguments = |directory: &Path| {
        let at = |name: &str| directory.join(name).display().to_string();
        ["-p", &at(""), "-c", &at("conf"), "-e", "stderr"]
            .map(str::to_owned)
            .into()
    };
    Proxy::start("nginx", configure, arguments, server)
}

fn haproxy(server: u16) -> Proxy {
    let configure = |directory: &Path, plain, tls, server| {
        let read = |name: &str| fs::read_to_string(directory.join(name)).expect("it is there");
        let both = read("server-cert.pem") + &read("server-key.pem");
        let file = directory.join("both.pem");
        fs::write(&file, both).expect("written");
        format!(
            "defaults
                mode http
                timeout connect 10s
                timeout client 60s
                timeout server 60s
                timeout tunnel 60s
            frontend both
                bind 127.0.0.1:{plain}
                bind 127.0.0.1:{tls} ssl crt {}
                default_backend server
            backend server
                server server 127.0.0.1:{server}\n",
            file.display()
        )
    };
    let arguments = |directory: &Path| {
        let file = directory.join("conf").display().to_string();
        vec!["-db".to_owned(), "-q".to_owned(), "-f".to_owned(), file]
    };
    Proxy::start("haproxy", configure, arguments, server)
}

/// All messages go through the proxy and back, and each end closes once.
fn relays(start: impl FnOnce(u16) -> Proxy) {
    let listener = ChannelSocket::listen(&loopback(Ipv4, 0), 1).expect("listens");
    let proxy = start(port_of(&listener.local_address().expect("an address")));
    for (transport, compression) in [
        ("plain", "none"),
        ("plain", "small"),
        ("tls", "none"),
        ("tls", "deflate"),
    ] {
        let setting = Setting {
            script: "",
            transport,
            compression,
        };
        for closes_first in [true, false] {
            relays_one(setting, &listener, proxy.port(setting), closes_first);
        }
    }
}

fn relays_one(setting: Setting, listener: &ChannelSocket, port: u16, closes_first: bool) {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("connected");
    let socket = ChannelSocket::new_fd(OwnedFd::from(stream)).expect("a socket");
    let lower = setting.lower(socket, true);
    let uri = format!("ws://127.0.0.1:{port}/chat");
    let client = ChannelWebsock::new_client(&lower, &uri, &setting.options()).expect("a client");
    let serving = thread::spawn({
        let listener = listener.clone();
        move || {
            // The proxy has ended TLS.
            let lower = listener.accept().expect("the proxy connects");
            let server = ChannelWebsock::new_server(&lower, &setting.options());
            let server = server.expect("a server");
            let close = echo(&server);
            (close, server.protocol())
        }
    });
    client.handshake().expect("accepted");
    assert_eq!(client.protocol().as_deref(), Some("echo"));
    let agreed = client.response_header("Sec-WebSocket-Extensions");
    assert_eq!(agreed.is_some(), setting.compression != "none");
    for (kind, data) in messages(setting) {
        client.send(kind, &data).expect("sent");
        let message = client.receive().expect("received").expect("a message");
        assert_eq!(message.kind(), kind);
        assert!(message.data() == &data, "{setting:?}: {} bytes", data.len());
    }
    let expected = match closes_first {
        true => {
            client.bye(3001, "that is all").expect("answered");
            (Some(3001), Some("that is all".to_owned()))
        }
        false => {
            client.send_text("close").expect("sent");
            client.receive().expect_err("closed");
            assert_eq!(client.close_code(), Some(4000), "{setting:?}");
            assert_eq!(client.close_reason().as_deref(), Some("as requested"));
            (Some(4000), None)
        }
    };
    client.close().expect("closed");
    let ((code, reason), protocol) = serving.join().expect("no panic");
    assert_eq!(code, expected.0, "{setting:?}");
    if let Some(expected) = expected.1 {
        assert_eq!(reason, Some(expected), "{setting:?}");
    }
    assert_eq!(protocol.as_deref(), Some("echo"));
}

#[test]
fn nginx_relays_messages_and_closes() {
    needs!("nginx");
    in_time(|| relays(nginx));
}

#[test]
fn haproxy_relays_messages_and_closes() {
    needs!("haproxy");
    in_time(|| relays(haproxy));
}
