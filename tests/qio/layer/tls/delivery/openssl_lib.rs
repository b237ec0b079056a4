//! Ends of OpenSSL itself, by `SslStream` on a socket.

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

use openssl::{
    pkey::PKey,
    ssl::{
        ErrorCode, SslAcceptor, SslConnector, SslMethod, SslOptions, SslRef, SslSession,
        SslSessionCacheMode, SslStream, SslVerifyMode, SslVersion,
    },
    x509::X509,
};

use super::{
    Implementation, Serving, TlsSetting,
    plan::{Connection, End, Outcome, Plan, Role, Version, run},
};
use crate::layer::tls::fixtures::{NAME, server_cert};

pub(super) struct OpenSsl {
    connector: SslConnector,
    acceptor: SslAcceptor,
    session: Arc<Mutex<Option<SslSession>>>,
}

impl OpenSsl {
    pub(super) fn new(setting: TlsSetting) -> Self {
        let version = Some(match setting.version {
            Version::Tls12 => SslVersion::TLS1_2,
            Version::Tls13 => SslVersion::TLS1_3,
        });
        let session = Arc::<Mutex<Option<SslSession>>>::default();
        let mut client = SslConnector::builder(SslMethod::tls_client()).expect("a client");
        client.set_verify(SslVerifyMode::NONE);
        let mut server =
            SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).expect("a server");
        let certificate = X509::from_pem(server_cert().pem.as_bytes()).expect("a certificate");
        let key = PKey::private_key_from_pem(server_cert().key.as_bytes()).expect("a key");
        server.set_certificate(&certificate).expect("good");
        server.set_private_key(&key).expect("good");
        for context in [&mut *client, &mut *server] {
            context.set_min_proto_version(version).expect("known");
            context.set_max_proto_version(version).expect("known");
        }
        match setting.resumes {
            true => {
                server.set_session_id_context(b"test").expect("short");
                client.set_session_cache_mode(SslSessionCacheMode::CLIENT);
                let place = session.clone();
                client.set_new_session_callback(move |_, session| {
                    *place.lock().expect("whole") = Some(session);
                });
            }
            false => {
                server.set_num_tickets(0).expect("none");
                server.set_options(SslOptions::NO_TICKET);
                server.set_session_cache_mode(SslSessionCacheMode::OFF);
            }
        }
        Self {
            connector: client.build(),
            acceptor: server.build(),
            session,
        }
    }
}

#[allow(unsafe_code)] // The session must be of the same context.
fn resume(ssl: &mut SslRef, session: &SslSession) {
    // SAFETY: it is that of this value.
    unsafe { ssl.set_session(session) }.expect("of this context");
}

impl Implementation for OpenSsl {
    fn name(&self) -> &'static str {
        "OpenSSL"
    }

    fn connect(&self, port: u16, plan: Plan) -> Outcome {
        let socket = Socket::new(TcpStream::connect(("127.0.0.1", port)).expect("connects"));
        let config = self.connector.configure().expect("a client");
        let mut ssl = config.into_ssl(NAME).expect("a client");
        if let Some(session) = &*self.session.lock().expect("whole") {
            resume(&mut ssl, session);
        }
        let mut stream = SslStream::new(ssl, socket).expect("a stream");
        stream.connect().expect("agreed");
        run(&mut Stream(stream), Role::Client, plan)
    }

    fn serve(&self, plan: Plan) -> (u16, Serving<'_>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("listens");
        let port = listener.local_addr().expect("bound").port();
        let serving = move || {
            let socket = Socket::new(listener.accept().expect("accepted").0);
            match self.acceptor.accept(socket) {
                Ok(stream) => run(&mut Stream(stream), Role::Server, plan),
                Err(e) => Outcome {
                    received: 0,
                    end: End::of(&e.to_string()),
                },
            }
        };
        (port, Box::new(serving))
    }
}

struct Stream(SslStream<Socket>);

impl Connection for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        // `Read` makes no difference between close_notify and its absence.
        match self.0.ssl_read(buf) {
            Ok(count) => Ok(count),
            Err(e) if e.code() == ErrorCode::ZERO_RETURN => Ok(0),
            Err(e) if e.code() == ErrorCode::SYSCALL && e.io_error().is_none() => {
                Err(io::Error::other("unexpected eof"))
            }
            Err(e) => Err(io::Error::other(e.to_string())),
        }
    }

    fn write_all(&mut self, data: &[u8]) -> io::Result<()> {
        self.0.write_all(data)
    }

    fn bye(&mut self) -> io::Result<()> {
        self.0.shutdown().map(drop).map_err(io::Error::other)
    }

    fn close(&mut self) -> io::Result<()> {
        self.bye()?;
        self.kill()
    }

    fn kill(&mut self) -> io::Result<()> {
        self.0.get_mut().0 = None;
        Ok(())
    }
}

/// A socket that can be closed below the stream that has it.
#[derive(Debug)]
struct Socket(Option<TcpStream>);

impl Socket {
    fn new(socket: TcpStream) -> Self {
        let limit = Some(Duration::from_secs(20));
        socket.set_read_timeout(limit).expect("set");
        socket.set_write_timeout(limit).expect("set");
        Self(Some(socket))
    }

    fn open(&self) -> io::Result<&TcpStream> {
        self.0.as_ref().ok_or(io::ErrorKind::NotConnected.into())
    }
}

impl Read for Socket {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.open()?.read(buf)
    }
}

impl Write for Socket {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.open()?.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
