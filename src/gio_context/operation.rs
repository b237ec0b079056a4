//! One call of GIO's in an inner context, and what becomes of it.

use std::{
    cell::RefCell,
    io,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use gio::prelude::*;

use super::GioContext;

/// An asynchronous call of GIO's, whose steps run in the [`GioContext`] context. Dropping it cancels it,
/// and leaves nothing behind that only somebody else's context could free.
#[derive(Debug)]
pub(crate) struct GioOperation<T> {
    inner: GioContext,
    cancellable: gio::Cancellable,
    answer: Completion<T>,
}

/// Where the result of a call is put.
#[derive(Debug)]
pub(crate) struct Completion<T>(Rc<RefCell<Place<T>>>);

#[derive(Debug)]
struct Place<T> {
    result: Option<Result<T, glib::Error>>,
    waker: Option<Waker>,
}

impl<T> GioOperation<T> {
    /// A call that is still to be started. Fails where there can be no inner context.
    pub(crate) fn here() -> io::Result<Self> {
        let place = Place {
            result: None,
            waker: None,
        };
        Ok(Self {
            inner: GioContext::here()?,
            cancellable: gio::Cancellable::new(),
            answer: Completion(Rc::new(RefCell::new(place))),
        })
    }

    /// Starts it: `begin` gets the cancellable for it, and has the answer given.
    pub(crate) fn start(&self, begin: impl FnOnce(&gio::Cancellable, Completion<T>)) {
        let answer = self.answer.clone();
        self.inner.start(|| begin(&self.cancellable, answer));
    }

    /// The result, once. Goes on in the context that is running now.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<Result<T, glib::Error>> {
        self.inner.attach_to_running();
        let mut place = self.answer.0.borrow_mut();
        let before = place.waker.replace(cx.waker().clone());
        let result = place.result.take();
        // Dropping a waker may run anything.
        drop(place);
        drop(before);
        result.map_or(Poll::Pending, Poll::Ready)
    }
}

impl<T> Drop for GioOperation<T> {
    fn drop(&mut self) {
        self.cancellable.cancel();
        // A late answer finds nobody to wake.
        let mut place = self.answer.0.borrow_mut();
        let gone = (place.result.take(), place.waker.take());
        drop(place);
        drop(gone);
        self.inner.run_pending(&self.cancellable);
    }
}

impl<T> Completion<T> {
    pub(crate) fn give(&self, result: Result<T, glib::Error>) {
        self.0.borrow_mut().result = Some(result);
        self.wake();
    }

    /// Has the call polled again.
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
