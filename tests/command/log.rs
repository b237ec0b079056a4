//! The formats of the log, and what peers cannot do to it.

use std::{
    collections::HashMap,
    fs,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixDatagram,
    },
    process::{Command, Stdio},
};

use nix::sys::{signal::Signal, stat::fstat};

use crate::{
    connect, connect_unix,
    pki::Pki,
    process::{self, Running, TIMEOUT, qio, start, start_with},
    rest,
    skip::skip,
    tls::{held, server, stop},
};

/// A subject, a path or an origin that would clear the screen, and begin another line.
const HOSTILE: &str = "\u{1b}[2J\nqio: forged\r\u{9b}31m\u{202e}";

/// The value of a field of a line of JSON.
#[track_caller]
fn field(line: &str, name: &str) -> String {
    let json = "import json, sys; print(json.loads(sys.argv[1]).get(sys.argv[2]))";
    let mut python = process::tool("python3", "python3");
    let output = python.args(["-c", json, line, name]).output();
    let output = output.expect("python3");
    assert!(output.status.success(), "no JSON: {line}");
    String::from_utf8(output.stdout)
        .expect("text")
        .trim_end_matches('\n')
        .to_owned()
}

#[test]
fn json_has_an_object_for_each_event() {
    needs!("python3");
    let (mut server, mut line) = json_server(&[], "tcp-listen:127.0.0.1:0", "exec:cat");
    let address = field(&line, "address");
    assert_eq!(field(&line, "event"), "listening");
    assert_eq!(field(&line, "level"), "notice");
    let time = field(&line, "time");
    assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");

    let mut client = connect(address.trim_start_matches("tcp:"));
    let peer = format!("tcp:{}", client.local_addr().expect("an address"));
    client.write_all(b"question").expect("connected");
    line = json_line(&mut server);
    assert_eq!(field(&line, "event"), "connected");
    assert_eq!(field(&line, "peer"), peer);
    assert_eq!(field(&line, "second"), "exec:cat");
    client.shutdown(std::net::Shutdown::Write).expect("open");
    assert_eq!(rest(client), b"question");
    line = json_line(&mut server);
    assert_eq!(field(&line, "event"), "closed");
    assert_eq!(field(&line, "bytes_sent"), "8");
    assert_eq!(field(&line, "bytes_received"), "8");
    let duration: f64 = field(&line, "duration").parse().expect("seconds");
    assert!(duration > 0.0 && duration < TIMEOUT.as_secs_f64());

    let errors = stop(server);
    assert_eq!(field(errors.trim_end(), "event"), "total");
}

/// A server whose log is JSON, and the first line of it.
fn json_server(options: &[String], first: &str, second: &str) -> (Running, String) {
    let mut all = vec!["-v".to_owned(), "--fork".into(), "--log=json".into()];
    all.extend(options.iter().cloned());
    all.extend([first.to_owned(), second.to_owned()]);
    let mut server = start(all);
    let line = json_line(&mut server);
    (server, line)
}

#[track_caller]
fn json_line(server: &mut Running) -> String {
    format!("{{{}", server.wait_for_log("{"))
}

#[test]
fn an_error_at_the_start_is_an_object_too() {
    needs!("python3");
    let ended = start(["--log=json", "stdio", "unix:/missing \"quoted\""]).end();
    assert_eq!(ended.status.code(), Some(1));
    let line = ended.errors.trim_end();
    assert_eq!(field(line, "event"), "error");
    assert_eq!(
        field(line, "message"),
        "Unable to connect to /missing \"quoted\": No such file or directory"
    );
}

#[track_caller]
fn assert_harmless(log: &str) {
    let is_harmless = |c: char| c == '\n' || !c.is_control() && c != '\u{202e}';
    assert!(log.chars().all(is_harmless), "{log:?}");
    assert!(!log.lines().any(|line| line == "qio: forged"), "{log:?}");
}

#[test]
fn the_subject_of_a_certificate_is_escaped_in_every_format() {
    needs!("python3");
    let pki = Pki::new();
    pki.write_named("hostile", &format!("hostile{HOSTILE}"));
    let [own, own_key] = pki.shown("hostile-client");
    let ca = pki.option("ca", "ca-cert.pem");
    for format in ["text", "json"] {
        let options = [pki.directory(), "--tls-clients=required".to_owned()];
        let first = "tls-listen:127.0.0.1:0";
        let (mut server, address) = match format {
            "text" => server(&options, first, "exec:cat"),
            _ => {
                let (server, line) = json_server(&options, first, "exec:cat");
                let address = field(&line, "address");
                (server, address)
            }
        };
        let client = start_with([&ca, &own, &own_key, "stdio", &address], b"x");
        assert_eq!(client.success(), b"x");
        let line = server.wait_for_log("CN=hostile");
        assert!(line.contains("1b") && line.contains("forged"), "{line}");
        assert_harmless(&(line + &stop(server)));
    }
}

