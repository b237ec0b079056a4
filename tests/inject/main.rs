//! Journeys whose system calls fail in turn, by `strace -e inject`: the result is success, or
//! an error. `make soak` runs them and prints how often it was which.
//!
//! A journey runs in a separate process: once without faults, which makes what is made once for a
//! process; then `strace` attaches, and it runs again. Left out are the calls that this program
//! needs to report with (`read`, `write`, `openat`, `getdents64`, `fstat`), those of memory and
//! threads, and `close`, which would not be made at all, and the descriptor would stay open.

#[macro_use]
#[path = "../qio/common/skip.rs"]
mod skip;

mod journeys;
mod kernel;

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use glib::IOCondition;
use qio::{ChannelSocket, prelude::*};

use journeys::{JOURNEYS, LIMIT};

const ERRNOS: [&str; 8] = [
    "EINTR",
    "EAGAIN",
    "ENOMEM",
    "EMFILE",
    "ENFILE",
    "EIO",
    "ECONNRESET",
    "ENOBUFS",
];

/// The system calls that fail, where a journey makes them.
const CALLS: &str = "socket,socketpair,bind,listen,connect,accept4,getsockname,getpeername,\
    getsockopt,setsockopt,shutdown,sendto,recvfrom,sendmsg,recvmsg,pipe2,preadv2,pwritev2,readv,\
    writev,fcntl,ioctl,dup3,epoll_create1,epoll_ctl,epoll_wait,eventfd2,poll,ppoll,waitid,\
    pidfd_open,pidfd_send_signal,splice,membarrier";

/// Calls of GIO, which connects: it reports interruptions of those that nothing interrupts.
const OF_GIO: [(&str, &str); 4] = [
    ("tcp", "socket"),
    ("tcp", "getsockopt"),
    ("listener", "socket"),
    ("listener", "getsockopt"),
];

/// How long the process of a journey may take.
const TIMEOUT: Duration = Duration::from_secs(30);

const JOURNEY: &str = "QIO_TEST_JOURNEY";

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("/proc").count()
}

#[test]
#[ignore = "a part of `every_system_call_may_fail`"]
fn journey() {
    let Ok(name) = env::var(JOURNEY) else {
        return;
    };
    let (_, journey) = JOURNEYS.iter().find(|(it, _)| *it == name).expect("known");
    journey().expect("without faults it succeeds");
    // It need not have waited, for which this thread has a descriptor too.
    let pair = ChannelSocket::pair().expect("a pair");
    let wait = pair.0.wait_timeout(IOCondition::IN, Duration::ZERO);
    wait.expect_err("there is nothing");
    drop(pair);
    let before = open_descriptors();
    println!("ready");
    io::stdin().read_line(&mut String::new()).expect("a line");
    match journey() {
        Ok(()) => println!("outcome: success"),
        Err(e) if e.kind() == io::ErrorKind::TimedOut => println!("outcome: timeout"),
        Err(e) => {
            assert!(!e.to_string().is_empty());
            println!("outcome: error: {e}");
        }
    }
    println!("left: {}", stable_count(before).saturating_sub(before));
}

/// How many descriptors are open, once they are no more than `most`, or a while later: threads end,
/// and commands that were dropped.
fn stable_count(most: usize) -> usize {
    let end = Instant::now() + LIMIT;
    loop {
        let count = open_descriptors();
        if count <= most || Instant::now() > end {
            return count;
        }
        thread::yield_now();
    }
}

/// The result of a fault.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Success,
    Error,
    Timeout,
    /// A crash, a panic, or descriptors that are left open.
    Failure(String),
}

/// The process of a journey, which is about to begin.
struct Ready {
    child: Child,
    output: BufReader<ChildStdout>,
    /// The first line of its standard error.
    errors: thread::JoinHandle<String>,
}

/// What became of it.
struct End {
    status: ExitStatus,
    text: String,
    errors: String,
}

