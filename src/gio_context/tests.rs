//! The end of a private context: after half a minute, or at the end of its context or thread.

use std::{
    sync::{Arc, mpsc},
    time::Instant,
};

use super::*;

/// The time limit for something that must end by itself.
const LIMIT: Duration = Duration::from_secs(20);

/// The number of private contexts of this thread.
fn count() -> usize {
    CONTEXTS.with_borrow(Vec::len)
}

fn here() -> Rc<GioContext> {
    GioContext::here().expect("there are descriptors")
}

fn address(inner: &Rc<GioContext>) -> usize {
    Rc::as_ptr(inner).addr()
}

/// Runs `body` in a callback of a new context, in a thread without private contexts of other tests.
fn in_a_context<R: Send + 'static>(body: impl FnOnce(&MainContext) -> R + Send + 'static) -> R {
    let thread = std::thread::spawn(|| {
        let context = MainContext::new();
        let result = context.with_thread_default(|| body(&context));
        result.expect("no other thread has it")
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
        assert!(!retire_idle(me), "it was used since the last check");
        assert_eq!(count(), 1);
        assert!(retire_idle(me), "it was not used since");
        assert_eq!(count(), 0);
        while context.iteration(false) {}
        assert!(!context.pending());
        // The timer of a context that was dropped has no effect.
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
        assert_eq!(count(), 0, "it is not in the list any more");
        // Its user can continue in another context.
        inner.attach_to_running();
        inner.run_pending(&gio::Cancellable::new());
    });
}

/// Starts an operation that a thread completes on request, whether it is cancelled or not. The data
/// of its callback is leaked only if the callback is never called.
fn answered_by_a_thread() -> (GioOperation<bool>, mpsc::Sender<()>, std::sync::Weak<()>) {
    let call = GioOperation::<bool>::here().expect("there are descriptors");
    let (sender, receiver) = mpsc::channel();
    let owned = Arc::new(());
    let left = Arc::downgrade(&owned);
    call.start(|cancellable, _| {
        let back = move |_: gio::Task<bool>, _: Option<&gio::Cancellable>| drop(owned);
        // SAFETY: the callback may be dropped in any thread.
        let task = unsafe { gio::Task::new(None, Some(cancellable), back) };
        task.run_in_thread(move |task, _: Option<&gio::Cancellable>, _| {
            let _: Result<(), mpsc::RecvError> = receiver.recv();
            // SAFETY: the task is completed once.
            unsafe { task.return_result(Ok(true)) };
        });
    });
    (call, sender, left)
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
        let end = Instant::now() + LIMIT;
        while pending::count() > 0 {
            assert!(Instant::now() < end, "the result is not taken");
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
        let end = Instant::now() + LIMIT;
        while left.upgrade().is_some() {
            assert!(Instant::now() < end, "the result is not taken");
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
        let end = Instant::now() + LIMIT;
        while !inner.pending() {
            assert!(Instant::now() < end, "there is no answer");
            std::thread::yield_now();
        }
        left
    });
    assert!(left.upgrade().is_none());
}

#[test]
fn a_thread_that_ends_waits_for_a_result_that_a_preempted_thread_is_about_to_send() {
    let (left, preempted) = in_a_context(|_| {
        let context = MainContext::new();
        let (call, answers, left) = context.block_on(async { answered_by_a_thread() });
        drop(call);
        drop(context);
        assert_eq!(pending::count(), 1);
        let preempted = std::thread::spawn(move || {
            // As long as the scheduler may let it wait.
            std::thread::sleep(Duration::from_millis(20));
            answers.send(()).expect("it waits");
        });
        (left, preempted)
    });
    preempted.join().expect("no panic");
    assert!(left.upgrade().is_none());
}

#[test]
fn it_runs_in_no_other_thread() {
    let context = MainContext::new();
    let inner = context.block_on(async { here() });
    let idle = glib::idle_source_new(None, Priority::DEFAULT, || ControlFlow::Break);
    idle.attach(Some(&inner.context));
    let thread = std::thread::spawn(move || {
        while context.iteration(false) {}
        context
    });
    let context = thread.join().expect("no panic");
    assert!(!idle.is_destroyed(), "it was not dispatched");
    while context.iteration(false) {}
    assert!(idle.is_destroyed());
}

#[test]
fn another_thread_that_adds_something_wakes_the_context_that_runs() {
    let context = MainContext::new();
    let inner = context.block_on(async { here() });
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    for _ in 0..200 {
        let (ends, target) = (done.clone(), inner.context.clone());
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

#[test]
fn a_thread_that_runs_the_outer_context_does_not_acquire_the_inner_one() {
    in_a_context(|_| {
        let context = MainContext::new();
        let inner = context.block_on(async { here() });
        let is_over = std::sync::atomic::AtomicBool::new(false);
        let is_over = &is_over;
        std::thread::scope(|scope| {
            let outer = context.clone();
            let (started, has_started) = mpsc::channel();
            scope.spawn(move || {
                let mut started = Some(started);
                while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                    outer.iteration(false);
                    drop(started.take());
                }
            });
            let _: Result<(), _> = has_started.recv();
            let refused = (0..100_000).find(|_| inner.context.acquire().is_err());
            is_over.store(true, std::sync::atomic::Ordering::Relaxed);
            assert_eq!(refused, None);
        });
    });
}

#[test]
fn a_context_that_another_thread_destroys_is_not_referenced() {
    in_a_context(|_| {
        for _ in 0..2_000 {
            let context = MainContext::new();
            let inner = context.block_on(async { here() });
            let (started, has_started) = mpsc::channel();
            let thread = std::thread::spawn(move || {
                started.send(()).expect("received");
                drop(context);
            });
            has_started.recv().expect("sent");
            while !thread.is_finished() {
                assert!(!inner.is_here());
            }
            thread.join().expect("no panic");
        }
    });
}
