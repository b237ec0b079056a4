//! The order of dispatch: tasks, timers, frames, and wakes from other threads.

use std::{
    cell::Cell,
    pin::pin,
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::Waker,
    time::{Duration, Instant},
};

use glib::ControlFlow::{Break, Continue};
use qio::{ChannelSocket, prelude::*};

use super::*;
use crate::common::{FEW, in_time, iterations};

/// A task that is woken whenever it has run.
async fn restless(rounds: Rc<Cell<usize>>) {
    poll_fn(move |cx| {
        rounds.set(rounds.get() + 1);
        cx.waker().wake_by_ref();
        Poll::<()>::Pending
    })
    .await;
}

#[test]
fn a_task_that_wakes_itself_for_ever_holds_up_neither_timers_nor_tasks() {
    let context = MainContext::new();
    let (timer, ticks) = ticking(&context);
    let rounds = Rc::new(Cell::new(0));
    let task = start(&context, restless(rounds.clone()));
    iterate_until(&context, || ticks.load(Ordering::Relaxed) >= 20);
    run(&context, async {
        for _ in 0..100 {
            pass().await;
        }
    });
    assert!(rounds.get() > 100);
    task.abort();
    timer.destroy();
    settle(&context);
    assert!(iterations(&context) <= FEW, "the loop sleeps again");
}

#[test]
fn a_task_that_blocks_in_an_executor_of_its_own_goes_on_when_its_budget_is_used_up() {
    in_time(|| {
        run(&MainContext::new(), async {
            let (a, b) = ChannelSocket::pair().expect("a socketpair");
            for _ in 0..1_000 {
                // Such an executor polls a future that is woken at once.
                let mut write = pin!(a.write_all_future(b"x"));
                while write.as_mut().now_or_never().is_none() {}
                b.read_all(&mut [0]).expect("read");
            }
        });
    });
}

/// A timer of a millisecond at the default priority, and how often it has fired.
fn ticking(context: &MainContext) -> (glib::Source, Arc<AtomicUsize>) {
    let ticks = Arc::new(AtomicUsize::new(0));
    let counted = ticks.clone();
    let millisecond = Duration::from_millis(1);
    let timer = glib::timeout_source_new(millisecond, None, Priority::DEFAULT, move || {
        counted.fetch_add(1, Ordering::Relaxed);
        Continue
    });
    timer.attach(Some(context));
    (timer, ticks)
}

#[test]
fn busy_polling_holds_up_neither_timers_nor_tasks() {
    let context = MainContext::new();
    let spin = Duration::from_millis(2);
    qio::set_busy_poll(&context, Priority::DEFAULT, spin).expect("set");
    let (timer, ticks) = ticking(&context);
    let rounds = Rc::new(Cell::new(0));
    let task = start(&context, restless(rounds));
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    let peer = thread::spawn(move || {
        for _ in 0..2_000 {
            b.read_all(&mut [0]).expect("request");
            b.write_all(b"x").expect("answered");
        }
    });
    run(&context, async move {
        for _ in 0..2_000 {
            a.write_all_future(b"x").await.expect("requested");
            a.read_all_future(&mut [0]).await.expect("answered");
        }
    });
    peer.join().expect("no panic");
    let before = ticks.load(Ordering::Relaxed);
    iterate_until(&context, || ticks.load(Ordering::Relaxed) >= before + 20);
    task.abort();
    timer.destroy();
    qio::set_busy_poll(&context, Priority::DEFAULT, Duration::ZERO).expect("set");
    settle(&context);
    assert!(iterations(&context) <= FEW, "the loop sleeps again");
}

