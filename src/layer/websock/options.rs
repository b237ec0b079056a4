//! What an end of a WebSocket offers, requires and allows.

use std::{io, sync::Arc, time::Duration};

use super::{
    extension::WebsockDeflate,
    head::{is_token, is_value},
};
use crate::error::invalid;

/// The largest message that is received at once, if nothing else is set.
const MAX_MESSAGE: usize = 16 * 1024 * 1024;

/// How long a closing handshake waits for the peer, if nothing else is set.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The origins that a server allows: the sites whose pages may connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origins {
    /// Those of the host that the client has connected to.
    SameHost,
    Any,
    Listed(Vec<String>),
}

/// Not part of the interface, but of the implementation of a trait of glib's.
#[derive(Debug, Clone)]
#[allow(unreachable_pub)]
pub struct Settings {
    pub(super) protocols: Vec<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) path: Option<String>,
    pub(super) origins: Origins,
    pub(super) binary_only: bool,
    pub(super) max_message_size: usize,
    pub(super) deflate: Option<WebsockDeflate>,
    pub(super) ping_interval: Duration,
    pub(super) pong_timeout: Duration,
    pub(super) close_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            protocols: Vec::new(),
            headers: Vec::new(),
            path: None,
            origins: Origins::SameHost,
            binary_only: false,
            max_message_size: MAX_MESSAGE,
            deflate: None,
            ping_interval: Duration::ZERO,
            pong_timeout: Duration::ZERO,
            close_timeout: CLOSE_TIMEOUT,
        }
    }
}

/// What an end of a WebSocket offers, requires and allows. Immutable, and shared by any number of
/// channels.
///
/// # Examples
///
/// ```
/// use qio::WebsockOptions;
///
/// # fn main() -> std::io::Result<()> {
/// let options = WebsockOptions::builder()
///     .protocol("chat.v2")
///     .protocol("chat.v1")
///     .path("/chat")
///     .max_message_size(64 * 1024)
///     .build()?;
/// # drop(options);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, glib::SharedBoxed)]
#[shared_boxed_type(name = "QIOWebsockOptions")]
#[doc(alias = "QIOWebsockOptions")]
#[doc(alias = "qio_websock_options_ref")]
#[doc(alias = "qio_websock_options_unref")]
pub struct WebsockOptions(Arc<Settings>);

static_assertions::assert_impl_all!(WebsockOptions: Send, Sync);

impl WebsockOptions {
    /// Returns a builder with the defaults.
    #[doc(alias = "qio_websock_options_builder_new")]
    pub fn builder() -> WebsockOptionsBuilder {
        WebsockOptionsBuilder {
            settings: Settings::default(),
            error: None,
        }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.0
    }
}

/// Builds [`WebsockOptions`].
#[derive(Debug, Clone, glib::Boxed)]
#[boxed_type(name = "QIOWebsockOptionsBuilder")]
#[doc(alias = "QIOWebsockOptionsBuilder")]
#[doc(alias = "qio_websock_options_builder_copy")]
#[doc(alias = "qio_websock_options_builder_free")]
#[must_use]
pub struct WebsockOptionsBuilder {
    settings: Settings,
    /// Why the first invalid argument is none.
    error: Option<String>,
}

impl WebsockOptionsBuilder {
    /// Adds a subprotocol, in the order of preference. A client offers them; a server selects the
    /// first one that the client offers, and refuses clients that offer others alone (status 400).
    /// Default: none, which a server takes from any client.
    #[doc(alias = "qio_websock_options_builder_add_protocol")]
    pub fn protocol(mut self, name: &str) -> Self {
        match is_token(name) && !self.settings.protocols.iter().any(|it| it == name) {
            true => self.settings.protocols.push(name.to_owned()),
            false => self.refuse(format!(
                "{name:?} is no name of a subprotocol, or was there before"
            )),
        }
        self
    }