#[test]
fn a_name_in_the_certificate_of_a_server_is_escaped_in_the_error() {
    let pki = Pki::new();
    pki.write_named("hostile", &format!("hostile{HOSTILE}"));
    let (server, address) = server(
        &pki.shown("hostile-server"),
        "tls-listen:127.0.0.1:0",
        "exec:cat",
    );
    let ca = pki.option("ca", "others.pem");
    let message = start([&ca, "stdio", &address]).failure(1);
    assert!(message.contains("hostile"), "{message}");
    assert_harmless(&message);
    stop(server);
}

#[test]
fn the_path_and_the_origin_of_a_websocket_are_escaped() {
    let options = ["--ws-origin=*"];
    let (mut server, address) = server(&options, "ws-listen:127.0.0.1:0", "exec:cat");
    let authority = address.trim_start_matches("ws:");
    for (path, origin) in [
        ("/\u{1b}[2J", "null"),
        ("/", "https://\u{1b}[2J\u{9b}31m.example"),
        ("/\u{202e}", "https://x\r\rqio: forged"),
    ] {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {authority}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: {origin}\r\n\r\n"
        );
        let mut client = connect(authority);
        client.write_all(request.as_bytes()).expect("connected");
        let mut answer = [0; 12];
        client.read_exact(&mut answer).expect("an answer");
        let name = client.local_addr().expect("an address").to_string();
        drop(client);
        let line = server.wait_for_log(&name);
        assert_harmless(&line);
    }
    server.signal(Signal::SIGINT);
    assert_harmless(&server.end().errors);
}

/// The fields of an entry in the native protocol of the journal.
fn entry(socket: &UnixDatagram) -> HashMap<String, String> {
    let mut data = vec![0; 65536];
    let length = socket.recv(&mut data).expect("an entry");
    let mut rest = &data[..length];
    let mut fields = HashMap::new();
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let (line, after) = rest.split_at(end);
        rest = &after[1..];
        let line = String::from_utf8(line.to_vec()).expect("text");
        if let Some((name, value)) = line.split_once('=') {
            fields.insert(name.to_owned(), value.to_owned());
            continue;
        }
        // The length, and the value, which may be of several lines.
        let (length, after) = rest.split_at(8);
        let length = u64::from_le_bytes(length.try_into().expect("8 bytes")) as usize;
        let value = String::from_utf8(after[..length].to_vec()).expect("text");
        fields.insert(line, value);
        rest = &after[length + 1..];
    }
    fields
}

#[test]
fn the_journal_gets_entries_with_fields_if_standard_error_is_connected_to_it() {
    let can_mount = Command::new("unshare").args(["-rm", "true"]).status();
    if !can_mount.is_ok_and(|status| status.success()) {
        return skip("no mount namespaces");
    }
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("socket");
    let journal = UnixDatagram::bind(&path).expect("bound");
    journal.set_read_timeout(Some(TIMEOUT)).expect("not zero");
    let (mut errors, theirs) = io::pipe().expect("a pipe");
    let stat = fstat(theirs.as_fd()).expect("open");
    // The socket at the path of the journal's.
    let script = "mount -t tmpfs none /run && mkdir -p /run/systemd/journal && \
         : >/run/systemd/journal/socket && mount --bind \"$1\" /run/systemd/journal/socket && \
         exec \"$0\" relay -v --fork tcp-listen:127.0.0.1:0 exec:cat";
    let mut command = Command::new("unshare");
    let command = command
        .args(["-rm", "sh", "-c", script])
        .arg(qio())
        .arg(&path);
    let stream = format!("{}:{}", stat.st_dev, stat.st_ino);
    let command = command.env("JOURNAL_STREAM", stream);
    let mut child = command
        .stderr(OwnedFd::from(theirs))
        .spawn()
        .expect("unshare");
    // The command has the other copy of the pipe.
    command.stderr(Stdio::null());

    let listening = entry(&journal);
    assert_eq!(listening["QIO_EVENT"], "listening");
    assert_eq!(listening["SYSLOG_IDENTIFIER"], "qio");
    assert_eq!(listening["PRIORITY"], "5");
    let address = &listening["QIO_ADDRESS"];
    assert_eq!(listening["MESSAGE"], format!("listening on {address}"));

    let mut client = connect(address.trim_start_matches("tcp:"));
    client.write_all(b"question").expect("connected");
    let peer = format!("tcp:{}", client.local_addr().expect("an address"));
    let connected = entry(&journal);
    assert_eq!(connected["QIO_EVENT"], "connected");
    assert_eq!(connected["QIO_CHANNEL"], peer);
    assert_eq!(connected["QIO_PEER"], peer);
    client.shutdown(std::net::Shutdown::Write).expect("open");
    assert_eq!(rest(client), b"question");
    let closed = entry(&journal);
    assert_eq!(closed["QIO_EVENT"], "closed");
    assert_eq!(closed["QIO_BYTES_SENT"], "8");
    assert_eq!(closed["QIO_BYTES_RECEIVED"], "8");
    assert_eq!(closed["PRIORITY"], "6");

    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(pid, Signal::SIGTERM).expect("it runs");
    assert!(child.wait().expect("a child").success());
    let mut text = String::new();
    errors.read_to_string(&mut text).expect("text");
    assert_eq!(text, "");
}

