//! `src/channel/limit.rs`, and the waits that have a limit.

use std::{
    io::{self, ErrorKind},
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use glib::{IOCondition, MainContext};
use qio::{
    Access, Channel, ChannelCommand, ChannelFile, ChannelSocket, coroutine, prelude::*,
    to_glib_error,
};

use crate::common::{after_ticks, fill, in_loop, in_time, nonblocking_pair, on_loop};

const IN: IOCondition = IOCondition::IN;
const A_WHILE: Duration = Duration::from_millis(20);
const NEVER: Duration = Duration::from_secs(3_600);

#[track_caller]
fn check_cancelled(e: &io::Error) {
    assert!(to_glib_error(e).matches(gio::IOErrorEnum::Cancelled), "{e}");
}

/// What takes part in a wait by each of the ways of waiting: by a descriptor and by a watch.
fn quiet() -> Vec<(Channel, Box<dyn Send>)> {
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    let (read, write) = ChannelFile::pipe().expect("a pipe");
    vec![(a.upcast(), Box::new(b)), (read.upcast(), Box::new(write))]
}

#[test]
fn a_future_that_times_out_loses_no_data() {
    on_loop(|| async {
        let (a, b) = nonblocking_pair();
        b.write_all(b"ab").expect("there is space");
        let begin = Instant::now();
        let mut buf = [0; 4];
        let e = a.read_all_future(&mut buf).or_timeout(A_WHILE).await;
        assert_eq!(e.expect_err("two bytes only").kind(), ErrorKind::TimedOut);
        assert!(begin.elapsed() >= A_WHILE);
        b.write_all(b"cd").expect("there is space");
        a.read_all_future(&mut buf)
            .or_timeout(NEVER)
            .await
            .expect("read");
        assert_eq!(&buf, b"abcd");
    });
}

#[test]
fn a_ready_future_does_not_time_out() {
    on_loop(|| async {
        let (a, b) = nonblocking_pair();
        b.write_all(b"a").expect("there is space");
        let mut buf = [0; 1];
        let read = a.read_future(&mut buf).or_timeout(Duration::ZERO).await;
        assert_eq!(read.expect("at once"), 1);
        after_ticks(move || b.write_all(b"b").expect("there is space"));
        // Longer than any clock counts.
        let read = a.read_future(&mut buf).or_timeout(Duration::MAX).await;
        assert_eq!((read.expect("read"), &buf), (1, b"b"));
    });
}

#[test]
fn a_limit_in_a_thread_that_runs_no_context_fails_at_once() {
    let waits = std::future::pending::<io::Result<()>>().or_timeout(A_WHILE);
    let e = waits
        .now_or_never()
        .expect("at once")
        .expect_err("nothing would wake it");
    assert!(e.to_string().contains("runs no main context"), "{e}");
}

#[test]
fn limits_work_on_tasks_of_either_kind() {
    in_loop(|context| {
        let late = || async {
            let (a, _b) = nonblocking_pair();
            a.read_future(&mut [0; 1]).or_timeout(A_WHILE).await
        };
        let results = [
            context
                .block_on(qio::spawn_local(late()))
                .expect("no panic"),
            context
                .block_on(context.spawn_local(late()))
                .expect("no panic"),
        ];
        for result in results {
            assert_eq!(result.expect_err("late").kind(), ErrorKind::TimedOut);
        }
    });
}

#[test]
fn an_operation_cancelled_before_does_not_begin() {
    on_loop(|| async {
        let (a, b) = nonblocking_pair();
        b.write_all(b"x").expect("there is space");
        let cancellable = gio::Cancellable::new();
        cancellable.cancel();
        let mut buf = [0; 1];
        let e = a.read_future(&mut buf).or_cancelled(&cancellable).await;
        check_cancelled(&e.expect_err("cancelled"));
        assert_eq!(a.read_future(&mut buf).await.expect("it is still there"), 1);
    });
}

#[test]
fn an_operation_cancelled_meanwhile_ends_and_loses_no_data() {
    on_loop(|| async {
        let (a, b) = nonblocking_pair();
        b.write_all(b"ab").expect("there is space");
        let cancellable = gio::Cancellable::new();
        let cancels = cancellable.clone();
        let ticks = after_ticks(move || cancels.cancel());
        let mut buf = [0; 4];
        let read = a.read_all_future(&mut buf).or_cancelled(&cancellable);
        check_cancelled(&read.await.expect_err("cancelled"));
        assert!(ticks.load(Ordering::Relaxed) >= 3);
        let another = gio::Cancellable::new();
        let read = a.read_future(&mut buf).or_cancelled(&another);
        assert_eq!(read.await.expect("given back"), 2);
        assert_eq!(&buf[..2], b"ab");
    });
}

#[test]
fn another_thread_may_cancel() {
    for _ in 0..50 {
        on_loop(|| async {
            let (a, _b) = nonblocking_pair();
            let cancellable = gio::Cancellable::new();
            let cancels = cancellable.clone();
            let canceller = thread::spawn(move || cancels.cancel());
            let mut buf = [0; 1];
            let read = a.read_future(&mut buf).or_cancelled(&cancellable);
            check_cancelled(&read.await.expect_err("cancelled"));
            canceller.join().expect("no panic");
        });
    }
}

#[test]
fn a_wait_that_is_cancelled_before_ends_at_once() {
    for (channel, _peer) in quiet() {
        in_time(move || {
            let cancellable = gio::Cancellable::new();
            cancellable.cancel();
            for condition in [IN, IN | IOCondition::PRI] {
                let e = channel.wait_cancellable(condition, &cancellable);
                check_cancelled(&e.expect_err("cancelled"));
            }
        });
    }
}

#[test]
fn a_blocking_wait_is_cancelled_by_another_thread() {
    for _ in 0..200 {
        for (channel, _peer) in quiet() {
            in_time(move || {
                let cancellable = gio::Cancellable::new();
                let cancels = cancellable.clone();
                // At whatever moment of the wait that happens to be.
                let canceller = thread::spawn(move || cancels.cancel());
                let e = channel.wait_cancellable(IN, &cancellable);
                check_cancelled(&e.expect_err("cancelled"));
                canceller.join().expect("no panic");
            });
        }
    }
}

#[test]
fn a_wait_for_two_descriptors_is_cancelled_before_and_meanwhile() {
    in_time(|| {
        // It neither reads nor writes, so that its watch waits.
        let sleep = ChannelCommand::new_spawn(["sleep", "60"], Access::ReadWrite).expect("sleep");
        sleep.set_blocking(false).expect("non-blocking");
        fill(&sleep);
        let both = IN | IOCondition::OUT;
        for _ in 0..100 {
            let cancellable = gio::Cancellable::new();
            let cancels = cancellable.clone();
            let canceller = thread::spawn(move || cancels.cancel());
            for _ in 0..2 {
                let e = sleep.wait_cancellable(both, &cancellable);
                check_cancelled(&e.expect_err("cancelled"));
            }
            canceller.join().expect("no panic");
        }
        sleep.kill().expect("ends");
    });
}

#[test]
fn a_wait_that_nothing_cancels_gets_its_condition() {
    in_time(|| {
        let (a, b) = nonblocking_pair();
        let cancellable = gio::Cancellable::new();
        let writer = thread::spawn(move || b.write_all(b"x").map(|()| b));
        let got = a.wait_cancellable(IN, &cancellable).expect("ready");
        assert_eq!(got, IN);
        // Afterwards it concerns the wait no more.
        cancellable.cancel();
        assert_eq!(a.wait(IN).expect("ready"), IN);
        writer.join().expect("no panic").expect("written");
    });
}

fn in_coroutine<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    in_loop(|context: &MainContext| context.block_on(coroutine::spawn(body)).expect("no panic"))
}

