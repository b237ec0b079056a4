//! The command line, and its errors.

use std::{fs::File, net::TcpListener, process::Command};

use crate::{
    pki::Pki,
    process::{Running, qio, start, usage_error},
};

#[test]
fn help_is_shown_and_names_all_addresses() {
    for command in ["relay", "listen", "connect"] {
        let help = Running::new(Command::new(qio()).args([command, "--help"])).success();
        let help = String::from_utf8(help).expect("text");
        for address in [
            "stdio",
            "tcp:",
            "unix:",
            "vsock:",
            "tcp-listen:",
            "unix-listen:",
            "vsock-listen:",
            "tls:",
            "tls-listen:",
            "ws:",
            "wss:",
            "ws-listen:",
            "wss-listen:",
            "exec:",
            "file:",
            "fd:",
        ] {
            assert!(help.contains(&format!("\n  {address}")), "{address}");
        }
        for line in help.lines() {
            assert!(line.len() <= 100, "{line}");
        }
    }
}

#[test]
fn wrong_usage_is_reported_by_argument() {
    for (arguments, message) in [
        (
            &[][..],
            "the following required arguments were not provided: <FIRST> <SECOND>",
        ),
        (
            &["stdio"],
            "the following required arguments were not provided: <SECOND>",
        ),
        (&["-", "-", "-"], "unexpected argument '-' found"),
        (
            &["--forks", "-", "-"],
            "unexpected argument '--forks' found",
        ),
        (
            &["--fork=1", "-", "-"],
            "unexpected value '1' for '--fork' found; no more were expected",
        ),
        (
            &["-m", "0", "-f", "tcp-listen:0", "exec:cat"],
            "invalid value '0' for '--max-clients <N>': 0 is not in 1..=4294967295",
        ),
        (&["-m", "1", "-", "exec:cat"], "--max-clients is for --fork"),
        (
            &["-", "-", "-t"],
            "a value is required for '--timeout <SECONDS>' but none was supplied",
        ),
        (
            &["-t", "0", "-", "-"],
            "invalid value '0' for '--timeout <SECONDS>': expected a number of seconds above 0",
        ),
        (
            // A timer of 32 bits would wrap to 0.
            &["--timeout=4294968", "-", "-"],
            "invalid value '4294968' for '--timeout <SECONDS>': expected at most 4294967 seconds, \
             which are 49 days",
        ),
        (
            &["--timeout=x", "-", "-"],
            "invalid value 'x' for '--timeout <SECONDS>': expected a number of seconds above 0",
        ),
        (
            &["-f", "tcp:h:1", "exec:cat"],
            "--fork is for a FIRST that listens, such as tcp-listen:",
        ),
        (
            &["-f", "tcp-listen:1", "-"],
            "with --fork, SECOND must be there for each client: not stdio",
        ),
        (
            &["stdio", "localhost:80"],
            "\"localhost:80\" is no address, such as tcp:HOST:PORT or stdio",
        ),
        (
            &["stdio", "--", "-x"],
            "\"-x\" is no address, such as tcp:HOST:PORT or stdio",
        ),
        (
            &["stdio", "tcp:localhost:http"],
            "Invalid address \"tcp:localhost:http\": \
             expected a port from 0 to 65535 at character 15, not \"http\"",
        ),
        (
            &["tcp-listen:80x", "stdio"],
            "Invalid address \"tcp::80x\": \
             expected a port from 0 to 65535 at character 6, not \"80x\"",
        ),
        (
            &["stdio", "tls:localhost"],
            "Invalid address \"tcp:localhost\": expected \":\" and a port at the end",
        ),
        (&["stdio", "tls:fd:3"], "there is no tls: over fd:3"),
        (
            &["tls-listen:exec:cat", "stdio"],
            "there is no tls-listen: over exec:cat",
        ),
        (
            &["--tls-cat=x", "stdio", "tls:h:1"],
            "unexpected argument '--tls-cat' found",
        ),
        (
            &["stdio", "tls:h:1", "--tls-ca"],
            "a value is required for '--tls-ca <FILE>' but none was supplied",
        ),
        (
            &["--tls-ca=x", "stdio", "tcp:h:1"],
            "--tls-ca is for an address tls:, wss:, tls-listen: or wss-listen:",
        ),
        (
            &["--tls-name=x", "tls-listen:1", "stdio"],
            "--tls-name is for an address tls: or wss:",
        ),
        (
            &["--tls-clients=off", "stdio", "tls:h:1"],
            "--tls-clients is for an address tls-listen: or wss-listen:",
        ),
        (
            &["--tls-clients=all", "tls-listen:1", "stdio"],
            "invalid value 'all' for '--tls-clients <HOW>' [possible values: off, optional, required]",
        ),
        (
            &["--tls-min=1.1", "stdio", "tls:h:1"],
            "invalid value '1.1' for '--tls-min <VERSION>' [possible values: 1.2, 1.3]",
        ),
        (
            &["--tls-close-notify=no", "stdio", "tls:h:1"],
            "invalid value 'no' for '--tls-close-notify <HOW>' [possible values: required, optional]",
        ),
        (
            &["--tls-timeout=0", "stdio", "tls:h:1"],
            "invalid value '0' for '--tls-timeout <SECONDS>': expected a number of seconds above 0",
        ),
        (
            &["--tls-key=x", "stdio", "tls:h:1"],
            "--tls-key is for a certificate: --tls-cert is missing",
        ),
        (
            &["--tls-user=x", "stdio", "tls:h:1"],
            "--tls-user is for keys: --tls-psk is missing",
        ),
        (
            &["--tls-ca=x", "tls-listen:1", "stdio"],
            "tls-listen: needs --tls-dir, --tls-cert or --tls-psk",
        ),
        (
            &["stdio", "tls:unix:/run/x"],
            "tls:unix:/run/x has no name that its certificate could be for: --tls-name is missing",
        ),
        (
            &["wss-listen:1/x", "stdio"],
            "wss-listen: needs --tls-dir, --tls-cert or --tls-psk",
        ),
        (
            &["stdio", "ws:localhost/x"],
            "Invalid address \"tcp:localhost\": expected \":\" and a port at the end",
        ),
        (
            &["stdio", "ws:unix:/run/x"],
            "Invalid address \"tcp:unix:\": expected a port from 0 to 65535 at the end",
        ),
        (
            &["stdio", "ws://localhost:80/x#y"],
            "\"ws://localhost:80/x#y\" is no URI of a WebSocket: it has a fragment",
        ),
        (&["ws-listen:80/x?y", "stdio"], "\"/x?y\" is no path"),
        (
            &["--ws-origin=x", "ws-listen:80", "stdio"],
            "invalid value 'x' for '--ws-origin <LIST>': expected origins such as https://example.org, or *, not \"x\"",
        ),
        (
            &["--ws-protocol=a b", "ws-listen:80", "stdio"],
            "\"a b\" is no name of a subprotocol, or was there before",
        ),
        (
            &["--ws-timeout=1", "stdio", "tcp:h:1"],
            "--ws-timeout is for an address ws:, wss:, ws-listen: or wss-listen:",
        ),
        (&["stdio", "file:"], "file: needs a path"),
        (
            &["-", "stdio"],
            "stdio can be one of the two addresses, not both",
        ),
        (
            &["stdio", "exec:echo 'x"],
            "Unable to read the command of exec:echo 'x: \
             Text ended before matching quote was found for '. (The text was “echo 'x”)",
        ),
    ] {
        let found = usage_error(arguments);
        // That of an address follows the argument that it is in.
        assert!(
            found == message || found.ends_with(&format!(">': {message}")),
            "{arguments:?}: {found}"
        );
    }
}

