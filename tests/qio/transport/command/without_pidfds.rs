//! Commands where the system has no `pidfd_open(2)`.
#![allow(unsafe_code)] // What a process does before its program runs.

use std::{
    os::unix::process::CommandExt,
    process::{Command, Stdio},
};

use crate::common::{alone::is_alone, native::take_pidfds_away};

#[test]
fn the_other_tests_of_commands_pass_without_pidfds() {
    if is_alone() {
        return;
    }
    let mut tests = Command::new(std::env::current_exe().expect("this program"));
    tests.args(["transport::command::", "--test-threads=2"]);
    // Itself, and what signals by pidfd.
    tests.args([
        "--skip",
        "without_pidfds",
        "--skip",
        "where_sigchld_is_ignored",
    ]);
    // SAFETY: two system calls, which allocate nothing.
    unsafe {
        tests.pre_exec(|| {
            take_pidfds_away();
            Ok(())
        });
    }
    let output = tests
        .stdin(Stdio::null())
        .output()
        .expect("this program runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("terminate_and_kill_end_a_command ... ok"),
        "{text}"
    );
}
