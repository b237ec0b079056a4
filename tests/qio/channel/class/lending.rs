//! Writes without a copy, and flushes, of classes that are not the socket itself.

use std::io::IoSlice;

use glib::subclass::prelude::ObjectSubclassIsExt;
use qio::{Channel, ChannelSocket, Feature, Flushed, WriteFlags, prelude::*};

use crate::common::{in_time, on_loop};

mod imp {
    use std::{
        cell::Cell,
        io::{self, IoSlice},
        os::fd::BorrowedFd,
        sync::{
            Mutex,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use glib::IOCondition;
    use qio::{Flushed, Readiness, WriteFlags, subclass::prelude::*};

    use crate::common::classes::channel_class;

    /// A socket whose parent does the writing, with what it is given.
    #[derive(Default)]
    pub struct Forwarding;

    channel_class!(
        Forwarding,
        "TestForwardingSocket",
        qio::ChannelSocket,
        ChannelSocketImpl
    );

    impl ChannelImpl for Forwarding {
        fn writev(
            &self,
            iov: &[IoSlice<'_>],
            fds: &[BorrowedFd<'_>],
            flags: WriteFlags,
        ) -> io::Result<usize> {
            // A copy, which is freed with the call.
            let copy: Vec<u8> = iov.iter().flat_map(|buf| buf.iter().copied()).collect();
            self.parent_writev(&[IoSlice::new(&copy)], fds, flags)
        }
    }

    /// A class whose flush is slow, and that records the flags of writes.
    #[derive(Default)]
    pub struct SlowFlush {
        pub(super) flags: Mutex<Cell<u32>>,
        pub(super) flushes: AtomicUsize,
    }

    channel_class!(SlowFlush, "TestSlowFlush");

    impl ChannelImpl for SlowFlush {
        fn writev(
            &self,
            iov: &[IoSlice<'_>],
            _fds: &[BorrowedFd<'_>],
            flags: WriteFlags,
        ) -> io::Result<usize> {
            self.flags.lock().expect("no panic").set(flags.bits());
            Ok(iov.iter().map(|buf| buf.len()).sum())
        }

        fn wait_fd(&self, _condition: IOCondition) -> Readiness {
            Readiness::Now
        }

        fn flush(&self) -> io::Result<Flushed> {
            match self.flushes.fetch_add(1, Ordering::Relaxed) % 3 {
                2 => Ok(Flushed::Copied),
                _ => Err(io::ErrorKind::WouldBlock.into()),
            }
        }
    }
}

glib::wrapper! {
    pub struct Forwarding(ObjectSubclass<imp::Forwarding>) @extends ChannelSocket, Channel;
}

glib::wrapper! {
    pub struct SlowFlush(ObjectSubclass<imp::SlowFlush>) @extends Channel;
}

#[test]
fn a_class_that_derives_from_the_socket_and_writes_by_itself_copies() {
    let any =
        gio::InetSocketAddress::new(&gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4), 0);
    let listener = ChannelSocket::listen(&any, 1).expect("listens");
    let channel: Forwarding = glib::Object::new();
    let address = listener.local_address().expect("an address");
    let socket: &ChannelSocket = channel.upcast_ref();
    socket.connect_sync(&address).expect("connects");
    let server = listener.accept().expect("accepts");
    let bytes = glib::Bytes::from_owned(vec![1; 50_000]);
    channel
        .write_bytes_full_all(&bytes, &[], WriteFlags::ZERO_COPY)
        .expect("written");
    let mut received = vec![0; 50_000];
    server.read_all(&mut received).expect("read");
    assert!(received == vec![1; 50_000]);
    assert_eq!(channel.flush().expect("nothing is held"), Flushed::ZeroCopy);
}

#[test]
fn other_classes_do_not_get_borrowed_memory() {
    let channel: SlowFlush = glib::Object::new();
    channel.set_feature(Feature::WRITE_ZERO_COPY);
    let bytes = glib::Bytes::from_static(b"abc");
    let (iov, flags) = ([IoSlice::new(&bytes)], WriteFlags::ZERO_COPY);
    channel.writev_full(&iov, &[], flags).expect("written");
    channel
        .write_bytes_full(&bytes, &[], flags)
        .expect("written");
    assert_eq!(channel.imp().flags.lock().expect("no panic").get(), 0);
}

#[test]
fn a_flush_that_would_block_is_tried_again_whatever_the_mode() {
    let channel: SlowFlush = glib::Object::new();
    let blocking = channel.clone();
    let flushed = in_time(move || blocking.flush());
    assert_eq!(flushed.expect("flushed"), Flushed::Copied);
    let flushed = on_loop(move || async move { channel.flush_future().await });
    assert_eq!(flushed.expect("flushed"), Flushed::Copied);
}
