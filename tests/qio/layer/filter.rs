//! `src/layer/filter.rs`: layers that forward to the channel below.

mod classes;

use std::{
    cell::Cell,
    io::{self, IoSlice, IoSliceMut, SeekFrom},
    os::fd::AsFd,
    rc::Rc,
    sync::Arc,
    thread,
};

use futures_util::future;
use gio::prelude::*;
use glib::{ControlFlow, IOCondition};
use qio::{
    Channel, ChannelBuffer, ChannelFilter, ChannelSocket, ChannelTls, Feature, ReadFlags, Shutdown,
    WriteFlags, coroutine, prelude::*,
};

use self::classes::{Collector, Inverter};
use super::tls::fixtures::{NAME, client_creds, server_creds};
use crate::common::{
    blocked::Blocked,
    in_loop, in_time, on_loop,
    pattern::{transfer_both_modes, transfer_by_futures},
};

fn over<T: IsA<glib::Object> + glib::object::IsClass>(base: &impl IsA<Channel>) -> T {
    glib::Object::builder()
        .property("base-channel", base.as_ref())
        .build()
}

fn pair() -> (ChannelSocket, ChannelSocket) {
    ChannelSocket::pair().expect("a pair")
}

#[test]
fn a_filter_forwards_data_in_both_modes_and_every_style() {
    in_time(|| {
        let (here, there) = pair();
        let filter = ChannelFilter::new(&here);
        assert_eq!(filter.base_channel().as_ref(), Some(here.upcast_ref()));
        transfer_both_modes(&filter, &there);
        transfer_both_modes(&there, &filter);
    });
    on_loop(|| async {
        for blocking in [false, true] {
            let (here, there) = pair();
            let filter = ChannelFilter::new(&here);
            transfer_by_futures(&filter, &there, blocking).await;
            transfer_by_futures(&there, &filter, blocking).await;
        }
    });
}

#[test]
fn a_filter_forwards_descriptors_positions_and_shutdown() {
    in_time(|| {
        let (here, there) = pair();
        let (here, there) = (ChannelFilter::new(&here), ChannelFilter::new(&there));
        assert!(here.has_feature(Feature::FD_PASS));
        let (reader, writer) = io::pipe().expect("a pipe");
        let data = [IoSlice::new(b"fd")];
        let written = here.writev_full(&data, &[reader.as_fd()], WriteFlags::empty());
        assert_eq!(written.expect("written"), 2);
        let (mut buf, mut fds) = ([0; 2], Vec::new());
        let iov = &mut [IoSliceMut::new(&mut buf)];
        let count = there.readv_full(iov, Some(&mut fds), ReadFlags::empty());
        assert_eq!((count.expect("data"), fds.len()), (2, 1));
        drop(writer);
        here.shutdown(Shutdown::Write).expect("shut down");
        assert_eq!(there.read(&mut buf).expect("end-of-file"), 0);
        let pid = here.credentials().expect("credentials").unix_pid();
        assert_eq!(pid.expect("a number") as u32, std::process::id());

        let memory = ChannelFilter::new(&ChannelBuffer::from(b"0123456789".to_vec()));
        assert!(memory.has_feature(Feature::SEEKABLE));
        assert_eq!(memory.seek(SeekFrom::Start(4)).expect("a position"), 4);
        memory.read_all(&mut buf).expect("data");
        assert_eq!(&buf, b"45");
        assert_eq!(memory.pread(&mut buf, 8).expect("data"), 2);
        assert_eq!(&buf, b"89");
        memory.pwrite(b"x", 0).expect("written");
        assert_eq!(memory.seek(SeekFrom::Current(0)).expect("a position"), 6);
    });
}

#[test]
fn a_filter_in_non_blocking_mode_fails_with_would_block() {
    in_time(|| {
        let (here, _there) = pair();
        let filter = ChannelFilter::new(&here);
        assert!(filter.is_blocking());
        filter.set_blocking(false).expect("the mode");
        assert!(!here.is_blocking(), "the mode is that of the base channel");
        let e = filter.read(&mut [0; 1]).expect_err("no data");
        assert_eq!(e.kind(), io::ErrorKind::WouldBlock);
    });
}

