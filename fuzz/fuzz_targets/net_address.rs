//! Whatever parses as an address is displayed and parsed again as the same; the position of a parse
//! error is inside the text, and its message is one line.
#![no_main]

use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

use libfuzzer_sys::fuzz_target;
use qio::NetAddress;

fuzz_target!(|text: &[u8]| {
    let address = match NetAddress::try_from(OsStr::from_bytes(text)) {
        Ok(address) => address,
        Err(e) => return check_parse_error(&String::from_utf8_lossy(text), &e),
    };
    let written = address.to_string();
    assert!(!written.contains(|c: char| c.is_control()), "{written:?}");
    assert_eq!(written.parse().as_ref(), Ok(&address), "{written:?}");
    assert!(written.starts_with(address.scheme()));
    assert!(written.len() < 1_000, "{written:?}");
});

fn check_parse_error(text: &str, e: &qio::NetAddressError) {
    assert!(text[e.position()..].starts_with(e.found()));
    let message = e.to_string();
    assert!(!message.contains('\n') && message.len() < 6_000, "{message:?}");
}
