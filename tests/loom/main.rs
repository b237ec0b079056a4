//! Models of the waiting core: loom runs each of them in every order of steps that its threads can
//! have, and with every value that the memory model lets a load return.
//!
//! The files of the library are compiled here with loom's locks and atomics in place of the
//! standard library's: `crate::sync` has them under the names that the library's own `sync` has.

#![allow(dead_code)] // the models use a part of each file

mod sync;

#[path = "../../src/hub/io_state.rs"]
mod io_state;
#[path = "../../src/hub/remote_queue.rs"]
mod remote_queue;
#[path = "../../src/hub/trigger.rs"]
mod trigger;

#[allow(unsafe_code)] // descriptors by number, as in the library
mod sys {
    pub(crate) mod dummy;
    pub(crate) mod hazard;
    #[path = "../../../src/sys/shared_fd.rs"]
    pub(crate) mod shared_fd;
}

mod close;
mod descriptors;
mod readiness;
mod remote;
mod triggers;
mod waker;

/// Explores a model of two threads in every order of their steps.
fn explore(model: impl Fn() + Sync + Send + 'static) {
    loom::model(model);
}

/// Explores a model of three threads in every order that preempts a thread at most twice: more
/// would take hours.
fn explore_bounded(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(model);
}
