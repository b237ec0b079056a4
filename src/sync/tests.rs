//! Locks and threads in forked children.

use std::{sync::mpsc, thread};

use super::*;

/// Forks, and returns the result of the closure in the child.
fn in_child(child: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child runs the closure, which uses only a mutex, and exits at once.
    unsafe {
        match libc::fork() {
            0 => libc::_exit(i32::from(!child())),
            pid => {
                let mut status = 0;
                libc::waitpid(pid, &mut status, 0) == pid && status == 0
            }
        }
    }
}

#[test]
fn a_mutex_that_another_thread_has_locked_is_made_again_in_a_forked_child() {
    let mutex = ForkMutex::new(vec![1]);
    let (locked, is_locked) = mpsc::channel();
    let (over, is_over) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let mutex = &mutex;
        scope.spawn(move || {
            let mut value = mutex.lock();
            value.push(2);
            locked.send(()).expect("received");
            is_over.recv().expect("sent");
        });
        is_locked.recv().expect("sent");
        assert!(in_child(|| mutex.lock().is_empty()));
        over.send(()).expect("received");
    });
    assert_eq!(*mutex.lock(), [1, 2]);
}

#[test]
fn the_thread_that_forks_keeps_its_number_and_no_thread_of_the_child_has_one_of_the_others() {
    let number = || thread::spawn(thread_number).join().expect("a number");
    let (mine, other) = (thread_number(), number());
    assert_ne!(mine, other);
    assert!(is_thread_of_process(mine) && is_thread_of_process(other));
    // The stack of a thread that has ended, or of the parent, is used again: its address is no
    // number.
    assert!(in_child(|| {
        let new = number();
        let is_own = thread_number() == mine && is_thread_of_process(mine);
        is_own && !is_thread_of_process(other) && is_thread_of_process(new) && new > other
    }));
    let forks_again = || in_child(|| in_child(|| is_thread_of_process(mine)));
    assert!(forks_again());
    let in_another = || in_child(|| !is_thread_of_process(mine));
    assert!(thread::scope(|scope| scope.spawn(in_another).join()).expect("no panic"));
}

#[test]
fn a_mutex_that_no_thread_has_locked_keeps_its_value_in_a_forked_child() {
    let mutex = ForkMutex::new(vec![1]);
    let again = || *mutex.lock() == [1, 2];
    assert!(in_child(|| {
        mutex.lock().push(2);
        again() && in_child(again)
    }));
    assert_eq!(*mutex.lock(), [1]);
}

#[test]
fn no_thread_returns_before_another_one_has_registered_the_fork_handlers() {
    let state = AtomicU32::new(std::process::id());
    let has_returned = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            register(&state);
            has_returned.store(true, Ordering::SeqCst);
        });
        for _ in 0..10_000 {
            thread::yield_now();
            assert!(!has_returned.load(Ordering::SeqCst));
        }
        state.store(REGISTERED, Ordering::Release);
    });
    assert!(has_returned.into_inner());
}

#[test]
fn a_child_that_was_forked_while_its_parent_registered_the_fork_handlers_registers_them() {
    let state = AtomicU32::new(std::process::id());
    assert!(in_child(|| {
        register(&state);
        state.load(Ordering::Relaxed) == REGISTERED
    }));
}
