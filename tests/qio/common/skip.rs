//! Tests that this machine cannot run: they are skipped visibly.
//!
//! `.ci/test` counts the skips and fails on unexpected ones on request. A test binary
//! that runs by itself skips nothing for a missing package: the test fails, and names it.

use std::{
    env,
    fmt::Display,
    fs::OpenOptions,
    io::{self, Write as _},
    thread,
};

/// The file to which skips are appended, a line each: the test, a tab, the reason.
const FILE: &str = "QIO_SKIPPED";

/// The Debian packages that could not be installed, separated by white space, from `.ci/packages`.
const LEFT_OUT: &str = "QIO_LEFT_OUT";

/// Reports that the current test is skipped, or a part of it, and why: on standard error, past the
/// capture of the test harness, and in the file of skips.
pub(crate) fn skip(reason: impl Display) {
    let test = test_name();
    let line = format!("{test}\t{reason}").replace('\n', " ");
    if let Some(path) = env::var_os(FILE) {
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .expect("the file of skips can be opened");
        // In one piece: other processes append to it as well.
        let written = file.write_all(format!("{line}\n").as_bytes());
        written.expect("the file of skips can be written");
    }
    let _ = writeln!(io::stderr(), "skipped: {}", line.replace('\t', ": "));
}

/// Whether one of these Debian packages was left out, which skips the current test.
pub(crate) fn is_left_out(packages: &[&str]) -> bool {
    let left_out = env::var(LEFT_OUT).unwrap_or_default();
    let missing = left_out
        .split_whitespace()
        .find(|name| packages.contains(name));
    if let Some(package) = missing {
        skip(format_args!("the package {package} is left out"));
    }
    missing.is_some()
}

/// Returns from the test if one of these Debian packages was left out.
macro_rules! needs {
    ($($package:literal),+ $(,)?) => {
        if $crate::skip::is_left_out(&[$($package),+]) {
            return;
        }
    };
}

/// The path of the current test: the name of its thread, or the filter of a process for one test.
fn test_name() -> String {
    let thread = thread::current();
    match thread.name() {
        Some("main") | None => env::args()
            .skip_while(|argument| argument != "--exact")
            .nth(1)
            .unwrap_or_else(|| "a test".to_owned()),
        Some(name) => name.to_owned(),
    }
}
