//! Streams of other libraries, as the halves of a channel.
//!
//! Their classes may be of any language: what they return is checked.

use std::{
    io::{self, IoSlice, SeekFrom},
    os::fd::BorrowedFd,
};

use gio::{Cancellable, prelude::*};
use glib::translate::*;

use super::{Confined, terminated};
use crate::{
    channel::class::PoolRef,
    error::{from_glib_error, invalid, io_error, would_block},
    hub::Direction,
    types::total_len,
};

/// The half that reads. The caller makes one call at a time.
#[derive(Debug)]
pub(crate) struct ForeignInput {
    stream: Confined<PoolRef<gio::InputStream>>,
    can_poll: bool,
}

/// The half that writes. The caller makes one call at a time.
#[derive(Debug)]
pub(crate) struct ForeignOutput {
    stream: Confined<PoolRef<gio::OutputStream>>,
    can_poll: bool,
    /// The most bytes that are written without blocking.
    most: usize,
}

/// The pair.
#[derive(Debug)]
pub(crate) struct ForeignStream {
    stream: Confined<PoolRef<gio::IOStream>>,
    /// Whether its halves are those of a socket.
    is_of_socket: bool,
}

impl ForeignInput {
    pub(crate) fn new(stream: &gio::InputStream) -> Self {
        let pollable = stream.dynamic_cast_ref::<gio::PollableInputStream>();
        Self {
            can_poll: pollable.is_some_and(PollableInputStreamExt::can_poll),
            stream: Confined::new(PoolRef::new(stream.clone())),
        }
    }

    pub(crate) fn stream(&self) -> &gio::InputStream {
        self.stream.get()
    }

    /// Whether the stream has functions that do not block. Constant, by the contract of GIO.
    pub(crate) fn can_poll(&self) -> bool {
        self.can_poll
    }

    fn pollable(&self) -> &gio::PollableInputStream {
        let pollable = self.stream().dynamic_cast_ref();
        pollable.expect("a stream that can poll")
    }

    /// Reads once, without blocking.
    pub(crate) fn read_now(&self, buf: &mut [u8]) -> io::Result<usize> {
        let most = buf.len();
        let read = self.pollable().read_nonblocking(buf, Cancellable::NONE);
        checked(self.stream(), "read from", read, most)
    }

    /// Reads once. Blocks.
    pub(crate) fn read(&self, buf: &mut [u8], cancellable: &Cancellable) -> io::Result<usize> {
        let most = buf.len();
        let read = terminated::read(self.stream(), buf, cancellable);
        checked(self.stream(), "read from", read, most).map_err(of_blocking)
    }

    /// The source that waits for data. `None` if the class has returned none.
    pub(crate) fn create_source(&self) -> Option<glib::Source> {
        let raw = self.pollable().as_ptr();
        // SAFETY: a live stream that can poll; the function returns an owned source, or NULL.
        unsafe {
            let source = gio_sys::g_pollable_input_stream_create_source(raw, std::ptr::null_mut());
            (!source.is_null()).then(|| from_glib_full(source))
        }
    }

    pub(crate) fn close(&self, cancellable: Option<&Cancellable>) -> io::Result<()> {
        let closed = terminated::close_input(self.stream(), cancellable);
        done(self.stream(), "close", closed)
    }

    pub(crate) fn seekable(&self) -> Option<&gio::Seekable> {
        seekable(self.stream())
    }

    /// The descriptor, if it is a `GUnixInputStream` that is open.
    pub(crate) fn unix_fd(&self) -> Option<BorrowedFd<'_>> {
        let is_open = !self.stream().is_closed();
        unix_fd(self.stream().upcast_ref(), "GUnixInputStream", is_open)
    }
}

impl ForeignOutput {
    pub(crate) fn new(stream: &gio::OutputStream) -> Self {
        let pollable = stream.dynamic_cast_ref::<gio::PollableOutputStream>();
        Self {
            can_poll: pollable.is_some_and(PollableOutputStreamExt::can_poll),
            most: match is_a(stream.upcast_ref(), "GUnixOutputStream") {
                true => PIPE_BUF,
                false => usize::MAX,
            },
            stream: Confined::new(PoolRef::new(stream.clone())),
        }
    }

    pub(crate) fn stream(&self) -> &gio::OutputStream {
        self.stream.get()
    }

    /// Whether the stream has functions that do not block. Constant, by the contract of GIO.
    pub(crate) fn can_poll(&self) -> bool {
        self.can_poll
    }

    fn pollable(&self) -> &gio::PollableOutputStream {
        let pollable = self.stream().dynamic_cast_ref();
        pollable.expect("a stream that can poll")
    }

