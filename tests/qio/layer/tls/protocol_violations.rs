//! A peer that violates the TLS protocol: `protocol_violations.py`, by tlslite-ng. Each
//! trick ends in one clear error here and in an alert there, or does no harm.

use std::{
    cell::{Cell, RefCell},
    io::{self, BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    rc::Rc,
};

use gio::TlsAuthenticationMode;
use glib::{ControlFlow, IOCondition};
use qio::{ChannelSocket, ChannelTls, Shutdown, TlsCreds, prelude::*};

use super::{
    fixtures::{NAME, authority, client_builder, client_cert, server_builder, server_cert},
    openssl_since,
};
use crate::common::{certs::Directory, in_loop, iterate_until};

/// The most calls that a watch makes for what a trick sends.
const CALLS: usize = 400;

/// The peer that plays a trick: a client or a server, of TLS 1.2 or 1.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Client12,
    Client13,
    Server12,
    Server13,
}
use Role::{Client12, Client13, Server12, Server13};

const ALL: &[Role] = &[Client12, Client13, Server12, Server13];
const CLIENTS: &[Role] = &[Client12, Client13];
const SERVERS: &[Role] = &[Server12, Server13];
const OLD: &[Role] = &[Client12, Server12];
const NEW: &[Role] = &[Client13, Server13];

