//! When an inner context goes: that takes half a minute, or the end of a context or a thread.

use std::{
    sync::{Arc, mpsc},
    time::Instant,
};

use super::*;

/// How long something takes at most that ends by itself.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many there are in this thread.
fn count() -> usize {
    CONTEXTS.with_borrow(Vec::len)
}

fn here() -> GioContext {
    GioContext::here().expect("there are descriptors")
}

fn address(inner: &GioContext) -> usize {
    Rc::as_ptr(&inner.0).addr()
}

/// Runs `body` as something that a new context runs. Tests of other threads do not count.
fn in_a_context<R: Send + 'static>(body: impl FnOnce(&MainContext) -> R + Send + 'static) -> R {
    let thread = std::thread::spawn(|| {
        let context = MainContext::new();
        let result = context.with_thread_default(|| body(&context));
        result.expect("nobody else has it")
    });
    thread.join().expect("no panic")
}

#[test]
fn there_is_one_for_a_context() {
    in_a_context(|_| {
        let one = here();
        let other = here();
        assert_eq!(address(&one), address(&other));
        let elsewhere = MainContext::new();
        elsewhere.block_on(async { one.attach_to_running() });
        elsewhere.block_on(async { assert_eq!(address(&one), address(&here())) });
        let another = MainContext::new();
        another.block_on(async { assert_ne!(address(&one), address(&here())) });
    });
}

#[test]
fn it_stays_while_it_is_used_and_goes_when_it_was_not_for_a_while() {
    in_a_context(|context| {
        let used = here();
        let me = address(&used);
        assert!(!retire_idle(me) && !retire_idle(me), "there is a user");
        drop(used);
        drop(here());
        assert!(!retire_idle(me), "it was used since the last look");
        assert_eq!(count(), 1);
        assert!(retire_idle(me), "nobody used it since");
        assert_eq!(count(), 0);
        while context.iteration(false) {}
        assert!(!context.pending());
        // The timer of one that has gone finds nothing.
        assert!(!retire_idle(me));
    });
}

#[test]
fn it_goes_with_the_context_that_runs_it() {
    in_a_context(|_| {
        let context = MainContext::new();
        let inner = context.block_on(async { here() });
        assert_eq!(count(), 1);
        drop(context);
        assert_eq!(count(), 0, "nobody can find it any more");
        // Its user can go on elsewhere.
        inner.attach_to_running();
        inner.run_pending(&gio::Cancellable::new());
    });
}

/// Starts a call that a thread answers when it is told to, whether it is cancelled or not. What its
/// callback owns is left for as long as that may still be called, or nobody will.
fn answered_by_a_thread() -> (GioOperation<bool>, mpsc::Sender<()>, std::sync::Weak<()>) {
    let call = GioOperation::<bool>::here().expect("there are descriptors");
    let (tells, told) = mpsc::channel();
    let owned = Arc::new(());
    let left = Arc::downgrade(&owned);
    call.start(|cancellable, _| {
        let back = move |_: gio::Task<bool>, _: Option<&gio::Cancellable>| drop(owned);
        // SAFETY: the callback may be dropped in any thread.
        let task = unsafe { gio::Task::new(None, Some(cancellable), back) };
        task.run_in_thread(move |task, _: Option<&gio::Cancellable>, _| {
            let _: Result<(), mpsc::RecvError> = told.recv();
            // SAFETY: nobody else answers.
            unsafe { task.return_result(Ok(true)) };
        });
    });
    (call, tells, left)
}

#[test]
fn what_was_cancelled_is_answered_after_the_context_has_gone() {
    in_a_context(|_| {
        let context = MainContext::new();
        let (call, answers, left) = context.block_on(async { answered_by_a_thread() });
        drop(call);
        assert_eq!((count(), pending::count()), (1, 0));
        drop(context);
        assert_eq!(
            (count(), pending::count()),
            (0, 1),
            "it is not found any more"
        );
        drop(here());
        assert_eq!(pending::count(), 1, "there is no answer");
        answers.send(()).expect("it waits");
        let end = Instant::now() + PATIENCE;
        while pending::count() > 0 {
            assert!(Instant::now() < end, "nobody takes the answer");
            std::thread::yield_now();
            drop(here());
        }
        assert!(left.upgrade().is_none());
    });
}

#[test]
fn what_outlives_the_context_is_cancelled_and_answered() {
    in_a_context(|_| {
        let context = MainContext::new();
        let (call, answers, left) = context.block_on(async { answered_by_a_thread() });
        drop(context);
        assert_eq!((count(), pending::count()), (0, 0), "its user has it");
        drop(call);
        assert_eq!(pending::count(), 1);
        answers.send(()).expect("it waits");
        let end = Instant::now() + PATIENCE;
        while left.upgrade().is_some() {
            assert!(Instant::now() < end, "nobody takes the answer");
            std::thread::yield_now();
            drop(here());
        }
    });
}

#[test]
fn a_thread_that_ends_takes_the_answers_that_are_there() {
    let left = in_a_context(|_| {
        let context = MainContext::new();
        let (call, answers, left) = context.block_on(async { answered_by_a_thread() });
        let inner = CONTEXTS.with_borrow(|all| all[0].context.clone());
        drop(call);
        drop(context);
        assert_eq!(pending::count(), 1);
        answers.send(()).expect("it waits");
        let end = Instant::now() + PATIENCE;
        while !inner.pending() {
            assert!(Instant::now() < end, "there is no answer");
            std::thread::yield_now();
        }
        left
    });
    assert!(left.upgrade().is_none());
}

#[test]
fn it_runs_in_no_other_thread() {
    let context = MainContext::new();
    let inner = context.block_on(async { here() });
    let idle = glib::idle_source_new(None, Priority::DEFAULT, || ControlFlow::Break);
    idle.attach(Some(&inner.0.context));
    let thread = std::thread::spawn(move || {
        while context.iteration(false) {}
        context
    });
    let context = thread.join().expect("no panic");
    assert!(!idle.is_destroyed(), "nobody has run it");
    while context.iteration(false) {}
    assert!(idle.is_destroyed());
}

#[test]
fn another_thread_that_adds_something_wakes_the_context_that_runs() {
    let context = MainContext::new();
    let inner = context.block_on(async { here() });
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    for _ in 0..200 {
        let (ends, target) = (done.clone(), inner.0.context.clone());
        let adds = std::thread::spawn(move || {
            let source = glib::idle_source_new(None, Priority::DEFAULT, move || {
                ends.store(true, std::sync::atomic::Ordering::Relaxed);
                ControlFlow::Break
            });
            source.attach(Some(&target));
        });
        while !done.swap(false, std::sync::atomic::Ordering::Relaxed) {
            context.iteration(true);
        }
        adds.join().expect("no panic");
    }
}
