//! What a server takes of clients that have proved nothing, and how many of them.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use gio::prelude::*;
use openssl::ssl::{HandshakeError, Ssl, SslContext, SslMethod};
use qio::{ChannelSocket, ChannelTls, NetListener, TlsCreds, TlsEndpoint, prelude::*};

use super::fixtures::{
    NAME, authority, client_builder, client_creds, server_builder, server_creds, try_handshake,
    with,
};
use crate::common::{certs::Request, in_time, runner::Runner};

/// A server, and what its handshake comes to when a client sends these bytes.
#[track_caller]
fn refused(creds: &TlsCreds, bytes: &[u8]) -> (String, Vec<u8>) {
    let (here, there) = ChannelSocket::pair().expect("a pair");
    let server = ChannelTls::new_server(&there, creds).expect("a server");
    here.write_all(bytes).expect("written");
    let e = server.handshake().expect_err("it is too much");
    server.close().expect("closed");
    let mut answer = Vec::new();
    let _ = here.blocking_io().read_to_end(&mut answer);
    (e.to_string(), answer)
}

/// The header of a ClientHello of so many bytes, in records of `size` bytes.
fn hello(len: u32, size: usize) -> Vec<u8> {
    let [_, a, b, c] = len.to_be_bytes();
    let record = |body: &[u8]| [&[22, 3, 1, 0, body.len() as u8][..], body].concat();
    let message = [1, a, b, c, 3, 3, 0, 0];
    message.chunks(size).flat_map(record).collect()
}

#[test]
fn a_client_hello_of_more_than_32_kib_is_refused_by_its_header() {
    in_time(|| {
        for size in [1, 3, 8] {
            let (error, answer) = refused(&server_creds(), &hello(130_000, size));
            let reason = "its ClientHello has 130004 bytes, and at most 32768 are taken";
            assert!(error.contains(reason), "{error}");
            assert_eq!(answer, [21, 3, 3, 0, 2, 2, 47], "illegal_parameter");
        }
        let larger = server_builder().max_handshake_size(200_000);
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let server = ChannelTls::new_server(&there, &larger.build().expect("good"));
        let server = server.expect("a server");
        server.set_blocking(false).expect("non-blocking");
        here.write_all(&hello(130_000, 8)).expect("written");
        let e = server.read(&mut [0]).expect_err("it waits for more");
        assert_eq!(e.kind(), std::io::ErrorKind::WouldBlock, "{e}");
    });
}

/// A ClientHello that a server answers with a HelloRetryRequest: its key share is of a group that
/// the server does not support.
fn hello_to_retry() -> Vec<u8> {
    #[derive(Debug)]
    struct Written(Vec<u8>);
    impl io::Read for Written {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::WouldBlock.into())
        }
    }
    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut context = SslContext::builder(SslMethod::tls_client()).expect("a context");
    context.set_groups_list("ffdhe2048:P-256").expect("known");
    let ssl = Ssl::new(&context.build()).expect("a connection");
    match ssl.connect(Written(Vec::new())) {
        Err(HandshakeError::WouldBlock(begun)) => begun.get_ref().0.clone(),
        other => panic!("{other:?}"),
    }
}

/// OpenSSL processes the whole flight in one call.
#[test]
fn a_client_hello_behind_one_to_retry_and_change_cipher_spec_is_refused_by_its_header() {
    in_time(|| {
        let flight = [
            &hello_to_retry(),
            &[20, 3, 3, 0, 1, 1][..],
            &hello(130_000, 8),
        ]
        .concat();
        let (error, answer) = refused(&server_creds(), &flight);
        assert!(
            error.contains("its ClientHello has 130004 bytes"),
            "{error}"
        );
        assert_eq!(answer[..3], [22, 3, 3], "a HelloRetryRequest");
        assert!(
            answer.ends_with(&[21, 3, 3, 0, 2, 2, 47]),
            "illegal_parameter"
        );
    });
}

#[test]
fn certificates_of_a_client_of_more_than_the_limit_are_refused() {
    in_time(|| {
        // 40 certificates, of about 500 bytes each.
        let cert = Request::client("client").signed_by(authority());
        let chain = cert.pem.clone() + &authority().pem.repeat(80);
        let client = client_builder().certificate_pem(chain, cert.key.as_str());
        let client = client.build().expect("good");
        for (limit, is_enough) in [(None, false), (Some(100_000), true)] {
            let server = server_builder().client_certificates(gio::TlsAuthenticationMode::Required);
            let server = match limit {
                Some(limit) => server.max_handshake_size(limit),
                None => server,
            };
            let (here, there) = ChannelSocket::pair().expect("a pair");
            let server = server.build().expect("good");
            let (client, server) = with(&here, &client, &there, &server);
            thread::scope(|scope| {
                let served = scope.spawn(|| server.handshake().map_err(|e| (e, server.close())));
                let _ = client.handshake();
                let _ = client.read(&mut [0; 0]);
                let served = served.join().expect("no panic");
                assert_eq!(served.is_ok(), is_enough, "{served:?}");
            });
        }
    });
}

