//! D-Bus by zbus on the GLib main loop, over channels: file descriptors are passed, and the process
//! has one thread.
//!
//! - `cargo run --example dbus -- pair` connects two peers of this process, over a pair of sockets
//!   and over TLS.
//! - `… serve PATH` accepts peers on a unix socket, without a message bus between them.
//! - `… bus PATH` calls itself through the message bus on that socket.
//!
//! With `QIO_MONITOR=listen` in its environment, `qio top` shows its channels.

use std::{
    env,
    future::{Future, pending},
    io::{self, IoSlice, IoSliceMut, Write as _},
    net::SocketAddr,
    os::fd::{BorrowedFd, OwnedFd},
    path::Path,
    pin::Pin,
    process::{Command, ExitCode, ExitStatus, Stdio},
    task::{Context, Poll, ready},
    time::Duration,
};

use gio::prelude::*;
use glib::{MainContext, Priority};
use qio::{
    Channel, ChannelSocket, ChannelTls, Feature, IoFutureExt, ReadFlags, TlsCreds, TlsEndpoint,
    WriteFlags, prelude::*,
};
use zbus::{
    Connection, Guid,
    connection::{
        Builder,
        socket::{ReadHalf, Socket, Split, WriteHalf},
    },
    export::async_trait::async_trait,
    fdo::ConnectionCredentials,
    runtime::{Interest, IoSource, traits},
};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

const NAME: &str = "org.example.Desk";
const PATH: &str = "/org/example/Desk";

/// A channel as a socket of zbus: both halves are the same channel.
#[derive(Debug, Clone)]
struct OverChannel(Channel);

impl OverChannel {
    fn new(channel: impl IsA<Channel>) -> Result<Self> {
        channel.set_blocking(false)?;
        Ok(Self(channel.upcast()))
    }

    fn passes_fds(&self) -> bool {
        self.0.has_feature(Feature::FD_PASS)
    }

    fn credentials(&self) -> ConnectionCredentials {
        let peer = self.0.credentials().ok();
        let none = ConnectionCredentials::default();
        match peer.and_then(|peer| peer.unix_user().ok()) {
            Some(uid) => none.set_unix_user_id(uid),
            None => none,
        }
    }
}

impl Socket for OverChannel {
    type ReadHalf = Self;
    type WriteHalf = Self;

    fn split(self) -> Split<Self, Self> {
        Split::new(self.clone(), self)
    }
}

#[async_trait]
impl ReadHalf for OverChannel {
    async fn recvmsg(&mut self, buf: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        let mut fds = Vec::new();
        let mut iov = [IoSliceMut::new(buf)];
        let space = self.passes_fds().then_some(&mut fds);
        let reading = self
            .0
            .readv_full_future(&mut iov, space, ReadFlags::empty());
        let count = reading.await?;
        Ok((count, fds))
    }

    fn can_pass_unix_fd(&self) -> bool {
        self.passes_fds()
    }

    async fn peer_credentials(&mut self) -> io::Result<ConnectionCredentials> {
        Ok(self.credentials())
    }
}

#[async_trait]
impl WriteHalf for OverChannel {
    async fn sendmsg(&mut self, buf: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
        let iov = [IoSlice::new(buf)];
        self.0
            .writev_full_future(&iov, fds, WriteFlags::empty())
            .await
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.0.flush_future().await.map(drop)
    }

    async fn close(&mut self) -> io::Result<()> {
        // `close_future` would wait in a thread until the peer has all.
        self.0.flush_future().await?;
        self.0.close()
    }

    fn can_pass_unix_fd(&self) -> bool {
        self.passes_fds()
    }

    async fn peer_credentials(&mut self) -> io::Result<ConnectionCredentials> {
        Ok(self.credentials())
    }
}

/// A main context as the runtime of zbus, for connections over channels.
struct MainLoop(MainContext);

impl traits::Runtime for MainLoop {
    type RegisteredIoSource = Never;
    type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;
    type Task<T: Send + 'static> = Task<T>;

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        Box::pin(async move {
            let _timed_out = pending::<io::Result<()>>().or_timeout(duration).await;
        })
    }

    fn spawn<T: Send + 'static>(
        &self,
        _name: &str,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Task<T> {
        Task(Some(qio::spawn_in(&self.0, Priority::DEFAULT, future)))
    }

    // The rest is for sockets and programs that zbus opens itself.

    fn register_io_source(&self, _source: IoSource) -> io::Result<Never> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn connect_tcp(&self, _address: SocketAddr) -> io::Result<IoSource> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn connect_unix(&self, _path: &Path) -> io::Result<IoSource> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn spawn_process(
        &self,
        _command: Command,
        _stdin: Stdio,
        _stdout: Stdio,
        _stderr: Stdio,
    ) -> io::Result<Pin<Box<dyn Future<Output = io::Result<ExitStatus>> + Send>>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

enum Never {}

impl traits::PollIo for Never {
    fn poll_io<T>(
        &self,
        _cx: &mut Context<'_>,
        _interest: Interest,
        _operation: impl FnMut() -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        match *self {}
    }
}

/// A task that ends when it is dropped, unless it is detached.
struct Task<T>(Option<qio::JoinHandle<T>>);

impl<T> Future for Task<T> {
    type Output = io::Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let handle = self.0.as_mut().expect("not detached");
        Poll::Ready(ready!(Pin::new(handle).poll(cx)).map_err(io::Error::other))
    }
}

impl<T: Send + 'static> traits::TaskHandle<T> for Task<T> {
    fn detach(mut self) {
        drop(self.0.take());
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        if let Some(handle) = &self.0 {
            handle.abort();
        }
    }
}

