//! The opening handshake of servers: which requests are accepted, and the responses.

use openssl::{base64, sha};

use super::{
    extension::{self, Agreed},
    head::{self, HeadError, Headers, Request},
    options::{Origins, Settings},
};

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) reason: String,
    /// A header with what would be accepted.
    pub(super) header: Option<(&'static str, &'static str)>,
}

impl Refusal {
    fn new(status: u16, reason: impl Into<String>) -> Self {
        Self {
            status,
            reason: reason.into(),
            header: None,
        }
    }

    fn with(self, name: &'static str, value: &'static str) -> Self {
        Self {
            header: Some((name, value)),
            ..self
        }
    }
}

impl From<HeadError> for Refusal {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::TooLarge => Self::new(431, "the head of the request is too large"),
            HeadError::Malformed => Self::new(400, "the request is malformed"),
        }
    }
}

/// What a request that may be accepted has proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Accepted {
    /// The value of `Sec-WebSocket-Accept`.
    pub(super) accept: String,
    pub(super) protocol: Option<String>,
    /// The value of `Sec-WebSocket-Extensions`, and what it means.
    pub(super) deflate: Option<(String, Agreed)>,
}

/// The value that proves that a server has understood the handshake (RFC 6455, section 4.2.2).
pub(super) fn accept_of(key: &str) -> String {
    const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let mut hash = sha::Sha1::new();
    hash.update(key.as_bytes());
    hash.update(GUID);
    base64::encode_block(&hash.finish())
}

/// Whether a request is for a WebSocket.
pub(super) fn is_upgrade(request: &Request) -> bool {
    request.headers.has_token("Upgrade", "websocket")
        && request.headers.has_token("Connection", "upgrade")
}

/// Decides about a request, in the order in which the refusals matter. `has_protocol`: the caller
/// selects the subprotocol.
pub(super) fn check(
    request: &Request,
    settings: &Settings,
    has_protocol: bool,
) -> Result<Accepted, Refusal> {
    let headers = &request.headers;
    if &*request.method != "GET" {
        let reason = format!("the method is {}", request.method);
        return Err(Refusal::new(405, reason).with("Allow", "GET"));
    }
    if request.minor == 0 {
        return Err(Refusal::new(505, "the version is HTTP/1.0"));
    }
    let host = headers
        .only("Host")
        .ok_or_else(|| Refusal::new(400, "the request has no header Host, or several"))?;
    if settings
        .path
        .as_ref()
        .is_some_and(|path| path != request.path())
    {
        let reason = format!("there is nothing at {:?}", request.path());
        return Err(Refusal::new(404, reason));
    }
    if !is_upgrade(request) {
        let reason = "the request is not for a WebSocket";
        return Err(Refusal::new(426, reason).with("Upgrade", "websocket"));
    }
    if headers.only("Sec-WebSocket-Version") != Some("13") {
        let reason = "the version of the protocol is not 13";
        return Err(Refusal::new(426, reason).with("Sec-WebSocket-Version", "13"));
    }
    let is_key = |key: &&str| base64::decode_block(key).is_ok_and(|key| key.len() == 16);
    let key = headers
        .only("Sec-WebSocket-Key")
        .filter(|key| key.len() == 24)
        .filter(is_key)
        .ok_or_else(|| Refusal::new(400, "the request has no valid key"))?;
    check_origin(headers, host, &settings.origins)?;
    Ok(Accepted {
        accept: accept_of(key),
        protocol: match has_protocol {
            true => None,
            false => select_protocol(headers, &settings.protocols)?,
        },
        deflate: settings
            .deflate
            .as_ref()
            .and_then(|own| extension::select(headers.list("Sec-WebSocket-Extensions"), own)),
    })
}

fn check_origin(headers: &Headers, host: &str, origins: &Origins) -> Result<(), Refusal> {
    let is_allowed = |origin: &str| match origins {
        Origins::Any => true,
        Origins::Listed(listed) => listed.iter().any(|it| it.eq_ignore_ascii_case(origin)),
        Origins::SameHost => origin
            .split_once("://")
            .is_some_and(|(_, of_page)| host_of(of_page).eq_ignore_ascii_case(host_of(host))),
    };
    match headers.all("Origin").find(|origin| !is_allowed(origin)) {
        None => Ok(()),
        Some(origin) => {
            let reason = format!("pages of {origin:?} may not connect to {host:?}");
            Err(Refusal::new(403, reason))
        }
    }
}

/// A host without its port.
fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

fn select_protocol(headers: &Headers, supported: &[String]) -> Result<Option<String>, Refusal> {
    const OFFER: &str = "Sec-WebSocket-Protocol";
    let is_offered = |name: &&String| headers.list(OFFER).any(|it| it == name.as_str());
    let selected = supported.iter().find(is_offered).cloned();
    let has_offer = headers.list(OFFER).next().is_some();
    match selected.is_none() && has_offer && !supported.is_empty() {
        false => Ok(selected),
        true => {
            let reason = "no subprotocol of the request is supported";
            Err(Refusal::new(400, reason))
        }
    }
}

