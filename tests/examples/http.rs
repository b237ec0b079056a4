//! The example `http`: HTTP/1.1 and HTTP/2, by its own client and by others.

use std::{io::Write as _, net::TcpStream, process::Command};

use nix::sys::signal::Signal;

use crate::{
    certs::{Directory, Request},
    process::{Running, TIMEOUT, tool},
    start,
};

/// What `put` sends.
const UPLOAD: usize = 4 << 20;

/// A server on loopback.
struct Server {
    process: Running,
    directory: Directory,
    address: String,
}

impl Server {
    fn start() -> Self {
        let authority = Request::authority("an authority").signed_by_itself();
        let server = Request::server("a server")
            .dns("localhost")
            .ip("127.0.0.1")
            .signed_by(&authority);
        let directory = Directory::of_server(&authority.pem, &server);
        let file = |name: &str| directory.file(name).display().to_string();
        let arguments = [
            "serve",
            &file("server-cert.pem"),
            &file("server-key.pem"),
            "127.0.0.1:0",
        ];
        let mut process = start("http", &arguments);
        process.until("http: listening on ");
        let address = process.until("\n");
        Self {
            process,
            directory,
            address,
        }
    }

    fn authority(&self) -> String {
        self.directory.file("ca-cert.pem").display().to_string()
    }

    /// The lines that a client of the example prints.
    #[track_caller]
    fn request(&self, options: &[&str], paths: &[&str]) -> Vec<String> {
        let authority = self.authority();
        let arguments = [options, &[&authority, &self.address], paths].concat();
        let output = crate::output("http", &arguments);
        output.lines().map(str::to_owned).collect()
    }

    /// Shuts down gracefully.
    #[track_caller]
    fn stop(mut self) {
        self.process.signal(Signal::SIGTERM);
        self.process.until("http: all connections are closed\n");
        self.process.success();
    }
}

#[test]
fn several_requests_are_answered_at_once_on_one_http2_connection() {
    let server = Server::start();
    let mut lines = server.request(&["get"], &["/", "/bytes/3000000", "/bytes/0", "/nothing"]);
    // In the order in which they are complete.
    lines.sort();
    assert_eq!(
        lines,
        [
            "/: HTTP/2.0, 200 OK, 25 bytes",
            "/bytes/0: HTTP/2.0, 200 OK, 0 bytes",
            "/bytes/3000000: HTTP/2.0, 200 OK, 3000000 bytes",
            "/nothing: HTTP/2.0, 404 Not Found, 10 bytes",
        ]
    );
    server.stop();
}

#[test]
fn requests_follow_each_other_on_one_http1_connection() {
    let server = Server::start();
    let lines = server.request(&["get", "--http1"], &["/", "/bytes/3000000", "/nothing"]);
    assert_eq!(
        lines,
        [
            "/: HTTP/1.1, 200 OK, 25 bytes",
            "/bytes/3000000: HTTP/1.1, 200 OK, 3000000 bytes",
            "/nothing: HTTP/1.1, 404 Not Found, 10 bytes",
        ]
    );
    server.stop();
}

#[test]
fn bodies_of_some_megabytes_go_both_ways() {
    let server = Server::start();
    for (options, version) in [
        (&["put"][..], "HTTP/2.0"),
        (&["put", "--http1"], "HTTP/1.1"),
    ] {
        let lines = server.request(options, &["/echo", "/echo"]);
        let line = format!("/echo: {version}, 200 OK, {UPLOAD} bytes");
        assert_eq!(lines, [line.as_str(), &line]);
    }
    server.stop();
}

#[test]
fn a_certificate_that_is_not_trusted_ends_the_client_with_the_reason() {
    let server = Server::start();
    let other = Request::authority("another authority").signed_by_itself();
    let file = server.directory.write("other.pem", &other.pem);
    let arguments = ["get", file.to_str().expect("text"), &server.address, "/"];
    let ended = start("http", &arguments).end();
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.errors.contains("certificate"), "{}", ended.errors);
    server.stop();
}

/// The arguments of curl that are common to all calls.
fn curl(server: &Server) -> Command {
    let mut curl = tool("curl", "curl");
    curl.args(["--silent", "--show-error", "--noproxy", "*"])
        .args(["--max-time", &TIMEOUT.as_secs().to_string()])
        .args(["--write-out", "%{stderr}%{http_version} %{http_code}"])
        .args(["--cacert", &server.authority()]);
    curl
}

#[track_caller]
fn run(curl: &mut Command) -> (Vec<u8>, String) {
    let output = curl.output().expect("it runs");
    let errors = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success(), "{}: {errors}", output.status);
    (output.stdout, errors)
}

#[test]
fn curl_is_answered_over_http2_and_http1() {
    needs!("curl");
    let server = Server::start();
    let url = |path: &str| format!("https://{}{path}", server.address);
    for (option, version) in [("--http2", "2 200"), ("--http1.1", "1.1 200")] {
        let (body, status) = run(curl(&server).args([option, &url("/bytes/2000000")]));
        assert_eq!((body.len(), &*status), (2_000_000, version));
        let data: Vec<u8> = (0..500_000_u32).flat_map(u32::to_le_bytes).collect();
        let file = server.directory.write("data", &data);
        let upload = format!("@{}", file.display());
        let mut curl = curl(&server);
        curl.args([option, "--data-binary", &upload, &url("/echo")]);
        let (body, status) = run(&mut curl);
        assert!(body == data);
        assert_eq!(status, version);
    }
    server.stop();
}

#[test]
fn a_graceful_shutdown_answers_the_requests_that_have_begun() {
    needs!("openssl");
    let mut server = Server::start();
    let mut client = tool("openssl", "openssl");
    client
        .args(["s_client", "-quiet", "-verify_return_error"])
        .args(["-CAfile", &server.authority()])
        .args(["-connect", &server.address]);
    let (mut client, mut input) = Running::with_input(&mut client);
    let mut send = |text: &str| input.write_all(text.as_bytes()).expect("it reads");
    send("POST /echo HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n");
    send("7\r\nbegun, \r\n");
    client.until("7\r\nbegun, \r\n");
    server.process.signal(Signal::SIGTERM);
    // It no longer accepts connections; this one has a request.
    while TcpStream::connect(&server.address).is_ok() {
        std::thread::yield_now();
    }
    send("9\r\nand ended\r\n0\r\n\r\n");
    client.until("9\r\nand ended\r\n0\r\n\r\n");
    server.process.until("http: all connections are closed\n");
    server.process.success();
}

#[test]
fn a_client_without_tls_is_an_error_of_its_connection_alone() {
    let mut server = Server::start();
    let mut client = TcpStream::connect(&server.address).expect("it listens");
    client.set_read_timeout(Some(TIMEOUT)).expect("not zero");
    client
        .write_all(b"GET / HTTP/1.1\r\n\r\n")
        .expect("connected");
    server.process.wait_for_log("http: ");
    let lines = server.request(&["get"], &["/"]);
    assert_eq!(lines, ["/: HTTP/2.0, 200 OK, 25 bytes"]);
    server.stop();
}
