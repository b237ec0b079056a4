//! `src/coroutine.rs`: code with a stack of its own.

mod stack;
mod unwind;

use std::{
    cell::{Cell, RefCell},
    io::{BufRead, BufReader, ErrorKind, Write},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use glib::{IOCondition, MainContext, Priority};
use qio::{
    Channel, ChannelFile, ChannelSocket,
    coroutine::{self, in_coroutine, spawn, spawn_with_stack, wait_for, yield_now},
    prelude::*,
};

use crate::common::{after_ticks, in_loop, nonblocking_pair, settle};

const IN: IOCondition = IOCondition::IN;

/// Runs `body` in a coroutine on a main loop of its own, in time.
#[track_caller]
fn run<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    in_loop(|context| match context.block_on(spawn(body)) {
        Ok(result) => result,
        Err(e) => e.resume_panic(),
    })
}

#[test]
fn ten_thousand_coroutines_are_alive_at_once() {
    in_loop(|context| {
        let (alive, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let go_on = Rc::new(Cell::new(false));
        let handles: Vec<_> = (0..10_000)
            .map(|i| {
                let (alive, most, go_on) = (alive.clone(), most.clone(), go_on.clone());
                spawn(move || {
                    let local = [i; 16];
                    alive.set(alive.get() + 1);
                    most.set(most.get().max(alive.get()));
                    while !go_on.get() {
                        go_on.set(alive.get() == 10_000);
                        yield_now().expect("in a coroutine");
                    }
                    alive.set(alive.get() - 1);
                    std::hint::black_box(&local).iter().sum::<usize>()
                })
            })
            .collect();
        for (i, handle) in handles.into_iter().enumerate() {
            assert_eq!(context.block_on(handle).expect("no panic"), 16 * i);
        }
        assert_eq!((alive.get(), most.get()), (0, 10_000));
    });
}

#[test]
fn dropping_the_handle_leaves_the_coroutine_alone() {
    in_loop(|context| {
        let done = Rc::new(Cell::new(false));
        let sets = done.clone();
        drop(spawn(move || {
            yield_now().expect("in a coroutine");
            sets.set(true);
        }));
        assert!(!done.get());
        settle(context);
        assert!(done.get());
    });
}

#[test]
fn a_panic_is_reported_by_the_handle() {
    in_loop(|context| {
        let handle = spawn(|| {
            yield_now().expect("in a coroutine");
            if in_coroutine() {
                panic!("reported");
            }
        });
        let e = context.block_on(handle).expect_err("a panic");
        assert!(e.is_panic() && e.to_string().contains("reported"), "{e}");
        // The loop and other coroutines go on.
        assert_eq!(context.block_on(spawn(|| 5)).expect("no panic"), 5);
        assert!(!in_coroutine());
    });
}

#[test]
fn in_coroutine_is_true_only_in_a_coroutine() {
    assert!(!in_coroutine());
    run(|| {
        assert!(in_coroutine());
        // A main loop inside it, with a task and a callback of another context.
        let context = MainContext::new();
        let called = Arc::new(AtomicBool::new(false));
        let calls = called.clone();
        let source = glib::idle_source_new(None, Priority::DEFAULT, move || {
            calls.store(!in_coroutine(), Ordering::Relaxed);
            glib::ControlFlow::Break
        });
        source.attach(Some(&context));
        settle(&context);
        assert!(called.load(Ordering::Relaxed));
        let inside = context.block_on(async { in_coroutine() });
        assert!(!inside);
        let nested = context.block_on(spawn_in(&context, in_coroutine));
        assert!(nested.expect("no panic"));
        assert!(in_coroutine());
        yield_now().expect("in a coroutine");
        assert!(in_coroutine());
    });
    assert!(!in_coroutine());
}

/// A coroutine of another context than the one that is running.
fn spawn_in<T: 'static>(
    context: &MainContext,
    body: impl FnOnce() -> T + 'static,
) -> impl Future<Output = Result<T, qio::JoinError>> {
    let context = context.clone();
    async move {
        context
            .with_thread_default(|| spawn(body))
            .expect("ours")
            .await
    }
}

