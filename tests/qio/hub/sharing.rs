//! Several waits for one channel, and several channels of one descriptor.

use std::{
    io::{ErrorKind, IoSlice},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use glib::IOCondition;
use qio::{Channel, ChannelSocket, WriteFlags, channel_for_fd, prelude::*};

use super::*;
use crate::common::{FEW, in_time, iterations};

mod imp {
    use std::{
        io::{self, IoSliceMut},
        os::fd::OwnedFd,
        sync::OnceLock,
    };

    use glib::IOCondition;
    use qio::{ChannelSocket, ReadFlags, Readiness, prelude::*, subclass::prelude::*};

    /// Reads from a socket that belongs to another channel, by its very number.
    #[derive(Default)]
    pub struct SharedFd {
        pub(super) lower: OnceLock<ChannelSocket>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for SharedFd {
        const NAME: &'static str = "TestHubSharedFd";
        type Type = super::SharedFd;
        type ParentType = qio::Channel;
    }

    impl ObjectImpl for SharedFd {}

    impl ChannelImpl for SharedFd {
        fn readv(
            &self,
            iov: &mut [IoSliceMut<'_>],
            _fds: Option<&mut Vec<OwnedFd>>,
            _flags: ReadFlags,
        ) -> io::Result<usize> {
            self.lower.get().expect("set at first").readv(iov)
        }

        fn close(&self) -> io::Result<()> {
            Ok(())
        }

        fn set_blocking(&self, _enabled: bool) -> io::Result<()> {
            Ok(())
        }

        fn wait_fd(&self, condition: IOCondition) -> Readiness {
            Readiness::Fd(self.lower.get().expect("set at first").fd(), condition)
        }
    }
}

glib::wrapper! {
    pub struct SharedFd(ObjectSubclass<imp::SharedFd>) @extends Channel;
}

fn layer_over(lower: &ChannelSocket) -> Channel {
    use glib::subclass::prelude::ObjectSubclassIsExt;
    let channel: SharedFd = glib::Object::new();
    channel.imp().lower.set(lower.clone()).expect("new");
    channel.upcast()
}

/// A task that reads one byte.
fn reading(context: &MainContext, channel: &impl IsA<Channel>) -> JoinHandle<std::io::Result<()>> {
    let channel = channel.as_ref().clone();
    start(
        context,
        async move { channel.read_all_future(&mut [0]).await },
    )
}

fn finished<T>(tasks: &[JoinHandle<T>]) -> usize {
    tasks.iter().filter(|task| task.is_finished()).count()
}

#[test]
fn two_channels_of_one_descriptor_wait_side_by_side() {
    let context = MainContext::new();
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    a.set_blocking(false).expect("non-blocking");
    let duplicate = a.with_fd(|fd| fd.try_clone_to_owned()).expect("open");
    let duplicate = channel_for_fd(duplicate.expect("a duplicate")).expect("a socket");
    for other in [duplicate, layer_over(&a)] {
        let tasks = [reading(&context, &a), reading(&context, &other)];
        settle(&context);
        assert_eq!(finished(&tasks), 0);
        b.write_all(b"x").expect("space");
        iterate_until(&context, || finished(&tasks) == 1);
        settle(&context);
        assert_eq!(finished(&tasks), 1, "there was one byte");
        b.write_all(b"x").expect("space");
        for task in tasks {
            join(&context, task).expect("no panic").expect("read");
        }
        assert!(iterations(&context) <= FEW);
    }
}

#[test]
fn all_tasks_that_wait_for_one_direction_are_woken() {
    let context = MainContext::new();
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    let waits: Vec<_> = (0..10)
        .map(|_| {
            let channel = a.clone();
            start(
                &context,
                async move { channel.ready(IOCondition::IN).await },
            )
        })
        .collect();
    let reads: Vec<_> = (0..10).map(|_| reading(&context, &a)).collect();
    settle(&context);
    // One that was dropped takes no wake-up of another along.
    reads[0].abort();
    b.write_all(b"x").expect("space");
    iterate_until(&context, || finished(&reads) == 2);
    b.write_all(&[0; 20]).expect("space");
    for task in reads.into_iter().skip(1) {
        join(&context, task).expect("no panic").expect("read");
    }
    for task in waits {
        let got = join(&context, task).expect("no panic");
        assert_eq!(got.expect("ready"), IOCondition::IN);
    }
}

#[test]
fn a_watch_for_a_hang_up_that_has_been_quiet_does_not_make_readers_forget_what_is_there() {
    let context = MainContext::new();
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    let first = reading(&context, &a);
    settle(&context);
    b.write_all(b"xy").expect("space");
    join(&context, first).expect("no panic").expect("read");
    let go_on = |_: &ChannelSocket, _| ControlFlow::Continue;
    let watch = a.add_watch_source_local(IOCondition::HUP, go_on, Some(&context));
    // Until the hub waits for it.
    for _ in 0..40 {
        context.iteration(false);
    }
    let second = reading(&context, &a);
    join(&context, second).expect("no panic").expect("read");
    watch.destroy();
}

#[test]
fn a_channel_is_read_in_one_context_and_written_in_another() {
    in_time(|| {
        const SIZE: usize = 1 << 20;
        let (a, b) = ChannelSocket::pair().expect("a socketpair");
        let writer = a.clone();
        let writes = thread::spawn(move || {
            let data = vec![7; SIZE];
            MainContext::new().block_on(writer.write_all_future(&data))
        });
        let echoes = thread::spawn(move || {
            let mut buf = vec![0; 5_000];
            let mut left = SIZE;
            while left > 0 {
                let count = b.read(&mut buf).expect("read");
                b.write_all(&buf[..count]).expect("written");
                left -= count;
            }
        });
        let mut data = vec![0; SIZE];
        let context = MainContext::new();
        context
            .block_on(a.read_all_future(&mut data))
            .expect("read");
        assert!(data.iter().all(|&byte| byte == 7));
        writes.join().expect("no panic").expect("written");
        echoes.join().expect("no panic");
    });
}

/// A channel that two contexts have waited for, which has more than a read gets that ends at
/// descriptors. Neither context has an event left.
fn with_more_behind_descriptors(contexts: [&MainContext; 2]) -> (ChannelSocket, ChannelSocket) {
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    a.set_blocking(false).expect("non-blocking");
    for context in contexts {
        let first = reading(context, &a);
        settle(context);
        b.write_all(b"x").expect("space");
        join(context, first).expect("no panic").expect("read");
    }
    let file = std::fs::File::open("/dev/null").expect("opens");
    let fds = [std::os::fd::AsFd::as_fd(&file)];
    b.writev_full_all(&[IoSlice::new(b"m2")], &fds, WriteFlags::empty())
        .expect("space");
    b.write_all(b"m1").expect("space");
    contexts.into_iter().for_each(settle);
    (a, b)
}

#[test]
fn what_is_left_behind_descriptors_is_read_by_a_loop_of_another_context_inside_the_task() {
    let [here, other] = [MainContext::new(), MainContext::new()];
    let (a, _b) = with_more_behind_descriptors([&other, &here]);
    let inner = other.clone();
    let task = start(&here, async move {
        assert_eq!(a.read_future(&mut [0; 100]).await.expect("read"), 2);
        join(&inner, reading(&inner, &a)).expect("no panic")
    });
    join(&here, task).expect("no panic").expect("read");
}

#[test]
fn what_is_left_behind_descriptors_is_read_by_a_thread_that_the_task_blocks_for() {
    let here = MainContext::new();
    let runner = Runner::new();
    let (a, _b) = with_more_behind_descriptors([&here, &MainContext::new()]);
    let (done, is_done) = mpsc::channel();
    let task = start(&here, async move {
        assert_eq!(a.read_future(&mut [0; 100]).await.expect("read"), 2);
        drop(qio::spawn_in(
            &runner.context,
            Priority::DEFAULT,
            async move {
                let result = a.read_all_future(&mut [0]).await;
                done.send(result).expect("a receiver waits");
            },
        ));
        is_done.recv_timeout(TIMEOUT).expect("in time")
    });
    join(&here, task).expect("no panic").expect("read");
}

#[test]
fn two_threads_read_one_channel_in_contexts_of_their_own() {
    in_time(|| {
        const BYTES: usize = 20_000;
        let (a, b) = ChannelSocket::pair().expect("a socketpair");
        let total = Arc::new(AtomicUsize::new(0));
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let (channel, total) = (a.clone(), total.clone());
                thread::spawn(move || {
                    MainContext::new().block_on(async {
                        let mut buf = [0; 3];
                        loop {
                            match channel.read_future(&mut buf).await.expect("read") {
                                0 => break,
                                count => total.fetch_add(count, Ordering::Relaxed),
                            };
                        }
                    });
                })
            })
            .collect();
        for sent in 1..=BYTES {
            b.write_all(b"x").expect("space");
            // Now and then both have to wait.
            while sent % 10 == 0 && total.load(Ordering::Relaxed) < sent {
                thread::yield_now();
            }
        }
        b.shutdown(qio::Shutdown::Write).expect("shut down");
        readers
            .into_iter()
            .for_each(|thread| thread.join().expect("no panic"));
        assert_eq!(total.load(Ordering::Relaxed), BYTES);
    });
}

#[test]
fn a_channel_that_a_task_closes_wakes_the_others_with_an_error() {
    let context = MainContext::new();
    let (a, _b) = ChannelSocket::pair().expect("a socketpair");
    let (read, _write) = qio::ChannelFile::pipe().expect("a pipe");
    let (lower, _peer) = ChannelSocket::pair().expect("a socketpair");
    for channel in [a.upcast::<Channel>(), read.upcast(), layer_over(&lower)] {
        let waits = [reading(&context, &channel), reading(&context, &channel)];
        let conditions = channel.clone();
        let ready = start(
            &context,
            async move { conditions.ready(IOCondition::IN).await },
        );
        settle(&context);
        assert_eq!(finished(&waits), 0);
        run(&context, async move { channel.close() }).expect("closed");
        for task in waits {
            let e = join(&context, task).expect("no panic").expect_err("closed");
            assert_eq!(e.kind(), ErrorKind::NotConnected, "{e}");
        }
        let got = join(&context, ready).expect("no panic");
        assert_eq!(got.expect("conditions"), IOCondition::NVAL);
    }
}

#[test]
fn a_channel_that_another_thread_closes_wakes_a_task_with_an_error() {
    in_time(|| {
        for round in 0..500 {
            let context = MainContext::new();
            let (a, _b) = ChannelSocket::pair().expect("a socketpair");
            let waits = reading(&context, &a);
            if round % 2 == 0 {
                settle(&context);
            }
            let closes = thread::spawn(move || a.close().expect("closed"));
            // Without anything else to wake the loop.
            while !waits.is_finished() {
                context.iteration(true);
            }
            let e = join(&context, waits)
                .expect("no panic")
                .expect_err("closed");
            // What is read in that very moment may be the end.
            let ended = [ErrorKind::NotConnected, ErrorKind::UnexpectedEof].contains(&e.kind());
            assert!(ended, "{e}");
            closes.join().expect("no panic");
        }
    });
}
