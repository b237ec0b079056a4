//! Channels that exist before a monitor does.

use std::thread;

use gio::prelude::*;
use qio::{ChannelBuffer, ChannelNull, Monitor, MonitorState, prelude::*};

use super::{item, items, named, observed};
use crate::{
    common::{fork::in_child, iterate_until, nonblocking_pair},
    layer::tls::fixtures::before_handshake,
};

/// The names of the channels that a new monitor lists.
fn names_at_once() -> Vec<String> {
    let monitor = Monitor::new();
    monitor.refresh();
    let mut names: Vec<_> = items(&monitor)
        .iter()
        .filter_map(|item| item.name())
        .collect();
    names.sort();
    names
}

#[test]
fn channels_that_existed_before_a_monitor_are_listed_at_once() {
    observed(
        "existing::channels_that_existed_before_a_monitor_are_listed_at_once",
        |context| {
            let (here, there) = nonblocking_pair();
            let (client, _server) = before_handshake();
            let buffer = ChannelBuffer::new(0);
            let closed = ChannelNull::new();
            closed.close().expect("closed");
            let all: [&qio::Channel; 4] = [
                here.upcast_ref(),
                client.upcast_ref(),
                buffer.upcast_ref(),
                closed.upcast_ref(),
            ];
            let names = ["a socket", "b tls", "c buffer", "d closed"];
            for (channel, name) in all.iter().zip(names) {
                channel.set_name(Some(name));
            }
            // Another one has taken its place.
            drop(ChannelNull::new());
            let reader = here.clone();
            let waiting = qio::spawn_local(async move {
                reader.read_future(&mut [0; 10]).await.expect("read");
            });
            context.iteration(false);
            assert_eq!(names_at_once(), names);
            // Likewise by the second observation.
            assert_eq!(names_at_once(), names);

            let monitor = Monitor::new();
            let (socket, tls) = (item(&monitor, "a socket"), item(&monitor, "b tls"));
            assert_eq!((socket.waiters(), socket.reads()), (1, 0));
            assert_eq!(socket.label(), "QIOChannelSocket \"a socket\"");
            assert_eq!(
                (tls.class_name(), tls.state()),
                ("QIOChannelTLS".into(), MonitorState::Open)
            );
            assert_eq!(item(&monitor, "d closed").state(), MonitorState::Closed);
            let count = monitor.n_items();
            there.write_all(b"hello").expect("written");
            iterate_until(context, || waiting.is_finished());
            assert_eq!(item(&monitor, "a socket").bytes_read(), 5);
            drop((here, buffer));
            monitor.refresh();
            assert_eq!(monitor.n_items(), count - 2);
        },
    );
}

#[test]
fn no_channel_is_missing_that_is_created_while_monitors_come_and_go() {
    observed(
        "existing::no_channel_is_missing_that_is_created_while_monitors_come_and_go",
        |_| {
            let threads: Vec<_> = (0..4)
                .map(|i| {
                    thread::spawn(move || {
                        let named_null = |j: i32| {
                            let channel = ChannelNull::new();
                            channel.set_name(Some(&format!("{i} {j}")));
                            channel
                        };
                        // Every second one is dropped.
                        let pairs = (0..500).map(|j| (named_null(-1), named_null(j)).1);
                        pairs.collect::<Vec<_>>()
                    })
                })
                .collect();
            while threads.iter().any(|thread| !thread.is_finished()) {
                Monitor::new().refresh();
            }
            let kept: Vec<_> = threads
                .into_iter()
                .flat_map(|it| it.join().expect("no panic"))
                .collect();
            let mut names: Vec<_> = kept.iter().filter_map(|it| it.name()).collect();
            names.sort();
            assert_eq!(names_at_once(), names);
            drop(kept);
            assert!(names_at_once().is_empty());
        },
    );
}

#[test]
fn a_forked_child_lists_the_channels_of_its_parent() {
    observed(
        "existing::a_forked_child_lists_the_channels_of_its_parent",
        |_| {
            let (here, _there) = nonblocking_pair();
            named(&here, "here");
            in_child(|| {
                let child = ChannelNull::new();
                named(&child, "of the child");
                assert_eq!(names_at_once(), ["here", "of the child"]);
                drop(child);
                assert_eq!(names_at_once(), ["here"]);
            });
        },
    );
}