#[test]
fn a_callback_that_a_coroutine_calls_is_part_of_it() {
    run(|| {
        let (a, b) = nonblocking_pair();
        let seen = Arc::new(AtomicBool::new(false));
        let sees = seen.clone();
        a.connect_name_notify(move |_| {
            sees.store(in_coroutine(), Ordering::Relaxed);
            // It may wait here, in the middle of GObject's C.
            let writes = b.clone();
            after_ticks(move || writes.write_all(b"x").expect("space"));
        });
        a.set_name(Some("new"));
        assert!(seen.load(Ordering::Relaxed));
        assert_eq!(a.wait(IN).expect("ready"), IN);
    });
}

#[test]
fn a_wait_in_a_main_loop_inside_a_coroutine_blocks_and_ends() {
    run(|| {
        let (a, b) = nonblocking_pair();
        let context = MainContext::new();
        let writer = std::thread::spawn(move || b.write_all(b"x").map(|()| b));
        let got = context.block_on(async { a.wait(IN) });
        assert_eq!(got.expect("ready"), IN);
        writer.join().expect("no panic").expect("written");
    });
}

#[test]
fn yielding_outside_of_a_coroutine_fails_with_the_reason() {
    let (a, _b) = nonblocking_pair();
    for e in [
        a.yield_until(IN).expect_err("outside"),
        yield_now().expect_err("outside"),
        wait_for(async {}).expect_err("outside"),
    ] {
        assert_eq!(e.kind(), ErrorKind::InvalidInput);
        assert!(e.to_string().contains("coroutine"), "{e}");
    }
    let e = run(move || a.yield_until(IOCondition::empty()));
    assert_eq!(e.expect_err("for ever").kind(), ErrorKind::InvalidInput);
}

/// Of each kind, in the given mode: where to read, where to write.
fn kinds(blocking: bool) -> Vec<(Channel, Channel)> {
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    let (read, write) = ChannelFile::pipe().expect("a pipe");
    let kinds = vec![(a.upcast(), b.upcast()), (read.upcast(), write.upcast())];
    for (read, write) in &kinds {
        let (read, write): (&Channel, &Channel) = (read, write);
        read.set_blocking(blocking).expect("the mode");
        write.set_blocking(blocking).expect("the mode");
    }
    kinds
}

/// In a coroutine, for each kind in each mode: a read that waits until a timer has ticked.
fn reads(read: impl Fn(&Channel) + Send + Clone + 'static) {
    for (from, to) in [kinds(true), kinds(false)].into_iter().flatten() {
        let read = read.clone();
        run(move || {
            let writes = to.clone();
            let ticks = after_ticks(move || writes.write_all(b"late\n").expect("space"));
            read(&from);
            assert!(ticks.load(Ordering::Relaxed) >= 3);
        });
    }
}

#[test]
fn reads_and_waits_give_the_loop_back_in_both_modes() {
    reads(|channel| channel.read_all(&mut [0; 5]).expect("read"));
    reads(|channel| assert!(channel.read_all_eof(&mut [0; 5]).expect("read")));
    reads(|channel| assert_eq!(channel.wait(IN).expect("ready"), IN));
    reads(|channel| assert_eq!(channel.yield_until(IN).expect("ready"), IN));
    reads(|channel| {
        let got = channel.wait_timeout(IN, crate::common::TIMEOUT);
        assert_eq!(got.expect("ready"), IN);
    });
}

#[test]
fn wake_read_from_another_thread_resumes_coroutines_that_yield_until_readable_and_no_read() {
    run(|| {
        let (a, b) = nonblocking_pair();
        let yields: Vec<_> = (0..3)
            .map(|_| {
                let a = a.clone();
                spawn(move || a.yield_until(IN).expect("woken"))
            })
            .collect();
        let read_done = Rc::new(Cell::new(false));
        let (reader, done) = (a.clone(), read_done.clone());
        let reads = spawn(move || {
            let mut buf = [0; 4];
            reader.read_all(&mut buf).expect("read");
            done.set(true);
            buf
        });
        // Before they wait it has no effect.
        a.wake_read();
        yield_now().expect("in a coroutine");
        let woken = a.clone();
        std::thread::spawn(move || woken.wake_read());
        for one in yields {
            let got = wait_for(one).expect("in a coroutine").expect("no panic");
            assert_eq!(got, IOCondition::empty());
        }
        for _ in 0..20 {
            yield_now().expect("in a coroutine");
        }
        assert!(!read_done.get());
        b.write_all(b"data").expect("space");
        let buf = wait_for(reads).expect("in a coroutine").expect("no panic");
        assert_eq!(&buf, b"data");
        // A wait that is over, and one for writability, are not affected.
        a.wake_read();
        assert_eq!(
            a.yield_until(IOCondition::OUT).expect("space"),
            IOCondition::OUT
        );
        b.write_all(b"x").expect("space");
        assert_eq!(a.yield_until(IN).expect("ready"), IN);
    });
}

