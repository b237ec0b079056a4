//! `src/channel/ext_future.rs`: the methods that are futures.

use std::{
    future::Future,
    io::{ErrorKind, IoSlice, IoSliceMut},
    sync::atomic::Ordering,
};

use futures_util::future::{join, join_all};
use glib::IOCondition;
use nix::errno::Errno;
use qio::{
    Access, Channel, ChannelBuffer, ChannelCommand, ChannelError, ChannelFile, ChannelSocket,
    ReadFlags, Shutdown, WriteFlags, prelude::*, to_glib_error,
};

use crate::common::{
    after_ticks, fill, nonblocking_pair, on_loop,
    pattern::{store_by_futures, transfer_by_futures},
};

const IN: IOCondition = IOCondition::IN;
const OUT: IOCondition = IOCondition::OUT;

/// Larger than what any of the kinds holds.
const MUCH: usize = 3_000_000;

fn listener() -> ChannelSocket {
    let address =
        gio::InetSocketAddress::new(&gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4), 0);
    ChannelSocket::listen(&address, 4).expect("listens")
}

fn tcp() -> (ChannelSocket, ChannelSocket) {
    let listener = listener();
    let address = listener.local_address().expect("an address");
    let client = ChannelSocket::connect(&address).expect("connects");
    (client, listener.accept().expect("accepts"))
}

#[test]
fn the_pattern_goes_through_socketpairs_and_tcp_in_both_modes() {
    for blocking in [true, false] {
        on_loop(move || async move {
            let (a, b) = ChannelSocket::pair().expect("a socketpair");
            transfer_by_futures(&a, &b, blocking).await;
            transfer_by_futures(&b, &a, blocking).await;
            let (client, server) = tcp();
            transfer_by_futures(&client, &server, blocking).await;
        });
    }
}

#[test]
fn the_pattern_goes_through_pipes_and_commands_in_both_modes() {
    for blocking in [true, false] {
        on_loop(move || async move {
            let (read, write) = ChannelFile::pipe().expect("a pipe");
            transfer_by_futures(&write, &read, blocking).await;
            let cat = ChannelCommand::new_spawn(["cat"], Access::ReadWrite).expect("cat");
            transfer_by_futures(&cat, &cat, blocking).await;
            cat.close().expect("ends well");
        });
    }
}

#[test]
fn the_pattern_goes_through_files_and_memory() {
    on_loop(|| async {
        let file = ChannelFile::from(tempfile::tempfile().expect("a file"));
        let rewind = || assert_eq!(file.seek(std::io::SeekFrom::Start(0)).expect("seeks"), 0);
        store_by_futures(&file, rewind, &file).await;
        let memory = ChannelBuffer::new(0);
        let rewind = || assert_eq!(memory.seek(std::io::SeekFrom::Start(0)).expect("seeks"), 0);
        store_by_futures(&memory, rewind, &memory).await;
    });
}

#[test]
fn one_read_or_write_transfers_what_is_available() {
    on_loop(|| async {
        for (to, from) in [nonblocking_pair(), tcp()] {
            assert_eq!(to.write_future(b"abc").await.expect("written"), 3);
            let mut buf = [0; 8];
            assert_eq!(from.read_future(&mut buf).await.expect("read"), 3);
            assert_eq!(&buf[..3], b"abc");
            let out = [IoSlice::new(b""), IoSlice::new(b"de"), IoSlice::new(b"f")];
            assert_eq!(to.writev_future(&out).await.expect("written"), 3);
            let (mut one, mut two) = ([0; 1], [0; 7]);
            let mut iov = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
            assert_eq!(from.readv_future(&mut iov).await.expect("read"), 3);
            assert_eq!((&one, &two[..2]), (b"d", &b"ef"[..]));
            // An empty buffer, and no data either.
            assert_eq!(from.read_future(&mut []).await.expect("nothing"), 0);
            assert_eq!(to.write_future(&[]).await.expect("nothing"), 0);
        }
    });
}

#[test]
fn end_of_file_is_zero_or_false_before_the_first_byte_and_an_error_after_it() {
    on_loop(|| async {
        for data in [&b""[..], b"abc"] {
            let (a, b) = ChannelSocket::pair().expect("a socketpair");
            let (read, write) = ChannelFile::pipe().expect("a pipe");
            a.write_all(data).expect("written");
            write.write_all(data).expect("written");
            drop((a, write));
            for channel in [b.upcast::<Channel>(), read.upcast()] {
                let mut buf = [0; 4];
                let result = channel.read_all_eof_future(&mut buf).await;
                match data.is_empty() {
                    true => assert!(!result.expect("the end")),
                    false => {
                        let e = result.expect_err("the end in the middle");
                        assert!(to_glib_error(&e).matches(ChannelError::Truncated));
                    }
                }
                assert_eq!(channel.read_future(&mut buf).await.expect("the end"), 0);
                let mut iov = [IoSliceMut::new(&mut buf)];
                let more = channel.readv_all_eof_future(&mut iov).await;
                assert!(!more.expect("the end"));
                let e = channel.read_all_future(&mut buf).await;
                assert_eq!(e.expect_err("the end").kind(), ErrorKind::UnexpectedEof);
            }
        }
    });
}

