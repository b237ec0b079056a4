//! The opening handshake of clients: the request, and which responses are accepted.

use std::io;

use openssl::base64;

use super::{
    extension::{self, Agreed},
    head::{self, Response},
    mask,
    options::Settings,
    server::accept_of,
};
use crate::error::invalid;

/// Where a client connects to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// The value of the header `Host`.
    pub(super) host: String,
    pub(super) target: String,
}

/// Parses a URI of the scheme `ws` or `wss`.
pub(super) fn parse_uri(uri: &str) -> io::Result<Endpoint> {
    let bad = |reason: &str| invalid(&format!("{uri:?} is no URI of a WebSocket: {reason}"));
    let flags = glib::UriFlags::ENCODED | glib::UriFlags::SCHEME_NORMALIZE;
    let parsed = glib::Uri::parse(uri, flags).map_err(|e| bad(e.message()))?;
    let default_port = match &*parsed.scheme() {
        "ws" => 80,
        "wss" => 443,
        _ => return Err(bad("its scheme is neither ws nor wss")),
    };
    if parsed.fragment().is_some() {
        return Err(bad("it has a fragment"));
    }
    if parsed.userinfo().is_some() {
        return Err(bad("it has a user"));
    }
    let host = parsed.host().filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| bad("it has no host"))?;
    let host = match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_string(),
    };
    let host = match parsed.port() {
        port if port < 1 || port == default_port => host,
        port => format!("{host}:{port}"),
    };
    let path = parsed.path();
    let mut target = match &*path {
        "" => "/".to_owned(),
        path => path.to_owned(),
    };
    if let Some(query) = parsed.query() {
        target = format!("{target}?{query}");
    }
    let is_line = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    match is_line(&host) && is_line(&target) {
        true => Ok(Endpoint { host, target }),
        false => Err(bad("it has characters that are not ASCII, or a space")),
    }
}

/// Whether a URI is of the scheme `wss`.
///
/// # Errors
///
/// `EINVAL` for what is no URI of a WebSocket.
pub(crate) fn is_secure(uri: &str) -> io::Result<bool> {
    parse_uri(uri)?;
    Ok(glib::Uri::peek_scheme(uri).is_some_and(|scheme| scheme == "wss"))
}

/// Returns a new key.
pub(super) fn new_key() -> io::Result<String> {
    let key: [u8; 16] = mask::random()?;
    Ok(base64::encode_block(&key))
}

/// The request of a client.
pub(super) fn request(endpoint: &Endpoint, key: &str, settings: &Settings) -> String {
    let protocols = settings.protocols.join(", ");
    let own = [
        ("Host", &*endpoint.host),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", key),
        ("Sec-WebSocket-Version", "13"),
    ];
    let offer = (!protocols.is_empty()).then_some(("Sec-WebSocket-Protocol", &*protocols));
    let deflate = settings.deflate.as_ref().map(extension::offer);
    let deflate = deflate
        .as_deref()
        .map(|offer| ("Sec-WebSocket-Extensions", offer));
    let headers = settings.headers.iter();
    let headers = headers.map(|(name, value)| (&**name, &**value));
    head::format(
        ["GET ", &endpoint.target, " HTTP/1.1"],
        own.into_iter().chain(offer).chain(deflate).chain(headers),
    )
}

/// Checks a response of status 101. Returns the subprotocol and the compression, or what is wrong.
pub(super) fn check(
    response: &Response,
    key: &str,
    settings: &Settings,
) -> Result<(Option<String>, Option<Agreed>), String> {
    let headers = &response.headers;
    if !headers.has_token("Upgrade", "websocket") || !headers.has_token("Connection", "upgrade") {
        return Err("it does not upgrade the connection to a WebSocket".to_owned());
    }
    if headers.only("Sec-WebSocket-Accept") != Some(&*accept_of(key)) {
        return Err("its Sec-WebSocket-Accept is not that of the key".to_owned());
    }
    let extensions = headers.list("Sec-WebSocket-Extensions");
    let deflate = extension::check(extensions, settings.deflate.as_ref())?;
    let selected: Vec<&str> = headers.all("Sec-WebSocket-Protocol").collect();
    match selected[..] {
        [] => Ok((None, deflate)),
        [name] if settings.protocols.iter().any(|it| it == name) => {
            Ok((Some(name.to_owned()), deflate))
        }
        _ => Err(format!(
            "it selects the subprotocol {:?}, which was not offered",
            selected.join(", ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::websock::options::WebsockOptions;

    #[test]
    fn a_uri_has_a_host_and_a_target() {
        for (uri, host, target) in [
            ("ws://a", "a", "/"),
            ("ws://a:80/b?c=%20d", "a", "/b?c=%20d"),
            ("wss://a:80/", "a:80", "/"),
            ("wss://[::1]:444?q", "[::1]:444", "/?q"),
            ("WS://a:81", "a:81", "/"),
        ] {
            let endpoint = parse_uri(uri).expect(uri);
            assert_eq!(
                (&*endpoint.host, &*endpoint.target),
                (host, target),
                "{uri}"
            );
        }
        for uri in [
            "http://a",
            "ws://",
            "ws:/a",
            "a",
            "ws://a/#b",
            "ws://u@a",
            "ws://a b/",
        ] {
            let error = parse_uri(uri).expect_err(uri);
            assert!(error.to_string().contains(uri), "{error}");
        }
    }

    #[test]
    fn a_response_is_checked_for_all_that_the_rfc_requires() {
        let options = WebsockOptions::builder()
            .protocol("a")
            .protocol("b")
            .build();
        let options = options.expect("good options");
        let key = "dGhlIHNhbXBsZSBub25jZQ==";
        let good = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        let with = |header: &str| good.replace("\r\n\r\n", &format!("\r\n{header}\r\n\r\n"));
        let check = |head: &str| {
            let response = head::parse_response(head.as_bytes()).expect("a response");
            check(&response, key, options.settings()).map(|(protocol, _)| protocol)
        };
        assert_eq!(check(good), Ok(None));
        let selected = with("Sec-WebSocket-Protocol: b");
        assert_eq!(check(&selected), Ok(Some("b".to_owned())));
        for wrong in [
            good.replace("Upgrade: websocket", "Upgrade: h2c"),
            good.replace("Connection: Upgrade", "Connection: close"),
            good.replace("s3pP", "t3pP"),
            with("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            with("Sec-WebSocket-Protocol: c"),
            with("Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b"),
            with("Sec-WebSocket-Extensions: x-foo"),
        ] {
            assert!(check(&wrong).is_err(), "{wrong}");
        }
    }
}
