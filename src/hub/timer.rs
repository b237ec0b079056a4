//! Sleeping in a future.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use glib::ControlFlow;

use super::running_context;
use crate::sys::lock;

/// GLib counts the milliseconds of one alarm in 32 bits.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Ready at a time, not earlier, in whole milliseconds.
#[derive(Debug)]
pub(crate) struct Sleep {
    deadline: Instant,
    alarm: Option<Alarm>,
}

#[derive(Debug)]
struct Alarm {
    source: glib::Source,
    waker: Arc<Mutex<Waker>>,
}

impl Sleep {
    pub(crate) fn until(deadline: Instant) -> Self {
        Self {
            deadline,
            alarm: None,
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Poll::Ready(());
        }
        match &self.alarm {
            Some(alarm) if alarm.is_here() => {
                let before = std::mem::replace(&mut *lock(&alarm.waker), cx.waker().clone());
                // Outside of the lock: it may do anything.
                drop(before);
            }
            _ => self.alarm = Some(Alarm::new(left.min(LONGEST), cx.waker().clone())),
        }
        Poll::Pending
    }
}

impl Alarm {
    /// It has not gone with its context, and this is the one.
    fn is_here(&self) -> bool {
        !self.source.is_destroyed() && self.source.context() == Some(running_context())
    }

    fn new(left: Duration, waker: Waker) -> Self {
        let waker = Arc::new(Mutex::new(waker));
        let current = glib::main_current_source();
        let priority = current.map_or(glib::Priority::DEFAULT, |source| source.priority().into());
        // GLib counts in whole milliseconds: not earlier than asked.
        let left = left.saturating_add(Duration::from_millis(1));
        let woken = waker.clone();
        let source = glib::timeout_source_new(left, None, priority, move || {
            // Not under the lock: it may do anything.
            let waker = lock(&woken).clone();
            waker.wake();
            ControlFlow::Break
        });
        source.attach(Some(&running_context()));
        Self { source, waker }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.source.destroy();
    }
}