#[test]
fn closing_a_filter_closes_the_base_channel_and_dropping_it_does_not() {
    in_time(|| {
        let (here, there) = pair();
        drop(ChannelFilter::new(&here));
        here.write_all(b"open").expect("still open");
        ChannelFilter::new(&here).close().expect("closed");
        assert!(here.is_closed());
        let mut buf = [0; 5];
        assert_eq!(there.read(&mut buf).expect("data"), 4);
        assert_eq!(there.read(&mut buf).expect("end-of-file"), 0);
    });
}

#[test]
fn a_base_channel_that_is_closed_on_its_own_ends_the_waits_of_its_filters() {
    in_time(|| {
        let (here, _there) = pair();
        let filter = ChannelFilter::new(&ChannelFilter::new(&here));
        let blocked = Arc::new(Blocked::default());
        let (waiting, soon) = (filter.clone(), blocked.clone());
        let thread = thread::spawn(move || {
            soon.soon();
            waiting.read(&mut [0; 1])
        });
        blocked.wait();
        here.close().expect("closed");
        match thread.join().expect("no panic") {
            Ok(count) => assert_eq!(count, 0),
            Err(e) => assert_eq!(e.kind(), io::ErrorKind::NotConnected, "{e}"),
        }
    });
    on_loop(|| async {
        let (here, _there) = pair();
        let filter = ChannelFilter::new(&ChannelFilter::new(&here));
        let mut buf = [0; 1];
        let closing = async { here.close().expect("closed") };
        let (read, ()) = future::join(filter.read_future(&mut buf), closing).await;
        assert!(read.is_err(), "{read:?}");
    });
}

#[test]
fn a_watch_of_a_filter_fires_when_the_base_channel_is_ready() {
    in_loop(|context| {
        for depth in 1..4 {
            let (here, there) = pair();
            let mut filter = ChannelFilter::new(&here);
            for _ in 1..depth {
                filter = ChannelFilter::new(&filter);
            }
            let fired = Rc::new(Cell::new(0));
            let count = fired.clone();
            let source = filter.create_watch_full_local(
                IOCondition::IN,
                None,
                glib::Priority::DEFAULT,
                move |filter: &ChannelFilter, _| {
                    let mut buf = [0; 8];
                    assert_eq!(filter.read(&mut buf).expect("data"), 1);
                    count.set(count.get() + 1);
                    ControlFlow::Continue
                },
            );
            source.attach(Some(context));
            for expected in 1..=20 {
                there.write_all(b"x").expect("written");
                while fired.get() < expected {
                    context.iteration(true);
                }
            }
            source.destroy();
        }
    });
}

#[test]
fn a_class_that_overrides_reading_and_writing_changes_the_data() {
    in_time(|| {
        let (here, there) = pair();
        let (inverter, plain): (Inverter, _) = (over(&here), there.clone());
        inverter.write_all(b"\0\x01").expect("written");
        let mut buf = [0; 2];
        plain.read_all(&mut buf).expect("data");
        assert_eq!(buf, [0xff, 0xfe]);
        assert!(!inverter.has_feature(Feature::READ_PEEK));
        let back: Inverter = over(&there);
        transfer_both_modes(&inverter, &back);
    });
    on_loop(|| async {
        let (here, there) = pair();
        let (one, other): (Inverter, Inverter) = (over(&here), over(&there));
        transfer_by_futures(&one, &other, false).await;
        transfer_by_futures(&other, &one, false).await;
    });
}

#[test]
fn a_filter_works_over_tls_and_under_tls() {
    in_time(|| {
        let ends = |here: &Channel, there: &Channel| {
            let client = ChannelTls::new_client(here, &client_creds(), NAME);
            let server = ChannelTls::new_server(there, &server_creds());
            (client.expect("a client"), server.expect("a server"))
        };
        let (here, there) = pair();
        let (client, server) = ends(here.upcast_ref(), there.upcast_ref());
        let (one, other): (Inverter, Inverter) = (over(&client), over(&server));
        transfer_both_modes(&one, &other);
        transfer_both_modes(&other, &one);

        let (here, there) = pair();
        let (one, other): (Inverter, Inverter) = (over(&here), over(&there));
        let (client, server) = ends(one.upcast_ref(), other.upcast_ref());
        transfer_both_modes(&client, &server);
        transfer_both_modes(&server, &client);
    });
    on_loop(|| async {
        let (here, there) = pair();
        let client = ChannelTls::new_client(&here, &client_creds(), NAME).expect("a client");
        let server = ChannelTls::new_server(&there, &server_creds()).expect("a server");
        let (one, other): (Inverter, Inverter) = (over(&client), over(&server));
        transfer_by_futures(&one, &other, false).await;
    });
}

