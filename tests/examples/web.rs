//! Examples that serve a page and a WebSocket at one port.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use qio::{ChannelSocket, ChannelTls, ChannelWebsock, TlsCreds, TlsEndpoint, WebsockOptions};

use crate::{
    certs::{Directory, Request},
    process::{Running, TIMEOUT},
    start,
};

/// Such an example.
pub(crate) struct Web {
    pub(crate) process: Running,
    pub(crate) address: String,
}

impl Web {
    pub(crate) fn start(example: &str, arguments: &[&str]) -> Self {
        let mut process = start(example, arguments);
        process.until("://");
        let address = process.until("/\n");
        Self { process, address }
    }

    /// The whole response to a request.
    pub(crate) fn request(&self, first_line: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(TIMEOUT)).expect("not zero");
        let request = format!("{first_line} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).expect("connected");
        let mut response = String::new();
        stream.read_to_string(&mut response).expect("to the end");
        response
    }

    fn connect(&self) -> ChannelSocket {
        let address = gio::NetworkAddress::parse(&self.address, 80).expect("an address");
        ChannelSocket::connect(&address).expect("connected")
    }

    /// A page's WebSocket.
    pub(crate) fn websocket(&self, target: &str, options: &WebsockOptions) -> ChannelWebsock {
        let uri = format!("ws://{}{target}", self.address);
        ChannelWebsock::new_client(&self.connect(), &uri, options).expect("a client")
    }
}

/// A certificate for such a server, and its authority.
pub(crate) struct Certificates(Directory);

impl Certificates {
    pub(crate) fn new() -> Self {
        let authority = Request::authority("an authority").signed_by_itself();
        let cert = Request::server("a server").ip("127.0.0.1");
        let cert = cert.signed_by(&authority);
        Self(Directory::of_server(&authority.pem, &cert))
    }

    fn file(&self, name: &str) -> String {
        self.0.file(name).display().to_string()
    }

    /// Where they are.
    pub(crate) fn directory(&self) -> String {
        self.0.path().display().to_string()
    }

    /// The arguments of the examples.
    pub(crate) fn files(&self) -> [String; 2] {
        ["server-cert.pem", "server-key.pem"].map(|name| self.file(name))
    }

    pub(crate) fn connect(&self, web: &Web) -> ChannelTls {
        let creds = TlsCreds::builder(TlsEndpoint::Client).trust_file(self.file("ca-cert.pem"));
        let creds = creds.build().expect("credentials");
        ChannelTls::new_client(&web.connect(), &creds, "127.0.0.1").expect("a client")
    }
}
