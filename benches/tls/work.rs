//! The work that is measured.

use std::{
    io,
    pin::Pin,
    thread,
    time::{Duration, Instant},
};

use futures_util::future;
use openssl::ssl::SslStream;
use qio::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::ends::{BareEnd, bare_ends, our_ends};

/// What a bulk transfer writes at once, in bytes, and in all.
const CHUNK: usize = 64 * 1024;
pub(crate) const BULK: usize = 256 << 20;

#[derive(Clone, Copy)]
pub(crate) enum Work {
    Bulk,
    PingPong { trips: usize },
    Handshakes { count: usize },
}

/// One thread writes, another one reads.
pub(crate) fn bulk(
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

pub(crate) fn handshake_bare((ssl, socket): BareEnd) -> io::Result<()> {
    SslStream::new(ssl, socket)?
        .do_handshake()
        .map_err(io::Error::other)
}

/// Both ends of many connections, one after the other, in two threads.
pub(crate) fn handshakes<T: Send>(
    count: usize,
    ends: impl Fn() -> io::Result<(T, T)>,
    handshake: impl Fn(T) -> io::Result<()> + Sync,
) -> io::Result<Duration> {
    let pairs = (0..count).map(|_| ends()).collect::<io::Result<Vec<_>>>()?;
    let (clients, servers): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    let start = Instant::now();
    thread::scope(|scope| {
        let there = scope.spawn(|| servers.into_iter().try_for_each(&handshake));
        clients.into_iter().try_for_each(&handshake)?;
        there.join().expect("no panic")
    })?;
    Ok(start.elapsed())
}

pub(crate) fn on_main_loop(work: Work) -> io::Result<Duration> {
    let (client, server) = our_ends()?;
    let context = glib::MainContext::new();
    let body = || {
        context.block_on(async {
            let agreed = future::join(client.handshake_future(), server.handshake_future());
            let (here, there) = agreed.await;
            here.and(there)?;
            let start = Instant::now();
            let (there, here) = match work {
                Work::PingPong { trips } => {
                    let pong = qio::spawn_local(async move {
                        for _ in 0..trips {
                            server.read_all_future(&mut [0]).await?;
                            server.write_all_future(&[1]).await?;
                        }
                        io::Result::Ok(())
                    });
                    let ping = qio::spawn_local(async move {
                        for _ in 0..trips {
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

pub(crate) fn on_tokio(work: Work) -> io::Result<Duration> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let [client, server] = bare_ends()?;
        let (here, there) = tokio::net::UnixStream::pair()?;
        let mut client = tokio_openssl::SslStream::new(client, here)?;
        let mut server = tokio_openssl::SslStream::new(server, there)?;
        let agreed = future::join(
            Pin::new(&mut client).connect(),
            Pin::new(&mut server).accept(),
        );
        let (here, there) = agreed.await;
        here.and(there).map_err(io::Error::other)?;
        let start = Instant::now();
        match work {
            Work::PingPong { trips } => {
                let ping = async {
                    for _ in 0..trips {
                        client.write_all(&[1]).await?;
                        client.read_exact(&mut [0]).await?;
                    }
                    io::Result::Ok(())
                };
                let pong = async {
                    for _ in 0..trips {
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
