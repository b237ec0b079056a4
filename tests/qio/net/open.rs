//! Opening: names, families, ports, settings.

use std::{collections::BTreeSet, io::ErrorKind, thread};

use gio::prelude::*;
use nix::sched::{CloneFlags, unshare};
use qio::{ChannelFile, ChannelSocket, NetListener, prelude::*};

use super::*;
use crate::common::{alone::alone, fds, in_loop, in_time, iterate_until, on_loop};

#[test]
fn a_listener_is_connected_from_opening_to_disconnecting() {
    let listener = NetListener::default();
    assert!(!listener.is_connected());
    assert!(listener.local_addresses().is_empty());
    let seen = Arc::new(AtomicUsize::new(0));
    let changes = seen.clone();
    listener.connect_notify(Some("connected"), move |_, _| {
        changes.fetch_add(1, Ordering::Relaxed);
    });
    listener.open_sync(&v4(), 4).expect("listens");
    listener.open_sync(&v4(), 4).expect("listens");
    assert!(listener.is_connected() && listener.property::<bool>("connected"));
    assert_eq!(listener.local_addresses().len(), 2);
    assert_eq!(seen.load(Ordering::Relaxed), 1);

    let addresses = listener.local_addresses();
    listener.disconnect();
    listener.disconnect();
    assert!(!listener.is_connected());
    assert_eq!(seen.load(Ordering::Relaxed), 2);
    for address in addresses {
        ChannelSocket::connect(&address).expect_err("no listener");
    }
    listener.open_sync(&v4(), 4).expect("listens again");
    let client = connect(&listener);
    is_connection(&client, &listener.wait_client().expect("a client"));
}

#[test]
fn a_name_is_listened_on_at_all_its_addresses_with_one_port() {
    if !has_v6() {
        return;
    }
    let listener = NetListener::new();
    let name = gio::NetworkAddress::new("localhost", 0);
    listener.open_sync(&name, 4).expect("listens");
    let addresses = listener.local_addresses();
    let ports: BTreeSet<_> = addresses.iter().map(port_of).collect();
    let families: BTreeSet<_> = addresses
        .iter()
        .map(|it| format!("{:?}", it.family()))
        .collect();
    assert_eq!(
        (ports.len(), families.len()),
        (1, 2),
        "{ports:?} {families:?}"
    );
    assert!(ports.iter().all(|port| *port != 0));
    for address in &addresses {
        let client = connect_to(address);
        is_connection(&client, &listener.wait_client().expect("a client"));
    }
}

#[test]
fn a_name_is_looked_up_without_blocking_in_whatever_context_runs() {
    let count = on_loop(|| async {
        let listener = NetListener::new();
        let name = gio::NetworkAddress::new("localhost", 0);
        listener.open_future(&name, 4).await.expect("listens");
        listener.local_addresses().len()
    });
    assert!(count >= 1);
    // A context that is not the default context of any thread.
    in_time(|| {
        let context = glib::MainContext::new();
        let listener = NetListener::new();
        let name = gio::NetworkAddress::new("localhost", 0);
        let opening = listener.open_future(&name, 4);
        let task = qio::spawn_local_in(&context, glib::Priority::DEFAULT, opening);
        crate::common::iterate_until(&context, || task.is_finished());
        assert!(listener.is_connected());
    });
}

#[test]
fn a_port_of_all_interfaces_is_that_of_both_families() {
    let listener = NetListener::new();
    let port = listener.open_port(0, 4).expect("listens");
    assert_ne!(port, 0);
    for address in [v4(), v6()] {
        let inet = address.downcast_ref::<gio::InetSocketAddress>();
        let address = gio::InetSocketAddress::new(&inet.expect("internet").address(), port);
        if inet.expect("internet").family() == gio::SocketFamily::Ipv6 && !has_v6() {
            continue;
        }
        let client = connect_to(address.upcast_ref());
        is_connection(&client, &listener.wait_client().expect("a client"));
    }
    let other = NetListener::new();
    let e = other.open_port(port, 4).expect_err("it is taken");
    assert_eq!(e.kind(), ErrorKind::AddrInUse);
    assert!(!other.is_connected());
}

#[test]
fn a_second_address_family_can_be_added_on_the_same_port() {
    if !has_v6() {
        return;
    }
    let any = |family, port| gio::InetSocketAddress::new(&gio::InetAddress::new_any(family), port);
    let listener = NetListener::new();
    let four = any(gio::SocketFamily::Ipv4, 0);
    listener.open_sync(&four, 4).expect("listens");
    let port = port_of(&listener.local_addresses()[0]);
    let six = any(gio::SocketFamily::Ipv6, port);
    listener.open_sync(&six, 4).expect("leaves IPv4 alone");
    assert_eq!(listener.local_addresses().len(), 2);
}

