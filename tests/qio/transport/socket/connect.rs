//! Connecting without holding up the main loop.

mod leaks;
mod names;
mod network;
mod proxies;

use std::{
    io::{self, ErrorKind},
    net::Ipv4Addr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use futures_util::FutureExt as _;
use gio::prelude::*;
use glib::{MainContext, Priority};
use qio::{ChannelSocket, ConnectStage, coroutine, prelude::*, to_glib_error};

use super::{abstract_name, address::deaf, port_of, unix, v4, v6};
use crate::common::{
    FEW, after_ticks, alone::alone, fds, in_loop, in_time, iterate_until, iterations, native,
    on_loop, settle,
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

/// What a channel tells while it connects.
type Told = Arc<Mutex<Vec<(ConnectStage, Option<String>)>>>;

fn listen_to(channel: &ChannelSocket) -> Told {
    let told = Told::default();
    let tells = told.clone();
    let thread = thread::current().id();
    channel.connect_connect_progress(move |_, stage, _, address| {
        assert_eq!(thread::current().id(), thread);
        let address = address.map(|it| SocketConnectableExt::to_string(it).into());
        tells.lock().expect("no panic").push((stage, address));
    });
    told
}

fn stages(told: &Told) -> Vec<ConnectStage> {
    let told = told.lock().expect("no panic");
    told.iter().map(|(stage, _)| *stage).collect()
}

/// A unix socket whose queue has no room, until something is accepted: connecting to it takes until
/// then.
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
    // A backlog of 0 has room for one.
    let listener = ChannelSocket::listen(address, 0).expect("listens");
    let first = ChannelSocket::connect(&local(&listener)).expect("there is room");
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
        // Only IPv4 listens, whatever "localhost" comes first with.
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
fn an_address_of_ipv6_is_told_as_people_write_it() {
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
            let e = e.expect_err("nobody listens any more").to_string();
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
fn of_two_connects_at_once_one_is_taken() {
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
fn an_answer_is_waited_for() {
    for (listener, _first, address) in silent() {
        on_loop(|| async move {
            let accepts = listener.clone();
            let ticks = after_ticks(move || drop(accepts.accept().expect("the first")));
            let client = ChannelSocket::connect_future(&address).await;
            assert!(ticks.load(Ordering::Relaxed) >= 3, "the loop ran");
            client.expect("connects");
        });
    }
}

#[test]
fn a_channel_that_is_closed_meanwhile_stops_connecting_at_once() {
    for (_listener, _first, address) in silent() {
        on_loop(|| async move {
            let channel = ChannelSocket::new();
            let told = listen_to(&channel);
            let closes = channel.clone();
            after_ticks(move || closes.close().expect("nothing to close"));
            let e = channel.connect_async(&address, None).await;
            let e = to_glib_error(&e.expect_err("closed"));
            assert!(e.matches(gio::IOErrorEnum::Closed), "{e}");
            let last = told.lock().expect("no panic").last().cloned();
            assert_eq!(last, Some((ConnectStage::Complete, None)));
        });
    }
}

#[test]
fn another_thread_may_close_the_channel() {
    let silent = silent();
    for round in 0..90 {
        let address = silent[round % 3].2.clone();
        on_loop(|| async move {
            let channel = ChannelSocket::new();
            let closes = channel.clone();
            let closer = thread::spawn(move || closes.close());
            let e = channel.connect_async(&address, None).await;
            let e = to_glib_error(&e.expect_err("closed"));
            assert!(e.matches(gio::IOErrorEnum::Closed), "{e}");
            closer.join().expect("no panic").expect("closed");
        });
    }
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
fn a_timeout_of_the_client_is_named_with_the_address() {
    for (_listener, _first, address) in silent() {
        on_loop(|| async move {
            let client = gio::SocketClient::new();
            client.set_timeout(1);
            let channel = ChannelSocket::new();
            let e = channel.connect_async(&address, Some(&client)).await;
            let e = e.expect_err("nobody accepts");
            assert_eq!(e.kind(), ErrorKind::TimedOut);
            let text = format!(
                "Unable to connect to {}: ",
                SocketConnectableExt::to_string(&address)
            );
            assert!(e.to_string().starts_with(&text), "{e}");
            let e = to_glib_error(&e);
            assert!(e.matches(gio::IOErrorEnum::TimedOut), "{e:?}");
        });
    }
}

#[test]
fn what_a_client_cannot_have_is_refused() {
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
fn the_progress_is_told_in_order() {
    use ConnectStage::*;
    let directory = tempfile::tempdir().expect("a directory");
    for address in kinds(directory.path()) {
        in_loop(move |context| {
            let listener = listener(&address);
            let address = local(&listener);
            let channel = ChannelSocket::new();
            let told = listen_to(&channel);
            let opened = Arc::new(Mutex::new(Vec::new()));
            let notes = opened.clone();
            channel.connect_connect_progress(move |channel, _, _, _| {
                let open = channel.fd() != -1;
                notes.lock().expect("no panic").push(open);
            });
            let result = context.block_on(channel.connect_async(&address, None));
            result.expect("connects");
            let expected = [Resolving, Resolved, Connecting, Connected, Complete];
            assert_eq!(stages(&told), expected);
            let opened = opened.lock().expect("no panic").clone();
            assert_eq!(opened, [false, false, false, false, true]);
            let text = Some(SocketConnectableExt::to_string(&address).into());
            let told = told.lock().expect("no panic").clone();
            assert_eq!([&told[0].1, &told[1].1], [&None, &None]);
            assert_eq!([&told[2].1, &told[3].1, &told[4].1], [&text, &text, &text]);
        });
    }
}

#[test]
fn a_failure_is_complete_without_an_address() {
    on_loop(|| async {
        let (_fd, address) = deaf();
        for address in [as_native(&address), address] {
            let channel = ChannelSocket::new();
            let told = listen_to(&channel);
            let e = channel.connect_async(&address, None).await;
            e.expect_err("refused");
            let told = told.lock().expect("no panic").clone();
            assert_eq!(told.last(), Some(&(ConnectStage::Complete, None)));
            assert!(!told.iter().any(|it| it.0 == ConnectStage::Connected));
        }
    });
}

#[test]
fn any_context_will_do_also_one_that_is_nobodys_default() {
    let directory = tempfile::tempdir().expect("a directory");
    for address in kinds(directory.path()) {
        in_time(move || {
            let listener = listener(&address);
            let address = local(&listener);
            let context = MainContext::new();
            let connect = |priority| {
                let address = address.clone();
                qio::spawn_local_in(&context, priority, async move {
                    let first = ChannelSocket::connect_future(&address).await?;
                    ChannelSocket::connect_future(&address).await?;
                    io::Result::Ok(first)
                })
            };
            let tasks = [Priority::HIGH, Priority::LOW, Priority::LOW].map(connect);
            assert!(MainContext::thread_default().is_none());
            iterate_until(&context, || tasks.iter().all(qio::JoinHandle::is_finished));
            for task in tasks {
                let result = task.now_or_never().expect("ended");
                result.expect("no panic").expect("connects");
            }
        });
    }
}

#[test]
fn tasks_of_glib_connect_as_well() {
    in_loop(|context| {
        let listener = listener(&v4());
        let address = local(&listener);
        let task = context.spawn_local(async move {
            let client = ChannelSocket::connect_future(&address).await?;
            client.write_all_future(b"x").await
        });
        let result = context.block_on(task);
        result.expect("no panic").expect("connects");
        let server = listener.accept().expect("accepts");
        server.read_all(&mut [0]).expect("read");
    });
}

#[test]
fn a_connect_goes_on_in_another_context() {
    in_loop(|context| {
        for (listener, _first, address) in silent() {
            let mut future = Box::pin(ChannelSocket::connect_future(&address));
            begin(&mut future);
            drop(listener.accept().expect("the first"));
            context.block_on(future).expect("connects");
        }

        let tcp = listener(&v4());
        let name = gio::NetworkAddress::new("localhost", port_of(&local(&tcp)));
        let mut future = Box::pin(ChannelSocket::connect_future(&name));
        begin(&mut future);
        context.block_on(future).expect("connects");
    });
}

/// Polls a future once, in a context that goes then.
fn begin(future: &mut (impl Future + Unpin)) {
    let context = MainContext::new();
    context.block_on(async { assert!(future.now_or_never().is_none()) });
}

#[test]
fn in_a_coroutine_the_blocking_call_suspends() {
    in_loop(|context| {
        let (listener, _first) = full();
        let accepts = listener.clone();
        let ticks = after_ticks(move || drop(accepts.accept().expect("the first")));
        let address = local(&listener);
        let client = coroutine::spawn(move || ChannelSocket::connect(&address));
        let client = context.block_on(client).expect("no panic");
        assert!(ticks.load(Ordering::Relaxed) >= 3, "the loop ran");
        client.expect("connects");
    });
}

#[test]
fn a_coroutine_connects_to_every_kind_of_address() {
    let directory = tempfile::tempdir().expect("a directory");
    for address in kinds(directory.path()) {
        in_loop(move |context| {
            let listener = listener(&address);
            let address = local(&listener);
            let talk = coroutine::spawn(move || {
                let client = ChannelSocket::connect(&address)?;
                client.write_all(b"x")
            });
            let result = context.block_on(talk).expect("no panic");
            result.expect("connects");
            let server = listener.accept().expect("accepts");
            server.read_all(&mut [0]).expect("read");
        });
    }
}

#[test]
fn a_coroutine_that_is_dropped_while_it_connects_lets_go() {
    for (_listener, _first, address) in silent() {
        in_loop(move |context| {
            let channel = ChannelSocket::new();
            let weak = channel.downgrade();
            let task = coroutine::spawn(move || channel.connect_sync(&address));
            settle(context);
            task.abort();
            settle(context);
            assert!(weak.upgrade().is_none());
        });
    }
}

#[test]
fn a_handler_may_abort_the_connect_that_it_hears_of() {
    in_loop(|context| {
        let listener = listener(&v4());
        let address = local(&listener);
        for unwanted in [ConnectStage::Resolving, ConnectStage::Connecting] {
            let channel = ChannelSocket::new();
            let task = Arc::new(Mutex::new(None::<qio::JoinHandle<()>>));
            let aborts = task.clone();
            channel.connect_connect_progress(move |_, stage, _, _| {
                assert!(stage as i32 <= unwanted as i32, "{stage:?}");
                if stage == unwanted {
                    let task = aborts.lock().expect("no panic");
                    task.as_ref().expect("set").abort();
                }
            });
            let (connects, address) = (channel.clone(), address.clone());
            let handle = qio::spawn_local(async move {
                let _ = connects.connect_async(&address, None).await;
            });
            *task.lock().expect("no panic") = Some(handle);
            let ended = || {
                let task = task.lock().expect("no panic");
                task.as_ref().is_some_and(qio::JoinHandle::is_finished)
            };
            iterate_until(context, ended);
            settle(context);
            assert_eq!(channel.fd(), -1);
        }
    });
}

#[test]
fn dropping_it_cancels_at_once() {
    alone(
        "transport::socket::connect::dropping_it_cancels_at_once",
        || {
            in_loop(|context| {
                let silent = silent();
                let give_up_at = |address: &gio::SocketAddress, unwanted| {
                    let (channel, cancellable) = (ChannelSocket::new(), gio::Cancellable::new());
                    let cancels = cancellable.clone();
                    channel.connect_connect_progress(move |_, stage, _, _| {
                        if stage == unwanted {
                            cancels.cancel();
                        }
                    });
                    let connecting = channel.connect_async(address, None);
                    context.block_on(async {
                        let e = connecting.or_cancelled(&cancellable).await;
                        // Without another turn of the loop.
                        let count = fds::count();
                        let e = to_glib_error(&e.expect_err("cancelled"));
                        assert!(e.matches(gio::IOErrorEnum::Cancelled), "{e}");
                        count
                    })
                };
                for (_, _, address) in &silent {
                    // What the loop has is made once.
                    let before = give_up_at(address, ConnectStage::Resolving);
                    for stage in [ConnectStage::Resolving, ConnectStage::Connecting] {
                        assert_eq!(give_up_at(address, stage), before, "{stage:?}");
                    }
                }
            });
        },
    );
}

#[test]
fn a_context_may_be_run_by_another_thread_for_a_while() {
    for (listener, _first, address) in silent() {
        in_time(move || {
            let context = MainContext::new();
            let connecting = ChannelSocket::connect_future(&address);
            let task = qio::spawn_local_in(&context, Priority::DEFAULT, connecting);
            settle(&context);
            let elsewhere = context.clone();
            let accepts = listener.clone();
            let thread = thread::spawn(move || {
                drop(accepts.accept().expect("the first"));
                iterations(&elsewhere)
            });
            let count = thread.join().expect("no panic");
            assert!(count <= 2 * FEW, "{count} iterations");
            assert!(!task.is_finished(), "it stays in its thread");
            iterate_until(&context, || task.is_finished());
            let result = task.now_or_never().expect("ended");
            result.expect("no panic").expect("connects");
        });
    }
}
