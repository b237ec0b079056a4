//! What a channel was constructed with.

use glib::subclass::prelude::*;

use super::{ChannelWebsock, options::WebsockOptions};
use crate::channel::Channel;

impl ChannelWebsock {
    /// The lower channel.
    ///
    /// # Panics
    ///
    /// If this was not made by one of the constructors.
    #[doc(alias = "qio_channel_websock_get_master")]
    #[must_use]
    pub fn master(&self) -> Channel {
        let connection = self.imp().constructed_connection();
        connection.expect("made by a constructor").lower().clone()
    }

    /// Whether this is the end of the client.
    #[doc(alias = "qio_channel_websock_is_client")]
    #[must_use]
    pub fn is_client(&self) -> bool {
        let connection = self.imp().constructed_connection();
        connection.is_some_and(|connection| connection.engine().role.is_client())
    }

    /// What this end offers, requires and allows.
    #[doc(alias = "qio_channel_websock_get_options")]
    #[must_use]
    pub fn options(&self) -> WebsockOptions {
        let connection = self.imp().constructed_connection();
        let options = connection.map(|connection| connection.engine().options.clone());
        options.unwrap_or_default()
    }

    /// The URI of a client.
    #[doc(alias = "qio_channel_websock_get_uri")]
    #[must_use]
    pub fn uri(&self) -> Option<String> {
        self.imp().constructed_connection()?.uri.clone()
    }
}
