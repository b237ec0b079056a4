//! `src/layer/websock/message_writer.rs`.

use std::{
    io::{self, Write as _},
    thread,
};

use qio::{WebsockMessageKind, WebsockOptions, prelude::*, to_glib_error};

use super::{
    fixtures::{frame, open_client, pair_with, read_close, read_frame},
    message_reader::{BINARY, with_deflate},
};
use crate::common::in_time;

#[test]
fn while_a_message_is_written_no_other_one_can_be_sent() {
    in_time(|| {
        let (mut far, server) = open_client(&WebsockOptions::default());
        let mut writer = server
            .message_writer(WebsockMessageKind::Text)
            .expect("a writer");
        writer
            .write_all("h\u{e9}".as_bytes()[..2].as_ref())
            .expect("written");
        let errors = [
            server.send_text("other").expect_err("refused"),
            server.write(b"other").expect_err("refused"),
            server.message_writer(BINARY).expect_err("refused"),
        ];
        for error in errors {
            let error = to_glib_error(&error);
            assert!(error.matches(gio::IOErrorEnum::Pending), "{error}");
        }
        // Control frames may be between the fragments.
        server.ping(b"p").expect("sent");
        far.write_all(&frame(0x89, b"q")).expect("written");
        far.write_all(&frame(0x82, b"x")).expect("written");
        assert_eq!(server.read(&mut [0; 9]).expect("data"), 1);
        writer.finish().expect_err("inside of a character");
        writer
            .write_all(&"h\u{e9}".as_bytes()[2..])
            .expect("written");
        writer.write_all(b"\xff").expect_err("not UTF-8");
        writer.finish().expect("finished");
        server.send_text("then").expect("sent");
        let frames = [
            (0x01, b"h\xc3".to_vec()),
            (0x89, b"p".to_vec()),
            (0x8a, b"q".to_vec()),
            (0x00, b"\xa9".to_vec()),
            (0x80, Vec::new()),
            (0x81, b"then".to_vec()),
        ];
        for expected in frames {
            assert_eq!(read_frame(&mut far), expected);
        }
    });
}

#[test]
fn a_writer_that_is_dropped_closes_with_1011_if_a_part_was_sent() {
    in_time(|| {
        let (mut far, server) = open_client(&WebsockOptions::default());
        drop(server.message_writer(BINARY).expect("a writer"));
        let mut writer = server.message_writer(BINARY).expect("another writer");
        writer.write_all(b"part").expect("written");
        drop(writer);
        assert_eq!(read_frame(&mut far), (0x02, b"part".to_vec()));
        assert_eq!(
            read_close(&mut far),
            (1011, "a message was not finished".to_owned())
        );
        let error = server.send_text("more").expect_err("closed");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_compressor_forgets_a_message_of_which_nothing_was_sent() {
    in_time(|| {
        let (client, server) = pair_with(&with_deflate());
        let sent = thread::spawn(move || {
            let mut writer = server.message_writer(BINARY).expect("a writer");
            // The compressor keeps so little.
            writer.write_all(b"abcabcabc").expect("written");
            drop(writer);
            server.send_text("abcabcabc").expect("sent");
            server
        });
        let message = client.receive().expect("received").expect("a message");
        assert_eq!(message.text(), Some("abcabcabc"));
        drop(sent.join().expect("no panic"));
    });
}
