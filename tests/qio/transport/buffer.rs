//! `ChannelBuffer`.

use std::io::{ErrorKind, IoSlice, IoSliceMut, SeekFrom};

use glib::{IOCondition, prelude::*};
use qio::{ChannelBuffer, Feature, Shutdown, prelude::*};

fn with(data: &[u8]) -> ChannelBuffer {
    ChannelBuffer::from(data.to_vec())
}

fn rest(buffer: &ChannelBuffer) -> Vec<u8> {
    let mut data = vec![0; 64];
    let count = buffer.read(&mut data).expect("read");
    data.truncate(count);
    data
}

#[test]
fn data_is_read_from_the_start() {
    let buffer = with(b"some data");
    assert_eq!((buffer.size(), buffer.position()), (9, 0));
    assert_eq!(rest(&buffer), b"some data");
    assert_eq!(buffer.position(), 9);
    assert_eq!(rest(&buffer), b"", "the end");
}

#[test]
fn reads_and_writes_share_one_position() {
    let buffer = with(b"0123456789");
    let mut two = [0; 2];
    buffer.read_all(&mut two).expect("read");
    assert_eq!(&two, b"01");
    assert_eq!(buffer.write(b"ab").expect("written"), 2);
    assert_eq!(rest(&buffer), b"456789");
    assert_eq!(&buffer.data()[..], b"01ab456789");
}

#[test]
fn several_buffers_are_used_in_their_order() {
    let buffer = ChannelBuffer::new(4);
    let iov = [&b"ab"[..], b"", b"cde"].map(IoSlice::new);
    assert_eq!(buffer.writev(&iov).expect("written"), 5);
    buffer.seek(SeekFrom::Start(1)).expect("moved");
    let (mut one, mut two) = ([0; 1], [0; 9]);
    let mut iov = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
    assert_eq!(buffer.readv(&mut iov).expect("read"), 4);
    assert_eq!((&one, &two[..3]), (b"b", &b"cde"[..]));
}

#[test]
fn it_grows_beyond_its_capacity() {
    let buffer = ChannelBuffer::new(3);
    assert_eq!(buffer.size(), 0, "capacity is no data");
    let data = vec![7; 1 << 20];
    buffer.write_all(&data).expect("written");
    assert_eq!(buffer.size(), 1 << 20);
    assert!(buffer.data() == data);
}

#[test]
fn an_absurd_capacity_is_not_reserved() {
    let buffer = ChannelBuffer::new(usize::MAX);
    buffer.write_all(b"x").expect("written");
    assert_eq!(buffer.size(), 1);
}

#[test]
fn seeking_honors_whence() {
    let buffer = with(b"0123456789");
    let steps = [
        (SeekFrom::Start(4), 4),
        (SeekFrom::Current(3), 7),
        (SeekFrom::Current(-5), 2),
        (SeekFrom::Current(0), 2),
        (SeekFrom::End(0), 10),
        (SeekFrom::End(-1), 9),
        (SeekFrom::End(5), 15),
        (SeekFrom::Start(0), 0),
    ];
    for (to, position) in steps {
        assert_eq!(buffer.seek(to).expect("moved"), position, "{to:?}");
        assert_eq!(buffer.position(), position);
    }
    assert_eq!(buffer.size(), 10, "moving adds nothing");
}

#[test]
fn seeking_before_the_start_is_refused_and_moves_nothing() {
    let buffer = with(b"0123");
    buffer.seek(SeekFrom::Start(2)).expect("moved");
    for to in [
        SeekFrom::Current(-3),
        SeekFrom::End(-5),
        SeekFrom::Current(i64::MIN),
        SeekFrom::Current(i64::MAX),
    ] {
        let e = buffer.seek(to).expect_err("out of range");
        assert_eq!(e.kind(), ErrorKind::InvalidInput, "{to:?}");
        assert_eq!(buffer.position(), 2);
    }
}

#[test]
fn a_write_past_the_end_fills_the_gap_with_zeros() {
    let buffer = with(b"ab");
    buffer.seek(SeekFrom::Start(5)).expect("moved");
    assert_eq!(rest(&buffer), b"", "nothing is there to be read");
    assert_eq!(buffer.size(), 2);
    buffer.write_all(b"c").expect("written");
    assert_eq!(&buffer.data()[..], b"ab\0\0\0c");
    buffer.pwrite_all(b"d", 7).expect("written");
    assert_eq!(&buffer.data()[..], b"ab\0\0\0c\0d");
}

#[test]
fn writing_nothing_past_the_end_fills_nothing() {
    let buffer = with(b"ab");
    buffer.seek(SeekFrom::Start(5)).expect("moved");
    assert_eq!(buffer.write(b"").expect("nothing"), 0);
    assert_eq!(buffer.pwrite(b"", 9).expect("nothing"), 0);
    assert_eq!(buffer.size(), 2);
}

#[test]
fn a_write_at_an_absurd_offset_is_an_error() {
    let buffer = with(b"ab");
    buffer.pwrite(b"x", i64::MAX as u64).expect_err("too far");
    buffer.pwrite(b"x", u64::MAX).expect_err("too far");
    buffer
        .seek(SeekFrom::Start(i64::MAX as u64))
        .expect("allowed, as in a file");
    let e = buffer.write(b"x").expect_err("too far");
    assert_eq!(e.kind(), ErrorKind::FileTooLarge);
    assert_eq!(buffer.position(), i64::MAX as u64);
    assert_eq!(&buffer.data()[..], b"ab");
    assert_eq!(rest(&buffer), b"");
}

#[test]
fn offsets_leave_the_position() {
    let buffer = with(b"0123456789");
    buffer.seek(SeekFrom::Start(3)).expect("moved");
    let mut two = [0; 2];
    assert_eq!(buffer.pread(&mut two, 8).expect("read"), 2);
    assert_eq!(&two, b"89");
    assert_eq!(buffer.pread(&mut two, 10).expect("the end"), 0);
    assert_eq!(buffer.pwrite(b"ab", 0).expect("written"), 2);
    assert_eq!(buffer.position(), 3);
    assert_eq!(&buffer.data()[..4], b"ab23");
}

#[test]
fn data_survives_close() {
    let buffer = ChannelBuffer::new(0);
    buffer.write_all(b"kept").expect("written");
    buffer.close().expect("closed");
    assert_eq!(&buffer.data()[..], b"kept");
    assert_eq!((buffer.size(), buffer.position()), (4, 4));
    assert_eq!(
        buffer.read(&mut [0]).expect_err("closed").kind(),
        ErrorKind::NotConnected
    );
}

#[test]
fn size_and_position_are_properties() {
    let buffer = with(b"0123");
    buffer.seek(SeekFrom::End(3)).expect("moved");
    assert_eq!(buffer.property::<u64>("size"), 4);
    assert_eq!(buffer.property::<u64>("position"), 7);
}

#[test]
fn it_can_seek_and_nothing_else() {
    let buffer = ChannelBuffer::new(0);
    assert_eq!(buffer.features(), Feature::SEEKABLE);
    let e = buffer.shutdown(Shutdown::Both).expect_err("unable");
    assert_eq!(e.kind(), ErrorKind::Unsupported);
    assert_eq!(e.to_string(), "Data path shutdown not supported");
}

#[test]
fn it_is_always_ready() {
    let buffer = ChannelBuffer::new(0);
    for condition in [
        IOCondition::IN,
        IOCondition::OUT,
        IOCondition::IN | IOCondition::OUT,
    ] {
        let got = buffer.wait(condition).expect("at once");
        assert!(got.intersects(condition), "{got:?}");
    }
}
