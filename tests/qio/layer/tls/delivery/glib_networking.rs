//! Ends of GIO's TLS, by the package `glib-networking`. The version of TLS is left to the peer.

use std::{
    io,
    net::{TcpListener, TcpStream},
    os::fd::OwnedFd,
};

use gio::{Cancellable, prelude::*};

use super::{
    Implementation, Serving,
    plan::{Connection, Outcome, Plan, Role, run},
};
use crate::layer::tls::fixtures::{NAME, server_cert};

const NONE: Option<&Cancellable> = None;

pub(super) struct Gio;

fn base(socket: TcpStream) -> gio::SocketConnection {
    let socket = gio::Socket::from_fd(OwnedFd::from(socket)).expect("a socket");
    socket.set_timeout(20);
    socket.connection_factory_create_connection()
}

impl Implementation for Gio {
    fn name(&self) -> &'static str {
        "GIO"
    }

    fn connect(&self, port: u16, plan: Plan) -> Outcome {
        let base = base(TcpStream::connect(("127.0.0.1", port)).expect("connects"));
        let server = gio::NetworkAddress::new(NAME, port);
        let tls = gio::TlsClientConnection::new(&base, Some(&server)).expect("a client");
        tls.connect_accept_certificate(|_, _, _| true);
        run(&mut Ends::new(base, tls), Role::Client, plan)
    }

    fn serve(&self, plan: Plan) -> (u16, Serving<'_>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("listens");
        let port = listener.local_addr().expect("bound").port();
        let serving = move || {
            let base = base(listener.accept().expect("accepted").0);
            let pem = format!("{}{}", server_cert().pem, server_cert().key);
            let cert = gio::TlsCertificate::from_pem(&pem).expect("a certificate");
            let tls = gio::TlsServerConnection::new(&base, Some(&cert)).expect("a server");
            run(&mut Ends::new(base, tls), Role::Server, plan)
        };
        (port, Box::new(serving))
    }
}

struct Ends {
    base: gio::SocketConnection,
    tls: gio::TlsConnection,
}

impl Ends {
    fn new(base: gio::SocketConnection, tls: impl IsA<gio::TlsConnection>) -> Self {
        let tls = tls.upcast();
        Self { base, tls }
    }
}

fn failed(e: glib::Error) -> io::Error {
    match e.matches(gio::TlsError::Eof) {
        true => io::Error::other("an end without close_notify"),
        false => io::Error::other(e.to_string()),
    }
}

impl Connection for Ends {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.tls.input_stream().read(buf, NONE).map_err(failed)
    }

    fn write_all(&mut self, data: &[u8]) -> io::Result<()> {
        let written = self.tls.output_stream().write_all(data, NONE);
        let (_, error) = written.map_err(failed)?;
        error.map_or(Ok(()), |e| Err(failed(e)))
    }

    fn bye(&mut self) -> io::Result<()> {
        self.tls.output_stream().close(NONE).map_err(failed)
    }

    fn close(&mut self) -> io::Result<()> {
        self.tls.close(NONE).map_err(failed)
    }

    fn kill(&mut self) -> io::Result<()> {
        self.base.close(NONE).map_err(failed)
    }
}
