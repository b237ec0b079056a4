//! What acceptors and callbacks need of a listener.

use std::io;

use glib::{prelude::*, subclass::prelude::*};

use super::{NetListener, Sockets};
use crate::{
    channel::ChannelExt as _,
    error::{io_error, to_glib_error, with_context},
    net::listener::callback::{ClientCallback, Func},
    sys::listen::is_unusable,
    transport::ChannelSocket,
};

impl NetListener {
    /// The number of this session, for [`sockets`](Self::sockets).
    pub(in crate::net::listener) fn session(&self) -> u64 {
        self.state.lock().session
    }

    pub(in crate::net::listener) fn is_open_since(&self, session: u64) -> bool {
        let state = self.state.lock();
        state.session == session && !state.channels.is_empty()
    }

    /// The sockets, if they have changed since `known`.
    pub(in crate::net::listener) fn sockets(
        &self,
        session: Option<u64>,
        known: Option<u64>,
    ) -> io::Result<Sockets> {
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
        Ok(Sockets::Changed {
            known: state.version,
            channels: state.channels.clone(),
        })
    }

    /// Handles a failure to accept on a socket. Returns the error if the socket will never accept
    /// again.
    pub(in crate::net::listener) fn failed(
        &self,
        channel: &ChannelSocket,
        e: io::Error,
    ) -> io::Result<()> {
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
        self.suspend(&e);
        Ok(())
    }

    /// Suspends accepting for a while.
    pub(in crate::net::listener) fn suspend(&self, e: &io::Error) {
        let warn = self.admission.pause();
        if warn {
            glib::g_warning!("Qio", "{}: trying again, once a second at least", e);
        }
        let error = to_glib_error(e);
        self.obj().emit_by_name::<()>("accept-error", &[&error]);
    }

    /// Replaces the callback.
    pub(in crate::net::listener) fn set_callback(&self, new: Option<(Func, &glib::MainContext)>) {
        let is_set = new.is_some();
        let ((number, before), self_ref) = self.change(|state| {
            state.callbacks_set += 1;
            state.callback_number = is_set.then_some(state.callbacks_set);
            (state.callbacks_set, state.callback.take())
        });
        drop(before);
        if let Some((func, context)) = new {
            let callback = ClientCallback::start(&self.obj(), number, func, context);
            let mut callback = Some(callback);
            let (unused, self_ref) = self.change(|state| {
                if state.callback_number == Some(number) {
                    state.callback = callback.take();
                }
                callback
            });
            drop((unused, self_ref));
        }
        // A connection that it has not delivered is for the next one.
        self.admission.wake();
        drop(self_ref);
    }

    pub(in crate::net::listener) fn is_current_callback(&self, number: u64) -> bool {
        self.state.lock().callback_number == Some(number)
    }

    /// Ends a callback whose context was destroyed.
    pub(in crate::net::listener) fn end_callback(&self, number: u64) {
        let ended = self.change(|state| {
            let is_current = state.callback_number == Some(number);
            is_current.then(|| {
                state.callback_number = None;
                state.callback.take()
            })
        });
        drop(ended);
    }

    /// Returns a connection, for another acceptor.
    pub(in crate::net::listener) fn return_client(&self, client: ChannelSocket) {
        let mut client = Some(client);
        let mut state = self.state.lock();
        if !state.channels.is_empty() {
            state.returned.extend(client.take());
        }
        drop(state);
        drop(client);
        self.admission.wake();
    }
}

fn not_open() -> io::Error {
    io_error(gio::IOErrorEnum::NotConnected, "Listener is not open")
}
