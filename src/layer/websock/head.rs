//! The heads of requests and responses: HTTP/1.1 as far as the opening handshake needs it.

/// The longest head.
pub(super) const MAX_HEAD: usize = 16 * 1024;

/// How long a head is that has only what the protocol needs.
const USUAL_HEAD: usize = 256;

/// The most headers of a head.
const MAX_HEADERS: usize = 64;

/// Why a head is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeadError {
    TooLarge,
    Malformed,
}

/// The headers of a head, in their order. Values that are not UTF-8 have replacement characters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Headers {
    /// The names and the values, without anything between them: an open connection keeps them.
    text: Box<str>,
    /// The lengths of each name and its value. With replacement characters, a value may be three
    /// times as long as [`MAX_HEAD`].
    lengths: Box<[(u16, u16)]>,
}

impl Headers {
    fn new(parsed: &[httparse::Header<'_>]) -> Self {
        let mut text = String::with_capacity(
            (parsed.iter())
                .map(|header| header.name.len() + header.value.len())
                .sum(),
        );
        let length = |added: &str| added.len().try_into().expect("from a head of MAX_HEAD");
        let lengths = parsed.iter().map(|header| {
            let value = String::from_utf8_lossy(header.value.trim_ascii());
            text.push_str(header.name);
            text.push_str(&value);
            (length(header.name), length(&value))
        });
        let lengths = lengths.collect();
        Self {
            text: text.into(),
            lengths,
        }
    }

    /// The values of a header. The case of its name does not matter.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let is_it = move |(key, _): &(&str, &str)| key.eq_ignore_ascii_case(name);
        self.iter().filter(is_it).map(|(_, value)| value)
    }

    /// The first value.
    pub(super) fn get<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// The value, if there is exactly one.
    pub(super) fn only<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        let mut values = self.all(name);
        values.next().filter(|_| values.next().is_none())
    }

    /// The elements of a list, which may be in several headers.
    pub(super) fn list<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let elements = self.all(name).flat_map(|value| value.split(','));
        elements.map(str::trim_ascii).filter(|it| !it.is_empty())
    }

    /// Whether a list has a token, whose case does not matter.
    pub(super) fn has_token<'a>(&'a self, name: &'a str, token: &str) -> bool {
        self.list(name).any(|it| it.eq_ignore_ascii_case(token))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut rest = &*self.text;
        self.lengths.iter().map(move |&(name, value)| {
            let (name, behind) = rest.split_at(name.into());
            let (value, behind) = behind.split_at(value.into());
            rest = behind;
            (name, value)
        })
    }
}

/// The head of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: Box<str>,
    pub(super) target: Box<str>,
    /// The minor version of HTTP/1.
    pub(super) minor: u8,
    pub(super) headers: Headers,
}

impl Request {
    /// The path and the query of the target, which may be an absolute URI.
    fn origin_form(&self) -> &str {
        let absolute = ["http://", "https://"].iter().find_map(|scheme| {
            let (start, rest) = self.target.split_at_checked(scheme.len())?;
            start.eq_ignore_ascii_case(scheme).then_some(rest)
        });
        match absolute {
            None => &self.target,
            Some(rest) => rest.find(['/', '?']).map_or("/", |at| &rest[at..]),
        }
    }

    pub(super) fn path(&self) -> &str {
        let target = self.origin_form();
        target.split_once('?').map_or(target, |(path, _)| path)
    }

    pub(super) fn query(&self) -> Option<&str> {
        self.origin_form().split_once('?').map(|(_, query)| query)
    }
}

/// The head of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) reason: Box<str>,
    pub(super) headers: Headers,
}

/// Finds the end of a head, which is behind an empty line. `scanned` is how much of the bytes an
/// earlier call has examined. `None`: the head is incomplete.
pub(super) fn end_of_head(bytes: &[u8], scanned: &mut usize) -> Result<Option<usize>, HeadError> {
    let bytes = &bytes[..bytes.len().min(MAX_HEAD)];
    while let Some(at) = memchr::memchr(b'\n', &bytes[*scanned..]) {
        let end = *scanned + at + 1;
        *scanned = end;
        // Others may take a line that ends otherwise for a part of the line before.
        if !bytes[..end].ends_with(b"\r\n") {
            return Err(HeadError::Malformed);
        }
        if bytes[..end].ends_with(b"\n\r\n") {
            return Ok(Some(end));
        }
    }
    *scanned = bytes.len();
    match bytes.len() < MAX_HEAD {
        true => Ok(None),
        false => Err(HeadError::TooLarge),
    }
}

/// Parses the head of a request, to its end.
pub(super) fn parse_request(head: &[u8]) -> Result<Request, HeadError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    check(request.parse(head), head)?;
    match request {
        httparse::Request {
            method: Some(method),
            path: Some(target),
            version: Some(minor),
            ref headers,
        } => Ok(Request {
            method: method.into(),
            target: target.into(),
            minor,
            headers: Headers::new(headers),
        }),
        _ => Err(HeadError::Malformed),
    }
}

