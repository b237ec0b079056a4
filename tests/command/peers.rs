//! socat and ncat, as clients and as servers.

use std::{
    fs::File,
    io::{Seek, Write},
    process::{Command, Stdio},
};

use crate::{
    pattern,
    process::{Running, start, start_with, tool},
};

fn socat(arguments: &[&str]) -> Command {
    let mut socat = tool("socat", "socat");
    // It waits half a second for an answer otherwise.
    socat.args(["-d", "-d", "-t", "30"]).args(arguments);
    socat
}

fn ncat(arguments: &[&str]) -> Command {
    let mut ncat = tool("ncat", "ncat");
    ncat.arg("-v").args(arguments);
    ncat
}

/// A file without a name, to be read.
fn file_with(data: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(data).expect("written");
    file.rewind().expect("a file");
    file
}

#[test]
fn socat_is_a_server() {
    needs!("socat");
    let mut socat = socat(&["tcp-listen:0,bind=127.0.0.1", "exec:tac"]);
    let mut socat = Running::new(socat.stdin(Stdio::null()));
    let address = socat.wait_for_log("listening on AF=2 ");
    let relay = start_with(["stdio", &format!("tcp:{address}")], b"1\n2\n3\n");
    assert_eq!(relay.success(), b"3\n2\n1\n");
    assert!(socat.end().status.success());
}

#[test]
fn socat_is_a_client() {
    needs!("socat");
    let mut relay = start(["-v", "--fork", "tcp-listen:127.0.0.1:0", "exec:cat"]);
    let address = relay.wait_for_log("listening on tcp:");
    let data = pattern(1_000_000);
    for _ in 0..2 {
        let mut socat = socat(&["stdio", &format!("tcp:{address}")]);
        assert!(Running::new(socat.stdin(file_with(&data))).success() == data);
    }
}

#[test]
fn socat_and_the_relay_have_the_same_abstract_names() {
    needs!("socat");
    let name = format!("qio-relay-{}", std::process::id());
    let mut relay = start(["-v", &format!("unix-listen:@{name}"), "exec:cat"]);
    relay.wait_for_log("listening on unix:@");
    let mut socat = socat(&["stdio", &format!("abstract-connect:{name}")]);
    let echo = Running::new(socat.stdin(file_with(b"abstract"))).success();
    assert_eq!(echo, b"abstract");
    assert!(relay.end().status.success());
}

#[test]
fn ncat_is_a_server() {
    needs!("ncat");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket").display().to_string();
    let mut ncat = ncat(&["--listen", "--unixsock", &path]);
    let mut ncat = Running::new(ncat.stdin(file_with(b"answer")));
    ncat.wait_for_log("Listening on ");
    let relay = start_with(["stdio", &format!("unix:{path}")], b"question");
    assert_eq!(relay.success(), b"answer");
    assert_eq!(ncat.success(), b"question");
}

#[test]
fn ncat_is_a_client() {
    needs!("ncat");
    let mut relay = start(["-v", "tcp-listen:127.0.0.1:0", "exec:tac"]);
    let port = relay.wait_for_log("listening on tcp:127.0.0.1:");
    let mut ncat = ncat(&["127.0.0.1", &port]);
    let turned = Running::new(ncat.stdin(file_with(b"1\n2\n"))).success();
    assert_eq!(turned, b"2\n1\n");
    assert!(relay.end().status.success());
}
