//! What TLS costs over a channel: beside the crate `openssl` on the bare socket, and beside tokio-openssl.
//!
//! The two sides of a case take turns, over unix sockets, with the same certificate and ciphers. Blocking sides have
//! a thread for each end, asynchronous ones have both ends on one loop. `cargo bench --bench tls -- [FILTER]` runs the
//! cases whose names contain FILTER, and prints both sides and the median of the ratios of neighbours.

#[path = "peers/beside.rs"]
mod beside;
#[path = "peers/verdict.rs"]
mod verdict;

use std::{
    env,
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    pin::Pin,
    process::ExitCode,
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};

use beside::{Beside, in_turns};
use futures_util::future;
use openssl::{
    pkey::PKey,
    ssl::{Ssl, SslContext, SslMethod, SslStream, SslVerifyMode, SslVersion},
    x509::X509,
};
use qio::{ChannelSocket, ChannelTls, TlsCreds, TlsEndpoint, prelude::*};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use verdict::Verdict;

const NAME: &str = "server.test";

/// What a bulk transfer writes at once, in bytes, and in all.
const CHUNK: usize = 64 * 1024;
const BULK: usize = 256 << 20;

const ROUND_TRIPS: usize = 20_000;
const HANDSHAKES: usize = 200;

struct Certificate {
    pem: String,
    key: String,
}

static CERTIFICATE: LazyLock<Certificate> = LazyLock::new(|| {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new([NAME.to_owned()]).expect("a name");
    // An authority, which clients trust.
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Certificate {
        pem: params.self_signed(&key).expect("signed").pem(),
        key: key.serialize_pem(),
    }
});

static OURS: LazyLock<[TlsCreds; 2]> = LazyLock::new(|| {
    let client = TlsCreds::builder(TlsEndpoint::Client).trust_pem(CERTIFICATE.pem.as_str());
    let server = TlsCreds::builder(TlsEndpoint::Server)
        .certificate_pem(CERTIFICATE.pem.as_str(), CERTIFICATE.key.as_str());
    [client, server].map(|builder| builder.resumption(false).build().expect("good"))
});

static BARE: LazyLock<[SslContext; 2]> = LazyLock::new(|| bare().expect("OpenSSL works"));

fn bare() -> Result<[SslContext; 2], openssl::error::ErrorStack> {
    let mut client = SslContext::builder(SslMethod::tls())?;
    let certificate = X509::from_pem(CERTIFICATE.pem.as_bytes())?;
    client.cert_store_mut().add_cert(certificate.clone())?;
    client.set_verify(SslVerifyMode::PEER);
    let mut server = SslContext::builder(SslMethod::tls())?;
    server.set_certificate(&certificate)?;
    server.set_private_key(&*PKey::private_key_from_pem(CERTIFICATE.key.as_bytes())?)?;
    for context in [&mut client, &mut server] {
        context.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    }
    Ok([client.build(), server.build()])
}

/// The two ends of a bare connection, before the handshake.
fn bare_ends() -> io::Result<[Ssl; 2]> {
    let [client, server] = &*BARE;
    let mut client = Ssl::new(client)?;
    client.set_hostname(NAME)?;
    client.param_mut().set_host(NAME)?;
    Ok([client, Ssl::new(server)?])
}

fn our_ends() -> io::Result<(ChannelTls, ChannelTls)> {
    let (here, there) = ChannelSocket::pair()?;
    let [client, server] = &*OURS;
    Ok((
        ChannelTls::new_client(&here, client, NAME)?,
        ChannelTls::new_server(&there, server)?,
    ))
}

#[derive(Clone, Copy)]
enum Work {
    Bulk,
    PingPong,
    Handshakes,
}

impl Work {
    /// What is counted in a second.
    fn amount(self) -> (f64, &'static str) {
        match self {
            Self::Bulk => (BULK as f64 / 1048576.0, "MiB/s"),
            Self::PingPong => (ROUND_TRIPS as f64, "trips/s"),
            Self::Handshakes => (HANDSHAKES as f64, "1/s"),
        }
    }
}

#[derive(Clone, Copy)]
enum Side {
    /// A channel, in two threads.
    Blocking,
    /// The same on a main loop.
    Future,
    /// `SslStream` on the socket itself.
    Openssl,
    TokioOpenssl,
}

/// Ours must do at least `goal` times as much in a second as the peer.
struct Case {
    name: &'static str,
    work: Work,
    ours: Side,
    peer: Side,
    goal: f64,
}