    /// Writes once, without blocking.
    pub(crate) fn write_now(&self, iov: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut filled = iov.iter().filter(|buf| !buf.is_empty());
        let first = filled.next().expect("something to write");
        if filled.next().is_none() || self.most < usize::MAX {
            let first = &first[..first.len().min(self.most)];
            let written = self.pollable().write_nonblocking(first, Cancellable::NONE);
            let written = checked(self.stream(), "write to", written, first.len());
            return self.some(written);
        }
        let vectors: Vec<_> = iov.iter().map(|buf| gio::OutputVector::new(buf)).collect();
        let most = total_len(iov);
        let written = self
            .pollable()
            .writev_nonblocking(&vectors, Cancellable::NONE);
        match written {
            Ok((gio::PollableReturn::WouldBlock, _)) => Err(io::ErrorKind::WouldBlock.into()),
            Ok((gio::PollableReturn::Ok, count)) => {
                let count = Ok(count.cast_signed());
                self.some(checked(self.stream(), "write to", count, most))
            }
            Ok(_) => Err(unexplained(self.stream(), "write to")),
            Err(e) => Err(from_glib_error(e)),
        }
    }

    /// Writes once. Blocks.
    pub(crate) fn write(&self, buf: &[u8], cancellable: &Cancellable) -> io::Result<usize> {
        let written = terminated::write(self.stream(), buf, cancellable);
        let written = checked(self.stream(), "write to", written, buf.len());
        self.some(written).map_err(of_blocking)
    }

    /// A count of 0 for a write of data means that a binding has raised an exception.
    fn some(&self, written: io::Result<usize>) -> io::Result<usize> {
        match written {
            Ok(0) => Err(unexplained(self.stream(), "write to")),
            written => written,
        }
    }

    /// Whether the class has something to flush.
    pub(crate) fn has_flush(&self) -> bool {
        let class: &gio_sys::GOutputStreamClass = self.stream().class().as_ref();
        class.flush.is_some()
    }

    /// Flushes. Blocks.
    pub(crate) fn flush(&self, cancellable: &Cancellable) -> io::Result<()> {
        let flushed = terminated::flush(self.stream(), cancellable);
        done(self.stream(), "flush", flushed)
    }

    /// The source that waits for space. `None` if the class has returned none.
    pub(crate) fn create_source(&self) -> Option<glib::Source> {
        let raw = self.pollable().as_ptr();
        // SAFETY: a live stream that can poll; the function returns an owned source, or NULL.
        unsafe {
            let source = gio_sys::g_pollable_output_stream_create_source(raw, std::ptr::null_mut());
            (!source.is_null()).then(|| from_glib_full(source))
        }
    }

    pub(crate) fn close(&self, cancellable: Option<&Cancellable>) -> io::Result<()> {
        let closed = terminated::close_output(self.stream(), cancellable);
        done(self.stream(), "close", closed)
    }

    pub(crate) fn seekable(&self) -> Option<&gio::Seekable> {
        seekable(self.stream())
    }

    /// The descriptor, if it is a `GUnixOutputStream` that is open.
    pub(crate) fn unix_fd(&self) -> Option<BorrowedFd<'_>> {
        let is_open = !self.stream().is_closed();
        unix_fd(self.stream().upcast_ref(), "GUnixOutputStream", is_open)
    }
}

impl ForeignStream {
    pub(crate) fn new(stream: &gio::IOStream) -> Self {
        let mut this = Self {
            stream: Confined::new(PoolRef::new(stream.clone())),
            is_of_socket: false,
        };
        let input = this.input().map(|half| half.stream().type_().name());
        let output = this.output().map(|half| half.stream().type_().name());
        this.is_of_socket =
            input == Some("GSocketInputStream") && output == Some("GSocketOutputStream");
        this
    }

    pub(crate) fn stream(&self) -> &gio::IOStream {
        self.stream.get()
    }

    /// The half that reads, if the class returns one.
    pub(crate) fn input(&self) -> Option<ForeignInput> {
        // SAFETY: a live stream, which keeps the half; NULL is `None`.
        let half: Option<gio::InputStream> = unsafe {
            from_glib_none(gio_sys::g_io_stream_get_input_stream(
                self.stream().as_ptr(),
            ))
        };
        half.as_ref().map(ForeignInput::new)
    }

    /// The half that writes, if the class returns one.
    pub(crate) fn output(&self) -> Option<ForeignOutput> {
        // SAFETY: a live stream, which keeps the half; NULL is `None`.
        let half: Option<gio::OutputStream> = unsafe {
            from_glib_none(gio_sys::g_io_stream_get_output_stream(
                self.stream().as_ptr(),
            ))
        };
        half.as_ref().map(ForeignOutput::new)
    }

