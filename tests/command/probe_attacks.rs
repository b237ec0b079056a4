//! `qio probe` of peers that attack it: with silence, slowness, and much or harmful text.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use crate::{
    accept,
    certs::{Cert, Directory, Request},
    process::{Ended, Running, qio},
    reset, tcp_server,
    tls::{server, stop},
};

/// Much more than any output of a probe has, but for that of a peer.
const MUCH: usize = 16 * 1024;

fn probe<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Running {
    let mut command = Command::new(qio());
    let command = command.arg("probe").args(arguments).stdin(Stdio::null());
    Running::new(command)
}

/// The output and the error of a probe that has failed.
#[track_caller]
fn failed(running: Running) -> (String, String) {
    let Ended {
        status,
        output,
        errors,
    } = running.end();
    let output = String::from_utf8(output).expect("text");
    assert_eq!(status.code(), Some(1), "{output}{errors}");
    for text in [&output, &errors] {
        let is_harmful = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.contains(is_harmful), "{text:?}");
        assert!(text.len() < MUCH, "{} bytes", text.len());
    }
    (output, errors)
}

/// What a probe prints and reports of a peer that does this to its client.
#[track_caller]
fn attacked(
    scheme: &str,
    options: &[&str],
    attack: impl FnOnce(TcpStream) + Send + 'static,
) -> (String, String) {
    let (listener, address) = tcp_server();
    let address = address.replacen("tcp:", scheme, 1);
    let peer = thread::spawn(move || attack(accept(&listener)));
    let result = failed(probe(options.iter().copied().chain([&*address])));
    peer.join().expect("it ends with the probe");
    result
}