/// A read in blocking mode, of what is written only when a timer has ticked meanwhile.
fn reads_late(read: Channel, write: Channel) {
    on_loop(|| async move {
        read.set_blocking(true).expect("blocking");
        let ticks = after_ticks(move || write.write_all(b"late").expect("there is space"));
        let mut buf = [0; 4];
        read.read_all_future(&mut buf).await.expect("read");
        assert_eq!(&buf, b"late");
        assert!(ticks.load(Ordering::Relaxed) >= 3);
    });
}

/// A write in blocking mode that exceeds the buffer space until a timer has fired.
fn writes_late(read: Channel, write: Channel) {
    on_loop(|| async move {
        write.set_blocking(true).expect("blocking");
        let (go, wait) = futures_util::future::abortable(std::future::pending::<()>());
        let ticks = after_ticks(move || wait.abort());
        let data: Vec<u8> = (0..MUCH).map(|i| (i % 253) as u8).collect();
        let mut got = vec![0; MUCH];
        let reading = async {
            let _ = go.await;
            read.read_all_future(&mut got).await
        };
        let (written, all) = join(write.write_all_future(&data), reading).await;
        written.expect("written");
        all.expect("read");
        assert!(got == data, "it differs");
        assert!(ticks.load(Ordering::Relaxed) >= 3);
    });
}

#[test]
fn a_read_of_a_blocking_channel_does_not_hold_up_the_loop() {
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    reads_late(a.upcast(), b.upcast());
    let (a, b) = tcp();
    reads_late(a.upcast(), b.upcast());
    let (read, write) = ChannelFile::pipe().expect("a pipe");
    reads_late(read.upcast(), write.upcast());
}

#[test]
fn a_large_write_to_a_blocking_channel_does_not_hold_up_the_loop() {
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    writes_late(a.upcast(), b.upcast());
    let (a, b) = tcp();
    writes_late(a.upcast(), b.upcast());
    let (read, write) = ChannelFile::pipe().expect("a pipe");
    writes_late(read.upcast(), write.upcast());
}

#[test]
fn several_tasks_that_wait_for_the_same_channel_are_all_woken() {
    on_loop(|| async {
        let (a, b) = nonblocking_pair();
        let waits = (0..5).map(|_| a.ready(IN));
        let writes = b.clone();
        let ticks = after_ticks(move || writes.write_all(b"x").expect("there is space"));
        for got in join_all(waits).await {
            assert_eq!(got.expect("ready"), IN);
        }
        assert!(ticks.load(Ordering::Relaxed) >= 3);
    });
}

#[test]
fn ready_reports_the_conditions_that_are_there() {
    on_loop(|| async {
        let (a, b) = nonblocking_pair();
        assert_eq!(a.ready(OUT).await.expect("ready"), OUT);
        assert_eq!(a.ready(IN | OUT).await.expect("ready"), OUT);
        b.write_all(b"x").expect("there is space");
        assert_eq!(a.ready(IN).await.expect("ready"), IN);
        let (c, d) = nonblocking_pair();
        fill(&c);
        let writes = d.clone();
        after_ticks(move || writes.write_all(b"x").expect("there is space"));
        assert_eq!(c.ready(IN | OUT).await.expect("ready"), IN);
        let (read, write) = ChannelFile::pipe().expect("a pipe");
        after_ticks(move || drop(write));
        assert_eq!(read.ready(IN).await.expect("ready"), IOCondition::HUP);
    });
}

#[test]
fn ready_reports_closing_and_refuses_to_wait_for_nothing() {
    on_loop(|| async {
        let (a, _b) = nonblocking_pair();
        let e = a.ready(IOCondition::empty()).await.expect_err("forever");
        assert_eq!(to_errno(&e), Some(Errno::EINVAL as i32));
        let closes = a.clone();
        after_ticks(move || closes.close().expect("closes"));
        let nval = IOCondition::NVAL;
        assert_eq!(a.ready(IN).await.expect("closed"), nval);
        assert_eq!(a.ready(IN | OUT).await.expect("closed"), nval);
    });
}

fn to_errno(e: &std::io::Error) -> Option<i32> {
    e.raw_os_error()
        .or_else(|| (e.kind() == ErrorKind::InvalidInput).then_some(Errno::EINVAL as i32))
}

