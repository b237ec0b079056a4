//! One call of GIO's in an inner context, and what becomes of it.

use std::{
    cell::RefCell,
    io,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use gio::prelude::*;

use super::Inner;

/// An asynchronous call of GIO's, whose steps run in the [`Inner`] context. Dropping it cancels it,
/// and leaves nothing behind that only somebody else's context could free.
#[derive(Debug)]
pub(crate) struct Call<T> {
    inner: Inner,
    cancellable: gio::Cancellable,
    answer: Answer<T>,
}

/// Where the result of a call is put.
#[derive(Debug)]
pub(crate) struct Answer<T>(Rc<RefCell<Place<T>>>);

#[derive(Debug)]
struct Place<T> {
    result: Option<Result<T, glib::Error>>,
    waker: Option<Waker>,
}

impl<T> Call<T> {
    /// A call that is still to be started. Fails where there can be no inner context.
    pub(crate) fn here() -> io::Result<Self> {
        let place = Place {
            result: None,
            waker: None,
        };
        Ok(Self {
            inner: Inner::here()?,
            cancellable: gio::Cancellable::new(),
            answer: Answer(Rc::new(RefCell::new(place))),
        })
    }

    /// Starts it: `begin` gets the cancellable for it, and has the answer given.
    pub(crate) fn start(&self, begin: impl FnOnce(&gio::Cancellable, Answer<T>)) {
        let answer = self.answer.clone();
        self.inner.start(|| begin(&self.cancellable, answer));
    }

    /// The result, once. Goes on in the context that is running now.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<Result<T, glib::Error>> {
        self.inner.come_here();
        let mut place = self.answer.0.borrow_mut();
        let before = place.waker.replace(cx.waker().clone());
        let result = place.result.take();
        // Dropping a waker may run anything.
        drop(place);
        drop(before);
        result.map_or(Poll::Pending, Poll::Ready)
    }
}

impl<T> Drop for Call<T> {
    fn drop(&mut self) {
        self.cancellable.cancel();
        // A late answer finds nobody to wake.
        let mut place = self.answer.0.borrow_mut();
        let gone = (place.result.take(), place.waker.take());
        drop(place);
        drop(gone);
        self.inner.settle(&self.cancellable);
    }
}

impl<T> Answer<T> {
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

impl<T> Clone for Answer<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}
