//! What a listener carries: its sockets, and whom it serves.

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
    gate::{Admission, HANDSHAKES},
    open::Options,
    serve::{Func, Server},
};
use crate::{
    channel::ChannelExt as _,
    error::{io_error, to_glib_error, with_context},
    sync::ForkMutex,
    sys::listen::is_unusable,
    transport::{ChannelSocket, text},
};

#[derive(Debug, Default)]
pub struct NetListener {
    pub(super) gate: Arc<Admission>,
    /// Where to look first, of all sockets: after the one that has given the last client, or has
    /// failed.
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
    /// How often it was disconnected.
    session: u64,
    /// Accepted for a callback that was not to be called any more.
    returned: VecDeque<ChannelSocket>,
    /// The number of the callback that is to be called.
    serving: Option<u64>,
    /// Counts the callbacks.
    servers: u64,
    server: Option<Server>,
    /// Itself, as long as it is open and has a callback.
    kept: Option<super::NetListener>,
}

/// The sockets, for one who knew them at another time.
pub(super) enum Sockets {
    Same,
    Others {
        known: u64,
        channels: Vec<ChannelSocket>,
    },
    /// First somebody who has been accepted already.
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
                    .blurb("What the listener is called in messages, and its sockets")
                    .explicit_notify()
                    .build(),
                glib::ParamSpecBoolean::builder("connected")
                    .nick("Connected")
                    .blurb("Whether it listens")
                    .read_only()
                    .build(),
                glib::ParamSpecUInt::builder("max-clients")
                    .nick("Most clients")
                    .blurb("How many clients there may be at a time, or 0 for any number")
                    .explicit_notify()
                    .build(),
                glib::ParamSpecUInt::builder("max-handshakes")
                    .nick("Most handshakes")
                    .blurb(
                        "How many TLS handshakes may be under way at a time, or 0 for any number",
                    )
                    .default_value(HANDSHAKES as u32)
                    .explicit_notify()
                    .build(),
                glib::ParamSpecUInt::builder("clients")
                    .nick("Clients")
                    .blurb("How many clients there are")
                    .read_only()
                    .build(),
                glib::ParamSpecBoolean::builder("reuse-port")
                    .nick("Reuse the port")
                    .blurb("Whether others that say so as well may listen on the same port")
                    .explicit_notify()
                    .build(),
                glib::ParamSpecBoolean::builder("replace-stale")
                    .nick("Replace what is stale")
                    .blurb("Whether a socket that nobody answers on is replaced")
                    .explicit_notify()
                    .build(),
                glib::ParamSpecUInt::builder("path-mode")
                    .nick("Mode of the path")
                    .blurb(
                        "The permissions of unix paths, or the largest number for the usual ones",
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
            "name" => obj.set_name(value.get().expect("a string")),
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
        self.set_server(None);
    }
}

impl NetListener {
    pub(super) fn options(&self) -> Options {
        *self.options.lock()
    }

    /// Changes an option, and tells of it if it is a property.
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

    /// What messages call it.
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

