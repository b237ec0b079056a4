//! Life-cycle events in the structured log of GLib.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
    thread,
};

use glib::{LogLevel, LogWriterOutput, prelude::*};
use qio::{
    Backoff, ChannelCommand, ChannelFile, ChannelSocket, ChannelTls, NetAddress, NetListener,
    TlsCreds, TlsEndpoint, prelude::*,
};

use crate::common::alone::{is_alone, rerun};

type Fields = BTreeMap<String, String>;

static EVENTS: Mutex<Vec<Fields>> = Mutex::new(Vec::new());

fn events() -> MutexGuard<'static, Vec<Fields>> {
    EVENTS.lock().expect("no panic")
}

/// Collects the events of this process, which has one test.
fn collect() {
    glib::log_set_writer_func(|level, fields| {
        let text = |it: &glib::LogField<'_>| it.value_str().unwrap_or_default().to_owned();
        let fields: Fields = fields
            .iter()
            .map(|it| (it.key().to_owned(), text(it)))
            .collect();
        if level == LogLevel::Debug && fields.get("GLIB_DOMAIN").is_some_and(|it| it == "Qio") {
            events().push(fields);
        }
        LogWriterOutput::Handled
    });
}

/// The events of an object, by its name.
fn of(name: &str) -> Vec<Fields> {
    let is_it = |fields: &&Fields| fields["QIO_CHANNEL"] == name;
    events().iter().filter(is_it).cloned().collect()
}

#[track_caller]
fn check(event: &Fields, class: &str, message: &str) {
    assert_eq!(event["QIO_CLASS"], class, "{event:?}");
    let label = format!("{class} {}: ", event["QIO_CHANNEL"]);
    let text = event["MESSAGE"].strip_prefix(&label).expect("a label");
    assert!(text.starts_with(message), "{text}");
    assert_eq!(event["PRIORITY"], "7");
}

/// Runs `body` in a process of its own in which events are enabled.
#[track_caller]
fn with_events(name: &str, body: impl FnOnce()) {
    if is_alone() {
        collect();
        return body();
    }
    let output = rerun(name, |command| command.env("G_MESSAGES_DEBUG", "Qio"));
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
}

fn loopback() -> gio::InetSocketAddress {
    let loopback = gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4);
    gio::InetSocketAddress::new(&loopback, 0)
}

#[test]
fn life_cycle_events_of_sockets_have_their_fields() {
    with_events(
        "log::life_cycle_events_of_sockets_have_their_fields",
        || {
            let listener = ChannelSocket::new();
            listener.set_name(Some("listener"));
            listener.listen_sync(&loopback(), 4).expect("listens");
            let address = listener.local_address().expect("bound");
            let client = ChannelSocket::new();
            client.set_name(Some("client"));
            client.connect_sync(&address).expect("connects");
            let server = listener.accept().expect("a client");
            let address = SocketConnectableExt::to_string(&address);

            let [event] = &of("listener")[..] else {
                panic!("{:?}", events());
            };
            check(event, "QIOChannelSocket", "listening on 127.0.0.1:");
            check(
                &of("client")[0],
                "QIOChannelSocket",
                &format!("connected to {address}"),
            );
            assert!(!of("client")[0].contains_key("QIO_ERROR"));
            // Without a name it is identified by its address.
            let unnamed = format!("{:p}", server.upcast_ref::<glib::Object>().as_ptr());
            check(
                &of(&unnamed)[0],
                "QIOChannelSocket",
                "accepted from 127.0.0.1:",
            );

            client.close().expect("closed");
            client.close().expect("again");
            check(&of("client")[1], "QIOChannelSocket", "closed");
            assert_eq!(of("client").len(), 2);
            server.abort();
            let messages: Vec<_> = of(&unnamed)
                .iter()
                .map(|it| it["MESSAGE"].clone())
                .collect();
            assert!(messages[1].ends_with("aborted") && messages[2].ends_with("closed"));
        },
    );
}