#[test]
fn accept_future_waits_for_a_connection_in_both_modes() {
    for blocking in [true, false] {
        on_loop(move || async move {
            let listener = listener();
            listener.set_blocking(blocking).expect("the mode");
            let address = listener.local_address().expect("an address");
            let (sender, client) = std::sync::mpsc::channel();
            after_ticks(move || {
                let client = ChannelSocket::connect(&address).expect("connects");
                sender.send(client).expect("awaited");
            });
            let server = listener.accept_future().await.expect("accepts");
            let client = client.recv().expect("connected");
            transfer_by_futures(&client, &server, blocking).await;
        });
    }
}

#[test]
fn close_future_waits_for_a_command_without_holding_up_the_loop() {
    on_loop(|| async {
        let command = ChannelCommand::new_spawn(["sh", "-c", "exit 3"], Access::ReadWrite);
        let command = command.expect("sh");
        let e = command.close_future().await.expect_err("it fails");
        assert!(e.to_string().contains('3'), "{e}");
        assert_eq!(
            command.exit_status().expect("known").expect("ended").code(),
            Some(3)
        );
        // The command ends when the timer has ticked: closing waits that long.
        let directory = tempfile::tempdir().expect("a directory");
        let fifo = directory.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
        let held = ChannelCommand::builder(["sh", "-c", "read x <fifo"])
            .directory(directory.path())
            .spawn()
            .expect("sh");
        let ticks = after_ticks(move || std::fs::write(&fifo, b"x\n").expect("read"));
        held.close_future().await.expect("ends well");
        assert!(ticks.load(Ordering::Relaxed) >= 3);
        assert!(held.is_closed());
    });
}

#[test]
fn shutdown_future_lets_the_peer_read_the_end() {
    on_loop(|| async {
        let (a, b) = nonblocking_pair();
        a.write_future(b"x").await.expect("written");
        a.shutdown_future(Shutdown::Write).await.expect("shut down");
        let mut buf = [0; 4];
        assert_eq!(b.read_future(&mut buf).await.expect("read"), 1);
        assert_eq!(b.read_future(&mut buf).await.expect("the end"), 0);
        b.write_future(b"back").await.expect("written");
        a.read_all_future(&mut buf).await.expect("read");
        a.flush_future().await.expect("nothing is held");
        a.close_future().await.expect("closes");
        let e = a.read_future(&mut buf).await.expect_err("closed");
        assert!(to_glib_error(&e).matches(gio::IOErrorEnum::Closed), "{e}");
    });
}

#[test]
fn futures_of_channels_can_be_sent_to_another_thread() {
    fn check<T>(future: impl Future<Output = T> + Send) {
        drop(future);
    }
    let (a, _b) = nonblocking_pair();
    let (mut buf, mut fds) = ([0; 1], Vec::new());
    check(a.ready(IN));
    check(a.read_future(&mut buf));
    check(a.read_all_future(&mut buf));
    check(a.read_all_eof_future(&mut buf));
    check(a.write_future(b"x"));
    check(a.write_all_future(b"x"));
    check(a.writev_full_future(&[], &[], WriteFlags::empty()));
    check(a.writev_full_all_future(&[], &[], WriteFlags::empty()));
    check(a.readv_full_future(&mut [], Some(&mut fds), ReadFlags::empty()));
    check(a.readv_full_all_eof_future(&mut [], Some(&mut fds), ReadFlags::empty()));
    check(a.flush_future());
    check(a.shutdown_future(Shutdown::Both));
    check(a.close_future());
    check(a.accept_future());
}

#[test]
fn a_short_peek_leaves_the_channel_readable() {
    on_loop(|| async {
        // A task of the hub, which remembers what was read.
        qio::spawn_local(peek_and_read()).await.expect("no panic");
    });
}

async fn peek_and_read() {
    let (a, b) = tcp();
    let peeked = async {
        let mut buf = [0; 100];
        let mut iov = [IoSliceMut::new(&mut buf)];
        let count = b.readv_full_future(&mut iov, None, ReadFlags::PEEK);
        assert_eq!(count.await.expect("looked at"), 5);
    };
    let written = async { a.write_all_future(b"hello").await.expect("space") };
    join(peeked, written).await;
    let mut buf = [0; 100];
    assert_eq!(b.read_future(&mut buf).await.expect("still there"), 5);
}

#[test]
fn a_waiter_for_hup_does_not_clear_the_readiness_of_readers() {
    on_loop(|| async {
        let (a, b) = tcp();
        let reading = b.clone();
        let reader = qio::spawn_local(async move {
            let mut head = [0; 2];
            reading.read_all_future(&mut head).await.expect("the head");
            let hang_up = reading.ready(IOCondition::HUP);
            let limit = std::time::Duration::from_millis(10);
            let late = hang_up.or_timeout(limit).await.expect_err("no hang-up");
            assert_eq!(late.kind(), ErrorKind::TimedOut);
            let mut body = [0; 3];
            reading.read_all_future(&mut body).await.expect("the body");
            (head, body)
        });
        a.write_all_future(b"hello").await.expect("space");
        assert_eq!(reader.await.expect("no panic"), (*b"he", *b"llo"));
    });
}
