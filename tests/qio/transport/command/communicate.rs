//! Input, both outputs and the status of a command, at once; and more descriptors.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    os::fd::OwnedFd,
    thread,
};

use glib::MainContext;
use qio::{Access, ChannelCommand, StderrPolicy, coroutine, prelude::*, to_glib_error};

use super::{output, shell};
use crate::common::{after_ticks, in_time, on_loop};

fn with_stderr(script: &str) -> ChannelCommand {
    let command = ChannelCommand::builder(["sh", "-c", script]).stderr(StderrPolicy::Pipe);
    command.spawn().expect("a shell")
}

/// More than pipes hold, in both directions.
const MUCH: usize = 1 << 20;

#[test]
fn much_goes_in_and_comes_back_by_both_outputs_in_every_style() {
    let input: Vec<u8> = (0..MUCH).map(|i| (i % 251) as u8).collect();
    let run = |style: usize, command: ChannelCommand, input: Vec<u8>| match style {
        0 => command.communicate(&input, None),
        1 => MainContext::new().block_on(command.communicate_future(&input, None)),
        _ => {
            let context = MainContext::new();
            let task = context
                .with_thread_default(|| coroutine::spawn(move || command.communicate(&input, None)))
                .expect("ours");
            context.block_on(task).expect("no panic")
        }
    };
    for style in 0..3 {
        for blocking in [true, false] {
            let command = with_stderr("tee /dev/stderr; exit 3");
            command.set_blocking(blocking).expect("the mode");
            let input = input.clone();
            let expected = input.clone();
            let output = in_time(move || run(style, command, input).expect("done"));
            assert_eq!(output.status.code(), Some(3));
            assert!(output.stdout == expected && output.stderr == expected);
        }
    }
}

#[test]
fn a_command_need_not_read_its_input() {
    let command = shell("exec <&-; echo done");
    let output = in_time(move || command.communicate(&[0; MUCH], None).expect("done"));
    assert_eq!(output.stdout, b"done\n");
    assert!(output.status.success());
}

#[test]
fn input_that_cannot_be_written_is_an_error() {
    let reads_nothing = ChannelCommand::new_spawn(["true"], Access::Read).expect("true");
    let e = reads_nothing.communicate(b"lost", None).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Unsupported);
    reads_nothing
        .communicate(b"", None)
        .expect("nothing is lost");

    let cat = ChannelCommand::builder(["cat"]).spawn().expect("cat");
    let output = cat.communicate(b"once", None).expect("done");
    assert_eq!(output.stdout, b"once");
    let e = cat.communicate(b"lost", None).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::BrokenPipe);
    assert!(
        e.to_string()
            .contains("Unable to write to the command \"cat\": Broken pipe")
    );
    let again = cat.communicate(b"", None).expect("nothing is lost");
    assert!(again.stdout.is_empty() && again.status.success());
    cat.close().expect("closed");
    let e = to_glib_error(&cat.communicate(b"", None).unwrap_err());
    assert!(e.matches(gio::IOErrorEnum::Closed), "{e}");
}

#[test]
fn an_output_of_more_than_the_limit_is_an_error() {
    for (script, what) in [
        ("echo 12345", "the command \"sh\""),
        ("echo 12345 >&2", "the standard error of the command \"sh\""),
    ] {
        let command = with_stderr(script);
        let output = command.communicate(b"", Some(6)).expect("as many");
        assert_eq!(output.stdout.len() + output.stderr.len(), 6);
        let command = with_stderr(script);
        let e = command.communicate(b"", Some(5)).expect_err("too much");
        assert!(to_glib_error(&e).matches(gio::IOErrorEnum::MessageTooLarge));
        let text = format!("More than 5 bytes were received from {what}");
        assert_eq!(e.to_string(), text);
    }
    let yes = ChannelCommand::new_spawn(["yes"], Access::Read).expect("yes");
    in_time(move || yes.communicate(b"", Some(1_000)).expect_err("too much"));
}

