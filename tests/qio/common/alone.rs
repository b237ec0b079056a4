//! Tests that measure the whole process need a separate one.

use std::process::{Command, Output};

/// Set in the process of a test that runs alone.
const ALONE: &str = "QIO_TEST_ALONE";

/// Runs the body of the test `name` (its full path) in a separate process, where nothing else
/// opens descriptors or raises signals. There it is called; here its success is awaited.
#[track_caller]
pub(crate) fn alone(name: &str, body: impl FnOnce()) {
    if is_alone() {
        return body();
    }
    let output = rerun(name, |command| command);
    assert!(
        output.status.success(),
        "alone: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Whether this is a process with one test.
pub(crate) fn is_alone() -> bool {
    std::env::var_os(ALONE).is_some()
}

/// Runs the test `name` (its full path) in a separate process, changed by `change`.
#[track_caller]
pub(crate) fn rerun(name: &str, change: impl FnOnce(&mut Command) -> &mut Command) -> Output {
    let mut command = rerun_command(name);
    let output = change(&mut command).output().expect("this program runs");
    let ran = String::from_utf8_lossy(&output.stdout).contains("running 1 test");
    assert!(ran, "there is no test {name}");
    output
}

/// The command that runs the test `name` (its full path) in a separate process.
pub(crate) fn rerun_command(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        // It was chosen already.
        .arg("--include-ignored")
        .env(ALONE, "1");
    command
}
