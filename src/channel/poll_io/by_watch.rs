//! Waiting by a watch, where no hub can watch.

use std::{
    io, mem,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use glib::{ControlFlow, IOCondition, subclass::prelude::*};

use crate::{
    channel::{Channel, class::VFuncs},
    hub::{self, Hub},
    sys::lock,
    watch::{self, Waiters},
};

/// A wait by the channel's own watch, in the context that the channel is attached to.
#[derive(Debug)]
pub(super) struct WatchWait {
    /// Taken at the end: only the thread of its context may drop it.
    source: Option<glib::Source>,
    /// That of the context.
    hub: Arc<Hub>,
    news: Arc<News>,
    /// Wakes `news` when the channel goes to another context.
    context_waker: Waker,
    waiters: Arc<Waiters>,
    /// In the context that runs, in place of that.
    here: bool,
}

/// What has come of a wait by a watch.
pub(super) enum Watched {
    Fired(IOCondition),
    /// The channel has gone to another context: to be begun anew.
    Moved,
}

#[derive(Debug)]
struct News {
    got: Mutex<IOCondition>,
    moved: AtomicBool,
    /// For any thread: the channel may go to another context in whatever thread.
    waker: Mutex<Waker>,
}

impl News {
    fn tell(&self) {
        let waker = lock(&self.waker).clone();
        waker.wake();
    }
}

impl Wake for News {
    fn wake(self: Arc<Self>) {
        self.moved.store(true, Ordering::Release);
        self.tell();
    }
}

impl WatchWait {
    pub(super) fn new(
        channel: &Channel,
        condition: IOCondition,
        here: bool,
        waker: &Waker,
    ) -> io::Result<Self> {
        let waiters = channel.imp().waiters.clone();
        let hub = Hub::running_here()?;
        let news = Arc::new(News {
            got: Mutex::new(IOCondition::empty()),
            moved: AtomicBool::new(false),
            waker: Mutex::new(hub.remote_waker(waker)),
        });
        let source = VFuncs::of(channel).create_watch(condition);
        let fired = news.clone();
        watch::set_callback(&source, move |_: &Channel, condition| {
            *lock(&fired.got) = condition;
            fired.tell();
            ControlFlow::Break
        });
        let context_waker = Waker::from(news.clone());
        let context = waiters.context_for(context_waker.clone()).filter(|_| !here);
        let context = context.unwrap_or_else(hub::running_context);
        source.attach(Some(&context));
        Ok(Self {
            source: Some(source),
            hub: Hub::of(&context),
            news,
            context_waker,
            waiters,
            here,
        })
    }

    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<io::Result<Watched>> {
        let waker = Hub::running_here()?.remote_waker(cx.waker());
        let before = mem::replace(&mut *lock(&self.news.waker), waker);
        drop(before);
        // After that: whoever changes it wakes the waker.
        let got = *lock(&self.news.got);
        if !got.is_empty() {
            Poll::Ready(Ok(Watched::Fired(got)))
        } else if self.news.moved.load(Ordering::Acquire) || self.is_elsewhere() {
            Poll::Ready(Ok(Watched::Moved))
        } else {
            Poll::Pending
        }
    }
}

impl WatchWait {
    /// The source has gone with its context, or this is polled in another one.
    fn is_elsewhere(&self) -> bool {
        let context = self.waiters.context().filter(|_| !self.here);
        let here = context.unwrap_or_else(hub::running_context);
        !self.hub.is_in(&here) || self.hub.is_shut_down()
    }
}

impl Drop for WatchWait {
    fn drop(&mut self) {
        self.waiters.forget_context_waker(&self.context_waker);
        if let Some(source) = self.source.take() {
            self.hub.destroy(source);
        }
    }
}