    /// Listens on more sockets. They do not block from now on: somebody else may be faster when
    /// there is a client.
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
        self.settle(before);
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
        let ((channels, returned), kept) = changed;
        for channel in channels {
            // What it says comes too late for anybody to do anything about it.
            let _ = channel.close();
        }
        drop(returned);
        self.settle(before);
        drop(kept);
    }

    /// A socket that somebody else has closed.
    fn remove(&self, channel: &ChannelSocket) {
        let before = self.is_connected();
        let changed = self.change(|state| {
            let place = state.channels.iter().position(|it| it == channel);
            let removed = place.map(|place| state.channels.remove(place));
            state.version += u64::from(removed.is_some());
            state.session += u64::from(removed.is_some() && state.channels.is_empty());
            removed
        });
        self.settle(before);
        drop(changed);
    }

    /// Changes the state. Returns itself as well, if it is not to be kept alive any more: to be
    /// dropped without the lock.
    fn change<R>(&self, f: impl FnOnce(&mut State) -> R) -> (R, Option<super::NetListener>) {
        // Before the lock, so that it goes after that.
        let itself = self.obj().clone();
        let mut state = self.state.lock();
        let result = f(&mut state);
        let keeps = state.serving.is_some() && !state.channels.is_empty();
        let unkept = match keeps {
            true => {
                state.kept.get_or_insert_with(|| itself.clone());
                None
            }
            false => state.kept.take(),
        };
        drop(state);
        (result, unkept)
    }

    /// Tells everybody that something is otherwise.
    fn settle(&self, was_connected: bool) {
        self.gate.wake();
        if self.is_connected() != was_connected {
            self.obj().notify("connected");
        }
    }

    /// Which sequence of sockets this is, for [`sockets`](Self::sockets).
    pub(super) fn session(&self) -> u64 {
        self.state.lock().session
    }

    pub(super) fn is_open_since(&self, session: u64) -> bool {
        let state = self.state.lock();
        state.session == session && !state.channels.is_empty()
    }

    /// The sockets, if they are others than those that are known.
    pub(super) fn sockets(&self, session: Option<u64>, known: Option<u64>) -> io::Result<Sockets> {
        let mut state = self.state.lock();
        if session.is_some_and(|session| session != state.session) {
            return Err(io_error(
                gio::IOErrorEnum::Closed,
                "Listener is disconnected",
            ));
        }
        if state.channels.is_empty() {
            return Err(not_open());
        }
        if let Some(client) = state.returned.pop_front() {
            return Ok(Sockets::Returned(client));
        }
        if known == Some(state.version) {
            return Ok(Sockets::Same);
        }
        Ok(Sockets::Others {
            known: state.version,
            channels: state.channels.clone(),
        })
    }

    /// Accepting has failed on a socket. Returns the error if the socket will never accept again.
    pub(super) fn failed(&self, channel: &ChannelSocket, e: io::Error) -> io::Result<()> {
        if channel.is_closed() {
            self.remove(channel);
            return Ok(());
        }
        let is_final = is_unusable(&e);
        let e = with_context(
            e,
            format!("Unable to accept a connection on {}", self.label()),
        );
        if is_final {
            return Err(e);
        }
        self.put_off(&e);
        Ok(())
    }

    /// Accepts nobody for a while.
    pub(super) fn put_off(&self, e: &io::Error) {
        let warn = self.gate.pause();
        if warn {
            glib::g_warning!("Qio", "{}: trying again, once a second at least", e);
        }
        let error = to_glib_error(e);
        self.obj().emit_by_name::<()>("accept-error", &[&error]);
    }

    /// Replaces the callback.
    pub(super) fn set_server(&self, new: Option<(Func, &glib::MainContext)>) {
        let serves = new.is_some();
        let ((number, before), kept) = self.change(|state| {
            state.servers += 1;
            state.serving = serves.then_some(state.servers);
            (state.servers, state.server.take())
        });
        drop(before);
        if let Some((func, context)) = new {
            let server = Server::start(&self.obj(), number, func, context);
            let mut server = Some(server);
            let (unused, kept) = self.change(|state| {
                if state.serving == Some(number) {
                    state.server = server.take();
                }
                server
            });
            drop((unused, kept));
        }
        // What it has not delivered goes to the next one.
        self.gate.wake();
        drop(kept);
    }

    pub(super) fn is_served_by(&self, number: u64) -> bool {
        self.state.lock().serving == Some(number)
    }

    /// The context of a callback has gone.
    pub(super) fn end_server(&self, number: u64) {
        let ended = self.change(|state| {
            let is_current = state.serving == Some(number);
            is_current.then(|| {
                state.serving = None;
                state.server.take()
            })
        });
        drop(ended);
    }

    /// Somebody else is to have a client.
    pub(super) fn give_back(&self, client: ChannelSocket) {
        let mut client = Some(client);
        let mut state = self.state.lock();
        if !state.channels.is_empty() {
            state.returned.extend(client.take());
        }
        drop(state);
        drop(client);
        self.gate.wake();
    }
}

fn not_open() -> io::Error {
    io_error(gio::IOErrorEnum::NotConnected, "Listener is not open")
}
