//! The instance state of a listener: its sockets and its callback.

mod acceptors;

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, LazyLock, atomic::AtomicUsize},
};

use gio::prelude::*;
use glib::{
    ParamSpec,
    subclass::{Signal, prelude::*},
};

use super::{
    QIONetListener, QIONetListenerClass,
    admission::{Admission, HANDSHAKES},
    callback::ClientCallback,
    open::Options,
};
use crate::{
    channel::ChannelExt as _,
    sync::ForkMutex,
    transport::{ChannelSocket, text},
    types::string_property,
};

#[derive(Debug, Default)]
pub struct NetListener {
    pub(super) admission: Arc<Admission>,
    /// The socket to try first: the one after the socket that has returned the last connection, or
    /// has failed.
    pub(super) next: AtomicUsize,
    state: ForkMutex<State>,
    options: ForkMutex<Options>,
    name: ForkMutex<Option<glib::GString>>,
}

#[derive(Debug, Default)]
struct State {
    channels: Vec<ChannelSocket>,
    /// Changes whenever `channels` does.
    version: u64,
    /// The number of times that it was disconnected.
    session: u64,
    /// Accepted for a callback that was replaced before its call.
    returned: VecDeque<ChannelSocket>,
    /// The number of the callback that is to be called.
    callback_number: Option<u64>,
    /// Counts the callbacks.
    callbacks_set: u64,
    callback: Option<ClientCallback>,
    /// A reference to itself, while it is open and has a callback.
    self_ref: Option<super::NetListener>,
}

/// The sockets, for an acceptor that has those of an earlier version.
pub(super) enum Sockets {
    Same,
    Changed {
        known: u64,
        channels: Vec<ChannelSocket>,
    },
    /// A connection that was accepted and not delivered, which comes first.
    Returned(ChannelSocket),
}

#[glib::object_subclass]
impl ObjectSubclass for NetListener {
    const NAME: &'static str = "QIONetListener";
    type Type = super::NetListener;
    type Class = QIONetListenerClass;
    type Instance = QIONetListener;
}

impl ObjectImpl for NetListener {
    fn properties() -> &'static [ParamSpec] {
        static PROPERTIES: LazyLock<[ParamSpec; 8]> = LazyLock::new(|| {
            [
                glib::ParamSpecString::builder("name")
                    .nick("Name")
                    .blurb("The label of the listener and of its sockets in messages")
                    .explicit_notify()
                    .build(),
                glib::ParamSpecBoolean::builder("connected")
                    .nick("Connected")
                    .blurb("Whether it listens")
                    .read_only()
                    .build(),
                glib::ParamSpecUInt::builder("max-clients")
                    .nick("Most clients")
                    .blurb("The maximum number of connections at a time, or 0 for no limit")
                    .explicit_notify()
                    .build(),
                glib::ParamSpecUInt::builder("max-handshakes")
                    .nick("Maximum number of handshakes")
                    .blurb(
                        "The maximum number of concurrent TLS handshakes, or 0 for no limit",
                    )
                    .default_value(HANDSHAKES as u32)
                    .explicit_notify()
                    .build(),
                glib::ParamSpecUInt::builder("clients")
                    .nick("Clients")
                    .blurb("The number of connections")
                    .read_only()
                    .build(),
                glib::ParamSpecBoolean::builder("reuse-port")
                    .nick("Reuse the port")
                    .blurb("Whether other sockets with this option may listen on the same port")
                    .explicit_notify()
                    .build(),
                glib::ParamSpecBoolean::builder("replace-stale")
                    .nick("Replace stale sockets")
                    .blurb("Whether a unix socket without a listener is replaced")
                    .explicit_notify()
                    .build(),
                glib::ParamSpecUInt::builder("path-mode")
                    .nick("Mode of the path")
                    .blurb(
                        "The permissions of unix paths, or the largest number for those by the umask",
                    )
                    .default_value(u32::MAX)
                    .explicit_notify()
                    .build(),
            ]
        });
        &*PROPERTIES
    }

    fn signals() -> &'static [Signal] {
        static SIGNALS: LazyLock<[Signal; 1]> = LazyLock::new(|| {
            [Signal::builder("accept-error")
                .param_types([glib::Error::static_type()])
                .run_last()
                .build()]
        });
        &*SIGNALS
    }

    fn property(&self, _id: usize, pspec: &ParamSpec) -> glib::Value {
        let obj = self.obj();
        match pspec.name() {
            "name" => obj.name().to_value(),
            "connected" => obj.is_connected().to_value(),
            "max-clients" => obj.max_clients().to_value(),
            "max-handshakes" => obj.max_handshakes().to_value(),
            "clients" => obj.clients().to_value(),
            "reuse-port" => obj.reuses_port().to_value(),
            "replace-stale" => obj.replaces_stale().to_value(),
            "path-mode" => obj.path_mode().unwrap_or(u32::MAX).to_value(),
            name => unreachable!("no property {name}"),
        }
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &ParamSpec) {
        let obj = self.obj();
        let number = || value.get::<u32>().expect("a number");
        let enabled = || value.get::<bool>().expect("a boolean");
        match pspec.name() {
            "name" => {
                if let Some(name) = string_property(value, pspec) {
                    obj.set_name(name.as_deref());
                }
            }
            "max-clients" => obj.set_max_clients(number()),
            "max-handshakes" => obj.set_max_handshakes(number()),
            "reuse-port" => obj.set_reuse_port(enabled()),
            "replace-stale" => obj.set_replace_stale(enabled()),
            "path-mode" => obj.set_path_mode(Some(number()).filter(|mode| *mode != u32::MAX)),
            name => unreachable!("no property {name}"),
        }
    }

    fn dispose(&self) {
        self.disconnect();
        self.set_callback(None);
    }
}

