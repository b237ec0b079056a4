//! Child processes of tests, which are killed with them.

use std::{
    env,
    ffi::OsStr,
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    mem,
    path::PathBuf,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use nix::{sys::signal::Signal, unistd::Pid};

/// Longer than anything takes that is going to happen at all.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// Polls until a condition holds that nothing signals, such as the state of another process.
#[track_caller]
pub(crate) fn poll_until(is_met: impl Fn() -> bool, state: impl Fn() -> String) {
    let deadline = Instant::now() + TIMEOUT;
    while !is_met() {
        assert!(Instant::now() < deadline, "{}", state());
        thread::sleep(Duration::from_millis(5));
    }
}

/// The command `qio`.
pub(crate) fn qio() -> PathBuf {
    env!("CARGO_BIN_EXE_qio").into()
}

/// The command `qio relay`, before its arguments.
pub(crate) fn relay() -> Command {
    let mut command = Command::new(qio());
    command.arg("relay");
    command
}

/// Another program. One that is missing is named with its package.
pub(crate) fn tool(name: &str, package: &str) -> Command {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).any(|folder| folder.join(name).is_file());
    assert!(found, "{name} is missing: install the package {package}");
    Command::new(name)
}

/// The relay with arguments, and nothing to read.
pub(crate) fn start(arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> Running {
    Running::new(relay().args(arguments).stdin(Stdio::null()))
}

/// The relay, which is given this to read.
pub(crate) fn start_with(
    arguments: impl IntoIterator<Item: AsRef<OsStr>>,
    input: &[u8],
) -> Running {
    let mut command = relay();
    let (running, mut stdin) = Running::with_input(command.args(arguments));
    let input = input.to_owned();
    // It may not read its input.
    thread::spawn(move || drop(stdin.write_all(&input)));
    running
}

/// A program that runs. Dropping it ends it.
pub(crate) struct Running {
    child: Child,
    output: Receiver<Vec<u8>>,
    /// Output that has been read and not been returned yet.
    pending: Vec<u8>,
    /// In lines.
    errors: Receiver<Vec<u8>>,
}

/// How a program has ended, and its output.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) output: Vec<u8>,
    pub(crate) errors: String,
}

impl Running {
    pub(crate) fn new(command: &mut Command) -> Self {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?}: {e}"));
        Self {
            output: chunks(child.stdout.take().expect("piped"), |stream, chunk| {
                chunk.extend(stream.fill_buf()?);
                stream.consume(chunk.len());
                Ok(chunk.len())
            }),
            pending: Vec::new(),
            errors: chunks(child.stderr.take().expect("piped"), |stream, chunk| {
                stream.read_until(b'\n', chunk)
            }),
            child,
        }
    }

    /// Starts a program whose standard input is a pipe, and returns that.
    pub(crate) fn with_input(command: &mut Command) -> (Self, ChildStdin) {
        let mut running = Self::new(command.stdin(Stdio::piped()));
        let input = running.child.stdin.take().expect("piped");
        (running, input)
    }

    /// Waits for a line on standard error that contains `what`, and returns the rest of it.
    #[track_caller]
    pub(crate) fn wait_for_log(&mut self, what: &str) -> String {
        let (deadline, mut log) = (Instant::now() + TIMEOUT, Vec::new());
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.errors.recv_timeout(left) else {
                let log = String::from_utf8_lossy(&log);
                panic!("no line with \"{what}\", but:\n{log}");
            };
            let text = String::from_utf8_lossy(&line);
            if let Some((_, rest)) = text.split_once(what) {
                return rest.trim_end().to_owned();
            }
            log.extend(line);
        }
    }

    /// Reads standard output up to this, and returns the text before.
    #[track_caller]
    pub(crate) fn until(&mut self, end: &str) -> String {
        loop {
            let text = String::from_utf8_lossy(&self.pending).into_owned();
            if let Some((before, rest)) = text.split_once(end) {
                self.pending = rest.into();
                return before.to_owned();
            }
            let more = self.output.recv_timeout(TIMEOUT);
            self.pending
                .extend(more.unwrap_or_else(|_| panic!("no \"{end}\" in {text:?}")));
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How many file descriptors it has.
    pub(crate) fn descriptors(&self) -> usize {
        let all = fs::read_dir(format!("/proc/{}/fd", self.pid()));
        all.expect("it runs").count()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid() as i32);
        nix::sys::signal::kill(pid, signal).expect("it runs");
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ended {
        let deadline = Instant::now() + TIMEOUT;
        let collect = |chunks: &Receiver<Vec<u8>>, mut all: Vec<u8>| {
            loop {
                let left = deadline.saturating_duration_since(Instant::now());
                match chunks.recv_timeout(left) {
                    Ok(chunk) => all.extend(chunk),
                    Err(mpsc::RecvTimeoutError::Disconnected) => return all,
                    Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
                }
            }
        };
        let output = collect(&self.output, mem::take(&mut self.pending));
        let errors = collect(&self.errors, Vec::new());
        // It has closed both: the end is near.
        let status = self.child.wait().expect("a child");
        Ended {
            status,
            output,
            errors: String::from_utf8_lossy(&errors).into_owned(),
        }
    }

    /// Waits for an end without an error, and returns what it has written.
    #[track_caller]
    pub(crate) fn success(self) -> Vec<u8> {
        let Ended {
            status,
            output,
            errors,
        } = self.end();
        assert!(status.success(), "{status}\n{errors}");
        output
    }

    /// Waits for an end with one line about what was wrong.
    #[track_caller]
    pub(crate) fn failure(self, code: i32) -> String {
        let Ended { status, errors, .. } = self.end();
        assert_eq!(status.code(), Some(code), "{errors}");
        let line = errors
            .strip_prefix("qio: ")
            .and_then(|line| line.strip_suffix('\n'));
        let line = line.unwrap_or_else(|| panic!("{errors:?}"));
        assert!(!line.contains('\n'), "{line}");
        line.to_owned()
    }
}

/// The message about a wrong command line.
#[track_caller]
pub(crate) fn usage_error(arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> String {
    let Ended { status, errors, .. } = start(arguments).end();
    assert_eq!(status.code(), Some(2), "{errors}");
    let message = errors.strip_prefix("error: ");
    let message = message.unwrap_or_else(|| panic!("{errors:?}"));
    let message = message.split("\n\n").next().unwrap_or_default();
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The data of a stream, in pieces.
fn chunks<R: Read + Send + 'static>(
    stream: R,
    read: impl Fn(&mut BufReader<R>, &mut Vec<u8>) -> io::Result<usize> + Send + 'static,
) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        loop {
            let mut chunk = Vec::new();
            match read(&mut stream, &mut chunk) {
                Ok(1..) if sender.send(chunk).is_ok() => {}
                _ => break,
            }
        }
    });
    receiver
}
