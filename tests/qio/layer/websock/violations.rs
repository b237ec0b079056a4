//! What a peer sends against the protocol, and the code of the close frame that it gets.

use std::io::{self, Read as _, Write as _};

use qio::{WebsockError, WebsockOptions, prelude::*, to_glib_error};

use super::fixtures::{frame, open_client, read_close};
use crate::common::in_time;

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
