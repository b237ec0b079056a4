//! Descriptors of several messages, and those that are not taken.

use super::*;

#[test]
fn descriptors_of_the_second_message_arrive_too() {
    let (a, b) = pair();
    let (_reader, writer) = token();
    send(&a, b"ab", &[]);
    send(&a, b"cd", &copies(&writer, 2));
    let (mut data, mut got) = ([0; 4], Vec::new());
    b.readv_full_all(
        &mut [IoSliceMut::new(&mut data)],
        Some(&mut got),
        ReadFlags::empty(),
    )
    .expect("read");
    assert_eq!((&data, got.len()), (b"abcd", 2));
}

#[test]
fn descriptors_of_several_messages_are_collected() {
    let (a, b) = pair();
    let (_reader, writer) = token();
    for count in 1..=3 {
        send(&a, b"x", &copies(&writer, count));
    }
    let (mut data, mut got) = ([0; 3], Vec::new());
    let more = b.readv_full_all_eof(
        &mut [IoSliceMut::new(&mut data)],
        Some(&mut got),
        ReadFlags::empty(),
    );
    assert!(more.expect("read"));
    assert_eq!(got.len(), 6);
}

#[test]
fn a_peek_leaves_data_and_descriptors_in_the_channel() {
    let (a, b) = pair();
    let (reader, writer) = token();
    send(&a, b"look", &[writer.as_fd()]);
    for _ in 0..2 {
        let (mut data, mut got) = ([0; 8], Vec::new());
        let count = b
            .readv_full(
                &mut [IoSliceMut::new(&mut data)],
                Some(&mut got),
                ReadFlags::PEEK,
            )
            .expect("peeked");
        assert_eq!(&data[..count], b"look");
        assert!(got.is_empty(), "a peek takes no descriptors");
    }
    let (data, got) = receive(&b);
    assert_eq!((&data[..], got.len()), (&b"look"[..], 1));
    drop((got, writer));
    ends(reader);
}

#[test]
fn a_plain_read_discards_descriptors() {
    alone(
        "channel::fd_passing::receiving::a_plain_read_discards_descriptors",
        || {
            let (a, b) = pair();
            let (reader, writer) = token();
            let before = fds::count();
            send(&a, b"one", &copies(&writer, 3));
            assert_eq!(b.read(&mut [0; 8]).expect("one buffer"), 3);
            send(&a, b"two", &copies(&writer, 3));
            let (mut left, mut right) = ([0; 1], [0; 8]);
            let mut iov = [IoSliceMut::new(&mut left), IoSliceMut::new(&mut right)];
            assert_eq!(b.readv(&mut iov).expect("two buffers"), 3);
            assert_eq!(fds::count(), before);
            drop(writer);
            ends(reader);
        },
    );
}

#[test]
fn unread_descriptors_are_closed_with_the_channel() {
    let (a, b) = pair();
    let (reader, writer) = token();
    send(&a, b"x", &[writer.as_fd()]);
    drop((writer, a, b));
    ends(reader);
}