    pub(crate) fn seekable(&self) -> Option<&gio::Seekable> {
        seekable(self.stream())
    }

    /// The connection, if the bytes are those of its socket. A `GTcpWrapperConnection`, and a class
    /// of an application, may have other halves.
    pub(crate) fn connection(&self) -> Option<&gio::SocketConnection> {
        self.stream().downcast_ref().filter(|_| self.is_of_socket)
    }

    /// Shuts down one direction of a connection, of whose halves GIO does not do that.
    pub(crate) fn shut_down_socket(&self, side: Direction) {
        if let Some(connection) = self.connection() {
            // The peer may have disconnected.
            let is_read = side == Direction::Read;
            let _ = connection.socket().shutdown(is_read, !is_read);
        }
    }

    pub(crate) fn close(&self, cancellable: Option<&Cancellable>) -> io::Result<()> {
        let closed = terminated::close(self.stream(), cancellable);
        done(self.stream(), "close", closed)
    }
}

/// Moves the position of a stream, and returns it. May block.
pub(crate) fn seek(seekable: &gio::Seekable, to: SeekFrom) -> io::Result<u64> {
    let (offset, kind) = match to {
        SeekFrom::Start(offset) => {
            let offset = i64::try_from(offset);
            let too_large = |_| invalid("The position is too large");
            (offset.map_err(too_large)?, glib::SeekType::Set)
        }
        SeekFrom::Current(offset) => (offset, glib::SeekType::Cur),
        SeekFrom::End(offset) => (offset, glib::SeekType::End),
    };
    let moved = terminated::seek(seekable, offset, kind);
    done(seekable, "seek in", moved)?;
    u64::try_from(seekable.tell()).map_err(|_| unexplained(seekable, "seek in"))
}

/// The stream as one with a position, if it has that now.
fn seekable(stream: &impl IsA<glib::Object>) -> Option<&gio::Seekable> {
    let seekable: &gio::Seekable = stream.as_ref().dynamic_cast_ref()?;
    seekable.can_seek().then_some(seekable)
}

/// The most bytes that GIO writes to a pipe that is writable and in blocking mode: with more it
/// would block.
const PIPE_BUF: usize = 4096;

/// The count of a class that may be of any language.
fn checked(
    stream: &impl IsA<glib::Object>,
    action: &str,
    result: Result<isize, glib::Error>,
    most: usize,
) -> io::Result<usize> {
    match usize::try_from(result.map_err(from_glib_error)?) {
        Ok(count) if count <= most => Ok(count),
        Ok(count) => {
            let class = stream.type_().name();
            let message =
                format!("Unable to {action} {class}: the class reports {count} bytes of {most}");
            Err(io_error(gio::IOErrorEnum::Failed, &message))
        }
        Err(_) => Err(unexplained(stream, action)),
    }
}

/// The result of a function that blocks and returns whether it has succeeded, likewise.
fn done(
    stream: &impl IsA<glib::Object>,
    action: &str,
    result: Result<bool, glib::Error>,
) -> io::Result<()> {
    match result.map_err(|e| of_blocking(from_glib_error(e)))? {
        true => Ok(()),
        false => Err(unexplained(stream, action)),
    }
}

fn unexplained(stream: &impl IsA<glib::Object>, action: &str) -> io::Error {
    let class = stream.type_().name();
    let message =
        format!("Unable to {action} {class}: the class returned an error without setting GError");
    io_error(gio::IOErrorEnum::Failed, &message)
}

/// The error of a function that has to block: after would-block there is no way to wait.
fn of_blocking(error: io::Error) -> io::Error {
    let message = "The stream would block, and cannot be polled";
    match would_block(&error) {
        true => io_error(gio::IOErrorEnum::Failed, message),
        false => error,
    }
}

/// Whether the class of a stream is one for which there is no type here.
fn is_a(stream: &glib::Object, class: &str) -> bool {
    glib::Type::from_name(class).is_some_and(|class| stream.type_().is_a(class))
}

fn unix_fd<'a>(stream: &'a glib::Object, class: &str, is_open: bool) -> Option<BorrowedFd<'a>> {
    if !is_open || !is_a(stream, class) {
        return None;
    }
    let fd: i32 = stream.property("fd");
    // SAFETY: the descriptor is open as long as the stream is, which the caller has checked, and
    // which no other code closes meanwhile: by the contract of GIO it is used in one thread.
    (fd >= 0).then(|| unsafe { BorrowedFd::borrow_raw(fd) })
}
