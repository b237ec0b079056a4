//! Tasks: the context that they run in, and their results.

use std::{
    cell::{Cell, RefCell},
    future::pending,
    rc::Rc,
    sync::{Arc, Mutex},
    task::Waker,
    time::Instant,
};

use qio::{ChannelSocket, prelude::*};

use super::*;
use crate::common::{FEW, alone::alone, fds::count, iterations};

/// The context and the priority of what is running.
fn here() -> (MainContext, Priority) {
    let source = glib::main_current_source().expect("a source runs");
    let context = source.context().expect("it is attached");
    (context, source.priority().into())
}

#[test]
fn a_task_runs_in_the_context_that_it_was_given_and_so_do_those_that_it_starts() {
    let context = MainContext::new();
    let local = start(&context, async {
        let inner = qio::spawn_local(async { here() }).await.expect("no panic");
        let send = qio::spawn(async { here() }).await.expect("no panic");
        (here(), inner, send)
    });
    assert!(!local.is_finished(), "no thread runs the context yet");
    let expected = (context.clone(), Priority::DEFAULT);
    let all = [expected.clone(), expected.clone(), expected.clone()];
    assert_eq!(
        <[_; 3]>::from(join(&context, local).expect("no panic")),
        all
    );
    let send = qio::spawn_in(&context, Priority::LOW, async { here() });
    let expected = (context.clone(), Priority::LOW);
    assert_eq!(join(&context, send).expect("no panic"), expected);
}

#[test]
fn a_task_is_started_in_the_default_context_of_the_thread_at_its_priority() {
    let context = MainContext::new();
    let [local, send] = context
        .with_thread_default(|| {
            [
                qio::spawn_local(async { here() }),
                qio::spawn(async { here() }),
            ]
        })
        .expect("it is free");
    let [low, high] = context
        .with_thread_default(|| {
            [
                qio::spawn_local_with_priority(Priority::LOW, async { here() }),
                qio::spawn_with_priority(Priority::HIGH, async { here() }),
            ]
        })
        .expect("it is free");
    for (handle, priority) in [
        (local, Priority::DEFAULT),
        (send, Priority::DEFAULT),
        (low, Priority::LOW),
        (high, Priority::HIGH),
    ] {
        let ran = join(&context, handle).expect("no panic");
        assert_eq!(ran, (context.clone(), priority));
    }
}

#[test]
fn a_local_task_cannot_be_given_to_the_context_of_another_thread() {
    let runner = Runner::new();
    let context = runner.context.clone();
    let refused = thread::spawn(move || drop(start(&context, async {}))).join();
    assert!(refused.is_err());
}

#[test]
fn a_handle_gives_the_result_or_the_panic_to_the_awaiting_task() {
    let context = MainContext::new();
    let good = start(&context, async {
        pass().await;
        "result".to_owned()
    });
    let bad = start(&context, async {
        pass().await;
        panic!("boom");
    });
    let (good, bad): (_, Result<(), _>) = run(&context, async { (good.await, bad.await) });
    assert_eq!(good.expect("no panic"), "result");
    let e = bad.expect_err("it panicked");
    assert!(e.is_panic() && !e.is_cancelled());
    assert!(e.to_string().contains("boom"), "{e}");
    let again = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| e.resume_panic()));
    let again = again.expect_err("it goes on");
    assert_eq!(again.downcast_ref::<&str>(), Some(&"boom"));
}

#[test]
fn a_dropped_handle_leaves_the_task_alone() {
    let context = MainContext::new();
    let done = Rc::new(Cell::new(false));
    let inside = done.clone();
    drop(start(&context, async move {
        pass().await;
        inside.set(true);
    }));
    iterate_until(&context, || done.get());
}

#[test]
fn an_aborted_task_drops_its_future_by_the_next_turn_and_is_reported_as_cancelled() {
    let context = MainContext::new();
    let held = Rc::new(());
    for rounds_before in [0, 3] {
        let (inside, bystander) = (held.clone(), Rc::new(Cell::new(false)));
        let task = start(&context, async move {
            let _held = inside;
            pending::<()>().await;
        });
        let other = bystander.clone();
        drop(start(&context, async move { other.set(true) }));
        for _ in 0..rounds_before {
            context.iteration(false);
        }
        assert!(!task.is_finished());
        task.abort();
        assert!(task.is_finished());
        settle(&context);
        assert_eq!(Rc::strong_count(&held), 1, "the future is dropped");
        assert!(bystander.get(), "the other task ran");
        let e = join(&context, task).expect_err("aborted");
        assert!(e.is_cancelled() && !e.is_panic(), "{e}");
    }
}

