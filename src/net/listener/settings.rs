//! The options of a listener: name, admission, and how its sockets are opened.

use glib::{prelude::*, subclass::prelude::*};

use super::NetListener;

impl NetListener {
    /// Sets the label of the listener and of its sockets in messages.
    #[doc(alias = "qio_net_listener_set_name")]
    pub fn set_name(&self, name: Option<&str>) {
        self.imp().set_name(name.map(Into::into));
    }

    /// Returns the label of the listener in messages.
    #[doc(alias = "qio_net_listener_get_name")]
    #[must_use]
    pub fn name(&self) -> Option<glib::GString> {
        self.imp().name()
    }

    /// Sets the maximum number of connections at a time. Default: 0, no limit.
    ///
    /// Accepting is suspended at the limit. A connection counts from when it was accepted until its
    /// channel is closed or dropped.
    #[doc(alias = "qio_net_listener_set_max_clients")]
    pub fn set_max_clients(&self, limit: u32) {
        self.imp().admission.set_limit(limit as usize);
        self.notify("max-clients");
    }

    /// Returns the maximum number of connections at a time, or 0 for no limit.
    #[doc(alias = "qio_net_listener_get_max_clients")]
    #[must_use]
    pub fn max_clients(&self) -> u32 {
        u32::try_from(self.imp().admission.limit()).unwrap_or(u32::MAX)
    }

    /// Sets the maximum number of concurrent TLS handshakes of clients. Default: 1024; 0: no limit.
    ///
    /// No connection is accepted at the limit. A handshake counts from when
    /// [`ChannelTls::new_server`](crate::ChannelTls::new_server) is called with the channel of a
    /// client until it is done. At the limit the oldest one fails once it has taken a second, with
    /// the alert internal_error if nothing is encrypted yet, and another client is accepted: peers
    /// that begin a handshake and send nothing do not keep other clients out.
    #[doc(alias = "qio_net_listener_set_max_handshakes")]
    pub fn set_max_handshakes(&self, limit: u32) {
        self.imp().admission.set_handshake_limit(limit as usize);
        self.notify("max-handshakes");
    }

    /// Returns the maximum number of concurrent TLS handshakes, or 0 for no limit.
    #[doc(alias = "qio_net_listener_get_max_handshakes")]
    #[must_use]
    pub fn max_handshakes(&self) -> u32 {
        u32::try_from(self.imp().admission.handshake_limit()).unwrap_or(u32::MAX)
    }

    /// How many clients there are, whose channels are neither closed nor dropped.
    #[doc(alias = "qio_net_listener_get_clients")]
    #[must_use]
    pub fn clients(&self) -> u32 {
        u32::try_from(self.imp().admission.clients()).unwrap_or(u32::MAX)
    }

    /// Sets whether new sockets share their port with others (`SO_REUSEPORT`).
    ///
    /// All sockets of the port need the option; the kernel distributes connections among them.
    /// Default: `false`.
    #[doc(alias = "qio_net_listener_set_reuse_port")]
    pub fn set_reuse_port(&self, enabled: bool) {
        self.imp()
            .set_option(Some("reuse-port"), |options| options.reuse_port = enabled);
    }

    /// Returns whether ports are shared: see [`set_reuse_port`](Self::set_reuse_port).
    #[doc(alias = "qio_net_listener_get_reuse_port")]
    #[must_use]
    pub fn reuses_port(&self) -> bool {
        self.imp().options().reuse_port
    }

    /// Sets whether a stale unix socket is replaced. Default: `false`.
    ///
    /// A socket is stale if it refuses connections, as after its program was killed; it is
    /// connected to to find that out. A socket that a process listens on, and a file that is not a
    /// socket, is never removed: that is an error. Meanwhile there is a lock file next to the path,
    /// its name with `.` before and `.lock` behind it, which only processes of the same user wait
    /// for, for at most a second.
    #[doc(alias = "qio_net_listener_set_replace_stale")]
    pub fn set_replace_stale(&self, enabled: bool) {
        self.imp().set_option(Some("replace-stale"), |options| {
            options.replace_stale = enabled;
        });
    }

    /// Returns whether stale sockets are replaced: see
    /// [`set_replace_stale`](Self::set_replace_stale).
    #[doc(alias = "qio_net_listener_get_replace_stale")]
    #[must_use]
    pub fn replaces_stale(&self) -> bool {
        self.imp().options().replace_stale
    }

    /// Sets the permissions, such as `0o660`, of unix paths that are opened from now on.
    ///
    /// Default: those of the umask. No peer can connect before they are set.
    #[doc(alias = "qio_net_listener_set_path_mode")]
    pub fn set_path_mode(&self, mode: Option<u32>) {
        self.imp()
            .set_option(Some("path-mode"), |options| options.access.mode = mode);
    }

    /// Returns the permissions of unix paths, if they were set.
    #[doc(alias = "qio_net_listener_get_path_mode")]
    #[must_use]
    pub fn path_mode(&self) -> Option<u32> {
        self.imp().options().access.mode
    }

    /// Sets the user and the group, by number, of unix paths opened from now on.
    ///
    /// `None` does not change one. No peer can connect before they are set.
    #[doc(alias = "qio_net_listener_set_path_owner")]
    pub fn set_path_owner(&self, uid: Option<u32>, gid: Option<u32>) {
        self.imp().set_option(None, |options| {
            options.access.uid = uid;
            options.access.gid = gid;
        });
    }

    /// Calls `func` whenever accepting has failed and is tried again.
    ///
    /// In the thread that accepts.
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
