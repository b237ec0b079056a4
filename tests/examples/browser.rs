//! The examples with pages, in Chromium: by `browser.py`.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use qio::{ChannelWebsock, WebsockOptions};

use crate::{
    process::{Running, tool},
    web::{Certificates, Web},
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Standard output of the script.
#[track_caller]
fn browse(arguments: &[&str]) -> String {
    let mut python = Command::new(format!("{ROOT}/.ci/python"));
    python
        .arg(format!("{ROOT}/tests/examples/browser.py"))
        .args(arguments)
        .stdin(Stdio::null());
    String::from_utf8(Running::new(&mut python).success()).expect("text")
}

/// The folder with noVNC's page: of the system, or as `.ci/packages` has unpacked it.
fn novnc() -> String {
    let system = "/usr/share/novnc";
    if Path::new(system).join("vnc.html").exists() {
        return system.to_owned();
    }
    let folder = Command::new(format!("{ROOT}/.ci/peer"))
        .arg("--folder")
        .output()
        .expect("it runs");
    String::from_utf8_lossy(&folder.stdout)
        .trim_end()
        .to_owned()
        + system
}

#[track_caller]
fn exchanges(uri: &str, other: &ChannelWebsock) {
    let text = |channel: &ChannelWebsock| {
        let message = channel.receive().expect("received").expect("not the end");
        message.text().map(str::to_owned).expect("text")
    };
    assert_eq!(text(other), "{\"clients\":1}");
    let output = browse(&["chat", uri]);
    let state = "state 3 here; permessage-deflate; server_no_context_takeover; \
                 client_no_context_takeover\n";
    assert_eq!(output, format!("{state}{state}exchanged\n"));
    // What the pages have sent.
    for expected in [
        "{\"clients\":2}",
        "{\"clients\":3}",
        "{\"name\":\"page 0\",\"text\":\"größer <b>als</b> 0 €€€",
        "{\"name\":\"page 1\",\"text\":\"größer <b>als</b> 1 €€€",
        "{\"clients\":2}",
        "{\"clients\":1}",
    ] {
        let text = text(other);
        assert!(text.starts_with(expected), "{text}");
    }
}

#[test]
fn pages_of_webchat_exchange_messages_in_chromium() {
    needs!("python3-gi", "chromium");
    let server = Web::start("webchat", &["127.0.0.1:0"]);
    let other = server.websocket("/chat?topic", &WebsockOptions::default());
    exchanges(&format!("http://{}/?topic", server.address), &other);
}

#[test]
fn pages_of_webchat_over_tls_exchange_messages_in_chromium() {
    needs!("python3-gi", "chromium");
    let certificates = Certificates::new();
    let [cert, key] = certificates.files();
    let server = Web::start("webchat", &["127.0.0.1:0", &cert, &key]);
    let uri = format!("wss://{}/chat?topic", server.address);
    let lower = certificates.connect(&server);
    let other = ChannelWebsock::new_client(&lower, &uri, &WebsockOptions::default());
    let other = other.expect("a client");
    exchanges(&format!("https://{}/?topic", server.address), &other);
}

/// Chromium shows what QEMU does, by the pixel. The screenshot stays in the target directory.
#[track_caller]
fn shows_the_screen(scheme: &str, files: &[String]) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).display().to_string();
    let vnc = format!("unix:{}", path("vnc"));
    let monitor = format!("unix:{},server=on,wait=off", path("monitor"));
    let mut qemu = tool("qemu-system-x86_64", "qemu-system-x86");
    qemu.args(["-M", "pc", "-nodefaults", "-device", "VGA"])
        .args(["-vnc", &vnc, "-qmp", &monitor, "-qmp", "stdio"]);
    let (mut qemu, mut control) = Running::with_input(&mut qemu);
    // An answer to a command comes from the main loop, when the displays are there.
    control
        .write_all(b"{\"execute\": \"qmp_capabilities\"}\n")
        .expect("it reads");
    qemu.until("\"return\"");

    let folder = novnc();
    let mut arguments = vec!["127.0.0.1:0", &vnc, &folder];
    arguments.extend(files.iter().map(String::as_str));
    let server = Web::start("vnc", &arguments);
    let uri = format!("{scheme}://{}/", server.address);
    let screenshot = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("vnc-{scheme}.png"));
    let screenshot = screenshot.display().to_string();
    let output = browse(&["vnc", &uri, &path("monitor"), &screenshot]);
    assert!(output.starts_with("screen 720x400: "), "{output}");
    assert!(output.ends_with(" pixels are lit\n"), "{output}");
}

#[test]
fn chromium_shows_the_screen_of_qemu_by_novnc() {
    needs!("python3-gi", "chromium", "novnc", "qemu-system-x86");
    shows_the_screen("http", &[]);
}

#[test]
fn chromium_shows_the_screen_of_qemu_by_novnc_over_tls() {
    needs!("python3-gi", "chromium", "novnc", "qemu-system-x86");
    shows_the_screen("https", &Certificates::new().files());
}
