//! The examples in Rust, run as a user runs them, with peers that users have.

#[macro_use]
#[path = "../qio/common/skip.rs"]
mod skip;

mod browser;
#[path = "../qio/common/certs.rs"]
#[allow(dead_code)] // the tests of the library use the rest
mod certs;
mod dbus;
mod http;
mod monitor;
mod monitored;
#[path = "../command/process.rs"]
#[allow(dead_code)] // the tests of the command use the rest
mod process;
mod vnc;
mod web;
mod webchat;

use std::{
    collections::BTreeSet,
    env,
    path::PathBuf,
    process::{Command, Stdio},
    sync::Mutex,
};

use process::Running;

/// An example, which is up to date.
fn example(name: &str) -> PathBuf {
    static BUILT: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let this = env::current_exe().expect("this program");
    let profile = this.ancestors().nth(2).expect("below the profile's folder");
    let mut built = BUILT.lock().expect("no build has failed");
    if !built.contains(name) {
        let mut cargo = Command::new(env!("CARGO"));
        // The same packages as `cargo test`: with others, features and so all crates would differ.
        cargo.args(["build", "--quiet", "--locked", "--example", name]);
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
        let status = cargo.status().expect("cargo runs");
        assert!(status.success(), "{status}");
        built.insert(name.to_owned());
    }
    profile.join("examples").join(name)
}

/// An example with arguments, and nothing to read.
fn start(example: &str, arguments: &[&str]) -> Running {
    let mut command = Command::new(self::example(example));
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
