//! Join handles: the result of a task, for the code that spawned it.

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

use super::tasks::TaskMetadata;
use crate::{error::panic_text, sys::lock};

/// The result of a task, or its panic.
pub(super) type Outcome<T> = Result<T, Box<dyn Any + Send>>;

type Handle<T> = FallibleTask<Outcome<T>, TaskMetadata>;

/// The handle of a spawned task: a future of its result.
///
/// Returned by [`spawn_local`](crate::spawn_local) and related functions. Dropping the handle
/// detaches the task, which continues to run.
///
/// # Errors
///
/// As a future it completes with a [`JoinError`] if the task was aborted, panicked, or was dropped
/// with its context.
///
/// # Cancel safety
///
/// Awaiting a reference to the handle in a branch that is dropped loses nothing: the result stays
/// available to the next await.
pub struct JoinHandle<T>(Mutex<Option<Handle<T>>>);

impl<T> JoinHandle<T> {
    pub(super) fn new(task: Task<Outcome<T>, TaskMetadata>) -> Self {
        Self(Mutex::new(Some(task.fallible())))
    }

    /// The handle of a task that was cancelled before it began.
    pub(crate) fn cancelled() -> Self {
        Self(Mutex::new(None))
    }

    /// Cancels the task before its next poll, and drops its future.
    ///
    /// Does nothing to a task that has ended.
    pub fn abort(&self) {
        let task = self.task().take_if(|task| !task.is_finished());
        // Dropping it cancels the task.
        drop(task);
    }

    /// Whether the task has ended: it returned, panicked or was cancelled.
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
        // The mutex is locked during the poll, which may drop an older waker of the caller: that
        // cannot lock it, as this is the only reference to the handle.
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

/// The reason why a task has no result.
///
/// It was aborted, panicked, or was dropped with its context.
pub struct JoinError {
    /// A mutex only to make the error `Sync`.
    panic: Option<Mutex<Box<dyn Any + Send>>>,
}

static_assertions::assert_impl_all!(JoinError: Send, Sync);

impl JoinError {
    /// Whether the task was aborted, or dropped with its context.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.panic.is_none()
    }

    /// Whether the task panicked.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        self.panic.is_some()
    }

    /// Resumes the panic of the task in this thread.
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