const CASES: [Case; 4] = [
    Case {
        name: "bulk",
        work: Work::Bulk,
        ours: Side::Blocking,
        peer: Side::Openssl,
        goal: 0.95,
    },
    Case {
        name: "bulk, future",
        work: Work::Bulk,
        ours: Side::Future,
        peer: Side::TokioOpenssl,
        goal: 1.0,
    },
    Case {
        name: "ping-pong, future",
        work: Work::PingPong,
        ours: Side::Future,
        peer: Side::TokioOpenssl,
        // At most 1.1 times the time.
        goal: 0.909,
    },
    Case {
        name: "handshakes",
        work: Work::Handshakes,
        ours: Side::Blocking,
        peer: Side::Openssl,
        goal: 0.9,
    },
];

const ROUNDS: usize = 9;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).filter(|a| a != "--bench").collect();
    let filter = arguments.first().map_or("", String::as_str);
    println!(
        "{:<20} {:<14} {:>10} {:>10} {:<8} {:>6} {:>6}",
        "case", "peer", "ours", "peer", "", "ratio", "goal"
    );
    let mut code = ExitCode::SUCCESS;
    for case in CASES.iter().filter(|case| case.name.contains(filter)) {
        match compare(case) {
            Ok(Verdict::Failed) => code = ExitCode::FAILURE,
            Ok(_) => {}
            Err(e) => {
                eprintln!("tls: {}: {e}", case.name);
                return ExitCode::FAILURE;
            }
        }
    }
    code
}

fn compare(case: &Case) -> io::Result<Verdict> {
    let (amount, unit) = case.work.amount();
    let speed = |side: Side| Ok(amount / side.measure(case.work)?.as_secs_f64());
    let Beside {
        ours,
        theirs,
        ratio,
    } = in_turns(1, ROUNDS, || speed(case.ours), || speed(case.peer))?;
    let verdict = Verdict::at_least(ratio, case.goal);
    println!(
        "{:<20} {:<14} {ours:>10.0} {theirs:>10.0} {unit:<8} {ratio:>6.3} {:>6} {verdict}",
        case.name,
        case.peer.name(),
        case.goal,
    );
    Ok(verdict)
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Self::Blocking => "blocking",
            Self::Future => "future",
            Self::Openssl => "openssl",
            Self::TokioOpenssl => "tokio-openssl",
        }
    }

    fn measure(self, work: Work) -> io::Result<Duration> {
        match (self, work) {
            (Self::Blocking, Work::Handshakes) => handshakes(our_ends, |end| end.handshake()),
            (Self::Openssl, Work::Handshakes) => handshakes(bare_pairs, shake_bare),
            (Self::Blocking, _) => {
                let (client, server) = our_ends()?;
                bulk(|buf| client.write_all(buf), |buf| server.read_all(buf))
            }
            (Self::Openssl, _) => {
                let ((a, x), (b, y)) = bare_pairs()?;
                let (mut client, mut server) = (SslStream::new(a, x)?, SslStream::new(b, y)?);
                thread::scope(|scope| {
                    let there = scope.spawn(|| server.accept());
                    let here = client.connect();
                    here.and(there.join().expect("no panic"))
                })
                .map_err(io::Error::other)?;
                bulk(|buf| client.write_all(buf), |buf| server.read_exact(buf))
            }
            (Self::Future, work) => on_main_loop(work),
            (Self::TokioOpenssl, work) => on_tokio(work),
        }
    }
}

/// One thread writes, another one reads.
fn bulk(
    mut write: impl FnMut(&[u8]) -> io::Result<()> + Send,
    mut read: impl FnMut(&mut [u8]) -> io::Result<()> + Send,
) -> io::Result<Duration> {
    thread::scope(|scope| {
        let start = Instant::now();
        let writer = scope.spawn(move || {
            let data = vec![7; CHUNK];
            (0..BULK / CHUNK).try_for_each(|_| write(&data))
        });
        let mut buf = vec![0; CHUNK];
        (0..BULK / CHUNK).try_for_each(|_| read(&mut buf))?;
        writer.join().expect("no panic")?;
        Ok(start.elapsed())
    })
}

type BareEnd = (Ssl, UnixStream);

