//! In a network with hosts that never answer.

use std::time::{Duration, Instant};

use super::*;
use crate::common::{
    network::in_a_network,
    resolver::{Answer, set_answers},
};

/// Runs a test in a network namespace, on a loop.
fn in_a_network_of_its_own(name: &str, body: impl FnOnce(&MainContext) + Send + 'static) {
    let name = format!("transport::socket::connect::network::{name}");
    in_a_network(&name, || in_loop(body));
}

fn ip(address: &str, port: u16) -> gio::SocketAddress {
    let address = gio::InetAddress::from_string(address).expect("an address");
    gio::InetSocketAddress::new(&address, port).upcast()
}

#[test]
fn a_second_address_is_tried_when_the_first_does_not_answer() {
    in_a_network_of_its_own(
        "a_second_address_is_tried_when_the_first_does_not_answer",
        |context| {
            set_answers([
                ("four.test", Answer::Addresses(&["10.9.0.2", "10.9.0.1"])),
                ("six.test", Answer::Addresses(&["fd09::2", "10.9.0.1"])),
            ]);
            let listener = listener(&ip("10.9.0.1", 0));
            let port = port_of(&local(&listener));
            for (name, first) in [("four.test", "10.9.0.2"), ("six.test", "[fd09::2]")] {
                let name = gio::NetworkAddress::new(name, port);
                // What the loop has is made once.
                context
                    .block_on(ChannelSocket::connect_future(&name))
                    .expect("connects");
                let before = fds::count();
                let channel = ChannelSocket::new();
                let progress = listen_to(&channel);
                let begin = Instant::now();
                let result = context.block_on(channel.connect_async(&name, None));
                let took = begin.elapsed();
                result.expect("connects");
                assert!(took < Duration::from_secs(1), "{took:?}");
                assert_eq!(fds::count(), before + 1, "the first one is given up");
                let progress = progress.lock().expect("no panic").clone();
                let tried = progress
                    .iter()
                    .filter(|it| it.0 == ConnectStage::Connecting);
                let tried: Vec<_> = tried.flat_map(|it| it.1.clone()).collect();
                let expected = [format!("{first}:{port}"), format!("10.9.0.1:{port}")];
                assert_eq!(tried, expected);
            }
        },
    );
}

#[test]
fn a_timeout_is_about_the_address_that_did_not_answer() {
    in_a_network_of_its_own(
        "a_timeout_is_about_the_address_that_did_not_answer",
        |context| {
            // The second one refuses at once, long before the first one is given up.
            set_answers([("many.test", Answer::Addresses(&["10.9.0.2", "10.9.0.1"]))]);
            let name = gio::NetworkAddress::new("many.test", 9);
            let client = gio::SocketClient::new();
            client.set_timeout(1);
            let channel = ChannelSocket::new();
            let e = context.block_on(channel.connect_async(&name, Some(&client)));
            let e = e.expect_err("the host does not answer");
            assert_eq!(e.kind(), ErrorKind::TimedOut);
            let text = "Unable to connect to many.test:9 (10.9.0.2:9): ";
            assert!(e.to_string().starts_with(text), "{e}");
        },
    );
}

#[test]
fn an_address_that_answers_late_is_not_given_up_because_another_one_fails() {
    in_a_network_of_its_own(
        "an_address_that_answers_late_is_not_given_up_because_another_one_fails",
        |context| {
            set_answers([("many.test", Answer::Addresses(&["10.9.0.2", "10.9.0.1"]))]);
            let (listener, _first) = fill_queue(&ip("10.9.0.1", 0));
            let port = port_of(&local(&listener));
            let client = gio::SocketClient::new();
            client.set_timeout(1);
            let channel = ChannelSocket::new();
            // The backlog has space as soon as the second host has been tried, which is retried a
            // second later: that is after the first one has failed.
            let late = format!("10.9.0.1:{port}");
            let accepts = listener.clone();
            channel.connect_connect_progress(move |_, stage, _, address| {
                let address = address.map(SocketConnectableExt::to_string);
                if stage == ConnectStage::Connecting && address.is_some_and(|it| it == late) {
                    accepts.set_blocking(false).expect("non-blocking");
                    let _ = accepts.accept();
                }
            });
            let name = gio::NetworkAddress::new("many.test", port);
            let result = context.block_on(channel.connect_async(&name, Some(&client)));
            result.expect("connects");
        },
    );
}

