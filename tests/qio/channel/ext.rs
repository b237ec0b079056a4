//! What every channel has: a name, features, a mode, an end.

use std::{
    io::{self, ErrorKind, IoSlice, IoSliceMut, SeekFrom},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use gio::prelude::*;
use qio::{
    Channel, ChannelBuffer, ChannelCommand, ChannelFile, ChannelNull, ChannelSocket, Feature,
    Shutdown, prelude::*, to_glib_error,
};

/// One of each kind, and what must live meanwhile.
fn each_kind() -> (Vec<Channel>, impl Sized) {
    let (socket, peer) = ChannelSocket::pair().expect("a socketpair");
    let (read, write) = ChannelFile::pipe().expect("a pipe");
    let loopback = gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4);
    let listener = ChannelSocket::listen(&gio::InetSocketAddress::new(&loopback, 0), 1);
    let file = ChannelFile::from(tempfile::tempfile().expect("a file"));
    let cat = ChannelCommand::builder(["cat"]).spawn().expect("cat");
    let channels = vec![
        socket.upcast(),
        listener.expect("listens").upcast(),
        read.upcast(),
        write.upcast(),
        file.upcast(),
        cat.upcast(),
        ChannelBuffer::new(0).upcast(),
        ChannelNull::new().upcast(),
    ];
    (channels, peer)
}

/// Counts the notifications of a property.
fn notifications(channel: &Channel, property: &str) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    channel.connect_notify(Some(property), move |_, _| {
        counter.fetch_add(1, Ordering::SeqCst);
    });
    count
}

#[test]
fn a_name_is_kept_and_read_back() {
    let channel: Channel = ChannelNull::new().upcast();
    let notified = notifications(&channel, "name");
    assert_eq!(channel.name(), None);
    channel.set_name(Some("a name"));
    channel.set_name(Some("a name"));
    assert_eq!(channel.name().as_deref(), Some("a name"));
    assert_eq!(
        notified.load(Ordering::SeqCst),
        1,
        "the second time nothing changes"
    );
    channel.set_property("name", "another");
    assert_eq!(channel.name().as_deref(), Some("another"));
    channel.set_name(None);
    assert_eq!(channel.property::<Option<String>>("name"), None);
    assert_eq!(notified.load(Ordering::SeqCst), 3);
}

#[test]
fn features_are_added_and_read_back() {
    let channel: Channel = ChannelBuffer::new(0).upcast();
    let notified = notifications(&channel, "features");
    assert!(channel.has_feature(Feature::SEEKABLE));
    assert!(!channel.has_feature(Feature::FD_PASS));
    channel.set_feature(Feature::FD_PASS);
    channel.set_feature(Feature::FD_PASS);
    assert_eq!(channel.features(), Feature::SEEKABLE | Feature::FD_PASS);
    assert_eq!(channel.property::<Feature>("features"), channel.features());
    assert_eq!(notified.load(Ordering::SeqCst), 1);
    assert!(channel.has_feature(Feature::SEEKABLE | Feature::FD_PASS));
    assert!(
        !channel.has_feature(Feature::SEEKABLE | Feature::LISTEN),
        "all of them"
    );
}

#[test]
fn bytes_are_written_and_read() {
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    let bytes = glib::Bytes::from_static(b"some bytes");
    assert_eq!(a.write_bytes(&bytes).expect("written"), 10);
    assert_eq!(&b.read_bytes(4).expect("read")[..], b"some");
    assert_eq!(&b.read_bytes(100).expect("read")[..], b" bytes");
    assert!(b.read_bytes(0).expect("nothing").is_empty());
    assert_eq!(
        a.write_bytes(&glib::Bytes::from_static(b""))
            .expect("nothing"),
        0
    );
    b.set_blocking(false).expect("non-blocking");
    assert_eq!(
        b.read_bytes(1).expect_err("empty").kind(),
        ErrorKind::WouldBlock
    );
    drop(a);
    assert!(b.read_bytes(1).expect("the end").is_empty());
}

#[test]
fn the_mode_is_set_on_each_kind_and_read_back() {
    let (channels, _peer) = each_kind();
    for channel in channels {
        let notified = notifications(&channel, "blocking");
        assert!(channel.is_blocking());
        channel.set_blocking(false).expect("non-blocking");
        channel.set_blocking(false).expect("non-blocking");
        assert!(!channel.is_blocking() && !channel.property::<bool>("blocking"));
        assert_eq!(notified.load(Ordering::SeqCst), 1);
        channel.set_property("blocking", true);
        assert!(channel.is_blocking());
        assert_eq!(notified.load(Ordering::SeqCst), 2);
    }
}

