//! Names and services, of a name server of the test's own.

use std::time::Duration;

use super::*;
use crate::common::resolver::{Answer, set_answers, set_service};

/// Runs a test alone, on a loop.
fn in_a_world_of_its_own(name: &str, body: impl FnOnce(&MainContext) + Send + 'static) {
    let name = format!("transport::socket::connect::names::{name}");
    alone(&name, || in_loop(body));
}

fn connect(
    context: &MainContext,
    name: &impl IsA<gio::SocketConnectable>,
) -> io::Result<ChannelSocket> {
    context.block_on(ChannelSocket::connect_future(name))
}

#[test]
fn the_next_address_is_tried_where_one_refuses() {
    in_a_world_of_its_own("the_next_address_is_tried_where_one_refuses", |context| {
        set_answers([(
            "many.test",
            Answer::Addresses(&["127.0.0.2", "127.0.0.3", "127.0.0.1"]),
        )]);
        let listener = listener(&v4());
        let port = port_of(&local(&listener));
        let name = gio::NetworkAddress::new("many.test", port);
        let channel = ChannelSocket::new();
        let progress = listen_to(&channel);
        let result = context.block_on(channel.connect_async(&name, None));
        result.expect("connects");
        let progress = progress.lock().expect("no panic").clone();
        let tried: Vec<_> = progress
            .iter()
            .filter(|(stage, _)| *stage == ConnectStage::Connecting)
            .flat_map(|(_, address)| address.clone())
            .collect();
        let expected = [2, 3, 1].map(|host| format!("127.0.0.{host}:{port}"));
        assert_eq!(tried, expected);
        assert_eq!(
            progress.last(),
            Some(&(ConnectStage::Complete, Some(expected[2].clone())))
        );
    });
}

#[test]
fn if_all_addresses_refuse_the_last_one_is_named() {
    in_a_world_of_its_own("if_all_addresses_refuse_the_last_one_is_named", |context| {
        set_answers([("many.test", Answer::Addresses(&["127.0.0.2", "127.0.0.3"]))]);
        let (_fd, deaf) = deaf();
        let port = port_of(&deaf);
        let name = gio::NetworkAddress::new("many.test", port);
        let results = [connect(context, &name), ChannelSocket::connect(&name)];
        for result in results {
            let e = result.expect_err("refused").to_string();
            let expected = format!(
                "Unable to connect to many.test:{port} (127.0.0.3:{port}): Connection refused"
            );
            assert_eq!(e, expected);
        }
    });
}

#[test]
fn a_service_is_looked_up_and_its_hosts_are_tried() {
    in_a_world_of_its_own(
        "a_service_is_looked_up_and_its_hosts_are_tried",
        |context| {
            let listener = listener(&v4());
            set_answers([
                ("deaf.test", Answer::Addresses(&["127.0.0.2"])),
                ("good.test", Answer::Addresses(&["127.0.0.1"])),
            ]);
            let port = port_of(&local(&listener));
            set_service("_echo._tcp.test", &["deaf.test", "good.test"], port);
            let service = gio::NetworkService::new("echo", "tcp", "test");
            // As often as one likes, which GIO's own client does not survive.
            for _ in 0..2 {
                for client in [connect(context, &service), ChannelSocket::connect(&service)] {
                    let client = client.expect("connects");
                    assert_eq!(port_of(&client.remote_address().expect("an address")), port);
                    listener.accept().expect("accepts");
                }
            }

            set_service("_echo._tcp.test", &["deaf.test"], port);
            let e = connect(context, &service).expect_err("refused").to_string();
            let expected = format!(
                "Unable to connect to _echo._tcp.test (127.0.0.2:{port}): Connection refused"
            );
            assert_eq!(e, expected);
        },
    );
}

#[test]
fn an_unknown_host_is_a_resolver_error() {
    in_a_world_of_its_own("an_unknown_host_is_a_resolver_error", |context| {
        set_answers([]);
        let name = gio::NetworkAddress::new("missing.test", 1);
        let results = [connect(context, &name), ChannelSocket::connect(&name)];
        for result in results {
            let e = to_glib_error(&result.expect_err("missing"));
            assert!(e.matches(gio::ResolverError::NotFound), "{e:?}");
            let text =
                "Unable to connect to missing.test:1: There is no missing.test in this world";
            assert_eq!(e.message(), text);
        }
        let service = gio::NetworkService::new("echo", "tcp", "missing.test");
        let e = connect(context, &service).expect_err("missing");
        assert!(
            to_glib_error(&e).matches(gio::ResolverError::NotFound),
            "{e}"
        );
    });
}

#[test]
fn a_lookup_without_an_answer_can_be_cancelled_in_every_way() {
    in_a_world_of_its_own(
        "a_lookup_without_an_answer_can_be_cancelled_in_every_way",
        |context| {
            set_answers([("silent.test", Answer::Silence)]);
            let name = gio::NetworkAddress::new("silent.test", 1);
            let moment = Duration::from_millis(20);
            let late = ChannelSocket::connect_future(&name).or_timeout(moment);
            let e = context.block_on(late).expect_err("late");
            assert_eq!(e.kind(), ErrorKind::TimedOut);

            let cancellable = gio::Cancellable::new();
            let cancels = cancellable.clone();
            after_ticks(move || cancels.cancel());
            let cancelled = ChannelSocket::connect_future(&name).or_cancelled(&cancellable);
            let e = context.block_on(cancelled).expect_err("cancelled");
            assert!(
                to_glib_error(&e).matches(gio::IOErrorEnum::Cancelled),
                "{e}"
            );

            let channel = ChannelSocket::new();
            let closes = channel.clone();
            after_ticks(move || closes.close().expect("nothing to close"));
            let e = context.block_on(channel.connect_async(&name, None));
            let e = e.expect_err("closed");
            assert!(to_glib_error(&e).matches(gio::IOErrorEnum::Closed), "{e}");
        },
    );
}
