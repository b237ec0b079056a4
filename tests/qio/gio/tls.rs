//! GIO's own TLS over streams of channels, with itself and with `ChannelTls` as the peer.

use gio::{
    Cancellable, IOStream, TlsCertificate, TlsClientConnection, TlsServerConnection, prelude::*,
};
use glib::Priority;
use qio::{ChannelSocket, ChannelTls, prelude::*};

use crate::{
    common::{in_time, on_loop},
    layer::tls::fixtures::{NAME, authority, client_creds, server_cert, server_creds},
};

/// More than the buffers of sockets and of TLS hold.
const SIZE: usize = 3_000_000;

fn pair() -> (ChannelSocket, ChannelSocket) {
    ChannelSocket::pair().expect("a pair")
}

/// GIO's client, which verifies the certificate of the server.
fn gio_client(channel: &ChannelSocket) -> IOStream {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("ca-cert.pem");
    std::fs::write(&file, &authority().pem).expect("written");
    let identity = gio::NetworkAddress::new(NAME, 443);
    let client = TlsClientConnection::new(&channel.io_stream(), Some(&identity));
    let client = client.expect("a TLS backend of GIO");
    let database = gio::TlsFileDatabase::new(&file).expect("an authority");
    client.set_database(Some(&database));
    client.upcast()
}

fn gio_server(channel: &ChannelSocket) -> IOStream {
    let pem = [server_cert().pem.as_str(), &server_cert().key].concat();
    let certificate = TlsCertificate::from_pem(&pem).expect("a certificate");
    let server = TlsServerConnection::new(&channel.io_stream(), Some(&certificate));
    server.expect("a TLS backend of GIO").upcast()
}

fn qio_client(channel: &ChannelSocket) -> IOStream {
    let tls = ChannelTls::new_client(channel, &client_creds(), NAME);
    tls.expect("a client").io_stream().upcast()
}

fn qio_server(channel: &ChannelSocket) -> IOStream {
    let tls = ChannelTls::new_server(channel, &server_creds());
    tls.expect("a server").io_stream().upcast()
}

type Make = fn(&ChannelSocket) -> IOStream;

/// Clients and servers: at least one of them is GIO's.
const ENDS: [(Make, Make); 3] = [
    (gio_client, gio_server),
    (gio_client, qio_server),
    (qio_client, gio_server),
];

fn data() -> Vec<u8> {
    (0..SIZE).map(|i| (i / 7 % 251) as u8).collect()
}

/// Sends data and returns what the peer sends.
async fn exchange(stream: &IOStream) -> Vec<u8> {
    let output = stream.output_stream();
    let writing = output.write_all_future(data(), Priority::DEFAULT);
    let input = stream.input_stream();
    let reading = input.read_all_future(vec![0; SIZE], Priority::DEFAULT);
    let (written, read) = futures_util::future::join(writing, reading).await;
    let (_, count, e) = written.map_err(|(_, e)| e).expect("written");
    assert!(count == SIZE && e.is_none(), "{count} written: {e:?}");
    let (buf, count, e) = read.map_err(|(_, e)| e).expect("read");
    assert!(count == SIZE && e.is_none(), "{count} read: {e:?}");
    buf
}

#[test]
fn tls_of_gio_transfers_data_over_channels_asynchronously_with_each_peer() {
    needs!("glib-networking");
    on_loop(|| async {
        for (client, server) in ENDS {
            let (here, there) = pair();
            let (client, server) = (client(&here), server(&there));
            let exchanges = (exchange(&client), exchange(&server));
            let (one, other) = futures_util::future::join(exchanges.0, exchanges.1).await;
            let expected = data();
            assert!(one == expected && other == expected);

            // The end of the stream is close_notify.
            let closing = client.close_future(Priority::DEFAULT);
            let input = server.input_stream();
            let reading = input.read_bytes_future(1, Priority::DEFAULT);
            let (closed, end) = futures_util::future::join(closing, reading).await;
            closed.expect("closed");
            assert!(end.expect("close_notify").is_empty());
            assert!(here.is_closed());
        }
    });
}

#[test]
fn tls_of_gio_transfers_data_over_channels_blocking_with_each_peer() {
    needs!("glib-networking");
    for (client, server) in ENDS {
        in_time(move || {
            let (here, there) = pair();
            let thread = std::thread::spawn(move || {
                let server = server(&there);
                let (input, output) = (server.input_stream(), server.output_stream());
                let mut buf = vec![0; SIZE];
                let (count, e) = input.read_all(&mut buf, Cancellable::NONE).expect("data");
                assert!(count == SIZE && e.is_none(), "{count}: {e:?}");
                output.write_all(&buf, Cancellable::NONE).expect("written");
                server.close(Cancellable::NONE).expect("closed");
            });
            let client = client(&here);
            let (input, output) = (client.input_stream(), client.output_stream());
            output
                .write_all(&data(), Cancellable::NONE)
                .expect("written");
            let mut buf = vec![0; SIZE + 1];
            let (count, e) = input.read_all(&mut buf, Cancellable::NONE).expect("data");
            assert!(count == SIZE && e.is_none(), "{count}: {e:?}");
            assert!(buf[..SIZE] == data());
            thread.join().expect("no panic");
        });
    }
}

#[test]
fn a_certificate_that_gio_does_not_trust_ends_both_handshakes() {
    needs!("glib-networking");
    on_loop(|| async {
        let (here, there) = pair();
        let identity = gio::NetworkAddress::new("other.test", 443);
        let client = TlsClientConnection::new(&here.io_stream(), Some(&identity));
        let client = client.expect("a TLS backend of GIO");
        let server = ChannelTls::new_server(&there, &server_creds()).expect("a server");
        let handshakes = (
            client.handshake_future(Priority::DEFAULT),
            server.handshake_future(),
        );
        let connecting = async {
            let e = handshakes.0.await.expect_err("not trusted");
            assert!(e.matches(gio::TlsError::BadCertificate), "{e}");
            client
                .close_future(Priority::DEFAULT)
                .await
                .expect("closed");
        };
        let serving = async {
            // With TLS 1.3 the server is done before the client has verified it.
            let result = match handshakes.1.await {
                Ok(()) => server.read_future(&mut [0]).await.map(drop),
                result => result,
            };
            result.expect_err("an alert");
        };
        futures_util::future::join(connecting, serving).await;
    });
}