#[test]
fn the_mode_reaches_the_descriptor() {
    let (socket, _peer) = ChannelSocket::pair().expect("a socketpair");
    let nonblocking = || {
        let flags = socket.with_fd(|fd| nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_GETFL));
        let flags = flags.expect("open").expect("flags");
        nix::fcntl::OFlag::from_bits_retain(flags).contains(nix::fcntl::OFlag::O_NONBLOCK)
    };
    socket.set_blocking(false).expect("non-blocking");
    assert!(nonblocking());
    socket.set_blocking(true).expect("blocking");
    assert!(!nonblocking());
}

#[test]
fn close_is_reported_once_and_may_be_repeated() {
    let (channels, _peer) = each_kind();
    for channel in channels {
        let notified = notifications(&channel, "closed");
        assert!(!channel.is_closed());
        for _ in 0..3 {
            channel.close().expect("closed");
            assert!(channel.is_closed() && channel.property::<bool>("closed"));
        }
        assert_eq!(notified.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn a_closed_channel_refuses_everything() {
    type Operation = fn(&Channel) -> io::Result<()>;
    let operations: [(&str, Operation); 17] = [
        ("read", |c| c.read(&mut [0]).map(drop)),
        ("write", |c| c.write(b"x").map(drop)),
        ("readv", |c| {
            c.readv(&mut [IoSliceMut::new(&mut [0])]).map(drop)
        }),
        ("writev", |c| c.writev(&[IoSlice::new(b"x")]).map(drop)),
        ("read_all", |c| c.read_all(&mut [0])),
        ("read_all_eof", |c| c.read_all_eof(&mut [0]).map(drop)),
        ("write_all", |c| c.write_all(b"x")),
        ("read_bytes", |c| c.read_bytes(1).map(drop)),
        ("write_bytes", |c| {
            c.write_bytes(&glib::Bytes::from_static(b"x")).map(drop)
        }),
        ("pread", |c| c.pread(&mut [0], 0).map(drop)),
        ("pwrite", |c| c.pwrite(b"x", 0).map(drop)),
        ("pread_all", |c| c.pread_all(&mut [0], 0)),
        ("pwrite_all", |c| c.pwrite_all(b"x", 0)),
        ("seek", |c| c.seek(SeekFrom::Start(0)).map(drop)),
        ("flush", |c| c.flush().map(|_| ())),
        ("set_blocking", |c| c.set_blocking(false)),
        ("shutdown", |c| c.shutdown(Shutdown::Both)),
    ];
    let (channels, _peer) = each_kind();
    for channel in channels {
        channel.close().expect("closed");
        for (name, operation) in operations {
            let kind = channel.type_();
            let e = operation(&channel).expect_err("closed");
            assert_eq!(e.kind(), ErrorKind::NotConnected, "{name} on {kind}");
            assert!(
                to_glib_error(&e).matches(gio::IOErrorEnum::Closed),
                "{name} on {kind}"
            );
        }
    }
}

#[test]
fn waiting_for_a_closed_channel_ends_at_once() {
    let (channels, _peer) = each_kind();
    for channel in channels {
        channel.close().expect("closed");
        let got = channel.wait(glib::IOCondition::IN).expect("at once");
        assert_eq!(got, glib::IOCondition::NVAL);
    }
}

#[test]
fn a_channel_that_was_closed_can_be_named() {
    let channel = ChannelNull::new();
    channel.close().expect("closed");
    channel.set_name(Some("late"));
    assert_eq!(channel.name().as_deref(), Some("late"));
}

#[test]
fn operations_that_a_class_does_not_have_are_unsupported() {
    let (channels, _peer) = each_kind();
    for channel in channels {
        if !channel.has_feature(Feature::SHUTDOWN) {
            let e = channel.shutdown(Shutdown::Both).expect_err("unable");
            assert_eq!(e.kind(), ErrorKind::Unsupported);
            assert_eq!(e.to_string(), "Data path shutdown not supported");
        }
        if !channel.has_feature(Feature::SEEKABLE) {
            let e = channel.seek(SeekFrom::Start(0)).expect_err("unable");
            assert_eq!(e.kind(), ErrorKind::Unsupported);
            assert_eq!(e.to_string(), "Channel does not support random access");
        }
    }
}
