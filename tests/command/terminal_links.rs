//! The link of `pty:`: what is at its path when a relay starts, and what a relay leaves there.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Instant,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::process::{Running, TIMEOUT, start};

/// A relay of a terminal that is linked at this path.
fn terminal(link: &Path) -> Running {
    start([&*format!("pty:{}", link.display()), "exec:cat"])
}

/// Waits for a link to another target than this, and returns that.
fn target_of(link: &Path, before: Option<&Path>) -> PathBuf {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        assert!(Instant::now() < deadline, "no link");
        match fs::read_link(link) {
            Ok(target) if Some(&*target) != before => return target,
            _ => thread::yield_now(),
        }
    }
}

/// The names in a directory.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a directory");
    let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("text");
    entries.map(|entry| name(entry.expect("there"))).collect()
}

#[test]
fn a_link_to_a_terminal_of_a_running_relay_is_refused_and_stays() {
    let folder = tempfile::tempdir().expect("a directory");
    let link = folder.path().join("terminal");
    let first = terminal(&link);
    let target = target_of(&link, None);
    let error = terminal(&link).failure(1);
    let reason = format!(
        "Unable to make the terminal {}: It is a link to {}, a terminal that another program has \
         open",
        link.display(),
        target.display()
    );
    assert_eq!(error, reason);
    assert_eq!(fs::read_link(&link).ok(), Some(target));
    first.signal(Signal::SIGTERM);
    first.success();
    assert_eq!(names(folder.path()), [""; 0], "the link is removed");
}

#[test]
fn a_link_of_a_relay_that_was_killed_is_replaced_by_one_of_those_that_start() {
    let folder = tempfile::tempdir().expect("a directory");
    let link = folder.path().join("terminal");
    // No terminal has this number.
    let stale = Path::new("/dev/pts/4000000");
    for _ in 0..5 {
        symlink(stale, &link).expect("a link");
        let relays: Vec<_> = (0..4).map(|_| terminal(&link)).collect();
        let pids: Vec<_> = relays.iter().map(Running::pid).collect();
        let (sender, ended) = mpsc::channel();
        for relay in relays {
            let sender = sender.clone();
            thread::spawn(move || sender.send((relay.pid(), relay.end())));
        }
        let refused: Vec<_> = (0..3)
            .map(|_| ended.recv_timeout(TIMEOUT).expect("it ends"))
            .collect();
        for (_, it) in &refused {
            assert_eq!(it.status.code(), Some(1));
            assert!(
                it.errors.contains("that another program has open"),
                "{}",
                it.errors
            );
        }
        let target = target_of(&link, Some(stale));
        fs::metadata(target).expect("the terminal of the one that is left");
        let is_left = |pid: &&u32| refused.iter().all(|(other, _)| other != *pid);
        let pid = pids.iter().find(is_left).expect("one");
        let pid = Pid::from_raw(pid.cast_signed());
        kill(pid, Signal::SIGTERM).expect("it runs");
        let (_, last) = ended.recv_timeout(TIMEOUT).expect("it ends");
        assert!(last.status.success(), "{}", last.errors);
        assert_eq!(names(folder.path()), [""; 0], "the link is removed");
    }
}

#[test]
fn what_is_no_link_to_a_terminal_is_not_replaced() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("terminal");
    let refused = |reason: &str| {
        let error = terminal(&path).failure(1);
        let expected = format!("Unable to make the terminal {}: {reason}", path.display());
        assert_eq!(error, expected);
        assert_eq!(names(folder.path()), ["terminal"]);
    };
    fs::write(&path, "kept").expect("written");
    refused("It exists, and is no symbolic link");
    assert_eq!(fs::read(&path).expect("there"), b"kept");
    fs::remove_file(&path).expect("there");
    symlink("/dev/null", &path).expect("a link");
    refused("It is a link to /dev/null, which is no terminal");
}

#[test]
fn a_link_that_another_program_has_replaced_is_not_removed() {
    let folder = tempfile::tempdir().expect("a directory");
    let (link, new) = (folder.path().join("terminal"), folder.path().join("new"));
    let relay = terminal(&link);
    target_of(&link, None);
    symlink("/dev/null", &new).expect("a link");
    fs::rename(&new, &link).expect("replaced");
    relay.signal(Signal::SIGTERM);
    relay.success();
    assert_eq!(fs::read_link(&link).ok(), Some("/dev/null".into()));
}
