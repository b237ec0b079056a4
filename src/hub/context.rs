//! Main contexts: the running one, the default one, and private ones.

use std::{future::Future, io};

use glib::Priority;

use crate::{
    error::{not_supported, with_context},
    sys::file,
};

/// The default context of this thread, or of the process.
pub(crate) fn default_context() -> glib::MainContext {
    // Not `unwrap_or_default`: the `Default` of a context is a new one.
    glib::MainContext::thread_default().unwrap_or_else(glib::MainContext::default)
}

/// A context for a thread that waits without running one. Fails if no descriptor can be allocated:
/// GLib would abort the process.
pub(crate) fn private_context() -> io::Result<glib::MainContext> {
    let probe = file::eventfd();
    drop(probe.map_err(|e| with_context(e, "Unable to make a main context to wait in"))?);
    Ok(glib::MainContext::new())
}

/// Blocks this thread until a future is ready, which runs in a private context.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> io::Result<T> {
    let context = private_context()?;
    let result = context.with_thread_default(|| context.block_on(future));
    Ok(result.expect("no other thread has this context"))
}

/// The context that this thread runs, or has acquired as its default one.
pub(super) fn running_owned() -> Option<glib::MainContext> {
    match glib::main_current_source() {
        Some(source) => source.context(),
        None => Some(default_context()).filter(glib::MainContext::is_owner),
    }
}

/// Fails in a thread that runs no main context.
pub(crate) fn assert_running() -> io::Result<()> {
    let text = "Unable to wait in a future: this thread runs no main context";
    running_owned().map(drop).ok_or_else(|| not_supported(text))
}

/// The context that this thread runs, and the priority of the source that is being dispatched.
pub(crate) fn running_context_and_priority() -> (glib::MainContext, Priority) {
    let current = glib::main_current_source();
    let priority = current.map_or(Priority::DEFAULT, |source| source.priority().into());
    (running_context(), priority)
}

/// The context of the source that is being dispatched, or the default one.
pub(crate) fn running_context() -> glib::MainContext {
    glib::main_current_source()
        .and_then(|source| source.context())
        .unwrap_or_else(default_context)
}