#[test]
fn open_errors_are_reported_in_one_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let missing = directory.path().join("missing");
    let missing = missing.display();
    // Bound and not listening: no other socket gets the port.
    let deaf = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let port = deaf.local_addr().expect("bound").port();
    drop(deaf);
    for (second, message) in [
        (
            format!("tcp:127.0.0.1:{port}"),
            format!("Unable to connect to 127.0.0.1:{port}: Connection refused"),
        ),
        (
            format!("unix:{missing}"),
            format!("Unable to connect to {missing}: No such file or directory"),
        ),
        (
            format!("file:{missing}/x"),
            format!("Unable to open {missing}/x: No such file or directory"),
        ),
        (
            format!("exec:{missing}"),
            format!("Unable to run \"{missing}\": No such file or directory"),
        ),
        (
            "fd:77".to_owned(),
            "Unable to use fd:77: Bad file descriptor".to_owned(),
        ),
    ] {
        assert_eq!(start(["stdio", &second]).failure(1), message);
    }
}

#[test]
fn errors_in_tls_files_are_reported_in_one_line() {
    let pki = Pki::new();
    let missing = pki.file("missing");
    let (listens, connects) = (["tls-listen:0", "exec:cat"], ["stdio", "tls:localhost:1"]);
    for (options, addresses, message) in [
        (
            vec![format!("--tls-dir={missing}")],
            listens,
            format!("Unable to load {missing}/ca-cert.pem: No such file or directory"),
        ),
        (
            vec![format!("--tls-cert={missing}")],
            listens,
            format!("Unable to load {missing}: No such file or directory"),
        ),
        (
            vec![pki.option("cert", "server-cert.pem")],
            listens,
            format!(
                "Unable to use {}: expected a private key in PEM form, found a certificate",
                pki.file("server-cert.pem")
            ),
        ),
        (
            vec![format!("--tls-psk={missing}")],
            connects,
            format!("Unable to load {missing}: No such file or directory"),
        ),
        (
            vec![format!("--tls-ca={missing}")],
            connects,
            format!("Unable to load {missing}: No such file or directory"),
        ),
        (
            vec![pki.option("ca", "keys.psk")],
            connects,
            format!(
                "Unable to use {}: expected a certificate in PEM form, found no line -----BEGIN",
                pki.file("keys.psk")
            ),
        ),
    ] {
        let arguments = options.iter().map(String::as_str).chain(addresses);
        assert_eq!(start(arguments).failure(1), message, "{options:?}");
    }
}

#[test]
fn an_address_in_use_is_reported_at_once() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = taken.local_addr().expect("bound");
    let relay = start(["--fork", &format!("tcp-listen:{address}"), "exec:cat"]);
    assert_eq!(
        relay.failure(1),
        format!("Unable to listen on {address}: Address already in use")
    );
}

#[test]
fn completions_that_cannot_be_written_are_an_error_of_one_line() {
    for shell in ["bash", "zsh", "fish"] {
        let full = File::options()
            .write(true)
            .open("/dev/full")
            .expect("Linux");
        let output = Command::new(qio())
            .args(["completions", shell])
            .stdout(full)
            .output();
        let output = output.expect("runs");
        assert_eq!(output.status.code(), Some(1), "{shell}");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            errors, "qio: Unable to write to standard output: No space left on device\n",
            "{shell}"
        );
    }
}

#[test]
fn a_directory_for_man_pages_that_cannot_be_created_is_named() {
    let man = Running::new(Command::new(qio()).args(["man", "/dev/null/man"]));
    assert_eq!(
        man.failure(1),
        "Unable to write the man pages to /dev/null/man: Not a directory"
    );
}
