//! The filter of `examples/gzip.rs`: a class of an application that reads ahead, has pending
//! output, and ends its data with a trailer.

use std::{
    io::{self, Read as _, Write as _},
    thread,
};

use futures_util::future;
use qio::{ChannelBuffer, ChannelSocket, ChannelTls, Shutdown, prelude::*};

#[path = "../../../examples/gzip.rs"]
#[allow(dead_code)] // its own run
mod example;

use self::example::Gzip;
use super::tls::fixtures::{NAME, before_handshake, client_creds, server_creds};
use crate::common::{
    fill, in_time, nonblocking_pair, on_loop,
    pattern::{transfer, transfer_both_modes, transfer_by_futures},
};

fn gzip_pair() -> (Gzip, Gzip) {
    let (here, there) = ChannelSocket::pair().expect("a pair");
    (Gzip::new(&here), Gzip::new(&there))
}

fn over_tls() -> (Gzip, Gzip) {
    let (client, server) = before_handshake();
    (Gzip::new(&client), Gzip::new(&server))
}

fn under_tls() -> (ChannelTls, ChannelTls) {
    let (here, there) = gzip_pair();
    (
        ChannelTls::new_client(&here, &client_creds(), NAME).expect("a client"),
        ChannelTls::new_server(&there, &server_creds()).expect("a server"),
    )
}

#[test]
fn data_is_compressed_in_both_modes_also_over_tls_and_under_tls() {
    in_time(|| {
        let (one, other) = gzip_pair();
        transfer_both_modes(&one, &other);
        transfer_both_modes(&other, &one);
    });
    in_time(|| {
        let (one, other) = over_tls();
        transfer_both_modes(&one, &other);
        transfer_both_modes(&other, &one);
    });
    in_time(|| {
        let (client, server) = under_tls();
        transfer_both_modes(&client, &server);
        transfer_both_modes(&server, &client);
    });
}

#[test]
fn data_is_compressed_by_futures_also_over_tls_and_under_tls() {
    on_loop(|| async {
        let (one, other) = gzip_pair();
        transfer_by_futures(&one, &other, false).await;
        transfer_by_futures(&other, &one, false).await;
        let (one, other) = over_tls();
        transfer_by_futures(&one, &other, false).await;
        transfer_by_futures(&other, &one, false).await;
        let (client, server) = under_tls();
        transfer_by_futures(&client, &server, false).await;
        transfer_by_futures(&server, &client, false).await;
    });
}

#[test]
fn each_write_can_be_read_completely_before_the_next_one() {
    in_time(|| {
        let (one, other) = over_tls();
        let thread = thread::spawn(move || {
            for _ in 0..3 {
                let question = other.read_line(100).expect("a line").expect("not the end");
                other.write_all(&question).expect("written");
                other.write_all(b"!\n").expect("written");
            }
            // All that a write compresses to a few bytes, in many reads of one byte.
            other.write_all(&[b'x'; 100_000]).expect("written");
            other.close().expect("closed");
        });
        for _ in 0..3 {
            one.write_all(b"hello\n").expect("written");
            let answer = one.read_line(100).expect("a line").expect("not the end");
            assert_eq!(&*answer, b"hello!");
        }
        let mut count = 0;
        let mut buf = [0; 7];
        loop {
            match one.read(&mut buf).expect("data") {
                0 => break,
                n => count += n,
            }
        }
        assert_eq!(count, 100_000);
        thread.join().expect("no panic");
    });
}

#[test]
fn shutdown_and_close_send_the_trailer_that_other_programs_check() {
    in_time(|| {
        let memory = ChannelBuffer::new(0);
        let writer = Gzip::new(&memory);
        writer.write_all(b"one ").expect("written");
        writer.write_all(b"and two").expect("written");
        writer.flush().expect("flushed");
        let size = memory.data().len();
        writer.close().expect("closed");
        let data = memory.data();
        assert!(data.len() >= size + 8, "the trailer");
        let mut text = String::new();
        let mut reader = flate2::read::GzDecoder::new(&*data);
        reader.read_to_string(&mut text).expect("it is complete");
        assert_eq!(text, "one and two");

        let (one, other) = gzip_pair();
        one.write_all(b"to the end").expect("written");
        one.shutdown(Shutdown::Write).expect("shut down");
        assert_eq!(&*other.read_to_end(100).expect("data"), b"to the end");
        let e = one.write_all(b"more").expect_err("after the end");
        assert_eq!(e.kind(), io::ErrorKind::BrokenPipe);
        // The other direction is open.
        other.write_all(b"answer").expect("written");
        other.close().expect("closed");
        assert_eq!(&*one.read_to_end(100).expect("data"), b"answer");
    });
}

#[test]
fn a_stream_without_its_trailer_is_truncated() {
    in_time(|| {
        for is_cut in [false, true] {
            let (here, there) = ChannelSocket::pair().expect("a pair");
            let (writer, reader) = (Gzip::new(&here), Gzip::new(&there));
            if is_cut {
                writer.write_all(b"cut").expect("written");
            }
            here.close().expect("closed");
            let mut buf = [0; 3];
            if is_cut {
                reader.read_all(&mut buf).expect("what was complete");
                assert_eq!(&buf, b"cut");
            }
            for _ in 0..2 {
                let e = reader.read(&mut buf).expect_err("truncated");
                assert_eq!(e.kind(), io::ErrorKind::UnexpectedEof, "{e}");
            }
        }
    });
}

#[test]
fn data_that_is_no_gzip_or_follows_its_end_is_an_error() {
    in_time(|| {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        here.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("written");
        let reader = Gzip::new(&there);
        reader.read(&mut [0; 1]).expect_err("no gzip");

        let (here, there) = ChannelSocket::pair().expect("a pair");
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), Default::default());
        packer.write_all(b"packed").expect("memory");
        let mut data = packer.finish().expect("memory");
        data.extend(b"tail");
        here.write_all(&data).expect("written");
        let e = Gzip::new(&there).read(&mut [0; 6]).expect_err("a tail");
        assert_eq!(e.kind(), io::ErrorKind::InvalidData, "{e}");
    });
}

#[test]
fn pending_output_is_sent_by_the_end_of_write_all_and_before_more_is_accepted() {
    on_loop(|| async {
        for all in [true, false] {
            let (here, there) = nonblocking_pair();
            let (writer, reader) = (Gzip::new(&here), Gzip::new(&there));
            // The first write is accepted, and cannot be sent.
            let filler = fill(&here);
            let writing = async {
                if all {
                    return writer.write_all_future(b"pending").await.expect("sent");
                }
                assert_eq!(writer.write(b"pend").expect("accepted"), 4);
                let e = writer.write(b"ing").expect_err("output is pending");
                assert_eq!(e.kind(), io::ErrorKind::WouldBlock);
                writer.write_all_future(b"ing").await.expect("sent");
            };
            let reading = async {
                let mut buf = vec![0; filler];
                there.read_all_future(&mut buf).await.expect("the filler");
                let mut buf = [0; 7];
                reader.read_all_future(&mut buf).await.expect("data");
                assert_eq!(&buf, b"pending");
            };
            future::join(writing, reading).await;
        }
    });
}

#[test]
fn the_mode_of_the_reader_does_not_matter_for_the_writer() {
    in_time(|| {
        let (one, other) = gzip_pair();
        transfer(&one, &other, false, |one| {
            one.close().expect("all was sent");
        });
        assert_eq!(other.read(&mut [0; 1]).expect("the end"), 0);
    });
}