#[test]
fn a_class_that_reads_ahead_and_collects_output_is_waited_for_and_flushed() {
    on_loop(|| async {
        let (here, there) = pair();
        let (one, other): (Collector, Collector) = (over(&here), over(&there));
        one.set_blocking(false).expect("the mode");
        other.set_blocking(false).expect("the mode");
        one.write_all_future(b"question and answer")
            .await
            .expect("written");
        one.flush_future().await.expect("flushed");
        let mut buf = [0; 8];
        other.read_all_future(&mut buf).await.expect("data");
        assert_eq!(&buf, b"question");
        // The rest is in the collector: the base channel is not readable.
        assert!(
            there
                .wait_timeout(IOCondition::IN, std::time::Duration::ZERO)
                .is_err()
        );
        let ready = other.ready(IOCondition::IN).await;
        assert_eq!(ready.expect("no error"), IOCondition::IN);
        let fired = Rc::new(Cell::new(false));
        let flag = fired.clone();
        let context = glib::MainContext::ref_thread_default();
        let callback = move |_: &Collector, _| {
            flag.set(true);
            ControlFlow::Break
        };
        other.add_watch_full_local(IOCondition::IN, callback, Some(&context));
        while !fired.get() {
            context.iteration(true);
        }
        let mut buf = [0; 11];
        other.read_all_future(&mut buf).await.expect("data");
        assert_eq!(&buf, b" and answer");
    });
}

#[test]
fn an_empty_message_is_no_end_of_file_for_a_filter() {
    in_time(|| {
        let (a, b) = std::os::unix::net::UnixDatagram::pair().expect("a pair");
        let channel = ChannelSocket::new_fd(b.into()).expect("a channel");
        let filter: Inverter = over(&channel);
        for message in [&b""[..], b"\0\0"] {
            a.send(message).expect("sent");
        }
        let mut buf = [0; 2];
        filter.read_all(&mut buf).expect("the second message");
        assert_eq!(buf, [0xff; 2]);
    });
}

#[test]
fn aborting_a_filter_resets_the_connection_also_where_it_overrides_how_to_wait() {
    in_time(|| {
        let loopback = gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4);
        let address = gio::InetSocketAddress::new(&loopback, 0);
        for collects in [false, true] {
            let listener = ChannelSocket::listen(&address, 1).expect("listens");
            let here = ChannelSocket::connect(&listener.local_address().expect("bound"));
            let there = listener.accept().expect("connected");
            let here = here.expect("connected");
            match collects {
                true => over::<Collector>(&here).abort(),
                false => over::<Inverter>(&here).abort(),
            }
            let e = there.read(&mut [0; 1]).expect_err("reset");
            assert_eq!(e.kind(), io::ErrorKind::ConnectionReset, "{e}");
        }
    });
}

#[test]
fn a_coroutine_waits_for_a_filter() {
    in_loop(|context| {
        let (here, there) = pair();
        let filter: Inverter = over(&here);
        filter.set_blocking(false).expect("the mode");
        let read = Rc::new(Cell::new(0));
        coroutine::spawn({
            let read = read.clone();
            move || {
                let mut buf = [0; 3];
                filter.read_all(&mut buf).expect("data");
                read.set(buf.len());
            }
        });
        while context.iteration(false) {}
        there.write_all(b"abc").expect("written");
        while read.get() == 0 {
            context.iteration(true);
        }
    });
}

#[test]
fn a_filter_that_is_constructed_without_a_base_channel_fails_and_names_the_property() {
    let filter: ChannelFilter = glib::Object::new();
    assert!(filter.base_channel().is_none());
    let e = filter.read(&mut [0; 1]).expect_err("none");
    let expected = "The filter has no channel: the property \"base-channel\" was not set";
    assert_eq!(e.to_string(), expected);
    assert!(filter.write(b"x").is_err() && filter.flush().is_err());
    assert!(filter.wait(IOCondition::IN).is_ok());
    assert!(filter.close().is_err() && filter.is_closed());
}
