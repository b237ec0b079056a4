//! Programs at one end, and ours at the other: `openssl s_client` and `s_server`, `gnutls-cli`,
//! `gnutls-serv`, `ncat` and `curl`.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use qio::{ChannelSocket, ChannelTls, TlsCreds, prelude::*};

use super::{
    KINDS, Kind, Mode, TlsSetting, meet,
    plan::{Direction, End, Ending, Outcome, Plan, SIZE, Version, data},
    table::Table,
};
use crate::{
    common::{TIMEOUT, certs::Directory},
    layer::tls::fixtures::{NAME, authority, client_builder, server_builder, server_cert},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Program {
    SClient,
    GnutlsCli,
    Ncat,
    Curl,
}

const CLIENTS: [Program; 4] = [
    Program::SClient,
    Program::GnutlsCli,
    Program::Ncat,
    Program::Curl,
];

/// The answer to an upload by HTTP.
const TAKEN: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";

fn gnutls_priority(version: Version) -> &'static str {
    match version {
        Version::Tls12 => "NORMAL:-VERS-ALL:+VERS-TLS1.2",
        Version::Tls13 => "NORMAL:-VERS-ALL:+VERS-TLS1.3",
    }
}

fn openssl_version(version: Version) -> &'static str {
    match version {
        Version::Tls12 => "-tls1_2",
        Version::Tls13 => "-tls1_3",
    }
}

impl Program {
    fn name(self) -> &'static str {
        match self {
            Self::SClient => "openssl s_client",
            Self::GnutlsCli => "gnutls-cli",
            Self::Ncat => "ncat",
            Self::Curl => "curl",
        }
    }

    /// Starts it, to connect to the listener.
    fn start(
        self,
        direction: Direction,
        version: Version,
        directory: &Directory,
    ) -> (Running, TcpListener) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listens");
        let port = listener.local_addr().expect("bound").port();
        let mut command = self.command(port, direction, version);
        (Running::start(&mut command, directory), listener)
    }

    /// Its command line, for a connection with a port.
    fn command(self, port: u16, direction: Direction, version: Version) -> Command {
        let port = port.to_string();
        let uploads = direction == Direction::Upload;
        let (program, arguments) = match self {
            Self::SClient => (
                "openssl",
                format!(
                    "s_client -connect 127.0.0.1:{port} -quiet -nocommands {} {}",
                    openssl_version(version),
                    if uploads { "-no_ign_eof" } else { "" },
                ),
            ),
            Self::GnutlsCli => (
                "gnutls-cli",
                format!(
                    "--insecure --logfile /dev/null --priority {} --port {port} 127.0.0.1",
                    gnutls_priority(version)
                ),
            ),
            Self::Ncat => (
                "ncat",
                format!(
                    "--ssl {} 127.0.0.1 {port}",
                    if uploads {
                        "--send-only"
                    } else {
                        "--recv-only"
                    }
                ),
            ),
            Self::Curl => (
                "curl",
                format!(
                    "-s -k --http1.1 {} {} https://127.0.0.1:{port}/data",
                    if uploads { "-H Expect: -T data" } else { "" },
                    match version {
                        Version::Tls12 => "--tls-max 1.2",
                        Version::Tls13 => "--tlsv1.3",
                    },
                ),
            ),
        };
        let mut command = Command::new(program);
        command
            .args(arguments.split_whitespace())
            .env("GNUTLS_SYSTEM_PRIORITY_FILE", "/dev/null");
        command
    }
}

/// A program that ends with the test.
struct Running(Child);

