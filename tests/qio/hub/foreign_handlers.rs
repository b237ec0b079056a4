//! Classes that chain `set_fd_handler` up with other arguments than their own.

use std::{
    cell::Cell,
    rc::Rc,
    sync::{Mutex, PoisonError},
};

use glib::subclass::prelude::ObjectSubclassIsExt;
use qio::{Channel, prelude::*};

use super::*;
use crate::common::{
    FEW,
    alone::{is_alone, rerun},
    iterations,
};

mod imp {
    use qio::{FdHandlers, subclass::prelude::*};

    use super::*;

    /// A socket pair that gives the handlers that it gets to its parent, for another channel or
    /// context if there is one.
    #[derive(Default)]
    pub struct Diverting {
        pub(super) channel: Mutex<Option<super::Diverting>>,
        pub(super) context: Mutex<Option<MainContext>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Diverting {
        const NAME: &'static str = "TestDiverting";
        type Type = super::Diverting;
        type ParentType = qio::ChannelFile;
    }

    impl ObjectImpl for Diverting {}
    impl ChannelFileImpl for Diverting {}

    impl ChannelImpl for Diverting {
        fn set_fd_handler(&self, context: Option<&MainContext>, handlers: &FdHandlers) {
            let other = lock(&self.channel).clone();
            let own = self.obj().clone();
            let elsewhere = lock(&self.context).clone();
            let context = elsewhere.as_ref().or(context);
            other
                .unwrap_or(own)
                .imp()
                .parent_set_fd_handler(context, handlers);
        }
    }
}

glib::wrapper! {
    pub struct Diverting(ObjectSubclass<imp::Diverting>) @extends qio::ChannelFile, Channel;
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A readable channel.
fn readable() -> Diverting {
    let (reader, writer) = nix::unistd::pipe().expect("a pipe");
    nix::unistd::write(&writer, b"x").expect("space");
    let channel: Diverting = glib::Object::new();
    let file: &qio::ChannelFile = channel.upcast_ref();
    file.adopt_fd(reader).expect("it has none yet");
    channel
}

/// Sets a handler for `channel`, and returns how often it is called in one of the contexts.
fn calls(channel: &Diverting, contexts: [&MainContext; 2]) -> usize {
    let calls = Rc::new(Cell::new(0));
    let counted = calls.clone();
    let handler = move || counted.set(counted.get() + 1);
    channel.set_fd_handler_local(Some(contexts[0]), Some(Box::new(handler)), None);
    contexts.into_iter().for_each(settle);
    calls.get()
}

#[test]
fn fd_handlers_that_a_class_passes_to_another_channel_or_context_are_refused() {
    if is_alone() {
        let (context, other) = (MainContext::new(), MainContext::new());
        let contexts = [&context, &other];
        let (own, victim) = (readable(), readable());
        assert!(calls(&own, contexts) > 0);
        *lock(&own.imp().channel) = Some(victim.clone());
        assert_eq!(calls(&own, contexts), 0, "another channel");
        *lock(&own.imp().channel) = None;
        *lock(&own.imp().context) = Some(other.clone());
        assert_eq!(calls(&own, contexts), 0, "another context");
        assert!(iterations(&other) <= FEW);
        return;
    }
    let name = "hub::foreign_handlers::\
                fd_handlers_that_a_class_passes_to_another_channel_or_context_are_refused";
    // Elsewhere a critical warning ends the process.
    let output = rerun(name, |command| command.env_remove("G_DEBUG"));
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    assert_eq!(log.matches("Fd handlers are for").count(), 2, "{log}");
}
