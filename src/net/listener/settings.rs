//! What a listener is called, whom it lets in, and how its sockets are opened.

use glib::{prelude::*, subclass::prelude::*};

use super::NetListener;

impl NetListener {
    /// What the listener is called in messages. Its sockets are called the same.
    #[doc(alias = "qio_net_listener_set_name")]
    pub fn set_name(&self, name: Option<&str>) {
        self.imp().set_name(name.map(Into::into));
    }

    /// What the listener is called in messages.
    #[doc(alias = "qio_net_listener_get_name")]
    #[must_use]
    pub fn name(&self) -> Option<glib::GString> {
        self.imp().name()
    }

    /// Accepts nobody while there are so many clients; 0, the default, is any number. A client
    /// counts from when it was accepted until its channel is closed or dropped.
    #[doc(alias = "qio_net_listener_set_max_clients")]
    pub fn set_max_clients(&self, limit: u32) {
        self.imp().gate.set_limit(limit as usize);
        self.notify("max-clients");
    }

    /// How many clients there may be at a time, or 0.
    #[doc(alias = "qio_net_listener_get_max_clients")]
    #[must_use]
    pub fn max_clients(&self) -> u32 {
        u32::try_from(self.imp().gate.limit()).unwrap_or(u32::MAX)
    }

    /// Accepts nobody while so many TLS handshakes of its clients are under way; 0 is any number, and the default is 1024. A
    /// handshake counts from when [`ChannelTls::new_server`](crate::ChannelTls::new_server) is called with the channel of a
    /// client until it is done. With as many as that under way, the oldest one fails once it has taken a second, and
    /// another client is accepted: peers that begin and do nothing keep nobody else out.
    #[doc(alias = "qio_net_listener_set_max_handshakes")]
    pub fn set_max_handshakes(&self, limit: u32) {
        self.imp().gate.set_handshake_limit(limit as usize);
        self.notify("max-handshakes");
    }

    /// How many TLS handshakes may be under way at a time, or 0.
    #[doc(alias = "qio_net_listener_get_max_handshakes")]
    #[must_use]
    pub fn max_handshakes(&self) -> u32 {
        u32::try_from(self.imp().gate.handshake_limit()).unwrap_or(u32::MAX)
    }

    /// How many clients there are, whose channels are neither closed nor dropped.
    #[doc(alias = "qio_net_listener_get_clients")]
    #[must_use]
    pub fn clients(&self) -> u32 {
        u32::try_from(self.imp().gate.clients()).unwrap_or(u32::MAX)
    }

    /// Whether sockets that are opened from now on share their port with others that say so as well
    /// (`SO_REUSEPORT`): the system spreads the clients.
    #[doc(alias = "qio_net_listener_set_reuse_port")]
    pub fn set_reuse_port(&self, enabled: bool) {
        self.imp()
            .set_option(Some("reuse-port"), |options| options.reuse_port = enabled);
    }

    /// Whether ports are shared: see [`set_reuse_port`](Self::set_reuse_port).
    #[doc(alias = "qio_net_listener_get_reuse_port")]
    #[must_use]
    pub fn reuses_port(&self) -> bool {
        self.imp().options().reuse_port
    }

    /// Whether a unix socket is removed that is where one is to be opened, and that refuses
    /// connections: what a program leaves behind that was killed. To find out, it is connected to.
    /// Never removes a socket that a process listens on, nor anything that is not a socket: these are
    /// errors. Meanwhile there is a locked file beside the path, its name with `.` before and `.lock`
    /// behind it, which only processes of the same user wait for, for a second at most.
    #[doc(alias = "qio_net_listener_set_replace_stale")]
    pub fn set_replace_stale(&self, enabled: bool) {
        self.imp().set_option(Some("replace-stale"), |options| {
            options.replace_stale = enabled;
        });
    }

    /// Whether stale sockets are replaced: see [`set_replace_stale`](Self::set_replace_stale).
    #[doc(alias = "qio_net_listener_get_replace_stale")]
    #[must_use]
    pub fn replaces_stale(&self) -> bool {
        self.imp().options().replace_stale
    }

    /// The permissions, such as `0o660`, of the unix paths that are opened from now on; by default
    /// those that the umask leaves. Nobody can connect before they are set.
    #[doc(alias = "qio_net_listener_set_path_mode")]
    pub fn set_path_mode(&self, mode: Option<u32>) {
        self.imp()
            .set_option(Some("path-mode"), |options| options.access.mode = mode);
    }

    /// The permissions of unix paths, if they are not the usual ones.
    #[doc(alias = "qio_net_listener_get_path_mode")]
    #[must_use]
    pub fn path_mode(&self) -> Option<u32> {
        self.imp().options().access.mode
    }

    /// The user and the group that the unix paths which are opened from now on belong to, by number;
    /// `None` leaves one as it is. Nobody can connect before that.
    #[doc(alias = "qio_net_listener_set_path_owner")]
    pub fn set_path_owner(&self, uid: Option<u32>, gid: Option<u32>) {
        self.imp().set_option(None, |options| {
            options.access.uid = uid;
            options.access.gid = gid;
        });
    }

    /// Calls `func` whenever accepting has failed and is tried again, in the thread that accepts.
    pub fn connect_accept_error<F>(&self, func: F) -> glib::SignalHandlerId
    where
        F: Fn(&Self, &glib::Error) + Send + Sync + 'static,
    {
        self.connect_closure(
            "accept-error",
            false,
            glib::closure!(move |listener: &Self, error: &glib::Error| func(listener, error)),
        )
    }
}
