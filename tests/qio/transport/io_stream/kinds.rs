//! All kinds of streams: both modes, futures, TLS over them, and the relay between them.

use std::{cell::Cell, ffi::OsStr, rc::Rc, thread};

use futures_util::{FutureExt as _, future};
use gio::{SubprocessFlags, prelude::*};
use qio::{Channel, ChannelIoStream, ChannelSocket, ChannelTls, Shutdown, prelude::*};

use super::{plain_pair, read_some};
use crate::{
    common::{
        in_time, iterate_until, on_loop,
        pattern::{transfer_both_modes, transfer_by_futures},
    },
    layer::tls::fixtures::{NAME, client_creds, server_cert, server_creds},
};

/// Two connected channels.
type Pair = (Channel, Channel);

fn pair((here, there): (impl IsA<Channel>, impl IsA<Channel>)) -> Pair {
    (here.upcast(), there.upcast())
}

fn of_connections() -> Pair {
    let (here, there) = ChannelSocket::pair().expect("a pair");
    let channel = |it: ChannelSocket| ChannelIoStream::new(&it.to_connection().expect("connected"));
    pair((channel(here), channel(there)))
}

fn of_bridges() -> Pair {
    let (here, there) = ChannelSocket::pair().expect("a pair");
    pair((
        ChannelIoStream::new(&here.io_stream()),
        ChannelIoStream::new(&there.io_stream()),
    ))
}

/// The pipes of two processes, each of which copies one direction.
fn of_processes() -> Pair {
    let flags = SubprocessFlags::STDIN_PIPE | SubprocessFlags::STDOUT_PIPE;
    let cat = || gio::Subprocess::newv(&[OsStr::new("cat")], flags).expect("cat");
    let (to, from) = (cat(), cat());
    let here = ChannelIoStream::new_pair(from.stdout_pipe().as_ref(), to.stdin_pipe().as_ref());
    let there = ChannelIoStream::new_pair(to.stdout_pipe().as_ref(), from.stdin_pipe().as_ref());
    pair((here.expect("pipes"), there.expect("pipes")))
}

/// Two connections of GIO's TLS, which perform the handshake with their first data.
fn of_gio_tls() -> Pair {
    let (here, there) = ChannelSocket::pair().expect("a pair");
    let pem = format!("{}{}", server_cert().pem, server_cert().key);
    let certificate = gio::TlsCertificate::from_pem(&pem).expect("a certificate");
    let client = gio::TlsClientConnection::new(
        &here.to_connection().expect("connected"),
        gio::SocketConnectable::NONE,
    );
    let client = client.expect("a client");
    client.connect_accept_certificate(|_, _, _| true);
    let server = gio::TlsServerConnection::new(
        &there.to_connection().expect("connected"),
        Some(&certificate),
    );
    let server = server.expect("a server");
    let context = glib::MainContext::new();
    // Not by futures: a test may be polling one.
    let hands = || {
        let done = Rc::new(Cell::new(0));
        for end in [
            client.upcast_ref::<gio::TlsConnection>(),
            server.upcast_ref(),
        ] {
            let count = done.clone();
            end.handshake_async(
                glib::Priority::DEFAULT,
                gio::Cancellable::NONE,
                move |result| {
                    result.expect("the handshake");
                    count.set(count.get() + 1);
                },
            );
        }
        iterate_until(&context, || done.get() == 2);
    };
    context.with_thread_default(hands).expect("a context");
    pair((ChannelIoStream::new(&client), ChannelIoStream::new(&server)))
}

fn transfer_in_all_styles(make: impl Fn() -> Pair + Send + Copy + 'static) {
    in_time(move || {
        let (here, there) = make();
        transfer_both_modes(&here, &there);
        transfer_both_modes(&there, &here);
    });
    on_loop(move || async move {
        let (here, there) = make();
        for blocking in [true, false] {
            transfer_by_futures(&here, &there, blocking).await;
        }
        let bytes = read_some(&there);
        let ended = async {
            here.shutdown(Shutdown::Write).expect("shut down");
            here.flush_future().await.expect("all is sent");
        };
        let (end, ()) = future::join(bytes, ended).await;
        assert!(end.expect("the end").is_empty());
        here.close_future().await.expect("closed");
    });
}

fn tls_over(make: impl Fn() -> Pair + Send + Copy + 'static) {
    let tls = move || {
        let (here, there) = make();
        let client = ChannelTls::new_client(&here, &client_creds(), NAME).expect("a client");
        let server = ChannelTls::new_server(&there, &server_creds()).expect("a server");
        (client, server)
    };
    in_time(move || {
        let (client, server) = tls();
        transfer_both_modes(&client, &server);
        thread::scope(|scope| {
            scope.spawn(|| client.close().expect("closed"));
            server.set_blocking(true).expect("blocking");
            assert_eq!(server.read(&mut [0]).expect("close_notify"), 0);
        });
    });
    on_loop(move || async move {
        let (client, server) = tls();
        transfer_by_futures(&client, &server, false).await;
        transfer_by_futures(&server, &client, true).await;
    });
}

/// The data pass one pair, a relay and another pair.
fn relay_over(make: impl Fn() -> Pair + Send + Copy + 'static) {
    on_loop(move || async move {
        let ((here, one), (other, there)) = (make(), make());
        let moved = async {
            transfer_by_futures(&here, &there, false).await;
            transfer_by_futures(&there, &here, false).await;
            for end in [&here, &there] {
                end.shutdown(Shutdown::Write).expect("shut down");
                end.flush_future().await.expect("all is sent");
            }
        };
        let (stats, ()) = future::join(qio::relay_future(&one, &other), moved).await;
        let stats = stats.expect("relayed");
        assert_eq!((stats.sent, stats.received), (1_048_500, 1_048_500));
    });
}

