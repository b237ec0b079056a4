//! The examples `http`, `dbus`, `vnc`, `webchat` and `gzip`, run as a user runs them, with peers
//! that users have.

#[macro_use]
#[path = "../qio/common/skip.rs"]
mod skip;

mod browser;
#[path = "../qio/common/certs.rs"]
#[allow(dead_code)] // the tests of the library use the rest
mod certs;
mod dbus;
mod http;
#[path = "../relay/process.rs"]
#[allow(dead_code)] // the tests of `relay` use the rest
mod process;
mod vnc;
mod web;
mod webchat;

use std::process::{Command, Stdio};

use process::Running;

/// An example with arguments, and nothing to read.
fn start(example: &str, arguments: &[&str]) -> Running {
    let mut command = Command::new(process::example(example));
    Running::new(command.args(arguments).stdin(Stdio::null()))
}

/// Standard output of an example that succeeds.
#[track_caller]
fn output(example: &str, arguments: &[&str]) -> String {
    String::from_utf8(start(example, arguments).success()).expect("text")
}

#[test]
fn the_example_gzip_compresses_a_log() {
    let output = output("gzip", &[]);
    assert!(
        output.starts_with("gzip: ok, 100000 lines of 4700000 bytes arrived as "),
        "{output}"
    );
}
