//! The work that is measured, on both kinds of event loop.

use std::{
    fmt::Write as _,
    future::Future,
    io,
    os::fd::OwnedFd,
    sync::LazyLock,
    time::{Duration, Instant},
};

use futures_util::future;
use nix::time::{ClockId, clock_gettime};
use qio::{ChannelSocket, prelude::*};
use tokio_tungstenite::{accept_async, client_async};

use super::ends::{
    Bytes, End, Messages, Net, OnTokio, Socket, URI, close_tungstenite, closing_handshake,
    from_tungstenite, handshake, options, our_ends,
};

const TEXT: &[u8] = b"twenty bytes of text";

/// The size of large messages, and how much is sent in such ones.
pub(crate) const CHUNK: usize = 64 * 1024;
pub(crate) const BULK: usize = 256 << 20;

/// The size of small messages.
const SMALL: usize = 100;

/// The size of a message whose receiver is slow, and how that receives.
pub(crate) const LARGE: usize = 16 << 20;
const SLOW_READ: usize = 64 * 1024;
const SLOW_PAUSE: Duration = Duration::from_micros(100);

/// The size of the messages that are compressed.
pub(crate) const JSON: usize = 4096;

#[derive(Clone, Copy)]
pub(crate) enum Work {
    /// A text goes there and back.
    PingPong { trips: usize },
    /// Binary messages go one way.
    Bulk { from: Sender },
    /// Small messages go one way, in a row.
    Small { from: Sender, count: usize },
    /// A server sends a large message; the time is that of its processor.
    SlowReader,
    /// A server sends messages that are compressed.
    Deflate { count: usize },
    /// Opening handshakes over sockets that are not registered with the loop yet. With `closes`
    /// also closing handshakes, and the disposal of both ends.
    Handshakes { count: usize, closes: bool },
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sender {
    Client,
    Server,
}

impl Work {
    /// How many messages are sent, and how large these are.
    fn messages(self) -> (Vec<Vec<u8>>, usize) {
        match self {
            Self::Small { count, .. } => (vec![vec![7; SMALL]], count),
            Self::Deflate { count } => (DOCUMENTS.clone(), count),
            _ => (vec![vec![7; CHUNK]], BULK / CHUNK),
        }
    }
}

/// Documents that have much in common, as those of an application have.
pub(crate) static DOCUMENTS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut state = 1u64;
    let mut random = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let document = |_| {
        let mut text = String::from("[");
        while text.len() < JSON {
            let (id, price, amount) = (random(1_000_000), random(100_000), random(100));
            let name = ["apple", "pear", "plum", "cherry"][random(4) as usize];
            let _ = write!(
                text,
                r#"{{"id":{id},"name":"{name}","price":{price},"amount":{amount},"valid":true}},"#
            );
        }
        text.truncate(JSON);
        text.into_bytes()
    };
    (0..64).map(document).collect()
});

async fn ping<E: End>(mut end: E, trips: usize) -> io::Result<E> {
    let (text, mut buf) = (E::message(true, TEXT), [0; TEXT.len()]);
    for _ in 0..trips {
        end.send(&text).await?;
        receive_all(&mut end, &mut buf, TEXT.len()).await?;
    }
    Ok(end)
}

async fn pong<E: End>(mut end: E, trips: usize) -> io::Result<E> {
    let (text, mut buf) = (E::message(true, TEXT), [0; TEXT.len()]);
    for _ in 0..trips {
        receive_all(&mut end, &mut buf, TEXT.len()).await?;
        end.send(&text).await?;
    }
    Ok(end)
}

async fn receive_all<E: End>(end: &mut E, buf: &mut [u8], bytes: usize) -> io::Result<()> {
    let mut received = 0;
    while received < bytes {
        match end.receive(buf).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => received += count,
        }
    }
    Ok(())
}

async fn send_many<E: End>(mut end: E, work: Work) -> io::Result<E> {
    let (messages, count) = work.messages();
    let is_text = matches!(work, Work::Deflate { .. });
    let messages: Vec<_> = messages.iter().map(|it| E::message(is_text, it)).collect();
    let corked = matches!(work, Work::Small { .. });
    if corked {
        end.cork(true).await?;
    }
    for message in messages.iter().cycle().take(count) {
        end.send(message).await?;
    }
    if corked {
        end.cork(false).await?;
    }
    Ok(end)
}

async fn receive_many<E: End>(mut end: E, work: Work) -> io::Result<E> {
    let (messages, count) = work.messages();
    let mut buf = vec![0; CHUNK];
    receive_all(&mut end, &mut buf, messages[0].len() * count).await?;
    Ok(end)
}

/// What the two ends do.
async fn one_end<E: End>(work: Work, end: E, is_client: bool) -> io::Result<E> {
    match (work, is_client) {
        (Work::PingPong { trips }, true) => ping(end, trips).await,
        (Work::PingPong { trips }, false) => pong(end, trips).await,
        (Work::Bulk { from } | Work::Small { from, .. }, _)
            if (from == Sender::Client) == is_client =>
        {
            send_many(end, work).await
        }
        (Work::Deflate { .. }, false) => send_many(end, work).await,
        _ => receive_many(end, work).await,
    }
}

