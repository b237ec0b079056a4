//! TLS at either address: authentication, and the end of the connection.

use std::{
    ffi::OsStr,
    io::{self, Read, Write},
    net::TcpStream,
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::Command,
};

use nix::sys::signal::Signal;

use crate::{
    accept, connect, pattern,
    pki::{NAME, Pki},
    process::{self, Running, start, start_with},
    rest, tcp_server,
};

/// A server for many, with these options, and its address for clients.
pub(crate) fn server(
    options: &[impl AsRef<OsStr>],
    first: &str,
    second: &str,
) -> (Running, String) {
    let mut all = vec![OsStr::new("-v"), OsStr::new("--fork")];
    all.extend(options.iter().map(AsRef::as_ref));
    all.extend([first, second].map(OsStr::new));
    let mut server = start(all);
    let address = server.wait_for_log("listening on ");
    (server, address)
}

const LOOPBACK: &str = "tls-listen:127.0.0.1:0";

/// A client that is connected, and sends no data until the returned socket is shut down.
pub(crate) fn held(command: &mut Command) -> (Running, UnixStream) {
    let (here, there) = UnixStream::pair().expect("a pair");
    (Running::new(command.stdin(OwnedFd::from(there))), here)
}

fn held_client(arguments: &[&str]) -> (Running, UnixStream) {
    held(process::relay().args(arguments))
}

/// Stops a server, which has had no error.
pub(crate) fn stop(server: Running) -> String {
    server.signal(Signal::SIGTERM);
    let ended = server.end();
    assert!(ended.status.success(), "{}", ended.errors);
    ended.errors
}

#[test]
fn a_large_answer_arrives_also_after_the_end_of_the_request() {
    let pki = Pki::new();
    let (mut server, address) = server(
        &[pki.directory()],
        LOOPBACK,
        "exec:sh -c 'cat; echo at the end'",
    );
    assert!(address.starts_with("tls:tcp:127.0.0.1:"), "{address}");
    let data = pattern(3_000_000);
    let ca = pki.option("ca", "ca-cert.pem");
    let answer = start_with([&ca, "stdio", &address], &data).success();
    assert!(answer == [&data[..], b"at the end\n"].concat());
    let agreed = server.wait_for_log(": TLS 1.3, ");
    assert!(agreed.starts_with("TLS_"), "{agreed}");
    server.wait_for_log("3000000 bytes there, 3000011 bytes back");
    stop(server);
}

#[test]
fn tls_runs_over_unix_sockets_and_commands() {
    needs!("socat");
    let pki = Pki::new();
    let path = pki.file("socket");
    let listens = format!("tls-listen:unix:{path}");
    let (server, address) = server(&[pki.directory()], &listens, "exec:tac");
    assert_eq!(address, format!("tls:unix:{path}"));
    let ca = pki.option("ca", "ca-cert.pem");
    let command = format!("tls:exec:socat -t 30 - UNIX-CONNECT:{path}");
    for address in [&address, &command] {
        let name = format!("--tls-name={NAME}");
        let answer = start_with([&ca, &name, "stdio", address], b"1\n2\n").success();
        assert_eq!(answer, b"2\n1\n");
    }
    stop(server);
}

#[test]
fn one_relay_has_tls_at_both_ends() {
    needs!("glib-networking");
    let pki = Pki::new();
    let required = "--tls-clients=required".to_owned();
    let (mut last, address) = server(&[pki.directory(), required], LOOPBACK, "exec:tac");
    let (middle, address) = server(&[pki.directory()], LOOPBACK, &address);
    let ca = pki.option("ca", "ca-cert.pem");
    let answer = start_with([&ca, "stdio", &address], b"1\n2\n").success();
    assert_eq!(answer, b"2\n1\n");
    // It is not the client of the middle that is known.
    assert!(last.wait_for_log(", with ").contains("CN=client"));
    stop(middle);
    stop(last);
}

#[test]
fn client_certificates_are_requested() {
    needs!("glib-networking");
    let pki = Pki::new();
    let ca = pki.option("ca", "ca-cert.pem");
    let [own, own_key] = pki.shown("client");
    let [other, other_key] = pki.shown("unrelated");
    for how in ["off", "optional", "required"] {
        let mut options = vec![ca.clone(), format!("--tls-clients={how}")];
        options.extend(pki.shown("server"));
        let (mut server, address) = server(&options, LOOPBACK, "exec:cat");

        let known = [&ca, &own, &own_key, "stdio", &address];
        assert_eq!(start_with(known, b"x").success(), b"x");
        if how != "off" {
            assert!(server.wait_for_log(", with ").contains("CN=client"));
        }
        let anonymous = start_with([&ca, "stdio", &address], b"x");
        match how {
            "required" => {
                refused(anonymous);
                server.wait_for_log("the client: peer did not return a certificate");
            }
            _ => assert_eq!(anonymous.success(), b"x"),
        }
        let unrelated = start_with([&ca, &other, &other_key, "stdio", &address], b"x");
        match how {
            "off" => assert_eq!(unrelated.success(), b"x"),
            _ => {
                refused(unrelated);
                server.wait_for_log("the client: unable to get local issuer certificate");
            }
        }
        assert_eq!(start_with(known, b"y").success(), b"y");
        stop(server);
    }
}