/// The first lines of a stream, which is read to its end.
fn first_lines(from: impl io::Read) -> String {
    let lines = BufReader::new(from).lines().map_while(Result::ok);
    let mut first = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        if first.len() < 4 {
            first.push(line);
        }
    }
    first.join("; ")
}

impl Ready {
    fn new(name: &str) -> Self {
        let mut child = Command::new(env::current_exe().expect("this program"))
            .args(["--exact", "journey", "--ignored", "--nocapture"])
            .env(JOURNEY, name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("this program runs");
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let errors = child.stderr.take().expect("piped");
        let errors = thread::spawn(|| first_lines(errors));
        wait_for_line(&mut output, "ready");
        Self {
            child,
            output,
            errors,
        }
    }

    /// Continues under `strace` with these options, which make a system call fail. `None` if the
    /// process does not end.
    fn run(mut self, options: &[&str]) -> Option<End> {
        let mut strace = Command::new("strace")
            .args(["-f", "-p", &self.child.id().to_string()])
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("strace: see .ci/packages");
        let mut log = BufReader::new(strace.stderr.take().expect("piped"));
        wait_for_line(&mut log, "attached");
        // It must not wait for a reader.
        thread::spawn(move || io::copy(&mut log, &mut io::sink()));
        let mut input = self.child.stdin.take().expect("piped");
        input.write_all(b"\n").expect("it reads");
        let id = nix::unistd::Pid::from_raw(self.child.id() as i32);
        let (sender, receiver) = mpsc::channel();
        let (mut output, mut child) = (self.output, self.child);
        let reader = thread::spawn(move || {
            let mut text = String::new();
            let _ = output.read_to_string(&mut text);
            let status = child.wait().expect("waited for");
            let _ = sender.send(());
            (text, status)
        });
        let in_time = receiver.recv_timeout(TIMEOUT).is_ok();
        if !in_time {
            // It has not been waited for: the number is its.
            let _ = nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGKILL);
        }
        let (text, status) = reader.join().expect("no panic");
        strace.wait().expect("waited for");
        let errors = self.errors.join().expect("no panic");
        in_time.then_some(End {
            status,
            text,
            errors,
        })
    }
}

fn wait_for_line(from: &mut impl io::BufRead, part: &str) {
    let mut line = String::new();
    while !line.contains(part) {
        line.clear();
        assert_ne!(from.read_line(&mut line).expect("text"), 0, "no {part:?}");
    }
}

/// The system calls that a journey makes, and how often: at most this many are failed one by one.
fn calls(name: &str) -> BTreeMap<String, usize> {
    const EACH: usize = 3;
    let log = tempfile::NamedTempFile::new().expect("a file");
    let path = log.path().to_str().expect("a name").to_owned();
    let trace = format!("trace={CALLS}");
    let options = ["-o", &path, "-e", "signal=none", "-e", &trace];
    let ran = Ready::new(name).run(&options);
    ran.expect("it comes to its end");
    let mut calls = BTreeMap::new();
    for line in fs::read_to_string(&path).expect("the log").lines() {
        let call = line.split_whitespace().nth(1).unwrap_or_default();
        if let Some((call, _)) = call.split_once('(') {
            let count = calls.entry(call.to_owned()).or_insert(0);
            *count = EACH.min(*count + 1);
        }
    }
    calls
}

fn outcome(name: &str, call: &str, errno: &str, when: &str) -> Outcome {
    let trace = format!("trace={call}");
    let inject = format!("inject={call}:error={errno}:when={when}");
    let options = ["-o", "/dev/null", "-e", &trace, "-e", &inject];
    let Some(end) = Ready::new(name).run(&options) else {
        return Outcome::Failure("does not come to its end".to_owned());
    };
    if !end.status.success() {
        return Outcome::Failure(format!("{}: {}", end.status, end.errors));
    }
    let text = end.text;
    if !text.contains("left: 0") {
        return Outcome::Failure(format!("descriptors are {}", text.replace('\n', " ")));
    }
    let part = text.split("outcome: ").nth(1).unwrap_or_default();
    match part.split([':', '\n']).next() {
        Some("success") => Outcome::Success,
        // An interruption is neither an error nor has to be waited for.
        Some("error") if errno != "EINTR" || OF_GIO.contains(&(name, call)) => Outcome::Error,
        Some("timeout") if errno != "EINTR" => Outcome::Timeout,
        _ => Outcome::Failure(text),
    }
}

