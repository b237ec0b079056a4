//! The violations, each with the peers that commit it and its result.

/// The peer that violates the protocol: a client or a server, of TLS 1.2 or 1.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Client12,
    Client13,
    Server12,
    Server13,
}
pub(super) use Role::{Client12, Client13, Server12, Server13};

const ALL: &[Role] = &[Client12, Client13, Server12, Server13];
const CLIENTS: &[Role] = &[Client12, Client13];
const SERVERS: &[Role] = &[Server12, Server13];
const OLD: &[Role] = &[Client12, Server12];
pub(super) const NEW: &[Role] = &[Client13, Server13];

/// The result of a violation at this end, and at the peer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Verdict {
    /// No connection; the peer gets this alert, or any.
    NoConnection(&'static str),
    /// The connection fails, for this reason, and the peer gets this alert.
    Failure(&'static str, &'static str),
    /// It is cut.
    Cut,
    /// Nothing.
    Harmless,
    /// The connection continues, and the peer gets a warning.
    Warning,
}
pub(super) use Verdict::{Cut, Failure, Harmless, NoConnection, Warning};

const UNEXPECTED: Verdict = NoConnection("unexpected_message");
const BAD_MAC: Verdict = Failure("bad record mac", "bad_record_mac");

pub(super) const IN_HANDSHAKE: &[(&[Role], &str, Verdict)] = &[
    (ALL, "nothing", Harmless),
    (OLD, "nothing by blocks", Harmless),
    (ALL, "wrong finished", NoConnection("decrypt_error")),
    (ALL, "short finished", NoConnection("")),
    (ALL, "no finished", UNEXPECTED),
    (OLD, "two hellos", UNEXPECTED),
    (&[Server13], "two hellos", UNEXPECTED),
    (ALL, "no hello", UNEXPECTED),
    (ALL, "hello in parts", Harmless),
    (ALL, "hello of no bytes", Harmless),
    (ALL, "cut hello", Cut),
    (ALL, "cut after the hello", Cut),
    (ALL, "cut finished", Cut),
    (
        ALL,
        "hello that lies about its length",
        NoConnection("decode_error"),
    ),
    (CLIENTS, "hello of SSL 2", NoConnection("")),
    (CLIENTS, "hello of SSL 3", NoConnection("")),
    (SERVERS, "hello of SSL 3", NoConnection("protocol_version")),
    (ALL, "hello of TLS 1.0", NoConnection("protocol_version")),
    (ALL, "hello of TLS 1.1", NoConnection("protocol_version")),
    (OLD, "early change of ciphers", UNEXPECTED),
    (NEW, "early change of ciphers", Harmless),
    (ALL, "changes of ciphers", UNEXPECTED),
    (ALL, "change of ciphers to nowhere", NoConnection("")),
    (
        ALL,
        "certificate of garbage",
        NoConnection("bad_certificate"),
    ),
    (
        ALL,
        "certificate of no length",
        NoConnection("decode_error"),
    ),
    (ALL, "wrong proof of the key", NoConnection("decrypt_error")),
    (&[Client12], "key of no curve", NoConnection("")),
    (ALL, "unknown message before the hello", UNEXPECTED),
    (
        SERVERS,
        "cipher that was not offered",
        NoConnection("illegal_parameter"),
    ),
    (ALL, "warnings before the hello", UNEXPECTED),
    (&[Server12], "requests of a hello in between", Harmless),
    (ALL, "data before the hello", UNEXPECTED),
];

pub(super) const AFTERWARDS: &[(&[Role], &str, Verdict)] = &[
    (OLD, "record of no kind", BAD_MAC),
    (NEW, "record of no kind", Failure("", "unexpected_message")),
    (
        OLD,
        "record of another version",
        Failure("version", "protocol_version"),
    ),
    (ALL, "record of a changed length", BAD_MAC),
    (ALL, "record with a changed byte", BAD_MAC),
    (OLD, "record with a changed byte by blocks", BAD_MAC),
    (ALL, "record of no bytes", Failure("", "")),
    (OLD, "record of no bytes by blocks", Failure("", "")),
    (
        ALL,
        "record that is too long",
        Failure("too long", "record_overflow"),
    ),
    (
        NEW,
        "record that is too long for TLS 1.3",
        Failure("too long", "record_overflow"),
    ),
    (
        ALL,
        "record with too much in it",
        Failure("too long", "record_overflow"),
    ),
    (ALL, "record twice", BAD_MAC),
    (ALL, "heartbeat", Failure("", "unexpected_message")),
    (ALL, "unknown content", Failure("", "unexpected_message")),
    (
        ALL,
        "nothing but padding",
        Failure("", "unexpected_message"),
    ),
    (ALL, "plain text", Failure("", "")),
    (ALL, "plain close_notify", Failure("", "")),
    (ALL, "empty records", Failure("", "unexpected_message")),
    (ALL, "warnings", Failure("", "")),
    (
        ALL,
        "an alert",
        Failure("the peer sent the alert \"internal error\"", "none"),
    ),
    (
        ALL,
        "an unknown alert",
        Failure("the unknown alert 238", "none"),
    ),
    (ALL, "half an alert", Failure("", "unexpected_message")),
    (
        &[Client12, Client13, Server12],
        "change of ciphers",
        Failure("", "unexpected_message"),
    ),
    (ALL, "unknown message", Failure("", "unexpected_message")),
    (ALL, "finished again", Failure("", "unexpected_message")),
    (ALL, "message of 16 MiB", Failure("", "")),
    (
        ALL,
        "half a message and data",
        Failure("", "unexpected_message"),
    ),
    (&[Client12], "hello again", Warning),
    (
        &[Client13, Server12, Server13],
        "hello again",
        Failure("", "unexpected_message"),
    ),
    (&[Server12], "request of a hello", Warning),
    (
        &[Client12, Client13, Server13],
        "request of a hello",
        Failure("", "unexpected_message"),
    ),
    (&[Server12], "requests of a hello", Warning),
    (NEW, "new keys", Harmless),
    (NEW, "many new keys", Harmless),
    (NEW, "new keys of no kind", Failure("", "")),
    (
        ALL,
        "request of a certificate",
        Failure("", "unexpected_message"),
    ),
    (ALL, "close_notify and data", Harmless),
    (ALL, "cut", Cut),
    (ALL, "cut in a record", Cut),
];