#[test]
fn a_limit_that_no_handshake_fits_in_is_an_error() {
    let e = server_builder().max_handshake_size(100).build();
    let e = e.expect_err("too little").to_string();
    assert!(e.contains("a handshake has 1024 bytes and more"), "{e}");
    let client = TlsCreds::builder(TlsEndpoint::Client).max_handshake_size(1024);
    let (here, there) = ChannelSocket::pair().expect("a pair");
    let client = client
        .trust_pem(authority().pem.as_str())
        .build()
        .expect("good");
    let (client, server) = with(&here, &client, &there, &server_creds());
    thread::scope(|scope| {
        scope.spawn(|| drop(server.handshake()));
        let chain = client
            .handshake()
            .expect_err("a chain is larger")
            .to_string();
        client.close().expect("closed");
        assert!(chain.contains("before it is verified"), "{chain}");
    });
}

/// A server that performs the handshake with each client, sends one byte, and reads to the end.
pub(super) struct Server {
    runner: Runner,
    listener: NetListener,
    pub(super) address: SocketAddr,
    client: TlsCreds,
    errors: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(super) fn new(limit: u32) -> Self {
        let runner = Runner::new();
        let listener = NetListener::new();
        listener.set_max_handshakes(limit);
        listener
            .open_sync(&gio::NetworkAddress::new("127.0.0.1", 0), 2048)
            .expect("open");
        let address = listener.local_addresses().remove(0);
        let address = address.downcast::<gio::InetSocketAddress>().expect("IP");
        let address = SocketAddr::from(([127, 0, 0, 1], address.port()));
        let errors = Arc::new(Mutex::new(Vec::new()));
        let (creds, noted) = (server_creds(), errors.clone());
        listener.set_client_func_full(
            move |_, client| {
                let server = ChannelTls::new_server(&client, &creds).expect("a server");
                let noted = noted.clone();
                qio::spawn(async move {
                    match server.handshake_future().await {
                        Ok(()) => {
                            let _ = server.write_all_future(b"x").await;
                            let mut some = [0; 4096];
                            while server
                                .read_future(&mut some)
                                .await
                                .is_ok_and(|count| count > 0)
                            {}
                        }
                        Err(e) => noted.lock().expect("whole").push(e.to_string()),
                    }
                });
            },
            Some(&runner.context),
        );
        Self {
            runner,
            listener,
            address,
            client: client_builder().resumption(false).build().expect("good"),
            errors,
        }
    }

    /// A client that has read the byte.
    pub(super) fn client(&self, creds: &TlsCreds) -> ChannelTls {
        let socket = TcpStream::connect(self.address).expect("connects");
        let channel = ChannelSocket::new_fd(socket.into()).expect("a socket");
        let client = ChannelTls::new_client(&channel, creds, NAME).expect("a client");
        client.read_all(&mut [0]).expect("an answer");
        client
    }

    /// How long a client waits until it has read the byte.
    pub(super) fn answer(&self) -> Duration {
        let begun = Instant::now();
        let client = self.client(&self.client);
        let waited = begun.elapsed();
        drop(client);
        waited
    }

    fn silent_client(&self) -> TcpStream {
        let mut socket = TcpStream::connect(self.address).expect("connects");
        socket.write_all(&[22, 3, 1]).expect("written");
        socket
    }
}

#[test]
fn a_listener_limits_the_handshakes_under_way_and_lets_clients_in_for_the_oldest() {
    in_time(|| {
        let server = Server::new(4);
        server.answer();
        let silent: Vec<_> = (0..4).map(|_| server.silent_client()).collect();
        thread::sleep(Duration::from_millis(300));
        // All four are younger than a second.
        let waited = server.answer();
        assert!(waited > Duration::from_millis(300), "{waited:?}");
        let errors = server.errors.lock().expect("whole").clone();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(
            errors[0].contains("too many other handshakes"),
            "{errors:?}"
        );
        let mut received = Vec::new();
        let mut oldest = &silent[0];
        oldest.read_to_end(&mut received).expect("it is closed");
        assert_eq!(received, [21, 3, 3, 0, 2, 2, 80], "internal_error");
        // Handshakes that are done, or have failed, do not count.
        drop(silent);
        for _ in 0..20 {
            server.answer();
        }
        assert_eq!(server.listener.max_handshakes(), 4);
        drop(server.runner);
    });
}

#[test]
fn a_handshake_that_is_over_does_not_count() {
    in_time(|| {
        let server = Server::new(1);
        for _ in 0..3 {
            assert!(server.answer() < Duration::from_millis(900));
            drop(server.silent_client());
            let mut http = TcpStream::connect(server.address).expect("connects");
            http.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("written");
        }
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let (client, server) = with(&here, &client_creds(), &there, &server_creds());
        let (here, there) = try_handshake(&client, &server);
        here.and(there).expect("no listener, no limit");
    });
}
