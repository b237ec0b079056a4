//! Programs that run, and the limit of their time.

use std::{
    io::{BufRead, BufReader, Read},
    iter,
    net::{TcpListener, TcpStream},
    os::fd::AsFd,
    panic,
    process::{Child, ExitStatus},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use nix::poll::{PollFd, PollFlags, poll};

use crate::{documents::listen, run::Program};

/// How long the streams of a program that was ended are read.
const GRACE: Duration = Duration::from_secs(1);

/// A program that runs, for a limited time. Dropping it ends it.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    errors: Receiver<String>,
    deadline: Instant,
}

impl Running {
    /// With both streams piped.
    pub(crate) fn new(mut child: Child, deadline: Instant) -> Self {
        let lines = lines_of(child.stdout.take().expect("piped"));
        let errors = lines_of(child.stderr.take().expect("piped"));
        Self {
            child,
            lines,
            errors,
            deadline,
        }
    }

    /// The rest of the next line that begins like this.
    #[track_caller]
    pub(crate) fn line_after(&mut self, start: &str) -> String {
        loop {
            match self.lines.recv_timeout(self.time_left()) {
                Ok(line) => match line.strip_prefix(start) {
                    Some(rest) => return rest.to_owned(),
                    None => continue,
                },
                Err(_) => panic!("no line with \"{start}\"\n{}", self.errors()),
            }
        }
    }

    /// Its connection. One that ends without a connection, or makes none in time, fails the test.
    #[track_caller]
    pub(crate) fn accept(&mut self, listener: &TcpListener) -> TcpStream {
        // Between two polls of the program.
        const WHILE: u16 = 50;
        while self.is_in_time() {
            let mut fds = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
            if poll(&mut fds, WHILE).expect("a listener") > 0 {
                return listener.accept().expect("a connection").0;
            }
            if let Some(status) = self.child.try_wait().expect("a child") {
                panic!("it never connected: {status}\n{}", self.errors());
            }
        }
        panic!("it hangs, and never connected\n{}", self.errors());
    }

    /// Waits for the end, which must be a good one.
    #[track_caller]
    pub(crate) fn finish(mut self) {
        let status = self.wait();
        assert!(status.success(), "{status}\n{}", self.errors());
    }

    /// Ends a program that would run forever. It must still run.
    #[track_caller]
    pub(crate) fn stop(mut self) {
        let ended = self.child.try_wait().expect("a child");
        assert!(ended.is_none(), "{ended:?}\n{}", self.errors());
    }

    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        while self.is_in_time() {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        panic!("it hangs\n{}{}", self.rest(), self.errors());
    }

    fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    fn is_in_time(&self) -> bool {
        !self.time_left().is_zero()
    }

    /// What it has printed and no caller has read yet.
    pub(crate) fn rest(&self) -> String {
        self.all_of(&self.lines)
    }

    /// What is on its standard error. Ends it, as there may be more to come otherwise.
    pub(crate) fn errors(&mut self) -> String {
        let _ = self.child.kill();
        self.all_of(&self.errors)
    }

    /// What is left of a stream, until its end. A process that the program has started may keep it
    /// open for longer than the program has time.
    fn all_of(&self, lines: &Receiver<String>) -> String {
        let deadline = self.deadline.max(Instant::now() + GRACE);
        let next = || {
            let left = deadline.saturating_duration_since(Instant::now());
            lines.recv_timeout(left).ok()
        };
        iter::from_fn(next).map(|line| line + "\n").collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines_of(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n') {
            let Ok(line) = line else { break };
            if sender.send(String::from_utf8_lossy(&line).into()).is_err() {
                break;
            }
        }
    });
    receiver
}

/// A shell as the program under test.
fn shell(script: &str) -> Program {
    Program::new("sh").arg("-c").arg(script)
}

#[test]
fn a_program_that_hangs_is_killed_even_if_its_child_keeps_the_pipes_open() {
    let started = Instant::now();
    let hanging = || {
        shell("echo before; sleep 60 & wait")
            .limit(Duration::from_secs(1))
            .run("never");
    };
    let panic = panic::catch_unwind(hanging).expect_err("it never ends");
    let message: &String = panic.downcast_ref().expect("text");
    assert!(message.starts_with("it hangs\nbefore\n"), "{message}");
    assert!(started.elapsed() < Duration::from_secs(50));
}

#[test]
#[should_panic(expected = "it never connected: exit status: 3\nbroken\n")]
fn a_program_that_ends_before_it_connects_is_no_hang() {
    let (listener, _) = listen();
    shell("echo broken >&2; exit 3").start().accept(&listener);
}

#[test]
#[should_panic(expected = "it hangs, and never connected\n")]
fn a_program_that_never_connects_is_ended() {
    let (listener, _) = listen();
    let program = shell("sleep 60").limit(Duration::from_secs(1));
    program.start().accept(&listener);
}
