//! `src/watch/idle.rs`: watches that are polled by the hub.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;

/// After so many iterations without an event a watch is idle.
const IDLE_AFTER: usize = 40;

/// A source that is always ready, between the priority of a watch and the default one.
fn busy(context: &MainContext) -> Source {
    let source = glib::idle_source_new(Some("busy"), Priority::from(-50), || Continue);
    source.attach(Some(context));
    source
}

fn iterate(context: &MainContext, times: usize) {
    (0..times).for_each(|_| _ = context.iteration(false));
}

#[test]
fn an_idle_watch_of_a_high_priority_precedes_a_busy_source_of_a_lower_one() {
    in_time(|| {
        let context = MainContext::new();
        let (here, there) = nonblocking_pair();
        let fired = Rc::new(Cell::new(false));
        let seen = fired.clone();
        let watch =
            here.create_watch_full_local(IOCondition::IN, None, Priority::HIGH, move |_, _| {
                seen.set(true);
                Break
            });
        let watched = context.with_thread_default(|| {
            watch.attach(Some(&context));
            iterate(&context, IDLE_AFTER);
            let busy = busy(&context);
            there.write_all(b"x").expect("connected");
            iterate(&context, IDLE_AFTER);
            busy.destroy();
        });
        watched.expect("its own");
        assert!(fired.get());
    });
}

#[test]
fn a_future_of_glib_at_a_high_priority_precedes_a_busy_source_of_a_lower_one() {
    in_time(|| {
        let context = MainContext::new();
        let (here, there) = nonblocking_pair();
        let read = Rc::new(Cell::new(false));
        let seen = read.clone();
        let reading = async move {
            here.read_all_future(&mut [0]).await.expect("a byte");
            seen.set(true);
        };
        let ran = context.with_thread_default(|| {
            context.spawn_local_with_priority(Priority::HIGH, reading);
            iterate(&context, IDLE_AFTER);
            let busy = busy(&context);
            there.write_all(b"x").expect("connected");
            iterate(&context, IDLE_AFTER);
            busy.destroy();
        });
        ran.expect("its own");
        assert!(read.get());
    });
}

#[test]
fn a_watch_that_becomes_idle_while_another_thread_pushes_data_back_is_dispatched() {
    in_time(|| {
        let context = MainContext::new();
        let (round, ready) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (sender, channels) = mpsc::channel::<ChannelSocket>();
        let (started, go) = (round.clone(), ready.clone());
        let pusher = thread::spawn(move || {
            for channel in channels {
                while !go.swap(false, Ordering::AcqRel) {
                    std::hint::spin_loop();
                }
                // Each round somewhat later, in the course of the iteration.
                let delay = started.load(Ordering::Relaxed) % 400;
                (0..delay).for_each(|_| std::hint::spin_loop());
                channel.push_back(b"x").expect("open");
            }
        });
        let rounds = context.with_thread_default(|| {
            for number in 0..4000 {
                let (here, _there) = nonblocking_pair();
                let fired = Rc::new(Cell::new(false));
                let seen = fired.clone();
                let watch =
                    here.create_watch_full_local(IOCondition::IN, None, Priority::DEFAULT, {
                        move |_, _| {
                            seen.set(true);
                            Break
                        }
                    });
                watch.attach(Some(&context));
                round.store(number, Ordering::Relaxed);
                sender.send(here.clone()).expect("it runs");
                // The next iterations are those in which the watch becomes idle.
                iterate(&context, 28 + number % 5);
                ready.store(true, Ordering::Release);
                iterate(&context, 8);
                while ready.load(Ordering::Acquire) {
                    std::hint::spin_loop();
                }
                let late = glib::timeout_source_new(Duration::from_secs(5), None, Priority::LOW, {
                    move || panic!("round {number}: the watch was not dispatched")
                });
                late.attach(Some(&context));
                while !fired.get() {
                    context.iteration(true);
                }
                late.destroy();
            }
        });
        rounds.expect("its own");
        drop(sender);
        pusher.join().expect("no panic");
    });
}