#[test]
fn follow_coroutine_ctx_selects_the_own_or_the_default_context_of_a_coroutine() {
    let (a, b) = nonblocking_pair();
    for enabled in [true, false] {
        a.set_follow_coroutine_ctx(enabled);
        let (reader, writer) = (a.clone(), b.clone());
        let (started, has_started) = std::sync::mpsc::channel();
        let (over, is_over) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            run(move || {
                let waits = spawn(move || reader.yield_until(IN).expect("ready"));
                for _ in 0..5 {
                    yield_now().expect("in a coroutine");
                }
                started.send(()).expect("received");
                let got = wait_for(waits).expect("in a coroutine").expect("no panic");
                over.send(got).expect("received");
            });
        });
        has_started.recv().expect("sent");
        writer.write_all(b"x").expect("space");
        let brief = std::time::Duration::from_millis(200);
        // Nothing iterates the default context but this thread.
        match is_over.recv_timeout(brief) {
            Ok(got) => assert!(enabled && got == IN),
            Err(_) => {
                assert!(!enabled, "its own context is iterated");
                let context = MainContext::default();
                let _owned = context.acquire().expect("free");
                while is_over.try_recv().is_err() {
                    context.iteration(false);
                }
            }
        }
        thread.join().expect("no panic");
        assert_eq!(a.read(&mut [0; 2]).expect("there"), 1);
    }
}

#[test]
fn blocking_std_streams_suspend_a_coroutine() {
    fn line(mut reader: impl BufRead) -> String {
        let mut line = String::new();
        reader.read_line(&mut line).expect("read");
        line
    }
    reads(|channel| assert_eq!(line(BufReader::new(channel.blocking_io())), "late\n"));
}

/// In a coroutine, for each kind in each mode: a write of more than the buffers hold, which is
/// read by another coroutine.
fn writes(write: impl Fn(&Channel, &[u8]) + Send + Clone + 'static) {
    for (from, to) in [kinds(true), kinds(false)].into_iter().flatten() {
        let write = write.clone();
        run(move || {
            let data: Vec<u8> = (0..600_000_u32).map(|i| (i % 241) as u8).collect();
            let mut got = vec![0; data.len()];
            let reader = spawn(move || from.read_all(&mut got).map(|()| got));
            let ticks = after_ticks(|| ());
            write(&to, &data);
            let got = wait_for(reader).expect("in a coroutine").expect("no panic");
            assert!(got.expect("read") == data, "it differs");
            drop(ticks);
        });
    }
}

#[test]
fn large_writes_give_the_loop_back_in_both_modes() {
    writes(|channel, data| channel.write_all(data).expect("written"));
    writes(|channel, data| channel.blocking_io().write_all(data).expect("written"));
}

#[test]
fn a_coroutine_starts_another() {
    run(|| {
        let (a, b) = nonblocking_pair();
        let inner = spawn(move || {
            assert!(in_coroutine());
            let deeper = spawn(|| {
                yield_now().expect("in a coroutine");
                "deeper"
            });
            b.write_all(b"x").expect("space");
            wait_for(deeper).expect("in a coroutine").expect("no panic")
        });
        // Or also that the other one has already gone.
        assert!(a.wait(IN).expect("ready").contains(IN));
        let result = wait_for(inner).expect("in a coroutine");
        assert_eq!(result.expect("no panic"), "deeper");
    });
}

#[test]
fn coroutines_have_the_priority_that_they_are_given() {
    in_loop(|context| {
        let order = Rc::new(RefCell::new(Vec::new()));
        let handles = [Priority::LOW, Priority::DEFAULT, Priority::HIGH].map(|priority| {
            let order = order.clone();
            spawn_with_stack(coroutine::DEFAULT_STACK_SIZE, priority, move || {
                order.borrow_mut().push(priority);
            })
        });
        settle(context);
        assert!(handles.iter().all(qio::JoinHandle::is_finished));
        assert_eq!(
            *order.borrow(),
            [Priority::HIGH, Priority::DEFAULT, Priority::LOW]
        );
    });
}
