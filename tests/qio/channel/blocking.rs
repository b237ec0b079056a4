//! Calls that may block, in other threads.

use std::{
    fs,
    future::{Future as _, pending},
    io::SeekFrom,
    pin::pin,
    thread,
};

use futures_util::{FutureExt as _, poll};
use glib::{MainContext, Priority};
use nix::sys::{
    resource::{Resource, getrlimit, setrlimit},
    socket::{setsockopt, sockopt},
};
use qio::{ChannelCommand, ChannelFile, ChannelSocket, prelude::*};

use crate::common::{alone::alone, fds, fork::in_child, in_time, memory, on_loop};

/// A channel of an unnamed file of three bytes, at its beginning.
fn file() -> ChannelFile {
    let file = ChannelFile::from(tempfile::tempfile().expect("a file"));
    file.write_all(b"abc").expect("written");
    file.seek(SeekFrom::Start(0)).expect("seeks");
    file
}

/// Reads the file in a private context.
fn read(file: &ChannelFile) -> std::io::Result<usize> {
    MainContext::new().block_on(file.read_future(&mut [0; 3]))
}

/// A context is destroyed after it has begun to read a file, with the future or after it.
fn abandon(file: &ChannelFile, with_future: bool) {
    let context = MainContext::new();
    let theirs = file.clone();
    let reading = async move {
        let mut buf = [0; 3];
        let mut read = pin!(theirs.read_future(&mut buf));
        assert!(poll!(read.as_mut()).is_pending(), "another thread reads");
        pending::<()>().await;
    };
    let task = qio::spawn_local_in(&context, Priority::DEFAULT, reading);
    context.iteration(false);
    if !with_future {
        task.abort();
        context.iteration(false);
    }
}

#[test]
fn a_context_destroyed_during_a_file_read_keeps_no_descriptor() {
    alone(
        "channel::blocking::a_context_destroyed_during_a_file_read_keeps_no_descriptor",
        || {
            let file = file();
            // What is made once for the process is there afterwards.
            abandon(&file, true);
            let before = fds::count();
            for round in 0..50 {
                abandon(&file, round % 2 == 0);
            }
            assert_eq!(fds::count(), before);
        },
    );
}

#[test]
fn a_forked_child_reads_a_file_that_its_parent_has_read() {
    alone(
        "channel::blocking::a_forked_child_reads_a_file_that_its_parent_has_read",
        || {
            let file = file();
            assert_eq!(read(&file).expect("read"), 3);
            in_child(|| {
                file.seek(SeekFrom::Start(1)).expect("seeks");
                assert_eq!(read(&file).expect("read"), 2);
            });
        },
    );
}

#[test]
fn many_files_are_read_at_once_and_the_threads_are_used_again() {
    on_loop(|| async {
        for _ in 0..20 {
            let reads: Vec<_> = (0..100)
                .map(|_| qio::spawn_local(async { file().read_future(&mut [0; 3]).await }))
                .collect();
            for read in reads {
                assert_eq!(read.await.expect("no panic").expect("read"), 3);
            }
        }
    });
}

fn has_thread(name: &str) -> bool {
    let threads = fs::read_dir("/proc/self/task").expect("/proc");
    let mut names = threads.filter_map(|it| fs::read_to_string(it.ok()?.path().join("comm")).ok());
    names.any(|it| it.trim_end() == name)
}

#[test]
fn without_threads_reading_a_file_fails_and_closing_works() {
    alone(
        "channel::blocking::without_threads_reading_a_file_fails_and_closing_works",
        || {
            let context = MainContext::new();
            let (file, cat) = (
                file(),
                ChannelCommand::builder(["true"]).spawn().expect("true"),
            );
            // The thread that waits for commands allocates while it starts, and has its name then.
            while !has_thread("qio-collector") {
                thread::yield_now();
            }
            // Too little address space for the stack of a thread.
            let (soft, hard) = getrlimit(Resource::RLIMIT_AS).expect("a known limit");
            let limit = memory::addresses() as u64 + (1 << 20);
            setrlimit(Resource::RLIMIT_AS, limit, hard).expect("lowered");
            let read = context.block_on(file.read_future(&mut [0; 3]));
            let closed = context.block_on(cat.close_future());
            setrlimit(Resource::RLIMIT_AS, soft, hard).expect("restored");
            let e = read.expect_err("no thread");
            assert!(
                qio::to_glib_error(&e).matches(gio::IOErrorEnum::Failed),
                "{e}"
            );
            assert!(e.to_string().starts_with("Unable to start a thread"), "{e}");
            closed.expect("closed here");
            assert!(cat.is_closed());
            let again = context.block_on(file.read_future(&mut [0; 3]));
            assert_eq!(again.expect("read"), 3);
        },
    );
}

#[test]
fn a_future_that_is_dropped_in_another_thread_than_it_was_polled_in_leaves_the_file_alone() {
    let file = file();
    in_time(move || {
        let context = MainContext::new();
        let theirs = file.clone();
        let mut reading = Box::pin(async move {
            let mut buf = [0; 3];
            theirs.read_future(&mut buf).await
        });
        let polled = context.block_on(std::future::poll_fn(|cx| {
            std::task::Poll::Ready(reading.as_mut().poll(cx).is_pending())
        }));
        assert!(polled, "another thread reads");
        thread::spawn(move || drop(reading))
            .join()
            .expect("no panic");
        assert_eq!(
            context
                .block_on(file.read_future(&mut [0; 3]))
                .expect("read"),
            3
        );
    });
}

#[test]
fn a_socket_is_closed_in_the_first_poll_unless_the_kernel_may_wait_for_its_data() {
    on_loop(|| async {
        let (one, other) = ChannelSocket::pair().expect("a pair");
        let closed = one.close_future().now_or_never().expect("at once");
        closed.expect("closed");
        assert!(one.is_closed());
        let again = one.close_future().now_or_never();
        again.map_or(Ok(()), |again| again).expect("closed already");

        let linger = nix::libc::linger {
            l_onoff: 1,
            l_linger: 1,
        };
        let set = other.with_fd(|fd| setsockopt(&fd, sockopt::Linger, &linger));
        set.expect("open").expect("set");
        let mut closing = pin!(other.close_future());
        assert!(poll!(&mut closing).is_pending(), "in another thread");
        closing.await.expect("closed");
    });
}