/// Parses the head of a response, to its end.
pub(super) fn parse_response(head: &[u8]) -> Result<Response, HeadError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    check(response.parse(head), head)?;
    match response {
        httparse::Response {
            code: Some(status),
            reason: Some(reason),
            version: Some(1),
            ref headers,
        } => Ok(Response {
            status,
            reason: reason.into(),
            headers: Headers::new(headers),
        }),
        _ => Err(HeadError::Malformed),
    }
}

fn check(result: httparse::Result<usize>, head: &[u8]) -> Result<(), HeadError> {
    match result {
        Ok(httparse::Status::Complete(end)) if end == head.len() => Ok(()),
        Err(httparse::Error::TooManyHeaders) => Err(HeadError::TooLarge),
        _ => Err(HeadError::Malformed),
    }
}

/// Whether this is a token: a method, or the name of a header or of a protocol (RFC 9110, section
/// 5.6.2).
pub(super) fn is_token(text: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_tchar)
}

/// Whether this can be the value of a header: nothing in it ends the line.
pub(super) fn is_value(text: &str) -> bool {
    text.chars().all(|char| char == '\t' || !char.is_control())
}

/// Writes a head of a first line, in parts, and headers.
pub(super) fn format<'a, V: AsRef<str>, const N: usize>(
    first: [&str; N],
    headers: impl IntoIterator<Item = (&'a str, V)>,
) -> String {
    let mut head = String::with_capacity(USUAL_HEAD);
    first.iter().for_each(|part| head.push_str(part));
    head.push_str("\r\n");
    for (name, value) in headers {
        for part in [name, ": ", value.as_ref(), "\r\n"] {
            head.push_str(part);
        }
    }
    head.push_str("\r\n");
    head
}

/// The phrase of a status.
pub(super) fn phrase(status: u16) -> &'static str {
    match status {
        101 => "Switching Protocols",
        200 => "OK",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Status",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn end(bytes: &[u8]) -> Result<Option<usize>, HeadError> {
        end_of_head(bytes, &mut 0)
    }

    #[test]
    fn a_head_ends_behind_an_empty_line_at_every_split() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let all = [&head[..], b"\x81\n\n"].concat();
        let mut scanned = 0;
        for split in 0..head.len() {
            assert_eq!(end_of_head(&all[..split], &mut scanned), Ok(None));
        }
        assert_eq!(end_of_head(&all, &mut scanned), Ok(Some(head.len())));
        assert_eq!(end(&all), Ok(Some(head.len())));
    }

    #[test]
    fn lines_that_end_with_lf_alone_are_malformed() {
        for head in [
            "GET / HTTP/1.1\n\n",
            "GET / HTTP/1.1\r\nHost: a\n\r\n",
            "\n",
        ] {
            assert_eq!(end(head.as_bytes()), Err(HeadError::Malformed), "{head:?}");
        }
    }

    #[test]
    fn heads_of_16_kib_or_65_headers_are_too_large() {
        let long = format!("GET / HTTP/1.1\r\nCookie: {}", "a".repeat(MAX_HEAD));
        assert_eq!(end(long.as_bytes()), Err(HeadError::TooLarge));
        let header = "A: b\r\n";
        let head = |count| format!("GET / HTTP/1.1\r\n{}\r\n", header.repeat(count));
        assert!(parse_request(head(64).as_bytes()).is_ok());
        assert_eq!(parse_request(head(65).as_bytes()), Err(HeadError::TooLarge));
    }

    #[test]
    fn a_target_has_a_path_and_a_query_also_as_an_absolute_uri() {
        for (target, path, query) in [
            ("/", "/", None),
            ("/a/b?c=d?e", "/a/b", Some("c=d?e")),
            ("http://host:80/a?b", "/a", Some("b")),
            ("HTTPS://host", "/", None),
        ] {
            let head = format!("GET {target} HTTP/1.1\r\n\r\n");
            let request = parse_request(head.as_bytes()).expect("a request");
            assert_eq!((request.path(), request.query()), (path, query), "{target}");
        }
    }

    #[test]
    fn lists_are_split_at_commas_over_several_headers() {
        let head = b"GET / HTTP/1.1\r\nA: b , C\r\na:\r\nA: ,d\r\n\r\n";
        let headers = parse_request(head).expect("a request").headers;
        assert_eq!(headers.list("a").collect::<Vec<_>>(), ["b", "C", "d"]);
        assert!(headers.has_token("A", "c") && !headers.has_token("A", ""));
        assert_eq!(headers.only("a"), None);
    }

    proptest! {
        #[test]
        fn heads_of_any_bytes_cause_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..99)) {
            let _ = end(&bytes);
            let _ = (parse_request(&bytes), parse_response(&bytes));
        }
    }
}
