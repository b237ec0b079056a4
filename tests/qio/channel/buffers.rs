//! Lists of buffers of any length, messages without bytes, and what a large read costs.

use std::io::{IoSlice, IoSliceMut};

use gio::SocketType;
use qio::{Channel, ChannelBuffer, ChannelFile, ChannelSocket, prelude::*};

use super::splice::fixtures;
use crate::common::alone::alone;

/// More than one system call takes.
const MANY: usize = 1_100;

/// Both ends of each kind with different system calls for reading and writing.
fn pairs() -> [(Channel, Channel); 4] {
    let (read, write) = ChannelFile::pipe().expect("a pipe");
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    let (c, d) = fixtures::tcp_pair();
    let (e, f) = ChannelSocket::pair_of(SocketType::Datagram).expect("a socketpair");
    [
        (read.upcast(), write.upcast()),
        (a.upcast(), b.upcast()),
        (c.upcast(), d.upcast()),
        (e.upcast(), f.upcast()),
    ]
}

/// Many empty buffers, and one at the end.
fn at_the_end(data: &[u8]) -> Vec<IoSlice<'_>> {
    let mut iov = vec![IoSlice::new(&[]); MANY];
    iov.push(IoSlice::new(data));
    iov
}

fn space_at_the_end(buf: &mut [u8]) -> Vec<IoSliceMut<'_>> {
    let mut iov: Vec<_> = (0..MANY).map(|_| IoSliceMut::new(&mut [])).collect();
    iov.push(IoSliceMut::new(buf));
    iov
}

#[test]
fn empty_buffers_do_not_count_for_the_limit_of_system_calls() {
    for size in [5, 9_000] {
        let data = fixtures::pattern(size);
        for (read, write) in pairs() {
            assert_eq!(write.writev(&at_the_end(&data)).expect("written"), size);
            let mut buf = vec![0; size];
            let count = read.readv(&mut space_at_the_end(&mut buf));
            assert_eq!(count.expect("read"), size, "{}", read.type_());
            assert_eq!(buf, data);
        }
    }
}

#[test]
fn empty_buffers_do_not_count_at_positions() {
    let file = fixtures::file(b"..........");
    assert_eq!(file.pwritev(&at_the_end(b"text"), 2).expect("written"), 4);
    let mut buf = [0; 6];
    let count = file.preadv(&mut space_at_the_end(&mut buf), 1);
    assert_eq!((count.expect("read"), &buf), (6, b".text."));
}

#[test]
fn an_empty_write_is_a_message_where_writes_are_messages() {
    for kind in [SocketType::Datagram, SocketType::Seqpacket] {
        let (a, b) = ChannelSocket::pair_of(kind).expect("a socketpair");
        b.set_blocking(false).expect("the mode");
        let nothing = glib::Bytes::from_static(&[]);
        for write in [
            &|| a.write(b"") as std::io::Result<usize>,
            &|| a.writev(&[]),
            &|| a.writev(&[IoSlice::new(b""), IoSlice::new(b"")]),
            &|| a.write_bytes(&nothing),
        ] as [&dyn Fn() -> _; 4]
        {
            assert_eq!(write().expect("sent"), 0);
            assert_eq!(b.read(&mut [0; 8]).expect("a message"), 0);
            b.read(&mut [0; 8]).expect_err("only one");
        }
    }
}

#[test]
fn an_empty_write_of_bytes_does_nothing() {
    let (read, write) = ChannelFile::pipe().expect("a pipe");
    read.set_blocking(false).expect("the mode");
    assert_eq!(write.write(b"").expect("nothing to do"), 0);
    read.read(&mut [0]).expect_err("nothing has come");
    assert_eq!(ChannelBuffer::new(1).write(b"").expect("nothing to do"), 0);
}

/// The most memory that this process has had, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.expect("the line").trim().trim_end_matches(" kB");
    kib.parse::<u64>().expect("a number") * 1024
}

#[test]
fn a_large_read_costs_by_what_arrives() {
    alone(
        "channel::buffers::a_large_read_costs_by_what_arrives",
        || {
            const GIB: usize = 1 << 30;
            let (a, b) = ChannelSocket::pair().expect("a socketpair");
            let before = peak();
            let read: Vec<_> = (0..4)
                .map(|_| {
                    b.write_all(b"hello").expect("space");
                    a.read_bytes(GIB).expect("read")
                })
                .collect();
            assert!(read.iter().all(|bytes| bytes[..] == *b"hello"));
            let grown = peak() - before;
            assert!(grown < GIB as u64 / 16, "{grown}");
        },
    );
}