#[test]
fn life_cycle_events_of_files_and_commands() {
    with_events("log::life_cycle_events_of_files_and_commands", || {
        let file = ChannelFile::open("/dev/null").expect("opened");
        let command = ChannelCommand::builder(["true"]).spawn().expect("started");
        let pid = command.pid();
        drop((file, command));
        let messages: Vec<_> = events().iter().map(|it| it["MESSAGE"].clone()).collect();
        assert!(
            messages.iter().any(|it| it.ends_with(": opened /dev/null")),
            "{messages:?}"
        );
        let started = format!(": started \"true\", process {pid}");
        assert!(
            messages.iter().any(|it| it.ends_with(&started)),
            "{messages:?}"
        );
    });
}

#[test]
fn life_cycle_events_of_tls_are_the_end_of_the_handshake_and_its_error() {
    with_events(
        "log::life_cycle_events_of_tls_are_the_end_of_the_handshake_and_its_error",
        || {
            for (key, is_right) in [(*b"sixteen bytes...", true), (*b"another 16 bytes", false)] {
                events().clear();
                let creds = |end, key| TlsCreds::builder(end).psk("alice", key).build();
                let (here, there) = ChannelSocket::pair().expect("a pair");
                let theirs = creds(TlsEndpoint::Server, key).expect("good");
                let ours = creds(TlsEndpoint::Client, *b"sixteen bytes...").expect("good");
                let client = ChannelTls::new_client(&here, &ours, None).expect("good");
                client.set_name(Some("client"));
                let server = ChannelTls::new_server(&there, &theirs).expect("good");
                server.set_name(Some("server"));
                let serving = thread::spawn(move || server.handshake().is_ok());
                assert_eq!(client.handshake().is_ok(), is_right);
                assert_eq!(serving.join().expect("no panic"), is_right);
                for end in ["client", "server"] {
                    let event = &of(end)[0];
                    match is_right {
                        true => check(event, "QIOChannelTLS", "TLS handshake is done: TLSv1.3, "),
                        false => {
                            check(event, "QIOChannelTLS", "TLS handshake has failed: ");
                            assert!(event["MESSAGE"].ends_with(&event["QIO_ERROR"]));
                        }
                    }
                }
            }
        },
    );
}

#[test]
fn failed_attempts_of_a_backoff_are_events_with_their_errors() {
    with_events(
        "log::failed_attempts_of_a_backoff_are_events_with_their_errors",
        || {
            let address: NetAddress = "unix:@qio-no-listener\u{202e}".parse().expect("an address");
            let backoff = Backoff::new()
                .attempts(3)
                .delays(Default::default(), Default::default());
            address
                .connect_with_backoff(&backoff)
                .expect_err("nothing listens");
            let refused = events()
                .iter()
                .filter(|it| it.contains_key("QIO_ERROR"))
                .count();
            assert_eq!(refused, 3);
            // What controls a terminal, or the direction of writing, is escaped.
            for event in events().iter() {
                assert!(!event["MESSAGE"].contains('\u{202e}'), "{event:?}");
                assert!(
                    event["QIO_ERROR"].ends_with("Connection refused"),
                    "{event:?}"
                );
            }
        },
    );
}

#[test]
fn events_are_shown_by_g_messages_debug_and_not_without_it() {
    const NAME: &str = "log::events_are_shown_by_g_messages_debug_and_not_without_it";
    if is_alone() {
        let listener = NetListener::new();
        listener.open_sync(&loopback(), 4).expect("listens");
        return listener.disconnect();
    }
    for (domain, is_shown) in [("Qio", true), ("Other", false), ("", false)] {
        let output = rerun(NAME, |command| command.env("G_MESSAGES_DEBUG", domain));
        assert!(output.status.success());
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert_eq!(
            text.contains(": listening on 127.0.0.1:"),
            is_shown,
            "{text}"
        );
        assert_eq!(text.contains(": closed"), is_shown, "{text}");
    }
}
