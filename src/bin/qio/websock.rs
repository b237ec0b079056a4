//! WebSocket: the options of the command line, and the handshake.

use std::{io, time::Duration};

use clap::Args;
use qio::{Channel, ChannelNull, ChannelWebsock, IoFutureExt, WebsockOptions, prelude::*};

use crate::{
    cli::seconds,
    endpoint::{Endpoint, at_once},
};

/// The default timeout of a handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Proxies end connections that are idle for a minute.
const PING: Duration = Duration::from_secs(30);

/// The options of the command line.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "WebSockets, for all addresses that use them")]
pub(crate) struct WebsockSettings {
    /// The origins of the web pages that may connect, separated by commas, or *; default: those of
    /// the same host. ws: and wss: send the first one; default: none
    #[arg(long = "ws-origin", value_name = "LIST", value_parser = origins)]
    origins: Option<String>,
    /// The subprotocols, by preference, separated by commas
    #[arg(long = "ws-protocol", value_name = "NAMES")]
    protocols: Option<String>,
    /// Fail if the opening handshake takes longer; default: 10
    #[arg(id = "ws-timeout", long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
}

/// Checks a list of origins.
fn origins(text: &str) -> Result<String, String> {
    match text.split(',').find(|it| text != "*" && !is_origin(it)) {
        Some(other) => Err(format!(
            "expected origins such as https://example.org, or *, not \"{other}\""
        )),
        None => Ok(text.to_owned()),
    }
}

impl WebsockSettings {
    /// The first of the options that are given.
    fn given(&self) -> Option<&'static str> {
        [
            ("--ws-origin", self.origins.is_some()),
            ("--ws-protocol", self.protocols.is_some()),
            ("--ws-timeout", self.timeout.is_some()),
        ]
        .into_iter()
        .find_map(|(name, given)| given.then_some(name))
    }

    /// Fails, with one line, for options and paths that the addresses cannot use.
    pub(crate) fn check(&self, endpoints: [&Endpoint; 2]) -> Result<(), String> {
        let is_websock = |it: &Endpoint| it.websock().is_some();
        if let Some(given) = self.given()
            && !endpoints.into_iter().any(is_websock)
        {
            let addresses = "ws:, wss:, ws-listen: or wss-listen:";
            return Err(format!("{given} is for an address {addresses}"));
        }
        for endpoint in endpoints {
            // The URI is checked with the channel.
            let checked = Websock::new(endpoint, self).and_then(|websock| {
                websock.map_or(Ok(()), |it| {
                    it.over(ChannelNull::new().upcast_ref()).map(drop)
                })
            });
            checked.map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    /// How long a handshake may take.
    pub(crate) fn deadline(&self) -> Duration {
        self.timeout.unwrap_or(HANDSHAKE)
    }

    fn options(&self, endpoint: &Endpoint, path: &str) -> io::Result<WebsockOptions> {
        let mut builder = WebsockOptions::builder().ping_interval(PING);
        for name in self.protocols.iter().flat_map(|names| names.split(',')) {
            builder = builder.protocol(name);
        }
        let origins = self.origins.as_deref();
        builder = match (endpoint.is_listener(), origins) {
            (_, None) => builder,
            (true, Some("*")) => builder.any_origin(),
            (true, Some(origins)) => builder.origins(origins.split(',')),
            (false, Some(origins)) => {
                match origins.split(',').next().filter(|first| *first != "*") {
                    Some(first) => builder.header("Origin", first),
                    None => builder,
                }
            }
        };
        if endpoint.is_listener() && !path.is_empty() {
            builder = builder.path(path);
        }
        builder.build()
    }
}

/// Whether browsers may send this as an origin: a scheme, a host, and perhaps a port.
fn is_origin(text: &str) -> bool {
    let authority = text.split_once("://").map(|(_, authority)| authority);
    text == "null" || authority.is_some_and(|it| !it.is_empty() && !it.contains('/'))
}

/// The WebSocket settings of an address.
pub(crate) struct Websock {
    scheme: &'static str,
    options: WebsockOptions,
    /// Of a client.
    uri: Option<String>,
}

impl Websock {
    /// `None` for an address without a WebSocket.
    pub(crate) fn new(endpoint: &Endpoint, settings: &WebsockSettings) -> io::Result<Option<Self>> {
        let Some((scheme, path)) = endpoint.websock() else {
            return Ok(None);
        };
        let uri = endpoint.to_string().replacen(':', "://", 1);
        Ok(Some(Self {
            scheme,
            options: settings.options(endpoint, path)?,
            uri: (!endpoint.is_listener()).then_some(uri),
        }))
    }

    /// A WebSocket over a channel, before the handshake.
    pub(crate) fn over(&self, channel: &Channel) -> io::Result<Channel> {
        let websock = match &self.uri {
            Some(uri) => ChannelWebsock::new_client(channel, uri, &self.options)?,
            None => ChannelWebsock::new_server(channel, &self.options)?,
        };
        let name = channel.name().unwrap_or_default();
        let address = name.trim_start_matches("tls:").trim_start_matches("tcp:");
        websock.set_name(Some(&format!("{}:{address}", self.scheme)));
        at_once(websock.upcast())
    }
}

/// The channel below a WebSocket, if this is one.
pub(crate) fn below(channel: &Channel) -> Option<Channel> {
    let websock = channel.downcast_ref::<ChannelWebsock>()?;
    websock.property("master")
}

/// Performs the handshake, and returns the negotiated parameters. `None` without a WebSocket.
pub(crate) async fn handshake(channel: &Channel, deadline: Duration) -> io::Result<Option<String>> {
    let Some(websock) = channel.downcast_ref::<ChannelWebsock>() else {
        return Ok(None);
    };
    let result = websock.handshake_future().or_timeout(deadline).await;
    result.map_err(|e| match e.kind() {
        io::ErrorKind::TimedOut => {
            let peer = websock.uri().unwrap_or_else(|| "the client".to_owned());
            let message =
                format!("Unable to perform the WebSocket handshake with {peer} in {deadline:?}");
            io::Error::new(io::ErrorKind::TimedOut, message)
        }
        _ => e,
    })?;
    let mut all = vec![format!(
        "WebSocket {}",
        websock.target().unwrap_or_default()
    )];
    all.extend(websock.protocol().map(|name| format!("subprotocol {name}")));
    all.extend(websock.origin().map(|origin| format!("origin {origin}")));
    Ok(Some(all.join(", ")))
}
