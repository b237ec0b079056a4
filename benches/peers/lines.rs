//! Lines of 80 bytes, from one task, or thread, to another; a unit is a line.

use std::{
    future::Future,
    io::Write as _,
    os::{fd::OwnedFd, unix::net::UnixStream},
    thread,
};

use futures_util::StreamExt as _;
use gio::prelude::*;
use qio::{ChannelSocket, prelude::*};
use tokio_util::codec::{FramedRead, LinesCodec};

use super::{
    futures::{End, Runtime},
    meter::Meter,
    on_gio::{self, Gio},
    on_tokio::Tokio,
    ours::{self, Ours},
    sockets::{self, Transport},
};

/// The length of a line, with its LF.
const LINE: usize = 80;

/// How many lines a write has.
const LINES: usize = 800;

/// The most bytes of a line.
const MAX: usize = 1000;

fn block() -> Vec<u8> {
    let mut line = vec![b'x'; LINE];
    line[LINE - 1] = b'\n';
    line.repeat(LINES)
}

/// A side that reads lines in a task.
pub(crate) trait LineReader: Runtime {
    fn read_lines(socket: OwnedFd, meter: std::rc::Rc<Meter>) -> impl Future<Output = ()>;
}

/// One task writes blocks of lines, and another one reads them line by line.
pub(crate) fn futures<R: LineReader>() {
    R::run(|| {
        let [a, b] = sockets::pair(Transport::Unix);
        let mut writer = R::End::with_message(a, block());
        R::spawn(async move {
            loop {
                writer.send().await;
            }
        });
        R::spawn(R::read_lines(b, Meter::new()));
    });
}

impl LineReader for Ours {
    async fn read_lines(socket: OwnedFd, meter: std::rc::Rc<Meter>) {
        let channel = ours::channel(socket);
        loop {
            let line = channel.read_line_future(MAX).await.expect("a line");
            assert_eq!(line.expect("not the end").len(), LINE - 1);
            meter.tick();
        }
    }
}

impl LineReader for Gio<on_gio::Async> {
    async fn read_lines(socket: OwnedFd, meter: std::rc::Rc<Meter>) {
        let connection = on_gio::connect(socket);
        let lines = gio::DataInputStream::new(&connection.input_stream());
        loop {
            let line = lines.read_line_future(glib::Priority::DEFAULT).await;
            assert_eq!(line.expect("a line").expect("not the end").len(), LINE - 1);
            meter.tick();
        }
    }
}

impl LineReader for Tokio<tokio::net::UnixStream> {
    async fn read_lines(socket: OwnedFd, meter: std::rc::Rc<Meter>) {
        let stream = UnixStream::from(socket);
        let stream = tokio::net::UnixStream::from_std(stream).expect("inside the runtime");
        let mut lines = FramedRead::new(stream, LinesCodec::new_with_max_length(MAX));
        loop {
            let line = lines.next().await.expect("not the end").expect("a line");
            assert_eq!(line.len(), LINE - 1);
            meter.tick();
        }
    }
}

/// A thread writes, and this one reads.
fn blocking() -> OwnedFd {
    let (mut a, b) = UnixStream::pair().expect("a socketpair");
    thread::spawn(move || {
        let block = block();
        while a.write_all(&block).is_ok() {}
    });
    b.into()
}

/// Our lines, read blocking.
pub(crate) fn blocking_ours() {
    let channel = ChannelSocket::new_fd(blocking()).expect("a socket");
    let meter = Meter::new();
    for line in channel.lines(MAX) {
        assert_eq!(line.expect("a line").len(), LINE - 1);
        meter.tick();
    }
}

/// Those of a `GDataInputStream`, read blocking.
pub(crate) fn blocking_gio() {
    let connection = on_gio::connect(blocking());
    let lines = gio::DataInputStream::new(&connection.input_stream());
    let meter = Meter::new();
    loop {
        let line = lines.read_line(gio::Cancellable::NONE).expect("a line");
        assert_eq!(line.expect("not the end").len(), LINE - 1);
        meter.tick();
    }
}
