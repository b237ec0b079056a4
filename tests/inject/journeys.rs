//! What programs do with channels: each a few system calls.

use std::{
    fs::File,
    future::Future,
    io::{self, IoSlice, IoSliceMut},
    os::fd::AsFd,
    time::Duration,
};

use futures_util::future::try_join;
use gio::prelude::*;
use glib::{IOCondition, MainContext};
use qio::{
    Access, Channel, ChannelCommand, ChannelFile, ChannelSocket, NetListener, ReadFlags, Shutdown,
    WriteFlags, prelude::*,
};

/// What a program does, and the first error.
pub(crate) type Journey = fn() -> io::Result<()>;

pub(crate) const JOURNEYS: [(&str, Journey); 9] = [
    ("blocking", blocking),
    ("descriptors", descriptors),
    ("futures", futures),
    ("tcp", tcp),
    ("listener", listener),
    ("datagrams", datagrams),
    ("pipes", pipes),
    ("command", command),
    ("splice", splice),
];

/// How long a journey waits for one thing before it is an error.
pub(crate) const LIMIT: Duration = Duration::from_secs(3);

fn blocking() -> io::Result<()> {
    let (a, b) = ChannelSocket::pair()?;
    a.write_all(b"hello")?;
    b.wait_timeout(IOCondition::IN, LIMIT)?;
    b.read_all(&mut [0; 5])?;
    a.shutdown(Shutdown::Write)?;
    b.read_all_eof(&mut [0])?;
    a.close()?;
    b.close()
}

fn descriptors() -> io::Result<()> {
    let (a, b) = ChannelSocket::pair()?;
    let some = File::open("/dev/null")?;
    a.writev_full_all(&[IoSlice::new(b"x")], &[some.as_fd()], WriteFlags::empty())?;
    let mut fds = Vec::new();
    b.readv_full_all(
        &mut [IoSliceMut::new(&mut [0])],
        Some(&mut fds),
        ReadFlags::empty(),
    )?;
    a.close()?;
    b.close()
}

/// Runs a future on a private context, for no longer than [`LIMIT`].
pub(crate) fn run(future: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    let context = MainContext::new();
    let run = || context.block_on(future.or_timeout(LIMIT));
    context.with_thread_default(run).expect("a new context")
}

/// More than one way holds, and back.
async fn transfer(read: &Channel, write: &qio::Channel) -> io::Result<()> {
    const SIZE: usize = 300_000;
    let mut got = vec![0; SIZE];
    let sent = vec![b'x'; SIZE];
    try_join(
        read.read_all_future(&mut got),
        write.write_all_future(&sent),
    )
    .await?;
    assert!(got == sent, "what arrives is what was sent");
    Ok(())
}

fn futures() -> io::Result<()> {
    let (a, b) = ChannelSocket::pair()?;
    run(async {
        transfer(a.upcast_ref(), b.upcast_ref()).await?;
        a.close_future().await?;
        b.close_future().await
    })
}

pub(crate) fn loopback() -> gio::SocketAddress {
    let host = gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4);
    gio::InetSocketAddress::new(&host, 0).upcast()
}

fn tcp() -> io::Result<()> {
    let listener = ChannelSocket::listen(&loopback(), 4)?;
    let address = listener.local_address()?;
    run(async {
        let client = ChannelSocket::connect_future(&address);
        let (client, server) = try_join(client, listener.accept_future()).await?;
        transfer(server.upcast_ref(), client.upcast_ref()).await
    })
}

fn listener() -> io::Result<()> {
    let listener = NetListener::new();
    listener.open_sync(&loopback(), 4)?;
    // None where the system does not report it.
    let address = listener.local_addresses().pop();
    let address =
        address.ok_or_else(|| io::Error::other("Unable to get the address of the listener"))?;
    run(async {
        let client = ChannelSocket::connect_future(&address);
        let (client, server) = try_join(client, listener.accept_future()).await?;
        transfer(server.upcast_ref(), client.upcast_ref()).await
    })
}

fn datagrams() -> io::Result<()> {
    let a = ChannelSocket::dgram(Some(&loopback()), gio::SocketConnectable::NONE)?;
    let b = ChannelSocket::dgram(Some(&loopback()), Some(&a.local_address()?))?;
    run(async {
        b.write_all_future(b"hello").await?;
        let (count, from) = a.recv_from_future(&mut [0; 100]).await?;
        assert_eq!(count, 5);
        a.send_to(b"back", &from.expect("it has an address"))?;
        b.read_all_future(&mut [0; 4]).await
    })
}

fn pipes() -> io::Result<()> {
    let (read, write) = ChannelFile::pipe()?;
    run(async { transfer(read.upcast_ref(), write.upcast_ref()).await })?;
    read.close()?;
    write.close()
}

fn command() -> io::Result<()> {
    let cat = ChannelCommand::new_spawn(["cat"], Access::ReadWrite)?;
    run(async { transfer(cat.upcast_ref(), cat.upcast_ref()).await })?;
    cat.shutdown(Shutdown::Write)?;
    cat.wait_timeout(IOCondition::IN, LIMIT)?;
    cat.read_all_eof(&mut [0])?;
    cat.close()
}

/// From a connection to another one, which the kernel does through a pipe.
fn splice() -> io::Result<()> {
    const SIZE: usize = 300_000;
    let listener = ChannelSocket::listen(&loopback(), 4)?;
    let address = listener.local_address()?;
    let connect = || -> io::Result<_> {
        let client = ChannelSocket::connect(&address)?;
        let server = listener.accept()?;
        for end in [&client, &server] {
            end.set_blocking(false)?;
        }
        Ok((client, server))
    };
    let ((write, source), (target, read)) = (connect()?, connect()?);
    run(async {
        let sent = vec![b'x'; SIZE];
        let mut got = vec![0; SIZE];
        let ends = try_join(
            write.write_all_future(&sent),
            read.read_all_future(&mut got),
        );
        try_join(source.splice_to_future(&target, Some(SIZE as u64)), ends).await?;
        Ok(())
    })
}
