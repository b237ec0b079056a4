//! What several tests need.

pub(crate) mod alone;
pub(crate) mod blocked;
#[allow(dead_code)] // the unit tests of the TLS module use the rest
pub(crate) mod certs;
pub(crate) mod classes;
pub(crate) mod fds;
pub(crate) mod fork;
pub(crate) mod memory;
pub(crate) mod native;
pub(crate) mod network;
pub(crate) mod pattern;
pub(crate) mod proxy;
pub(crate) mod resolver;
pub(crate) mod runner;
pub(crate) mod signals;

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use qio::{ChannelSocket, prelude::*};

/// Longer than anything takes that is going to happen at all.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// Runs `job` in a thread and returns what it returns; panics if that takes too long, so that
/// a hang fails the test instead of the whole run.
#[track_caller]
pub(crate) fn in_time<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    // A skipped test is reported by the name of its thread.
    let name = std::thread::current().name().unwrap_or("test").to_owned();
    let thread = std::thread::Builder::new().name(name).spawn(move || {
        let _ = sender.send(job());
    });
    let thread = thread.expect("a thread");
    match receiver.recv_timeout(TIMEOUT) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
        Err(mpsc::RecvTimeoutError::Disconnected) => match thread.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => unreachable!("the result is sent before the end"),
        },
    }
}

/// Runs a future on a private main loop, in time.
#[track_caller]
pub(crate) fn on_loop<T, F>(make: impl FnOnce() -> F + Send + 'static) -> T
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    in_loop(|context| context.block_on(async { make().await }))
}

/// Runs `body` in a thread with a private main context, in time.
#[track_caller]
pub(crate) fn in_loop<T: Send + 'static>(
    body: impl FnOnce(&glib::MainContext) -> T + Send + 'static,
) -> T {
    in_time(|| {
        let context = glib::MainContext::new();
        let result = context.with_thread_default(|| body(&context));
        result.expect("no other thread has acquired this context")
    })
}

/// Dispatches what is to be dispatched, without waiting for more.
pub(crate) fn settle(context: &glib::MainContext) {
    while context.iteration(false) {}
}

/// Counts the ticks of a timer on this thread's main loop, and acts at the third: a wait for
/// what `act` does that blocks the loop never ends.
pub(crate) fn after_ticks(act: impl FnOnce() + Send + 'static) -> Arc<AtomicU32> {
    let ticks = Arc::new(AtomicU32::new(0));
    let (counted, mut act) = (ticks.clone(), Some(act));
    let tick = move || {
        if counted.fetch_add(1, Ordering::Relaxed) == 2
            && let Some(act) = act.take()
        {
            act();
        }
        glib::ControlFlow::Continue
    };
    let moment = Duration::from_millis(1);
    let timer = glib::timeout_source_new(moment, None, glib::Priority::DEFAULT, tick);
    timer.attach(Some(&glib::MainContext::ref_thread_default()));
    ticks
}

/// Iterates a context until `done`, or panics if that takes too long.
#[track_caller]
pub(crate) fn iterate_until(context: &glib::MainContext, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + TIMEOUT;
    // Wakes the context now and then, so that the deadline is seen.
    let tick = glib::timeout_source_new(
        Duration::from_millis(20),
        Some("test tick"),
        glib::Priority::LOW,
        || glib::ControlFlow::Continue,
    );
    tick.attach(Some(context));
    while !done() {
        assert!(Instant::now() < end, "it never happens");
        context.iteration(true);
    }
    tick.destroy();
}

/// As often as a context may come round in [`iterations`] if nothing spins: the alarm, and
/// wake-ups that find nothing.
pub(crate) const FEW: usize = 5;

/// Iterates a context for 100 ms, and returns how often it came round.
pub(crate) fn iterations(context: &glib::MainContext) -> usize {
    let over = Arc::new(AtomicBool::new(false));
    let ring = over.clone();
    // Before all others: what spins must not put it off.
    let alarm = glib::timeout_source_new(
        Duration::from_millis(100),
        Some("test alarm"),
        glib::Priority::HIGH,
        move || {
            ring.store(true, Ordering::Relaxed);
            glib::ControlFlow::Break
        },
    );
    alarm.attach(Some(context));
    let mut count = 0;
    while !over.load(Ordering::Relaxed) {
        context.iteration(true);
        count += 1;
    }
    count
}

/// A connected pair that does not block.
pub(crate) fn nonblocking_pair() -> (ChannelSocket, ChannelSocket) {
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    a.set_blocking(false).expect("non-blocking");
    b.set_blocking(false).expect("non-blocking");
    (a, b)
}

/// Fills a non-blocking channel until it takes no more, and returns how much it took.
pub(crate) fn fill(channel: &impl IsA<qio::Channel>) -> usize {
    let mut total = 0;
    loop {
        match channel.write(&[b'x'; 4096]) {
            Ok(count) => total += count,
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return total,
            Err(e) => panic!("unable to fill the channel: {e}"),
        }
    }
}
