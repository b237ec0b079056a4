//! GnuTLS at the other end. It needs the package `gnutls-bin`.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::Instant,
};

use gio::TlsProtocolVersion::{self, Tls12, Tls13};
use openssl::ssl::Ssl;

use super::{PATIENCE, Seen, TlsCreds, certs::Directory, client, server, start, talk};

/// The key of `psktool`'s manual, and what a file has of it.
const HEX: &str = "88f3824b3e5659f52d00e959bacab954b6540344";
const PSK: &[&str] = &["ECDHE-PSK", "DHE-PSK", "PSK"];

fn key() -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&HEX[at..at + 2], 16).expect("a byte");
    (0..HEX.len()).step_by(2).map(byte).collect()
}

/// What GnuTLS may do.
fn priority(version: TlsProtocolVersion, exchanges: &[&str], cipher: Option<&str>) -> String {
    let version = if version == Tls12 { "1.2" } else { "1.3" };
    let mut text = format!("NORMAL:-VERS-ALL:+VERS-TLS{version}:-KX-ALL");
    for exchange in exchanges {
        text += &format!(":+{exchange}");
    }
    if let Some(cipher) = cipher {
        text += &format!(":-CIPHER-ALL:+{cipher}");
    }
    text
}

/// A program that ends with the test.
struct Peer(Child);

impl Peer {
    #[track_caller]
    fn start(program: &str, arguments: &[&str]) -> Self {
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Self(child.unwrap_or_else(|e| panic!("{program}: {e}: install the package gnutls-bin")))
    }

