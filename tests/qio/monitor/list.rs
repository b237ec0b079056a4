//! What the list has.

use std::{cell::Cell, fs, rc::Rc, thread, time::Duration};

use gio::prelude::*;
use glib::{ControlFlow, IOCondition};
use qio::{
    ChannelBuffer, ChannelFile, ChannelNull, ChannelSocket, Monitor, MonitorState, prelude::*,
};

use super::{item, items, named, observed, watching};
use crate::{
    common::{
        alone::{is_alone, rerun},
        fork::in_child,
        iterate_until, nonblocking_pair,
    },
    layer::tls::fixtures::before_handshake,
};

#[test]
fn channels_are_listed_with_bytes_calls_and_would_blocks() {
    observed(
        "list::channels_are_listed_with_bytes_calls_and_would_blocks",
        |_| {
            let monitor = Monitor::new();
            let (here, there) = nonblocking_pair();
            named(&here, "here");
            named(&there, "there");
            here.write_all(b"hello").expect("written");
            here.writev(&[std::io::IoSlice::new(b"wor"), std::io::IoSlice::new(b"ld")])
                .expect("written");
            there.read(&mut [0; 4]).expect("read");
            there.read(&mut [0; 100]).expect("read");
            there.read(&mut [0; 100]).expect_err("would block");
            let (a, b) = (item(&monitor, "here"), item(&monitor, "there"));
            assert_eq!((a.bytes_written(), a.writes(), a.reads()), (10, 2, 0));
            assert_eq!((b.bytes_read(), b.reads(), b.would_blocks()), (10, 3, 1));
            assert_eq!(
                (a.class_name(), a.state()),
                ("QIOChannelSocket".into(), MonitorState::Connected)
            );
            assert_eq!((a.below(), a.slow_calls(), a.last_error()), (0, 0, None));
            assert!(a.id() != b.id() && a.last_activity() >= a.opened());
            assert_eq!(a.property::<u64>("bytes-written"), 10);
            assert_eq!(a.property::<String>("label"), "QIOChannelSocket \"here\"");
        },
    );
}

#[test]
fn futures_vectored_reads_and_peeks_are_counted_once() {
    observed(
        "list::futures_vectored_reads_and_peeks_are_counted_once",
        |context| {
            let monitor = Monitor::new();
            let (here, there) = nonblocking_pair();
            named(&here, "here");
            named(&there, "there");
            let many = [std::io::IoSlice::new(b"x"); 2000];
            let written = here.writev(&many).expect("written") as u64;
            let reader = there.clone();
            context.block_on(async move {
                here.write_all_future(b"hello").await.expect("written");
                let mut first = [0; 1];
                let peek = qio::ReadFlags::PEEK;
                let buf = &mut [std::io::IoSliceMut::new(&mut first)];
                reader.readv_full(buf, None, peek).expect("peeked");
                let mut all = vec![0; written as usize + 5];
                reader.read_all_future(&mut all).await.expect("read");
                // The last reference.
                drop(reader);
                let sent = item(&Monitor::new(), "here");
                assert_eq!(sent.bytes_written(), written + 5);
            });
            assert_eq!(item(&monitor, "there").bytes_read(), written + 5);
        },
    );
}

#[test]
fn datagrams_files_and_spliced_bytes_are_counted() {
    observed(
        "list::datagrams_files_and_spliced_bytes_are_counted",
        |context| {
            let monitor = Monitor::new();
            let file = tempfile::NamedTempFile::new().expect("a file");
            fs::write(file.path(), vec![b'x'; 100_000]).expect("written");
            let source = ChannelFile::open(file.path()).expect("a file");
            named(&source, "file");
            let (here, there) = ChannelSocket::pair().expect("a pair");
            named(&here, "here");
            let reader = thread::spawn(move || {
                let mut all = vec![0; 100_000];
                there.read_all(&mut all).expect("read");
            });
            source.splice_to(&here, None).expect("moved");
            reader.join().expect("read");
            assert_eq!(item(&monitor, "file").bytes_read(), 100_000);
            assert_eq!(item(&monitor, "here").bytes_written(), 100_000);

            let again = ChannelFile::open(file.path()).expect("a file");
            named(&again, "again");
            let copy = again.clone();
            context.block_on(async move {
                copy.read_all_future(&mut [0; 1000]).await.expect("read");
            });
            again
                .preadv(&mut [std::io::IoSliceMut::new(&mut [0; 10])], 5)
                .expect("read");
            assert_eq!(item(&monitor, "again").bytes_read(), 1010);

            let buffer = ChannelBuffer::from(vec![0; 70_000]);
            named(&buffer, "buffer");
            buffer.splice_to(&ChannelNull::new(), None).expect("moved");
            assert_eq!(item(&monitor, "buffer").bytes_read(), 70_000);
        },
    );
}

