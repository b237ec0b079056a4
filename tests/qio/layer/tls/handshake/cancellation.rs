//! Handshakes that are ended: by a deadline, by close, by shutdown.

use super::*;

#[test]
fn a_timeout_of_a_handshake_leaves_it_to_the_next_call() {
    on_loop(|| async {
        let (client, server) = before_handshake();
        let e = client
            .handshake_future()
            .or_timeout(Duration::from_millis(20))
            .await
            .unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::TimedOut);
        let cancellable = gio::Cancellable::new();
        let stopped = async {
            cancellable.cancel();
        };
        let handshaking = client.handshake_future().or_cancelled(&cancellable);
        let (result, ()) = future::join(handshaking, stopped).await;
        assert!(qio::to_glib_error(&result.unwrap_err()).matches(gio::IOErrorEnum::Cancelled));
        let both = future::join(client.handshake_future(), server.handshake_future());
        let (here, there) = both.await;
        here.and(there).expect("nothing was lost");
    });
}

#[test]
fn closing_ends_a_handshake() {
    in_time(|| {
        let (client, _server) = before_handshake();
        let blocked = crate::common::blocked::Blocked::default();
        thread::scope(|scope| {
            let handshaking = scope.spawn(|| {
                blocked.soon();
                client.handshake()
            });
            blocked.wait();
            client.close().expect("closed");
            let e = handshaking.join().expect("no panic").unwrap_err();
            assert_eq!(e.kind(), io::ErrorKind::NotConnected, "{e}");
        });
    });
    on_loop(|| async {
        let (client, _server) = before_handshake();
        let closer = client.clone();
        let close = async move {
            thread::spawn(move || closer.close())
                .join()
                .expect("no panic")
        };
        let (agreed, closed) = future::join(client.handshake_future(), close).await;
        closed.expect("closed");
        assert_eq!(agreed.unwrap_err().kind(), io::ErrorKind::NotConnected);
    });
}

#[test]
fn pending_handshake_messages_are_no_error_of_close() {
    in_time(|| {
        let (here, _there) = pair();
        here.set_blocking(false).expect("non-blocking");
        while here.write(&[0; 4096]).is_ok() {}
        let client = ChannelTls::new_client(&here, &client_creds(), "localhost").expect("a client");
        client.set_blocking(false).expect("non-blocking");
        let e = client.read(&mut [0]).unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::WouldBlock, "{e}");
        client.close().expect("nothing is lost");
    });
}

#[test]
fn shutting_down_ends_a_handshake() {
    in_time(|| {
        let (client, server) = before_handshake();
        let blocked = crate::common::blocked::Blocked::default();
        thread::scope(|scope| {
            let handshaking = scope.spawn(|| {
                blocked.soon();
                client.handshake()
            });
            blocked.wait();
            client.shutdown(Shutdown::Both).expect("shut down");
            handshaking
                .join()
                .expect("no panic")
                .expect_err("it is over");
        });
        assert_tls(server.handshake(), TlsError::Eof, "closed the connection");
    });
}