/// Sends bytes until the probe has ended, a few at a time.
fn drip(mut client: TcpStream, bytes: impl Iterator<Item = u8>) {
    for byte in bytes {
        if client.write_all(&[byte]).is_err() {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn each_step_is_printed_before_the_next_one_is_complete() {
    for (scheme, step) in [("tls:", "TLS"), ("ws:", "WebSocket")] {
        let (listener, address) = tcp_server();
        let address = address.replacen("tcp:", scheme, 1);
        let unlimited = match scheme {
            "tls:" => "--tls-timeout=1000",
            _ => "--ws-timeout=1000",
        };
        let mut running = probe(["--max-time=1000", unlimited, &address]);
        running.until("connected in ");
        running.until("from ");
        // Only now the peer does something.
        let client = accept(&listener);
        client.shutdown(Shutdown::Write).expect("connected");
        let (shown, _) = failed(running);
        assert!(shown.contains(&format!("\n{step} ")), "{shown}");
    }
}

#[test]
fn a_probe_of_a_silent_peer_ends_at_the_time_limit() {
    for (scheme, step) in [("tls:", "TLS"), ("ws:", "WebSocket"), ("wss:", "TLS")] {
        let silent =
            |mut client: TcpStream| while client.read(&mut [0; 512]).is_ok_and(|n| n > 0) {};
        let (shown, error) = attacked(scheme, &["--max-time=0.3"], silent);
        let over = format!("\n{step:<12} no answer in time\n");
        assert!(shown.ends_with(&over), "{shown}");
        assert!(error.starts_with("qio: Unable to probe "), "{error}");
        assert!(error.ends_with(" in 300ms\n"), "{error}");
    }
}

#[test]
fn a_probe_of_a_peer_that_sends_a_byte_at_a_time_ends_at_the_time_limit() {
    // The header of a record of the handshake, as long as one may be.
    let record = [0x16, 3, 3, 0x40, 0, 2, 0, 0x3f, 0xfc].into_iter();
    let record = record.chain(std::iter::repeat(0));
    let (shown, _) = attacked("tls:", &["--max-time=0.5"], |client| drip(client, record));
    assert!(shown.contains("TLS "), "{shown}");
    let head = b"HTTP/1.1 101 Switching Protocols\r\n".iter().copied();
    let head = head.chain(std::iter::repeat(b'x'));
    let (shown, error) = attacked("ws:", &["--max-time=0.5"], |client| drip(client, head));
    assert!(
        shown.ends_with("WebSocket    no answer in time\n"),
        "{shown}"
    );
    assert!(error.ends_with(" in 500ms\n"), "{error}");
}

#[test]
fn a_probe_shows_a_reset_in_the_handshake() {
    for (scheme, step) in [("tls:", "TLS"), ("ws:", "WebSocket")] {
        let (shown, error) = attacked(scheme, &[], |mut client| {
            client.read_exact(&mut [0; 16]).expect("a request");
            reset(client);
        });
        let line = shown.lines().find(|line| line.starts_with(step));
        assert!(line.is_some_and(|line| line.contains("eset")), "{shown}");
        assert!(error.contains("eset"), "{error}");
    }
}

#[test]
fn a_probe_reads_no_endless_head_and_prints_no_long_one() {
    let endless = |mut client: TcpStream| {
        let lines = b"a: b\r\n".repeat(100);
        let _ = client.write_all(b"HTTP/1.1 101 Switching Protocols\r\n");
        while client.write_all(&lines).is_ok() {}
    };
    let (shown, error) = attacked("ws:", &["--max-time=1000", "--ws-timeout=1000"], endless);
    assert!(shown.contains("\nWebSocket    refused: "), "{shown}");
    assert!(
        error.contains("too large") || error.contains("longer"),
        "{error}"
    );

    let (shown, error) = attacked("ws:", &[], |mut client| {
        client.read_exact(&mut [0; 16]).expect("a request");
        let reason = "x".repeat(10_000);
        let answer = format!("HTTP/1.1 500 {reason}\r\nContent-Length: 0\r\n\r\n");
        let _ = client.write_all(answer.as_bytes());
    });
    assert!(shown.contains("500 "), "{shown}");
    for text in [&shown, &error] {
        assert!(text.len() < 2000, "{text}");
    }
}

/// The output of a probe of a TLS server with this certificate, whose issuer is not trusted.
fn shown_of(server_certificate: &Cert) -> String {
    let directory = Directory::of_server("", server_certificate);
    let options = [
        format!("--tls-cert={}", directory.file("server-cert.pem").display()),
        format!("--tls-key={}", directory.file("server-key.pem").display()),
    ];
    let (server, address) = server(&options, "tls-listen:127.0.0.1:0", "exec:cat");
    let (shown, error) = failed(probe([&*address]));
    assert!(error.contains("does not verify"), "{error}");
    stop(server);
    shown
}

#[test]
fn a_probe_shows_the_beginning_of_a_chain_of_very_many_certificates() {
    needs!("glib-networking");
    let mut issuer = Request::authority("root").signed_by_itself();
    let mut chain = issuer.pem.clone();
    for number in 0..90 {
        issuer = Request::authority(&format!("issuer {number}")).signed_by(&issuer);
        chain.insert_str(0, &issuer.pem);
    }
    let own = Request::server("server").ip("127.0.0.1").signed_by(&issuer);
    chain.insert_str(0, &own.pem);
    let shown = shown_of(&own.with_pem(chain));
    let lines: Vec<_> = shown.lines().map(str::trim).collect();
    assert!(lines.iter().any(|it| it.starts_with("7  ")), "{shown}");
    assert!(!lines.iter().any(|it| it.starts_with("8  ")), "{shown}");
    assert!(lines.contains(&"84 more"), "{shown}");
}

#[test]
fn a_probe_prints_long_and_many_names_in_part_and_escapes_them() {
    needs!("glib-networking");
    let subject = "\x1b]0;owned\x07\u{202e}".to_owned() + &"x".repeat(20_000);
    let names: Vec<_> = (0..400).map(|n| format!("\x1b[3{n}m.test")).collect();
    let mut request = Request::server(&subject);
    for name in &names {
        request = request.dns(name);
    }
    let issuer = Request::authority("authority").signed_by_itself();
    let shown = shown_of(&request.signed_by(&issuer));
    assert!(shown.contains("owned"), "{shown}");
    assert!(
        shown.contains("\\u{1b}[315m.test, and 384 more\n"),
        "{shown}"
    );
    assert!(!shown.contains(&"x".repeat(300)), "{shown}");
}
