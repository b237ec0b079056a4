//! Ends of our own: in blocking mode, and by futures.

use std::{
    io,
    net::{TcpListener, TcpStream},
    os::fd::OwnedFd,
};

use glib::MainContext;
use qio::{ChannelSocket, ChannelTls, Shutdown, TlsCreds, TlsCredsBuilder, prelude::*};

use super::{
    Implementation, Serving, TlsSetting,
    plan::{Connection, Outcome, Plan, Role, Version, run},
};
use crate::layer::tls::fixtures::{NAME, client_builder, server_builder};

/// How its calls wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Blocking,
    Futures,
}

pub(super) struct Ours {
    mode: Mode,
    client: TlsCreds,
    server: TlsCreds,
}

impl Ours {
    pub(super) fn new(mode: Mode, setting: TlsSetting) -> Self {
        let build = |builder: TlsCredsBuilder| {
            let version = match setting.version {
                Version::Tls12 => gio::TlsProtocolVersion::Tls12,
                Version::Tls13 => gio::TlsProtocolVersion::Tls13,
            };
            let builder = builder.max_version(version).min_version(version);
            builder.resumption(setting.resumes).build().expect("good")
        };
        Self {
            mode,
            client: build(client_builder()),
            server: build(server_builder()),
        }
    }
}

fn socket(socket: TcpStream) -> ChannelSocket {
    ChannelSocket::new_fd(OwnedFd::from(socket)).expect("a socket")
}

/// Does what the plan has, in the mode.
fn run_in(mode: Mode, tls: ChannelTls, role: Role, plan: Plan) -> Outcome {
    match mode {
        Mode::Blocking => run(&mut Blocking(tls), role, plan),
        Mode::Futures => {
            tls.set_blocking(false).expect("non-blocking");
            let context = MainContext::new();
            let mut connection = Futures {
                tls,
                context: context.clone(),
            };
            let outcome = context.with_thread_default(|| run(&mut connection, role, plan));
            outcome.expect("a context of its own")
        }
    }
}

impl Implementation for Ours {
    fn name(&self) -> &'static str {
        match self.mode {
            Mode::Blocking => "qio",
            Mode::Futures => "qio, futures",
        }
    }

    fn is_ours(&self) -> bool {
        true
    }

    fn connect(&self, port: u16, plan: Plan) -> Outcome {
        let below = socket(TcpStream::connect(("127.0.0.1", port)).expect("connects"));
        let tls = ChannelTls::new_client(&below, &self.client, NAME).expect("a client");
        run_in(self.mode, tls, Role::Client, plan)
    }

    fn serve(&self, plan: Plan) -> (u16, Serving<'_>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("listens");
        let port = listener.local_addr().expect("bound").port();
        let serving = move || {
            let below = socket(listener.accept().expect("accepted").0);
            let tls = ChannelTls::new_server(&below, &self.server).expect("a server");
            run_in(self.mode, tls, Role::Server, plan)
        };
        (port, Box::new(serving))
    }
}

struct Blocking(ChannelTls);

impl Connection for Blocking {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }

    fn write_all(&mut self, data: &[u8]) -> io::Result<()> {
        self.0.write_all(data)
    }

    fn bye(&mut self) -> io::Result<()> {
        self.0.bye()
    }

    fn half_close(&mut self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }

    fn close(&mut self) -> io::Result<()> {
        self.0.close()
    }

    fn kill(&mut self) -> io::Result<()> {
        self.0.master().close()
    }
}

struct Futures {
    tls: ChannelTls,
    context: MainContext,
}

impl Connection for Futures {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.context.block_on(self.tls.read_future(buf))
    }

    fn write_all(&mut self, data: &[u8]) -> io::Result<()> {
        self.context.block_on(self.tls.write_all_future(data))
    }

    fn bye(&mut self) -> io::Result<()> {
        self.context.block_on(self.tls.bye_future())
    }

    fn half_close(&mut self) -> io::Result<()> {
        let shut = self.tls.shutdown_future(Shutdown::Write);
        self.context.block_on(shut)
    }

    fn close(&mut self) -> io::Result<()> {
        self.context.block_on(self.tls.close_future())
    }

    fn kill(&mut self) -> io::Result<()> {
        // Not before the system has taken all.
        self.context.block_on(self.tls.flush_future())?;
        self.tls.master().close()
    }
}