#[test]
fn pipes_are_used_where_the_kernel_has_no_rwf_nowait() {
    needs!("strace");
    for (call, name) in [
        ("preadv2", "pipes"),
        ("pwritev2", "pipes"),
        ("preadv2", "command"),
    ] {
        assert_eq!(outcome(name, call, "EOPNOTSUPP", "1+"), Outcome::Success);
    }
}

#[test]
fn connections_that_fail_in_the_backlog_are_skipped() {
    needs!("strace");
    for errno in [
        "ECONNABORTED",
        "EPERM",
        "EPROTO",
        "ENETDOWN",
        "ENETUNREACH",
        "ENONET",
        "EHOSTDOWN",
        "EHOSTUNREACH",
        "ENOPROTOOPT",
        "EOPNOTSUPP",
        "ENOSR",
        "ESOCKTNOSUPPORT",
        "EPROTONOSUPPORT",
        "ETIMEDOUT",
    ] {
        let came_of_it = outcome("tcp", "accept4", errno, "1");
        assert_eq!(came_of_it, Outcome::Success, "{errno}");
    }
    // Not forever, where all calls fail.
    assert_eq!(outcome("tcp", "accept4", "EPERM", "1+"), Outcome::Error);
}

#[test]
fn a_listener_continues_after_all_errors_but_those_of_its_socket() {
    needs!("strace");
    // More than are passed over at once; and each a pause.
    let others = ["ENOMEM", "EACCES", "EIO"].map(|errno| (errno, "1..2"));
    for (errno, when) in [("EPERM", "1..150")].into_iter().chain(others) {
        let came_of_it = outcome("listener", "accept4", errno, when);
        assert_eq!(came_of_it, Outcome::Success, "{errno}");
    }
    for errno in ["EINVAL", "EBADF", "ENOTSOCK"] {
        let came_of_it = outcome("listener", "accept4", errno, "1");
        assert_eq!(came_of_it, Outcome::Error, "{errno}");
    }
}

#[test]
#[ignore = "takes a quarter of an hour: `make soak`"]
fn every_system_call_may_fail() {
    needs!("strace");
    let only = env::var(JOURNEY).ok();
    let mut failures = BTreeSet::new();
    println!("journey      errno       runs  success  error  timeout  failure");
    for (name, _) in JOURNEYS {
        if only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let calls = calls(name);
        for errno in ERRNOS {
            let mut counts = BTreeMap::new();
            for (call, &count) in &calls {
                let each = (1..=count).map(|at| at.to_string());
                // What is interrupted forever, or never ready although it is, is tried forever;
                // and this is the only way to learn of events.
                let all = match (call.as_str(), errno) {
                    (_, "EINTR" | "EAGAIN") | ("epoll_wait", _) => "1+3",
                    _ => "1+",
                };
                for when in each.chain([all.to_owned()]) {
                    let outcome = outcome(name, call, errno, &when);
                    let kind = match &outcome {
                        Outcome::Success => 0,
                        Outcome::Error => 1,
                        Outcome::Timeout => 2,
                        Outcome::Failure(what) => {
                            println!("{name}: {call} {errno} {when}: {what}");
                            failures.insert(format!("{name}: {call} {errno} {when}"));
                            3
                        }
                    };
                    *counts.entry(kind).or_insert(0) += 1;
                }
            }
            let of = |kind| counts.get(&kind).copied().unwrap_or(0);
            let runs: i32 = counts.values().sum();
            println!(
                "{name:12} {errno:10} {runs:5} {:8} {:6} {:8} {:8}",
                of(0),
                of(1),
                of(2),
                of(3)
            );
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}
