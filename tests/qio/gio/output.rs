//! `src/gio/output.rs`: writing as GIO does.

use std::thread;

use gio::{Cancellable, IOErrorEnum, OutputVector, PollableReturn, prelude::*};
use glib::IOCondition;
use qio::{ChannelBuffer, ChannelSocket, prelude::*};

use crate::common::{in_time, on_loop};

fn pollable(stream: &gio::OutputStream) -> gio::PollableOutputStream {
    stream.clone().dynamic_cast().expect("a pollable stream")
}

/// Fills the send buffer of a blocking channel.
fn fill(output: &gio::PollableOutputStream) -> usize {
    let mut total = 0;
    loop {
        match output.write_nonblocking(&[b'x'; 4096], Cancellable::NONE) {
            Ok(n) => total += n as usize,
            Err(e) => {
                assert!(e.matches(IOErrorEnum::WouldBlock), "{e}");
                return total;
            }
        }
    }
}

#[test]
fn a_nonblocking_write_of_a_stream_never_blocks_on_a_blocking_channel() {
    in_time(|| {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        assert!(here.is_blocking());
        let output = pollable(&here.io_stream().output_stream());
        assert!(output.can_poll() && output.is_writable());
        let total = fill(&output);
        assert!(!output.is_writable());
        let vectors = [OutputVector::new(b"a"), OutputVector::new(b"b")];
        let result = output.writev_nonblocking(&vectors, Cancellable::NONE);
        assert_eq!(result, Ok((PollableReturn::WouldBlock, 0)));
        let mut buf = vec![0; total];
        there.read_all(&mut buf).expect("all that was written");
        let result = output.writev_nonblocking(&vectors, Cancellable::NONE);
        assert_eq!(result, Ok((PollableReturn::Ok, 2)));
        here.close().expect("closed");
        let e = output.writev_nonblocking(&vectors, Cancellable::NONE);
        let e = e.expect_err("closed");
        assert!(e.matches(IOErrorEnum::Closed), "{e}");
    });
}

#[test]
fn a_blocking_write_of_a_stream_waits_for_space_in_both_modes() {
    in_time(|| {
        for blocking in [true, false] {
            let (here, there) = ChannelSocket::pair().expect("a pair");
            here.set_blocking(blocking).expect("the mode");
            let output = here.io_stream().output_stream();
            let data: Vec<u8> = (0..1_000_000).map(|i| (i % 251) as u8).collect();
            let expected = data.clone();
            let reader = thread::spawn(move || {
                let mut buf = vec![0; expected.len()];
                there.read_all(&mut buf).expect("all");
                assert!(buf == expected);
            });
            let (half, rest) = data.split_at(500_000);
            let (written, e) = output.write_all(half, Cancellable::NONE).expect("written");
            assert_eq!((written, e), (half.len(), None));
            let mut done = 0;
            while done < rest.len() {
                let parts: Vec<_> = rest[done..]
                    .chunks(100_000)
                    .map(OutputVector::new)
                    .collect();
                done += output.writev(&parts, Cancellable::NONE).expect("written");
            }
            reader.join().expect("the same data");
        }
    });
}

#[test]
fn asynchronous_writes_of_a_stream_write_all_data() {
    on_loop(|| async {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let output = here.io_stream().output_stream();
        let data: Vec<u8> = (0..1_000_000).map(|i| (i % 251) as u8).collect();
        let writing = async {
            let written = output.write_all_future(data.clone(), glib::Priority::DEFAULT);
            let (_, written, e) = written.await.expect("written");
            assert_eq!((written, e), (data.len(), None));
            let flushed = output.flush_future(glib::Priority::DEFAULT).await;
            flushed.expect("flushed");
            let closed = output.close_future(glib::Priority::DEFAULT).await;
            closed.expect("closed");
        };
        let reading = async {
            let mut buf = vec![0; data.len()];
            there.read_all_future(&mut buf).await.expect("all");
            assert!(buf == data);
            assert_eq!(there.read_future(&mut buf).await.expect("the end"), 0);
        };
        futures_util::future::join(writing, reading).await;
        assert!(!here.is_closed(), "closing a half leaves the channel open");
    });
}

#[test]
fn another_thread_cancels_a_blocking_write_of_a_stream() {
    in_time(|| {
        let (here, _there) = ChannelSocket::pair().expect("a pair");
        let output = here.io_stream().output_stream();
        fill(&pollable(&output));
        let cancellable = Cancellable::new();
        let other = cancellable.clone();
        let thread = thread::spawn(move || other.cancel());
        let e = output
            .write(b"more", Some(&cancellable))
            .expect_err("cancelled");
        assert!(e.matches(IOErrorEnum::Cancelled), "{e}");
        thread.join().expect("no panic");
    });
}

#[test]
fn closing_the_output_half_shuts_down_writing_and_dropping_it_does_not() {
    in_time(|| {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        drop(here.io_stream().output_stream());
        assert!(here.wait(IOCondition::OUT).is_ok());
        here.write_all(b"open").expect("still open");
        let mut buf = [0; 4];
        there.read_all(&mut buf).expect("data");
        let output = here.io_stream().output_stream();
        output.close(Cancellable::NONE).expect("closed");
        assert_eq!(there.read(&mut buf).expect("end-of-file"), 0);
        there
            .write_all(b"back")
            .expect("the other direction is open");
        here.read_all(&mut buf).expect("data");
        assert_eq!(&buf, b"back");
    });
}

#[test]
fn closing_the_output_half_after_the_peer_has_closed_succeeds() {
    in_time(|| {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        there.close().expect("closed");
        let output = here.io_stream().output_stream();
        output.close(Cancellable::NONE).expect("closed");
    });
}

#[test]
fn a_stream_splices_into_another() {
    on_loop(|| async {
        let data: Vec<u8> = (0..300_000).map(|i| (i % 251) as u8).collect();
        let source = ChannelBuffer::from(data.clone());
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let output = here.io_stream().output_stream();
        let reading = async {
            let mut buf = vec![0; data.len()];
            there.read_all_future(&mut buf).await.expect("all");
            assert!(buf == data);
        };
        let splicing = output.splice_future(
            &source.io_stream().input_stream(),
            gio::OutputStreamSpliceFlags::CLOSE_TARGET,
            glib::Priority::DEFAULT,
        );
        let (spliced, ()) = futures_util::future::join(splicing, reading).await;
        assert_eq!(spliced, Ok(data.len() as isize));
        let memory = ChannelBuffer::new(0);
        let source = ChannelBuffer::from(data.clone());
        let spliced = memory.io_stream().output_stream().splice(
            &source.io_stream().input_stream(),
            gio::OutputStreamSpliceFlags::NONE,
            Cancellable::NONE,
        );
        assert_eq!(spliced, Ok(data.len() as isize));
    });
}
