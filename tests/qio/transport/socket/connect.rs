//! Connecting without holding up the main loop.

mod contexts;
mod forks;
mod leaks;
mod names;
mod network;
mod proxies;
mod waits;

use std::{
    io::{self, ErrorKind},
    net::Ipv4Addr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
};

use futures_util::FutureExt as _;
use gio::prelude::*;
use glib::MainContext;
use qio::{ChannelSocket, ConnectStage, prelude::*, to_glib_error};

use super::{abstract_name, address::deaf, port_of, unix, v4, v6};
use crate::common::{
    after_ticks, alone::alone, fds, in_loop, iterate_until, native, on_loop, settle, signals,
};

/// Where a listener listens.
fn local(listener: &ChannelSocket) -> gio::SocketAddress {
    listener.local_address().expect("an address")
}

fn listener(address: &gio::SocketAddress) -> ChannelSocket {
    ChannelSocket::listen(address, 16).expect("listens")
}

/// An address that accepts connections, of each kind that there is.
fn kinds(directory: &std::path::Path) -> Vec<gio::SocketAddress> {
    let kinds = [
        Some(v4()),
        v6(),
        Some(unix(&directory.join("socket"))),
        Some(abstract_name("connect")),
    ];
    kinds.into_iter().flatten().collect()
}

/// The native address of an address of IPv4.
fn as_native(address: &gio::SocketAddress) -> gio::SocketAddress {
    native::ipv4(Ipv4Addr::LOCALHOST, port_of(address))
}

/// The `connect-progress` signals of a channel.
type Progress = Arc<Mutex<Vec<(ConnectStage, Option<String>)>>>;

fn listen_to(channel: &ChannelSocket) -> Progress {
    let progress = Progress::default();
    let emitted = progress.clone();
    let thread = thread::current().id();
    channel.connect_connect_progress(move |_, stage, _, address| {
        assert_eq!(thread::current().id(), thread);
        let address = address.map(|it| SocketConnectableExt::to_string(it).into());
        emitted.lock().expect("no panic").push((stage, address));
    });
    progress
}

fn stages(progress: &Progress) -> Vec<ConnectStage> {
    let progress = progress.lock().expect("no panic");
    progress.iter().map(|(stage, _)| *stage).collect()
}

/// A unix socket whose backlog is full: connecting to it blocks until a connection is accepted.
fn full() -> (ChannelSocket, ChannelSocket) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("full-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    fill_queue(&abstract_name(&name))
}

/// The same for TCP, which tries again after a second.
fn full_tcp() -> (ChannelSocket, ChannelSocket) {
    fill_queue(&v4())
}

fn fill_queue(address: &gio::SocketAddress) -> (ChannelSocket, ChannelSocket) {
    // A backlog of 0 holds one connection.
    let listener = ChannelSocket::listen(address, 0).expect("listens");
    let first = ChannelSocket::connect(&local(&listener)).expect("there is space");
    (listener, first)
}

/// Listeners that do not answer, and what to connect to: each is another way of waiting.
fn silent() -> [(ChannelSocket, ChannelSocket, gio::SocketAddress); 3] {
    let ((unix, one), (tcp, two), (native, three)) = (full(), full_tcp(), full_tcp());
    let (at_unix, at_tcp, at_native) = (local(&unix), local(&tcp), as_native(&local(&native)));
    [
        (unix, one, at_unix),
        (tcp, two, at_tcp),
        (native, three, at_native),
    ]
}

#[test]
fn every_kind_of_address_is_connected_to() {
    let directory = tempfile::tempdir().expect("a directory");
    for address in kinds(directory.path()) {
        in_loop(move |context| {
            let listener = listener(&address);
            let address = local(&listener);
            let client = context.block_on(ChannelSocket::connect_future(&address));
            let client = client.expect("connects");
            let server = listener.accept().expect("accepts");
            assert!(client.is_blocking());
            assert!(client.with_fd(fds::is_cloexec).expect("open"));
            let twin = ChannelSocket::connect(&address).expect("connects");
            assert_eq!(client.features(), twin.features());
            client.write_all(b"ping").expect("written");
            server.read_all(&mut [0; 4]).expect("read");
            server.write_all(b"pong").expect("written");
            client.read_all(&mut [0; 4]).expect("read");
        });
    }
}

