//! The feature `tracing`: spans and events, as a subscriber gets them.

use std::{
    fmt::{Debug, Write as _},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use qio::{ChannelSocket, ChannelTls, Shutdown, TlsCreds, TlsEndpoint, prelude::*};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::with_default,
};

/// Records what it gets, a line each.
#[derive(Clone, Default)]
struct Recorder {
    lines: Arc<Mutex<Vec<String>>>,
    spans: Arc<AtomicU64>,
}

impl Recorder {
    fn push(&self, line: String) {
        self.lines.lock().expect("no panic").push(line);
    }

    #[track_caller]
    fn has(&self, start: &str) -> String {
        let lines = self.lines.lock().expect("no panic");
        let found = lines.iter().find(|line| line.starts_with(start));
        found
            .unwrap_or_else(|| panic!("no {start:?} in {lines:#?}"))
            .clone()
    }
}

/// The fields, as ` name=value`.
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "qio"
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut text = Text(format!("span {}", attributes.metadata().name()));
        attributes.record(&mut text);
        self.push(text.0);
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text("event".to_owned());
        event.record(&mut text);
        self.push(text.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn listener() -> (ChannelSocket, gio::SocketAddress) {
    let loopback = gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4);
    let any = gio::InetSocketAddress::new(&loopback, 0);
    let listener = ChannelSocket::listen(&any, 4).expect("listens");
    let address = listener.local_address().expect("bound");
    (listener, address)
}

#[test]
fn connects_have_spans_and_events_in_futures_and_in_blocking_calls() {
    let recorder = Recorder::default();
    with_default(recorder.clone(), || {
        let (listener, address) = listener();
        let client = ChannelSocket::new();
        client.set_name(Some("blocking"));
        client.connect_sync(&address).expect("connects");
        let other = ChannelSocket::new();
        other.set_name(Some("waiting"));
        let connecting = other.connect_async(&address, None);
        glib::MainContext::default()
            .block_on(connecting)
            .expect("connects");
        listener
            .accept()
            .expect("a client")
            .close()
            .expect("closed");
    });
    for name in ["blocking", "waiting"] {
        recorder.has(&format!(
            "span connect class=\"QIOChannelSocket\" channel=\"{name}\""
        ));
    }
    let event = recorder.has("event connected to 127.0.0.1:");
    assert!(
        event.contains("class=\"QIOChannelSocket\" channel=\"blocking\""),
        "{event}"
    );
    recorder.has("event listening on 127.0.0.1:");
    recorder.has("event accepted from 127.0.0.1:");
    recorder.has("event closed");
}

#[test]
fn tls_handshakes_have_spans_and_events() {
    let recorder = Recorder::default();
    let creds = |end| {
        let creds = TlsCreds::builder(end).psk("alice", *b"sixteen bytes...");
        creds.build().expect("good")
    };
    let (here, there) = ChannelSocket::pair().expect("a pair");
    let server = ChannelTls::new_server(&there, &creds(TlsEndpoint::Server)).expect("good");
    let serving = thread::spawn(move || server.handshake().map(|()| server));
    with_default(recorder.clone(), || {
        let client = ChannelTls::new_client(&here, &creds(TlsEndpoint::Client), None);
        client.expect("good").handshake().expect("done");
    });
    serving.join().expect("no panic").expect("done");
    recorder.has("span handshake class=\"QIOChannelTLS\"");
    recorder.has("event TLS handshake is done: TLSv1.3, ");
}

#[test]
fn splices_and_relays_have_spans() {
    let recorder = Recorder::default();
    with_default(recorder.clone(), || {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        there.shutdown(Shutdown::Write).expect("shut down");
        here.set_name(Some("source"));
        here.splice_to(&qio::ChannelNull::new(), None)
            .expect("moved");
        here.shutdown(Shutdown::Write).expect("shut down");
        let (one, other) = ChannelSocket::pair().expect("a pair");
        one.shutdown(Shutdown::Both).expect("shut down");
        qio::relay(&here, &other).expect("moved");
    });
    recorder.has("span splice class=\"QIOChannelSocket\" channel=\"source\"");
    recorder.has("span relay class=\"QIOChannelSocket\" channel=\"source\"");
}
