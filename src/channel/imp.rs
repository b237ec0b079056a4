//! What every channel carries: its name, features, mode, and who waits for it.

use std::{
    io,
    sync::{
        Arc, LazyLock, OnceLock,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use glib::{ParamSpec, prelude::*, subclass::prelude::*};

use super::{
    ChannelExt,
    class::{
        VFuncs, fill_defaults,
        handlers::{ClosureKeys, FdHandler},
    },
    ffi::{QIOChannel, QIOChannelClass},
    handshakes::HandshakeLimit,
};
use crate::{
    sync::{ForkMutex, Maker},
    sys::StreamSocket,
    types::Feature,
    watch::Waiters,
};

/// The state of the base class. Nothing here is locked while a slot runs.
#[derive(Debug, Default)]
pub struct Channel {
    /// Nothing is read, written or changed any more.
    closed: AtomicBool,
    name: ForkMutex<Option<glib::GString>>,
    /// In messages, where it has no name.
    description: OnceLock<Box<str>>,
    features: AtomicU32,
    /// Inverted, so that a new channel is blocking.
    nonblocking: AtomicBool,
    /// Reading and writing may take its time, which nothing tells.
    on_disk: AtomicBool,
    /// Reads may find a message that has nothing, which is not the end.
    messages: AtomicBool,
    /// Set by the first call to close, before the slot runs.
    closing: AtomicBool,
    maker: Maker,
    /// What its slots of iovecs read and write, where that is the bytes of a socket.
    pub(crate) stream: OnceLock<StreamSocket>,
    /// Who is to be woken; tells them that the channel is closed.
    pub(crate) waiters: Arc<Waiters>,
    /// What limits the handshakes of layers over this channel.
    pub(crate) handshakes: OnceLock<Arc<dyn HandshakeLimit>>,
    /// What `set_aio_fd_handler` has set, for reading and for writing.
    pub(super) fd_handlers: ForkMutex<Option<Box<[Option<FdHandler>; 2]>>>,
    /// The Rust closures behind them.
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
        #[cfg(feature = "capi")]
        prepare_tasks();
    }
}

impl ObjectImpl for Channel {
    fn properties() -> &'static [ParamSpec] {
        static PROPERTIES: LazyLock<Vec<ParamSpec>> = LazyLock::new(|| {
            vec![
                glib::ParamSpecString::builder("name")
                    .nick("Name")
                    .blurb("What the channel is called in messages and in the names of its sources")
                    .explicit_notify()
                    .build(),
                glib::ParamSpecFlags::builder::<Feature>("features")
                    .nick("Features")
                    .blurb("What the channel can do beyond reading and writing")
                    .read_only()
                    .build(),
                glib::ParamSpecBoolean::builder("blocking")
                    .nick("Blocking")
                    .blurb("Whether reads and writes wait until they can be done")
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
            "name" => self.set_name(value.get().expect("a string")),
            "blocking" => {
                let enabled = value.get().expect("a boolean");
                // A property has no way to report an error but this.
                if let Err(e) = self.obj().set_blocking(enabled) {
                    glib::g_warning!("Qio", "Unable to set the property \"blocking\": {}", e);
                }
            }
            name => unreachable!("no property {name}"),
        }
    }
}

impl Channel {
    pub(super) fn name(&self) -> Option<glib::GString> {
        self.name.lock().clone()
    }

    pub(super) fn set_name(&self, name: Option<glib::GString>) {
        let changed = {
            let mut current = self.name.lock();
            let changed = *current != name;
            *current = name;
            changed
        };
        if changed {
            self.obj().notify("name");
        }
    }

    pub(super) fn description(&self) -> Option<&str> {
        self.description.get().map(AsRef::as_ref)
    }

    /// What messages call the channel unless it has a name; the first one stays.
    pub(crate) fn set_description(&self, description: String) {
        self.description.get_or_init(|| description.into());
    }

    pub(super) fn features(&self) -> Feature {
        Feature::from_bits_truncate(self.features.load(Ordering::Acquire))
    }

    pub(super) fn add_features(&self, features: Feature) {
        let before = self.features.fetch_or(features.bits(), Ordering::AcqRel);
        if before | features.bits() != before {
            self.obj().notify("features");
        }
    }

    pub(super) fn is_blocking(&self) -> bool {
        !self.nonblocking.load(Ordering::Acquire)
    }

    /// Remembers the mode that the channel is in.
    pub(super) fn set_blocking_state(&self, enabled: bool) {
        if self.nonblocking.swap(!enabled, Ordering::AcqRel) == enabled {
            self.obj().notify("blocking");
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

    pub(super) fn is_message_oriented(&self) -> bool {
        self.messages.load(Ordering::Acquire)
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Whether this process has forked from the one that made the channel.
    pub(crate) fn is_inherited(&self) -> bool {
        self.maker.is_parent()
    }

    /// Lets nobody begin anything from now on, and wakes all who wait. A class whose descriptors
    /// get free as it closes calls this before: waiters must not look at a stranger's.
    pub(crate) fn mark_closed(&self) {
        self.closed.store(true, Ordering::Release);
        self.waiters.close();
    }

    /// Closes the channel and those below it as ones that have failed. The lowest goes first: what a
    /// layer sends as it closes has nowhere to go.
    pub(super) fn abort(&self) {
        let mut channels: Vec<super::Channel> = vec![self.obj().clone()];
        while let Some(below) = channels.last().and_then(|channel| channel.below()) {
            let below = below.clone();
            channels.push(below);
        }
        for channel in channels.iter().rev().filter(|it| !it.imp().is_closed()) {
            VFuncs::of(channel).prepare_abort();
            // What could not be sent was not to be sent.
            let _ = channel.imp().close();
        }
    }

    /// Closes once; later calls have nothing to do. As in GIO the channel counts as
    /// closed even if the slot reports an error.
    pub(super) fn close(&self) -> io::Result<()> {
        if self.closing.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let obj = self.obj();
        let result = VFuncs::of(&obj).close();
        self.mark_closed();
        // Another thread of the parent may have had GObject's locks when this process was forked from
        // it: they are locked for ever.
        if !self.maker.is_parent() {
            obj.notify("closed");
        }
        result
    }
}

/// The first `GTask` makes a context for GLib's own thread, and ends the process where there is no descriptor
/// for it: not when an asynchronous function is called, but now.
#[cfg(feature = "capi")]
fn prepare_tasks() {
    if crate::sys::file::eventfd().is_ok() {
        gio::Task::<bool>::static_type();
    }
}
