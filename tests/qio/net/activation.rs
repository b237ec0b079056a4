//! Sockets that a service manager has opened: `systemd-socket-activate` starts this program again.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read},
    net::TcpStream,
    os::unix::{net::UnixStream, process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
};

use qio::{NetListener, activation};

use super::*;
use crate::common::{
    alone::{is_alone, rerun},
    fds, fork, in_time,
};

/// A free port. Another process may bind it before it is used, but no test here binds a port by
/// its number.
fn free_port() -> u16 {
    port_of(&listening().local_addresses()[0])
}

/// `systemd-socket-activate` with some sockets, which starts the test `name` when a client
/// connects.
struct Manager(Child);

impl Manager {
    fn start(name: &str, addresses: &[&str], options: &[&str]) -> Self {
        let mut command = Command::new("systemd-socket-activate");
        for address in addresses {
            command.args(["-l", address]);
        }
        let this = env::current_exe().expect("this program");
        command
            .args(options)
            // It passes no other variables on.
            .args(["-E", "QIO_TEST_ALONE=1"])
            .arg(this)
            .args(["--exact", name, "--nocapture", "--test-threads=1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .expect("systemd-socket-activate: `make test` installs it");
        // It logs each listening socket.
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        for _ in addresses {
            let line = lines
                .next()
                .expect("a line for each address")
                .expect("text");
            assert!(line.contains("Listening on"), "{line}");
        }
        // And continue to read its log.
        std::thread::spawn(move || {
            lines
                .map_while(Result::ok)
                .for_each(|line| eprintln!("{line}"));
        });
        Self(child)
    }

    /// What the program printed, which has to end well.
    #[track_caller]
    fn output(mut self) -> String {
        let mut stdout = self.0.stdout.take().expect("piped");
        let output = in_time(move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).expect("text");
            text
        });
        let status = self.0.wait().expect("it ends");
        assert!(status.success(), "{status}: {output}");
        assert!(output.contains("1 passed"), "{output}");
        output
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        // Of a test that failed; it is no error if it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn systemd_passes_its_sockets_with_their_names() {
    needs!("systemd");
    const NAME: &str = "net::activation::systemd_passes_its_sockets_with_their_names";
    if is_alone() {
        return serve_by_name();
    }
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    let (tcp, unix) = (
        format!("127.0.0.1:{}", free_port()),
        path.display().to_string(),
    );
    let manager = Manager::start(NAME, &[&tcp, &unix], &["--fdname=web:control"]);
    let greet = |mut stream: Box<dyn Read>| {
        let mut greeting = String::new();
        stream.read_to_string(&mut greeting).expect("greeted");
        greeting
    };
    let web = Box::new(TcpStream::connect(tcp).expect("connects"));
    let control = Box::new(UnixStream::connect(&path).expect("connects"));
    assert_eq!(in_time(move || greet(web)), "web");
    assert_eq!(in_time(move || greet(control)), "control");
    manager.output();
    assert!(path.exists(), "it is the manager's");
}

/// What the program does that was started: serves one client of each socket.
fn serve_by_name() {
    let control = NetListener::new();
    assert_eq!(control.open_activated(Some("control")).expect("sockets"), 1);
    // A forked child gets none, and has no copy of those that were not taken.
    let listening = || {
        fds::all()
            .iter()
            .filter(|it| it.starts_with("socket:"))
            .count()
    };
    let before = listening();
    fork::in_child(|| {
        assert_eq!(listening(), before - 1);
        assert!(activation::sockets().expect("none").is_empty());
    });
    let rest = activation::sockets().expect("sockets");
    assert_eq!(rest.len(), 1);
    let (name, web) = &rest[0];
    assert_eq!((name.as_str(), web.name().as_deref()), ("web", Some("web")));
    assert!(web.with_fd(fds::is_cloexec).expect("open"));
    assert!(activation::sockets().expect("none left").is_empty());
    assert_eq!(
        NetListener::new().open_activated(None).expect("none left"),
        0
    );

    let listener = NetListener::new();
    listener.add(web).expect("it listens");
    listener
        .wait_client()
        .expect("a client")
        .write_all(b"web")
        .expect("written");
    control
        .wait_client()
        .expect("a client")
        .write_all(b"control")
        .expect("written");

    // A program that is started gets nothing.
    let names = "for fd in /proc/self/fd/*; do readlink $fd; done";
    let child = Command::new("sh").args(["-c", names]).output().expect("sh");
    let child = String::from_utf8_lossy(&child.stdout);
    assert!(!child.contains("socket:"), "{child}");
}

/// Starts the test again with descriptors from 3 on, and the variables. What is not `{pid}` stays.
#[track_caller]
fn rerun_with(name: &str, variables: &[(&str, &str)], files: &[&Path]) -> String {
    let this = env::current_exe().expect("this program");
    let redirections: String = files
        .iter()
        .enumerate()
        .map(|(i, file)| format!(" {}<{}", i + 3, file.display()))
        .collect();
    let settings: String = variables
        .iter()
        .map(|(variable, value)| format!("export {variable}={value}; "))
        .collect();
    let settings = settings.replace("{pid}", "$$");
    let script =
        format!("{settings} exec \"$0\" --exact {name} --nocapture --test-threads=1{redirections}");
    let output = Command::new("sh")
        .arg0("sh")
        .args(["-c", &script])
        .arg(this)
        .env("QIO_TEST_ALONE", "1")
        .output()
        .expect("sh");
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
    text
}

#[test]
fn a_descriptor_that_is_not_a_listening_socket_is_reported_and_left_open() {
    const NAME: &str =
        "net::activation::a_descriptor_that_is_not_a_listening_socket_is_reported_and_left_open";
    if is_alone() {
        for _ in 0..2 {
            let e = activation::sockets().expect_err("a file");
            println!("result: {e}");
        }
        // It is still open.
        fs::read_link("/proc/self/fd/3").expect("left alone");
        return;
    }
    let (pid, one) = (("LISTEN_PID", "{pid}"), ("LISTEN_FDS", "1"));
    let null = Path::new("/dev/null");
    let text = rerun_with(NAME, &[pid, one], &[null]);
    let expected = "result: fd 3 of LISTEN_FDS is not a socket that listens";
    assert_eq!(text.matches(expected).count(), 2, "{text}");
}

#[test]
fn a_descriptor_that_is_close_on_exec_was_not_passed() {
    const NAME: &str = "net::activation::a_descriptor_that_is_close_on_exec_was_not_passed";
    if is_alone() {
        // The number is that of a socket which this program has opened itself.
        let own = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
        let e = activation::sockets().expect_err("it is not the manager's");
        println!("message: {e}");
        own.local_addr().expect("it is still open");
        return;
    }
    let (pid, one) = (("LISTEN_PID", "{pid}"), ("LISTEN_FDS", "1"));
    let text = rerun_with(NAME, &[pid, one], &[]);
    let message = "message: fd 3 of LISTEN_FDS is close-on-exec: it was not passed to this process";
    assert!(text.contains(message), "{text}");
}

#[test]
fn malformed_listen_fds_variables_are_reported() {
    const NAME: &str = "net::activation::malformed_listen_fds_variables_are_reported";
    if is_alone() {
        match NetListener::new().open_activated(None) {
            Ok(count) => println!("result: {count}"),
            Err(e) => println!("result: {e}"),
        }
        return;
    }
    let null = Path::new("/dev/null");
    let pid = ("LISTEN_PID", "{pid}");
    let cases: [(&[_], &str); 6] = [
        (
            &[pid, ("LISTEN_FDS", "x")],
            "LISTEN_FDS is \"x\", not a valid number",
        ),
        (
            &[pid, ("LISTEN_FDS", "-1")],
            "LISTEN_FDS is \"-1\", not a valid number",
        ),
        (
            &[pid, ("LISTEN_FDS", "4294967295")],
            "LISTEN_FDS is \"4294967295\", not a valid number",
        ),
        (
            &[("LISTEN_PID", "me"), ("LISTEN_FDS", "1")],
            "LISTEN_PID is \"me\", not a valid number",
        ),
        // For another process, and for no process.
        (&[("LISTEN_PID", "1"), ("LISTEN_FDS", "1")], "0\n"),
        (&[pid], "0\n"),
    ];
    for (variables, expected) in cases {
        let text = rerun_with(NAME, variables, &[null]);
        assert!(text.contains(&format!("result: {expected}")), "{text}");
    }
}

#[test]
fn a_descriptor_that_is_not_open_is_reported() {
    const NAME: &str = "net::activation::a_descriptor_that_is_not_open_is_reported";
    if is_alone() {
        println!("result: {}", activation::sockets().expect_err("not open"));
        return;
    }
    let variables = [("LISTEN_PID", "{pid}"), ("LISTEN_FDS", "500")];
    let text = rerun_with(NAME, &variables, &[]);
    let is_reported = ["is not open", "is not a socket that listens"]
        .iter()
        .any(|what| text.contains(what));
    assert!(
        is_reported && text.contains("result: fd 3 of LISTEN_FDS"),
        "{text}"
    );
}

#[test]
#[allow(unsafe_code)] // Only one thread reads the environment.
fn the_environment_can_be_cleared() {
    const NAME: &str = "net::activation::the_environment_can_be_cleared";
    if !is_alone() {
        let output = rerun(NAME, |command| {
            command.env("LISTEN_PID", "1").env("LISTEN_FDNAMES", "x")
        });
        assert!(output.status.success());
        return;
    }
    // SAFETY: see above.
    unsafe { activation::unset_environment() };
    for variable in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] {
        assert_eq!(env::var_os(variable), None);
    }
}
