//! The example `vnc`: noVNC's page and its WebSocket at one port.

use std::{io::Write as _, net::TcpListener, thread};

use qio::{Channel, ChannelWebsock, WebsockOptions, prelude::*};

use crate::{
    process::{Running, tool},
    start,
    web::{Certificates, Web},
};

const PAGE: &str = "<!DOCTYPE html><title>noVNC</title>";

/// The first message of a VNC server.
const GREETING: &[u8] = b"RFB 003.008\n";

/// The example, with a folder of files.
struct Server {
    web: Web,
    directory: tempfile::TempDir,
}

impl Server {
    /// In front of a VNC server at an address below the folder, or anywhere.
    fn start(directory: tempfile::TempDir, vnc: &str, tls: &[String]) -> Self {
        let folder = directory.path().join("page");
        std::fs::create_dir(&folder).expect("created");
        std::fs::create_dir(folder.join("core")).expect("created");
        for (path, text) in [
            ("page/vnc.html", PAGE),
            ("page/core/a b.js", "export default 1;\n"),
            ("secret", "a secret"),
        ] {
            std::fs::write(directory.path().join(path), text).expect("written");
        }
        let folder = folder.display().to_string();
        let mut arguments = vec!["127.0.0.1:0", vnc, &folder];
        arguments.extend(tls.iter().map(String::as_str));
        let web = Web::start("vnc", &arguments);
        Self { web, directory }
    }
}

/// A VNC server that sends its greeting to each client, and then what it receives.
fn greeter() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = format!("tcp:{}", listener.local_addr().expect("bound"));
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let (mut reader, mut writer) = (&client, &client);
                let _ = writer.write_all(GREETING);
                // It may have left.
                let _ = std::io::copy(&mut reader, &mut writer);
            });
        }
    });
    address
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

/// Reads the greeting of a VNC server.
#[track_caller]
fn greets(channel: &impl IsA<Channel>) {
    let mut greeting = [0; GREETING.len()];
    channel.read_all(&mut greeting).expect("the greeting");
    assert_eq!(greeting, GREETING);
}

#[test]
fn files_are_served_with_their_content_types_and_others_are_not_found() {
    let server = Server::start(directory(), "unix:/nowhere", &[]);
    for (path, kind, body) in [
        ("/", "text/html; charset=utf-8", PAGE),
        ("/vnc.html?autoconnect=1", "text/html; charset=utf-8", PAGE),
        (
            "/core/a%20b.js",
            "text/javascript; charset=utf-8",
            "export default 1;\n",
        ),
    ] {
        let response = server.web.request(&format!("GET {path}"));
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
        let header = format!("\r\nContent-Type: {kind}\r\n");
        assert!(response.contains(&header), "{path}: {response}");
        assert!(response.ends_with(&format!("\r\n\r\n{body}")), "{response}");
    }
    for path in ["/core", "/none.html", "/core/", "/%00", "/%ff", "/%zz"] {
        let response = server.web.request(&format!("GET {path}"));
        assert!(response.starts_with("HTTP/1.1 404 "), "{path}: {response}");
    }
    let response = server.web.request("POST /vnc.html");
    assert!(response.starts_with("HTTP/1.1 405 "), "{response}");
    assert!(response.contains("\r\nAllow: GET\r\n"), "{response}");
}

#[test]
fn a_path_that_leaves_the_folder_is_not_found() {
    let server = Server::start(directory(), "unix:/nowhere", &[]);
    let secret = server.directory.path().join("secret");
    assert!(secret.is_file());
    let absolute = format!("/{}", secret.display());
    for path in [
        "/../secret",
        "/core/../../secret",
        "/%2e%2e/secret",
        "/..%2fsecret",
        "/core/..%2F..%2Fsecret",
        "/./../secret",
        &absolute,
        &absolute.replace("//", "/%2f"),
    ] {
        let response = server.web.request(&format!("GET {path}"));
        assert!(response.starts_with("HTTP/1.1 404 "), "{path}: {response}");
        assert!(!response.contains("a secret"), "{path}: {response}");
    }
}

