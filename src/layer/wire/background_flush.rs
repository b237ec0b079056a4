//! A task that sends the pending output of writes in non-blocking mode, also if no caller reads,
//! writes or waits any more.

use std::{
    future::{Future, poll_fn},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Poll, ready},
};

use glib::{ControlFlow, MainContext, prelude::*};

use super::{Engine, Layer, Wire};
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
    /// Set once no output was pending, with the mutex of the connection locked; or on an error.
    done: Arc<AtomicBool>,
    _work: Work,
}

/// The task, which is aborted when this is dropped.
#[derive(Debug)]
struct Work {
    task: Arc<ForkMutex<Begun>>,
    /// Spawns it, if no callback of the context is running.
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
    /// Spawns the task, or attaches a source that does when the context runs. A context that never
    /// runs keeps no task.
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
        let source = glib::idle_source_new(Some("qio flush"), priority, move || {
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
            _work: Work::new(&hub, send_all(layer.downgrade(), done.clone())),
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
