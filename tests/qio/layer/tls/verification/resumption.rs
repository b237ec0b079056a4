//! Sessions whose certificates are verified and authorized again.

use super::*;

/// Waits for a time.
fn until(time: SystemTime) {
    while let Ok(left) = time.duration_since(SystemTime::now()) {
        thread::sleep(left);
    }
}

/// Connects, and lets sessions be sent. Returns the server's result, and whether the session was
/// resumed.
fn again(client: &TlsCreds, server: &TlsCreds) -> (io::Result<()>, bool) {
    let (client, server) = ends(client, server);
    let (here, there) = thread::scope(|scope| {
        let there = scope.spawn(|| server.handshake().and_then(|()| server.write_all(b"x")));
        let here = client.handshake().and_then(|()| client.read_all(&mut [0]));
        (here, there.join().expect("no panic"))
    });
    assert_eq!(here.is_ok(), there.is_ok(), "{here:?} {there:?}");
    (there, server.is_resumed())
}

#[test]
fn a_session_is_resumed_only_while_its_certificates_verify() {
    in_time(|| {
        // Two seconds at least, as CRLs count them.
        let soon = SystemTime::now() + Duration::from_millis(3500);
        let list = authority().revokes_until(&[99], soon);
        for version in VERSIONS {
            let shows = |builder: TlsCredsBuilder| {
                let cert = client_cert();
                let builder = builder.certificate_pem(cert.pem.as_str(), cert.key.as_str());
                builder.max_version(version)
            };
            let requiring =
                || server_builder().client_certificates(TlsAuthenticationMode::Required);
            // The list of either end.
            let pairs = [
                (shows(client_builder()).crl_pem(list.as_str()), requiring()),
                (shows(client_builder()), requiring().crl_pem(list.as_str())),
            ]
            .map(|(here, there)| (here.build().expect("good"), there.build().expect("good")));
            for (here, there) in &pairs {
                for resumed in [false, true] {
                    let (result, was_resumed) = again(here, there);
                    result.expect("the list is new");
                    assert_eq!(was_resumed, resumed, "{version:?}");
                }
            }
            if version == TlsProtocolVersion::Tls13 {
                until(soon + Duration::from_secs(1));
                for (here, there) in &pairs {
                    let (result, was_resumed) = again(here, there);
                    result.expect_err("the list is old");
                    assert!(!was_resumed);
                }
            }
        }
    });
}

#[test]
fn a_client_that_is_rejected_when_it_resumes_gets_an_alert() {
    needs!("glib-networking");
    in_time(|| {
        for version in VERSIONS {
            let requiring = server_builder().client_certificates(TlsAuthenticationMode::Required);
            let there = requiring.build().expect("good");
            let cert = client_cert();
            let here = client_builder()
                .max_version(version)
                .certificate_pem(cert.pem.as_str(), cert.key.as_str())
                .build()
                .expect("good");
            again(&here, &there).0.expect("no handler");
            let (client, server) = ends(&here, &there);
            server.connect_authorize_peer(|_, _| false);
            let (here, there) = try_handshake(&client, &server);
            there.expect_err("rejected");
            let e = here
                .and_then(|()| client.read_all(&mut [0]))
                .expect_err("an alert");
            assert!(e.to_string().contains("\"bad certificate\""), "{e}");
        }
    });
}

#[test]
fn a_client_whose_handler_rejects_a_session_makes_a_full_handshake() {
    needs!("glib-networking");
    in_time(|| {
        let (here, there) = (client_creds(), server_creds());
        again(&here, &there).0.expect("no handler");
        let (client, server) = ends(&here, &there);
        let calls = Arc::new(Mutex::new(0));
        let count = calls.clone();
        client.connect_authorize_peer(move |_, _| {
            let mut calls = count.lock().expect("whole");
            *calls += 1;
            *calls > 1
        });
        handshake(&client, &server);
        assert!(!client.is_resumed());
        assert_eq!(*calls.lock().expect("whole"), 2);
    });
}
