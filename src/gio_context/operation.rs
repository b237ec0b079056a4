//! An asynchronous operation of GIO in a private context, and its result.

use std::{
    cell::RefCell,
    io,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use gio::prelude::*;

use super::GioContext;
use crate::sync::LeakInChild;

/// An asynchronous operation of GIO, whose steps run in a [`GioContext`]. Dropping it cancels the
/// operation, and leaves nothing to be freed in a context of other code. A forked child has no such
/// operation, and cancels nothing.
#[derive(Debug)]
pub(crate) struct GioOperation<T>(LeakInChild<Parts<T>>);

#[derive(Debug)]
struct Parts<T> {
    inner: Rc<GioContext>,
    cancellable: gio::Cancellable,
    completion: Completion<T>,
}

/// Receives the result of an operation.
#[derive(Debug)]
pub(crate) struct Completion<T>(Rc<RefCell<ResultSlot<T>>>);

#[derive(Debug)]
struct ResultSlot<T> {
    result: Option<Result<T, glib::Error>>,
    waker: Option<Waker>,
}

impl<T> GioOperation<T> {
    /// An operation that is still to be started. Fails if there can be no private context.
    pub(crate) fn here() -> io::Result<Self> {
        let slot = ResultSlot {
            result: None,
            waker: None,
        };
        Ok(Self(LeakInChild::new(Parts {
            inner: GioContext::here()?,
            cancellable: gio::Cancellable::new(),
            completion: Completion(Rc::new(RefCell::new(slot))),
        })))
    }

    /// Starts it: `begin` gets its cancellable, and passes the result to the [`Completion`].
    pub(crate) fn start(&self, begin: impl FnOnce(&gio::Cancellable, Completion<T>)) {
        let completion = self.0.completion.clone();
        self.0
            .inner
            .start(|| begin(&self.0.cancellable, completion));
    }

    /// Returns the result, once. The operation continues in the running context.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<Result<T, glib::Error>> {
        self.0.inner.attach_to_running();
        let mut slot = self.0.completion.0.borrow_mut();
        let before = slot.waker.replace(cx.waker().clone());
        let result = slot.result.take();
        // Dropping a waker may run any code: not during the borrow.
        drop(slot);
        drop(before);
        result.map_or(Poll::Pending, Poll::Ready)
    }
}

impl<T> Drop for Parts<T> {
    fn drop(&mut self) {
        self.cancellable.cancel();
        // A late result has no task to wake.
        let mut slot = self.completion.0.borrow_mut();
        let taken = (slot.result.take(), slot.waker.take());
        drop(slot);
        drop(taken);
        self.inner.run_pending(&self.cancellable);
    }
}

impl<T> Completion<T> {
    pub(crate) fn complete(&self, result: Result<T, glib::Error>) {
        self.0.borrow_mut().result = Some(result);
        self.wake();
    }

    /// Wakes the task that awaits the result.
    pub(crate) fn wake(&self) {
        let waker = self.0.borrow_mut().waker.take();
        waker.into_iter().for_each(Waker::wake);
    }
}

impl<T> Clone for Completion<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}
