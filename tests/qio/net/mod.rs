//! `src/net/`.

mod accept;
mod activation;
mod address;
mod backoff;
mod churn;
mod context;
mod emfile;
mod limit;
mod listen_future;
mod open;
mod pool;
mod unix_path;
mod websock;

use std::{
    io::{self, Write as _},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use gio::prelude::*;
use qio::{ChannelSocket, NetListener, prelude::*};

use crate::{
    common::alone::{is_alone, rerun},
    skip::skip,
};

fn loopback(family: gio::SocketFamily) -> gio::SocketAddress {
    gio::InetSocketAddress::new(&gio::InetAddress::new_loopback(family), 0).upcast()
}

fn v4() -> gio::SocketAddress {
    loopback(gio::SocketFamily::Ipv4)
}

fn v6() -> gio::SocketAddress {
    loopback(gio::SocketFamily::Ipv6)
}

/// Whether the machine has IPv6: else the test is skipped.
fn has_v6() -> bool {
    match ChannelSocket::listen(&v6(), 1) {
        Ok(_) => true,
        Err(e) => {
            skip(format_args!("no IPv6 loopback ({e})"));
            false
        }
    }
}

/// As `alone`, and prints the figures that the test reports, past the capture of the harness.
#[track_caller]
fn alone_with_figures(name: &str, body: impl FnOnce()) {
    if is_alone() {
        return body();
    }
    let output = rerun(name, |command| command);
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    for figures in text.lines().filter_map(|line| line.split_once(FIGURES)) {
        let _ = writeln!(io::stderr(), "{}", figures.1);
    }
}

const FIGURES: &str = "figures: ";

fn report_figures(figures: &str) {
    println!("{FIGURES}{figures}");
}

fn unix(path: &Path) -> gio::SocketAddress {
    gio::UnixSocketAddress::new(path).upcast()
}

fn port_of(address: &gio::SocketAddress) -> u16 {
    let inet = address.downcast_ref::<gio::InetSocketAddress>();
    inet.expect("internet").port()
}

/// A listener on the loopback.
fn listening() -> NetListener {
    let listener = NetListener::new();
    listener.open_sync(&v4(), 128).expect("listens");
    listener
}

/// Connects to the first address of a listener.
#[track_caller]
fn connect(listener: &NetListener) -> ChannelSocket {
    connect_to(&listener.local_addresses()[0])
}

#[track_caller]
fn connect_to(address: &gio::SocketAddress) -> ChannelSocket {
    ChannelSocket::connect(address).expect("connects")
}

/// Checks that these are the ends of one connection.
#[track_caller]
fn is_connection(client: &ChannelSocket, server: &ChannelSocket) {
    client.write_all(b"ping").expect("written");
    let mut word = [0; 4];
    server.read_all(&mut word).expect("read");
    assert_eq!(&word, b"ping");
}

/// Clients that a callback was given, from whatever thread.
#[derive(Clone, Default)]
struct Accepted(Arc<Mutex<Vec<ChannelSocket>>>);

impl Accepted {
    fn client_func(&self) -> impl FnMut(&NetListener, ChannelSocket) + Send + 'static {
        let accepted = self.clone();
        move |_: &NetListener, client| accepted.0.lock().expect("no panic").push(client)
    }

    fn count(&self) -> usize {
        self.0.lock().expect("no panic").len()
    }

    fn take(&self) -> Vec<ChannelSocket> {
        std::mem::take(&mut *self.0.lock().expect("no panic"))
    }
}

/// Counts the signals `accept-error` of a listener.
fn errors_of(listener: &NetListener) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    listener.connect_accept_error(move |_, _| {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    count
}
