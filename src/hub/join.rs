//! What remains of a task for the one who started it.

use std::{
    any::Any,
    error, fmt,
    future::Future,
    panic,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use async_task::{FallibleTask, Task};

use super::tasks::Place;
use crate::{error::panic_text, sys::lock};

/// What came of a task: its result, or its panic.
pub(super) type Outcome<T> = Result<T, Box<dyn Any + Send>>;

type Handle<T> = FallibleTask<Outcome<T>, Place>;

/// A task that was started by [`spawn_local`](crate::spawn_local) or one of its kin: a future of
/// its result.
///
/// Dropping the handle leaves the task alone.
pub struct JoinHandle<T>(Mutex<Option<Handle<T>>>);

impl<T> JoinHandle<T> {
    pub(super) fn new(task: Task<Outcome<T>, Place>) -> Self {
        Self(Mutex::new(Some(task.fallible())))
    }

    /// Ends the task before it is run the next time, and drops its future. Does nothing
    /// to a task that has ended.
    pub fn abort(&self) {
        let task = self.task().take_if(|task| !task.is_finished());
        // Dropping it is what ends it.
        drop(task);
    }

    /// Whether the task has ended, in whatever way.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task().as_ref().is_none_or(FallibleTask::is_finished)
    }

    fn task(&self) -> MutexGuard<'_, Option<Handle<T>>> {
        lock(&self.0)
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let cancelled = Err(JoinError { panic: None });
        match &mut *self.task() {
            None => Poll::Ready(cancelled),
            Some(task) => Pin::new(task).poll(cx).map(|outcome| match outcome {
                None => cancelled,
                Some(outcome) => outcome.map_err(|panic| JoinError {
                    panic: Some(Mutex::new(panic)),
                }),
            }),
        }
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        if let Some(task) = self.task().take() {
            task.detach();
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("is_finished", &self.is_finished())
            .finish()
    }
}

/// Why there is no result of a task: it was aborted, or its context has gone, or it panicked.
pub struct JoinError {
    /// Locked only to be `Sync`.
    panic: Option<Mutex<Box<dyn Any + Send>>>,
}

static_assertions::assert_impl_all!(JoinError: Send, Sync);

impl JoinError {
    /// Whether the task was aborted, or has gone with its context.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.panic.is_none()
    }

    /// Whether the task panicked.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        self.panic.is_some()
    }

    /// Goes on with the panic of the task.
    ///
    /// # Panics
    ///
    /// With that panic, or with a message that the task was cancelled.
    pub fn resume_panic(self) -> ! {
        match self.panic {
            Some(panic) => {
                panic::resume_unwind(panic.into_inner().unwrap_or_else(PoisonError::into_inner))
            }
            None => panic!("the task was cancelled"),
        }
    }

    fn message(&self) -> String {
        let Some(panic) = &self.panic else {
            return "the task was cancelled".to_owned();
        };
        format!("the task panicked: {}", panic_text(&**lock(panic)))
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinError({:?})", self.message())
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

impl error::Error for JoinError {}
