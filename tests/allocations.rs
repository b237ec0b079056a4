//! Code that must not allocate: a separate program, as the allocator counts for the whole process.

#![allow(unsafe_code)] // an allocator is an unsafe trait

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    convert::Infallible,
    future::poll_fn,
    io::{self, ErrorKind, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    pin::Pin,
    task::{Poll, ready},
};

use gio::prelude::*;
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    client::conn::http1::{SendRequest, handshake},
    rt::{Read as _, ReadBuf, Write as _},
    service::service_fn,
};
use qio::{
    ChannelBuffer, ChannelFile, ChannelSocket, ChannelTls, TlsCreds, TlsEndpoint,
    hyper::{Io, Timer},
    prelude::*,
};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    /// Bytes that are in use.
    static LIVE: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: everything is passed on to the system's allocator; a count of this thread is kept.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        let _ = LIVE.try_with(|live| live.set(live.get().wrapping_add(layout.size())));
        // SAFETY: passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        let _ = LIVE.try_with(|live| live.set(live.get().wrapping_sub(layout.size())));
        // SAFETY: passed on.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// How often `run` allocates in its second of two runs: the first may set the thread up.
fn allocations(mut run: impl FnMut()) -> usize {
    run();
    let before = ALLOCATIONS.get();
    run();
    ALLOCATIONS.get() - before
}

#[test]
fn allocations_are_counted() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1);
}

/// Writes and reads, in every way that should cost nothing.
fn ping(from: &impl IsA<qio::Channel>, to: &impl IsA<qio::Channel>) {
    let (mut one, mut other) = ([0; 3], [0; 2]);
    from.write(b"x").expect("space");
    to.read(&mut one[..1]).expect("there");
    let slices = [IoSlice::new(b"abc"), IoSlice::new(b"de")];
    from.writev(&slices).expect("space");
    let mut iov = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut other)];
    to.readv(&mut iov).expect("there");
    from.writev_all(&slices).expect("space");
    to.readv_all(&mut iov).expect("there");
    assert_eq!((&one, &other), (b"abc", b"de"));
}

#[test]
fn reading_and_writing_a_socket_does_not_allocate() {
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    for blocking in [true, false] {
        a.set_blocking(blocking).expect("the mode");
        b.set_blocking(blocking).expect("the mode");
        assert_eq!(allocations(|| ping(&a, &b)), 0);
    }
}

#[test]
fn reading_and_writing_a_pipe_does_not_allocate() {
    let (reader, writer) = ChannelFile::pipe().expect("a pipe");
    for blocking in [true, false] {
        reader.set_blocking(blocking).expect("the mode");
        writer.set_blocking(blocking).expect("the mode");
        assert_eq!(allocations(|| ping(&writer, &reader)), 0);
    }
}

#[test]
fn a_read_that_would_block_does_not_allocate() {
    let (a, _b) = ChannelSocket::pair().expect("a socketpair");
    let (reader, _writer) = ChannelFile::pipe().expect("a pipe");
    for channel in [a.upcast::<qio::Channel>(), reader.upcast()] {
        channel.set_blocking(false).expect("non-blocking");
        let would_block = || {
            let e = channel.read(&mut [0]).expect_err("nothing is there");
            assert_eq!(e.kind(), ErrorKind::WouldBlock);
        };
        assert_eq!(allocations(would_block), 0);
    }
}

#[test]
fn reading_memory_does_not_allocate() {
    let buffer = ChannelBuffer::from(vec![0; 64]);
    let read = || {
        buffer.read(&mut [0; 8]).expect("there");
    };
    assert_eq!(allocations(read), 0);
}

/// A connection of which one end has written more than the socket buffers hold.
fn write_too_much([here, there]: &[TlsCreds; 2]) {
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    let client = ChannelTls::new_client(&a, here, None).expect("a client");
    let server = ChannelTls::new_server(&b, there).expect("a server");
    for end in [&client, &server] {
        end.set_blocking(false).expect("non-blocking");
    }
    let e = loop {
        match client.write(&[7; 4096]) {
            Err(e) if client.is_handshake_done() => break e,
            _ if client.is_handshake_done() => {}
            _ => drop(server.read(&mut [0])),
        }
    };
    assert_eq!(e.kind(), ErrorKind::WouldBlock);
}