#[test]
fn a_closed_channel_is_listed_until_it_is_finalized() {
    observed(
        "list::a_closed_channel_is_listed_until_it_is_finalized",
        |_| {
            let monitor = Monitor::new();
            let (here, there) = nonblocking_pair();
            named(&here, "here");
            drop(there);
            here.write(b"x").expect_err("a broken pipe");
            let listed = item(&monitor, "here");
            assert!(
                listed
                    .last_error()
                    .expect("an error")
                    .contains("Broken pipe")
            );
            here.close().expect("closed");
            assert_eq!(item(&monitor, "here").state(), MonitorState::Closed);
            let removed = Rc::new(Cell::new(0));
            let counted = removed.clone();
            monitor.connect_items_changed(move |_, _, removed, added| {
                assert_eq!(added, 0);
                counted.set(counted.get() + removed);
            });
            drop(here);
            monitor.refresh();
            assert_eq!((removed.get(), monitor.n_items()), (1, 0));
            assert_eq!(listed.state(), MonitorState::Closed);
        },
    );
}

#[test]
fn layered_channels_refer_to_their_lower_channel_and_have_a_handshake() {
    observed(
        "list::layered_channels_refer_to_their_lower_channel_and_have_a_handshake",
        |_| {
            let monitor = Monitor::new();
            let (client, server) = before_handshake();
            named(&client, "client");
            named(&server, "server");
            client.set_blocking(false).expect("non-blocking");
            client.read(&mut [0]).expect_err("would block");
            let listed = item(&monitor, "client");
            assert_eq!(listed.state(), MonitorState::Handshake);
            let ids: Vec<u64> = items(&monitor).iter().map(|item| item.id()).collect();
            assert!(ids.contains(&listed.below()) && listed.below() != listed.id());
            let thread = thread::spawn(move || {
                server.handshake().expect("a handshake");
                server
            });
            client.handshake().expect("a handshake");
            let server = thread.join().expect("no panic");
            client.write_all(b"hello").expect("written");
            server.read_all(&mut [0; 5]).expect("read");
            for name in ["client", "server"] {
                assert_eq!(
                    item(&monitor, name).state(),
                    MonitorState::Connected,
                    "{name}"
                );
            }
            assert_eq!(item(&monitor, "client").bytes_written(), 5);
        },
    );
}

#[test]
fn waiters_and_pushed_back_bytes_are_listed() {
    observed(
        "list::waiters_and_pushed_back_bytes_are_listed",
        |context| {
            let monitor = Monitor::new();
            let (here, there) = nonblocking_pair();
            named(&there, "there");
            let reader = there.clone();
            let waiting = qio::spawn_local(async move {
                reader.read_all_future(&mut [0; 10]).await.expect("read");
            });
            iterate_until(context, || item(&monitor, "there").waiters() == 1);
            here.write_all(b"hello").expect("written");
            iterate_until(context, || item(&monitor, "there").bytes_read() == 5);
            waiting.abort();
            iterate_until(context, || item(&monitor, "there").pushed_back() == 5);
            let watch = there.create_watch(IOCondition::HUP);
            watch.attach(Some(context));
            context.iteration(false);
            assert_eq!(item(&monitor, "there").waiters(), 1);
            there.read_all(&mut [0; 5]).expect("read");
            assert_eq!(item(&monitor, "there").pushed_back(), 0);
            watch.destroy();
        },
    );
}

#[test]
fn the_timer_updates_the_list_and_notifies_properties() {
    observed(
        "list::the_timer_updates_the_list_and_notifies_properties",
        |context| {
            let (monitor, _) = watching();
            let (here, there) = nonblocking_pair();
            named(&here, "here");
            iterate_until(context, || monitor.n_items() == 2);
            let listed = item(&monitor, "here");
            let notified = Rc::new(Cell::new(0));
            let counted = notified.clone();
            listed.connect_notify_local(Some("bytes-written"), move |item, _| {
                assert_eq!(item.bytes_written(), 5);
                counted.set(counted.get() + 1);
            });
            here.write_all(b"hello").expect("written");
            iterate_until(context, || notified.get() == 1);
            drop((here, there));
            iterate_until(context, || monitor.n_items() == 0);
            // The timer does not keep the monitor alive.
            let weak = monitor.downgrade();
            drop(monitor);
            assert!(weak.upgrade().is_none());
        },
    );
}

