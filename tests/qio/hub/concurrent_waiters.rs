//! One channel that is waited for in three contexts and in a blocked thread, while yet another
//! thread does something to it.

use std::{
    future::Future as _,
    io::{self, ErrorKind},
    sync::Arc,
    time::Duration,
};

use glib::IOCondition;
use qio::{ChannelSocket, Shutdown, prelude::*};

use super::*;
use crate::common::{FEW, alone::alone, blocked::Blocked, fork::in_child, in_time, iterations};

const IN: IOCondition = IOCondition::IN;
const NVAL: IOCondition = IOCondition::NVAL;

/// What waits, and what it has got.
struct Waiters {
    runners: [Runner; 3],
    results: mpsc::Receiver<(&'static str, io::Result<IOCondition>)>,
    blocked: Option<thread::JoinHandle<()>>,
}

/// In each context a future and a watch, and a blocked thread.
const WAITERS: usize = 7;

impl Waiters {
    /// Begins to wait, with `all_waiting` until all wait.
    fn new(runners: [Runner; 3], channel: &ChannelSocket, all_waiting: bool) -> Self {
        let (sender, results) = mpsc::channel();
        for runner in &runners {
            let (theirs, sent) = (channel.clone(), sender.clone());
            let ready = async move {
                let _ = sent.send(("future", theirs.ready(IN).await));
            };
            drop(qio::spawn_in(&runner.context, Priority::DEFAULT, ready));
            let sent = sender.clone();
            let on_ready = move |_: &ChannelSocket, condition| {
                let _ = sent.send(("watch", Ok(condition)));
                ControlFlow::Break
            };
            channel.add_watch_source(IN, on_ready, Some(&runner.context));
        }
        let theirs = channel.clone();
        let asleep = Arc::new(Blocked::default());
        let in_thread = asleep.clone();
        let blocked = thread::spawn(move || {
            in_thread.soon();
            let _ = sender.send(("thread", theirs.wait(IN)));
        });
        let this = Self {
            runners,
            results,
            blocked: Some(blocked),
        };
        if all_waiting {
            this.settle();
            asleep.wait();
        }
        this
    }

    /// Lets each context come round with nothing left to do.
    fn settle(&self) {
        for runner in &self.runners {
            let (sender, idle) = mpsc::channel();
            let source = glib::idle_source_new(None, Priority::LOW, move || {
                let _ = sender.send(());
                ControlFlow::Break
            });
            source.attach(Some(&runner.context));
            idle.recv_timeout(TIMEOUT).expect("it runs");
        }
    }

    /// All are woken, each with a result that is right.
    #[track_caller]
    fn check(
        mut self,
        what: &str,
        is_right: impl Fn(&io::Result<IOCondition>) -> bool,
    ) -> [Runner; 3] {
        for _ in 0..WAITERS {
            let (waiter, result) = match self.results.recv_timeout(TIMEOUT) {
                Ok(got) => got,
                Err(e) => panic!("{what}: a waiter is not woken: {e}"),
            };
            assert!(is_right(&result), "{what}: a {waiter} got {result:?}");
        }
        self.blocked.take().map(thread::JoinHandle::join);
        self.runners
    }