/// The result of a trick at this end, and at the peer.
#[derive(Debug, Clone, Copy)]
enum Verdict {
    /// No connection; the peer gets this alert, or any.
    NoConnection(&'static str),
    /// The connection fails, for this reason, and the peer gets this alert.
    Failure(&'static str, &'static str),
    /// It is cut.
    Cut,
    /// Nothing.
    Harmless,
    /// The connection continues, and the peer gets a warning.
    Warning,
}
use Verdict::{Cut, Failure, Harmless, NoConnection, Warning};

const UNEXPECTED: Verdict = NoConnection("unexpected_message");
const BAD_MAC: Verdict = Failure("bad record mac", "bad_record_mac");

const IN_HANDSHAKE: &[(&[Role], &str, Verdict)] = &[
    (ALL, "nothing", Harmless),
    (OLD, "nothing by blocks", Harmless),
    (ALL, "wrong finished", NoConnection("decrypt_error")),
    (ALL, "short finished", NoConnection("")),
    (ALL, "no finished", UNEXPECTED),
    (OLD, "two hellos", UNEXPECTED),
    (&[Server13], "two hellos", UNEXPECTED),
    (ALL, "no hello", UNEXPECTED),
    (ALL, "hello in parts", Harmless),
    (ALL, "hello of no bytes", Harmless),
    (ALL, "cut hello", Cut),
    (ALL, "cut after the hello", Cut),
    (ALL, "cut finished", Cut),
    (
        ALL,
        "hello that lies about its length",
        NoConnection("decode_error"),
    ),
    (CLIENTS, "hello of SSL 2", NoConnection("")),
    (CLIENTS, "hello of SSL 3", NoConnection("")),
    (SERVERS, "hello of SSL 3", NoConnection("protocol_version")),
    (ALL, "hello of TLS 1.0", NoConnection("protocol_version")),
    (ALL, "hello of TLS 1.1", NoConnection("protocol_version")),
    (OLD, "early change of ciphers", UNEXPECTED),
    (NEW, "early change of ciphers", Harmless),
    (ALL, "changes of ciphers", UNEXPECTED),
    (ALL, "change of ciphers to nowhere", NoConnection("")),
    (
        ALL,
        "certificate of garbage",
        NoConnection("bad_certificate"),
    ),
    (
        ALL,
        "certificate of no length",
        NoConnection("decode_error"),
    ),
    (ALL, "wrong proof of the key", NoConnection("decrypt_error")),
    (&[Client12], "key of no curve", NoConnection("")),
    (ALL, "unknown message before the hello", UNEXPECTED),
    (
        SERVERS,
        "cipher that was not offered",
        NoConnection("illegal_parameter"),
    ),
    (ALL, "warnings before the hello", UNEXPECTED),
    (&[Server12], "requests of a hello in between", Harmless),
    (ALL, "data before the hello", UNEXPECTED),
];

const AFTERWARDS: &[(&[Role], &str, Verdict)] = &[
    (OLD, "record of no kind", BAD_MAC),
    (NEW, "record of no kind", Failure("", "unexpected_message")),
    (
        OLD,
        "record of another version",
        Failure("version", "protocol_version"),
    ),
    (ALL, "record of a changed length", BAD_MAC),
    (ALL, "record with a changed byte", BAD_MAC),
    (OLD, "record with a changed byte by blocks", BAD_MAC),
    (ALL, "record of no bytes", Failure("", "")),
    (OLD, "record of no bytes by blocks", Failure("", "")),
    (
        ALL,
        "record that is too long",
        Failure("too long", "record_overflow"),
    ),
    (
        NEW,
        "record that is too long for TLS 1.3",
        Failure("too long", "record_overflow"),
    ),
    (
        ALL,
        "record with too much in it",
        Failure("too long", "record_overflow"),
    ),
    (ALL, "record twice", BAD_MAC),
    (ALL, "heartbeat", Failure("", "unexpected_message")),
    (ALL, "unknown content", Failure("", "unexpected_message")),
    (
        ALL,
        "nothing but padding",
        Failure("", "unexpected_message"),
    ),
    (ALL, "plain text", Failure("", "")),
    (ALL, "plain close_notify", Failure("", "")),
    (ALL, "empty records", Failure("", "unexpected_message")),
    (ALL, "warnings", Failure("", "")),
    (
        ALL,
        "an alert",
        Failure("the peer sent the alert \"internal error\"", "none"),
    ),
    (
        ALL,
        "an unknown alert",
        Failure("the unknown alert 238", "none"),
    ),
    (ALL, "half an alert", Failure("", "unexpected_message")),
    (
        &[Client12, Client13, Server12],
        "change of ciphers",
        Failure("", "unexpected_message"),
    ),
    (ALL, "unknown message", Failure("", "unexpected_message")),
    (ALL, "finished again", Failure("", "unexpected_message")),
    (ALL, "message of 16 MiB", Failure("", "")),
    (
        ALL,
        "half a message and data",
        Failure("", "unexpected_message"),
    ),
    (&[Client12], "hello again", Warning),
    (
        &[Client13, Server12, Server13],
        "hello again",
        Failure("", "unexpected_message"),
    ),
    (&[Server12], "request of a hello", Warning),
    (
        &[Client12, Client13, Server13],
        "request of a hello",
        Failure("", "unexpected_message"),
    ),
    (&[Server12], "requests of a hello", Warning),
    (NEW, "new keys", Harmless),
    (NEW, "many new keys", Harmless),
    (NEW, "new keys of no kind", Failure("", "")),
    (
        ALL,
        "request of a certificate",
        Failure("", "unexpected_message"),
    ),
    (ALL, "close_notify and data", Harmless),
    (ALL, "cut", Cut),
    (ALL, "cut in a record", Cut),
];

/// The program, and where it connects to.
struct Mischief {
    listener: ChannelSocket,
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    _directory: Directory,
}

impl Drop for Mischief {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Mischief {
    fn start() -> Self {
        let directory = Directory::of_server(&authority().pem, server_cert());
        directory.write("client-cert.pem", &client_cert().pem);
        directory.write("client-key.pem", &client_cert().key);
        let path = directory.file("socket");
        let address = gio::UnixSocketAddress::new(&path);
        let listener = ChannelSocket::listen(&address, 1).expect("listens");
        let root = env!("CARGO_MANIFEST_DIR");
        let mut child = Command::new(format!("{root}/.ci/python"))
            .arg(format!("{root}/tests/qio/layer/tls/protocol_violations.py"))
            .args([&path, directory.path()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut this = Self {
            listener,
            orders: child.stdin.take().expect("a pipe"),
            answers: BufReader::new(child.stdout.take().expect("a pipe")),
            child,
            _directory: directory,
        };
        // Without tlslite-ng it ends, and does not connect.
        assert_eq!(this.answer(), "ready", "tlslite-ng is missing: `make test`");
        this
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("a line");
        line.trim().to_owned()
    }

    fn play_all(&mut self, tricks: &[(&[Role], &str, Verdict)]) {
        for (players, trick, verdict) in tricks {
            for role in *players {
                let (ours, theirs) = self.play(*role, trick);
                check(*role, trick, *verdict, &ours, &theirs);
            }
        }
    }

    /// The result of a trick at this end and at the peer.
    fn play(&mut self, role: Role, trick: &str) -> (Result<String, String>, String) {
        let order = match role {
            Client12 => "client|1.2",
            Client13 => "client|1.3",
            Server12 => "server|1.2",
            Server13 => "server|1.3",
        };
        writeln!(self.orders, "{order}|{trick}").expect("it listens");
        let master = self.listener.accept().expect("it connects");
        let (ours, tls) = in_loop(move |context| {
            let tls = match role {
                Client12 | Client13 => ChannelTls::new_server(&master, &server_creds()),
                Server12 | Server13 => ChannelTls::new_client(&master, &client_creds(), NAME),
            };
            let tls = tls.expect("an end");
            (listen(&tls, context), tls)
        });
        // It has seen the alert by then.
        let theirs = self.answer();
        tls.close().expect("closed");
        (ours, theirs)
    }
}

fn server_creds() -> TlsCreds {
    let requiring = server_builder().client_certificates(TlsAuthenticationMode::Required);
    requiring.build().expect("good")
}

fn client_creds() -> TlsCreds {
    let builder = client_builder();
    let shows = builder.certificate_pem(client_cert().pem.as_str(), client_cert().key.as_str());
    shows.build().expect("good")
}

/// Reads by a watch until the end, which is what was read, or an error; answers to a word.
fn listen(tls: &ChannelTls, context: &glib::MainContext) -> Result<String, String> {
    tls.set_blocking(false).expect("non-blocking");
    let (got, end) = (
        Rc::new(RefCell::new(Vec::new())),
        Rc::new(RefCell::new(None)),
    );
    let (taken, ended, calls) = (got.clone(), end.clone(), Cell::new(0));
    let read = move |tls: &ChannelTls, _| {
        calls.set(calls.get() + 1);
        assert!(calls.get() < CALLS, "it spins");
        let mut data = [0; 100];
        let result = match tls.read(&mut data) {
            Ok(0) => Ok(()),
            Ok(count) => {
                taken.borrow_mut().extend(&data[..count]);
                if taken.borrow().ends_with(b"done") {
                    // A peer that treats a warning as fatal has exited.
                    let _ = tls.write_all(b"seen");
                }
                return ControlFlow::Continue;
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return ControlFlow::Continue,
            Err(e) => Err(e.to_string()),
        };
        ended.replace(Some(result));
        ControlFlow::Break
    };
    let source = tls.add_watch_source_local(IOCondition::IN, read, Some(context));
    iterate_until(context, || source.is_destroyed());
    if let Some(Err(e)) = &*end.borrow() {
        let again = tls.read(&mut [0]).expect_err("as before");
        assert_eq!(&again.to_string(), e);
    }
    // All that the peer still sends is read, up to the end.
    tls.master().shutdown(Shutdown::Write).expect("shut down");
    let got = String::from_utf8(got.take()).expect("text");
    end.take().expect("reported").map(|()| got)
}

#[track_caller]
fn check(role: Role, trick: &str, verdict: Verdict, ours: &Result<String, String>, theirs: &str) {
    let case = format!("{role:?}, {trick}: {ours:?}, {theirs}");
    let peer = match role {
        Client12 | Client13 => "the client",
        Server12 | Server13 => NAME,
    };
    let unable = format!("Unable to perform the TLS handshake with {peer}: ");
    let failed = format!("TLS with {peer} failed: ");
    let error = || ours.as_ref().expect_err(&case);
    let alert = |name: &str| match name {
        "none" => theirs == "cut",
        _ => theirs.starts_with(&format!("alert {name}")),
    };
    match verdict {
        NoConnection(name) => {
            assert!(
                error().strip_prefix(&unable).is_some_and(is_clear),
                "{case}"
            );
            assert!(alert(name), "{case}");
        }
        Failure(reason, name) => {
            let reported = error().strip_prefix(&failed);
            assert!(
                reported.is_some_and(|reported| is_clear(reported) && reported.contains(reason)),
                "{case}"
            );
            assert!(alert(name), "{case}");
        }
        Cut => {
            let reported = error().strip_prefix(&unable);
            let reported = reported.unwrap_or(error());
            let cut = reported.starts_with("The peer has closed")
                || reported.starts_with("Connection closed without");
            assert!(cut, "{case}");
            assert!(["cut", "close_notify", "data"].contains(&theirs), "{case}");
        }
        Harmless if trick == "close_notify and data" => {
            // What comes after close_notify is nothing.
            assert_eq!(ours.as_deref(), Ok(""), "{case}");
        }
        Harmless => {
            assert_eq!(ours.as_deref(), Ok("done"), "{case}");
            assert_eq!(theirs, "close_notify after seen", "{case}");
        }
        Warning => {
            assert_eq!(ours.as_deref(), Ok("done"), "{case}");
            assert!(alert("no_renegotiation"), "{case}");
        }
    }
}

fn is_clear(reason: &str) -> bool {
    !reason.is_empty() && !reason.contains("gives no reason")
}

#[test]
fn a_handshake_against_the_rules_is_one_error_and_an_alert() {
    needs!("python3-gi", "tlslite-ng");
    Mischief::start().play_all(IN_HANDSHAKE);
}

#[test]
fn records_against_the_rules_are_one_error_and_an_alert() {
    needs!("python3-gi", "tlslite-ng");
    let mut mischief = Mischief::start();
    mischief.play_all(AFTERWARDS);
    // A part of what TLS 1.3 authenticates (RFC 8446, 5.2). OpenSSL refuses it earlier.
    let alert = match openssl_since(3, 2) {
        true => "decode_error",
        false => "protocol_version",
    };
    let version = Failure("version", alert);
    // To be refused after the Finished of the peer (RFC 8446, 5). Clients of OpenSSL 3.5 drop it.
    let change = match openssl_since(3, 5) {
        true => Harmless,
        false => Failure("", "unexpected_message"),
    };
    mischief.play_all(&[
        (NEW, "record of another version", version),
        (&[Server13], "change of ciphers", change),
    ]);
}