#[test]
fn pending_work_of_a_main_loop_that_never_runs_is_freed_with_its_channel() {
    let creds = [TlsEndpoint::Client, TlsEndpoint::Server]
        .map(|end| {
            TlsCreds::builder(end)
                .psk("me", *b"sixteen bytes...")
                .build()
        })
        .map(|creds| creds.expect("a key"));
    (0..20).for_each(|_| write_too_much(&creds));
    let before = LIVE.get();
    (0..200).for_each(|_| write_too_much(&creds));
    let kept = LIVE.get().saturating_sub(before);
    assert!(kept < 200, "{kept} bytes of 200 connections");
}

#[test]
fn a_channel_keeps_no_memory_of_former_layered_channels() {
    let creds = TlsCreds::builder(TlsEndpoint::Client).psk("me", *b"sixteen bytes...");
    let creds = creds.build().expect("a key");
    let (below, _peer) = ChannelSocket::pair().expect("a socketpair");
    let over = || drop(ChannelTls::new_client(&below, &creds, None).expect("a client"));
    (0..20).for_each(|_| over());
    let before = LIVE.get();
    (0..200).for_each(|_| over());
    let kept = LIVE.get().saturating_sub(before);
    assert!(kept < 200, "{kept} bytes of 200 channels");
}

/// Sends a byte through connections of hyper, and one that is read too early first.
async fn ping_io(from: &mut Io, to: &mut Io) {
    let mut memory = [MaybeUninit::uninit(); 64];
    let reading = poll_fn(|cx| {
        let mut buf = ReadBuf::uninit(&mut memory);
        ready!(Pin::new(&mut *to).poll_read(cx, buf.unfilled()))?;
        Poll::Ready(Ok::<_, io::Error>(buf.filled().len()))
    });
    let writing = poll_fn(|cx| {
        let bufs = [IoSlice::new(b"pi"), IoSlice::new(b"ng")];
        Pin::new(&mut *from).poll_write_vectored(cx, &bufs)
    });
    let (read, written) = futures_util::future::join(reading, writing).await;
    assert_eq!((read.expect("there"), written.expect("space")), (4, 4));
}

#[test]
fn a_stream_with_a_cancellable_does_not_allocate_where_it_need_not_wait() {
    let (here, there) = ChannelSocket::pair().expect("a socketpair");
    let (here, there) = (here.io_stream(), there.io_stream());
    let (input, output) = (here.input_stream(), there.output_stream());
    let cancellable = gio::Cancellable::new();
    let mut buf = [0; 8];
    let count = allocations(|| {
        assert_eq!(output.write(b"x", Some(&cancellable)), Ok(1));
        output.flush(Some(&cancellable)).expect("flushed");
        assert_eq!(input.read(&mut buf, Some(&cancellable)), Ok(1));
    });
    assert_eq!(count, 0);
}

#[test]
fn reading_and_writing_a_connection_of_hyper_does_not_allocate() {
    let context = glib::MainContext::new();
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    let (mut a, mut b) = (Io::new(&a), Io::new(&b));
    let pings = context.block_on(async {
        let mut counts = Vec::with_capacity(3);
        for _ in 0..3 {
            let before = ALLOCATIONS.get();
            ping_io(&mut a, &mut b).await;
            ping_io(&mut b, &mut a).await;
            counts.push(ALLOCATIONS.get() - before);
        }
        counts
    });
    assert_eq!(pings[1..], [0, 0]);
}

/// Requests without a body over one connection, by HTTP/1.1.
async fn ping_http(sender: &mut SendRequest<Empty<Bytes>>) {
    let request = Request::get("/").header("host", "test");
    let request = request.body(Empty::new()).expect("a request");
    sender.ready().await.expect("open");
    let response = sender.send_request(request).await.expect("a response");
    assert!(response.into_body().collect().await.is_ok());
}

#[test]
fn a_request_by_http1_allocates_no_more_than_hyper_needs() {
    /// What hyper itself allocates for a request and a response: messages between tasks, heads,
    /// header maps, and a timeout.
    const MOST: usize = 18;
    let context = glib::MainContext::new();
    let (here, there) = ChannelSocket::pair().expect("a socketpair");
    let pings = context.block_on(async {
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(Timer);
        let service = service_fn(async |_: Request<Incoming>| {
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        });
        drop(qio::spawn_local(
            http.serve_connection(Io::new(&there), service),
        ));
        let opening = handshake(Io::new(&here));
        let (mut sender, connection) = opening.await.expect("open");
        drop(qio::spawn_local(connection));
        ping_http(&mut sender).await;
        let before = ALLOCATIONS.get();
        for _ in 0..100 {
            ping_http(&mut sender).await;
        }
        ALLOCATIONS.get() - before
    });
    assert!(pings <= 100 * MOST, "{pings} for 100 requests");
}
