//! `ChannelCommand`.

mod adopted;
mod communicate;
mod end;
mod signals;
mod start;
mod without_pidfds;

use std::{
    fs,
    io::{ErrorKind, Read as _},
};

use glib::prelude::*;
use qio::{Access, ChannelCommand, Feature, Shutdown, prelude::*};

use crate::common::{in_time, pattern};

/// A shell with a script.
fn shell(script: &str) -> ChannelCommand {
    ChannelCommand::builder(["sh", "-c", script])
        .spawn()
        .expect("a shell")
}

/// All that a command writes, and it must succeed.
#[track_caller]
fn output(command: &ChannelCommand) -> String {
    let mut text = String::new();
    let mut reader: &ChannelCommand = command;
    reader.read_to_string(&mut text).expect("read");
    command.close().expect("success");
    text
}

#[test]
fn data_goes_through_a_command_and_back() {
    needs!("socat");
    let socat = ChannelCommand::builder(["socat", "STDIO", "SYSTEM:cat"]).spawn();
    let socat = socat.expect("socat");
    in_time(move || {
        pattern::transfer_both_modes(&socat, &socat);
        socat.set_blocking(true).expect("blocking");
        socat.shutdown(Shutdown::Write).expect("shut down");
        assert_eq!(socat.read(&mut [0]).expect("the end"), 0);
        socat.close().expect("success");
    });
}

#[test]
fn data_goes_from_one_command_through_a_fifo_to_another() {
    needs!("socat");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("fifo");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
    let file = format!("OPEN:{}", path.display());
    let write = ChannelCommand::new_spawn(["socat", "-u", "-", &file], Access::Write);
    let read = ChannelCommand::new_spawn(["socat", "-u", &file, "-"], Access::Read);
    let (write, read) = (write.expect("socat"), read.expect("socat"));
    in_time(move || {
        pattern::transfer_both_modes(&write, &read);
        write.close().expect("success");
        read.set_blocking(true).expect("blocking");
        assert_eq!(read.read(&mut [0]).expect("the end"), 0);
        read.close().expect("success");
    });
}

#[test]
fn shutting_writing_down_ends_the_input() {
    let command = ChannelCommand::builder(["wc", "-c"]).spawn().expect("wc");
    assert_eq!(command.features(), Feature::SHUTDOWN);
    command.write_all(b"12345").expect("written");
    command.shutdown(Shutdown::Write).expect("shut down");
    let e = command.write(b"x").expect_err("shut");
    assert_eq!(e.kind(), ErrorKind::BrokenPipe);
    assert_eq!(output(&command).trim(), "5");
}

#[test]
fn shutting_reading_down_breaks_the_output() {
    let yes = ChannelCommand::new_spawn(["yes"], Access::Read).expect("yes");
    yes.read_all(&mut [0; 100]).expect("read");
    yes.shutdown(Shutdown::Read).expect("shut down");
    assert_eq!(yes.read(&mut [0]).expect("the end"), 0);
    let status = in_time(move || yes.wait_exit().expect("ended"));
    assert!(!status.success());
}

#[test]
fn shutting_down_wakes_a_blocked_reader() {
    let cat = ChannelCommand::builder(["cat"]).spawn().expect("cat");
    let reader = cat.clone();
    let reading = std::thread::spawn(move || reader.read(&mut [0]));
    cat.shutdown(Shutdown::Both).expect("shut down");
    let count = in_time(move || reading.join().expect("it returns").expect("the end"));
    assert_eq!(count, 0);
    cat.close().expect("success");
}

#[test]
fn a_command_for_reading_has_no_input() {
    let cat = ChannelCommand::new_spawn(["cat"], Access::Read).expect("cat");
    assert_eq!(cat.read(&mut [0]).expect("the end"), 0);
    let e = cat.write(b"x").expect_err("unable");
    assert_eq!(e.kind(), ErrorKind::Unsupported);
    assert_eq!(e.to_string(), "The command was not started for writing");
    cat.close().expect("success");
}

#[test]
fn a_command_for_writing_keeps_its_output() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("copy");
    let tee = ChannelCommand::new_spawn(["tee".as_ref(), path.as_os_str()], Access::Write);
    let tee = tee.expect("tee");
    tee.write_all(b"kept").expect("written");
    let e = tee.read(&mut [0]).expect_err("unable");
    assert_eq!(e.kind(), ErrorKind::Unsupported);
    assert_eq!(e.to_string(), "The command was not started for reading");
    tee.close().expect("success");
    assert_eq!(fs::read_to_string(&path).expect("read"), "kept");
}

#[test]
fn messages_name_the_command() {
    let command = shell("exec <&-; echo; read line");
    command.read_all(&mut [0]).expect("it has no input");
    let text = qio::ChannelBuffer::from(b"text".to_vec());
    let e = text.splice_to(&command, None).expect_err("no reader");
    assert_eq!(
        e.to_string(),
        "Unable to move data from QIOChannelBuffer to the command \"sh\" after 0 bytes: Broken pipe"
    );
    command.set_name(Some("sorter"));
    let e = text.splice_to(&command, None).expect_err("no reader");
    assert!(
        e.to_string().contains("to QIOChannelCommand \"sorter\""),
        "{e}"
    );
}

#[test]
fn a_non_blocking_command_returns_would_block() {
    let cat = ChannelCommand::builder(["cat"]).spawn().expect("cat");
    cat.set_blocking(false).expect("non-blocking");
    assert_eq!(
        cat.read(&mut [0]).expect_err("empty").kind(),
        ErrorKind::WouldBlock
    );
    crate::common::fill(&cat);
    cat.wait(glib::IOCondition::IN).expect("an echo");
    assert!(cat.read(&mut [0; 8]).expect("read") > 0);
}

#[test]
fn a_closed_command_does_nothing_more() {
    let cat = ChannelCommand::builder(["cat"]).spawn().expect("cat");
    cat.close().expect("success");
    for e in [
        cat.read(&mut [0]).expect_err("closed"),
        cat.write(b"x").expect_err("closed"),
        cat.shutdown(Shutdown::Both).expect_err("closed"),
    ] {
        assert!(
            qio::to_glib_error(&e).matches(gio::IOErrorEnum::Closed),
            "{e}"
        );
    }
    cat.close().expect("nothing left to do");
}

#[test]
fn a_child_started_elsewhere_can_be_adopted() {
    use std::process::{Command, Stdio};
    let mut child = Command::new("cat");
    let child = child.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = child.spawn().expect("cat");
    let (input, output) = (child.stdin.take(), child.stdout.take());
    let channel =
        ChannelCommand::new_pid(output.map(Into::into), input.map(Into::into), child.id());
    let channel = channel.expect("a child");
    assert_eq!(channel.pid(), child.id());
    assert_eq!(channel.property::<u32>("pid"), child.id());
    channel.write_all(b"x").expect("written");
    channel.read_all(&mut [0]).expect("read");
    channel.close().expect("success");
    assert!(
        channel
            .exit_status()
            .expect("known")
            .expect("ended")
            .success()
    );
    child.wait().expect_err("waited for already");
}
