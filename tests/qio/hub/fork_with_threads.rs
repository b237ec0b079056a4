//! Forks in a process with threads that register, wait and wake all the time.
#![allow(unsafe_code)] // A forked child exits without the rest of this process.

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use glib::IOCondition;
use nix::{
    libc,
    sys::{
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{ForkResult, Pid, fork},
};
use qio::{ChannelSocket, prelude::*};

use super::*;
use crate::common::{alone::alone, nonblocking_pair};

/// After so long a child hangs.
const LIMIT: Duration = Duration::from_secs(2);

/// What has become of children.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) ended: usize,
    pub(crate) hung: usize,
    pub(crate) crashed: usize,
    /// GObject has locks of its own, which another thread of the parent may have held.
    pub(crate) in_gobject: usize,
    /// Where, if there is a debugger.
    pub(crate) traces: Vec<String>,
}

impl Tally {
    /// Waits for a child.
    pub(crate) fn count(&mut self, child: Pid) {
        let end = Instant::now() + LIMIT;
        let status = loop {
            match waitpid(child, Some(WaitPidFlag::WNOHANG)).expect("a child") {
                WaitStatus::StillAlive if Instant::now() < end => {
                    thread::sleep(Duration::from_millis(1));
                }
                status => break status,
            }
        };
        match status {
            WaitStatus::Exited(_, 0) => self.ended += 1,
            WaitStatus::StillAlive => {
                let trace = trace(child);
                let innermost = trace
                    .lines()
                    .take(4)
                    .any(|line| line.contains("libgobject"));
                match innermost {
                    true => self.in_gobject += 1,
                    false => self.hung += 1,
                }
                self.traces.push(trace);
                kill(child, Signal::SIGKILL).expect("alive");
                waitpid(child, None).expect("a child");
            }
            status => {
                self.crashed += 1;
                self.traces.push(format!("{status:?}"));
            }
        }
    }
}

fn trace(process: Pid) -> String {
    let mut gdb = Command::new("gdb");
    gdb.args(["-batch", "-ex", "bt 25", "-p", &process.to_string()]);
    match gdb.output() {
        Ok(output) => String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter(|line| line.starts_with('#'))
            .collect::<Vec<_>>()
            .join("\n"),
        Err(e) => format!("gdb: {e}"),
    }
}

/// Registers, waits, wakes and closes, also on channels that children use.
struct Busy {
    runner: Runner,
    shared: Ends,
    is_over: AtomicBool,
}

impl Busy {
    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed)
    }

    /// Tasks of a context that another thread runs wait for channels that this one writes to and
    /// closes.
    fn wake(&self) {
        while self.goes_on() {
            let (a, b) = nonblocking_pair();
            let (sender, read) = mpsc::channel();
            let reader = a.clone();
            drop(qio::spawn_in(
                &self.runner.context,
                Priority::DEFAULT,
                async move {
                    let _ = reader.read_all_future(&mut [0]).await;
                    let _ = sender.send(());
                    let _ = reader.read_all_future(&mut [0]).await;
                },
            ));
            b.write_all(b"x").expect("space");
            let _ = read.recv();
            a.close().expect("closed");
        }
    }

    /// Waits for the shared channels by a blocked thread, a watch and a handler, for a moment each.
    fn wait(&self) {
        let context = MainContext::new();
        while self.goes_on() {
            let (a, _) = &self.shared;
            let _ = a.wait_timeout(IOCondition::IN, Duration::from_micros(50));
            let watch = a.add_watch_source_local(
                IOCondition::IN,
                |_, _| ControlFlow::Continue,
                Some(&context),
            );
            let reader = a.clone();
            let task = start(&context, async move { reader.ready(IOCondition::IN).await });
            settle(&context);
            drop(task);
            watch.destroy();
        }
    }
}

type Ends = (ChannelSocket, ChannelSocket);

/// What a child does with a pair of its parent, and for itself. GObject's own locks may have been
/// held by another thread of the parent: it makes no objects.
fn in_child((a, b): &Ends, (c, d): &Ends) {
    let context = MainContext::new();
    b.write_all(b"x").expect("space");
    a.wait(IOCondition::IN).expect("ready");
    a.read_all(&mut [0]).expect("read");
    let seen = std::rc::Rc::new(std::cell::Cell::new(false));
    let noted = seen.clone();
    c.add_watch_source_local(
        IOCondition::IN,
        move |_, _| {
            noted.set(true);
            ControlFlow::Break
        },
        Some(&context),
    );
    d.write_all(b"x").expect("space");
    iterate_until(&context, || seen.get());
    b.write_all(b"y").expect("space");
    let reader = a.clone();
    let read = async move { reader.read_all_future(&mut [0]).await };
    run(&context, read).expect("read");
    a.close().expect("closed");
    b.close().expect("closed");
}

/// Forks so often. Children use a pair that threads of their parent wait for, or another one.
fn fork_with_threads(forks: usize, is_shared: bool) -> Tally {
    let busy = Arc::new(Busy {
        runner: Runner::new(),
        shared: nonblocking_pair(),
        is_over: AtomicBool::new(false),
    });
    let own = nonblocking_pair();
    let mut tally = Tally::default();
    thread::scope(|scope| {
        scope.spawn(|| busy.wake());
        scope.spawn(|| busy.wake());
        scope.spawn(|| busy.wait());
        for _ in 0..forks {
            let pair = if is_shared { &busy.shared } else { &own };
            let unused = nonblocking_pair();
            // SAFETY: the child exits without running anything that is not its own.
            match unsafe { fork() }.expect("a fork") {
                ForkResult::Child => {
                    let child = std::panic::AssertUnwindSafe(|| in_child(pair, &unused));
                    let result = std::panic::catch_unwind(child);
                    // SAFETY: ends the process at once.
                    unsafe { libc::_exit(i32::from(result.is_err())) };
                }
                ForkResult::Parent { child } => tally.count(child),
            }
        }
        busy.is_over.store(true, Ordering::Relaxed);
    });
    tally
}

#[track_caller]
fn all_end(forks: usize, is_shared: bool) {
    let tally = fork_with_threads(forks, is_shared);
    let traces = tally.traces.join("\n\n");
    eprintln!(
        "{forks} forks: {} ended, {} hung in GObject, {} hung, {} crashed",
        tally.ended, tally.in_gobject, tally.hung, tally.crashed
    );
    assert_eq!(
        (tally.hung, tally.crashed),
        (0, 0),
        "(hung, crashed)\n{traces}"
    );
}

#[test]
#[ignore = "takes minutes: `make soak`"]
fn forks_concurrent_with_threads_that_wait_and_wake_leave_children_that_wait_and_close() {
    alone(
        "hub::fork_with_threads::forks_concurrent_with_threads_that_wait_and_wake_leave_children_that_wait_and_close",
        || all_end(600, false),
    );
}

#[test]
#[ignore = "takes minutes: `make soak`"]
fn forks_concurrent_with_threads_that_wait_for_a_channel_leave_it_usable_in_children() {
    alone(
        "hub::fork_with_threads::forks_concurrent_with_threads_that_wait_for_a_channel_leave_it_usable_in_children",
        || all_end(600, true),
    );
}
