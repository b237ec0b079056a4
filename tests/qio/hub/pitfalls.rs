//! Known pitfalls of epoll and main loops.

use std::{
    cell::Cell,
    fs::{self, File},
    io::{self, ErrorKind, IoSlice, IoSliceMut, Write as _},
    os::fd::{AsFd as _, OwnedFd},
    rc::Rc,
};

use glib::IOCondition;
use nix::sys::memfd::{MFdFlags, memfd_create};
use qio::{
    Channel, ChannelFile, ChannelSocket, ReadFlags, Shutdown, WriteFlags, channel_for_fd,
    prelude::*,
};

use super::*;
use crate::common::{FEW, alone::alone, iterations, nonblocking_pair};

const IN: IOCondition = IOCondition::IN;
const OUT: IOCondition = IOCondition::OUT;

pub(super) fn pair() -> (ChannelSocket, ChannelSocket) {
    ChannelSocket::pair().expect("a socketpair")
}

/// A task that reads up to 64 bytes, and waits for them already.
pub(super) fn reading(
    context: &MainContext,
    channel: &impl IsA<Channel>,
) -> JoinHandle<io::Result<Vec<u8>>> {
    let channel = channel.as_ref().clone();
    let task = start(context, async move {
        let mut buf = vec![0; 64];
        let count = channel.read_future(&mut buf).await?;
        buf.truncate(count);
        Ok(buf)
    });
    settle(context);
    task
}

/// Sends something with a descriptor and something without.
fn send_both(peer: &ChannelSocket) {
    let null = File::open("/dev/null").expect("opened");
    let first = [IoSlice::new(b"with a descriptor")];
    peer.writev_full(&first, &[null.as_fd()], WriteFlags::empty())
        .expect("space");
    peer.write_all(b"without").expect("space");
}

#[test]
fn a_short_read_up_to_a_descriptor_that_no_reader_takes_does_not_mean_that_all_is_read() {
    let context = MainContext::new();
    let (a, b) = pair();
    for round in 0..20 {
        let waits_first = (round % 2 == 0).then(|| reading(&context, &a));
        send_both(&b);
        let first = waits_first.unwrap_or_else(|| reading(&context, &a));
        let read = join(&context, first).expect("no panic").expect("read");
        assert_eq!(read, b"with a descriptor");
        let second = reading(&context, &a);
        let read = join(&context, second).expect("no panic").expect("read");
        assert_eq!(read, b"without");
    }
}

#[test]
fn a_short_read_with_a_descriptor_does_not_mean_that_all_is_read() {
    let context = MainContext::new();
    let (a, b) = pair();
    for round in 0..20 {
        let channel = a.clone();
        let both = start(&context, async move {
            let mut results = Vec::new();
            for _ in 0..2 {
                let (mut buf, mut fds) = ([0; 64], Vec::new());
                let mut iov = [IoSliceMut::new(&mut buf)];
                let flags = ReadFlags::empty();
                let read = channel.readv_full_future(&mut iov, Some(&mut fds), flags);
                let count = read.await.expect("read");
                results.push((buf[..count].to_vec(), fds.len()));
            }
            results
        });
        if round % 2 == 0 {
            settle(&context);
        }
        send_both(&b);
        let expected = [(b"with a descriptor".to_vec(), 1), (b"without".to_vec(), 0)];
        assert_eq!(join(&context, both).expect("no panic"), expected);
    }
}

/// Connected sockets, the first of which has the number.
fn pair_with(number: i32) -> (ChannelSocket, ChannelSocket) {
    let mut others = Vec::new();
    for _ in 0..100 {
        let (a, b) = pair();
        if a.fd() == number {
            return (a, b);
        }
        others.push((a, b));
    }
    panic!("the number {number} is not used again");
}

#[test]
fn the_number_of_a_closed_channel_serves_another_one() {
    alone(
        "hub::pitfalls::the_number_of_a_closed_channel_serves_another_one",
        || {
            let context = MainContext::new();
            let (mut a, mut _peer) = pair();
            for _ in 0..50 {
                let (number, waits) = (a.fd(), reading(&context, &a));
                a.close().expect("closed");
                let e = join(&context, waits)
                    .expect("no panic")
                    .expect_err("closed");
                assert_eq!(e.kind(), ErrorKind::NotConnected, "{e}");
                let (new, b) = pair_with(number);
                let waits = reading(&context, &new);
                assert!(!waits.is_finished(), "there is nothing to read");
                b.write_all(b"new").expect("space");
                let read = join(&context, waits).expect("no panic");
                assert_eq!(read.expect("read"), b"new");
                (a, _peer) = (new, b);
            }
        },
    );
}

#[test]
fn a_duplicate_that_outlives_its_channel_disturbs_nothing() {
    alone(
        "hub::pitfalls::a_duplicate_that_outlives_its_channel_disturbs_nothing",
        || {
            let context = MainContext::new();
            let (a, b) = pair();
            let duplicate = a.with_fd(|fd| fd.try_clone_to_owned()).expect("open");
            let duplicate = channel_for_fd(duplicate.expect("a duplicate")).expect("a socket");
            let (number, waits) = (a.fd(), reading(&context, &a));
            a.close().expect("closed");
            join(&context, waits)
                .expect("no panic")
                .expect_err("closed");
            let (new, peer) = pair_with(number);
            let waits = reading(&context, &new);
            // Goes to the duplicate, which is not registered with the loop.
            b.write_all(b"old").expect("space");
            assert!(iterations(&context) <= FEW, "there is still a registration");
            assert!(!waits.is_finished());
            peer.write_all(b"new").expect("space");
            assert_eq!(
                join(&context, waits).expect("no panic").expect("read"),
                b"new"
            );
            let read = join(&context, reading(&context, &duplicate)).expect("no panic");
            assert_eq!(read.expect("read"), b"old");
        },
    );
}