/// The response that opens the connection.
pub(super) fn acceptance<'a>(
    accepted: &'a Accepted,
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> String {
    let own = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", &*accepted.accept),
    ];
    let protocol = accepted.protocol.as_deref();
    let protocol = protocol.map(|name| ("Sec-WebSocket-Protocol", name));
    let deflate = accepted.deflate.as_ref();
    let deflate = deflate.map(|(response, _)| ("Sec-WebSocket-Extensions", &**response));
    let all = own
        .into_iter()
        .chain(protocol)
        .chain(deflate)
        .chain(headers);
    head::format(["HTTP/1.1 101 ", head::phrase(101)], all)
}

/// A response that ends the connection.
pub(super) fn response<'a>(
    status: u16,
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    body: &[u8],
) -> Vec<u8> {
    let headers = headers
        .into_iter()
        .map(|(name, value)| (name, value.to_owned()));
    let own = [
        ("Connection", "close".to_owned()),
        ("Content-Length", body.len().to_string()),
    ];
    let number = status.to_string();
    let first = ["HTTP/1.1 ", &number, " ", head::phrase(status)];
    let mut bytes = head::format(first, own.into_iter().chain(headers)).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// The response to a request that is refused.
pub(super) fn refusal(refusal: &Refusal) -> Vec<u8> {
    let body = format!("{}: {}\n", head::phrase(refusal.status), refusal.reason);
    let text = ("Content-Type", "text/plain; charset=utf-8");
    let headers = refusal.header.into_iter().chain([text]);
    response(refusal.status, headers, body.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::websock::options::WebsockOptions;

    const GOOD: &str = "GET /chat?a HTTP/1.1\r\nHost: example.org:81\r\nUpgrade: WebSocket\r\n\
        Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\n\r\n";

    fn decide(request: &str, options: &WebsockOptions) -> Result<Accepted, u16> {
        let request = head::parse_request(request.as_bytes()).expect("a request");
        check(&request, options.settings(), false).map_err(|refusal| refusal.status)
    }

    fn with(header: &str) -> String {
        GOOD.replace("\r\n\r\n", &format!("\r\n{header}\r\n\r\n"))
    }

    #[test]
    fn the_accept_value_is_that_of_the_example_of_the_rfc() {
        let accepted = decide(GOOD, &WebsockOptions::default()).expect("accepted");
        assert_eq!(accepted.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(accepted.protocol, None);
    }

    #[test]
    fn each_fault_of_a_request_has_its_status() {
        let options = WebsockOptions::builder().path("/chat").build();
        let options = options.expect("good options");
        let cases = [
            (GOOD.replace("GET", "POST"), 405),
            (GOOD.replace("HTTP/1.1", "HTTP/1.0"), 505),
            (GOOD.replace("Host: example.org:81\r\n", ""), 400),
            (with("Host: example.org:81"), 400),
            (GOOD.replace("/chat", "/chats"), 404),
            (GOOD.replace("WebSocket\r\n", "h2c\r\n"), 426),
            (GOOD.replace("keep-alive, Upgrade", "close"), 426),
            (GOOD.replace("Version: 13", "Version: 8"), 426),
            (
                GOOD.replace("Key: dGhlIHNhbXBsZSBub25jZQ==", "Key: c2hvcnQ="),
                400,
            ),
            (GOOD.replace("Key: dGhlIHNhbXBsZSBub25jZQ==", "Key: *"), 400),
            (with("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), 400),
            (with("Origin: https://evil.example"), 403),
            (with("Origin: null"), 403),
            (
                with("Origin: http://example.org\r\nOrigin: http://evil"),
                403,
            ),
        ];
        for (request, status) in cases {
            assert_eq!(decide(&request, &options), Err(status), "{request}");
        }
    }

    #[test]
    fn origins_are_those_of_the_host_or_listed_or_any() {
        let same = WebsockOptions::default();
        let listed = WebsockOptions::builder().origins(["https://a.example"]);
        let listed = listed.build().expect("good options");
        let any = WebsockOptions::builder().any_origin().build();
        let any = any.expect("good options");
        for (origin, by_same, by_list) in [
            ("http://EXAMPLE.org", true, false),
            ("https://example.org:444", true, false),
            ("https://a.example", false, true),
            ("https://a.example:444", false, false),
            ("https://sub.example.org", false, false),
        ] {
            let request = with(&format!("Origin: {origin}"));
            assert_eq!(decide(&request, &same).is_ok(), by_same, "{origin}");
            assert_eq!(decide(&request, &listed).is_ok(), by_list, "{origin}");
            assert!(decide(&request, &any).is_ok(), "{origin}");
        }
        let v6 = with("Origin: http://[::1]:9").replace("example.org:81", "[::1]");
        assert!(decide(&v6, &same).is_ok());
    }

    #[test]
    fn the_subprotocol_is_the_first_one_of_the_server_that_is_offered_by_its_exact_name() {
        let options = WebsockOptions::builder()
            .protocol("b")
            .protocol("binary")
            .build();
        let options = options.expect("good options");
        let select = |offer: &str| {
            let request = with(&format!("Sec-WebSocket-Protocol: {offer}"));
            decide(&request, &options).map(|accepted| accepted.protocol)
        };
        assert_eq!(select("binary, b"), Ok(Some("b".to_owned())));
        assert_eq!(select("binary"), Ok(Some("binary".to_owned())));
        assert_eq!(select("notbinaryatall"), Err(400));
        assert_eq!(select("B"), Err(400));
        assert_eq!(decide(GOOD, &options).map(|it| it.protocol), Ok(None));
    }
}
