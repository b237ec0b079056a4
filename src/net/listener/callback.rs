//! Callbacks: a task in the context of the callback.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll},
};

use glib::{WeakRef, prelude::*, subclass::prelude::*, thread_guard::ThreadGuard};

use super::{NetListener, accept::Acceptor};
use crate::{
    error::panic_text,
    hub::{self, JoinHandle},
    sync::Creator,
    sys::lock,
    transport::ChannelSocket,
};

/// The function that is called for each connection.
pub(super) enum Func {
    Anywhere(AnyFunc),
    Here(ThreadGuard<LocalFunc>),
}

type AnyFunc = Box<dyn FnMut(&NetListener, ChannelSocket) + Send>;
type LocalFunc = Box<dyn FnMut(&NetListener, ChannelSocket)>;

impl Func {
    fn call(&mut self, listener: &NetListener, client: ChannelSocket) {
        match self {
            Self::Anywhere(func) => func(listener, client),
            Self::Here(func) => (func.get_mut())(listener, client),
        }
    }

    fn may_be_dropped(&self) -> bool {
        match self {
            Self::Anywhere(_) => true,
            Self::Here(func) => func.is_owner(),
        }
    }
}

/// Locked during a call; empty once there are no more calls.
type Place = Arc<Mutex<Option<Func>>>;

/// A callback that is set. Dropping it ends its calls, except one in progress.
pub(super) struct ClientCallback {
    pub(super) number: u64,
    place: Place,
    task: JoinHandle<()>,
}

impl std::fmt::Debug for ClientCallback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ClientCallback").field(&self.number).finish()
    }
}

impl ClientCallback {
    /// Starts the task, in a context.
    pub(super) fn start(
        listener: &NetListener,
        number: u64,
        func: Func,
        context: &glib::MainContext,
    ) -> Self {
        let is_local = matches!(func, Func::Here(_));
        let place = Arc::new(Mutex::new(Some(func)));
        let mut callback_number = CallbackTask {
            listener: listener.downgrade(),
            number,
            place: place.clone(),
            acceptor: Acceptor::for_callback(listener.imp().admission.clone()),
            creator: Creator::default(),
        };
        let future = poll_fn(move |cx| callback_number.poll(cx));
        let priority = glib::Priority::DEFAULT;
        let task = match is_local {
            true => hub::spawn_local_in(context, priority, future),
            false => hub::spawn_in(context, priority, future),
        };
        Self {
            number,
            place,
            task,
        }
    }
}

impl Drop for ClientCallback {
    fn drop(&mut self) {
        self.task.abort();
        // A function that is being called, or belongs to another thread, is dropped with the task.
        let func = self.place.try_lock().ok().and_then(|mut place| {
            let is_here = place.as_ref().is_some_and(Func::may_be_dropped);
            is_here.then(|| place.take())
        });
        drop(func);
    }
}

/// The task. It is dropped with its context.
struct CallbackTask {
    listener: WeakRef<NetListener>,
    number: u64,
    place: Place,
    acceptor: Acceptor,
    creator: Creator,
}

impl CallbackTask {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            // Kept alive by itself while it is open, and then by the user.
            let Some(listener) = self.listener.upgrade() else {
                return Poll::Ready(());
            };
            if !listener.imp().is_current_callback(self.number) {
                return Poll::Ready(());
            }
            match self.acceptor.poll(&listener, cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(client)) => self.deliver(&listener, client),
                Poll::Ready(Err(e)) => listener.imp().suspend(&e),
            }
        }
    }

    /// The callback; none in a forked child, if another thread of the parent was calling it.
    fn lock(&self) -> Option<MutexGuard<'_, Option<Func>>> {
        match self.creator.is_parent() {
            true => self.place.try_lock().ok(),
            false => Some(lock(&self.place)),
        }
    }

    fn deliver(&self, listener: &NetListener, client: ChannelSocket) {
        let Some(mut place) = self.lock() else {
            return listener.imp().return_client(client);
        };
        // It may have been replaced, or the listener disconnected, since the client was accepted.
        let is_current = listener.imp().is_current_callback(self.number) && listener.is_connected();
        let Some(func) = place.as_mut().filter(|_| is_current) else {
            drop(place);
            return listener.imp().return_client(client);
        };
        let call = AssertUnwindSafe(|| func.call(listener, client));
        if let Err(panic) = catch_unwind(call) {
            let text = panic_text(&*panic);
            glib::g_critical!("Qio", "A callback for clients panicked: {}", text);
        }
    }
}

impl Drop for CallbackTask {
    fn drop(&mut self) {
        let func = self.lock().and_then(|mut place| place.take());
        drop(func);
        if let Some(listener) = self.listener.upgrade() {
            listener.imp().end_callback(self.number);
        }
    }
}
