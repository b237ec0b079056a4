//! Autobahn's cases, by `kosoku`.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    path::Path,
    process::{Command, Stdio},
    thread,
};

use qio::{ChannelSocket, ChannelWebsock, WebsockDeflate, WebsockOptions, prelude::*};

/// Echoes the messages of each connection, in a thread for each.
fn echo_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.expect("a connection");
            thread::spawn(move || echo(stream));
        }
    });
    address
}

fn options() -> WebsockOptions {
    with_deflate(|deflate| deflate)
}

fn with_deflate(set: impl FnOnce(WebsockDeflate) -> WebsockDeflate) -> WebsockOptions {
    // kosoku fails in the groups 12 and 13 if a message of its peer is not compressed, by
    // `Strings must be encoded before hashing`. With 0 all messages are compressed.
    let deflate = WebsockDeflate::default().threshold(0);
    let options = WebsockOptions::builder()
        .max_message_size(32 << 20)
        .deflate(set(deflate));
    options.build().expect("good options")
}

fn echo(stream: TcpStream) {
    stream.set_nodelay(true).expect("set");
    let socket = ChannelSocket::new_fd(OwnedFd::from(stream)).expect("a socket");
    echo_all(&ChannelWebsock::new_server(&socket, &options()).expect("a server"));
}

/// Echoes all messages, up to an error, which is the end of a case.
fn echo_all(channel: &ChannelWebsock) {
    while let Ok(Some(message)) = channel.receive() {
        if channel.send(message.kind(), message.data()).is_err() {
            break;
        }
    }
    let _ = channel.close();
}

/// The cases to be run.
#[derive(Clone, Copy)]
enum Cases {
    Only(&'static [&'static str]),
    But(&'static [&'static str]),
}

impl Cases {
    fn arguments(self) -> impl Iterator<Item = &'static str> {
        let (option, patterns) = match self {
            Self::Only(patterns) => ("-i", patterns),
            Self::But(patterns) => ("-x", patterns),
        };
        patterns.iter().flat_map(move |pattern| [option, pattern])
    }
}

/// The program, with a folder for its reports.
fn kosoku(reports: &Path, cases: Cases) -> Command {
    let root = env!("CARGO_MANIFEST_DIR");
    let mut command = Command::new(format!("{root}/.ci/python"));
    command
        .args(["-c", "from kosoku._cli import main; main()"])
        .args(cases.arguments())
        .arg("-o")
        .arg(reports);
    command
}

/// The results that are not as the RFC requires, and how many cases there were.
fn results(reports: &Path, errors: &[u8]) -> (Vec<String>, usize) {
    let report = fs::read_to_string(reports.join("index.json"));
    let report = report.unwrap_or_else(|_| {
        let errors = String::from_utf8_lossy(errors);
        panic!("kosoku has no report; is it missing? `make test`\n{errors}")
    });
    let (mut case, mut count, mut failed) = (String::new(), 0, Vec::new());
    for line in report.lines() {
        let line = line.trim().trim_end_matches(',');
        if let Some(name) = line
            .strip_suffix("\": {")
            .and_then(|it| it.strip_prefix('"'))
        {
            case = name.to_owned();
        } else if let Some(("\"behavior\"" | "\"behaviorClose\"", result)) = line.split_once(": ") {
            count += usize::from(line.starts_with("\"behavior\""));
            if !matches!(result, "\"OK\"" | "\"INFORMATIONAL\"") {
                failed.push(format!("{case}: {line}"));
            }
        }
    }
    (failed, count)
}

/// Runs these cases against the echo server.
fn run_as_server(cases: Cases) -> (Vec<String>, usize) {
    let reports = tempfile::tempdir().expect("a directory");
    let output = kosoku(reports.path(), cases)
        .args(["-p", "2"])
        .arg(echo_server().to_string())
        .output()
        .expect("it runs");
    results(reports.path(), &output.stderr)
}

/// Runs these cases with the client.
fn run_as_client(cases: Cases, options: &WebsockOptions) -> (Vec<String>, usize) {
    let reports = tempfile::tempdir().expect("a directory");
    let mut server = kosoku(reports.path(), cases)
        .args(["-m", "fuzzingserver", "127.0.0.1:0"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut errors = BufReader::new(server.stderr.take().expect("a pipe"));
    let mut line = String::new();
    errors.read_line(&mut line).expect("a line");
    let address = line
        .trim()
        .rsplit("ws://")
        .next()
        .expect("an address")
        .to_owned();
    let count = connect(&address, "/getCaseCount", options);
    let message = count.receive().expect("received").expect("a message");
    let count: usize = message.text().expect("text").parse().expect("a number");
    for case in 1..=count {
        let client = connect(
            &address,
            &format!("/runCase?case={case}&agent=qio"),
            options,
        );
        echo_all(&client);
    }
    let update = connect(&address, "/updateReports?agent=qio", options);
    let _ = update.receive();
    drop(update);
    let mut rest = String::new();
    let _ = errors.read_to_string(&mut rest);
    let _ = server.wait();
    results(reports.path(), rest.as_bytes())
}

fn connect(address: &str, target: &str, options: &WebsockOptions) -> ChannelWebsock {
    let stream = TcpStream::connect(address).expect("connected");
    let socket = ChannelSocket::new_fd(OwnedFd::from(stream)).expect("a socket");
    let uri = format!("ws://{address}{target}");
    ChannelWebsock::new_client(&socket, &uri, options).expect("a client")
}

/// The cases with compression, and those that take minutes.
const LONG: [&str; 3] = ["9.*", "12.*", "13.*"];

/// The cases whose server accepts only offers with `client_no_context_takeover`, 18 in each group.
const WITHOUT_CONTEXT: [&str; 3] = ["13.2.*", "13.5.*", "13.6.*"];

#[test]
fn the_core_of_autobahns_cases_passes_as_a_server() {
    let (failed, count) = run_as_server(Cases::But(&LONG));
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!(count, 247);
}

#[test]
fn the_core_of_autobahns_cases_passes_as_a_client() {
    let (failed, count) = run_as_client(Cases::But(&LONG), &options());
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!(count, 247);
}

#[test]
#[ignore = "takes minutes: `make soak`"]
fn all_of_autobahns_cases_pass_as_a_server() {
    let (failed, count) = run_as_server(Cases::But(&[]));
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!(count, 517);
}

#[test]
#[ignore = "takes minutes: `make soak`"]
fn all_of_autobahns_cases_pass_as_a_client() {
    let (failed, count) = run_as_client(Cases::But(&WITHOUT_CONTEXT), &options());
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!(count, 463);
    let options = with_deflate(WebsockDeflate::client_no_context_takeover);
    let (failed, count) = run_as_client(Cases::Only(&WITHOUT_CONTEXT), &options);
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!(count, 54);
}