impl Running {
    fn start(command: &mut Command, directory: &Directory) -> Self {
        let child = command
            .current_dir(directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        Self(child.unwrap_or_else(|e| panic!("{command:?}: {e}")))
    }

    /// Writes to its standard input, in another thread, and then closes that, or leaves it open.
    fn feed(&mut self, data: Option<Vec<u8>>) -> thread::JoinHandle<Option<ChildStdin>> {
        let mut input = self.0.stdin.take().expect("a pipe");
        thread::spawn(move || match data {
            Some(data) => {
                // A program that has ended takes no more.
                let _ = input.write_all(&data);
                None
            }
            None => Some(input),
        })
    }

    fn output(&mut self) -> Vec<u8> {
        let mut got = Vec::new();
        let stdout = self.0.stdout.as_mut().expect("a pipe");
        stdout.read_to_end(&mut got).expect("read");
        got
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn files() -> Directory {
    let directory = Directory::of_server(&authority().pem, server_cert());
    directory.write("data", data());
    directory
}

/// A server of ours on a socket.
fn accept(listener: &TcpListener, creds: &TlsCreds) -> ChannelTls {
    let (socket, _) = listener.accept().expect("it connects");
    let below = ChannelSocket::new_fd(OwnedFd::from(socket)).expect("a socket");
    ChannelTls::new_server(&below, creds).expect("a server")
}

/// Reads the head of a request.
fn read_head(server: &ChannelTls) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        server.read_all(&mut byte)?;
        head.extend(byte);
    }
    Ok(())
}

/// What comes up to the end, after `got`.
fn read_to_end(server: &ChannelTls, mut got: Vec<u8>) -> Outcome {
    let result = server.blocking_io().read_to_end(&mut got);
    let is_right = data().starts_with(&got);
    assert!(is_right, "the data of the peer differs");
    Outcome {
        received: got.len(),
        end: match result {
            Ok(_) => End::Clean,
            Err(e) => End::of(&e.to_string()),
        },
    }
}

/// What a program has received and printed.
fn printed(output: &[u8]) -> Outcome {
    assert!(data().starts_with(output), "what it got differs");
    Outcome {
        received: output.len(),
        end: End::NotRead,
    }
}

/// Our server reads what a program sends.
fn upload(program: Program, version: Version, ending: Ending, directory: &Directory) -> Outcome {
    let (mut running, listener) = program.start(Direction::Upload, version, directory);
    let is_killed = ending == Ending::Kill;
    let server = accept(&listener, &server_builder().build().expect("good"));
    let mut got = Vec::new();
    if program == Program::Curl {
        read_head(&server).expect("a request");
        got.resize(SIZE, 0);
        server.read_all(&mut got).expect("its body");
        if !is_killed {
            server.write_all(TAKEN).expect("an answer");
        }
    }
    let fed = match program {
        Program::Curl => running.feed(None),
        _ if is_killed => {
            // It stays until it is killed.
            let mut input = running.0.stdin.take().expect("a pipe");
            thread::spawn(move || {
                input.write_all(data()).expect("taken");
                Some(input)
            })
        }
        _ => running.feed(Some(data().to_vec())),
    };
    if is_killed {
        got.resize(SIZE, 0);
        if program != Program::Curl {
            server.read_all(&mut got).expect("all of it");
        }
        running.0.kill().expect("killed");
    }
    let outcome = read_to_end(&server, got);
    server.close().expect("closed");
    drop(running);
    drop(fed.join().expect("no panic"));
    outcome
}

/// A program reads what our server sends: how much of it arrives.
fn download(program: Program, version: Version, ending: Ending, directory: &Directory) -> Outcome {
    let (mut running, listener) = program.start(Direction::Download, version, directory);
    let fed = running.feed(None);
    let server = accept(&listener, &server_builder().build().expect("good"));
    let output = thread::scope(|scope| {
        let reading = scope.spawn(|| running.output());
        if program == Program::Curl {
            read_head(&server).expect("a request");
            server.write_all(HEAD).expect("written");
        }
        server.write_all(data()).expect("written");
        let ended = match ending {
            Ending::Kill => server.master().close(),
            _ => server.close(),
        };
        ended.expect("ended");
        reading.join().expect("no panic")
    });
    drop(fed.join().expect("no panic"));
    printed(&output)
}

/// A port that a program can be given: nothing else has it just now.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("bound").port()
}

/// Connects once a program listens.
fn connect(port: u16, running: &mut Running) -> ChannelSocket {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        if let Ok(socket) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            return ChannelSocket::new_fd(OwnedFd::from(socket)).expect("a socket");
        }
        let status = running.0.try_wait().expect("a child");
        assert!(status.is_none(), "the program has ended");
        assert!(Instant::now() < deadline, "it never listens");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Our client sends to `openssl s_server`, which sends session tickets at once.
fn upload_to_s_server(version: Version, ending: Ending, directory: &Directory) -> Outcome {
    let port = free_port();
    let arguments = format!(
        "s_server -accept 127.0.0.1:{port} -naccept 1 -quiet -cert server-cert.pem -key server-key.pem {}",
        openssl_version(version)
    );
    let mut command = Command::new("openssl");
    let command = command.args(arguments.split_whitespace());
    let mut running = Running::start(command, directory);
    let fed = running.feed(None);
    let creds = client_builder().build().expect("good");
    let client = connect(port, &mut running);
    let client = ChannelTls::new_client(&client, &creds, NAME).expect("a client");
    let output = thread::scope(|scope| {
        let reading = scope.spawn(|| running.output());
        client.write_all(data()).expect("written");
        if ending == Ending::Bye {
            client.bye().expect("sent");
            // That of the program.
            let mut end = Vec::new();
            client.blocking_io().read_to_end(&mut end).expect("its end");
        }
        client.close().expect("closed");
        reading.join().expect("no panic")
    });
    drop(fed.join().expect("no panic"));
    printed(&output)
}