/// A namespace where there are few ports, and half of them are taken for IPv6.
#[test]
fn a_port_that_one_family_does_not_have_is_given_up_for_another_one() {
    alone(
        "net::open::a_port_that_one_family_does_not_have_is_given_up_for_another_one",
        || {
            if let Err(e) = unshare(CloneFlags::CLONE_NEWNET) {
                return skip(format_args!("no network namespaces ({e})"));
            }
            let up = std::process::Command::new("ip")
                .args(["link", "set", "lo", "up"])
                .status();
            let range = "/proc/sys/net/ipv4/ip_local_port_range";
            let ports = std::fs::write(range, "50000 50009");
            if !up.is_ok_and(|up| up.success()) || ports.is_err() || !has_v6() {
                return skip("the network namespace cannot be set up");
            }
            let taken = |port| {
                let loopback = gio::InetAddress::new_loopback(gio::SocketFamily::Ipv6);
                let address = gio::InetSocketAddress::new(&loopback, port);
                ChannelSocket::listen(&address, 1).expect("free")
            };
            let mut others: Vec<_> = (50_000..50_009).map(taken).collect();
            let round = || {
                let listener = NetListener::new();
                let name = gio::NetworkAddress::new("localhost", 0);
                listener.open_sync(&name, 4).expect("one is free");
                let addresses = listener.local_addresses();
                assert_eq!(addresses.len(), 2);
                assert!(addresses.iter().all(|address| port_of(address) == 50_009));
            };
            // What GIO makes once for the process stays.
            round();
            let before = fds::count();
            (0..5).for_each(|_| round());
            others.push(taken(50_009));
            let name = gio::NetworkAddress::new("localhost", 0);
            let e = NetListener::new()
                .open_sync(&name, 4)
                .expect_err("none is free");
            assert_eq!(e.kind(), ErrorKind::AddrInUse, "{e}");
            assert_eq!(fds::count(), before + 1, "nothing stays open");
        },
    );
}

#[test]
fn if_one_address_is_taken_none_is_listened_on() {
    let taken = listening();
    let port = port_of(&taken.local_addresses()[0]);
    let listener = NetListener::new();
    let e = listener
        .open_sync(&gio::NetworkAddress::new("localhost", port), 4)
        .expect_err("IPv4 is taken");
    assert_eq!(e.kind(), ErrorKind::AddrInUse);
    let expected = format!("Unable to listen on 127.0.0.1:{port}: Address already in use");
    assert_eq!(e.to_string(), expected);
    assert!(!listener.is_connected());
}

#[test]
fn sockets_are_accepted_from_round_robin_by_every_kind_of_accept() {
    let listener = listening();
    listener.open_sync(&v4(), 4).expect("listens");
    let addresses = listener.local_addresses();
    let _clients: Vec<_> = [0, 0, 0, 1, 1].map(|i| connect_to(&addresses[i])).into();
    let accept: [fn(&NetListener) -> std::io::Result<ChannelSocket>; 2] = [
        |listener| listener.wait_client(),
        |listener| glib::MainContext::new().block_on(listener.accept_future()),
    ];
    let places = [0, 1, 0, 1].map(|style| {
        let client = accept[style](&listener).expect("a client");
        let port = port_of(&client.local_address().expect("open"));
        usize::from(port == port_of(&addresses[1]))
    });
    assert_eq!(places, [0, 1, 0, 1]);
}

#[test]
fn a_permanently_failed_socket_does_not_block_the_others() {
    let broken = ChannelSocket::listen(&v4(), 4).expect("listens");
    let sound = ChannelSocket::listen(&v4(), 4).expect("listens");
    let address = sound.local_address().expect("bound");
    let listener = NetListener::new();
    for channel in [&broken, &sound] {
        listener.add(channel).expect("added");
    }
    broken.shutdown(qio::Shutdown::Both).expect("shut down");

    let client = connect_to(&address);
    let e = listener.wait_client().expect_err("the first one");
    assert_eq!(e.kind(), ErrorKind::InvalidInput, "{e}");
    is_connection(&client, &listener.wait_client().expect("the second one"));

    in_loop(move |context| {
        let accepted = Accepted::default();
        listener.set_client_func_full(accepted.client_func(), Some(context));
        let clients = [connect_to(&address), connect_to(&address)];
        iterate_until(context, || accepted.count() == clients.len());
    });
}

#[test]
fn messages_name_socket_addresses_that_gio_cannot_display() {
    let any = qio::NetAddress::vsock(u32::MAX, u32::MAX);
    let any = any.to_connectable().expect("an address");
    let listener = NetListener::new();
    if let Err(e) = listener.open_sync(&any, 4) {
        return skip(format_args!("no vsock ({e})"));
    }
    let broken = ChannelSocket::listen(&v4(), 4).expect("listens");
    listener.add(&broken).expect("added");
    broken.shutdown(qio::Shutdown::Both).expect("shut down");
    let e = listener.wait_client().expect_err("a socket that failed");
    assert!(e.to_string().contains(" on vsock:4294967295:"), "{e}");
}