    /// Adds a header to the request of a client, or to the response with which a server accepts
    /// one. Those of the protocol itself cannot be set.
    #[doc(alias = "qio_websock_options_builder_add_header")]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match check_header(name, value) {
            Ok(()) => {
                let header = (name.to_owned(), value.to_owned());
                self.settings.headers.push(header);
            }
            Err(reason) => self.refuse(reason),
        }
        self
    }

    /// A server refuses requests for other paths (status 404). Default: it takes any.
    #[doc(alias = "qio_websock_options_builder_set_path")]
    pub fn path(mut self, path: &str) -> Self {
        match path.starts_with('/') && !path.contains(['?', '#', ' ']) && is_value(path) {
            true => self.settings.path = Some(path.to_owned()),
            false => self.refuse(format!("{path:?} is no path")),
        }
        self
    }

    /// A server refuses browsers whose page is of another host than the one that they connect to
    /// (status 403). The default: else any page on the web could use the server with the cookies
    /// and in the network of the user (cross-site WebSocket hijacking). Ports are not compared.
    /// Clients that send no `Origin` are no browsers, and are accepted.
    ///
    /// This does not protect against DNS rebinding: a page of `evil.example`, a name that then
    /// resolves to 127.0.0.1, connects to `evil.example`, which is its own host. List the
    /// [`origins`](Self::origins) of a server that is reachable by the user's machine or network
    /// alone.
    #[doc(alias = "qio_websock_options_builder_set_same_host")]
    pub fn same_host(mut self) -> Self {
        self.settings.origins = Origins::SameHost;
        self
    }

    /// A server accepts browsers with pages of these origins alone, such as `https://example.org`.
    #[doc(alias = "qio_websock_options_builder_set_origins")]
    pub fn origins<'a>(mut self, origins: impl IntoIterator<Item = &'a str>) -> Self {
        let origins = origins.into_iter().map(str::to_owned).collect();
        self.settings.origins = Origins::Listed(origins);
        self
    }

    /// A server accepts browsers with pages of any origin.
    #[doc(alias = "qio_websock_options_builder_set_any_origin")]
    pub fn any_origin(mut self) -> Self {
        self.settings.origins = Origins::Any;
        self
    }

    /// Text messages of the peer end the connection (close code 1003), as QEMU's do.
    #[doc(alias = "qio_websock_options_builder_set_binary_only")]
    pub fn binary_only(mut self) -> Self {
        self.settings.binary_only = true;
        self
    }

    /// The most bytes of a message that is received at once. A larger one ends the connection
    /// (close code 1009). Reading as a stream, and by a reader of one message, has no limit.
    /// Default: 16 MiB.
    #[doc(alias = "qio_websock_options_builder_set_max_message_size")]
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        self.settings.max_message_size = bytes;
        self
    }

    /// Offers or accepts compression of messages (permessage-deflate). Default: none.
    #[doc(alias = "qio_websock_options_builder_set_deflate")]
    #[doc(alias = "qio_websock_options_builder_set_deflate_no_context_takeover")]
    #[doc(alias = "qio_websock_options_builder_set_deflate_max_window_bits")]
    pub fn deflate(mut self, deflate: WebsockDeflate) -> Self {
        match deflate.fault() {
            None => self.settings.deflate = Some(deflate),
            Some(reason) => self.refuse(reason),
        }
        self
    }

    /// Sends a ping when nothing has come for that long, from a task of the context in which the
    /// handshake was made. Default: zero, never. Proxies often end connections that are idle for
    /// 60 s.
    #[doc(alias = "qio_websock_options_builder_set_ping_interval")]
    pub fn ping_interval(mut self, interval: Duration) -> Self {
        self.settings.ping_interval = interval;
        self
    }

    /// Ends the connection if nothing has come for that long after a ping. Default: zero, never.
    #[doc(alias = "qio_websock_options_builder_set_pong_timeout")]
    pub fn pong_timeout(mut self, timeout: Duration) -> Self {
        self.settings.pong_timeout = timeout;
        self
    }

    /// How long a closing handshake waits for the peer. Default: 5 s.
    #[doc(alias = "qio_websock_options_builder_set_close_timeout")]
    pub fn close_timeout(mut self, timeout: Duration) -> Self {
        self.settings.close_timeout = timeout;
        self
    }

    /// Returns the options.
    ///
    /// # Errors
    ///
    /// `EINVAL` with the first invalid argument.
    #[doc(alias = "qio_websock_options_builder_build")]
    pub fn build(self) -> io::Result<WebsockOptions> {
        match self.error {
            None => Ok(WebsockOptions(Arc::new(self.settings))),
            Some(reason) => Err(invalid(&reason)),
        }
    }

    /// Changes what is set for compression, or the defaults.
    #[cfg(feature = "capi")]
    pub(crate) fn with_deflate(self, how: impl FnOnce(WebsockDeflate) -> WebsockDeflate) -> Self {
        let deflate = how(self.settings.deflate.unwrap_or_default());
        self.deflate(deflate)
    }

    fn refuse(&mut self, reason: String) {
        self.error.get_or_insert(reason);
    }

    /// Makes [`build`](Self::build) fail, as a setter had an invalid argument.
    #[cfg(feature = "capi")]
    pub(crate) fn with_invalid_argument(mut self, setter: &str, expected: &str) -> Self {
        self.refuse(format!("{setter}: '{expected}' failed"));
        self
    }
}

/// The headers of the protocol itself.
const OWN: [&str; 6] = [
    "Connection",
    "Content-Length",
    "Host",
    "Transfer-Encoding",
    "Upgrade",
    "Trailer",
];

/// Checks a header that a user adds to a request or response.
pub(super) fn check_header(name: &str, value: &str) -> Result<(), String> {
    let is_own = OWN.iter().any(|own| own.eq_ignore_ascii_case(name))
        || name
            .get(..14)
            .is_some_and(|start| start.eq_ignore_ascii_case("Sec-WebSocket-"));
    match () {
        () if !is_token(name) => Err(format!("{name:?} is no name of a header")),
        () if is_own => Err(format!("The header {name} is that of the protocol itself")),
        () if !is_value(value) => Err(format!(
            "The value of the header {name} has control characters"
        )),
        () => Ok(()),
    }
}
