//! `src/gio/stream.rs`: closing and dropping a stream.

use gio::{Cancellable, IOErrorEnum, prelude::*};
use qio::{ChannelSocket, IoStream, prelude::*};

use crate::common::{in_time, on_loop};

#[test]
fn closing_a_stream_closes_its_channel_and_dropping_it_does_not() {
    in_time(|| {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        drop(here.io_stream());
        let stream = here.io_stream();
        drop((stream.input_stream(), stream.output_stream()));
        drop(stream);
        assert!(!here.is_closed());
        here.write_all(b"open").expect("still open");
        let stream = IoStream::new(&here);
        assert_eq!(stream.channel().as_ref(), Some(here.upcast_ref()));
        stream.close(Cancellable::NONE).expect("closed");
        assert!(here.is_closed() && stream.is_closed());
        stream.close(Cancellable::NONE).expect("closed already");
        let mut buf = [0; 8];
        assert_eq!(there.read(&mut buf).expect("data"), 4);
        assert_eq!(there.read(&mut buf).expect("end-of-file"), 0);
        let e = stream.input_stream().read(&mut buf[..], Cancellable::NONE);
        assert!(e.expect_err("closed").matches(IOErrorEnum::Closed));
    });
}

#[test]
fn closing_a_stream_asynchronously_ends_a_pending_read() {
    on_loop(|| async {
        let (here, _there) = ChannelSocket::pair().expect("a pair");
        let stream = here.io_stream();
        let input = stream.input_stream();
        let reading = input.read_bytes_future(1, glib::Priority::DEFAULT);
        let closing = stream.close_future(glib::Priority::DEFAULT);
        let (read, closed) = futures_util::future::join(reading, closing).await;
        closed.expect("closed");
        let e = read.expect_err("closed");
        assert!(e.matches(IOErrorEnum::Closed), "{e}");
        assert!(here.is_closed());
    });
}

#[test]
fn a_channel_that_is_closed_ends_the_operations_of_its_stream() {
    on_loop(|| async {
        let (here, _there) = ChannelSocket::pair().expect("a pair");
        let input = here.io_stream().input_stream();
        let reading = input.read_bytes_future(1, glib::Priority::DEFAULT);
        let closing = async { here.close().expect("closed") };
        let (read, ()) = futures_util::future::join(reading, closing).await;
        assert!(read.expect_err("closed").matches(IOErrorEnum::Closed));
    });
}

#[test]
fn streams_hold_no_descriptor_of_their_own() {
    in_time(|| {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        for _ in 0..10 {
            drop(here.io_stream().input_stream());
        }
        drop(here);
        assert_eq!(there.read(&mut [0; 1]).expect("end-of-file"), 0);
    });
}

#[test]
fn closing_a_stream_whose_channel_is_closed_succeeds() {
    on_loop(|| async {
        let (here, _there) = ChannelSocket::pair().expect("a pair");
        let (stream, other) = (here.io_stream(), here.io_stream());
        here.close().expect("closed");
        stream.close(Cancellable::NONE).expect("closed already");
        let closed = other.close_future(glib::Priority::DEFAULT).await;
        closed.expect("closed already");
    });
}

#[test]
fn an_asynchronous_close_that_is_cancelled_closes_the_channel_nevertheless() {
    on_loop(|| async {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let stream = here.io_stream();
        let cancelled = Cancellable::new();
        cancelled.cancel();
        let closing = gio::GioFuture::new(&stream, move |stream, _, send| {
            let closed = move |result| send.resolve(result);
            stream.close_async(glib::Priority::DEFAULT, Some(&cancelled), closed);
        });
        let e = closing.await.expect_err("cancelled");
        assert!(e.matches(IOErrorEnum::Cancelled), "{e}");
        assert!(stream.is_closed() && here.is_closed());
        assert_eq!(there.read(&mut [0]).expect("end-of-file"), 0);
    });
}

#[test]
fn an_asynchronous_close_of_the_output_that_is_cancelled_shuts_it_down_nevertheless() {
    on_loop(|| async {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let output = here.io_stream().output_stream();
        let cancelled = Cancellable::new();
        cancelled.cancel();
        let closing = gio::GioFuture::new(&output, move |output, _, send| {
            let closed = move |result| send.resolve(result);
            output.close_async(glib::Priority::DEFAULT, Some(&cancelled), closed);
        });
        // GIO returns the error of its own flush, if any.
        let _: Result<(), glib::Error> = closing.await;
        assert!(output.is_closed() && !here.is_closed());
        assert_eq!(there.read_future(&mut [0]).await.expect("end-of-file"), 0);
    });
}