impl NetListener {
    pub(super) fn options(&self) -> Options {
        *self.options.lock()
    }

    /// Changes an option, and notifies its property, if it has one.
    pub(super) fn set_option(&self, property: Option<&str>, set: impl FnOnce(&mut Options)) {
        let changed = {
            let mut options = self.options.lock();
            let before = *options;
            set(&mut options);
            *options != before
        };
        if let Some(property) = property.filter(|_| changed) {
            self.obj().notify(property);
        }
    }

    pub(super) fn name(&self) -> Option<glib::GString> {
        self.name.lock().clone()
    }

    pub(super) fn set_name(&self, name: Option<glib::GString>) {
        let changed = {
            let mut current = self.name.lock();
            let changed = *current != name;
            current.clone_from(&name);
            changed
        };
        for channel in self.channels() {
            channel.set_name(name.as_deref());
        }
        if changed {
            self.obj().notify("name");
        }
    }

    /// The label in messages.
    pub(super) fn label(&self) -> String {
        let class = self.obj().type_().name();
        if let Some(name) = self.name() {
            return format!("{class} \"{name}\"");
        }
        let addresses = self.channels();
        let addresses = addresses.iter().filter_map(|it| it.local_address().ok());
        let addresses: Vec<_> = addresses.map(|it| text(&it)).collect();
        match addresses.is_empty() {
            true => class.to_owned(),
            false => format!("{class} on {}", addresses.join(", ")),
        }
    }

    pub(super) fn channels(&self) -> Vec<ChannelSocket> {
        self.state.lock().channels.clone()
    }

    pub(super) fn is_connected(&self) -> bool {
        !self.state.lock().channels.is_empty()
    }

    /// Adds listening sockets. They are set to non-blocking mode: another process may accept a
    /// connection first.
    pub(super) fn attach(&self, more: Vec<ChannelSocket>) -> io::Result<()> {
        let name = self.name();
        for channel in &more {
            channel.set_blocking(false)?;
            if name.is_some() {
                channel.set_name(name.as_deref());
            }
        }
        let before = self.is_connected();
        let changed = self.change(|state| {
            state.channels.extend(more);
            state.version += 1;
        });
        drop(changed);
        self.notify_change(before);
        Ok(())
    }

    pub(super) fn disconnect(&self) {
        let before = self.is_connected();
        let changed = self.change(|state| {
            state.session += 1;
            state.version += 1;
            let channels = std::mem::take(&mut state.channels);
            (channels, std::mem::take(&mut state.returned))
        });
        let ((channels, returned), self_ref) = changed;
        for channel in channels {
            // An error of closing has no consequence any more.
            let _ = channel.close();
        }
        drop(returned);
        self.notify_change(before);
        drop(self_ref);
    }

    /// Removes a socket that other code has closed.
    fn remove(&self, channel: &ChannelSocket) {
        let before = self.is_connected();
        let changed = self.change(|state| {
            let place = state.channels.iter().position(|it| it == channel);
            let removed = place.map(|place| state.channels.remove(place));
            state.version += u64::from(removed.is_some());
            state.session += u64::from(removed.is_some() && state.channels.is_empty());
            removed
        });
        self.notify_change(before);
        drop(changed);
    }

    /// Changes the state. Returns also the reference to itself, if it must be dropped: without the
    /// lock.
    fn change<R>(&self, f: impl FnOnce(&mut State) -> R) -> (R, Option<super::NetListener>) {
        // Before the lock, so that it is dropped after the unlock.
        let itself = self.obj().clone();
        let mut state = self.state.lock();
        let result = f(&mut state);
        let keeps_self = state.callback_number.is_some() && !state.channels.is_empty();
        let released = match keeps_self {
            true => {
                state.self_ref.get_or_insert_with(|| itself.clone());
                None
            }
            false => state.self_ref.take(),
        };
        drop(state);
        (result, released)
    }

    /// Wakes the acceptors, and notifies the property, after a change.
    fn notify_change(&self, was_connected: bool) {
        self.admission.wake();
        if self.is_connected() != was_connected {
            self.obj().notify("connected");
        }
    }
}
