//! A task that sends the pending output of writes in non-blocking mode, also if no caller reads,
//! writes or waits any more.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Poll, ready},
};

use glib::prelude::*;

use super::{BackgroundTask, Engine, Layer, Wire};
use crate::{
    channel::{Channel, PollIo, Transferred},
    hub::{Direction, Hub},
};

/// The task of a channel, on the hub of the writer. Dropping this ends it.
#[derive(Debug)]
pub(super) struct BackgroundFlush {
    /// The address of that hub, to be compared.
    hub: usize,
    /// Set once no output was pending, with the mutex of the connection locked; or on an error.
    done: Arc<AtomicBool>,
    _task: BackgroundTask,
}

impl BackgroundFlush {
    fn works_for(&self, hub: usize) -> bool {
        self.hub == hub && !self.done.load(Ordering::Acquire)
    }
}

impl<E: Engine> Wire<E> {
    /// Has pending output sent by the current context.
    pub(in crate::layer) fn flush_later<L: Layer<Engine = E>>(&self, channel: &Channel) {
        if !self.engine().has_queued_output() {
            return;
        }
        let hub = Hub::current();
        let here = Arc::as_ptr(&hub).addr();
        let works = |background_flush: &Option<BackgroundFlush>| {
            background_flush
                .as_ref()
                .is_some_and(|it| it.works_for(here))
        };
        if works(&self.background_flush.lock()) {
            return;
        }
        let Some(layer) = channel.downcast_ref::<L>() else {
            return;
        };
        let done = Arc::new(AtomicBool::new(false));
        let background_flush = BackgroundFlush {
            hub: here,
            _task: BackgroundTask::new(&hub, send_all(layer.downgrade(), done.clone())),
            done,
        };
        let before = self.background_flush.lock().replace(background_flush);
        drop(before);
    }

    /// Ends the task.
    pub(in crate::layer) fn end_background_flush(&self) {
        let background_flush = self.background_flush.lock().take();
        drop(background_flush);
    }

    /// Whether no output is pending, which is recorded.
    fn is_done(&self, done: &AtomicBool) -> bool {
        let _place = self.background_flush.lock();
        let is_done = !self.engine().has_pending_output();
        done.store(is_done, Ordering::Release);
        is_done
    }
}

/// Sends pending output. Keeps no reference to the channel while it waits.
async fn send_all<L: Layer>(layer: glib::WeakRef<L>, done: Arc<AtomicBool>) {
    let mut attempt = PollIo::new(Direction::Write);
    poll_fn(move |cx| {
        let Some(layer) = layer.upgrade() else {
            return Poll::Ready(());
        };
        let Some(wire) = layer.wire() else {
            return Poll::Ready(());
        };
        let channel = layer.upcast_ref();
        loop {
            let flush = |_| wire.flush(channel).map(Transferred::whole);
            let sent = ready!(attempt.poll(channel, cx, flush));
            if sent.is_err() {
                // The next write reports it.
                done.store(true, Ordering::Release);
                return Poll::Ready(());
            }
            if wire.is_done(&done) {
                return Poll::Ready(());
            }
        }
    })
    .await;
}