/// The object that is served.
struct Desk;

#[zbus::interface(name = "org.example.Desk")]
impl Desk {
    fn add(&self, a: u32, b: u32) -> u32 {
        a + b
    }

    /// Writes a text to a file of the caller.
    fn print(&self, file: zbus::OwnedFd, text: &str) -> zbus::fdo::Result<()> {
        let mut file = std::fs::File::from(OwnedFd::from(file));
        file.write_all(text.as_bytes())
            .map_err(|e| zbus::fdo::Error::IOError(e.to_string()))
    }

    /// Returns the end of a pipe from which the caller reads a text.
    fn open(&self, text: &str) -> zbus::fdo::Result<zbus::OwnedFd> {
        let pipe = || -> io::Result<OwnedFd> {
            let (reader, mut writer) = io::pipe()?;
            writer.write_all(text.as_bytes())?;
            Ok(reader.into())
        };
        match pipe() {
            Ok(reader) => Ok(reader.into()),
            Err(e) => Err(zbus::fdo::Error::IOError(e.to_string())),
        }
    }
}

/// Calls all methods of the object; those with descriptors where these are passed.
async fn call_all(client: &Connection, destination: Option<&str>, passes_fds: bool) -> Result {
    let sum = client
        .call_method(destination, PATH, Some(NAME), "Add", &(2u32, 3u32))
        .await?;
    println!("dbus: 2 + 3 = {}", sum.body().deserialize::<u32>()?);
    if !passes_fds {
        return Ok(());
    }
    let (reader, writer) = io::pipe()?;
    let body = (zbus::Fd::from(OwnedFd::from(writer)), "printed by the peer");
    client
        .call_method(destination, PATH, Some(NAME), "Print", &body)
        .await?;
    drop(body);
    println!("dbus: {}", text(reader.into()).await?);
    let opened = client
        .call_method(destination, PATH, Some(NAME), "Open", &"opened by the peer")
        .await?;
    let pipe: zbus::OwnedFd = opened.body().deserialize()?;
    println!("dbus: {}", text(pipe.into()).await?);
    Ok(())
}

/// What a pipe has, up to its end.
async fn text(pipe: OwnedFd) -> Result<String> {
    let channel = qio::channel_for_fd(pipe)?;
    let bytes = channel.read_to_end_future(4096).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn print_threads() -> Result {
    let threads = std::fs::read_dir("/proc/self/task")?.count();
    println!("dbus: threads: {threads}");
    Ok(())
}

fn builder(socket: Builder<'static>) -> Builder<'static> {
    socket.runtime(MainLoop(MainContext::default()))
}

async fn pair() -> Result {
    let creds = |end| {
        TlsCreds::builder(end)
            .psk("alice", *b"sixteen bytes...")
            .build()
    };
    let (here, there) = ChannelSocket::pair()?;
    peers(here.upcast(), there.upcast()).await?;
    let (here, there) = ChannelSocket::pair()?;
    let client = ChannelTls::new_client(&here, &creds(TlsEndpoint::Client)?, None)?;
    let server = ChannelTls::new_server(&there, &creds(TlsEndpoint::Server)?)?;
    peers(client.upcast(), server.upcast()).await?;
    print_threads()
}

/// Two peers that need no authentication: they are known to each other by a GUID.
async fn peers(here: Channel, there: Channel) -> Result {
    let passes_fds = here.has_feature(Feature::FD_PASS);
    let guid = Guid::generate();
    let end = |channel| -> Result<Builder<'static>> {
        let socket = Builder::authenticated_socket(OverChannel::new(channel)?, guid.clone());
        Ok(builder(socket).p2p())
    };
    let (client, server) = (end(here)?, end(there)?);
    let server = server.serve_at(PATH, Desk);
    let (client, server) = futures_util::try_join!(client.build(), server.build())?;
    call_all(&client, None, passes_fds).await?;
    client.close().await?;
    server.close().await?;
    Ok(())
}

async fn serve(path: &str) -> Result {
    let listener = ChannelSocket::listen(&gio::UnixSocketAddress::new(Path::new(path)), 16)?;
    println!("dbus: listening on unix:path={path}");
    loop {
        let client = listener.accept_future().await?;
        qio::spawn_local(async move {
            if let Err(e) = serve_peer(client).await {
                eprintln!("dbus: {e}");
            }
        });
    }
}

/// Serves a peer, which proves its user ID, until it disconnects.
async fn serve_peer(client: ChannelSocket) -> Result {
    let socket = Builder::socket(OverChannel::new(client)?);
    let connection = builder(socket)
        .server(Guid::generate())
        .p2p()
        .serve_at(PATH, Desk)
        .build()
        .await?;
    connection.closed().await;
    print_threads()
}

async fn bus(path: &str) -> Result {
    let address = gio::UnixSocketAddress::new(Path::new(path));
    let channel = ChannelSocket::connect_future(&address).await?;
    let connection = builder(Builder::socket(OverChannel::new(channel)?))
        .serve_at(PATH, Desk)
        .name(NAME)
        .build()
        .await?;
    call_all(&connection, Some(NAME), true).await?;
    print_threads()?;
    connection.close().await?;
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let context = MainContext::default();
    let result = match arguments[..] {
        ["pair"] => context.block_on(pair()),
        ["serve", path] => context.block_on(serve(path)),
        ["bus", path] => context.block_on(bus(path)),
        _ => {
            eprintln!("usage: dbus pair | serve PATH | bus PATH");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("dbus: {e}");
            ExitCode::FAILURE
        }
    }
}
