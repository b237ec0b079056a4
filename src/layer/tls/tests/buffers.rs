//! When the buffers of a connection are freed.

use std::io::{Read as _, Write as _};

use openssl::{
    pkey::PKey,
    ssl::{Ssl, SslContext, SslMethod, SslStream, SslVerifyMode},
    x509::X509,
};

use super::certs::Request;
use crate::layer::tls::{
    memory_bio::{MemoryBio, ReadBudget},
    shim,
};

/// A client and a server after the handshake.
fn connected() -> (SslStream<MemoryBio>, SslStream<MemoryBio>) {
    let own = Request::server("server").signed_by_itself();
    let mut context = SslContext::builder(SslMethod::tls_server()).expect("a server");
    let certificate = X509::from_pem(own.pem.as_bytes()).expect("PEM");
    let key = PKey::private_key_from_pem(own.key.as_bytes()).expect("PEM");
    context.set_certificate(&certificate).expect("set");
    context.set_private_key(&key).expect("set");
    let mut server = stream(&context.build());
    let mut context = SslContext::builder(SslMethod::tls_client()).expect("a client");
    context.set_verify(SslVerifyMode::NONE);
    let mut client = stream(&context.build());
    for _ in 0..3 {
        begin(&mut client);
        let _ = client.connect();
        move_output(&mut client, &mut server);
        begin(&mut server);
        let _ = server.accept();
        move_output(&mut server, &mut client);
    }
    // The session tickets.
    begin(&mut client);
    client.read(&mut [0]).expect_err("no data");
    (client, server)
}

fn stream(context: &SslContext) -> SslStream<MemoryBio> {
    let ssl = Ssl::new(context).expect("a connection");
    SslStream::new(ssl, MemoryBio::default()).expect("a stream")
}

fn begin(stream: &mut SslStream<MemoryBio>) {
    stream.get_mut().begin_call(&ReadBudget::default());
}

fn move_output(from: &mut SslStream<MemoryBio>, to: &mut SslStream<MemoryBio>) {
    let output = std::mem::take(&mut from.get_mut().output);
    to.get_mut().input.push(output.left());
}

/// In other states, versions of OpenSSL with CVE-2024-4741 free buffers that are in use.
#[test]
fn buffers_are_freed_only_between_two_records_of_which_nothing_is_left() {
    let (mut client, mut server) = connected();
    assert!(shim::free_buffers(&mut client), "after the handshake");
    begin(&mut server);
    server.write_all(b"data").expect("written");
    let record = std::mem::take(&mut server.get_mut().output);
    let (last, first) = record.left().split_last().expect("a record");
    for (i, byte) in first.iter().enumerate() {
        client.get_mut().input.push(&[*byte]);
        begin(&mut client);
        client.read(&mut [0]).expect_err("a part of a record");
        assert!(client.get_ref().input.is_empty());
        assert!(!shim::free_buffers(&mut client), "after {} bytes", i + 1);
    }
    client.get_mut().input.push(&[*last]);
    let mut data = [0; 4];
    for byte in &mut data {
        assert!(!shim::free_buffers(&mut client), "with data");
        begin(&mut client);
        client.read_exact(std::slice::from_mut(byte)).expect("data");
    }
    assert_eq!(&data, b"data");
    assert!(shim::free_buffers(&mut client), "after the record");
}