/// Waits for the end of a rejected client. The server sends the reason after the handshake:
/// what the client makes of it depends on what it was doing then.
#[track_caller]
fn refused(client: Running) {
    let ended = client.end();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.errors);
    assert_eq!(ended.output, b"");
}

#[test]
fn psk_is_sufficient_without_certificates() {
    let pki = Pki::new();
    let keys = |name| pki.option("psk", name);
    let (mut server, address) = server(&[keys("two.psk")], LOOPBACK, "exec:cat");
    let alice = "--tls-user=alice".to_owned();
    for options in [
        vec![keys("keys.psk")],
        vec![keys("two.psk"), alice.clone()],
        vec![keys("two.psk"), "--tls-user=bob".to_owned()],
    ] {
        let mut all = options;
        all.extend(["stdio".to_owned(), address.clone()]);
        assert_eq!(start_with(all, b"x").success(), b"x");
    }
    let unsaid = start([&keys("two.psk"), "stdio", &address]).failure(1);
    assert_eq!(
        unsaid,
        "Unable to choose a key: there are 2, and no identity is selected"
    );
    refused(start([&keys("wrong.psk"), "stdio", &address]));
    server.wait_for_log("Unable to perform the TLS handshake with the client: ");
    stop(server);
}

#[test]
fn a_server_that_does_not_verify_is_rejected() {
    let pki = Pki::new();
    let (mut server, address) = server(&pki.shown("server"), LOOPBACK, "exec:cat");
    let (ca, others) = (
        pki.option("ca", "ca-cert.pem"),
        pki.option("ca", "others.pem"),
    );
    for (options, reason) in [
        (vec![&*others], "unable to get local issuer certificate: C="),
        (vec![], "unable to get local issuer certificate: C="),
        (vec![&ca, "--tls-name=other.test"], "hostname mismatch: C="),
        (vec![&ca, "--tls-name=127.0.0.2"], "IP address mismatch: C="),
    ] {
        let peer = options.iter().find_map(|it| it.strip_prefix("--tls-name="));
        let arguments = [&options[..], &["stdio", &address]].concat();
        let message = start_with(arguments, b"a secret").failure(1);
        let peer = peer.unwrap_or("127.0.0.1");
        let expected = format!("Unable to perform the TLS handshake with {peer}: {reason}");
        assert!(message.starts_with(&expected), "{message}");
        server.wait_for_log(
            "Unable to perform the TLS handshake with the client: the peer sent the alert ",
        );
    }
    assert!(!stop(server).contains("connected"));
}

#[test]
fn plain_http_on_a_tls_port_is_named_in_the_error() {
    let pki = Pki::new();
    let (mut server, address) = server(&[pki.directory()], LOOPBACK, "exec:cat");
    let plain = connect(address.trim_start_matches("tls:tcp:"));
    (&plain).write_all(b"GET / HTTP/1.0\r\n\r\n").expect("sent");
    server.wait_for_log(
        "Unable to perform the TLS handshake with the client: the peer sent HTTP, not TLS",
    );
    drop(plain);
    stop(server);

    let (listener, address) = tcp_server();
    let ca = pki.option("ca", "ca-cert.pem");
    let client = start([&ca, "stdio", &format!("tls:{address}")]);
    accept(&listener)
        .write_all(b"220 ready\r\n")
        .expect("connected");
    assert_eq!(
        client.failure(1),
        "Unable to perform the TLS handshake with 127.0.0.1: the peer does not speak TLS (wrong version number)"
    );
}

#[test]
fn versions_and_protocols_are_chosen() {
    let pki = Pki::new();
    let options = [pki.directory(), "--tls-alpn=two,one".to_owned()];
    let (mut server, address) = server(&options, LOOPBACK, "exec:cat");
    let ca = pki.option("ca", "ca-cert.pem");
    let answer = start_with([&ca, "--tls-alpn=one,two", "stdio", &address], b"x");
    assert_eq!(answer.success(), b"x");
    server.wait_for_log(", ALPN two");
    let other = start([&ca, "--tls-alpn=three", "stdio", &address]).failure(1);
    assert!(other.contains("no application protocol"), "{other}");
    stop(server);
}