#[test]
fn communicate_skips_streams_that_the_channel_does_not_have() {
    let output = ChannelCommand::new_spawn(["echo", "text"], Access::Read).expect("echo");
    assert_eq!(
        output.communicate(b"", None).expect("done").stdout,
        b"text\n"
    );
    let cat = ChannelCommand::new_spawn(["cat"], Access::Write).expect("cat");
    assert_eq!(cat.communicate(b"text", None).expect("done").stdout, b"");
}

#[test]
fn standard_error_is_a_channel_of_its_own() {
    let command = with_stderr("echo out; echo err >&2");
    let stderr = command.stderr().expect("a channel");
    let errors = io::read_to_string(&stderr).expect("read");
    assert_eq!(errors, "err\n");
    assert_eq!(output(&command), "out\n");
    assert!(stderr.is_closed(), "it goes with the command");
    assert!(shell("true").stderr().is_none());
}

#[test]
fn closing_does_not_wait_for_a_reader_of_standard_error() {
    let command = with_stderr("head -c 1000000 /dev/zero >&2; exit 0");
    in_time(move || command.close().expect("success"));
}

#[test]
fn the_end_is_waited_for_without_blocking() {
    on_loop(|| async {
        let command = shell("read line; exit 7");
        let writes = command.clone();
        after_ticks(move || writes.write_all(b"x\n").expect("space"));
        let status = command.wait_exit_future().await.expect("ended");
        assert_eq!(status.code(), Some(7));
        let status = command.wait_exit_future().await.expect("known");
        assert_eq!(status.code(), Some(7));
    });
}

#[test]
fn waiting_for_the_end_can_be_dropped() {
    on_loop(|| async {
        let cat = shell("exec cat");
        let e = cat
            .wait_exit_future()
            .or_timeout(std::time::Duration::from_millis(20));
        assert_eq!(e.await.expect_err("it runs").kind(), ErrorKind::TimedOut);
        cat.kill().expect("sent");
        assert!(!cat.wait_exit_future().await.expect("ended").success());
    });
}

#[test]
fn a_command_gets_more_descriptors() {
    let (mut read, write) = io::pipe().expect("a pipe");
    let (input, mut feed) = io::pipe().expect("a pipe");
    feed.write_all(b"words\n").expect("space");
    drop(feed);
    // Numbers that others of its descriptors have in this process, whatever they are.
    let command = ChannelCommand::builder(["sh", "-c", "read word <&4; echo got $word >&3"])
        .fd(3, OwnedFd::from(write))
        .fd(4, OwnedFd::from(input));
    assert_eq!(output(&command.spawn().expect("a shell")), "");
    let mut text = String::new();
    read.read_to_string(&mut text).expect("read");
    assert_eq!(text, "got words\n");
}

#[test]
fn descriptors_may_have_any_numbers_here() {
    // Each is to get the number of the other one.
    let ((mut read, write), (mut read_other, other)) =
        (io::pipe().expect("a pipe"), io::pipe().expect("a pipe"));
    let (write, other) = (OwnedFd::from(write), OwnedFd::from(other));
    use std::os::fd::AsRawFd;
    let (number, other_number) = (write.as_raw_fd(), other.as_raw_fd());
    let script = "eval \"echo one >&$1; echo two >&$2\"";
    let (one, two) = (other_number.to_string(), number.to_string());
    let command = ChannelCommand::builder(["bash", "-c", script, "bash", &one, &two])
        .fd(other_number, write)
        .fd(number, other);
    assert_eq!(output(&command.spawn().expect("a shell")), "");
    let reading = thread::spawn(move || {
        let (mut one, mut two) = (String::new(), String::new());
        read.read_to_string(&mut one).expect("read");
        read_other.read_to_string(&mut two).expect("read");
        (one, two)
    });
    let expected = ("one\n".to_owned(), "two\n".to_owned());
    assert_eq!(reading.join().expect("no panic"), expected);
}

#[test]
fn the_numbers_of_the_standard_streams_are_refused() {
    for number in [-1, 0, 2] {
        let (read, _) = io::pipe().expect("a pipe");
        let command = ChannelCommand::builder(["true"]).fd(number, read.into());
        let e = command.spawn().expect_err("taken");
        assert_eq!(e.kind(), ErrorKind::InvalidInput);
        assert!(e.to_string().ends_with(&format!(": {number}")), "{e}");
    }
}