#[test]
fn a_native_address_is_connected_to() {
    on_loop(|| async {
        let listener = listener(&v4());
        let address = as_native(&local(&listener));
        let client = ChannelSocket::connect_future(&address).await;
        let server = listener.accept().expect("accepts");
        let client = client.expect("connects");
        assert!(client.is_blocking());
        client.write_all(b"x").expect("written");
        server.read_all(&mut [0]).expect("read");
    });
}

#[test]
fn a_name_is_connected_to() {
    on_loop(|| async {
        // Only IPv4 listens, whichever family "localhost" resolves to first.
        let listener = listener(&v4());
        let name = gio::NetworkAddress::new("localhost", port_of(&local(&listener)));
        let client = ChannelSocket::connect_future(&name).await;
        client.expect("connects");
        listener.accept().expect("accepts");
    });
}

#[test]
fn a_refused_connection_names_the_address_as_the_blocking_call_does() {
    in_loop(|context| {
        let (_fd, address) = deaf();
        for address in [as_native(&address), address] {
            let blocking = ChannelSocket::connect(&address).expect_err("refused");
            let e = context.block_on(ChannelSocket::connect_future(&address));
            let e = e.expect_err("refused");
            assert_eq!(e.to_string(), blocking.to_string());
            assert!(e.to_string().ends_with(": Connection refused"), "{e}");
            assert_eq!(e.kind(), ErrorKind::ConnectionRefused);
            let e = to_glib_error(&e);
            assert!(e.matches(gio::IOErrorEnum::ConnectionRefused), "{e}");
        }
    });
}

#[test]
fn a_refused_name_is_named_with_its_address() {
    in_loop(|context| {
        let (_fd, address) = deaf();
        let port = port_of(&address);
        let name = gio::NetworkAddress::new("localhost", port);
        let results = [
            ChannelSocket::connect(&name),
            context.block_on(ChannelSocket::connect_future(&name)),
        ];
        for result in results {
            let e = result.expect_err("refused").to_string();
            let begin = format!("Unable to connect to localhost:{port} (");
            assert!(e.starts_with(&begin), "{e}");
            assert!(e.ends_with("): Connection refused"), "{e}");
        }
    });
}

#[test]
fn an_ipv6_address_is_reported_in_brackets() {
    let Some(any) = v6() else { return };
    in_loop(move |context| {
        let port = port_of(&local(&listener(&any)));
        let host = gio::InetAddress::new_loopback(gio::SocketFamily::Ipv6);
        let addresses: [gio::SocketConnectable; 2] = [
            gio::InetSocketAddress::new(&host, port).upcast(),
            gio::NetworkAddress::new("::1", port).upcast(),
        ];
        for address in addresses {
            let e = context.block_on(ChannelSocket::connect_future(&address));
            let e = e.expect_err("the listener is closed").to_string();
            let text = format!("Unable to connect to [::1]:{port}: Connection refused");
            assert_eq!(e, text);
        }
    });
}

#[test]
fn a_missing_unix_path_is_named_as_by_the_blocking_call() {
    let directory = tempfile::tempdir().expect("a directory");
    let address = unix(&directory.path().join("missing"));
    in_loop(move |context| {
        let blocking = ChannelSocket::connect(&address).expect_err("missing");
        let e = context.block_on(ChannelSocket::connect_future(&address));
        let e = e.expect_err("missing");
        assert_eq!(e.kind(), ErrorKind::NotFound);
        assert_eq!(e.to_string(), blocking.to_string());
    });
}

#[test]
fn a_channel_is_connected_once_and_not_after_it_was_closed() {
    on_loop(|| async {
        let listener = listener(&v4());
        let address = local(&listener);
        let channel = ChannelSocket::new();
        channel
            .connect_async(&address, None)
            .await
            .expect("connects");
        let e = channel.connect_async(&address, None).await;
        assert_eq!(e.expect_err("open").kind(), ErrorKind::AlreadyExists);
        channel.close().expect("closed");
        let e = channel.connect_async(&address, None).await;
        let e = to_glib_error(&e.expect_err("closed"));
        assert!(e.matches(gio::IOErrorEnum::Closed), "{e}");
    });
}

#[test]
fn one_of_two_concurrent_connects_is_refused() {
    on_loop(|| async {
        let listener = listener(&v4());
        let address = local(&listener);
        let channel = ChannelSocket::new();
        let both = futures_util::future::join(
            channel.connect_async(&address, None),
            channel.connect_async(&address, None),
        );
        let (one, other) = both.await;
        let (taken, e) = match one {
            Ok(()) => (Ok(()), other.expect_err("open")),
            Err(e) => (other, e),
        };
        taken.expect("connects");
        assert_eq!(e.kind(), ErrorKind::AlreadyExists);
    });
}

