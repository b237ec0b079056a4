//! The instance state of a channel: name, features, mode and waiters.

use std::{
    io,
    sync::{
        Arc, LazyLock, OnceLock,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use glib::{ParamSpec, prelude::*, subclass::prelude::*};

use super::{
    class::{
        VFuncs,
        fd_handler::{ClosureKeys, FdHandler},
        fill_defaults,
    },
    ffi::{QIOChannel, QIOChannelClass},
    handshakes::HandshakeLimit,
    observed,
};
use crate::{
    log, observe,
    sync::{Creator, ForkMutex},
    sys::{self, StreamSocket},
    types::{Feature, string_property},
    watch::{ChannelState, list_live},
};

/// The state of the base class. No lock is held while a virtual function runs.
#[derive(Debug, Default)]
pub struct Channel {
    /// Set once: all further operations fail.
    closed: AtomicBool,
    features: AtomicU32,
    /// Inverted, so that a new channel is blocking.
    nonblocking: AtomicBool,
    /// Whether reads and writes may take long without being reported by epoll.
    on_disk: AtomicBool,
    /// Whether reads may return an empty message, which is not end-of-file.
    messages: AtomicBool,
    /// Set by the first call to close, before the virtual function runs.
    closing: AtomicBool,
    creator: Creator,
    /// The socket, if `io_readv` and `io_writev` transfer the bytes of one.
    pub(crate) stream: OnceLock<StreamSocket>,
    /// The closed flag, what was pushed back, and the wake epoch.
    pub(crate) channel_state: Arc<ChannelState>,
    /// What limits the handshakes of layers over this channel.
    pub(crate) handshakes: OnceLock<Arc<dyn HandshakeLimit>>,
    /// What `set_aio_fd_handler` has set, for reading and for writing.
    pub(super) fd_handlers: ForkMutex<Option<Box<[Option<FdHandler>; 2]>>>,
    /// The Rust closures of these handlers.
    pub(super) fd_closures: ForkMutex<Option<Box<ClosureKeys>>>,
}

#[glib::object_subclass]
impl ObjectSubclass for Channel {
    const NAME: &'static str = "QIOChannel";
    const ABSTRACT: bool = true;
    type Type = super::Channel;
    type Class = QIOChannelClass;
    type Instance = QIOChannel;

    fn class_init(class: &mut Self::Class) {
        fill_defaults(class);
        observe::set_up(list_live);
        // Before the thread of GLib that `prepare_tasks` starts.
        sys::prepare_process();
        #[cfg(feature = "capi")]
        prepare_tasks();
    }
}

// The places of the properties.
const NAME: usize = 0;
const FEATURES: usize = 1;
const BLOCKING: usize = 2;
const CLOSED: usize = 3;

impl ObjectImpl for Channel {
    fn constructed(&self) {
        self.parent_constructed();
        // In this order: the first monitor lists what was there before.
        self.channel_state.enter_live(self.obj().type_());
        if observe::is_observed() {
            observed::stats(&self.obj());
        }
    }

    fn properties() -> &'static [ParamSpec] {
        static PROPERTIES: LazyLock<Vec<ParamSpec>> = LazyLock::new(|| {
            vec![
                glib::ParamSpecString::builder("name")
                    .nick("Name")
                    .blurb("The label of the channel in messages and in the names of its sources")
                    .explicit_notify()
                    .build(),
                glib::ParamSpecFlags::builder::<Feature>("features")
                    .nick("Features")
                    .blurb("The features of the channel beyond reading and writing")
                    .read_only()
                    .build(),
                glib::ParamSpecBoolean::builder("blocking")
                    .nick("Blocking")
                    .blurb("Whether reads and writes block")
                    .default_value(true)
                    .explicit_notify()
                    .build(),
                glib::ParamSpecBoolean::builder("closed")
                    .nick("Closed")
                    .blurb("Whether the channel has been closed")
                    .read_only()
                    .build(),
            ]
        });
        &PROPERTIES
    }

    fn property(&self, _id: usize, pspec: &ParamSpec) -> glib::Value {
        match pspec.name() {
            "name" => self.name().to_value(),
            "features" => self.features().to_value(),
            "blocking" => self.is_blocking().to_value(),
            "closed" => self.is_closed().to_value(),
            name => unreachable!("no property {name}"),
        }
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &ParamSpec) {
        match pspec.name() {
            "name" => {
                if let Some(name) = string_property(value, pspec) {
                    self.set_name(name.map(Into::into));
                }
            }
            "blocking" => {
                let enabled = value.get().expect("a boolean");
                // A property setter cannot report an error otherwise.
                if let Err(e) = self.set_blocking(enabled) {
                    glib::g_warning!("Qio", "Unable to set the property \"blocking\": {}", e);
                }
            }
            name => unreachable!("no property {name}"),
        }
    }
}

impl Channel {
    /// Notifies of the property at this place, which need not be found by its name.
    fn notify_at(&self, place: usize) {
        self.obj().notify_by_pspec(&Self::properties()[place]);
    }

    pub(super) fn name(&self) -> Option<glib::GString> {
        self.channel_state.texts.name()
    }

    pub(super) fn set_name(&self, name: Option<glib::GString>) {
        if self.channel_state.texts.set_name(name) {
            observed::texts_changed(&self.obj());
            self.notify_at(NAME);
        }
    }

    /// Sets the label in messages for a channel without a name. The first one stays.
    pub(crate) fn set_description(&self, description: String) {
        self.channel_state.texts.set_description(description);
        observed::texts_changed(&self.obj());
    }

    pub(super) fn features(&self) -> Feature {
        Feature::from_bits_truncate(self.features.load(Ordering::Acquire))
    }

    pub(super) fn add_features(&self, features: Feature) {
        let before = self.features.fetch_or(features.bits(), Ordering::AcqRel);
        if before | features.bits() != before {
            self.notify_at(FEATURES);
        }
    }

    pub(super) fn set_first_features(&self, features: Feature) {
        self.features.fetch_or(features.bits(), Ordering::AcqRel);
    }

    pub(super) fn is_blocking(&self) -> bool {
        !self.nonblocking.load(Ordering::Acquire)
    }

    pub(super) fn set_blocking(&self, enabled: bool) -> io::Result<()> {
        VFuncs::of(&self.obj()).set_blocking(enabled)?;
        self.set_blocking_state(enabled);
        Ok(())
    }

    /// Records the mode of the channel.
    pub(super) fn set_blocking_state(&self, enabled: bool) {
        if self.nonblocking.swap(!enabled, Ordering::AcqRel) == enabled {
            self.notify_at(BLOCKING);
        }
    }

    pub(crate) fn set_regular_file(&self, on_disk: bool) {
        self.on_disk.store(on_disk, Ordering::Release);
    }

    #[inline]
    pub(super) fn is_regular_file(&self) -> bool {
        self.on_disk.load(Ordering::Acquire)
    }

    pub(crate) fn set_message_oriented(&self, messages: bool) {
        self.messages.store(messages, Ordering::Release);
    }

    pub(crate) fn is_message_oriented(&self) -> bool {
        self.messages.load(Ordering::Acquire)
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Whether this process was forked from the one that created the channel.
    pub(crate) fn is_inherited(&self) -> bool {
        self.creator.is_parent()
    }

    /// Makes further operations fail, and wakes all waiters. A class of this crate calls this
    /// before it closes its descriptors: waiters must not poll a number that may be reused. For all
    /// others `close` does so after their `io_close`, which may still read and write the channel.
    pub(crate) fn mark_closed(&self) {
        self.closed.store(true, Ordering::Release);
        self.channel_state.close();
    }

    /// Closes the channel and its lower channels after a failure. The bottom channel is closed
    /// first, so that a layered channel cannot send anything while it closes.
    pub(super) fn abort(&self) {
        let mut channels: Vec<super::Channel> = vec![self.obj().clone()];
        while let Some(below) = channels.last().and_then(|channel| channel.below()) {
            let below = below.clone();
            channels.push(below);
        }
        for channel in channels.iter().rev().filter(|it| !it.imp().is_closed()) {
            VFuncs::of(channel).prepare_abort();
            log::event(channel, || "aborted".to_owned());
            // An error of sending is of no interest: nothing was to be sent.
            let _ = channel.imp().close();
        }
    }

    /// Closes once; later calls do nothing. As in GIO the channel is closed even if the virtual
    /// function fails.
    pub(super) fn close(&self) -> io::Result<()> {
        if self.closing.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let obj = self.obj();
        let result = observed::close(&obj, || {
            let result = VFuncs::of(&obj).close();
            self.mark_closed();
            result
        });
        match &result {
            Ok(()) => log::event(&*obj, || "closed".to_owned()),
            Err(e) => log::failure(&*obj, e, || "closed".to_owned()),
        }
        // Another thread of the parent may have held GObject's locks when this process was forked:
        // in the child they are locked forever.
        if !self.creator.is_parent() {
            self.notify_at(CLOSED);
        }
        result
    }
}

/// The first `GTask` creates a context for GLib's worker thread, and aborts the process without a
/// descriptor for it: so it is created now, and not by the first asynchronous function.
pub(crate) fn prepare_tasks() {
    if crate::sys::file::eventfd().is_ok() {
        gio::Task::<bool>::static_type();
    }
}
