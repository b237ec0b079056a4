//! How commands start, and why they do not.

use std::io::ErrorKind;

use qio::{Access, ChannelCommand, StderrPolicy, to_glib_error};

use super::{output, shell};
use crate::common::alone::{is_alone, rerun};

#[test]
fn arguments_arrive_as_they_are() {
    let argv = ["printf", "%s|", "a b", "", "*", "$HOME", "\"'\\"];
    let command = ChannelCommand::new_spawn(argv, Access::Read).expect("printf");
    assert_eq!(output(&command), "a b||*|$HOME|\"'\\|");
}

#[test]
fn the_environment_is_inherited_and_changed() {
    let script = "printf '%s|' \"$QIO_SET\" \"${PATH:+a path}\" \"${HOME-none}\"";
    let command = ChannelCommand::builder(["sh", "-c", script])
        .env("QIO_SET", "a value")
        .env_remove("HOME")
        .spawn()
        .expect("a shell");
    assert_eq!(output(&command), "a value|a path|none|");
}

#[test]
fn the_environment_can_be_empty() {
    let command = ChannelCommand::builder(["/usr/bin/env"])
        .env_clear()
        .env("ONLY", "this")
        .access(Access::Read)
        .spawn()
        .expect("env");
    assert_eq!(output(&command), "ONLY=this\n");
}

#[test]
fn the_environment_can_be_given_as_a_list() {
    let command = ChannelCommand::builder(["/usr/bin/env"])
        .env("GONE", "before")
        .environ(["EMPTY=", "EQUAL=a=b"])
        .env("ADDED", "after")
        .access(Access::Read)
        .spawn()
        .expect("env");
    let text = output(&command);
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["ADDED=after", "EMPTY=", "EQUAL=a=b"]);
}

#[test]
fn a_malformed_environment_is_reported() {
    for setting in ["NOTHING", "", "=VALUE"] {
        let command = ChannelCommand::builder(["true"]).environ(["A=b", setting, "C"]);
        let e = command.env("D", "e").spawn().expect_err("malformed");
        assert_eq!(e.kind(), ErrorKind::InvalidInput);
        assert!(e.to_string().contains(&format!("\"{setting}\"")), "{e}");
    }
}

#[test]
fn the_directory_is_where_it_starts() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().canonicalize().expect("a path");
    let command = ChannelCommand::builder(["pwd", "-P"]).directory(&path);
    let command = command.spawn().expect("pwd");
    assert_eq!(output(&command).trim_end(), path.to_str().expect("text"));
}

#[test]
fn no_descriptor_of_this_process_is_inherited() {
    let (ours, _theirs) = qio::ChannelSocket::pair().expect("a socketpair");
    // Other tests may start commands too, but not this one.
    let link = ours.with_fd(crate::common::fds::target).expect("open");
    let text = output(&shell(
        "for fd in /proc/self/fd/*; do readlink $fd; done; true",
    ));
    assert!(!text.contains(&link), "{text}");
}

const BOTH: [&str; 3] = ["sh", "-c", "echo out; echo err >&2"];

#[test]
fn standard_error_can_be_merged() {
    let command = ChannelCommand::builder(BOTH).stderr(StderrPolicy::Merge);
    assert_eq!(output(&command.spawn().expect("a shell")), "out\nerr\n");
}

/// What reaches the standard error of a process in which this test starts a command.
#[track_caller]
fn check_standard_error(name: &str, policy: StderrPolicy, expected: bool) {
    if is_alone() {
        let command = ChannelCommand::builder(BOTH).stderr(policy);
        assert_eq!(output(&command.spawn().expect("a shell")), "out\n");
        return;
    }
    let run = rerun(name, |command| command);
    assert!(run.status.success());
    let text = String::from_utf8_lossy(&run.stderr);
    assert_eq!(text.lines().any(|line| line == "err"), expected, "{text}");
}

#[test]
fn standard_error_is_inherited_by_default() {
    let name = "transport::command::start::standard_error_is_inherited_by_default";
    check_standard_error(name, StderrPolicy::default(), true);
}

#[test]
fn standard_error_is_discarded_on_request() {
    let name = "transport::command::start::standard_error_is_discarded_on_request";
    check_standard_error(name, StderrPolicy::Null, false);
}

#[test]
fn a_missing_program_is_named() {
    for program in ["/nowhere/program", "qio-no-such-program"] {
        let e = ChannelCommand::new_spawn([program], Access::ReadWrite).expect_err("missing");
        assert_eq!(e.kind(), ErrorKind::NotFound);
        let text = format!("Unable to run \"{program}\": No such file or directory");
        assert_eq!(e.to_string(), text);
        assert!(to_glib_error(&e).matches(gio::IOErrorEnum::NotFound));
    }
}

#[test]
fn a_program_that_may_not_be_run_is_named() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let e = ChannelCommand::new_spawn([file.path()], Access::Read).expect_err("no program");
    assert_eq!(e.kind(), ErrorKind::PermissionDenied);
    assert!(
        e.to_string().contains(file.path().to_str().expect("text")),
        "{e}"
    );
}

#[test]
fn a_missing_directory_is_named() {
    let command = ChannelCommand::builder(["true"]).directory("/nowhere/at/all");
    let e = command.spawn().expect_err("missing");
    assert_eq!(e.kind(), ErrorKind::NotFound);
    assert_eq!(
        e.to_string(),
        "Unable to run \"true\" in /nowhere/at/all: No such file or directory"
    );
}

#[test]
fn an_empty_list_of_arguments_is_refused() {
    let nothing: [&str; 0] = [];
    let builder = ChannelCommand::builder(nothing)
        .env("A", "b")
        .directory("/");
    assert_eq!(
        builder.spawn().expect_err("empty").kind(),
        ErrorKind::InvalidInput
    );
    let e = ChannelCommand::new_spawn(nothing, Access::Read).expect_err("empty");
    assert_eq!(e.kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_command_that_does_not_start_leaves_nothing() {
    crate::common::alone::alone(
        "transport::command::start::a_command_that_does_not_start_leaves_nothing",
        || {
            let fails = || ChannelCommand::new_spawn(["/nowhere"], Access::ReadWrite);
            // What is made once for the process is there afterwards.
            fails().expect_err("missing");
            let before = crate::common::fds::count();
            for _ in 0..20 {
                fails().expect_err("missing");
            }
            assert_eq!(crate::common::fds::count(), before);
        },
    );
}