#[test]
fn channels_of_other_threads_are_listed() {
    observed("list::channels_of_other_threads_are_listed", |_| {
        let monitor = Monitor::new();
        let threads: Vec<_> = (0..4)
            .map(|_| {
                thread::spawn(|| {
                    for _ in 0..500 {
                        let (here, there) = nonblocking_pair();
                        here.write_all(b"hello").expect("written");
                        there.read_all(&mut [0; 5]).expect("read");
                        there.close().expect("closed");
                    }
                    let (here, there) = nonblocking_pair();
                    named(&here, "thread");
                    here.write_all(b"hello").expect("written");
                    (here, there)
                })
            })
            .collect();
        while threads.iter().any(|thread| !thread.is_finished()) {
            monitor.refresh();
        }
        let kept: Vec<_> = threads
            .into_iter()
            .map(|it| it.join().expect("no panic"))
            .collect();
        monitor.refresh();
        let items = items(&monitor);
        let of_threads = items
            .iter()
            .filter(|item| item.name().as_deref() == Some("thread"));
        assert_eq!((of_threads.count(), items.len()), (4, 8));
        drop(kept);
    });
}

#[test]
fn nothing_is_counted_without_a_monitor() {
    observed("list::nothing_is_counted_without_a_monitor", |_| {
        let (here, there) = nonblocking_pair();
        named(&here, "here");
        here.write_all(b"1").expect("written");
        let monitor = Monitor::new();
        assert_eq!(item(&monitor, "here").writes(), 0);
        here.write_all(b"22").expect("written");
        assert_eq!(item(&monitor, "here").bytes_written(), 2);
        drop(monitor);
        here.write_all(b"333").expect("written");
        let monitor = Monitor::new();
        here.write_all(b"4444").expect("written");
        assert_eq!(item(&monitor, "here").bytes_written(), 6);
        drop(there);
    });
}

#[test]
fn the_environment_observes_a_process_from_its_beginning() {
    const NAME: &str = "monitor::list::the_environment_observes_a_process_from_its_beginning";
    if !is_alone() {
        let output = rerun(NAME, |command| command.env("QIO_MONITOR", "1"));
        let errors = String::from_utf8_lossy(&output.stderr);
        return assert!(output.status.success(), "{errors}");
    }
    let (here, _there) = nonblocking_pair();
    named(&here, "here");
    here.write_all(b"hello").expect("written");
    assert_eq!(item(&Monitor::new(), "here").bytes_written(), 5);
}

#[test]
fn a_forked_child_has_the_list_of_its_parent() {
    observed("list::a_forked_child_has_the_list_of_its_parent", |_| {
        let monitor = Monitor::new();
        let (here, _there) = nonblocking_pair();
        named(&here, "here");
        let copy = here.clone();
        // It may hold any lock of the monitor at the fork.
        let writer = thread::spawn(move || {
            for _ in 0..20_000 {
                let _ = copy.write(b"x");
            }
        });
        for _ in 0..20 {
            in_child(|| {
                here.write(b"y").ok();
                assert!(item(&monitor, "here").writes() > 0);
                named(&ChannelNull::new(), "null");
            });
        }
        writer.join().expect("no panic");
    });
}

#[test]
fn the_interval_may_change_and_a_handler_may_update_the_list() {
    observed(
        "list::the_interval_may_change_and_a_handler_may_update_the_list",
        |context| {
            let monitor = Monitor::new();
            assert_eq!(monitor.interval(), Duration::from_secs(1));
            monitor.set_interval(Duration::ZERO);
            assert_eq!(monitor.interval(), Duration::from_millis(10));
            monitor.connect_items_changed(|monitor, _, _, _| {
                let monitor = monitor.downcast_ref::<Monitor>().expect("a monitor");
                monitor.refresh();
            });
            let (_here, _there) = nonblocking_pair();
            iterate_until(context, || monitor.n_items() == 2);
            let idle = glib::idle_source_new(None, glib::Priority::DEFAULT, || ControlFlow::Break);
            idle.attach(Some(context));
        },
    );
}