#[test]
fn many_pages_reach_the_vnc_server_at_once() {
    let server = Server::start(directory(), &greeter(), &[]);
    let options = WebsockOptions::builder().protocol("binary").build();
    let options = options.expect("good options");
    let pages: Vec<_> = (0..20)
        .map(|_| server.web.websocket("/websockify", &options))
        .collect();
    for page in &pages {
        greets(page);
        assert_eq!(page.protocol().as_deref(), Some("binary"));
    }
    let data = vec![7; 300_000];
    for page in &pages {
        thread::scope(|scope| {
            scope.spawn(|| page.write_all(&data).expect("written"));
            let mut echo = vec![0; data.len()];
            page.read_all(&mut echo).expect("the echo");
            assert!(echo == data);
        });
    }
    for page in pages {
        page.bye(1000, "").expect("the closing handshake");
    }
}

#[test]
fn a_page_of_another_host_and_another_path_are_refused() {
    let server = Server::start(directory(), &greeter(), &[]);
    let foreign = WebsockOptions::builder().header("Origin", "https://evil.example");
    let foreign = foreign.build().expect("good options");
    for (path, options, status) in [
        ("/websockify", &foreign, "403 Forbidden"),
        ("/other", &WebsockOptions::default(), "404 Not Found"),
    ] {
        let client = server.web.websocket(path, options);
        let error = client.handshake().expect_err("refused");
        assert_eq!(error.to_string(), format!("The server answered {status}"));
    }
}

#[test]
fn a_vnc_server_that_does_not_run_is_an_unavailable_service_and_pages_are_served() {
    let mut server = Server::start(directory(), "unix:/nowhere", &[]);
    let client = server
        .web
        .websocket("/websockify", &WebsockOptions::default());
    let error = client.handshake().expect_err("refused");
    assert_eq!(
        error.to_string(),
        "The server answered 503 Service Unavailable"
    );
    let line = server.web.process.wait_for_log("vnc: ");
    assert!(line.contains("/nowhere"), "{line}");
    assert!(server.web.request("GET /").ends_with(PAGE));
}

#[test]
fn the_page_and_the_websocket_are_served_over_tls() {
    let certificates = Certificates::new();
    let server = Server::start(directory(), &greeter(), &certificates.files());
    let page = certificates.connect(&server.web);
    page.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .expect("written");
    let response = page.read_to_end(10_000).expect("to the end");
    assert!(response.ends_with(PAGE.as_bytes()));

    let uri = format!("wss://{}/websockify", server.web.address);
    let (lower, options) = (certificates.connect(&server.web), WebsockOptions::default());
    let websocket = ChannelWebsock::new_client(&lower, &uri, &options).expect("a client");
    greets(&websocket);
    websocket.bye(1000, "").expect("the closing handshake");
}

#[test]
fn wrong_usage_is_an_error_with_a_reason() {
    for (arguments, reason) in [
        (&["127.0.0.1:0", "unix:/x"][..], "usage: vnc "),
        (&["127.0.0.1:0", "unix:/x", "/", "cert"], "usage: vnc "),
        (&["127.0.0.1:x", "unix:/x", "/"], "expected a port"),
        (&["127.0.0.1:0", "nowhere", "/"], "nowhere"),
    ] {
        let ended = start("vnc", arguments).end();
        assert_eq!(ended.status.code(), Some(1), "{arguments:?}");
        assert!(ended.errors.contains(reason), "{}", ended.errors);
    }
}

#[test]
fn the_screen_of_qemu_is_reached_through_the_websocket() {
    needs!("qemu-system-x86");
    let directory = directory();
    let path = directory.path().join("vnc");
    let vnc = format!("unix:{}", path.display());
    let mut qemu = tool("qemu-system-x86_64", "qemu-system-x86");
    qemu.args(["-M", "pc", "-nodefaults", "-device", "VGA", "-vnc", &vnc]);
    let (mut qemu, mut monitor) = Running::with_input(qemu.args(["-qmp", "stdio"]));
    // An answer to a command comes from the main loop, when the displays are there.
    monitor
        .write_all(b"{\"execute\": \"qmp_capabilities\"}\n")
        .expect("it reads");
    qemu.until("\"return\"");

    let server = Server::start(directory, &vnc, &[]);
    for _ in 0..2 {
        let options = WebsockOptions::default();
        let screen = server.web.websocket("/websockify", &options);
        greets(&screen);
        // The same version, and then its types of security: one, none.
        screen.write_all(GREETING).expect("written");
        let mut security = [0; 2];
        screen.read_all(&mut security).expect("an answer");
        assert_eq!(security, [1, 1]);
        screen.bye(1000, "").expect("the closing handshake");
    }
    monitor
        .write_all(b"{\"execute\": \"quit\"}\n")
        .expect("it reads");
    qemu.success();
}