/// All of a channel that is always ready.
fn read_to_end(context: &MainContext, channel: impl IsA<Channel>) -> io::Result<Vec<u8>> {
    let channel = channel.upcast();
    run(context, async move {
        let ready = channel.ready(IN | OUT).await?;

        assert!(ready.intersects(IN | OUT), "{ready:?}");
        let mut all = Vec::new();
        let mut buf = [0; 3];
        loop {
            match channel.read_future(&mut buf).await? {
                0 => return Ok(all),
                count => all.extend(&buf[..count]),
            }
        }
    })
}

#[test]
fn what_epoll_refuses_to_watch_is_always_ready() {
    let context = MainContext::new();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("file");
    fs::write(&path, b"on disk").expect("written");
    let file = ChannelFile::open(&path).expect("opened");
    assert_eq!(read_to_end(&context, file).expect("read"), b"on disk");

    let null = File::options().read(true).write(true).open("/dev/null");
    let null = ChannelFile::new_fd(null.expect("opened").into());
    let writer = null.clone();
    run(&context, async move { writer.write_all_future(b"x").await }).expect("written");
    assert_eq!(read_to_end(&context, null).expect("read"), b"");

    let memory = memfd_create("test", MFdFlags::MFD_CLOEXEC).expect("a memfd");
    let mut file = File::from(memory.try_clone().expect("a duplicate"));
    file.write_all(b"in memory").expect("written");
    let memory = channel_for_fd(memory).expect("a file");
    memory.seek(io::SeekFrom::Start(0)).expect("a position");
    assert_eq!(read_to_end(&context, memory).expect("read"), b"in memory");

    let opened = OwnedFd::from(File::open(directory.path()).expect("opened"));
    let e = read_to_end(&context, channel_for_fd(opened).expect("a file"));
    let e = e.expect_err("a directory");
    assert_eq!(e.raw_os_error(), Some(libc::EISDIR), "{e}");
}

#[test]
fn a_hang_up_that_nothing_waits_for_does_not_spin() {
    let context = MainContext::new();
    let (a, b) = pair();
    let (read, write) = ChannelFile::pipe().expect("a pipe");
    // All are registered with the hub from now on.
    for (reader, writer) in [
        (a.upcast_ref::<Channel>(), b.upcast_ref::<Channel>()),
        (read.upcast_ref(), write.upcast_ref()),
    ] {
        let waits = reading(&context, reader);
        writer.write_all(b"x").expect("space");
        join(&context, waits).expect("no panic").expect("read");
    }
    b.close().expect("closed");
    write.close().expect("closed");
    assert!(iterations(&context) <= FEW);
    for reader in [a.upcast_ref::<Channel>(), read.upcast_ref()] {
        let end = join(&context, reading(&context, reader)).expect("no panic");
        assert_eq!(end.expect("the end"), b"");
    }
    assert!(iterations(&context) <= FEW);
}

#[test]
fn a_hang_up_ends_the_waits_of_both_directions() {
    let context = MainContext::new();
    let (a, b) = nonblocking_pair();
    crate::common::fill(&a);
    let waits = [IN, OUT].map(|condition| {
        let channel = a.clone();
        start(&context, async move { channel.ready(condition).await })
    });
    settle(&context);
    assert!(waits.iter().all(|task| !task.is_finished()));
    b.close().expect("closed");
    for task in waits {
        let got = join(&context, task).expect("no panic").expect("conditions");
        assert!(got.contains(IOCondition::HUP), "{got:?}");
    }
    assert!(iterations(&context) <= FEW);
}

#[test]
fn half_a_connection_that_is_shut_down_ends_reads_and_no_writes() {
    let context = MainContext::new();
    let (a, b) = pair();
    let waits = reading(&context, &a);
    b.shutdown(Shutdown::Write).expect("shut down");
    assert_eq!(
        join(&context, waits).expect("no panic").expect("the end"),
        b""
    );
    run(&context, async move { a.write_all_future(b"still").await }).expect("written");
    assert_eq!(b.read(&mut [0; 8]).expect("read"), 5);
    assert!(iterations(&context) <= FEW);
}

#[test]
fn an_outer_task_is_not_run_by_a_loop_inside_it_and_the_others_are() {
    let context = MainContext::new();
    let (a, b) = pair();
    let (inside, nested) = (Rc::new(Cell::new(false)), context.clone());
    let outer = start(
        &context,
        std::future::poll_fn(move |cx| {
            assert!(!inside.replace(true), "it runs already");
            cx.waker().wake_by_ref();
            let other = reading(&nested, &a);
            b.write_all(b"x").expect("space");
            let read = join(&nested, other).expect("no panic").expect("read");
            inside.set(false);
            Poll::Ready(read)
        }),
    );
    assert_eq!(join(&context, outer).expect("no panic"), b"x");
}

#[test]
fn a_loop_inside_a_task_has_no_part_in_the_budget_of_the_task() {
    crate::common::in_time(|| {
        const MANY: usize = 1_000;
        let context = MainContext::new();
        let nested = context.clone();
        run(&context, async move {
            let (a, b) = pair();
            let exchanges = async move {
                for _ in 0..MANY {
                    a.write_all_future(b"x").await?;
                    b.read_all_future(&mut [0]).await?;
                }
                io::Result::Ok(())
            };
            nested.block_on(exchanges)
        })
        .expect("exchanged");
    });
}
