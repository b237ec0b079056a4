//! `ChannelNull`.

use std::io::{ErrorKind, IoSlice, IoSliceMut, SeekFrom};

use glib::IOCondition;
use qio::{ChannelNull, Feature, prelude::*, to_glib_error};

#[test]
fn reading_returns_end_of_file_and_does_not_touch_the_buffer() {
    let null = ChannelNull::new();
    let mut buf = *b"mine";
    assert_eq!(null.read(&mut buf).expect("the end"), 0);
    assert_eq!(
        null.readv(&mut [IoSliceMut::new(&mut buf)])
            .expect("the end"),
        0
    );
    assert_eq!(null.pread(&mut buf, 7).expect("the end"), 0);
    assert!(!null.read_all_eof(&mut buf).expect("the end"));
    let e = null.read_all(&mut buf).expect_err("the end");
    assert_eq!(e.kind(), ErrorKind::UnexpectedEof);
    assert_eq!(&buf, b"mine");
}

#[test]
fn writing_counts_the_discarded_bytes() {
    let null = ChannelNull::new();
    assert_eq!(null.write(b"gone").expect("swallowed"), 4);
    let iov = [&b"a"[..], b"", b"bcd"].map(IoSlice::new);
    assert_eq!(null.writev(&iov).expect("swallowed"), 4);
    assert_eq!(null.pwrite(b"xy", 1 << 40).expect("swallowed"), 2);
    null.write_all(&vec![0; 1 << 20]).expect("swallowed");
}

#[test]
fn both_modes_are_the_same() {
    let null = ChannelNull::new();
    null.set_blocking(false).expect("the mode");
    assert!(!null.is_blocking());
    assert_eq!(null.read(&mut [0; 4]).expect("the end"), 0);
    assert_eq!(null.write(b"gone").expect("swallowed"), 4);
}

#[test]
fn it_seeks_and_stays_where_it_is() {
    let null = ChannelNull::new();
    assert_eq!(null.features(), Feature::SEEKABLE);
    for to in [SeekFrom::Start(9), SeekFrom::Current(-3), SeekFrom::End(2)] {
        assert_eq!(null.seek(to).expect("moved"), 0);
    }
}

#[test]
fn it_is_always_ready() {
    let null = ChannelNull::new();
    for condition in [IOCondition::IN, IOCondition::OUT] {
        assert!(null.wait(condition).expect("at once").contains(condition));
    }
}

#[test]
fn after_close_it_does_nothing_more() {
    let null = ChannelNull::new();
    null.close().expect("closed");
    for e in [
        null.read(&mut [0; 4]).expect_err("closed"),
        null.write(b"x").expect_err("closed"),
        null.seek(SeekFrom::Start(0)).expect_err("closed"),
    ] {
        assert_eq!(e.kind(), ErrorKind::NotConnected);
        assert!(to_glib_error(&e).matches(gio::IOErrorEnum::Closed));
    }
}