/// Runs a future on a main loop.
fn on_main_loop<T>(body: impl Future<Output = io::Result<T>> + 'static) -> io::Result<T>
where
    T: 'static,
{
    let context = glib::MainContext::new();
    let run = || context.block_on(async { qio::spawn_local(body).await.expect("no panic") });
    context.with_thread_default(run).expect("its own")
}

/// Runs both ends as tasks.
async fn both_tasks<E: End>(work: Work, client: E, server: E) -> io::Result<Duration> {
    let start = Instant::now();
    let there = qio::spawn_local(one_end(work, server, false));
    let here = qio::spawn_local(one_end(work, client, true));
    let (there, here) = future::join(there, here).await;
    // The ends live until both are done.
    let (there, here) = (there.expect("no panic"), here.expect("no panic"));
    let took = start.elapsed();
    there.and(here)?;
    Ok(took)
}

/// Ours: by messages, or as a stream of bytes.
pub(crate) fn ours(work: Work, net: Net, by_messages: bool) -> io::Result<Duration> {
    let options = options(matches!(work, Work::Deflate { .. }))?;
    match work {
        Work::Handshakes { count, closes } => {
            let pairs = pairs(net, count)?;
            on_main_loop(async move {
                let mut took = Duration::ZERO;
                for pair in pairs {
                    let start = Instant::now();
                    let ends = our_ends(pair, &options)?;
                    handshake(&ends).await?;
                    let left = match closes {
                        true => closing_handshake(ends).await.map(|()| None)?,
                        false => Some(ends),
                    };
                    took += start.elapsed();
                    drop(left);
                }
                Ok(took)
            })
        }
        Work::SlowReader => {
            let (fd, there) = net.pair()?;
            let below = there.try_clone()?;
            let (client, server) = our_ends((there, fd), &options)?;
            on_main_loop(async move {
                handshake(&(client.clone(), server.clone())).await?;
                let reader = SlowReader::read(below)?;
                let data = glib::Bytes::from_owned(vec![7; LARGE]);
                let kind = qio::WebsockMessageKind::Binary;
                let before = cpu_time()?;
                server.send_future(kind, &data).await?;
                server.flush_future().await?;
                let used = cpu_time()? - before;
                reader.join()?;
                Ok(used)
            })
        }
        _ => {
            let ends = our_ends(net.pair()?, &options)?;
            on_main_loop(async move {
                handshake(&ends).await?;
                let (client, server) = ends;
                match by_messages {
                    true => both_tasks(work, Messages(client), Messages(server)).await,
                    false => both_tasks(work, Bytes(client), Bytes(server)).await,
                }
            })
        }
    }
}

/// A channel without a layer.
pub(crate) fn bare(work: Work, net: Net) -> io::Result<Duration> {
    let (here, there) = net.pair()?;
    let (here, there) = (ChannelSocket::new_fd(here)?, ChannelSocket::new_fd(there)?);
    on_main_loop(both_tasks(work, Bytes(here), Bytes(there)))
}

pub(crate) fn on_tokio<L: OnTokio>(work: Work, net: Net) -> io::Result<Duration> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match net {
            Net::Unix => over::<L, tokio::net::UnixStream>(work, net).await,
            Net::Tcp => over::<L, tokio::net::TcpStream>(work, net).await,
        }
    })
}

async fn over<L: OnTokio, S: Socket>(work: Work, net: Net) -> io::Result<Duration> {
    match work {
        // Only tokio-tungstenite performs it without hyper.
        Work::Handshakes { count, closes } => {
            let pairs = pairs(net, count)?;
            let mut took = Duration::ZERO;
            for (here, there) in pairs {
                let start = Instant::now();
                let client = client_async(URI, S::new(here)?);
                let (here, there) = future::join(client, accept_async(S::new(there)?)).await;
                let (here, _) = here.map_err(from_tungstenite)?;
                let there = there.map_err(from_tungstenite)?;
                let left = match closes {
                    true => {
                        future::try_join(close_tungstenite(here), close_tungstenite(there)).await?;
                        None
                    }
                    false => Some((here, there)),
                };
                took += start.elapsed();
                drop(left);
            }
            Ok(took)
        }
        Work::SlowReader => {
            let (fd, there) = net.pair()?;
            let reader = SlowReader::read(there)?;
            let mut end = L::end(S::new(fd)?, false).await;
            let data = <L::End<S> as End>::message(false, &vec![7; LARGE]);
            let before = cpu_time()?;
            end.send(&data).await?;
            let used = cpu_time()? - before;
            reader.join()?;
            Ok(used)
        }
        _ => {
            let (here, there) = net.pair()?;
            let here = L::end(S::new(here)?, true).await;
            let there = L::end(S::new(there)?, false).await;
            let start = Instant::now();
            let both = future::join(one_end(work, here, true), one_end(work, there, false));
            let (here, there) = both.await;
            let took = start.elapsed();
            here.and(there)?;
            Ok(took)
        }
    }
}

fn pairs(net: Net, count: usize) -> io::Result<Vec<(OwnedFd, OwnedFd)>> {
    (0..count).map(|_| net.pair()).collect()
}

/// The processor time of this thread.
fn cpu_time() -> io::Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

/// A thread that reads the bytes of a large message, and pauses after each piece.
struct SlowReader(std::thread::JoinHandle<io::Result<()>>);

impl SlowReader {
    fn read(fd: OwnedFd) -> io::Result<Self> {
        use std::io::Read;
        let mut stream = std::fs::File::from(fd);
        Ok(Self(std::thread::spawn(move || {
            let (mut buf, mut received) = (vec![0; SLOW_READ], 0);
            while received < LARGE {
                match stream.read(&mut buf) {
                    Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(count) => received += count,
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                    Err(e) => return Err(e),
                }
                std::thread::sleep(SLOW_PAUSE);
            }
            Ok(())
        })))
    }

    fn join(self) -> io::Result<()> {
        self.0.join().expect("no panic")
    }
}