#[test]
fn however_long_busy_polling_is_to_take_other_sources_are_dispatched_meanwhile() {
    let context = MainContext::new();
    let spin = Duration::from_secs(5);
    qio::set_busy_poll(&context, Priority::DEFAULT, spin).expect("set");
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    let reads = start(&context, async move {
        let mut byte = [0];
        while a.read_all_eof_future(&mut byte).await.expect("read") {}
    });
    let begin = std::time::Instant::now();
    let (timer, ticks) = ticking(&context);
    for round in 1..4 {
        b.write_all(b"x").expect("space");
        iterate_until(&context, || ticks.load(Ordering::Relaxed) >= 3 * round);
    }
    assert!(begin.elapsed() < spin, "{:?}", begin.elapsed());
    timer.destroy();
    drop(b);
    join(&context, reads).expect("no panic");
}

#[test]
fn tasks_come_from_many_threads_and_wake_a_loop_that_sleeps() {
    in_time(|| {
        const EACH: usize = 1_000;
        let context = MainContext::new();
        let done = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (context, done) = (context.clone(), done.clone());
                thread::spawn(move || {
                    for _ in 0..EACH {
                        let done = done.clone();
                        drop(qio::spawn_in(&context, Priority::DEFAULT, async move {
                            done.fetch_add(1, Ordering::Relaxed);
                        }));
                    }
                })
            })
            .collect();
        while done.load(Ordering::Relaxed) < 4 * EACH {
            context.iteration(true);
        }
        threads
            .into_iter()
            .for_each(|thread| thread.join().expect("no panic"));
    });
}

/// What threads report to a task: how often, and the waker to wake.
#[derive(Default)]
struct Bell {
    rung: AtomicUsize,
    waker: Mutex<Option<Waker>>,
}

impl Bell {
    fn ring(&self) {
        self.rung.fetch_add(1, Ordering::SeqCst);
        let waker = self.waker.lock().expect("no panic").clone();
        waker.inspect(Waker::wake_by_ref);
    }

    /// Completes after `times` rings; each poll calls `func` with the number of rings so far.
    fn listen(self: Arc<Self>, times: usize, func: impl Fn(usize)) -> impl Future<Output = ()> {
        poll_fn(move |cx| {
            *self.waker.lock().expect("no panic") = Some(cx.waker().clone());
            let rung = self.rung.load(Ordering::SeqCst);
            func(rung);
            match rung < times {
                true => Poll::Pending,
                false => Poll::Ready(()),
            }
        })
    }
}

/// Runs a task until it has ended, with nothing else to wake the loop.
fn run_undisturbed(context: &MainContext, future: impl Future<Output = ()> + 'static) {
    let task = start(context, future);
    while !task.is_finished() {
        context.iteration(true);
    }
}

fn wakes_of_four_threads() {
    in_time(|| {
        const EACH: usize = 100_000;
        let bell = Arc::new(Bell::default());
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let bell = bell.clone();
                thread::spawn(move || (0..EACH).for_each(|_| bell.ring()))
            })
            .collect();
        run_undisturbed(&MainContext::new(), bell.listen(4 * EACH, |_| ()));
        threads
            .into_iter()
            .for_each(|thread| thread.join().expect("no panic"));
    });
}

fn wakes_of_a_loop_that_sleeps() {
    in_time(|| {
        const TIMES: usize = 20_000;
        let (bell, (sender, receiver)) = (Arc::new(Bell::default()), mpsc::channel());
        let ringer = bell.clone();
        let thread = thread::spawn(move || {
            for time in 1..=TIMES {
                ringer.ring();
                while receiver.recv().expect("it listens") < time {}
            }
        });
        let listening = bell.listen(TIMES, move |times| {
            let _ = sender.send(times);
        });
        run_undisturbed(&MainContext::new(), listening);
        thread.join().expect("no panic");
    });
}

#[test]
fn no_wake_is_lost_of_a_hundred_thousand_from_each_of_four_threads() {
    wakes_of_four_threads();
}

#[test]
fn no_wake_is_lost_when_the_loop_sleeps_before_each() {
    wakes_of_a_loop_that_sleeps();
}