#[test]
fn settings_that_change_are_reported() {
    let listener = NetListener::new();
    let names = Arc::new(Mutex::new(Vec::new()));
    let pushed = names.clone();
    listener.connect_notify(None, move |_, property| {
        let name = property.name().to_owned();
        pushed.lock().expect("no panic").push(name);
    });
    for _ in 0..2 {
        listener.set_reuse_port(true);
        listener.set_replace_stale(true);
        listener.set_path_mode(Some(0o600));
    }
    listener.set_property("reuse-port", false);
    let expected = ["reuse-port", "replace-stale", "path-mode", "reuse-port"];
    assert_eq!(*names.lock().expect("no panic"), expected);
}

#[test]
fn unknown_names_are_reported() {
    let e = NetListener::new()
        .open_sync(&gio::NetworkAddress::new("nowhere.invalid", 1), 4)
        .expect_err("unknown");
    let e = qio::to_glib_error(&e);
    assert!(e.message().contains("nowhere.invalid"), "{e}");
}

#[test]
fn ports_are_shared_with_reuse_port() {
    let listeners = [true, true, false].map(|reuse| {
        let listener = NetListener::new();
        listener.set_reuse_port(reuse);
        assert_eq!(listener.reuses_port(), reuse);
        listener
    });
    listeners[0].open_sync(&v4(), 4).expect("listens");
    let port = port_of(&listeners[0].local_addresses()[0]);
    let loopback = gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4);
    let address = gio::InetSocketAddress::new(&loopback, port);
    listeners[1].open_sync(&address, 4).expect("shared");
    let e = listeners[2].open_sync(&address, 4).expect_err("not shared");
    assert_eq!(e.kind(), ErrorKind::AddrInUse);
}

#[test]
fn sockets_of_the_caller_are_listened_on_and_closed() {
    let listener = NetListener::new();
    listener.set_name(Some("first name"));
    let own = ChannelSocket::listen(&v4(), 4).expect("listens");
    listener.add(&own).expect("added");
    assert_eq!(own.name().as_deref(), Some("first name"));
    assert!(!own.is_blocking());
    let e = listener.add(&own).expect_err("twice");
    assert_eq!(e.kind(), ErrorKind::AlreadyExists);
    let (pair, _other) = ChannelSocket::pair().expect("a socketpair");
    let e = listener.add(&pair).expect_err("it does not listen");
    assert_eq!(e.kind(), ErrorKind::Unsupported);

    let client = connect(&listener);
    is_connection(&client, &listener.wait_client().expect("a client"));
    listener.set_name(Some("second name"));
    assert_eq!(own.name().as_deref(), Some("second name"));
    assert_eq!(
        listener.property::<Option<String>>("name").as_deref(),
        Some("second name")
    );
    listener.disconnect();
    assert!(own.is_closed());
}

#[test]
fn a_socket_that_another_thread_closes_is_one_less() {
    let listener = listening();
    let own = ChannelSocket::listen(&v4(), 4).expect("listens");
    listener.add(&own).expect("added");
    own.close().expect("closed");
    let client = connect(&listener);
    is_connection(&client, &listener.wait_client().expect("a client"));
    assert_eq!(listener.local_addresses().len(), 1);

    // Closing the last one is the end, also for a pending accept.
    let last = ChannelSocket::listen(&v4(), 4).expect("listens");
    let listener = NetListener::new();
    listener.add(&last).expect("added");
    let waiting = listener.clone();
    let result = in_time(move || {
        thread::scope(|scope| {
            let waiter = scope.spawn(|| waiting.wait_client().map(drop));
            last.close().expect("closed");
            waiter.join().expect("no panic")
        })
    });
    assert_eq!(result.expect_err("closed").kind(), ErrorKind::NotConnected);
    assert!(!listener.is_connected());
}

#[test]
fn every_kind_of_socket_is_served_at_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let listener = listening();
    let path = directory.path().join("socket");
    listener.open_sync(&unix(&path), 4).expect("listens");
    let name = format!("qio-test-net-{}", std::process::id());
    let name = UnixSocketAddressPath::Abstract(name.as_bytes());
    let name = gio::UnixSocketAddress::with_type(name);
    listener.open_sync(&name, 4).expect("listens");
    for address in listener.local_addresses() {
        let client = connect_to(&address);
        is_connection(&client, &listener.wait_client().expect("a client"));
    }
    drop(listener);
    assert!(!path.exists(), "the path goes with the listener");
}

#[test]
fn listeners_leave_no_descriptor_behind() {
    alone("net::open::listeners_leave_no_descriptor_behind", || {
        let round = || {
            let listener = listening();
            let client = connect(&listener);
            is_connection(&client, &listener.wait_client().expect("a client"));
            let accepted = Accepted::default();
            let context = glib::MainContext::new();
            listener.set_client_func_full(accepted.client_func(), Some(&context));
            let other = connect(&listener);
            crate::common::iterate_until(&context, || accepted.count() == 1);
            is_connection(&other, &accepted.take()[0]);
            let weak = listener.downgrade();
            listener.disconnect();
            drop(listener);
            assert!(weak.upgrade().is_none(), "no reference is left");
        };
        // What is made once for the process stays.
        round();
        drop(ChannelFile::pipe().expect("a pipe"));
        let before = fds::count();
        (0..200).for_each(|_| round());
        assert_eq!(fds::count(), before);
    });
}
