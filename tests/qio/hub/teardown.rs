//! Teardown of many contexts while other threads are busy.

use std::{
    cell::Cell,
    io::ErrorKind,
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Waker,
};

use glib::IOCondition;
use qio::{ChannelSocket, prelude::*};

use super::*;
use crate::common::{alone::alone, fds, in_time, nonblocking_pair};

type Ends = (ChannelSocket, ChannelSocket);

/// Pairs that other threads replace, close and write to all the time.
struct Shared {
    pairs: [Mutex<Ends>; 4],
    is_over: AtomicBool,
}

impl Shared {
    fn new() -> Self {
        Self {
            pairs: std::array::from_fn(|_| Mutex::new(nonblocking_pair())),
            is_over: AtomicBool::new(false),
        }
    }

    fn get(&self, round: usize) -> Ends {
        self.pairs[round % self.pairs.len()]
            .lock()
            .expect("no panic")
            .clone()
    }

    /// Until it is over.
    fn rounds(&self) -> impl Iterator<Item = usize> {
        (0..).take_while(|_| !self.is_over.load(Ordering::Relaxed))
    }

    fn replace(&self) {
        for round in self.rounds() {
            let place = &self.pairs[round % self.pairs.len()];
            let (a, b) =
                std::mem::replace(&mut *place.lock().expect("no panic"), nonblocking_pair());
            if round % 3 != 0 {
                a.close().expect("closed");
            }
            if round % 3 != 1 {
                b.close().expect("closed");
            }
        }
    }

    fn write(&self) {
        for round in self.rounds() {
            // It may be full, or closed meanwhile.
            let _ = self.get(round).1.write(b"x");
        }
    }
}

/// A context that goes with a watch, a handler and two futures pending in it.
fn one_context(shared: &Shared, round: usize) {
    let context = MainContext::new();
    let read = |channel: &ChannelSocket| match channel.read(&mut [0; 64]) {
        Ok(0) => ControlFlow::Break,
        Err(e) if e.kind() != ErrorKind::WouldBlock => ControlFlow::Break,
        _ => ControlFlow::Continue,
    };
    let watched = shared.get(round).0;
    watched.add_watch_source(
        IOCondition::IN,
        move |channel, _| read(channel),
        Some(&context),
    );
    let (handled, _) = shared.get(round + 1);
    let channel = handled.clone();
    let handler = move || {
        if read(&channel).is_break() {
            channel.set_fd_handler(None, None, None);
        }
    };
    handled.set_fd_handler(Some(&context), Some(Box::new(handler)), None);
    for step in 2..4 {
        let (channel, _) = shared.get(round + step);
        drop(start(&context, async move {
            channel.read_all_future(&mut [0; 2]).await
        }));
    }
    for _ in 0..round % 50 {
        context.iteration(false);
    }
    if round.is_multiple_of(2) {
        handled.set_fd_handler(Some(&context), None, None);
    }
}

fn contexts_with_concurrent_closes(contexts: usize) {
    const THREADS: usize = 2;
    let shared = Arc::new(Shared::new());
    thread::scope(|scope| {
        scope.spawn(|| shared.replace());
        scope.spawn(|| shared.write());
        let makers = [0; THREADS].map(|_| {
            scope.spawn(|| (0..contexts / THREADS).for_each(|round| one_context(&shared, round)))
        });
        let ended = makers.map(thread::ScopedJoinHandle::join);
        shared.is_over.store(true, Ordering::Relaxed);
        ended.into_iter().for_each(|it| it.expect("no panic"));
    });
}

fn contexts_leave_nothing(contexts: usize) {
    // What is made once for the process is there afterwards.
    contexts_with_concurrent_closes(200);
    let before = fds::all();
    contexts_with_concurrent_closes(contexts);
    assert_eq!(fds::all(), before);
}

#[test]
fn a_thousand_contexts_destroyed_during_closes_leave_no_descriptor() {
    alone(
        "hub::teardown::a_thousand_contexts_destroyed_during_closes_leave_no_descriptor",
        || contexts_leave_nothing(1_000),
    );
}

#[test]
#[ignore = "takes a minute: `make soak`"]
fn ten_thousand_contexts_destroyed_during_closes_leave_no_descriptor() {
    alone(
        "hub::teardown::ten_thousand_contexts_destroyed_during_closes_leave_no_descriptor",
        || contexts_leave_nothing(10_000),
    );
}

/// Its future must be dropped in the thread that it was made in.
struct AtHome {
    thread: thread::ThreadId,
    dropped: Arc<AtomicUsize>,
    _stays: Rc<()>,
}

impl Drop for AtHome {
    fn drop(&mut self) {
        assert_eq!(self.thread, thread::current().id());
        self.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

/// Drops a context with tasks in it after they have been woken so often by four threads, which go
/// on.
fn torn_down_after(enough: usize, wakes: usize) {
    const THREADS: usize = 4;
    let context = MainContext::new();
    let (dropped, wakers) = (
        Arc::new(AtomicUsize::new(0)),
        Rc::new(Cell::new(Vec::new())),
    );
    let tasks = [0; THREADS].map(|_| {
        let (wakers, home) = (
            wakers.clone(),
            AtHome {
                thread: thread::current().id(),
                dropped: dropped.clone(),
                _stays: Rc::default(),
            },
        );
        start(
            &context,
            poll_fn(move |cx| {
                let _home = &home;
                let mut all: Vec<Waker> = wakers.take();
                if all.len() < THREADS {
                    all.push(cx.waker().clone());
                }
                wakers.set(all);
                Poll::<()>::Pending
            }),
        )
    });
    settle(&context);
    let woken = AtomicUsize::new(0);
    thread::scope(|scope| {
        for waker in wakers.take() {
            let woken = &woken;
            scope.spawn(move || {
                for _ in 0..wakes / THREADS {
                    waker.wake_by_ref();
                    woken.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        while woken.load(Ordering::Relaxed) < enough {
            context.iteration(false);
        }
        drop(context);
    });
    assert_eq!(dropped.load(Ordering::SeqCst), THREADS);
    assert!(tasks.iter().all(JoinHandle::is_finished));
}

#[test]
fn a_hub_goes_while_four_threads_push_a_hundred_thousand_wakes() {
    alone(
        "hub::teardown::a_hub_goes_while_four_threads_push_a_hundred_thousand_wakes",
        || {
            torn_down_after(0, 0);
            let before = fds::count();
            in_time(|| (0..10).for_each(|round| torn_down_after(round * 10_000, 100_000)));
            assert_eq!(fds::count(), before);
        },
    );
}