#[test]
fn connections_transfer_as_channels() {
    transfer_in_all_styles(of_connections);
}

#[test]
fn streams_of_channels_transfer_as_channels() {
    transfer_in_all_styles(of_bridges);
}

#[test]
fn pipes_of_processes_of_gio_transfer_as_channels() {
    transfer_in_all_styles(of_processes);
}

#[test]
fn tls_connections_of_gio_transfer_as_channels() {
    needs!("glib-networking");
    transfer_in_all_styles(of_gio_tls);
}

#[test]
fn streams_that_cannot_poll_transfer_as_channels() {
    transfer_in_all_styles(|| pair(plain_pair()));
}

#[test]
fn tls_works_over_streams_that_can_poll() {
    tls_over(of_connections);
    tls_over(of_bridges);
    tls_over(of_processes);
}

#[test]
fn tls_works_over_tls_connections_of_gio() {
    needs!("glib-networking");
    tls_over(of_gio_tls);
}

#[test]
fn tls_works_over_streams_that_cannot_poll() {
    tls_over(|| pair(plain_pair()));
}

#[test]
fn the_relay_works_over_streams_that_can_poll() {
    relay_over(of_connections);
    relay_over(of_bridges);
    relay_over(of_processes);
}

#[test]
fn the_relay_works_over_tls_connections_of_gio() {
    needs!("glib-networking");
    relay_over(of_gio_tls);
}

#[test]
fn the_relay_works_over_streams_that_cannot_poll() {
    relay_over(|| pair(plain_pair()));
}

#[test]
fn memory_streams_are_read_and_written() {
    in_time(|| {
        let data = glib::Bytes::from_owned(vec![b'x'; 200_000]);
        let input = gio::MemoryInputStream::from_bytes(&data);
        let output = gio::MemoryOutputStream::new_resizable();
        let channel = ChannelIoStream::new_pair(Some(&input), Some(&output)).expect("two streams");
        assert_eq!(channel.splice_to(&channel, None).expect("moved"), 200_000);
        channel.close().expect("closed");
        assert_eq!(output.steal_as_bytes(), data);
    });
}

#[test]
fn a_stream_of_a_file_is_read_and_written_in_all_styles() {
    in_time(|| {
        let (file, stream) = gio::File::new_tmp(None::<&str>).expect("a file");
        let channel = ChannelIoStream::new(&stream);
        let data = vec![b'x'; 200_000];
        channel.write_all(&data).expect("written");
        channel.set_blocking(false).expect("non-blocking");
        channel.write_all(b"more").expect("written");
        channel.flush().expect("flushed");
        channel.set_blocking(true).expect("blocking");
        channel.close().expect("closed");
        let input = file.read(gio::Cancellable::NONE).expect("opened");
        let channel = super::reading(&input);
        let context = glib::MainContext::new();
        let read =
            context.with_thread_default(|| context.block_on(channel.read_to_end_future(300_000)));
        let read = read.expect("a context").expect("all");
        assert!(read.len() == 200_004 && read.ends_with(b"xmore"));
        file.delete(gio::Cancellable::NONE).expect("deleted");
    });
}

#[test]
fn converters_are_flushed_and_closed_behind_a_write() {
    for blocking in [true, false] {
        on_loop(move || async move {
            let (here, there) = ChannelSocket::pair().expect("a pair");
            let compressor = gio::ZlibCompressor::new(gio::ZlibCompressorFormat::Gzip, -1);
            let output = here.io_stream().output_stream();
            let writer = super::writing(&gio::ConverterOutputStream::new(&output, &compressor));
            let decompressor = gio::ZlibDecompressor::new(gio::ZlibCompressorFormat::Gzip);
            let input = there.io_stream().input_stream();
            let reader = super::reading(&gio::ConverterInputStream::new(&input, &decompressor));
            writer.set_blocking(blocking).expect("the mode");
            reader.set_blocking(blocking).expect("the mode");
            writer.write_all_future(b"hello").await.expect("written");
            assert!(read_some(&reader).now_or_never().is_none());
            writer.flush_future().await.expect("flushed");
            assert_eq!(read_some(&reader).await.expect("data"), b"hello");
            writer.write_all_future(b"again").await.expect("written");
            writer.close_future().await.expect("closed");
            assert_eq!(read_some(&reader).await.expect("data"), b"again");
            assert!(read_some(&reader).await.expect("the end").is_empty());
        });
    }
}

#[test]
fn a_decompressor_of_a_file_is_read_as_a_channel() {
    in_time(|| {
        let (file, stream) = gio::File::new_tmp(None::<&str>).expect("a file");
        let compressor = gio::ZlibCompressor::new(gio::ZlibCompressorFormat::Gzip, -1);
        let output = gio::ConverterOutputStream::new(&stream.output_stream(), &compressor);
        let writer = super::writing(&output);
        let data: Vec<u8> = (0..300_000).map(|i| (i / 7 % 251) as u8).collect();
        writer.write_all(&data).expect("written");
        writer.close().expect("closed");
        let input = file.read(gio::Cancellable::NONE).expect("opened");
        let decompressor = gio::ZlibDecompressor::new(gio::ZlibCompressorFormat::Gzip);
        let reader = super::reading(&gio::ConverterInputStream::new(&input, &decompressor));
        assert!(reader.read_to_end(400_000).expect("all") == data);
        file.delete(gio::Cancellable::NONE).expect("deleted");
    });
}
