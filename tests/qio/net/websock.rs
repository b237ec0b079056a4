//! `src/net/websock.rs`.

use std::{io, thread};

use gio::prelude::*;
use qio::{
    Channel, ChannelSocket, ChannelTls, ChannelWebsock, TlsCreds, WebsockMessageKind,
    WebsockOptions, coroutine, prelude::*, to_glib_error,
};

use super::{port_of, v4};
use crate::{
    common::{in_loop, in_time, on_loop},
    layer::tls::fixtures::{client_creds, server_creds},
};

/// A listener, and the part of a URI with its port.
fn listen() -> (ChannelSocket, String) {
    let listener = ChannelSocket::listen(&v4(), 16).expect("listens");
    let port = port_of(&listener.local_address().expect("bound"));
    (listener, format!("127.0.0.1:{port}/chat?a=b"))
}

/// Echoes one message to one client, over TLS or not.
fn serve(listener: &ChannelSocket, creds: Option<&TlsCreds>) -> io::Result<()> {
    let socket = listener.accept()?;
    let lower: Channel = match creds {
        Some(creds) => ChannelTls::new_server(&socket, creds)?.upcast(),
        None => socket.upcast(),
    };
    let server = ChannelWebsock::new_server(&lower, &WebsockOptions::default())?;
    server.handshake()?;
    assert_eq!(server.target().as_deref(), Some("/chat?a=b"));
    let message = server.receive()?.expect("a message");
    server.send(message.kind(), message.data())?;
    assert!(server.receive()?.is_none());
    server.close()
}

fn talk(uri: &str, creds: Option<&TlsCreds>) -> io::Result<()> {
    let options = WebsockOptions::default();
    let websock = ChannelWebsock::connect_to_uri(uri, &options, creds)?;
    assert_eq!(websock.uri().as_deref(), Some(uri));
    websock.send_text("hello")?;
    let answer = websock.receive()?.expect("a message");
    assert_eq!(answer.text(), Some("hello"));
    websock.bye(1000, "")
}

async fn talk_by_future(uri: &str, creds: Option<&TlsCreds>) -> io::Result<()> {
    let options = WebsockOptions::default();
    let websock = ChannelWebsock::connect_to_uri_future(uri, &options, creds).await?;
    let data = glib::Bytes::from_static(b"hello");
    websock.send_future(WebsockMessageKind::Text, &data).await?;
    let answer = websock.receive_future().await?.expect("a message");
    assert_eq!(answer.text(), Some("hello"));
    websock.bye_future(1000, "").await
}

#[test]
fn a_uri_of_either_scheme_is_connected_to_with_threads_coroutines_and_futures() {
    in_time(|| {
        for secure in [false, true] {
            let creds_of_server = secure.then(server_creds);
            let (listener, authority) = listen();
            let scheme = if secure { "wss" } else { "ws" };
            let uri = format!("{scheme}://{authority}");
            let creds = secure.then(client_creds);
            let served = thread::spawn(move || {
                for _ in 0..3 {
                    serve(&listener, creds_of_server.as_ref()).expect("served");
                }
            });
            talk(&uri, creds.as_ref()).expect("by a thread");
            let (of_coroutine, with) = (uri.clone(), creds.clone());
            in_loop(move |context| {
                let talking = coroutine::spawn(move || talk(&of_coroutine, with.as_ref()));
                let talked = context.block_on(talking).expect("no panic");
                talked.expect("by a coroutine");
            });
            on_loop(move || async move {
                talk_by_future(&uri, creds.as_ref())
                    .await
                    .expect("by a future");
            });
            served.join().expect("no panic");
        }
    });
}

#[test]
fn what_cannot_be_connected_to_is_named() {
    in_time(|| {
        let options = WebsockOptions::default();
        let connect = |uri: &str, creds: Option<&TlsCreds>| {
            let error = ChannelWebsock::connect_to_uri(uri, &options, creds);
            error.expect_err("refused")
        };
        for uri in ["http://example.org", "ws:", "ws://", "ws://h/#f", "nothing"] {
            let error = connect(uri, None);
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
            assert!(error.to_string().contains(uri), "{error}");
        }
        let creds = client_creds();
        let error = connect("ws://example.org/", Some(&creds));
        assert!(error.to_string().contains("without TLS"), "{error}");
        let error = connect("wss://127.0.0.1:1/", Some(&server_creds()));
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
        let error = connect("ws://127.0.0.1:1/", None);
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused, "{error}");
    });
}

#[test]
fn a_certificate_for_another_host_and_an_unknown_authority_are_refused() {
    in_time(|| {
        let creds_of_server = server_creds();
        let (listener, address) = listen();
        let named = address.replace("127.0.0.1", "localhost");
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..2 {
                    serve(&listener, Some(&creds_of_server)).expect_err("no handshake");
                }
            });
            let options = WebsockOptions::default();
            let creds = client_creds();
            for (uri, creds) in [(&named, Some(&creds)), (&address, None)] {
                let uri = format!("wss://{uri}");
                let error = ChannelWebsock::connect_to_uri(&uri, &options, creds);
                let error = to_glib_error(&error.expect_err("refused"));
                assert!(error.matches(gio::TlsError::BadCertificate), "{error}");
            }
        });
    });
}
