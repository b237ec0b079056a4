//! `NetAddress`: texts and what they mean. What is done with them is in `open`.

mod any;
mod open;

use std::{
    ffi::OsStr,
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use proptest::{collection::vec, prelude::*};
use qio::{NetAddress, NetAddressError, to_glib_error};

#[track_caller]
fn parsed(text: &str) -> NetAddress {
    text.parse().unwrap_or_else(|e| panic!("{e}"))
}

#[track_caller]
fn parse_error(text: &str) -> NetAddressError {
    match text.parse::<NetAddress>() {
        Ok(address) => panic!("{text:?} is {address:?}"),
        Err(e) => e,
    }
}

fn unix(path: impl AsRef<Path>) -> NetAddress {
    NetAddress::unix(path).expect("a path")
}

fn tcp(host: &str, port: u16) -> NetAddress {
    NetAddress::tcp(host, port).expect("a host")
}

fn named(name: &[u8]) -> NetAddress {
    NetAddress::unix_abstract(name).expect("a name")
}

/// What is written in the one way that is written.
fn canonical() -> Vec<(&'static str, NetAddress)> {
    let bytes = |bytes| PathBuf::from(OsStr::from_bytes(bytes));
    vec![
        ("tcp:localhost:5900", tcp("localhost", 5900)),
        ("tcp:Example.ORG:80", tcp("Example.ORG", 80)),
        ("tcp:complete.:80", tcp("complete.", 80)),
        ("tcp:my_host-2:0", tcp("my_host-2", 0)),
        ("tcp:bücher.example:443", tcp("bücher.example", 443)),
        ("tcp:127.0.0.1:65535", tcp("127.0.0.1", 65535)),
        ("tcp:1.example:1", tcp("1.example", 1)),
        ("tcp::0", tcp("", 0)),
        ("tcp::80", tcp("", 80)),
        ("tcp:[::]:80", tcp("::", 80)),
        ("tcp:[::1]:80", tcp("::1", 80)),
        ("tcp:[2001:db8::2]:80", tcp("2001:db8::2", 80)),
        ("tcp:[::ffff:192.0.2.1]:80", tcp("::ffff:192.0.2.1", 80)),
        ("tcp:[fe80::1%eth0]:80", tcp("fe80::1%eth0", 80)),
        ("tcp:[fe80::1%2]:80", tcp("fe80::1%2", 80)),
        ("unix:/run/user/1000/x.sock", unix("/run/user/1000/x.sock")),
        ("unix:relative", unix("relative")),
        ("unix:./@odd", unix("./@odd")),
        ("unix:%40odd", unix("@odd")),
        (
            "unix:/tmp/with space, comma:colon",
            unix("/tmp/with space, comma:colon"),
        ),
        ("unix:/tmp/größe", unix("/tmp/größe")),
        ("unix:/tmp/100%25", unix("/tmp/100%")),
        ("unix:/tmp/line%0Abreak", unix("/tmp/line\nbreak")),
        ("unix:/tmp/%FF%C3.x", unix(bytes(b"/tmp/\xff\xc3.x"))),
        ("unix:@name", named(b"name")),
        ("unix:@@", named(b"@")),
        ("unix:@a%00b%FF", named(b"a\0b\xff")),
        ("vsock:3:1234", NetAddress::vsock(3, 1234)),
        ("vsock:0:0", NetAddress::vsock(0, 0)),
        ("vsock:local:1", NetAddress::vsock(1, 1)),
        ("vsock:host:4294967294", NetAddress::vsock(2, u32::MAX - 1)),
        ("vsock:any:any", NetAddress::vsock(u32::MAX, u32::MAX)),
        ("fd:0", NetAddress::fd(0).expect("a number")),
        ("fd:2147483647", NetAddress::fd(i32::MAX).expect("a number")),
    ]
}

#[test]
fn addresses_are_parsed_and_displayed_unchanged() {
    for (text, address) in canonical() {
        assert_eq!(parsed(text), address, "{text}");
        assert_eq!(address.to_string(), text);
    }
}

#[test]
fn equivalent_addresses_are_normalized() {
    for (text, written) in [
        ("tcp:localhost:0080", "tcp:localhost:80"),
        ("tcp:[0:0:0:0:0:0:0:1]:1", "tcp:[::1]:1"),
        ("tcp:[FE80::1%007]:1", "tcp:[fe80::1%7]:1"),
        ("unix:/tmp/%61%2525", "unix:/tmp/a%2525"),
        ("unix:%2Frun%c3%bc", "unix:/runü"),
        ("unix:@%40", "unix:@@"),
        ("vsock:2:1", "vsock:host:1"),
        ("vsock:4294967295:4294967295", "vsock:any:any"),
        ("fd:007", "fd:7"),
    ] {
        assert_eq!(parsed(text).to_string(), written, "{text}");
    }
}

/// Each is expected, found, and the character where, or 0 for the end.
const PARSE_ERRORS: &[(&str, &str, &str, usize)] = &[
    ("", SCHEME, "", 0),
    ("tcp", SCHEME, "tcp", 1),
    ("localhost:80", SCHEME, "localhost:", 1),
    ("TCP:localhost:80", SCHEME, "TCP:", 1),
    (" tcp:localhost:80", SCHEME, " tcp:", 1),
    ("tcp:", COLON, "", 0),
    ("tcp:localhost", COLON, "", 0),
    ("tcp:localhost:", PORT, "", 0),
    ("tcp:localhost:http", PORT, "http", 15),
    ("tcp:localhost:65536", PORT, "65536", 15),
    ("tcp:localhost:-1", PORT, "-1", 15),
    ("tcp:localhost:+1", PORT, "+1", 15),
    ("tcp:localhost:80 ", PORT, "80 ", 15),
    ("tcp:localhost:80:81", PORT, "80:81", 15),
    ("tcp:localhost:٣", PORT, "٣", 15),
    ("tcp:*:80", LETTER, "*", 5),
    ("tcp: localhost:80", LETTER, " ", 5),
    ("tcp:local host:80", LETTER, " ", 10),
    ("tcp:größe/x:80", LETTER, "/", 10),
    ("tcp:user@host:80", LETTER, "@", 9),
    ("tcp:a..b:80", "a letter or a digit", ".", 7),
    ("tcp:.:80", "a letter or a digit", ".", 5),
    ("tcp:.a:80", "a letter or a digit", ".", 5),
    ("tcp:a...:80", "a letter or a digit", ".", 7),
    ("tcp:127.0.0:80", FOUR, "127.0.0", 5),
    ("tcp:127.0.0.256:80", FOUR, "127.0.0.256", 5),
    ("tcp:127.0.0.01:80", FOUR, "127.0.0.01", 5),
    ("tcp:127.0.0.1.:80", FOUR, "127.0.0.1.", 5),
    ("tcp:80:80", FOUR, "80", 5),
    ("tcp:0x7f000001:80", FOUR, "0x7f000001", 5),
    ("tcp:80", FOUR, "80", 5),
    ("tcp:::1:80", BRACKETS, "::1", 5),
    ("tcp:::1", BRACKETS, "::1", 5),
    ("tcp:fe80::1%eth0:80", BRACKETS, "fe80::1%eth0", 5),
    ("tcp:[::1:80", "\"]\" after the IPv6 address", "", 0),
    ("tcp:[::1]", COLON, "", 0),
    ("tcp:[::1]80", COLON, "80", 10),
    ("tcp:[]:80", "an IPv6 address", "", 6),
    ("tcp:[127.0.0.1]:80", "an IPv6 address", "127.0.0.1", 6),
    ("tcp:[::1 ]:80", "an IPv6 address", "::1 ", 6),
    ("tcp:[fe80::1%]:80", INTERFACE, "", 14),
    ("tcp:[fe80::1%0]:80", INTERFACE, "0", 14),
    ("tcp:[fe80::1%4294967296]:80", INTERFACE, "4294967296", 14),
    ("tcp:[fe80::1%a/b]:80", INTERFACE, "a/b", 14),
    ("tcp:[fe80::1%..]:80", INTERFACE, "..", 14),
    (
        "tcp:[fe80::1%sixteen-letters-]:80",
        INTERFACE,
        "sixteen-letters-",
        14,
    ),
    ("unix:", "a path, or \"@\" and a name", "", 0),
    ("unix:@", "a name", "", 0),
    ("unix:/tmp/x\n", "\"%0A\"", "\n", 12),
    ("unix:/tmp/x\u{85}", "\"%C2%85\"", "\u{85}", 12),
    ("unix:@a\0", "\"%00\"", "\0", 8),
    ("unix:a\0b", "a path without NUL", "\0", 7),
    ("unix:a%00b", "a path without NUL", "%00", 7),
    ("unix:/100%", DIGITS, "", 0),
    ("unix:/100% sure", DIGITS, " s", 11),
    ("unix:/100%2", DIGITS, "2", 11),
    ("unix:/100%+1", DIGITS, "+1", 11),
    ("unix:/100%é1", DIGITS, "é1", 11),
    ("vsock:", CID, "", 0),
    ("vsock::1", CID, "", 7),
    ("vsock:client:1", CID, "client", 7),
    ("vsock:4294967296:1", CID, "4294967296", 7),
    ("vsock:2", COLON, "", 0),
    ("vsock:2:", VSOCK_PORT, "", 0),
    ("vsock:2:-1", VSOCK_PORT, "-1", 9),
    ("fd:", FD, "", 0),
    ("fd:stdin", FD, "stdin", 4),
    ("fd:-1", FD, "-1", 4),
    ("fd:2147483648", FD, "2147483648", 4),
];

const SCHEME: &str = "\"tcp:\", \"unix:\", \"vsock:\" or \"fd:\"";
const COLON: &str = "\":\" and a port";
const PORT: &str = "a port from 0 to 65535";
const LETTER: &str = "a letter, a digit, \"-\", \"_\" or \".\"";
const FOUR: &str = "four numbers from 0 to 255, as in 127.0.0.1";
const BRACKETS: &str = "an IPv6 address in brackets, as in [::1]";
const INTERFACE: &str = "the name or the number of a network interface";
const DIGITS: &str = "two hexadecimal digits after \"%\", which is itself \"%25\"";
const CID: &str = "a CID from 0 to 4294967295, \"any\", \"local\" or \"host\"";
const VSOCK_PORT: &str = "a port from 0 to 4294967295, or \"any\"";
const FD: &str = "the number of a file descriptor";

#[test]
fn parse_error_position_of_invalid_input() {
    for &(text, expected, found, character) in PARSE_ERRORS {
        let e = parse_error(text);
        assert_eq!((e.expected(), e.found()), (expected, found), "{text:?}");
        assert_eq!(&text[e.position()..e.position() + found.len()], found);
        let place = match (character, found) {
            (0, _) => "the end".to_owned(),
            (_, "") => format!("character {character}"),
            _ => format!("character {character}, not {found:?}"),
        };
        assert_eq!(
            e.to_string(),
            format!("Invalid address {text:?}: expected {expected} at {place}")
        );
    }
}

#[test]
fn parse_error_position_of_overlong_input() {
    let long = "x".repeat(108);
    for (text, position, expected) in [
        (format!("unix:{long}"), 5 + 107, "the end after 107 bytes"),
        (format!("unix:@{long}"), 6 + 107, "the end after 107 bytes"),
        // A character that would fit by half.
        (
            format!("unix:{}é", "x".repeat(106)),
            5 + 106,
            "the end after 107 bytes",
        ),
        (
            format!("unix:{}", "%20".repeat(108)),
            5 + 3 * 107,
            "the end after 107 bytes",
        ),
        (
            format!("tcp:a.{}:1", "b".repeat(64)),
            6,
            "at most 63 characters between dots",
        ),
        (
            format!("tcp:b{}:1", ".b".repeat(127)),
            4,
            "a host of at most 253 characters",
        ),
    ] {
        let e = parse_error(&text);
        assert_eq!((e.position(), e.expected()), (position, expected), "{text}");
    }
}

#[test]
fn addresses_of_the_maximum_length_are_parsed() {
    let longest = "x".repeat(107);
    for text in [
        format!("unix:{longest}"),
        format!("unix:@{longest}"),
        format!("tcp:{}.:1", ["b"; 127].join(".")),
        format!("tcp:{}.com:1", "b".repeat(63)),
    ] {
        assert_eq!(parsed(&text).to_string(), text);
    }
}

#[test]
fn a_message_is_one_line_of_a_bounded_length() {
    let text = format!("unix:\n{}", "é\n".repeat(100_000));
    let message = parse_error(&text).to_string();
    assert!(
        !message.contains('\n') && message.len() < 4_000,
        "{message}"
    );
    let text = format!("fd:{}", "9".repeat(100_000));
    let message = parse_error(&text).to_string();
    assert!(message.ends_with("999\"..."), "{message}");
    assert!(message.len() < 1_000, "{message}");
}

#[test]
fn a_parse_error_is_an_invalid_argument() {
    let message = parse_error("fd:x").to_string();
    let e = io::Error::from(parse_error("fd:x"));
    assert_eq!(
        (e.kind(), e.to_string()),
        (io::ErrorKind::InvalidInput, message.clone())
    );
    assert!(e.get_ref().expect("inside").is::<NetAddressError>());
    let e = to_glib_error(&e);
    assert!(e.matches(gio::IOErrorEnum::InvalidArgument));
    assert_eq!(e.message(), message);
}

#[test]
fn parse_error_position_of_arguments_that_are_not_utf8() {
    let read = |bytes| NetAddress::try_from(OsStr::from_bytes(bytes));
    assert_eq!(read(b"unix:/tmp/x").expect("a path"), unix("/tmp/x"));
    let e = read(b"unix:/\xc3\xa9\xff\xfe").expect_err("no UTF-8");
    assert_eq!(
        (e.position(), e.expected(), e.found()),
        (8, "\"%FF\"", "\u{fffd}")
    );
    assert_eq!(
        e.to_string(),
        "Invalid address \"unix:/é\u{fffd}\u{fffd}\": expected \"%FF\" at character 8, not \"\u{fffd}\""
    );
}

#[test]
fn addresses_without_a_string_representation_cannot_be_constructed() {
    for (made, message) in [
        (NetAddress::unix(""), "unix:"),
        (NetAddress::unix("a\0b"), "unix:a%00b"),
        (NetAddress::unix("x".repeat(108)), "unix:xxx"),
        (NetAddress::unix_abstract(""), "unix:@"),
        (NetAddress::unix_abstract([0; 108]), "unix:@%00"),
        (NetAddress::tcp("a:b", 1), "tcp:a:b:1"),
        (NetAddress::tcp("a b", 1), "tcp:a b:1"),
        (NetAddress::tcp("fe80::1%", 1), "tcp:[fe80::1%]:1"),
        (NetAddress::fd(-1), "fd:-1"),
    ] {
        let e = made.expect_err(message).to_string();
        let start = format!("Invalid address \"{message}");
        assert!(e.starts_with(&start), "{e}");
    }
}

#[test]
fn schemes_are_reported() {
    for (text, address) in canonical() {
        assert_eq!(text.split(':').next(), Some(address.scheme()));
    }
}

#[test]
fn hosts_are_reported_as_in_certificates() {
    for (text, host) in [
        ("tcp:example.org:80", Some("example.org")),
        ("tcp:127.0.0.1:80", Some("127.0.0.1")),
        ("tcp:[::1]:80", Some("::1")),
        ("tcp:[fe80::1%eth0]:80", Some("fe80::1")),
        ("tcp::80", None),
        ("unix:/run/service", None),
        ("unix:@service", None),
        ("vsock:host:80", None),
        ("fd:3", None),
    ] {
        let address: NetAddress = text.parse().expect(text);
        assert_eq!(address.host().as_deref(), host, "{text}");
    }
}
