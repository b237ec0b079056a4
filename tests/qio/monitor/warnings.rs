//! Warnings: each where it is due, and not where the program is right.

use std::{
    collections::BTreeMap,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use glib::{ControlFlow, IOCondition};
use qio::{ChannelSocket, ChannelTls, Monitor, MonitorWarning, TlsCreds, TlsEndpoint, prelude::*};

use super::{item, kinds, named, observed, only_warning, watching};
use crate::{
    common::{fill, iterate_until, nonblocking_pair},
    layer::tls::fixtures::handshake,
};

/// Longer than the threshold.
const LONG: Duration = Duration::from_millis(40);

/// A pair of which one end gets a byte after some time.
fn late() -> (ChannelSocket, thread::JoinHandle<ChannelSocket>) {
    let (here, there) = ChannelSocket::pair().expect("a pair");
    named(&here, "late");
    let writer = thread::spawn(move || {
        thread::sleep(LONG);
        there.write_all(b"x").expect("written");
        there
    });
    (here, writer)
}

fn psk(end: TlsEndpoint) -> TlsCreds {
    let builder = TlsCreds::builder(end).psk("alice", *b"sixteen bytes...");
    builder.build().expect("good credentials")
}

pub(super) fn tls((here, there): (ChannelSocket, ChannelSocket)) -> (ChannelTls, ChannelTls) {
    let client = ChannelTls::new_client(&here, &psk(TlsEndpoint::Client), None);
    let server = ChannelTls::new_server(&there, &psk(TlsEndpoint::Server));
    (client.expect("a client"), server.expect("a server"))
}

fn watch<F>(channel: &ChannelSocket, condition: IOCondition, func: F) -> glib::Source
where
    F: FnMut(&ChannelSocket, IOCondition) -> ControlFlow + Send + 'static,
{
    channel.create_watch_full(condition, None, glib::Priority::DEFAULT, func)
}

#[test]
fn a_read_that_blocks_a_main_loop_is_a_warning() {
    observed(
        "warnings::a_read_that_blocks_a_main_loop_is_a_warning",
        |context| {
            let (monitor, warnings) = watching();
            let (here, writer) = late();
            let reader = here.clone();
            context.block_on(async move {
                reader.read(&mut [0]).expect("read");
            });
            only_warning(&monitor, &warnings, "late", MonitorWarning::BlockedLoop);
            let (_, _, message) = &warnings.borrow()[0];
            let start = "a read has blocked a thread that runs a main context for ";
            let took = message.strip_prefix(start).expect("a message");
            let took: f64 = took.trim_end_matches(" ms").parse().expect("a number");
            assert!(took >= 20.0, "{message}");
            assert_eq!(item(&monitor, "late").slow_calls(), 1);
            drop(writer.join());
        },
    );
}

#[test]
fn other_calls_that_block_a_main_loop_are_warnings() {
    observed(
        "warnings::other_calls_that_block_a_main_loop_are_warnings",
        |context| {
            let (monitor, warnings) = watching();
            let (here, writer) = late();
            let waiting = here.clone();
            context.block_on(async move {
                waiting.wait(IOCondition::IN).expect("ready");
            });
            drop(writer.join());
            let (client, server) = tls(ChannelSocket::pair().expect("a pair"));
            named(&client, "client");
            let server = thread::spawn(move || {
                thread::sleep(LONG);
                server.handshake().expect("a handshake");
                server
            });
            let copy = client.clone();
            context.block_on(async move { copy.handshake().expect("a handshake") });
            drop(server.join());
            assert_eq!(
                kinds(&monitor, &warnings),
                [
                    ("late".into(), MonitorWarning::BlockedLoop),
                    ("client".into(), MonitorWarning::BlockedLoop)
                ]
            );
        },
    );
}

#[test]
fn a_write_that_blocks_a_main_loop_is_one_warning_of_the_layered_channel() {
    observed(
        "warnings::a_write_that_blocks_a_main_loop_is_one_warning_of_the_layered_channel",
        |context| {
            let (monitor, warnings) = watching();
            let (client, server) = tls(ChannelSocket::pair().expect("a pair"));
            named(&client, "client");
            let server = thread::spawn(move || {
                server.handshake().expect("a handshake");
                thread::sleep(LONG);
                let mut all = vec![0; 4_000_000];
                server.read_all(&mut all).expect("read");
            });
            client.handshake().expect("a handshake");
            context.block_on(async move {
                client.write_all(&vec![0; 4_000_000]).expect("written");
                server.join().expect("read");
                let kinds = kinds(&monitor, &warnings);
                assert_eq!(kinds, [("client".into(), MonitorWarning::BlockedLoop)]);
            });
        },
    );
}

#[test]
fn calls_that_do_not_block_a_main_loop_are_no_warnings() {
    observed(
        "warnings::calls_that_do_not_block_a_main_loop_are_no_warnings",
        |context| {
            let (monitor, warnings) = watching();
            // A thread without a main loop, and this one outside of its main loop.
            for in_thread in [true, false] {
                let (here, writer) = late();
                let read = move || here.read(&mut [0]).expect("read");
                match in_thread {
                    true => thread::spawn(read).join().expect("read"),
                    false => read(),
                };
                drop(writer.join());
            }
            // A wait by the watch of a class, which runs a private context in such a thread.
            let (here, writer) = late();
            thread::spawn(move || {
                let stream = here.io_stream();
                let channel = qio::ChannelIoStream::new(&stream);
                channel.read(&mut [0]).expect("read");
            })
            .join()
            .expect("read");
            drop(writer.join());
            // Futures, coroutines and watches.
            let (here, writer) = late();
            let reader = here.clone();
            context.block_on(async move { reader.read_future(&mut [0]).await.expect("read") });
            drop(writer.join());
            let (here, writer) = late();
            let reader = qio::coroutine::spawn(move || here.read_all(&mut [0]).expect("read"));
            context.block_on(reader).expect("no panic");
            drop(writer.join());
            let (client, server) = tls(nonblocking_pair());
            named(&client, "client");
            let handshake = qio::coroutine::spawn(move || client.write_all(b"x").expect("written"));
            let answer = qio::coroutine::spawn(move || {
                thread::yield_now();
                server.read_all(&mut [0]).expect("read");
            });
            context.block_on(async move {
                handshake.await.expect("no panic");
                answer.await.expect("no panic");
            });
            // Calls that succeed at once.
            let (here, there) = ChannelSocket::pair().expect("a pair");
            context.block_on(async move {
                for _ in 0..1000 {
                    here.write_all(b"x").expect("written");
                    there.read(&mut [0]).expect("read");
                }
            });
            assert_eq!(kinds(&monitor, &warnings), []);
        },
    );
}

#[test]
fn the_threshold_of_each_monitor_counts() {
    observed(
        "warnings::the_threshold_of_each_monitor_counts",
        |context| {
            let (short, of_short) = watching();
            let (long, of_long) = watching();
            long.set_blocked_threshold(Duration::from_secs(30));
            assert_eq!(short.blocked_threshold(), Duration::from_millis(5));
            let (here, writer) = late();
            context.block_on(async move { here.read(&mut [0]).expect("read") });
            assert_eq!(kinds(&short, &of_short).len(), 1);
            assert_eq!(kinds(&long, &of_long), []);
            drop(writer.join());
        },
    );
}

#[test]
fn a_watch_that_fires_and_is_not_read_is_one_warning() {
    observed(
        "warnings::a_watch_that_fires_and_is_not_read_is_one_warning",
        |context| {
            let (monitor, warnings) = watching();
            let (here, there) = nonblocking_pair();
            named(&there, "there");
            here.write_all(b"x").expect("written");
            let watch = self::watch(&there, IOCondition::IN, |_, _| ControlFlow::Continue);
            watch.attach(Some(context));
            iterate_until(context, || !warnings.borrow().is_empty());
            for _ in 0..5000 {
                context.iteration(false);
            }
            only_warning(&monitor, &warnings, "there", MonitorWarning::UnreadWatch);
            watch.destroy();
            let watch = self::watch(&there, IOCondition::OUT, |_, _| ControlFlow::Continue);
            watch.attach(Some(context));
            iterate_until(context, || warnings.borrow().len() == 2);
            assert_eq!(
                kinds(&monitor, &warnings)[1],
                ("there".into(), MonitorWarning::UnwrittenWatch)
            );
            watch.destroy();
        },
    );
}

#[test]
fn a_watch_that_is_read_is_no_warning() {
    observed("warnings::a_watch_that_is_read_is_no_warning", |context| {
        let (monitor, warnings) = watching();
        let (here, there) = nonblocking_pair();
        let peer = here.clone();
        let mut fires = 0;
        let watch = self::watch(&there, IOCondition::IN, move |there, _| {
            there.read(&mut [0]).expect("read");
            peer.write_all(b"x").expect("written");
            fires += 1;
            if fires == 5000 {
                ControlFlow::Break
            } else {
                ControlFlow::Continue
            }
        });
        watch.attach(Some(context));
        here.write_all(b"x").expect("written");
        iterate_until(context, || watch.is_destroyed());
        assert_eq!(kinds(&monitor, &warnings), []);
    });
}

#[test]
fn pending_output_that_makes_no_progress_is_a_warning() {
    observed(
        "warnings::pending_output_that_makes_no_progress_is_a_warning",
        |context| {
            let (monitor, warnings) = watching();
            let (client, server) = tls(nonblocking_pair());
            named(&client, "client");
            handshake(&client, &server);
            client.set_blocking(false).expect("non-blocking");
            fill(&client);
            assert!(item(&monitor, "client").pending_output() > 0);
            assert_eq!(kinds(&monitor, &warnings), []);
            iterate_until(context, || !warnings.borrow().is_empty());
            only_warning(&monitor, &warnings, "client", MonitorWarning::PendingOutput);
        },
    );
}

#[test]
fn pending_output_that_makes_progress_is_no_warning() {
    observed(
        "warnings::pending_output_that_makes_progress_is_no_warning",
        |context| {
            let (monitor, warnings) = watching();
            let (client, server) = tls(nonblocking_pair());
            handshake(&client, &server);
            client.set_blocking(false).expect("non-blocking");
            let end = Instant::now() + Duration::from_millis(2500);
            let reader = thread::spawn(move || {
                let mut buf = vec![0; 16 * 1024];
                while Instant::now() < end {
                    server.read_all(&mut buf).expect("read");
                    thread::sleep(Duration::from_millis(20));
                }
            });
            while Instant::now() < end {
                fill(&client);
                context.iteration(true);
            }
            assert_eq!(kinds(&monitor, &warnings), []);
            drop(client);
            drop(reader.join());
        },
    );
}

#[test]
fn closing_with_input_unread_is_a_warning() {
    observed("warnings::closing_with_input_unread_is_a_warning", |_| {
        let (monitor, warnings) = watching();
        let (here, there) = nonblocking_pair();
        named(&there, "there");
        here.write_all(b"hello").expect("written");
        there.close().expect("closed");
        only_warning(&monitor, &warnings, "there", MonitorWarning::ClosedUnread);
        let (_, _, message) = &warnings.borrow()[0];
        assert!(message.contains("5 bytes"), "{message}");
    });
}

#[test]
fn closing_with_all_input_read_is_no_warning_nor_is_what_tls_leaves() {
    observed(
        "warnings::closing_with_all_input_read_is_no_warning_nor_is_what_tls_leaves",
        |_| {
            let (monitor, warnings) = watching();
            let (here, there) = nonblocking_pair();
            here.write_all(b"hello").expect("written");
            there.read_all(&mut [0; 5]).expect("read");
            there.close().expect("closed");
            here.close().expect("closed");
            let (client, server) = tls(ChannelSocket::pair().expect("a pair"));
            let peer = thread::spawn(move || {
                // Its first write sends session tickets as well.
                server.write_all(b"x").expect("written");
                server.close().expect("closed");
            });
            client.read_all(&mut [0]).expect("read");
            client.set_blocking(false).expect("non-blocking");
            peer.join().expect("no panic");
            let _ = client.close();
            assert_eq!(kinds(&monitor, &warnings), []);
        },
    );
}

#[test]
fn a_handshake_that_takes_ten_seconds_is_a_warning() {
    observed(
        "warnings::a_handshake_that_takes_ten_seconds_is_a_warning",
        |context| {
            let (monitor, warnings) = watching();
            let (slow, _silent) = tls(nonblocking_pair());
            named(&slow, "slow");
            slow.read(&mut [0]).expect_err("would block");
            let (client, server) = tls(ChannelSocket::pair().expect("a pair"));
            handshake(&client, &server);
            let begun = Instant::now();
            iterate_until(context, || !warnings.borrow().is_empty());
            assert!(begun.elapsed() > Duration::from_secs(9));
            only_warning(&monitor, &warnings, "slow", MonitorWarning::SlowHandshake);
        },
    );
}

#[test]
fn warnings_are_in_the_structured_log_and_escaped() {
    static LOGGED: Mutex<Vec<BTreeMap<String, String>>> = Mutex::new(Vec::new());
    observed(
        "warnings::warnings_are_in_the_structured_log_and_escaped",
        |_| {
            glib::log_set_writer_func(|_, fields| {
                let text = |it: &glib::LogField<'_>| it.value_str().unwrap_or_default().to_owned();
                let fields = fields.iter().map(|it| (it.key().to_owned(), text(it)));
                LOGGED.lock().expect("no panic").push(fields.collect());
                glib::LogWriterOutput::Handled
            });
            let _monitor = Monitor::new();
            let (here, there) = nonblocking_pair();
            named(&there, "a\x1b[31mb");
            here.write_all(b"hello").expect("written");
            there.close().expect("closed");
            let logged = LOGGED.lock().expect("no panic");
            let [fields] = &logged[..] else {
                panic!("{logged:?}");
            };
            assert_eq!(fields["GLIB_DOMAIN"], "Qio");
            assert_eq!(fields["QIO_WARNING"], "closed-unread");
            assert_eq!(fields["QIO_CLASS"], "QIOChannelSocket");
            let label = "QIOChannelSocket \"a\\u{1b}[31mb\"";
            assert_eq!(fields["QIO_CHANNEL"], label);
            let text = "it was closed with 5 bytes of input that were not read";
            assert_eq!(fields["MESSAGE"], format!("{label}: {text}"));
        },
    );
}
