//! Waiting by a watch, where no hub can poll.

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
    watch::{self, ChannelState, WakeOn},
};

/// A wait by the channel's watch, in the context that the channel is attached to.
#[derive(Debug)]
pub(super) struct WatchWait {
    /// Taken at the end: only the thread of its context may drop it.
    source: Option<glib::Source>,
    hub: Arc<Hub>,
    state: Arc<WatchState>,
    /// Wakes `state` when the channel is attached to another context.
    context_waker: Waker,
    channel_state: Arc<ChannelState>,
    /// Whether it waits in the running context instead.
    here: bool,
}

#[derive(Debug)]
struct WatchState {
    got: Mutex<IOCondition>,
    moved: AtomicBool,
    /// Wakeable from any thread: any thread may attach the channel to another context.
    waker: Mutex<Waker>,
}

impl WatchState {
    fn wake_task(&self) {
        let waker = lock(&self.waker).clone();
        waker.wake();
    }
}

impl Wake for WatchState {
    fn wake(self: Arc<Self>) {
        self.moved.store(true, Ordering::Release);
        self.wake_task();
    }
}

impl WatchWait {
    pub(super) fn new(
        channel: &Channel,
        condition: IOCondition,
        here: bool,
        waker: &Waker,
    ) -> io::Result<Self> {
        let channel_state = channel.imp().channel_state.clone();
        let hub = Hub::current_for_wait()?;
        let state = Arc::new(WatchState {
            got: Mutex::new(IOCondition::empty()),
            moved: AtomicBool::new(false),
            waker: Mutex::new(hub.remote_waker(waker)),
        });
        let source = VFuncs::of(channel).create_watch(condition);
        let fired = state.clone();
        watch::set_callback(&source, channel, move |_, condition| {
            *lock(&fired.got) = condition;
            fired.wake_task();
            ControlFlow::Break
        });
        let context_waker = Waker::from(state.clone());
        channel_state.add_waker(WakeOn::NewContext, context_waker.clone());
        let context = channel_state.context().filter(|_| !here);
        let context = context.unwrap_or_else(hub::running_context);
        source.attach(Some(&context));
        Ok(Self {
            source: Some(source),
            hub: Hub::of(&context),
            state,
            context_waker,
            channel_state,
            here,
        })
    }

    /// Returns the conditions of the watch. None: the channel was attached to another context, and
    /// the caller must wait again there.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<io::Result<IOCondition>> {
        let waker = Hub::current_for_wait()?.remote_waker(cx.waker());
        let before = mem::replace(&mut *lock(&self.state.waker), waker);
        drop(before);
        // After the waker is set: a thread that changes the state wakes the waker.
        let got = *lock(&self.state.got);
        let is_over =
            !got.is_empty() || self.state.moved.load(Ordering::Acquire) || self.is_elsewhere();
        match is_over {
            true => Poll::Ready(Ok(got)),
            false => Poll::Pending,
        }
    }

    /// Whether the source was destroyed with its context, or this is polled in another context.
    fn is_elsewhere(&self) -> bool {
        let context = self.channel_state.context().filter(|_| !self.here);
        let here = context.unwrap_or_else(hub::running_context);
        !self.hub.is_in(&here) || self.hub.is_shut_down()
    }
}

impl Drop for WatchWait {
    fn drop(&mut self) {
        self.channel_state
            .remove_waker(WakeOn::NewContext, &self.context_waker);
        if let Some(source) = self.source.take() {
            self.hub.destroy(source);
        }
    }
}
