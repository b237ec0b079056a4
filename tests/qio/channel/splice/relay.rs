//! Relays: both directions, half-closes, ends, counts.

use std::{
    io::{self, Read},
    thread,
    time::Duration,
};

use glib::MainContext;
use qio::{
    Channel, ChannelCommand, ChannelFile, ChannelSocket, RelayCounters, RelayStats, Shutdown,
    coroutine, prelude::*,
};

use super::fixtures::{pattern, rest, tcp_pair};
use crate::{
    channel::future_foreign::Proxy,
    common::{in_loop, in_time, iterate_until, on_loop},
};

#[derive(Debug, Clone, Copy)]
enum Style {
    Blocking,
    Coroutine,
    Task,
    Glib,
}

impl Style {
    const ALL: [Self; 4] = [Self::Blocking, Self::Coroutine, Self::Task, Self::Glib];

    fn relay(
        self,
        one: &Channel,
        other: &Channel,
        context: &MainContext,
    ) -> io::Result<RelayStats> {
        let (a, b) = (one.clone(), other.clone());
        let future = async move { qio::relay_future(&a, &b).await };
        let (a, b) = (one.clone(), other.clone());
        match self {
            Self::Blocking => qio::relay(&a, &b),
            Self::Coroutine => {
                let handle = coroutine::spawn(move || qio::relay(&a, &b));
                context.block_on(handle).expect("no panic")
            }
            Self::Task => {
                let handle = qio::spawn_local(future);
                context.block_on(handle).expect("no panic")
            }
            Self::Glib => {
                let handle = context.spawn_local(future);
                context.block_on(handle).expect("no panic")
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Pair {
    Unix,
    Tcp,
    /// Classes outside of this crate, which cannot be shut down.
    User,
}

/// A client, and the channel that it talks to.
fn pair(kind: Pair) -> (ChannelSocket, Channel) {
    match kind {
        Pair::Tcp => {
            let (a, b) = tcp_pair();
            (a, b.upcast())
        }
        kind => {
            let (a, b) = ChannelSocket::pair().expect("a socketpair");
            match kind {
                Pair::User => (a, Proxy::new(b, true).upcast()),
                _ => (a, b.upcast()),
            }
        }
    }
}

/// Writes from a thread while it reads until the end.
fn talk(client: &ChannelSocket, data: &[u8]) -> Vec<u8> {
    thread::scope(|scope| {
        scope.spawn(|| {
            client.write_all(data).expect("written");
            client.shutdown(Shutdown::Write).expect("shut down");
        });
        rest(client)
    })
}

#[test]
fn both_directions_go_through_at_once_until_both_have_ended() {
    in_loop(|context| {
        let pairs = [Pair::Unix, Pair::Tcp];
        for style in Style::ALL {
            for (left, right) in pairs.into_iter().flat_map(|a| pairs.map(|b| (a, b))) {
                for blocking in [true, false] {
                    let ((a, one), (b, other)) = (pair(left), pair(right));
                    one.set_blocking(blocking).expect("the mode");
                    other.set_blocking(!blocking).expect("the mode");
                    let talkers = [(a, 345_678), (b, 567_890)]
                        .map(|(client, size)| thread::spawn(move || talk(&client, &pattern(size))));
                    let relayed = style.relay(&one, &other, context).expect("relayed");
                    let expected = RelayStats {
                        sent: 345_678,
                        received: 567_890,
                    };
                    assert_eq!(relayed, expected, "{style:?}, {left:?}, {right:?}");
                    let [at_a, at_b] = talkers.map(|talker| talker.join().expect("no panic"));
                    assert!(at_a == pattern(567_890) && at_b == pattern(345_678));
                }
            }
        }
    });
}

#[test]
fn one_direction_may_end_long_before_the_other() {
    in_loop(|context| {
        for style in Style::ALL {
            for (kind, swapped) in [Pair::Unix, Pair::Tcp]
                .into_iter()
                .flat_map(|kind| [(kind, false), (kind, true)])
            {
                let ((a, one), (b, other)) = (pair(kind), pair(kind));
                let server = thread::spawn(move || {
                    // The answer is sent after the end of the question.
                    let question = rest(&b);
                    b.write_all(&question.repeat(1_000)).expect("written");
                    drop(b);
                });
                let client = thread::spawn(move || talk(&a, b"again and again"));
                let (one, other) = if swapped { (other, one) } else { (one, other) };
                let relayed = style.relay(&one, &other, context).expect("relayed");
                let (question, answer) = match swapped {
                    false => (relayed.sent, relayed.received),
                    true => (relayed.received, relayed.sent),
                };
                assert_eq!((question, answer), (15, 15_000));
                let answer = client.join().expect("no panic");
                assert!(answer == b"again and again".repeat(1_000));
                server.join().expect("no panic");
                assert!(!one.is_closed() && !other.is_closed());
            }
        }
    });
}

#[test]
fn a_command_reads_its_input_to_the_end_and_its_output_comes_back() {
    in_loop(|context| {
        for style in Style::ALL {
            let (client, server) = tcp_pair();
            let sort = ChannelCommand::builder(["sort", "-rn"]).spawn();
            let sort = sort.expect("starts").upcast::<Channel>();
            let lines: String = (0..20_000).map(|i| format!("{i}\n")).collect();
            let expected: String = (0..20_000).rev().map(|i| format!("{i}\n")).collect();
            let client = thread::spawn(move || talk(&client, lines.as_bytes()));
            let relayed = style.relay(server.upcast_ref(), &sort, context);
            let size = expected.len() as u64;
            let (sent, received) = (size, size);
            assert_eq!(relayed.expect("relayed"), RelayStats { sent, received });
            sort.close().expect("it has ended well");
            drop(server);
            assert!(client.join().expect("no panic") == expected.as_bytes());
        }
    });
}

#[test]
fn a_command_that_has_ended_ends_the_relay_although_the_client_stays() {
    in_loop(|context| {
        for style in Style::ALL {
            let (client, server) = tcp_pair();
            let echo = ChannelCommand::builder(["echo", "done"]).spawn();
            let echo = echo.expect("starts").upcast::<Channel>();
            let relayed = style.relay(server.upcast_ref(), &echo, context);
            let (sent, received) = (0, 5);
            assert_eq!(relayed.expect("relayed"), RelayStats { sent, received });
            assert_eq!(rest(&client), b"done\n");
        }
    });
}

#[test]
fn a_target_without_shutdown_does_not_end_the_other_direction() {
    in_loop(|context| {
        for style in Style::ALL {
            let ((a, one), (b, other)) = (pair(Pair::User), pair(Pair::Unix));
            let client = thread::spawn(move || {
                a.write_all(b"question").expect("written");
                a.shutdown(Shutdown::Write).expect("shut down");
                let mut answer = [0; 6];
                // The end is not reported, but all data before it arrives.
                a.read_all(&mut answer).expect("read");
                answer
            });
            let server = thread::spawn(move || talk(&b, b"answer"));
            let relayed = style.relay(&one, &other, context).expect("relayed");
            let (sent, received) = (8, 6);
            assert_eq!(relayed, RelayStats { sent, received });
            assert_eq!(&client.join().expect("no panic"), b"answer");
            assert_eq!(server.join().expect("no panic"), b"question");
        }
    });
}

#[test]
fn a_relay_that_blocks_needs_no_context_that_runs() {
    in_time(|| {
        for kind in [Pair::Unix, Pair::User] {
            let ((a, one), (b, other)) = (pair(kind), pair(Pair::Tcp));
            let idle = MainContext::new();
            one.attach_context(&idle);
            other.attach_context(&idle);
            let talkers = [a, b].map(|client| {
                thread::spawn(move || {
                    client.write_all(b"x").expect("written");
                    client.shutdown(Shutdown::Write).expect("shut down");
                    client.read_all(&mut [0]).expect("read");
                })
            });
            let (sent, received) = (1, 1);
            let relayed = qio::relay(&one, &other).expect("relayed");
            assert_eq!(relayed, RelayStats { sent, received });
            for talker in talkers {
                talker.join().expect("no panic");
            }
        }
    });
}

#[test]
fn counters_report_the_progress() {
    in_loop(|context| {
        let ((a, one), (b, other)) = (pair(Pair::Tcp), pair(Pair::Unix));
        let counters = RelayCounters::default();
        let seen = counters.clone();
        let task =
            qio::spawn_local(
                async move { qio::relay_counted_future(&one, &other, &counters).await },
            );
        for (client, sent, received) in [(&a, 5, 0), (&b, 5, 5), (&a, 10, 5)] {
            client.write_all(b"12345").expect("space");
            iterate_until(context, || seen.counts() == RelayStats { sent, received });
        }
        for client in [&a, &b] {
            client.shutdown(Shutdown::Write).expect("shut down");
        }
        let relayed = context.block_on(task).expect("no panic").expect("relayed");
        assert_eq!(relayed, seen.counts());
    });
}

#[test]
fn a_relay_can_time_out_and_be_resumed() {
    on_loop(|| async {
        let ((a, one), (b, other)) = (pair(Pair::Tcp), pair(Pair::Tcp));
        let counters = RelayCounters::default();
        a.write_all(b"before").expect("space");
        let relay = qio::relay_counted_future(&one, &other, &counters);
        let e = relay.or_timeout(Duration::from_millis(20)).await;
        assert_eq!(e.expect_err("no end").kind(), io::ErrorKind::TimedOut);
        assert_eq!(counters.sent.count(), 6);
        a.write_all(b" and after").expect("space");
        for client in [&a, &b] {
            client.shutdown(Shutdown::Write).expect("shut down");
        }
        let relayed = qio::relay_future(&one, &other).await.expect("relayed");
        assert_eq!(relayed.sent, 10);
        assert_eq!(rest(&b), b"before and after");
    });
}

#[test]
fn relaying_a_one_way_pipe_is_an_error() {
    in_time(|| {
        let ((a, one), (read, _write)) = (pair(Pair::Unix), ChannelFile::pipe().expect("a pipe"));
        read.set_blocking(false).expect("non-blocking");
        let mut text = String::new();
        a.write_all(b"x").expect("space");
        let e = qio::relay(&one, &read).expect_err("not to be written to");
        assert!(e.to_string().contains("Bad file descriptor"), "{e}");
        // It is still there.
        a.shutdown(Shutdown::Write).expect("shut down");
        one.blocking_io().read_to_string(&mut text).expect("read");
        assert_eq!(text, "x");
    });
}
