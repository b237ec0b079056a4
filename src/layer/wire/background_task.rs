//! A task of a layer on the hub of a context.

use std::{future::Future, mem, sync::Arc};

use glib::{ControlFlow, MainContext};

use crate::{
    hub::{Hub, JoinHandle, running_context_and_priority},
    sync::ForkMutex,
};

/// The task, which is aborted when this is dropped.
#[derive(Debug)]
pub(in crate::layer) struct BackgroundTask {
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

impl BackgroundTask {
    /// Spawns the task, or attaches a source that does when the context runs. A context that never
    /// runs keeps no task.
    pub(in crate::layer) fn new(
        hub: &Arc<Hub>,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        let (context, priority) = running_context_and_priority();
        if glib::main_current_source().is_some() {
            let task = Begun::Task(Hub::spawn_in(&context, priority, future));
            return Self {
                task: Arc::new(ForkMutex::new(task)),
                source: None,
            };
        }
        let task = Arc::new(ForkMutex::new(Begun::NotYet));
        let (place, mut future) = (task.clone(), Some(future));
        let source = glib::idle_source_new(Some("qio task"), priority, move || {
            let mut begun = place.lock();
            if let (Begun::NotYet, Some(future)) = (&*begun, future.take()) {
                let (context, priority) = running_context_and_priority();
                *begun = Begun::Task(Hub::spawn_in(&context, priority, future));
            }
            ControlFlow::Break
        });
        source.attach(Some(&context));
        let source = Some((hub.clone(), context, source));
        Self { task, source }
    }
}

impl Drop for BackgroundTask {
    fn drop(&mut self) {
        if let Some((hub, context, source)) = self.source.take() {
            hub.destroy_in(&context, source);
        }
        let begun = mem::replace(&mut *self.task.lock(), Begun::Never);
        if let Begun::Task(task) = begun {
            task.abort();
        }
    }
}