#[test]
#[ignore = "takes a minute: `make soak`"]
fn no_wake_is_lost_in_a_minute() {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(60) {
        wakes_of_four_threads();
        wakes_of_a_loop_that_sleeps();
    }
}

#[test]
fn futures_run_in_the_tasks_of_glib_and_ours_and_in_block_on_in_any_mix() {
    in_time(|| {
        const ROUNDS: u32 = 500;
        let context = MainContext::new();
        let (a, b) = ChannelSocket::pair().expect("a socketpair");
        let (c, d) = ChannelSocket::pair().expect("a socketpair");
        let (first, second) = (b.clone(), c.clone());
        // Each passes on what it gets, plus one.
        async fn relay(from: ChannelSocket, to: ChannelSocket) {
            let mut number = [0; 4];
            while from.read_all_eof_future(&mut number).await.expect("read") {
                let next = u32::from_le_bytes(number) + 1;
                to.write_all_future(&next.to_le_bytes())
                    .await
                    .expect("written");
            }
        }
        drop(context.spawn_local(relay(first, second)));
        let ours = start(&context, relay(d, b));
        let sum = context.block_on(async move {
            let mut sum = 0;
            for round in 0..ROUNDS {
                a.write_all_future(&round.to_le_bytes())
                    .await
                    .expect("written");
                let mut number = [0; 4];
                a.read_all_future(&mut number).await.expect("read");
                sum += u32::from_le_bytes(number) - round;
            }
            sum
        });
        assert_eq!(sum, 2 * ROUNDS);
        assert!(!ours.is_finished());
    });
}

#[test]
fn a_task_of_low_priority_waits_while_there_is_more_urgent_work() {
    let context = MainContext::new();
    let urgent = glib::idle_source_new(None, Priority::DEFAULT, || Continue);
    urgent.attach(Some(&context));
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    b.write_all(b"x").expect("space");
    let low = qio::spawn_local_in(&context, Priority::LOW, async move {
        a.ready(glib::IOCondition::IN).await
    });
    for _ in 0..1_000 {
        context.iteration(false);
    }
    assert!(!low.is_finished(), "it is less urgent");
    run(&context, pass());
    urgent.destroy();
    let ready = join(&context, low).expect("no panic");
    assert_eq!(ready.expect("ready"), glib::IOCondition::IN);
}

#[test]
fn frames_are_drawn_while_idle_tasks_exchange_all_they_can() {
    let context = MainContext::new();
    let exchanged = Rc::new(Cell::new(0_usize));
    let mut tasks: Vec<JoinHandle<()>> = Vec::new();
    for _ in 0..4 {
        let (a, b) = ChannelSocket::pair().expect("a socketpair");
        for (channel, starts) in [(a, true), (b, false)] {
            let exchanged = exchanged.clone();
            let task = qio::spawn_local_in(&context, Priority::DEFAULT_IDLE, async move {
                if starts {
                    channel.write_all_future(b"x").await.expect("written");
                }
                loop {
                    channel.read_all_future(&mut [0]).await.expect("read");
                    exchanged.set(exchanged.get() + 1);
                    channel.write_all_future(b"x").await.expect("written");
                }
            });
            tasks.push(task);
        }
    }
    // GDK_PRIORITY_REDRAW.
    let redraw = Priority::from(120);
    let (frames, drawn) = mpsc::channel();
    let clock = glib::timeout_source_new(Duration::from_millis(5), None, redraw, move || {
        frames.send(Instant::now()).map_or(Break, |()| Continue)
    });
    clock.attach(Some(&context));
    let begin = Instant::now();
    for _ in 0..50 {
        let before = exchanged.get();
        iterate_until(&context, || drawn.try_recv().is_ok());
        iterate_until(&context, || exchanged.get() > before);
    }
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "few frames are late"
    );
    clock.destroy();
    tasks.iter().for_each(JoinHandle::abort);
}
