//! A server of OpenSSL itself, whose records tests delay.
#![allow(unsafe_code)] // The crate does not bind these functions of OpenSSL.

use std::{
    ffi::{c_int, c_long},
    io::{self, Read, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
    ptr, thread,
    time::Duration,
};

use foreign_types::ForeignTypeRef as _;
use openssl::{
    pkey::PKey,
    ssl::{Ssl, SslContext, SslMethod, SslStream, SslVerifyMode},
    x509::X509,
};
use qio::ChannelSocket;

use super::fixtures::{authority, server_cert};

unsafe extern "C" {
    fn SSL_set_block_padding(ssl: *mut openssl_sys::SSL, size: usize) -> c_int;
    fn SSL_key_update(ssl: *mut openssl_sys::SSL, kind: c_int) -> c_int;
    fn SSL_new_session_ticket(ssl: *mut openssl_sys::SSL) -> c_int;
}

/// The control behind a macro of OpenSSL's, `SSL_CTX_set_max_send_fragment`.
const SSL_CTRL_SET_MAX_SEND_FRAGMENT: c_int = 52;

/// A socket that keeps what is written, on request.
#[derive(Debug)]
struct Transport {
    socket: UnixStream,
    held: Option<Vec<u8>>,
}

impl Read for Transport {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.socket.read(buf)
    }
}

impl Write for Transport {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match &mut self.held {
            Some(held) => held.write(buf),
            None => self.socket.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) struct Peer(SslStream<Transport>);

impl Peer {
    /// A server, with records of at most 512 bytes if `short`, and the socket of its client. It
    /// requests a certificate, and sends no tickets by itself.
    pub(super) fn server(short: bool) -> (Self, ChannelSocket) {
        let mut context = SslContext::builder(SslMethod::tls_server()).expect("a server");
        let certificate = X509::from_pem(server_cert().pem.as_bytes()).expect("PEM");
        let key = PKey::private_key_from_pem(server_cert().key.as_bytes()).expect("PEM");
        context.set_certificate(&certificate).expect("set");
        context.set_private_key(&key).expect("set");
        let root = X509::from_pem(authority().pem.as_bytes()).expect("PEM");
        context.cert_store_mut().add_cert(root).expect("added");
        context.set_verify(SslVerifyMode::PEER);
        context.set_session_id_context(b"test").expect("set");
        context.set_num_tickets(0).expect("set");
        if short {
            let control = SSL_CTRL_SET_MAX_SEND_FRAGMENT;
            let size: c_long = 512;
            // SAFETY: the context is live; the control takes a number by value.
            unsafe { openssl_sys::SSL_CTX_ctrl(context.as_ptr(), control, size, ptr::null_mut()) };
        }
        let (near, socket) = UnixStream::pair().expect("a pair");
        let wait = Some(Duration::from_secs(20));
        socket.set_read_timeout(wait).expect("set");
        let ssl = Ssl::new(&context.build()).expect("a connection");
        let held = None;
        let stream = SslStream::new(ssl, Transport { socket, held }).expect("a stream");
        let near = ChannelSocket::new_fd(OwnedFd::from(near)).expect("a socket");
        (Self(stream), near)
    }

    /// Performs the handshake with a client.
    pub(super) fn accept_while(&mut self, client: impl FnOnce() -> io::Result<()>) {
        thread::scope(|scope| {
            let accepting = scope.spawn(|| self.0.accept());
            client().expect("the client's handshake");
            accepting.join().expect("no panic").expect("accepted");
        });
    }

    /// Pads all records to 16 KiB.
    pub(super) fn pad_records(&mut self) {
        // SAFETY: the connection is this one's.
        let padded = unsafe { SSL_set_block_padding(self.0.ssl().as_ptr(), 16_384) };
        assert_eq!(padded, 1);
    }

    /// Sends a KeyUpdate.
    pub(super) fn update_keys(&mut self) {
        // SAFETY: the connection is this one's; SSL_KEY_UPDATE_NOT_REQUESTED.
        assert_eq!(unsafe { SSL_key_update(self.0.ssl().as_ptr(), 0) }, 1);
        self.0.do_handshake().expect("sent");
    }

    /// Sends a session ticket.
    pub(super) fn send_ticket(&mut self) {
        // SAFETY: the connection is this one's.
        assert_eq!(unsafe { SSL_new_session_ticket(self.0.ssl().as_ptr()) }, 1);
        self.0.do_handshake().expect("sent");
    }

    /// Keeps what is sent from now on.
    pub(super) fn hold(&mut self) {
        self.0.get_mut().held = Some(Vec::new());
    }

    /// Takes what was kept, and keeps nothing more.
    pub(super) fn held(&mut self) -> Vec<u8> {
        self.0.get_mut().held.take().unwrap_or_default()
    }

    /// Writes bytes to the socket.
    pub(super) fn send_raw(&mut self, bytes: &[u8]) {
        self.0.get_mut().socket.write_all(bytes).expect("written");
    }

    /// Reads data. Zero bytes are close_notify.
    pub(super) fn read(&mut self, buf: &mut [u8]) -> Result<usize, openssl::ssl::Error> {
        match self.0.ssl_read(buf) {
            Err(e) if e.code() == openssl::ssl::ErrorCode::ZERO_RETURN => Ok(0),
            result => result,
        }
    }
}
