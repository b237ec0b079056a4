//! Requests by signals.

use std::{cell::RefCell, rc::Rc};

use gio::prelude::*;
use glib::ControlFlow;

/// The requests by signals.
pub(crate) struct Signals {
    /// The end of everything.
    pub(crate) stop: gio::Cancellable,
    /// No more clients.
    pub(crate) drain: gio::Cancellable,
    /// Reads the files for TLS again, if there can be any: SIGHUP is an end otherwise.
    pub(crate) reload: Rc<RefCell<Option<Reload>>>,
}

type Reload = Box<dyn Fn()>;

impl Signals {
    pub(crate) fn new(serves_many: bool) -> Self {
        let this = Self {
            stop: gio::Cancellable::new(),
            drain: gio::Cancellable::new(),
            reload: Rc::default(),
        };
        let (stop, drain, reload) = (this.stop.clone(), this.drain.clone(), this.reload.clone());
        on(libc::SIGINT, {
            let stop = stop.clone();
            move || stop.cancel()
        });
        on(libc::SIGTERM, {
            let stop = stop.clone();
            move || match serves_many && !drain.is_cancelled() {
                true => drain.cancel(),
                false => stop.cancel(),
            }
        });
        on(libc::SIGHUP, move || match &*reload.borrow() {
            Some(reload) => reload(),
            None => stop.cancel(),
        });
        this
    }
}

fn on(signal: i32, f: impl Fn() + 'static) {
    glib_unix::unix_signal_add_local(signal, move || {
        f();
        ControlFlow::Continue
    });
}
