//! A main loop in a separate thread.

use std::{sync::mpsc, thread};

use glib::{ControlFlow, MainContext, MainLoop, Priority};

use super::TIMEOUT;

/// A thread that runs a private context until this is dropped.
pub(crate) struct Runner {
    pub(crate) context: MainContext,
    main_loop: MainLoop,
    thread: Option<thread::JoinHandle<()>>,
}

impl Runner {
    pub(crate) fn new() -> Self {
        let context = MainContext::new();
        let main_loop = MainLoop::new(Some(&context), false);
        let (sender, started) = mpsc::channel();
        let idle = glib::idle_source_new(Some("test start"), Priority::HIGH, move || {
            let _ = sender.send(());
            ControlFlow::Break
        });
        idle.attach(Some(&context));
        let running = main_loop.clone();
        let thread = thread::spawn(move || running.run());
        started.recv_timeout(TIMEOUT).expect("it runs");
        Self {
            context,
            main_loop,
            thread: Some(thread),
        }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.main_loop.quit();
        let ended = self.thread.take().expect("joined once").join();
        assert!(ended.is_ok() || thread::panicking(), "the loop panicked");
    }
}
