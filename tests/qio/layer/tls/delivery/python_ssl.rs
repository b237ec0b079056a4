//! Ends of Python's `ssl`, by `delivery_peer.py`: a process for each role.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Mutex,
};

use super::{
    Implementation, Serving, TlsSetting,
    plan::{End, Outcome, Plan, Role},
};
use crate::{common::certs::Directory, layer::tls::fixtures};

pub(super) struct Python {
    client: Mutex<Process>,
    server: Mutex<Process>,
    _directory: Directory,
}

struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(directory: &Directory, role: Role, setting: TlsSetting) -> Self {
        let root = env!("CARGO_MANIFEST_DIR");
        let mut child = Command::new(format!("{root}/.ci/python"))
            .arg(format!("{root}/tests/qio/layer/tls/delivery_peer.py"))
            .arg(directory.path())
            .args([format!("{role:?}"), format!("{:?}", setting.version)])
            .arg(setting.resumes.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it runs");
        Self {
            input: child.stdin.take().expect("a pipe"),
            output: BufReader::new(child.stdout.take().expect("a pipe")),
            child,
        }
    }

    fn begin(&mut self, port: u16, plan: Plan) {
        let Plan {
            direction,
            ending,
            size,
        } = plan;
        writeln!(self.input, "{port} {direction:?} {ending:?} {size}").expect("written");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    fn outcome(&mut self) -> Outcome {
        let line = self.line();
        let (received, end) = line.split_once(' ').expect("two words");
        Outcome {
            received: received.parse().expect("a number"),
            end: match end {
                "not read" => End::NotRead,
                "clean" => End::Clean,
                text => End::of(text),
            },
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Python {
    pub(super) fn new(setting: TlsSetting) -> Self {
        let directory = Directory::of_server(&fixtures::authority().pem, fixtures::server_cert());
        let process = |role| Mutex::new(Process::start(&directory, role, setting));
        Self {
            client: process(Role::Client),
            server: process(Role::Server),
            _directory: directory,
        }
    }
}

impl Implementation for Python {
    fn name(&self) -> &'static str {
        "Python"
    }

    fn connect(&self, port: u16, plan: Plan) -> Outcome {
        let mut client = self.client.lock().expect("whole");
        client.begin(port, plan);
        client.outcome()
    }

    fn serve(&self, plan: Plan) -> (u16, Serving<'_>) {
        let mut server = self.server.lock().expect("whole");
        server.begin(0, plan);
        let port = server.line().parse().expect("a port");
        let serving = move || self.server.lock().expect("whole").outcome();
        (port, Box::new(serving))
    }
}