    /// Tries until it succeeds, because the peer is not ready yet.
    #[track_caller]
    fn until_ready<T>(&mut self, mut attempt: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(result) = attempt() {
                return result;
            }
            if let Some(status) = self.0.try_wait().expect("a child") {
                let mut said = String::new();
                let mut errors = self.0.stderr.take().expect("piped");
                errors.read_to_string(&mut said).expect("text");
                panic!("the peer has ended with {status}: {said}");
            }
            assert!(Instant::now() < deadline, "the peer is never ready");
            thread::yield_now();
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Serves `gnutls-cli`, and returns what the server has seen, and what the client has to say.
#[track_caller]
fn serve(creds: &TlsCreds, arguments: &[&str]) -> (Result<Seen, String>, String) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener
        .local_addr()
        .expect("an address")
        .port()
        .to_string();
    let all = [arguments, &["--port", &port, "127.0.0.1"]].concat();
    let mut peer = Peer::start("gnutls-cli", &all);
    let mut input = peer.0.stdin.take().expect("piped");
    let connection = peer.until_ready(|| listener.accept().ok()).0;
    connection.set_nonblocking(false).expect("blocking");
    connection
        .set_read_timeout(Some(PATIENCE))
        .expect("a time-out");
    input.write_all(b"x").expect("taken");
    let ssl = Ssl::new(creds.context()).expect("a connection");
    let seen = talk(ssl.accept(connection));
    drop(input);
    let mut said = String::new();
    let mut output = peer.0.stdout.take().expect("piped");
    output.read_to_string(&mut said).expect("text");
    let mut errors = peer.0.stderr.take().expect("piped");
    errors.read_to_string(&mut said).expect("text");
    (seen, said)
}

/// Connects to `gnutls-serv`, which sends back what it gets.
#[track_caller]
fn ask(creds: &TlsCreds, arguments: &[&str]) -> Result<Seen, String> {
    // It takes no socket that is open, and chooses no port itself.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let number = port.to_string();
    let all = [arguments, &["--echo", "--port", &number]].concat();
    let mut peer = Peer::start("gnutls-serv", &all);
    let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok();
    let connection = peer.until_ready(connect);
    connection
        .set_read_timeout(Some(PATIENCE))
        .expect("a time-out");
    let ssl = start(creds, "127.0.0.1");
    let mut stream = ssl.connect(connection).map_err(|e| e.to_string())?;
    stream.write_all(b"hello\n").map_err(|e| e.to_string())?;
    let mut echo = [0; 6];
    stream.read_exact(&mut echo).map_err(|e| e.to_string())?;
    assert_eq!(&echo, b"hello\n");
    Ok(super::seen(stream.ssl()))
}

#[test]
fn gnutls_clients_have_a_key_in_common_with_ours_in_either_version() {
    let creds = server().psk("qemu", key()).build().expect("a key");
    let user = ["--pskusername", "qemu", "--pskkey", HEX];
    // Without Diffie and Hellman: about to tell of them beside a key of TLS 1.2, gnutls-cli 3.7 crashes, whoever the
    // server is.
    for (version, exchange, cipher, expected) in [
        (Tls12, "PSK", "AES-256-GCM", "PSK-AES256-GCM-SHA384"),
        (Tls12, "PSK", "AES-128-GCM", "PSK-AES128-GCM-SHA256"),
        (Tls12, "PSK", "CHACHA20-POLY1305", "PSK-CHACHA20-POLY1305"),
        (Tls13, "ECDHE-PSK", "AES-128-GCM", "TLS_AES_128_GCM_SHA256"),
        (
            Tls13,
            "ECDHE-PSK",
            "CHACHA20-POLY1305",
            "TLS_CHACHA20_POLY1305_SHA256",
        ),
    ] {
        let priority = priority(version, &[exchange], Some(cipher));
        let (seen, said) = serve(&creds, &[&user[..], &["--priority", &priority]].concat());
        let seen = seen.unwrap_or_else(|e| panic!("{priority}: {e}: {said}"));
        assert_eq!(seen.cipher, expected, "{said}");
        assert!(said.contains("Handshake was completed"), "{said}");
    }
    // It offers suites with both hashes, and has a key for one.
    let priority = priority(Tls13, PSK, None);
    let (seen, said) = serve(&creds, &[&user[..], &["--priority", &priority]].concat());
    let seen = seen.unwrap_or_else(|e| panic!("{priority}: {e}: {said}"));
    assert!(seen.cipher.ends_with("SHA256"), "{}", seen.cipher);
}

#[test]
fn gnutls_clients_with_another_key_are_refused() {
    let creds = server().psk("qemu", "another key").build().expect("a key");
    for version in [Tls12, Tls13] {
        let priority = priority(version, PSK, None);
        let user = [
            "--pskusername",
            "qemu",
            "--pskkey",
            HEX,
            "--priority",
            &priority,
        ];
        let (seen, _) = serve(&creds, &user);
        seen.expect_err("it must be refused");
    }
}

#[test]
fn gnutls_servers_have_a_key_in_common_with_ours_in_either_version() {
    let files = Directory::new();
    let file = files.write("keys.psk", format!("anne:00ff\nqemu:{HEX}\n"));
    let path = file.to_str().expect("UTF-8");
    // Both ends read the same file.
    let creds = |version| {
        let builder = client().psk_file(&file).psk_user("qemu");
        builder.max_version(version).build().expect("a key")
    };
    for (version, exchange, cipher, expected) in [
        (
            Tls12,
            "DHE-PSK",
            Some("AES-256-GCM"),
            "DHE-PSK-AES256-GCM-SHA384",
        ),
        (
            Tls12,
            "DHE-PSK",
            Some("AES-128-GCM"),
            "DHE-PSK-AES128-GCM-SHA256",
        ),
        (Tls12, "PSK", Some("AES-256-GCM"), "PSK-AES256-GCM-SHA384"),
        (Tls12, "ECDHE-PSK", None, "ECDHE-PSK-CHACHA20-POLY1305"),
        (Tls13, "ECDHE-PSK", None, "SHA256"),
        // It has to ask for another group, and the key is looked for once more.
        (
            Tls13,
            "ECDHE-PSK",
            Some("AES-128-GCM:-GROUP-ALL:+GROUP-SECP384R1"),
            "SHA256",
        ),
    ] {
        let priority = priority(version, &[exchange], cipher);
        let arguments = ["--pskpasswd", path, "--priority", &priority];
        let seen = ask(&creds(version), &arguments);
        let seen = seen.unwrap_or_else(|e| panic!("{priority}: {e}"));
        assert!(seen.cipher.ends_with(expected), "{}", seen.cipher);
    }
}

#[test]
fn gnutls_and_ours_are_anonymous_together() {
    let anonymous = priority(Tls12, &["ANON-DH", "ANON-ECDH"], None);
    let creds = server()
        .insecure_anonymous()
        .build()
        .expect("nothing needed");
    let (seen, said) = serve(&creds, &["--no-ca-verification", "--priority", &anonymous]);
    seen.unwrap_or_else(|e| panic!("{e}: {said}"));
    let creds = client()
        .insecure_anonymous()
        .build()
        .expect("nothing needed");
    ask(&creds, &["--priority", &anonymous]).expect("agreed");
}