/// Our client gets back what it has sent to `gnutls-serv`.
fn echo_of_gnutls_serv(version: Version, directory: &Directory) -> Outcome {
    let port = free_port();
    let arguments = format!(
        "--echo --quiet --port {port} --x509certfile server-cert.pem --x509keyfile server-key.pem --priority {}",
        gnutls_priority(version)
    );
    let mut command = Command::new("gnutls-serv");
    let command = command
        .args(arguments.split_whitespace())
        .env("GNUTLS_SYSTEM_PRIORITY_FILE", "/dev/null");
    let mut running = Running::start(command, directory);
    let creds = client_builder().build().expect("good");
    let client = connect(port, &mut running);
    let client = ChannelTls::new_client(&client, &creds, NAME).expect("a client");
    let lines: Vec<u8> = (0..SIZE / 10)
        .flat_map(|number| format!("{number:09}\n").into_bytes())
        .collect();
    thread::scope(|scope| {
        let writing = scope.spawn(|| client.write_all(&lines));
        let mut got = vec![0; lines.len()];
        client.read_all(&mut got).expect("the echo");
        assert!(got == lines, "what it got differs");
        writing.join().expect("no panic").expect("written");
    });
    client.bye().expect("sent");
    let end = client.read(&mut [0]);
    Outcome {
        received: lines.len(),
        end: match end {
            Ok(0) => End::Clean,
            Ok(_) => End::Other("more".to_owned()),
            Err(e) => End::of(&e.to_string()),
        },
    }
}

/// All programs, in both directions, by how they end.
pub(super) fn run_all(times: usize, table: &mut Table) {
    let directory = files();
    let mut faults = Vec::new();
    let mut add = |pair: [&'static str; 2], direction, ending, version, outcome: Outcome| {
        let plan = Plan::new(direction, ending);
        let whole = outcome.received == SIZE;
        table.add(pair, plan, whole, &outcome.end);
        let end = match (pair, direction, ending) {
            ([_, "qio"], Direction::Upload, Ending::Kill) => outcome.end == End::Truncated,
            // Neither sends close_notify.
            (["ncat" | "curl", _], Direction::Upload, _) => true,
            ([_, "qio"], Direction::Upload, _) => outcome.end == End::Clean,
            _ => true,
        };
        if !whole || !end {
            faults.push(format!("{pair:?}, {plan:?}, {version:?}: {outcome:?}"));
        }
    };
    for _ in 0..times {
        for version in [Version::Tls13, Version::Tls12] {
            for program in CLIENTS {
                if program == Program::Ncat && version == Version::Tls12 {
                    continue; // it cannot be limited
                }
                for ending in [Ending::Close, Ending::Kill] {
                    let pair = [program.name(), "qio"];
                    let outcome = upload(program, version, ending, &directory);
                    add(pair, Direction::Upload, ending, version, outcome);
                    let outcome = download(program, version, ending, &directory);
                    add(pair, Direction::Download, ending, version, outcome);
                }
            }
            for ending in [Ending::Close, Ending::Bye] {
                let outcome = upload_to_s_server(version, ending, &directory);
                let pair = ["qio", "openssl s_server"];
                add(pair, Direction::Upload, ending, version, outcome);
            }
            let outcome = echo_of_gnutls_serv(version, &directory);
            let pair = ["qio", "gnutls-serv"];
            add(pair, Direction::Both, Ending::Bye, version, outcome);
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// So many uploads to our server, with TLS 1.3 and session tickets, by each of GIO, Python,
/// `openssl s_client`, `gnutls-cli`, `ncat` and our client, which read nothing and close: how many
/// arrive whole.
pub(super) fn upload_by_six(times: usize) {
    let directory = files();
    let setting = TlsSetting::new(Version::Tls13, true);
    let plan = Plan::new(Direction::Upload, Ending::Close);
    let server = Kind::Ours(Mode::Blocking).make(setting);
    let mut lost = Vec::new();
    let mut count = |name: &'static str, upload: &dyn Fn() -> Outcome| {
        let outcomes: Vec<_> = (0..times).map(|_| upload()).collect();
        let whole = outcomes.iter().filter(|it| it.received == SIZE).count();
        println!("{name}: {whole} of {times}");
        if whole < times {
            lost.push(format!("{name}: {outcomes:?}"));
        }
    };
    for kind in KINDS {
        if matches!(kind, Kind::Gio | Kind::Python | Kind::Ours(Mode::Blocking)) {
            let client = kind.make(setting);
            count(client.name(), &|| {
                let [_, there] = meet(&*client, &*server, plan);
                there
            });
        }
    }
    for program in [Program::SClient, Program::GnutlsCli, Program::Ncat] {
        count(program.name(), &|| {
            upload(program, Version::Tls13, Ending::Close, &directory)
        });
    }
    assert!(lost.is_empty(), "{}", lost.join("\n"));
}