#[test]
fn a_channel_may_try_again_after_a_failure() {
    on_loop(|| async {
        let (_fd, deaf) = deaf();
        let listener = listener(&v4());
        let channel = ChannelSocket::new();
        let e = channel.connect_async(&deaf, None).await;
        e.expect_err("refused");
        let again = channel.connect_async(&local(&listener), None).await;
        again.expect("connects");
    });
}

#[test]
fn a_client_has_the_options() {
    on_loop(|| async {
        let listener = listener(&v4());
        let client = gio::SocketClient::new();
        // Another end of the loopback network.
        let here = gio::InetAddress::from_string("127.0.0.7").expect("an address");
        client.set_local_address(Some(&gio::InetSocketAddress::new(&here, 0)));
        client.set_enable_proxy(false);
        let channel = ChannelSocket::new();
        let result = channel
            .connect_async(&local(&listener), Some(&client))
            .await;
        result.expect("connects");
        let server = listener.accept().expect("accepts");
        let peer = server.remote_address().expect("an address");
        let peer = peer.downcast::<gio::InetSocketAddress>().expect("IP");
        assert_eq!(peer.address().to_str(), "127.0.0.7");
    });
}

#[test]
fn unsupported_settings_of_the_socket_client_are_refused() {
    on_loop(|| async {
        let listener = listener(&abstract_name("refused"));
        let tls = gio::SocketClient::new();
        tls.set_tls(true);
        let bound = gio::SocketClient::new();
        bound.set_local_address(Some(&v4()));
        for client in [tls, bound] {
            let channel = ChannelSocket::new();
            let e = channel
                .connect_async(&local(&listener), Some(&client))
                .await;
            assert_eq!(e.expect_err("refused").kind(), ErrorKind::Unsupported);
        }
    });
}

#[test]
fn the_type_of_the_client_is_that_of_the_socket() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    on_loop(|| async move {
        let client = gio::SocketClient::new();
        client.set_socket_type(gio::SocketType::Seqpacket);
        let listener = listener(&unix(&path));
        let channel = ChannelSocket::new();
        // A stream listens: the types differ.
        let e = channel
            .connect_async(&local(&listener), Some(&client))
            .await;
        let e = e.expect_err("of another type");
        assert_eq!(
            e.to_string().split(": ").last(),
            Some("Protocol wrong type for socket")
        );
    });
}

#[test]
fn the_progress_is_reported_in_order() {
    use ConnectStage::*;
    let directory = tempfile::tempdir().expect("a directory");
    for address in kinds(directory.path()) {
        in_loop(move |context| {
            let listener = listener(&address);
            let address = local(&listener);
            let channel = ChannelSocket::new();
            let progress = listen_to(&channel);
            let opened = Arc::new(Mutex::new(Vec::new()));
            let notes = opened.clone();
            channel.connect_connect_progress(move |channel, _, _, _| {
                let open = channel.fd() != -1;
                notes.lock().expect("no panic").push(open);
            });
            let result = context.block_on(channel.connect_async(&address, None));
            result.expect("connects");
            let expected = [Resolving, Resolved, Connecting, Connected, Complete];
            assert_eq!(stages(&progress), expected);
            let opened = opened.lock().expect("no panic").clone();
            assert_eq!(opened, [false, false, false, false, true]);
            let text = Some(SocketConnectableExt::to_string(&address).into());
            let progress = progress.lock().expect("no panic").clone();
            assert_eq!([&progress[0].1, &progress[1].1], [&None, &None]);
            assert_eq!(
                [&progress[2].1, &progress[3].1, &progress[4].1],
                [&text, &text, &text]
            );
        });
    }
}

#[test]
fn a_failure_is_complete_without_an_address() {
    on_loop(|| async {
        let (_fd, address) = deaf();
        for address in [as_native(&address), address] {
            let channel = ChannelSocket::new();
            let progress = listen_to(&channel);
            let e = channel.connect_async(&address, None).await;
            e.expect_err("refused");
            let progress = progress.lock().expect("no panic").clone();
            assert_eq!(progress.last(), Some(&(ConnectStage::Complete, None)));
            assert!(!progress.iter().any(|it| it.0 == ConnectStage::Connected));
        }
    });
}
