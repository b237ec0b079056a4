//! A peer that violates the TLS protocol: `protocol_violations.py`, by tlslite-ng. Each
//! violation ends in one clear error at this end and in an alert at the peer, or does no harm.

mod table;

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
use table::{
    AFTERWARDS, Client12, Client13, Cut, Failure, Harmless, IN_HANDSHAKE, NEW, NoConnection, Role,
    Server12, Server13, Verdict, Warning,
};

/// The maximum number of calls of a watch for one violation.
const CALLS: usize = 400;

/// The program, and where it connects to.
struct ViolatingPeer {
    listener: ChannelSocket,
    child: Child,
    requests: ChildStdin,
    responses: BufReader<ChildStdout>,
    _directory: Directory,
}

impl Drop for ViolatingPeer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl ViolatingPeer {
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
            requests: child.stdin.take().expect("a pipe"),
            responses: BufReader::new(child.stdout.take().expect("a pipe")),
            child,
            _directory: directory,
        };
        // Without tlslite-ng it ends, and does not connect.
        assert_eq!(
            this.response(),
            "ready",
            "tlslite-ng is missing: `make test`"
        );
        this
    }

    fn response(&mut self) -> String {
        let mut line = String::new();
        self.responses.read_line(&mut line).expect("a line");
        line.trim().to_owned()
    }

    fn perform_all(&mut self, violations: &[(&[Role], &str, Verdict)]) {
        for (roles, violation, verdict) in violations {
            for role in *roles {
                let (ours, theirs) = self.perform(*role, violation);
                check(*role, violation, *verdict, &ours, &theirs);
            }
        }
    }

    /// The result of a violation at this end and at the peer.
    fn perform(&mut self, role: Role, violation: &str) -> (Result<String, String>, String) {
        let request = match role {
            Client12 => "client|1.2",
            Client13 => "client|1.3",
            Server12 => "server|1.2",
            Server13 => "server|1.3",
        };
        writeln!(self.requests, "{request}|{violation}").expect("it listens");
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
        let theirs = self.response();
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

/// Reads by a watch until the end, which is what was read, or an error. Writes `seen` after `done`.
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
fn check(
    role: Role,
    violation: &str,
    verdict: Verdict,
    ours: &Result<String, String>,
    theirs: &str,
) {
    let case = format!("{role:?}, {violation}: {ours:?}, {theirs}");
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
        Harmless if violation == "close_notify and data" => {
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
    ViolatingPeer::start().perform_all(IN_HANDSHAKE);
}

#[test]
fn records_against_the_rules_are_one_error_and_an_alert() {
    needs!("python3-gi", "tlslite-ng");
    let mut peer = ViolatingPeer::start();
    peer.perform_all(AFTERWARDS);
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
    peer.perform_all(&[
        (NEW, "record of another version", version),
        (&[Server13], "change of ciphers", change),
    ]);
}
