//! WebSocket: the options of the command line, and the handshake.

use std::{ffi::OsString, io, time::Duration};

use qio::{Channel, ChannelNull, ChannelWebsock, IoFutureExt, WebsockOptions, prelude::*};

use crate::{
    endpoint::{Endpoint, at_once},
    options::seconds,
};

/// The default timeout of a handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Proxies end connections that are idle for a minute.
const PING: Duration = Duration::from_secs(30);

const OPTIONS: [&str; 3] = ["--ws-origin", "--ws-protocol", "--ws-timeout"];

/// The options of the command line.
#[derive(Default)]
pub(crate) struct WebsockSettings {
    /// One of the options that are there.
    given: Option<String>,
    /// Separated by commas, as the subprotocols.
    origins: Option<String>,
    protocols: Option<String>,
    timeout: Option<Duration>,
}

impl WebsockSettings {
    /// Whether there is such an option.
    pub(crate) fn has(name: &str) -> bool {
        OPTIONS.contains(&name)
    }

    /// Parses an option that [exists](Self::has). The error is one line.
    pub(crate) fn take(&mut self, name: &str, value: Option<OsString>) -> Result<(), String> {
        let value = value.ok_or_else(|| format!("{name} needs a value"))?;
        let text = value.to_string_lossy().into_owned();
        match name {
            "--ws-origin" => {
                if let Some(other) = text.split(',').find(|it| text != "*" && !is_origin(it)) {
                    let example = "is an origin such as https://example.org, or *";
                    return Err(format!("{name} {example}, not \"{other}\""));
                }
                self.origins = Some(text);
            }
            "--ws-protocol" => self.protocols = Some(text),
            _ => self.timeout = Some(seconds(name, Some(value))?),
        }
        self.given = Some(name.to_owned());
        Ok(())
    }

    /// Fails, with one line, for options and paths that the addresses cannot use.
    pub(crate) fn check(&self, endpoints: [&Endpoint; 2]) -> Result<(), String> {
        let is_websock = |it: &Endpoint| it.websock().is_some();
        if let Some(given) = &self.given
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