#[test]
fn aborting_a_task_that_has_ended_does_nothing() {
    let context = MainContext::new();
    let task = start(&context, async { 42 });
    iterate_until(&context, || task.is_finished());
    task.abort();
    assert_eq!(join(&context, task).expect("its result"), 42);
}

#[test]
fn a_task_may_abort_itself() {
    let context = MainContext::new();
    let (held, mine) = (Rc::new(()), Rc::new(RefCell::new(None::<JoinHandle<()>>)));
    let (inside, handle) = (held.clone(), mine.clone());
    *mine.borrow_mut() = Some(start(&context, async move {
        let _held = inside;
        handle.borrow().as_ref().expect("set").abort();
        pending::<()>().await;
    }));
    iterate_until(&context, || Rc::strong_count(&held) == 1);
    let e = join(&context, mine.take().expect("set")).expect_err("aborted");
    assert!(e.is_cancelled());
}

#[test]
fn a_task_is_aborted_from_another_thread() {
    let runner = Runner::new();
    let (held, started) = (Arc::new(()), mpsc::channel());
    let (inside, sender) = (held.clone(), started.0);
    let task = qio::spawn_in(&runner.context, Priority::DEFAULT, async move {
        let _held = inside;
        sender.send(()).expect("awaited");
        pending::<()>().await;
    });
    started.1.recv_timeout(TIMEOUT).expect("it runs");
    task.abort();
    let end = Instant::now() + TIMEOUT;
    while Arc::strong_count(&held) > 1 {
        assert!(Instant::now() < end, "the future is not dropped");
        thread::yield_now();
    }
}

#[test]
fn tasks_end_with_their_context_and_the_awaiting_task_is_reported() {
    let (context, elsewhere) = (MainContext::new(), MainContext::new());
    let held = Rc::new(());
    let (a, _b) = ChannelSocket::pair().expect("a socketpair");
    let (for_ever, reads, never_run) = (held.clone(), held.clone(), held.clone());
    let mut handles = vec![
        start(&context, async move {
            let _held = for_ever;
            pending::<()>().await;
        }),
        start(&context, async move {
            let _held = reads;
            let _ = a.read_future(&mut [0]).await;
        }),
    ];
    settle(&context);
    handles.push(start(&context, async move { drop(never_run) }));
    let waiting = start(&elsewhere, async move {
        let mut results = Vec::new();
        for handle in handles {
            results.push(handle.await.expect_err("it never ends").is_cancelled());
        }
        results
    });
    settle(&elsewhere);
    assert_eq!(Rc::strong_count(&held), 4);
    drop(context);
    assert_eq!(Rc::strong_count(&held), 1, "the futures are dropped");
    assert_eq!(join(&elsewhere, waiting).expect("no panic"), [true; 3]);
}

/// A task that is at the place of its future, and stays there.
fn staying(context: &MainContext, held: &Rc<()>, place: &Rc<Cell<usize>>) -> JoinHandle<()> {
    let (held, place) = (held.clone(), place.clone());
    let at = poll_fn(move |_| {
        place.set((&raw const held).addr());
        Poll::Pending
    });
    start(context, at)
}

