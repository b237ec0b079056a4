//! What a peer sends against the protocol, and the code of the close frame that it gets.

use std::{
    io::{self, Read as _, Write as _},
    os::{fd::OwnedFd, unix::net::UnixStream},
};

use qio::{ChannelSocket, ChannelWebsock, WebsockError, WebsockOptions, prelude::*, to_glib_error};

use super::fixtures::{REQUEST, frame, open_client, read_close, read_head};
use crate::common::{classes::Drip, in_time};

/// The bytes, and the code.
fn cases() -> Vec<(Vec<u8>, u16)> {
    let unmasked = vec![0x81, 1, b'a'];
    let long_length = [vec![0x82, 0x80 | 126, 0, 5, 0, 0, 0, 0], b"hello".to_vec()].concat();
    let longer = vec![0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0];
    let huge = vec![0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0];
    vec![
        (frame(0xc1, b"a"), 1002),
        (frame(0xa1, b"a"), 1002),
        (frame(0x91, b"a"), 1002),
        (frame(0x83, b"a"), 1002),
        (frame(0x8b, b"a"), 1002),
        (frame(0x89, &[0; 126]), 1002),
        (frame(0x09, b"a"), 1002),
        (frame(0x80, b"a"), 1002),
        ([frame(0x01, b"a"), frame(0x01, b"b")].concat(), 1002),
        (unmasked, 1002),
        (long_length, 1002),
        (longer, 1002),
        (huge, 1002),
        (frame(0x88, b"\x03"), 1002),
        (frame(0x88, b"\x03\xe7"), 1002),
        (frame(0x88, b"\x03\xed"), 1002),
        (frame(0x88, b"\x13\x88"), 1002),
        (frame(0x88, b"\x03\xe8\xff"), 1007),
        (frame(0x81, b"\xff"), 1007),
        (frame(0x01, b"\xed\xa0"), 1007),
        (frame(0x81, b"\xe2\x82"), 1007),
        ([frame(0x01, b"\xe2"), frame(0x80, b"\x28")].concat(), 1007),
    ]
}

#[test]
fn each_violation_gets_its_close_code_and_is_the_error_of_every_read() {
    in_time(|| {
        for (bytes, expected) in cases() {
            let (mut far, server) = open_client(&WebsockOptions::default());
            far.write_all(&bytes).expect("written");
            let mut data = [0; 100];
            let error = loop {
                match server.read(&mut data) {
                    Ok(count) => assert_ne!(count, 0, "no end: {bytes:x?}"),
                    Err(e) => break e,
                }
            };
            for error in [error, server.read(&mut data).expect_err("again")] {
                assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
                let code = to_glib_error(&error).kind::<WebsockError>();
                assert_eq!(
                    code.map(WebsockError::code),
                    Some(expected.into()),
                    "{bytes:x?}"
                );
            }
            assert_eq!(read_close(&mut far).0, expected, "{bytes:x?}");
            let error = server.write(b"x").expect_err("closed");
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
            // What comes behind it is discarded, and the stream ends.
            far.write_all(&frame(0x82, b"ignored")).expect("written");
            assert_eq!(far.read(&mut data).expect("the end"), 0, "{bytes:x?}");
        }
    });
}

#[test]
fn text_is_refused_by_an_end_that_takes_binary_messages_alone() {
    in_time(|| {
        let options = WebsockOptions::builder().binary_only().build();
        let (mut far, server) = open_client(&options.expect("good options"));
        far.write_all(&frame(0x81, b"a")).expect("written");
        server.read(&mut [0]).expect_err("text");
        assert_eq!(read_close(&mut far).0, 1003);
    });
}

/// The lower channel cannot be shut down, which would prevent it as well.
#[test]
fn no_data_follows_the_close_frame_for_a_violation() {
    in_time(|| {
        let (near, mut far) = UnixStream::pair().expect("a pair");
        let socket = ChannelSocket::new_fd(OwnedFd::from(near)).expect("a socket");
        let lower = Drip::new(socket, &[1000]);
        let server = ChannelWebsock::new_server(&lower, &WebsockOptions::default());
        let server = server.expect("a server");
        far.write_all(REQUEST.as_bytes()).expect("written");
        server.handshake().expect("accepted");
        read_head(&mut far);
        far.write_all(&[0x81, 1, b'a']).expect("written");
        server.read(&mut [0; 9]).expect_err("not masked");
        let error = server.send_text("more").expect_err("closed");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe, "{error}");
        let error = server.write(b"more").expect_err("closed");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe, "{error}");
        assert_eq!(read_close(&mut far).0, 1002);
        server.close().expect("closed");
        assert_eq!(far.read(&mut [0; 9]).expect("the end"), 0);
    });
}
