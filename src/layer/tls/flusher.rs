//! A task that sends what a write in non-blocking mode has left, so that nothing stays unsent when
//! no caller reads, writes or waits any more.

use std::{
    future::{Future, poll_fn},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Poll, ready},
};

use glib::{ControlFlow, MainContext, prelude::*, subclass::prelude::*};

use super::{ChannelTls, link::Connection};
use crate::{
    channel::{Channel, PollIo, Transferred},
    hub::{Direction, Hub, JoinHandle, running_place},
    sync::ForkMutex,
};

/// The task of a channel, on the hub of the writer. Dropping this ends it.
#[derive(Debug)]
pub(super) struct BackgroundFlush {
    /// The address of that hub, to be compared.
    hub: usize,
    /// Set, while the channel's place for this is locked, once there was nothing to send; or on an
    /// error.
    done: Arc<AtomicBool>,
    _work: Work,
}

/// Ends when this is dropped.
#[derive(Debug)]
struct Work {
    task: Arc<ForkMutex<Begun>>,
    /// Begins it, where nothing of the context of that hub is running.
    source: Option<(Arc<Hub>, MainContext, glib::Source)>,
}

#[derive(Debug, Default)]
enum Begun {
    NotYet,
    Task(JoinHandle<()>),
    /// Also in a forked child, if another thread had it locked.
    #[default]
    Never,
}

impl Work {
    /// A task of what is running, or of the context once that runs. One that never does keeps
    /// nothing of it.
    fn new(hub: &Arc<Hub>, future: impl Future<Output = ()> + Send + 'static) -> Self {
        let (context, priority) = running_place();
        if glib::main_current_source().is_some() {
            let task = Begun::Task(Hub::spawn_in(&context, priority, future));
            return Self {
                task: Arc::new(ForkMutex::new(task)),
                source: None,
            };
        }
        let task = Arc::new(ForkMutex::new(Begun::NotYet));
        let (place, mut future) = (task.clone(), Some(future));
        let source = glib::idle_source_new(Some("qio TLS"), priority, move || {
            let mut begun = place.lock();
            if let (Begun::NotYet, Some(future)) = (&*begun, future.take()) {
                let (context, priority) = running_place();
                *begun = Begun::Task(Hub::spawn_in(&context, priority, future));
            }
            ControlFlow::Break
        });
        source.attach(Some(&context));
        let source = Some((hub.clone(), context, source));
        Self { task, source }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if let Some((hub, context, source)) = self.source.take() {
            hub.destroy_in(&context, source);
        }
        let begun = std::mem::replace(&mut *self.task.lock(), Begun::Never);
        if let Begun::Task(task) = begun {
            task.abort();
        }
    }
}

impl BackgroundFlush {
    fn works_for(&self, hub: usize) -> bool {
        self.hub == hub && !self.done.load(Ordering::Acquire)
    }
}

impl Connection {
    /// Sees to it that what is unsent is sent, by the context that runs.
    pub(super) fn flush_later(&self, channel: &Channel) {
        if !self.engine().has_left() {
            return;
        }
        let hub = Hub::current();
        let here = Arc::as_ptr(&hub).addr();
        let works = |flusher: &Option<BackgroundFlush>| {
            flusher.as_ref().is_some_and(|it| it.works_for(here))
        };
        if works(&self.flusher.lock()) {
            return;
        }
        let Some(tls) = channel.downcast_ref::<ChannelTls>() else {
            return;
        };
        let done = Arc::new(AtomicBool::new(false));
        let flusher = BackgroundFlush {
            hub: here,
            _work: Work::new(&hub, send_all(tls.downgrade(), done.clone())),
            done,
        };
        let before = self.flusher.lock().replace(flusher);
        drop(before);
    }

    /// Whether there is nothing left to send, which is then noted.
    fn is_done(&self, done: &AtomicBool) -> bool {
        let _place = self.flusher.lock();
        let is_done = !self.engine().has_unsent();
        done.store(is_done, Ordering::Release);
        is_done
    }
}

/// Keeps no channel alive.
async fn send_all(channel: glib::WeakRef<ChannelTls>, done: Arc<AtomicBool>) {
    let mut attempt = PollIo::new(Direction::Write);
    poll_fn(move |cx| {
        let Some(channel) = channel.upgrade() else {
            return Poll::Ready(());
        };
        let Ok(link) = channel.imp().link() else {
            return Poll::Ready(());
        };
        let channel = channel.upcast_ref();
        loop {
            let flush = |_| link.flush(channel).map(Transferred::whole);
            let sent = ready!(attempt.poll(channel, cx, flush));
            if sent.is_err() {
                // The next write reports it.
                done.store(true, Ordering::Release);
                return Poll::Ready(());
            }
            if link.is_done(&done) {
                return Poll::Ready(());
            }
        }
    })
    .await;
}
