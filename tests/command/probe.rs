//! `qio probe`: what it shows of an address, and how it ends.

use std::{io::Write, net::TcpListener, process::Command, process::Stdio, thread};

use crate::{
    pki::Pki,
    process::{Ended, Running, qio},
    rest, tcp_server,
    tls::{server, stop},
};

/// The output of a probe, whose times are left out, its exit status, and its error.
fn probe(arguments: &[&str]) -> (String, i32, String) {
    let mut command = Command::new(qio());
    let command = command.arg("probe").args(arguments).stdin(Stdio::null());
    let Ended {
        status,
        output,
        errors,
    } = Running::new(command).end();
    let output = String::from_utf8(output).expect("text");
    let lines = output.lines().map(|line| {
        let line = line.split(" in ").next().unwrap_or_default();
        line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n"
    });
    (lines.collect(), status.code().expect("not killed"), errors)
}

#[test]
fn a_probe_shows_the_addresses_that_were_tried() {
    let (listener, address) = tcp_server();
    let (shown, status, _) = probe(&[&address]);
    let port = listener.local_addr().expect("bound").port();
    assert_eq!(status, 0, "{shown}");
    let expected = format!(
        "address {address}\nresolved 1 address\n127.0.0.1:{port}: connected\nfrom 127.0.0.1:"
    );
    assert!(shown.starts_with(&expected), "{shown}");
    // Nothing was sent.
    assert_eq!(rest(listener.accept().expect("a client").0), b"");
    let (shown, status, _) = probe(&[&format!("{address},bind=127.0.0.2")]);
    assert_eq!(status, 0, "{shown}");
    assert!(shown.contains("from 127.0.0.2:"), "{shown}");

    drop(listener);
    let (shown, status, error) = probe(&[&address]);
    assert_eq!(status, 1);
    let refused = format!("127.0.0.1:{port}: Connection refused\n");
    assert!(shown.ends_with(&refused), "{shown}");
    assert_eq!(
        error,
        format!("qio: Unable to connect to 127.0.0.1:{port}: Connection refused\n")
    );
}

#[test]
fn a_probe_shows_the_tls_version_the_chain_and_the_verdict() {
    needs!("glib-networking");
    let pki = Pki::new();
    let options = [pki.directory(), "--tls-alpn=h2,http/1.1".to_owned()];
    let (server, address) = server(&options, "tls-listen:127.0.0.1:0", "exec:cat");
    let ca = pki.option("ca", "ca-cert.pem");
    let (shown, status, error) = probe(&[&ca, "--tls-alpn=http/1.1", &address]);
    assert_eq!((status, &*error), (0, ""), "{shown}");
    for line in [
        "TLS TLS 1.3, TLS_AES_256_GCM_SHA384, ALPN http/1.1, with ",
        "certificate verified",
        "0 ",
        "names server.test, 127.0.0.1",
        "sha256 ",
    ] {
        let found = shown.lines().any(|it| it.starts_with(line));
        assert!(found, "{line}: {shown}");
    }

    let (shown, status, error) = probe(&[&pki.option("ca", "others.pem"), &address]);
    assert_eq!(status, 1, "{shown}");
    let reason = "the issuer is not trusted";
    let verdict = format!("certificate does not verify: {reason}\n");
    assert!(shown.contains(&verdict), "{shown}");
    let expected = format!("qio: The certificate does not verify: {reason}\n");
    assert_eq!(error, expected);
    let name = "--tls-name=other.test";
    let (shown, status, _) = probe(&[&ca, name, &address]);
    assert_eq!(status, 1, "{shown}");
    assert!(shown.contains("it is for another name\n"), "{shown}");
    stop(server);
}

#[test]
fn a_probe_shows_the_answer_of_a_websocket_server() {
    let options = ["--ws-protocol=binary"];
    let (server, address) = server(&options, "ws-listen:127.0.0.1:0/path", "exec:cat");
    let address = address.trim_end_matches("/path").to_owned();
    let (shown, status, _) = probe(&["--ws-protocol=binary", &format!("{address}/path")]);
    assert_eq!(status, 0, "{shown}");
    let accepted = "WebSocket accepted: WebSocket /path, subprotocol binary,";
    assert!(shown.contains(accepted), "{shown}");
    let (shown, status, error) = probe(&[&format!("{address}/other")]);
    assert_eq!(status, 1, "{shown}");
    let refused = "WebSocket refused: The server answered 404 Not Found\n";
    assert!(shown.contains(refused), "{shown}");
    assert_eq!(error, "qio: The server answered 404 Not Found\n");
    stop(server);
}

#[test]
fn a_probe_prints_no_control_characters_of_a_peer() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = format!("ws:{}", listener.local_addr().expect("bound"));
    let server = thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("a client");
        let answer = b"HTTP/1.1 500 \x1b]0;owned\x07\xe2\x80\xae\r\nContent-Length: 0\r\n\r\n";
        client.write_all(answer).expect("connected");
        rest(client)
    });
    let (shown, status, error) = probe(&[&address]);
    assert_eq!(status, 1, "{shown}");
    for text in [&shown, &error] {
        let is_hidden = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.contains(is_hidden), "{text:?}");
    }
    server.join().expect("the end");
}

#[test]
fn what_listens_or_is_standard_input_is_not_probed() {
    for (address, message) in [
        ("stdio", "stdio is nothing to connect to"),
        ("tcp-listen:1", "tcp::1 is nothing to connect to"),
        (
            "tls:h:1,retry=1",
            "the options retry, timeout and send-proxy",
        ),
        ("unix:/x,send-proxy", "are not those of a probe"),
        ("tcp:h:1,timeout=1", "which has --timeout"),
    ] {
        let (_, status, error) = probe(&[address]);
        assert_eq!(status, 2);
        assert!(error.contains(message), "{error}");
    }
    let (shown, status, _) = probe(&["exec:true"]);
    assert_eq!(status, 0, "{shown}");
    assert!(shown.contains("connected\n"), "{shown}");
}

#[test]
fn the_picture_of_the_readme_has_what_the_commands_print() {
    needs!("python3");
    needs!("openssl");
    let folder = tempfile::tempdir().expect("a directory");
    let picture = folder.path().join("terminal.svg");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/picture");
    let mut command = Command::new("python3");
    let command = command.arg(script).arg(qio()).arg(&picture);
    Running::new(command.stdin(Stdio::null())).success();
    let drawn = std::fs::read_to_string(&picture).expect("a picture");
    let drawn = drawn.replace('\u{a0}', " ");
    for text in [
        ">demo: ok, 16777216 bytes through 5 channels",
        ">certificate  verified<",
    ] {
        assert!(drawn.contains(text), "{text}: {drawn}");
    }
}