#[test]
fn a_silent_client_times_out_while_others_are_served() {
    let pki = Pki::new();
    let (listener, service) = tcp_server();
    let options = [pki.directory(), "--tls-timeout=0.3".to_owned()];
    let (mut server, address) = server(&options, LOOPBACK, &service);
    let mute = connect(address.trim_start_matches("tls:tcp:"));
    let name = mute.local_addr().expect("an address");

    let ca = pki.option("ca", "ca-cert.pem");
    let (mut client, mut input) = held_client(&[&ca, "stdio", &address]);
    input.write_all(b"question").expect("connected");
    // No connection to the service was opened for the client that does not complete the handshake.
    let mut served = accept(&listener);
    served.read_exact(&mut [0; 8]).expect("the question");
    assert_eq!(
        server.wait_for_log(&format!("qio: tls:tcp:{name}: ")),
        "Unable to perform the TLS handshake with the client in 300ms"
    );
    assert_eq!(rest(mute), b"");
    served.write_all(b"answer\n").expect("connected");
    assert_eq!(client.until("\n"), "answer");
    drop((served, input));
    client.success();
    stop(server);
    listener.set_nonblocking(true).expect("set");
    let more = listener.accept().expect_err("no other connection");
    assert_eq!(more.kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn a_handshake_with_a_silent_server_times_out() {
    let pki = Pki::new();
    let (listener, address) = tcp_server();
    let ca = pki.option("ca", "ca-cert.pem");
    let client = start([&ca, "--tls-timeout=.2", "stdio", &format!("tls:{address}")]);
    let silent = accept(&listener);
    assert_eq!(
        client.failure(1),
        "Unable to perform the TLS handshake with 127.0.0.1 in 200ms"
    );
    drop(silent);
}

#[test]
fn a_command_below_it_ends_with_the_relay() {
    let pki = Pki::new();
    let options = [pki.directory(), format!("--tls-name={NAME}")];
    let mute = "tls:exec:sh -c 'echo it runs >&2; exec sleep 1000'";
    let addresses = ["--tls-timeout=0.2", "stdio", mute];
    let mut client = start(options.iter().map(String::as_str).chain(addresses));
    client.wait_for_log("it runs");
    // It has the other end of standard error, which ends with it.
    assert_eq!(
        client.failure(1),
        "Unable to perform the TLS handshake with server.test in 200ms"
    );
}

/// A client in the middle of a talk with a server, and the service that it has been led to.
fn in_the_middle(pki: &Pki, options: &[&str]) -> (Running, Running, TcpStream, UnixStream) {
    let (listener, service) = tcp_server();
    let (server, address) = server(&[pki.directory()], LOOPBACK, &service);
    let ca = pki.option("ca", "ca-cert.pem");
    let all = [options, &[&ca, "stdio", &address]].concat();
    let (mut client, input) = held_client(&all);
    let mut service = accept(&listener);
    service
        .write_all(b"half of the answer\n")
        .expect("connected");
    assert_eq!(client.until("\n"), "half of the answer");
    (server, client, service, input)
}

#[test]
fn truncation_without_close_notify_is_an_error() {
    let pki = Pki::new();
    for signal in [Signal::SIGINT, Signal::SIGKILL] {
        let (server, client, _service, _input) = in_the_middle(&pki, &[]);
        server.signal(signal);
        server.end();
        let cut = client.failure(1);
        assert!(cut.ends_with("data may have been truncated"), "{cut}");
    }
    // Nor where the service behind it breaks off.
    let (server, client, service, _input) = in_the_middle(&pki, &[]);
    crate::reset(service);
    let cut = client.failure(1);
    assert!(cut.ends_with("data may have been truncated"), "{cut}");
    stop(server);
}

#[test]
fn truncation_without_close_notify_becomes_a_reset_for_a_plain_service() {
    let pki = Pki::new();
    let (server, client, mut service, mut input) = in_the_middle(&pki, &[]);
    input.write_all(b"DELETE all but").expect("connected");
    service.read_exact(&mut [0; 14]).expect("relayed");
    client.signal(Signal::SIGKILL);
    client.end();
    let e = service.read(&mut [0]).expect_err("no end");
    assert_eq!(e.kind(), io::ErrorKind::ConnectionReset);
    stop(server);
}

#[test]
fn truncation_is_end_of_file_with_relaxed_eof() {
    let pki = Pki::new();
    let options = ["--tls-close-notify=optional"];
    let (server, client, _service, input) = in_the_middle(&pki, &options);
    server.signal(Signal::SIGKILL);
    server.end();
    drop(input);
    client.success();
}

#[test]
fn close_notify_is_end_of_file() {
    let pki = Pki::new();
    let (server, client, service, mut input) = in_the_middle(&pki, &[]);
    input.write_all(b"another question").expect("connected");
    drop(input);
    assert_eq!(rest(&service), b"another question");
    // The other direction continues.
    (&service).write_all(b"the rest").expect("connected");
    drop(service);
    assert_eq!(client.success(), b"the rest");
    assert!(!stop(server).contains("Unable"));
}
