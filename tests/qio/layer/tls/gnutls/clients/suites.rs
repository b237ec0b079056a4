//! Key exchanges, cipher suites and versions.

use super::*;

/// What GnuTLS calls a priority: versions, suites, groups, signatures, and habits.
#[test]
fn they_speak_in_many_ways() {
    needs!("gnutls-bin");
    in_time(|| {
        let creds = server_creds();
        for (priority, version, cipher) in [
            ("NORMAL", Tls13, "TLS_AES_256_GCM_SHA384"),
            ("PERFORMANCE", Tls13, "TLS_AES_256_GCM_SHA384"),
            ("SECURE128", Tls13, "TLS_AES_256_GCM_SHA384"),
            ("PFS", Tls13, "TLS_AES_256_GCM_SHA384"),
            (
                "SECURE128:-VERS-TLS1.3",
                Tls12,
                "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            ),
            (
                "NORMAL:-CIPHER-ALL:+AES-128-GCM",
                Tls13,
                "TLS_AES_128_GCM_SHA256",
            ),
            (
                "NORMAL:-CIPHER-ALL:+CHACHA20-POLY1305",
                Tls13,
                "TLS_CHACHA20_POLY1305_SHA256",
            ),
            (
                "NORMAL:-VERS-TLS1.3:-CIPHER-ALL:+CHACHA20-POLY1305",
                Tls12,
                "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
            ),
            (
                "NORMAL:-VERS-TLS1.3:-CIPHER-ALL:+AES-256-CBC",
                Tls12,
                "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
            ),
            // Its first key share is of another group: it sends two ClientHellos.
            (
                "NORMAL:-GROUP-ALL:+GROUP-SECP521R1",
                Tls13,
                "TLS_AES_256_GCM_SHA384",
            ),
            (
                "NORMAL:%NO_TICKETS:%COMPAT:%DISABLE_SAFE_RENEGOTIATION",
                Tls13,
                "TLS_AES_256_GCM_SHA384",
            ),
            (
                "NORMAL:-VERS-TLS1.3:%NO_TICKETS:%DISABLE_SAFE_RENEGOTIATION",
                Tls12,
                "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            ),
            (
                "NORMAL:%DISABLE_TLS13_COMPAT_MODE:%DUMBFW",
                Tls13,
                "TLS_AES_256_GCM_SHA384",
            ),
        ] {
            let mut client = Client::start(files(), &trusting(&["--priority", priority]));
            let server = client.server(&creds);
            server.handshake().unwrap_or_else(|e| {
                panic!("{priority}: {e}: {}", client.log());
            });
            assert_eq!(server.protocol_version(), version, "{priority}");
            assert_eq!(server.cipher().as_deref(), Some(cipher), "{priority}");
            server.write_all(b"hello").expect("written");
            let mut input = client.input();
            input.write_all(b"hello").expect("taken");
            let mut got = [0; 5];
            server.read_all(&mut got).expect("read");
            server.bye().expect("sent");
            assert_eq!((&got, client.got().0.as_slice()), (b"hello", &b"hello"[..]));
        }
    });
}

#[test]
fn they_are_refused_if_they_speak_in_no_way_of_ours() {
    needs!("gnutls-bin");
    in_time(|| {
        let creds = server_creds();
        let too_old = "unsupported protocol: no common protocol version";
        for (priority, reason) in [
            ("NORMAL:-VERS-ALL:+VERS-TLS1.1", too_old),
            ("NORMAL:-VERS-ALL:+VERS-TLS1.0", too_old),
            ("NORMAL:-VERS-ALL:+VERS-TLS1.1:+VERS-TLS1.0", too_old),
            // A key of RSA is not what we have.
            (
                "NORMAL:-VERS-TLS1.3:-KX-ALL:+RSA:+ECDHE-RSA",
                "no shared cipher",
            ),
            (
                "NORMAL:-VERS-ALL:+VERS-TLS1.3:-SIGN-ALL:+SIGN-RSA-PSS-RSAE-SHA256",
                "no suitable signature algorithm",
            ),
        ] {
            let mut client = Client::start(files(), &trusting(&["--priority", priority]));
            let server = client.server(&creds);
            let e = server.handshake().expect_err("nothing in common");
            assert_eq!(
                e.to_string(),
                format!("Unable to perform the TLS handshake with the client: {reason}"),
                "{priority}"
            );
            assert!(
                qio::to_glib_error(&e).matches(TlsError::Handshake),
                "{priority}: {e}"
            );
            server.close().expect("closed");
            assert!(!client.got().1, "{priority}");
        }
    });
}

#[test]
fn cbc_ciphers_without_an_extended_master_secret_are_refused() {
    needs!("gnutls-bin");
    in_time(|| {
        let priority = "NORMAL:-VERS-TLS1.3:-CIPHER-ALL:+AES-128-CBC:%NO_SESSION_HASH";
        let mut client = Client::start(files(), &trusting(&["--priority", priority]));
        let server = client.server(&server_creds());
        let e = server.handshake().expect_err("CBC is not safe");
        assert!(e.to_string().contains("no extended master secret"), "{e}");
        server.close().expect("closed");
        assert!(!client.got().1);
        let log = client.log();
        assert!(log.contains("alert [40]"), "handshake_failure: {log}");
    });
}