#[test]
fn if_no_peer_answers_every_address_is_tried_until_its_timeout() {
    in_a_network_of_its_own(
        "if_no_peer_answers_every_address_is_tried_until_its_timeout",
        |context| {
            set_answers([("many.test", Answer::Addresses(&["10.9.0.2", "fd09::2"]))]);
            let name = gio::NetworkAddress::new("many.test", 9);
            let client = gio::SocketClient::new();
            client.set_timeout(1);
            let channel = ChannelSocket::new();
            let progress = listen_to(&channel);
            let e = context.block_on(channel.connect_async(&name, Some(&client)));
            let e = e.expect_err("the host does not answer");
            assert_eq!(e.kind(), ErrorKind::TimedOut);
            assert!(
                e.to_string()
                    .starts_with("Unable to connect to many.test:9 ("),
                "{e}"
            );
            let progress = stages(&progress);
            assert_eq!(progress.last(), Some(&ConnectStage::Complete));
            let resolved = progress.iter().filter(|it| **it == ConnectStage::Resolved);
            assert_eq!(resolved.count(), 1, "{progress:?}");
        },
    );
}

#[test]
fn an_unreachable_network_is_reported_with_the_address() {
    in_a_network_of_its_own(
        "an_unreachable_network_is_reported_with_the_address",
        |context| {
            let native = native::ipv4(Ipv4Addr::new(192, 0, 2, 1), 80);
            for address in [ip("192.0.2.1", 80), native] {
                let blocking = ChannelSocket::connect(&address).expect_err("unreachable");
                let e = context.block_on(ChannelSocket::connect_future(&address));
                let e = e.expect_err("unreachable");
                assert_eq!(e.kind(), ErrorKind::NetworkUnreachable);
                assert_eq!(e.to_string(), blocking.to_string());
                let e = to_glib_error(&e);
                assert!(e.matches(gio::IOErrorEnum::NetworkUnreachable), "{e:?}");
                assert!(e.message().ends_with(": Network is unreachable"), "{e}");
            }
        },
    );
}

#[test]
fn a_connect_to_a_host_that_never_answers_is_cancelled_by_another_thread() {
    in_a_network_of_its_own(
        "a_connect_to_a_host_that_never_answers_is_cancelled_by_another_thread",
        |context| {
            for address in [
                ip("10.9.0.2", 80),
                ip("fd09::2", 80),
                native::ipv4(Ipv4Addr::new(10, 9, 0, 2), 80),
            ] {
                let give_up = || {
                    let cancellable = gio::Cancellable::new();
                    let cancels = cancellable.clone();
                    let canceller = thread::spawn(move || cancels.cancel());
                    let connecting = ChannelSocket::connect_future(&address);
                    let e = context.block_on(connecting.or_cancelled(&cancellable));
                    let e = to_glib_error(&e.expect_err("cancelled"));
                    assert!(e.matches(gio::IOErrorEnum::Cancelled), "{e}");
                    canceller.join().expect("no panic");
                };
                // What the loop has is made once.
                let late = ChannelSocket::connect_future(&address);
                let late = late.or_timeout(Duration::from_millis(20));
                context.block_on(late).expect_err("late");
                let before = fds::count();
                for _ in 0..50 {
                    give_up();
                    // A thread of GIO's that looks for a proxy may not have ended yet.
                    iterate_until(context, || fds::count() == before);
                }
            }
        },
    );
}
