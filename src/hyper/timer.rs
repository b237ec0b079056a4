//! The timeouts of hyper, by the timers of the hub.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use crate::hub;

/// The timer for the timeouts of hyper, on the main context that runs the connection.
///
/// `header_read_timeout` and `keep_alive_interval` require one. All timeouts of a context share one
/// source; they are accurate to a millisecond, and never early.
///
/// In a thread that runs no main context a timeout expires at once.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timer;

impl ::hyper::rt::Timer for Timer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn ::hyper::rt::Sleep>> {
        // A deadline that overflows `Instant` is no limit.
        Box::pin(Sleep(
            Instant::now().checked_add(duration).map(hub::Sleep::until),
        ))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn ::hyper::rt::Sleep>> {
        Box::pin(Sleep(Some(hub::Sleep::until(deadline))))
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn ::hyper::rt::Sleep>>, deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<Sleep>() {
            // Without an allocation.
            Some(mut own) => own.0 = Some(hub::Sleep::until(deadline)),
            None => *sleep = self.sleep_until(deadline),
        }
    }
}

/// `None` never ends.
#[derive(Debug)]
struct Sleep(Option<hub::Sleep>);

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            Some(sleep) => Pin::new(sleep).poll(cx).map(drop),
            None => Poll::Pending,
        }
    }
}

impl ::hyper::rt::Sleep for Sleep {}