fn bare_pairs() -> io::Result<(BareEnd, BareEnd)> {
    let [client, server] = bare_ends()?;
    let (here, there) = UnixStream::pair()?;
    let (mut client, mut server) = ((client, here), (server, there));
    client.0.set_connect_state();
    server.0.set_accept_state();
    Ok((client, server))
}

fn shake_bare((ssl, socket): BareEnd) -> io::Result<()> {
    SslStream::new(ssl, socket)?
        .do_handshake()
        .map_err(io::Error::other)
}

/// Both ends of many connections, one after the other, in two threads.
fn handshakes<T: Send>(
    ends: impl Fn() -> io::Result<(T, T)>,
    shake: impl Fn(T) -> io::Result<()> + Sync,
) -> io::Result<Duration> {
    let pairs = (0..HANDSHAKES)
        .map(|_| ends())
        .collect::<io::Result<Vec<_>>>()?;
    let (clients, servers): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    let start = Instant::now();
    thread::scope(|scope| {
        let there = scope.spawn(|| servers.into_iter().try_for_each(&shake));
        clients.into_iter().try_for_each(&shake)?;
        there.join().expect("no panic")
    })?;
    Ok(start.elapsed())
}

fn on_main_loop(work: Work) -> io::Result<Duration> {
    let (client, server) = our_ends()?;
    let context = glib::MainContext::new();
    let body = || {
        context.block_on(async {
            let shaken = future::join(client.handshake_future(), server.handshake_future());
            let (here, there) = shaken.await;
            here.and(there)?;
            let start = Instant::now();
            let (there, here) = match work {
                Work::PingPong => {
                    let pong = qio::spawn_local(async move {
                        for _ in 0..ROUND_TRIPS {
                            server.read_all_future(&mut [0]).await?;
                            server.write_all_future(&[1]).await?;
                        }
                        io::Result::Ok(())
                    });
                    let ping = qio::spawn_local(async move {
                        for _ in 0..ROUND_TRIPS {
                            client.write_all_future(&[1]).await?;
                            client.read_all_future(&mut [0]).await?;
                        }
                        io::Result::Ok(())
                    });
                    (pong, ping)
                }
                _ => {
                    let read = qio::spawn_local(async move {
                        let mut buf = vec![0; CHUNK];
                        for _ in 0..BULK / CHUNK {
                            server.read_all_future(&mut buf).await?;
                        }
                        io::Result::Ok(())
                    });
                    let write = qio::spawn_local(async move {
                        let data = vec![7; CHUNK];
                        for _ in 0..BULK / CHUNK {
                            client.write_all_future(&data).await?;
                        }
                        io::Result::Ok(())
                    });
                    (read, write)
                }
            };
            let (there, here) = future::join(there, here).await;
            there.expect("no panic").and(here.expect("no panic"))?;
            Ok(start.elapsed())
        })
    };
    context.with_thread_default(body).expect("its own")
}

fn on_tokio(work: Work) -> io::Result<Duration> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let [client, server] = bare_ends()?;
        let (here, there) = tokio::net::UnixStream::pair()?;
        let mut client = tokio_openssl::SslStream::new(client, here)?;
        let mut server = tokio_openssl::SslStream::new(server, there)?;
        let shaken = future::join(
            Pin::new(&mut client).connect(),
            Pin::new(&mut server).accept(),
        );
        let (here, there) = shaken.await;
        here.and(there).map_err(io::Error::other)?;
        let start = Instant::now();
        match work {
            Work::PingPong => {
                let ping = async {
                    for _ in 0..ROUND_TRIPS {
                        client.write_all(&[1]).await?;
                        client.read_exact(&mut [0]).await?;
                    }
                    io::Result::Ok(())
                };
                let pong = async {
                    for _ in 0..ROUND_TRIPS {
                        server.read_exact(&mut [0]).await?;
                        server.write_all(&[1]).await?;
                    }
                    io::Result::Ok(())
                };
                let (ping, pong) = future::join(ping, pong).await;
                ping.and(pong)?;
            }
            _ => {
                let write = async {
                    let data = vec![7; CHUNK];
                    for _ in 0..BULK / CHUNK {
                        client.write_all(&data).await?;
                    }
                    client.flush().await
                };
                let read = async {
                    let mut buf = vec![0; CHUNK];
                    for _ in 0..BULK / CHUNK {
                        server.read_exact(&mut buf).await?;
                    }
                    io::Result::Ok(())
                };
                let (written, got) = future::join(write, read).await;
                written.and(got)?;
            }
        }
        Ok(start.elapsed())
    })
}
