//! Signals, for tests that run alone.
#![allow(unsafe_code)] // A handler could do anything; ours counts, or is the default one.

use std::{
    fs,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use nix::{
    sys::{
        signal::{
            SaFlags, SigAction, SigEvent, SigHandler, SigSet, SigevNotify, Signal, sigaction,
        },
        timer::{Expiration, Timer, TimerSetTimeFlags},
    },
    time::ClockId,
};

static INTERRUPTIONS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_signal: i32) {
    INTERRUPTIONS.fetch_add(1, Ordering::SeqCst);
}

/// How often a signal has interrupted a thread so far.
pub(crate) fn interruptions() -> usize {
    INTERRUPTIONS.load(Ordering::SeqCst)
}

/// Interrupts this thread by a signal again and again, until the timer is dropped. System
/// calls are not restarted: they fail with `EINTR`.
pub(crate) fn interrupt_this_thread() -> Timer {
    interrupt_this_thread_every(Duration::from_micros(300))
}

/// As [`interrupt_this_thread`], so often.
pub(crate) fn interrupt_this_thread_every(time: Duration) -> Timer {
    let action = SigAction::new(
        SigHandler::Handler(count),
        SaFlags::empty(),
        SigSet::empty(),
    );
    // SAFETY: the handler only adds to an atomic.
    unsafe { sigaction(Signal::SIGALRM, &action) }.expect("a handler");
    let notify = SigevNotify::SigevThreadId {
        signal: Signal::SIGALRM,
        thread_id: nix::unistd::gettid().as_raw(),
        si_value: 0,
    };
    let mut timer = Timer::new(ClockId::CLOCK_MONOTONIC, SigEvent::new(notify)).expect("a timer");
    let often = Expiration::Interval(time.into());
    timer.set(often, TimerSetTimeFlags::empty()).expect("set");
    timer
}

/// Undoes what Rust's runtime does at the start: from now on `SIGPIPE` ends this process.
pub(crate) fn make_sigpipe_deadly() {
    let action = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: no signal handler is installed.
    unsafe { sigaction(Signal::SIGPIPE, &action) }.expect("the default action");
}

/// The signals of this thread as bits: those that are blocked, and those that are pending.
pub(crate) fn blocked_and_pending() -> (u64, u64) {
    let status = fs::read_to_string("/proc/thread-self/status").expect("/proc");
    let bits = |name| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        u64::from_str_radix(line.expect("the line").trim(), 16).expect("hexadecimal")
    };
    (bits("SigBlk:"), bits("SigPnd:"))
}

/// The bit of a signal in such a set.
pub(crate) fn bit(signal: Signal) -> u64 {
    1 << (signal as i32 - 1)
}

/// From now on the system removes ended children of this process from its table, without a status.
pub(crate) fn ignore_sigchld() {
    let action = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    // SAFETY: no signal handler is installed.
    unsafe { sigaction(Signal::SIGCHLD, &action) }.expect("ignored");
}