#[test]
fn a_context_that_goes_in_another_thread_drops_no_future_there_and_the_awaiting_task_is_reported() {
    for runs_there in [false, true] {
        let (context, here) = (MainContext::new(), MainContext::new());
        let (held, place) = (Rc::new(()), Rc::new(Cell::new(0)));
        let (a, _b) = ChannelSocket::pair().expect("a socketpair");
        let (reads, never_run) = (held.clone(), held.clone());
        let mut handles = vec![
            staying(&context, &held, &place),
            start(&context, async move {
                let _held = reads;
                let _ = a.read_future(&mut [0]).await;
            }),
        ];
        settle(&context);
        handles.push(start(&context, async move { drop(never_run) }));
        let not_yet_awaited = staying(&context, &held, &Rc::default());
        let waiting = start(&here, async move {
            let mut results = Vec::new();
            for handle in handles {
                results.push(handle.await.expect_err("it never ends").is_cancelled());
            }
            results
        });
        settle(&here);
        assert_eq!(Rc::strong_count(&held), 5);
        let other_thread = thread::spawn(move || {
            if runs_there {
                settle(&context);
            }
            drop(context);
        });
        other_thread.join().expect("no panic");
        assert!(not_yet_awaited.is_finished());
        assert_eq!(join(&here, waiting).expect("no panic"), [true; 3]);
        let e = join(&here, not_yet_awaited).expect_err("it never ends");
        assert!(e.is_cancelled());
        assert_eq!(Rc::strong_count(&held), 5, "the futures are not dropped");
        // They are pinned: nothing else may come where they are.
        let places: Vec<_> = (0..100).map(|_| Rc::new(Cell::new(0))).collect();
        let others = places.iter().map(|place| staying(&here, &held, place));
        let others: Vec<_> = others.collect();
        settle(&here);
        assert!(
            places
                .iter()
                .all(|other| ![0, place.get()].contains(&other.get()))
        );
        drop(others);
    }
}

/// Has another thread wake a waker when it is dropped, and waits until that is done.
struct WakesElsewhere(Arc<Mutex<Option<Waker>>>);

impl Drop for WakesElsewhere {
    fn drop(&mut self) {
        let waker = self.0.lock().expect("no panic").take().expect("polled");
        thread::spawn(|| waker.wake()).join().expect("no panic");
    }
}

#[test]
fn a_task_that_another_thread_wakes_while_its_context_goes_is_dropped_at_home() {
    let context = MainContext::new();
    let (waker, held) = (Arc::new(Mutex::new(None)), Rc::new(()));
    let (wakes, inside) = (WakesElsewhere(waker.clone()), held.clone());
    let first = start(&context, async move {
        let _wakes = wakes;
        pending::<()>().await;
    });
    let second = start(
        &context,
        poll_fn(move |cx| {
            let _held = &inside;
            *waker.lock().expect("no panic") = Some(cx.waker().clone());
            Poll::<()>::Pending
        }),
    );
    settle(&context);
    drop(context);
    assert_eq!(Rc::strong_count(&held), 1, "it is not leaked");
    assert!(first.is_finished() && second.is_finished());
}

#[test]
fn a_context_takes_its_descriptors_along_whatever_is_still_alive_of_its_tasks() {
    alone(
        "hub::tasks::a_context_takes_its_descriptors_along_whatever_is_still_alive_of_its_tasks",
        || {
            let (a, b) = ChannelSocket::pair().expect("a socketpair");
            let (a, b) = (Rc::new(a), Rc::new(b));
            let mut alive = Vec::new();
            let mut round = || {
                let context = MainContext::new();
                let (reader, writer) = (a.clone(), b.clone());
                let read = start(&context, async move { reader.read_future(&mut [0]).await });
                settle(&context);
                run(&context, async move { writer.write_future(b"x").await }).expect("space");
                iterate_until(&context, || read.is_finished());
                let waiter = a.clone();
                let waits = start(&context, async move {
                    let _ = waiter.read_future(&mut [0]).await;
                });
                settle(&context);
                alive.push((read, waits));
            };
            round();
            let before = count();
            (0..10).for_each(|_| round());
            assert_eq!(count(), before, "descriptors leak");
            drop(alive);
        },
    );
}

#[test]
fn a_task_waits_for_its_thread_if_another_one_runs_its_context() {
    let context = MainContext::new();
    let (waker, held) = (Arc::new(Mutex::new(None::<Waker>)), Rc::new(()));
    let (shared, inside) = (waker.clone(), held.clone());
    let mut polls = 0;
    let task = start(
        &context,
        poll_fn(move |cx| {
            let _held = &inside;
            polls += 1;
            *shared.lock().expect("no panic") = Some(cx.waker().clone());
            if polls < 2 {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        }),
    );
    settle(&context);
    let elsewhere = context.clone();
    let other_thread = thread::spawn(move || {
        let woken = waker.lock().expect("no panic").take().expect("polled");
        woken.wake();
        settle(&elsewhere);
        // Nothing is left to be done here.
        assert!(iterations(&elsewhere) <= FEW);
    });
    other_thread.join().expect("no panic");
    assert!(!task.is_finished(), "only its thread may run it");
    join(&context, task).expect("its thread runs it");
    assert_eq!(Rc::strong_count(&held), 1);
}
