//! `src/transport/io_stream/`: streams of GIO as channels.

mod calls;
mod kinds;
mod lossless;
mod mocks;
mod see_through;
mod seek;
mod waiting;

use std::io;

use gio::prelude::*;
use qio::{ChannelIoStream, ChannelSocket, Feature, Shutdown, prelude::*};

use self::mocks::{Input, Output, plain};
use crate::common::in_time;

/// Two connected channels on streams that cannot poll.
pub(super) fn plain_pair() -> (ChannelIoStream, ChannelIoStream) {
    let (here, there) = ChannelSocket::pair().expect("a pair");
    (plain_channel(&here), plain_channel(&there))
}

/// A channel on streams that cannot poll.
fn plain_channel(socket: &ChannelSocket) -> ChannelIoStream {
    let (input, output) = plain(socket);
    ChannelIoStream::new_pair(Some(&input), Some(&output)).expect("two streams")
}

/// A channel that only reads.
fn reading(input: &impl IsA<gio::InputStream>) -> ChannelIoStream {
    ChannelIoStream::new_pair(Some(input), gio::OutputStream::NONE).expect("a stream")
}

/// A channel that only writes.
fn writing(output: &impl IsA<gio::OutputStream>) -> ChannelIoStream {
    ChannelIoStream::new_pair(gio::InputStream::NONE, Some(output)).expect("a stream")
}

/// Reads once, in a future, at most ten bytes.
async fn read_some(channel: &impl IsA<qio::Channel>) -> io::Result<Vec<u8>> {
    let mut buf = [0; 10];
    let count = channel.read_future(&mut buf).await?;
    Ok(buf[..count].to_vec())
}

fn failure(message: &str) -> glib::Error {
    glib::Error::new(gio::IOErrorEnum::NoSpace, message)
}

#[test]
fn a_pair_needs_a_stream() {
    let e = ChannelIoStream::new_pair(gio::InputStream::NONE, gio::OutputStream::NONE).unwrap_err();
    assert_eq!(e.kind(), io::ErrorKind::InvalidInput);
    let empty: ChannelIoStream = glib::Object::new();
    let e = empty.read(&mut [0]).unwrap_err();
    assert_eq!(e.kind(), io::ErrorKind::InvalidInput);
    assert!(empty.write(&[0]).is_err() && empty.flush().is_err());
    assert_eq!(empty.features(), Feature::empty());
    empty.close().expect("closed");
}

#[test]
fn a_half_that_is_missing_reads_end_of_file_and_fails_to_write() {
    in_time(|| {
        for can_poll in [true, false] {
            let memory = gio::MemoryOutputStream::new_resizable();
            let write_only = match can_poll {
                true => writing(&memory),
                false => writing(&Output::new(|data, _| Ok(data.len()))),
            };
            assert_eq!(write_only.read(&mut [0; 4]).expect("the end"), 0);
            write_only.write_all(b"data").expect("written");
            let read_only = reading(&gio::MemoryInputStream::new());
            let e = read_only.write(b"data").unwrap_err();
            assert_eq!(e.raw_os_error(), Some(nix::libc::EBADF));
            assert!(read_only.has_feature(Feature::SHUTDOWN));
            read_only.shutdown(Shutdown::Both).expect("shut down");
            read_only.close().expect("closed");
        }
    });
}

#[test]
fn the_streams_are_properties() {
    let (here, _there) = ChannelSocket::pair().expect("a pair");
    let stream = here.io_stream();
    let channel = ChannelIoStream::new(&stream);
    assert_eq!(channel.io_stream().as_ref(), Some(stream.upcast_ref()));
    assert_eq!(channel.input_stream(), Some(stream.input_stream()));
    assert_eq!(channel.output_stream(), Some(stream.output_stream()));
    let (input, output) = plain(&here);
    let channel = ChannelIoStream::new_pair(Some(&input), Some(&output)).expect("a pair");
    assert_eq!(channel.property::<Option<gio::IOStream>>("io-stream"), None);
    let found: gio::InputStream = channel.property("input-stream");
    assert_eq!(found, input);
    let found: gio::OutputStream = channel.property("output-stream");
    assert_eq!(found, output);
}

#[test]
fn an_error_of_a_stream_keeps_its_domain_and_its_message() {
    in_time(|| {
        let error = || glib::Error::new(gio::TlsError::BadCertificate, "no good");
        let input = Input::new(move |_, _| Err(error()));
        let output = Output::new(move |_, _| Err(error()));
        let channel = ChannelIoStream::new_pair(Some(&input), Some(&output)).expect("a pair");
        let read = channel.read(&mut [0; 4]).unwrap_err();
        let written = channel.write(b"data").unwrap_err();
        for e in [read, written] {
            let e = qio::to_glib_error(&e);
            assert!(e.matches(gio::TlsError::BadCertificate));
            assert_eq!(e.message(), "no good");
        }
    });
}
