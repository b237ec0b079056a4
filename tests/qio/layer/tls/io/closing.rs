//! The ends of a connection.

use super::*;

#[test]
fn a_half_close_is_the_end_of_one_direction() {
    in_time(|| {
        let (client, server) = connected();
        client.write_all(b"last words").expect("written");
        client.shutdown(Shutdown::Write).expect("shut down");
        let e = client.write(b"more").unwrap_err();
        assert_eq!(e.raw_os_error(), Some(libc::EPIPE));
        let mut got = [0; 10];
        server.read_all(&mut got).expect("read");
        assert_eq!(server.read(&mut got).expect("a clean end"), 0);
        server.write_all(b"still there").expect("written");
        let mut got = [0; 11];
        client.read_all(&mut got).expect("read");
        assert_eq!(&got, b"still there");
    });
}

#[test]
fn close_notify_is_a_clean_end_and_a_cut_is_not() {
    in_time(|| {
        let (client, server) = connected();
        client.bye().expect("sent");
        assert_eq!(server.read(&mut [0]).expect("a clean end"), 0);
        server.write_all(b"x").expect("it is only their end");
        client.read_all(&mut [0]).expect("reading goes on");

        let (client, server) = connected();
        client.write_all(b"cut he").expect("written");
        let master = client.master();
        master.shutdown(Shutdown::Write).expect("shut down");
        let mut got = [0; 16];
        assert_eq!(server.read(&mut got).expect("what came"), 6);
        let e = server.read(&mut got).unwrap_err();
        assert_eq!(e.kind(), std::io::ErrorKind::UnexpectedEof);
        assert!(qio::to_glib_error(&e).matches(gio::TlsError::Eof), "{e}");
        let mut iov = [IoSliceMut::new(&mut got)];
        let relaxed = server.readv_full(&mut iov, None, ReadFlags::RELAXED_EOF);
        assert_eq!(relaxed.expect("relaxed"), 0);
        let whole = server.readv_full_all_eof(&mut iov, None, ReadFlags::RELAXED_EOF);
        assert!(!whole.expect("relaxed"));
        let e = server.readv_full_all(&mut iov, None, ReadFlags::RELAXED_EOF);
        assert_eq!(e.unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
        let e = server.readv_full_all_eof(&mut iov, None, ReadFlags::empty());
        assert!(qio::to_glib_error(&e.unwrap_err()).matches(gio::TlsError::Eof));

        assert!(server.requires_close_notify());
        let changes = Arc::new(AtomicU32::new(0));
        let count = changes.clone();
        server.connect_notify(Some("require-close-notify"), move |_, _| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        for _ in 0..2 {
            server.set_require_close_notify(false);
        }
        assert_eq!(changes.load(Ordering::Relaxed), 1);
        assert!(!server.property::<bool>("require-close-notify"));
        assert_eq!(server.read(&mut got).expect("not required"), 0);
        server.set_property("require-close-notify", true);
        let e = server.read(&mut got).unwrap_err();
        assert_eq!(e.kind(), std::io::ErrorKind::UnexpectedEof);
    });
}

#[test]
fn a_channel_that_is_dropped_sends_close_notify() {
    in_time(|| {
        let (client, server) = connected();
        drop(client);
        assert_eq!(server.read(&mut [0]).expect("a clean end"), 0);
    });
}

#[test]
fn closing_wakes_a_blocked_reader() {
    in_time(|| {
        let (client, server) = connected();
        let blocked = crate::common::blocked::Blocked::default();
        thread::scope(|scope| {
            let reader = scope.spawn(|| {
                blocked.soon();
                server.read(&mut [0])
            });
            blocked.wait();
            server.close().expect("closed");
            let e = reader.join().expect("no panic").unwrap_err();
            assert_eq!(e.kind(), std::io::ErrorKind::NotConnected, "{e}");
        });
        assert!(server.is_closed() && server.master().is_closed());
        drop(client);
    });
}

#[test]
fn closing_the_channel_below_wakes_a_blocked_reader() {
    in_time(|| {
        let (client, server) = connected();
        let blocked = crate::common::blocked::Blocked::default();
        thread::scope(|scope| {
            let reader = scope.spawn(|| {
                blocked.soon();
                server.read(&mut [0])
            });
            blocked.wait();
            server.master().close().expect("closed");
            let e = reader.join().expect("no panic").unwrap_err();
            assert_eq!(e.kind(), std::io::ErrorKind::NotConnected, "{e}");
        });
        assert_eq!(
            server.wait(IOCondition::IN).expect("reported"),
            IOCondition::IN
        );
        drop(client);
    });
}

#[test]
fn closing_with_data_unsent_is_an_error() {
    in_time(|| {
        let (client, _server) = connected();
        client.set_blocking(false).expect("non-blocking");
        fill(&client);
        let e = client.close().unwrap_err();
        assert_eq!(e.kind(), std::io::ErrorKind::BrokenPipe, "{e}");
        assert!(client.is_closed());
    });
}
