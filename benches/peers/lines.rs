//! Lines of 80 bytes that a thread writes; a unit is a line that was read.

use std::{
    future::Future,
    io::Write as _,
    os::{fd::OwnedFd, unix::net::UnixStream},
    rc::Rc,
    thread,
};

use futures_util::StreamExt as _;
use gio::prelude::*;
use qio::{ChannelSocket, prelude::*};
use tokio::io::AsyncBufReadExt as _;
use tokio_util::codec::{FramedRead, LinesCodec};

use super::{
    futures::Runtime,
    on_gio::{self, Gio},
    on_qio::{self, Qio},
    on_tokio::Tokio,
    sample::Meter,
};

/// The length of a line, with its LF.
const LINE: usize = 80;

/// How many lines a write has.
const LINES: usize = 800;

/// The most bytes of a line.
const MAX: usize = 1000;

fn block() -> Vec<u8> {
    let mut line = [b'x'; LINE];
    line[LINE - 1] = b'\n';
    line.repeat(LINES)
}

/// A side that reads lines in a task.
pub(crate) trait LineReader: Runtime {
    fn read_lines(socket: OwnedFd, meter: Rc<Meter>) -> impl Future<Output = ()> + 'static;
}

/// A thread writes lines, and a task reads them.
pub(crate) fn futures<R: LineReader>() {
    R::run(|| {
        let socket = written();
        R::spawn(R::read_lines(socket, Meter::new()));
    });
}

impl LineReader for Qio {
    async fn read_lines(socket: OwnedFd, meter: Rc<Meter>) {
        let channel = on_qio::channel(socket);
        loop {
            let line = channel.read_line_future(MAX).await.expect("a line");
            assert_eq!(line.expect("not the end").len(), LINE - 1);
            meter.tick();
        }
    }
}

/// A task reads lines into one buffer.
pub(crate) fn into_buffer() {
    Qio::run(|| {
        let channel = on_qio::channel(written());
        Qio::spawn(async move {
            let (meter, mut line) = (Meter::new(), Vec::new());
            loop {
                let length = channel.read_line_into_future(&mut line, MAX).await;
                assert_eq!(length.expect("a line"), Some(LINE - 1));
                line.clear();
                meter.tick();
            }
        });
    });
}

/// As [`into_buffer`], by tokio: `BufReader` has no limit of a line.
pub(crate) fn into_buffer_of_tokio() {
    Tokio::<tokio::net::UnixStream>::run(|| {
        let stream = UnixStream::from(written());
        stream.set_nonblocking(true).expect("a socket can be");
        Tokio::<tokio::net::UnixStream>::spawn(async move {
            let stream = tokio::net::UnixStream::from_std(stream).expect("inside the runtime");
            let mut lines = tokio::io::BufReader::with_capacity(16 * 1024, stream);
            let (meter, mut line) = (Meter::new(), Vec::new());
            loop {
                let length = lines.read_until(b'\n', &mut line).await;
                assert_eq!(length.expect("a line"), LINE);
                line.clear();
                meter.tick();
            }
        });
    });
}

impl LineReader for Gio<on_gio::Async> {
    async fn read_lines(socket: OwnedFd, meter: Rc<Meter>) {
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
    async fn read_lines(socket: OwnedFd, meter: Rc<Meter>) {
        let stream = UnixStream::from(socket);
        stream.set_nonblocking(true).expect("a socket can be");
        let stream = tokio::net::UnixStream::from_std(stream).expect("inside the runtime");
        let mut lines = FramedRead::new(stream, LinesCodec::new_with_max_length(MAX));
        loop {
            let line = lines.next().await.expect("not the end").expect("a line");
            assert_eq!(line.len(), LINE - 1);
            meter.tick();
        }
    }
}

/// A socket that a thread writes lines to.
fn written() -> OwnedFd {
    let (mut a, b) = UnixStream::pair().expect("a socketpair");
    thread::spawn(move || {
        let block = block();
        while a.write_all(&block).is_ok() {}
    });
    b.into()
}

/// The lines of a channel, read blocking.
pub(crate) fn blocking_qio() {
    let channel = ChannelSocket::new_fd(written()).expect("a socket");
    let meter = Meter::new();
    for line in channel.lines(MAX) {
        assert_eq!(line.expect("a line").len(), LINE - 1);
        meter.tick();
    }
}

/// Those of a `GDataInputStream`, read blocking.
pub(crate) fn blocking_gio() {
    let connection = on_gio::connect(written());
    let lines = gio::DataInputStream::new(&connection.input_stream());
    let meter = Meter::new();
    loop {
        let line = lines.read_line(gio::Cancellable::NONE).expect("a line");
        assert_eq!(line.expect("not the end").len(), LINE - 1);
        meter.tick();
    }
}