#[test]
fn messages_of_glib_and_of_the_library_are_lines_of_the_log_and_never_on_standard_output() {
    needs!("python3");
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("file");
    fs::write(&file, "data").expect("written");
    let relayed = |format: &str| {
        let mut relay = process::relay();
        let file = format!("file:{}", file.display());
        relay.env("G_MESSAGES_DEBUG", "all");
        relay.args([format, &*file, "stdio"]).stdin(Stdio::null());
        let output = relay.output().expect("qio");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "data");
        String::from_utf8(output.stderr).expect("text")
    };
    let text = relayed("--log=text");
    assert!(text.contains("qio: Qio: "), "{text}");
    let other = text.lines().find(|line| !line.starts_with("qio: "));
    assert_eq!(other, None);
    let json = relayed("--log=json");
    let line = json.lines().next().expect("a line");
    assert_eq!(field(line, "level"), "debug");
    assert_eq!(field(line, "domain"), "Qio");
}

#[test]
fn progress_is_logged_on_request_without_a_terminal() {
    let arguments = ["--progress=on", "stdio", "exec:cat"];
    let (mut relay, input) = held(process::relay().args(arguments));
    (&input).write_all(b"some data").expect("connected");
    assert_eq!(relay.until("some data"), "");
    let line = relay.wait_for_log("1 connection  -> 9 B (");
    assert!(line.contains("<- 9 B ("), "{line}");
    drop(input);
    let ended = relay.end();
    assert!(ended.status.success());
    let total = "qio: 9 bytes there, 9 bytes back, in ";
    assert!(ended.errors.contains(total), "{}", ended.errors);
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("file");
    fs::write(&file, "data").expect("written");
    let relay = start([&*format!("file:{}", file.display()), "file:/dev/null"]);
    assert_eq!(relay.end().errors, "");
}

#[test]
fn long_texts_of_peers_block_no_client_where_nothing_reads_the_log() {
    for format in ["--log=text", "--log=json"] {
        let mut command = crate::process::relay();
        command.args([format, "-v", "--fork", "ws-listen:127.0.0.1:0", "exec:cat"]);
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        let mut server = command.spawn().expect("qio");
        let mut log = io::BufReader::new(server.stderr.take().expect("piped"));
        let mut line = String::new();
        io::BufRead::read_line(&mut log, &mut line).expect("a line");
        let (_, address) = line.split_once("ws:").expect("the address");
        let authority = address.trim_matches(['"', '}', '\n']);
        let authority = authority.split('"').next().expect("a part").to_owned();
        // More than the capacity of the pipe, in lines that are longer than a page each: control
        // characters, which become six bytes.
        let origin = "\u{202e}".repeat(4000);
        for _ in 0..32 {
            let request = format!(
                "GET / HTTP/1.1\r\nHost: {authority}\r\nUpgrade: websocket\r\n\
                 Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://{origin}\r\n\r\n"
            );
            let mut client = connect(&authority);
            client.write_all(request.as_bytes()).expect("connected");
            let mut answer = [0; 12];
            client.read_exact(&mut answer).expect("an answer");
            assert_eq!(&answer, b"HTTP/1.1 403");
        }
        server.kill().expect("it runs");
        server.wait().expect("a child");
        let mut all = String::new();
        log.read_to_string(&mut all).expect("text");
        let most = all.lines().map(str::len).max().expect("a line");
        assert!((1000..4096).contains(&most), "{most}");
        assert!(all.contains("... ("), "{all}");
    }
}

#[test]
fn a_log_that_nothing_reads_blocks_no_client_and_the_messages_left_out_are_counted() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("socket");
    let mut command = crate::process::relay();
    command.args(["-v", "--fork"]);
    command.arg(format!("unix-listen:{}", path.display()));
    command.arg("exec:cat");
    command
        .stdin(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped());
    let mut server = command.spawn().expect("qio");
    let log = server.stderr.take().expect("piped");
    let mut log = std::io::BufReader::new(log);
    let mut line = String::new();
    std::io::BufRead::read_line(&mut log, &mut line).expect("a line");
    assert!(line.contains("listening on unix:"), "{line}");
    // A pipe of one page is full soon.
    nix::fcntl::fcntl(log.get_ref(), nix::fcntl::FcntlArg::F_SETPIPE_SZ(4096)).expect("a pipe");
    let echo = || {
        let mut client = connect_unix(&path);
        client.write_all(b"x").expect("connected");
        client.read_exact(&mut [0]).expect("the echo");
    };
    (0..100).for_each(|_| echo());
    // Once it is read again, the next message follows the count.
    let mut seen = String::new();
    let counted = std::thread::spawn(move || {
        loop {
            let mut line = String::new();
            let count = std::io::BufRead::read_line(&mut log, &mut line).expect("a line");
            assert!(count > 0, "the end of the log:\n{seen}");
            if line.contains("messages were left out, as nothing has read them") {
                return (line, log);
            }
            seen += &line;
        }
    });
    while !counted.is_finished() {
        echo();
    }
    let (line, _log) = counted.join().expect("counted");
    assert!(line.starts_with("qio: "), "{line}");
    server.kill().expect("it runs");
    server.wait().expect("a child");
}