    fn is_quiet(&self) -> bool {
        self.settle();
        self.results.try_recv().is_err()
    }
}

/// Often, also with waits that are just about to begin.
fn often(mut round: impl FnMut([Runner; 3], bool) -> [Runner; 3]) {
    let mut runners = [Runner::new(), Runner::new(), Runner::new()];
    for count in 0..100 {
        runners = round(runners, count % 2 == 0);
    }
}

#[test]
fn closing_wakes_what_waits_in_three_contexts_and_a_thread() {
    in_time(|| {
        often(|runners, all_waiting| {
            let (a, _b) = ChannelSocket::pair().expect("a socketpair");
            let waiters = Waiters::new(runners, &a, all_waiting);
            let closes = thread::spawn(move || a.close().expect("closed"));
            let runners = waiters.check("close", |result| match result {
                Ok(got) => *got == NVAL,
                // One that had not begun.
                Err(e) => !all_waiting && e.kind() == ErrorKind::NotConnected,
            });
            closes.join().expect("no panic");
            runners
        });
    });
}

#[test]
fn shutting_down_wakes_what_waits_in_three_contexts_and_a_thread() {
    in_time(|| {
        often(|runners, all_waiting| {
            let (a, _b) = ChannelSocket::pair().expect("a socketpair");
            let waiters = Waiters::new(runners, &a, all_waiting);
            let ended = a.clone();
            let ends = thread::spawn(move || ended.shutdown(Shutdown::Read).expect("shut down"));
            let runners = waiters.check("shutdown", |result| {
                result.as_ref().is_ok_and(|got| got.contains(IN))
            });
            ends.join().expect("no panic");
            assert_eq!(a.read(&mut [0]).expect("the end"), 0);
            runners
        });
    });
}

#[test]
fn moving_to_another_context_keeps_what_waits_in_three_contexts_and_a_thread() {
    in_time(|| {
        let others = [Runner::new(), Runner::new()];
        often(|runners, all_waiting| {
            let (a, b) = ChannelSocket::pair().expect("a socketpair");
            let waiters = Waiters::new(runners, &a, all_waiting);
            let (moved, contexts) = (a.clone(), others.each_ref().map(|it| it.context.clone()));
            let moves = thread::spawn(move || {
                for context in &contexts {
                    moved.attach_context(context);
                }
                moved.detach_context();
                moved.attach_context(&contexts[0]);
            });
            if all_waiting {
                moves.join().expect("no panic");
                assert!(waiters.is_quiet(), "there is nothing");
                b.write_all(b"x").expect("space");
            } else {
                b.write_all(b"x").expect("space");
                moves.join().expect("no panic");
            }
            let runners = waiters.check("move", |result| matches!(result, Ok(got) if *got == IN));
            a.detach_context();
            runners
        });
    });
}

#[test]
fn a_fork_leaves_what_waits_in_three_contexts_and_a_thread_alone() {
    alone(
        "hub::concurrent_waiters::a_fork_leaves_what_waits_in_three_contexts_and_a_thread_alone",
        || {
            let mut runners = [Runner::new(), Runner::new(), Runner::new()];
            for _ in 0..20 {
                let (a, b) = ChannelSocket::pair().expect("a socketpair");
                let waiters = Waiters::new(runners, &a, true);
                let theirs = (a.clone(), b.clone());
                let forks = thread::spawn(move || {
                    in_child(|| {
                        let (a, b) = theirs;
                        // What waits belongs to threads that the child does not have.
                        let context = MainContext::new();
                        let read = a.clone();
                        let task = start(
                            &context,
                            async move { read.read_all_future(&mut [0]).await },
                        );
                        settle(&context);
                        b.write_all(b"c").expect("space");
                        join(&context, task).expect("no panic").expect("read");
                        a.close().expect("closed");
                        b.close().expect("closed");
                    });
                });
                forks.join().expect("no panic");
                b.write_all(b"x").expect("space");
                runners = waiters.check("fork", |result| {
                    // The byte of the child was there for a moment.
                    matches!(result, Ok(got) if *got == IN)
                });
                a.read_all(&mut [0]).expect("read");
            }
        },
    );
}

#[test]
fn a_future_that_was_polled_in_one_context_is_dropped_in_another_thread() {
    in_time(|| {
        let context = MainContext::new();
        for round in 0..500 {
            let (a, b) = ChannelSocket::pair().expect("a socketpair");
            let reader = a.clone();
            let mut future = Box::pin(async move { reader.read_all_future(&mut [0; 2]).await });
            let once = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending()));
            assert!(context.block_on(once), "there is nothing");
            let writes = thread::spawn(move || {
                b.write_all(b"x").expect("space");
                b
            });
            let drops = thread::spawn(move || drop(future));
            if round % 2 == 0 {
                context.iteration(false);
            }
            drops.join().expect("no panic");
            let b = writes.join().expect("no panic");
            let mut byte = [0];
            a.read_all(&mut byte).expect("nothing is lost");
            assert_eq!(&byte, b"x");
            b.write_all(b"y").expect("space");
            context
                .block_on(a.read_all_future(&mut byte))
                .expect("read");
            assert_eq!(&byte, b"y");
        }
        assert!(iterations(&context) <= FEW, "nothing is left that wakes it");
    });
}

#[test]
fn a_future_that_was_polled_in_a_context_that_has_gone_is_dropped_or_goes_on_in_another_thread() {
    in_time(|| {
        for round in 0..500 {
            let (a, b) = ChannelSocket::pair().expect("a socketpair");
            let context = MainContext::new();
            let mut future = Box::pin(async move {
                a.read_all_future(&mut [0])
                    .or_timeout(Duration::from_secs(50))
                    .await
            });
            let once = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending()));
            assert!(context.block_on(once), "there is nothing");
            let goes_on = round % 2 == 0;
            let elsewhere = thread::spawn(move || match goes_on {
                true => MainContext::new().block_on(future),
                false => {
                    drop(future);
                    Ok(())
                }
            });
            drop(context);
            b.write_all(b"x").map_or_else(
                |e| assert_eq!((e.kind(), goes_on), (ErrorKind::BrokenPipe, false)),
                |()| (),
            );
            elsewhere.join().expect("no panic").expect("read");
        }
    });
}
