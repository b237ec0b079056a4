//! The programs of OpenSSL and GnuTLS, as clients and as servers.

use std::{io::Write, process::Command};

use crate::{
    pki::{KEY, NAME, Pki},
    process::{start_with, tool},
    tls::{held, server, stop},
};

const LOOPBACK: &str = "tls-listen:127.0.0.1:0";

fn openssl(arguments: &[&str]) -> Command {
    let mut openssl = tool("openssl", "openssl");
    openssl.args(arguments);
    openssl
}

fn gnutls_cli(port: &str, arguments: &[&str]) -> Command {
    let mut gnutls = tool("gnutls-cli", "gnutls-bin");
    // Its log would be mixed with the data.
    gnutls.args(["--logfile=/dev/null", "--port", port]);
    gnutls.args(arguments).arg("127.0.0.1");
    gnutls
}

/// Runs a client that sends data to an echo server twice, and ends.
#[track_caller]
fn echoes(client: &mut Command) {
    let (mut client, mut input) = held(client);
    for line in ["one\n", "and another\n"] {
        input.write_all(line.as_bytes()).expect("it lives");
        assert_eq!(client.until("\n"), line.trim_end());
    }
    drop(input);
    assert!(client.end().status.success());
}

#[test]
fn s_client_is_a_client() {
    needs!("openssl");
    let pki = Pki::new();
    let options = [
        pki.directory(),
        "--tls-clients=required".to_owned(),
        "--tls-alpn=echo".to_owned(),
    ];
    let (mut server, address) = server(&options, LOOPBACK, "exec:cat");
    let address = address.trim_start_matches("tls:tcp:");
    let file = |name: &str| pki.file(name);
    for (version, logged) in [("-tls1_2", "TLS 1.2"), ("-tls1_3", "TLS 1.3")] {
        let (ca, cert, key) = (
            file("ca-cert.pem"),
            file("client-cert.pem"),
            file("client-key.pem"),
        );
        let connecting = ["s_client", "-connect", address, version, "-alpn", "echo"];
        let trusting = [
            "-CAfile",
            &ca,
            "-verify_return_error",
            "-verify_hostname",
            NAME,
        ];
        let shown = [
            "-cert",
            &cert,
            "-key",
            &key,
            "-quiet",
            "-no_ign_eof",
            "-servername",
            NAME,
        ];
        echoes(openssl(&connecting).args(trusting).args(shown));
        let agreed = server.wait_for_log(&format!("{logged}, "));
        assert!(agreed.contains("ALPN echo, with "), "{agreed}");
        assert!(agreed.contains("CN=client"), "{agreed}");
    }
    assert!(!stop(server).contains("Unable"));
}

#[test]
fn the_oldest_version_is_chosen() {
    needs!("openssl");
    let pki = Pki::new();
    let options = [pki.directory(), "--tls-min=1.3".to_owned()];
    let (mut server, address) = server(&options, LOOPBACK, "exec:cat");
    let address = address.trim_start_matches("tls:tcp:");
    let old = ["s_client", "-connect", address, "-tls1_2"];
    let (old, _input) = held(&mut openssl(&old));
    assert_eq!(old.end().status.code(), Some(1));
    server
        .wait_for_log("Unable to perform the TLS handshake with the client: unsupported protocol");
    stop(server);
}

#[test]
fn s_server_is_a_server() {
    needs!("openssl");
    let pki = Pki::new();
    let (ca, cert, key) = (
        pki.file("ca-cert.pem"),
        pki.file("server-cert.pem"),
        pki.file("server-key.pem"),
    );
    let listening = [
        "s_server",
        "-accept",
        "127.0.0.1:0",
        "-naccept",
        "1",
        "-rev",
    ];
    let shown = ["-cert", &cert, "-key", &key];
    let requesting = ["-CAfile", &ca, "-Verify", "1", "-verify_return_error"];
    let (mut s_server, _input) = held(openssl(&listening).args(shown).args(requesting));
    s_server.until("ACCEPT ");
    let address = s_server.until("\n");
    let options = [
        pki.directory(),
        "stdio".to_owned(),
        format!("tls:{address}"),
    ];
    let mut client = start_with(options, b"desserts\n");
    assert_eq!(client.until("\n"), "stressed");
    client.success();
    assert!(s_server.end().status.success());
}

#[test]
fn gnutls_cli_is_a_client() {
    needs!("gnutls-bin");
    let pki = Pki::new();
    let options = [pki.directory(), "--tls-clients=required".to_owned()];
    let (mut server, address) = server(&options, LOOPBACK, "exec:cat");
    let port = address.rsplit(':').next().expect("a port");
    for version in ["1.2", "1.3"] {
        let priority = format!("NORMAL:-VERS-ALL:+VERS-TLS{version}");
        echoes(&mut gnutls_cli(
            port,
            &[
                "--x509cafile",
                &pki.file("ca-cert.pem"),
                "--x509certfile",
                &pki.file("client-cert.pem"),
                "--x509keyfile",
                &pki.file("client-key.pem"),
                "--verify-hostname",
                NAME,
                "--priority",
                &priority,
            ],
        ));
        let agreed = server.wait_for_log(&format!("TLS {version}, "));
        assert!(agreed.contains("CN=client"), "{agreed}");
    }
    stop(server);
}

#[test]
fn psk_with_gnutls_cli() {
    needs!("gnutls-bin");
    let pki = Pki::new();
    let (mut server, address) = server(&[pki.option("psk", "keys.psk")], LOOPBACK, "exec:cat");
    let port = address.rsplit(':').next().expect("a port");
    // That of 3.7 crashes where it is to show how it has agreed on a key, with TLS 1.2 and (EC)DHE.
    for (version, exchange) in [("1.2", "+PSK"), ("1.3", "+ECDHE-PSK:+DHE-PSK")] {
        let priority = format!("NORMAL:-VERS-ALL:+VERS-TLS{version}:-KX-ALL:{exchange}");
        let arguments = ["--pskusername", "alice", "--pskkey", KEY];
        let arguments = [&arguments[..], &["--priority", &priority]].concat();
        echoes(&mut gnutls_cli(port, &arguments));
        server.wait_for_log(&format!("TLS {version}, "));
    }
    stop(server);
}