#[test]
fn a_wait_in_a_coroutine_can_time_out() {
    let (e, ticks) = in_coroutine(|| {
        let (a, _b) = nonblocking_pair();
        a.set_name(Some("the quiet one"));
        let ticks = after_ticks(|| ());
        // Until the timer has ticked, which it can do only meanwhile.
        loop {
            let e = a.wait_timeout(IN, A_WHILE).expect_err("nothing comes");
            if ticks.load(Ordering::Relaxed) >= 3 {
                return (e, ticks.load(Ordering::Relaxed));
            }
        }
    });
    assert_eq!(e.kind(), ErrorKind::TimedOut);
    assert!(e.to_string().contains("the quiet one"), "{e}");
    assert!(ticks >= 3);
}

#[test]
fn a_wait_in_a_coroutine_can_be_cancelled() {
    in_coroutine(|| {
        let (a, b) = nonblocking_pair();
        let cancellable = gio::Cancellable::new();
        let cancels = cancellable.clone();
        after_ticks(move || cancels.cancel());
        let e = a.wait_cancellable(IN, &cancellable);
        check_cancelled(&e.expect_err("cancelled"));
        let cancellable = gio::Cancellable::new();
        let writes = b.clone();
        after_ticks(move || writes.write_all(b"x").expect("there is space"));
        assert_eq!(a.wait_cancellable(IN, &cancellable).expect("ready"), IN);
    });
}
