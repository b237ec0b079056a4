//! The example `chat` in each language: lines over TLS, and clients that reconnect.

use std::{
    env,
    io::{PipeWriter, Write as _},
    net::Ipv4Addr,
    os::fd::{AsRawFd as _, OwnedFd},
    process::Command,
};

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, bind, getsockname, setsockopt, socket, sockopt,
};

use crate::{
    run::{Program, compile_c, in_root, python},
    running::Running,
    tls::certificates,
};

/// The maximum number of lines of such a program.
const MOST_LINES: usize = 60;

/// The example in Rust, which is up to date.
fn in_rust() -> Program {
    let this = env::current_exe().expect("this program");
    let profile = this.ancestors().nth(2).expect("below the profile's folder");
    let mut cargo = Command::new(env!("CARGO"));
    // The same packages as `cargo test`: with others, features and so all crates would differ.
    cargo.args(["build", "--quiet", "--locked", "--example", "chat"]);
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.current_dir(in_root("")).status().expect("cargo runs");
    assert!(status.success(), "{status}");
    Program::new(profile.join("examples/chat"))
}

/// A port that is reserved for a listener of another process, between its restarts as well.
fn reserved_port() -> (OwnedFd, u16) {
    let (stream, flags) = (SockType::Stream, SockFlag::SOCK_CLOEXEC);
    let fd = socket(AddressFamily::Inet, stream, flags, None).expect("a socket");
    setsockopt(&fd, sockopt::ReuseAddr, &true).expect("an option of sockets");
    let any = SockaddrIn::from(std::net::SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));
    bind(fd.as_raw_fd(), &any).expect("bound");
    let bound: SockaddrIn = getsockname(fd.as_raw_fd()).expect("a name");
    (fd, bound.port())
}

/// A client, which is connected.
struct Client {
    program: Running,
    input: Option<PipeWriter>,
}

impl Client {
    #[track_caller]
    fn start(program: Program) -> Self {
        let (program, input) = program.start_with_input();
        let mut this = Self {
            program,
            input: Some(input),
        };
        this.is_connected();
        this
    }

    #[track_caller]
    fn is_connected(&mut self) {
        self.program.line_after("chat: connected");
    }

    #[track_caller]
    fn send(&mut self, line: &str) {
        let input = self.input.as_mut().expect("open");
        writeln!(input, "{line}").expect("it reads");
    }

    #[track_caller]
    fn receives(&mut self, line: &str) {
        assert_eq!(self.program.line_after(line), "");
    }
}

/// Two clients exchange lines, also after the server was killed and started again.
#[track_caller]
fn chats(program: impl Fn() -> Program) {
    let directory = certificates();
    let (_reserved, port) = reserved_port();
    let role = |role: &'static str| {
        let address = format!("tcp:localhost:{port}");
        program().arg(role).arg(address).arg(directory.path())
    };
    // Clients wait for their server, whatever starts first.
    let server = role("server").start();
    let [mut one, mut other] = [(); 2].map(|()| Client::start(role("client")));
    one.send("hello");
    other.receives("hello");
    other.send("how are you, größer?");
    one.receives("how are you, größer?");
    server.stop(); // by SIGKILL
    let server = role("server").start();
    one.is_connected();
    other.is_connected();
    one.send("again");
    other.receives("again");
    // Both ends of a client end with its input.
    drop(one.input.take());
    one.program.finish();
    server.stop();
}

#[test]
fn the_example_chat_in_rust_exchanges_lines_and_reconnects() {
    chats(in_rust);
}

#[test]
fn the_example_chat_in_c_exchanges_lines_and_reconnects() {
    let chat = compile_c("examples/c/chat.c", &[]);
    chats(|| chat.command());
}

#[test]
fn the_example_chat_in_python_exchanges_lines_and_reconnects() {
    needs!("python3-gi", "gobject-introspection");
    chats(|| python("examples/python/chat.py"));
}

#[test]
fn the_examples_chat_have_at_most_60_lines() {
    for example in ["chat.rs", "python/chat.py", "c/chat.c"] {
        let path = in_root("examples").join(example);
        let text = std::fs::read_to_string(path).expect("readable");
        assert!(text.lines().count() <= MOST_LINES, "{example}");
    }
}
