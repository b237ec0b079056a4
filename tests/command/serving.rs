//! How many clients are served, and until when.

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    process::Command,
    thread,
    time::Duration,
};

use nix::sys::signal::Signal;

use crate::{
    connect_unix,
    pki::Pki,
    process::{Running, qio, relay, start, start_with, usage_error},
    rest,
    tls::{held, server},
};

fn echo_of(client: &mut UnixStream) {
    client.write_all(b"x").expect("connected");
    let mut echo = [0];
    client.read_exact(&mut echo).expect("the echo");
    assert_eq!(&echo, b"x");
}

/// A server with a limit of descriptors, which serves with `cat`, and its path.
fn limited(descriptors: usize, options: &str, path: &str) -> Running {
    let script = format!(
        "ulimit -n {descriptors}; exec \"$0\" relay -v --fork {options} unix-listen:{path} exec:cat"
    );
    Running::new(Command::new("sh").args(["-c", &script]).arg(qio()))
}

#[test]
fn no_more_clients_are_served_at_a_time_than_are_allowed() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("socket");
    let first = format!("unix-listen:{}", path.display());
    let mut server = start(["-v", "--fork", "--max-clients=1", &first, "exec:cat"]);
    server.wait_for_log("listening on unix:");
    let mut one = connect_unix(&path);
    echo_of(&mut one);
    let mut other = connect_unix(&path);
    other.write_all(b"y").expect("it waits");
    let limit = Some(Duration::from_millis(200));
    other.set_read_timeout(limit).expect("set");
    let e = other.read(&mut [0]).expect_err("it is not served");
    assert_eq!(e.kind(), ErrorKind::WouldBlock);
    echo_of(&mut one);
    drop(one);
    other.set_read_timeout(None).expect("set");
    other.read_exact(&mut [0]).expect("now it is");
    server.signal(Signal::SIGINT);
    server.success();
}

#[test]
fn every_client_that_is_accepted_gets_its_second_end() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("socket");
    let mut server = limited(48, "", path.to_str().expect("text"));
    server.wait_for_log("listening on unix:");
    thread::scope(|scope| {
        for number in 0..30 {
            let path = &path;
            scope.spawn(move || {
                let mut client = connect_unix(path);
                let text = format!("client {number}");
                client.write_all(text.as_bytes()).expect("connected");
                client.shutdown(Shutdown::Write).expect("connected");
                assert_eq!(rest(client), text.as_bytes());
            });
        }
    });
    server.signal(Signal::SIGTERM);
    let ended = server.end();
    assert!(!ended.errors.contains("Too many"), "{}", ended.errors);
}

#[test]
fn more_clients_than_there_are_descriptors_for_are_an_error() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("socket");
    let server = limited(64, "--max-clients=100", path.to_str().expect("text"));
    let errors = server.end().errors;
    let expected = "qio: Unable to serve 100 clients: the limit of 64 descriptors is enough for ";
    assert!(errors.contains(expected), "{errors}");
    assert!(!path.exists());
}

#[test]
fn clients_of_a_websocket_take_fewer_descriptors_as_no_pipe_moves_their_data() {
    let most = |first: &str| -> u32 {
        let script = format!(
            "ulimit -n 64; exec \"$0\" relay --fork --max-clients=100 {first} tcp:127.0.0.1:1"
        );
        let errors = Running::new(Command::new("sh").args(["-c", &script]).arg(qio()))
            .end()
            .errors;
        let number = errors.trim_end().rsplit(' ').next().expect("a word");
        number.parse().unwrap_or_else(|_| panic!("{errors}"))
    };
    let (plain, layered) = (
        most("tcp-listen:127.0.0.1:0"),
        most("ws-listen:127.0.0.1:0"),
    );
    assert!(layered >= 2 * plain, "{layered} {plain}");
}

/// A server whose soft limit of descriptors is lower than the hard one.
fn with_soft_limit(soft: usize, options: &str, path: &str, second: &str) -> Running {
    let script = format!(
        "ulimit -Sn {soft}; \
         exec \"$0\" relay -v --fork {options} unix-listen:{path} \"$1\""
    );
    let mut server = Running::new(
        Command::new("sh")
            .args(["-c", &script])
            .arg(qio())
            .arg(second),
    );
    server.wait_for_log("listening on unix:");
    server
}

/// The soft and the hard limit of descriptors of a process.
fn limits_of(server: &Running) -> (String, String) {
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.pid()));
    let limits = limits.expect("it runs");
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let mut words = line.expect("a limit").split_whitespace().skip(3);
    let mut word = || words.next().expect("a number").to_owned();
    (word(), word())
}

#[test]
fn the_soft_limit_of_descriptors_is_raised_and_commands_get_the_original_one() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("socket");
    let text = path.to_str().expect("text");
    let command = "exec:sh -c 'read x; ulimit -Sn; ulimit -Hn; cat'";
    for (options, is_raised) in [("--max-clients=100", true), ("", false)] {
        let server = with_soft_limit(64, options, text, command);
        let mut client = connect_unix(&path);
        let mut all = client.try_clone().expect("a socket");
        client.write_all(b"go\n").expect("connected");
        client.shutdown(Shutdown::Write).expect("connected");
        let mut limits = String::new();
        all.read_to_string(&mut limits).expect("text");
        let (soft, hard) = limits_of(&server);
        assert_eq!(soft == hard, is_raised, "{soft} {hard}");
        assert_eq!(limits, format!("64\n{hard}\n"));
        server.signal(Signal::SIGTERM);
        server.success();
    }
    // More at the same time than the original limit is enough for.
    let service = folder.path().join("service");
    let listens = format!("unix-listen:{}", service.display());
    let mut echo = start(["-v", "--fork", "--max-clients=50", &listens, "exec:cat"]);
    echo.wait_for_log("listening on unix:");
    let server = with_soft_limit(48, "", text, &format!("unix:{}", service.display()));
    let mut clients: Vec<_> = (0..30).map(|_| connect_unix(&path)).collect();
    clients.iter_mut().for_each(echo_of);
    drop(clients);
    server.signal(Signal::SIGTERM);
    server.success();
}

#[test]
fn a_file_is_not_moved_to_itself() {
    let folder = tempfile::tempdir().expect("a directory");
    let (file, link) = (folder.path().join("file"), folder.path().join("link"));
    fs::write(&file, "kept").expect("written");
    fs::hard_link(&file, &link).expect("linked");
    let (one, other) = (
        format!("file:{}", file.display()),
        format!("file:{}", link.display()),
    );
    for arguments in [
        &["-a", &one, &one][..],
        &["-a", &one, &other],
        &[&other, &one],
    ] {
        let errors = usage_error(arguments);
        assert!(errors.contains("are the same file"), "{errors}");
        assert_eq!(fs::read(&file).expect("there"), b"kept");
    }
    let open = OpenOptions::new().append(true).open(&file).expect("there");
    let script = format!("exec \"$0\" relay {one} fd:1");
    let mut command = Command::new("sh");
    let command = command.args(["-c", &script]).arg(qio()).stdout(open);
    let output = command
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("sh");
    let output = output.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(fs::read(&file).expect("there"), b"kept");
    // Another file is another one.
    let copy = format!("file:{}", folder.path().join("copy").display());
    start([&one, &copy]).success();
}

#[test]
fn sigterm_stops_accepting_and_completes_the_sessions() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("socket");
    let first = format!("unix-listen:{}", path.display());
    let mut relay = start(["-v", "--fork", &first, "exec:cat"]);
    relay.wait_for_log("listening on unix:");
    let mut client = connect_unix(&path);
    echo_of(&mut client);
    relay.signal(Signal::SIGTERM);
    relay.wait_for_log("served to the end");
    UnixStream::connect(&path).expect_err("no more");
    assert!(!path.exists());
    echo_of(&mut client);
    client.shutdown(Shutdown::Write).expect("connected");
    assert_eq!(rest(client), b"");
    relay.success();
}

#[test]
fn sessions_that_take_longer_than_the_drain_timeout_are_closed() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("socket");
    let first = format!("unix-listen:{}", path.display());
    for threads in ["--threads=1", "--threads=2"] {
        let options = ["-v", "--fork", "--drain-timeout=0.3", threads];
        let mut relay = start([&options[..], &[&first, "exec:cat"]].concat());
        relay.wait_for_log("listening on unix:");
        let mut clients: Vec<_> = (0..3).map(|_| connect_unix(&path)).collect();
        clients.iter_mut().for_each(echo_of);
        relay.signal(Signal::SIGTERM);
        relay.wait_for_log("3 clients are served to the end");
        clients.pop();
        relay.wait_for_log("the sessions of 2 clients were closed after 300ms");
        relay.success();
        for client in clients {
            assert_eq!(rest(client), b"");
        }
    }
}

#[test]
fn sighup_reads_the_files_for_tls_again() {
    let (old, new) = (Pki::new(), Pki::new());
    let (mut server, address) = server(&[old.directory()], "tls-listen:127.0.0.1:0", "exec:cat");
    let [ca_of_old, ca_of_new] = [&old, &new].map(|pki| pki.option("ca", "ca-cert.pem"));
    let kept = new.file("old-ca.pem");
    fs::copy(old.file("ca-cert.pem"), &kept).expect("copied");
    let echo = |ca: &str| start_with([ca, "stdio", &address], b"echo");
    assert_eq!(echo(&ca_of_old).success(), b"echo");
    echo(&ca_of_new).failure(1);
    let (mut open, mut input) = held(relay().args([&ca_of_old, "stdio", &address]));
    input.write_all(b"before\n").expect("connected");
    assert_eq!(open.until("\n"), "before");

    // What cannot be read changes nothing.
    let certificate = fs::read(old.file("server-cert.pem")).expect("there");
    fs::write(old.file("server-cert.pem"), "damaged").expect("written");
    server.signal(Signal::SIGHUP);
    server.wait_for_log("nothing was changed");
    assert_eq!(echo(&ca_of_old).success(), b"echo");
    fs::write(old.file("server-cert.pem"), certificate).expect("written");

    for name in ["ca-cert.pem", "server-cert.pem", "server-key.pem"] {
        fs::copy(new.file(name), old.file(name)).expect("copied");
    }
    server.signal(Signal::SIGHUP);
    server.wait_for_log("were read again");
    assert_eq!(echo(&ca_of_new).success(), b"echo");
    echo(&format!("--tls-ca={kept}")).failure(1);
    // The session from before is the same.
    input.write_all(b"after\n").expect("connected");
    assert_eq!(open.until("\n"), "after");
    drop(input);
    open.success();
    server.signal(Signal::SIGINT);
    server.success();
}

#[test]
fn an_idle_server_ends_after_a_while_and_not_while_it_has_a_client() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("socket");
    let first = format!("unix-listen:{}", path.display());
    let mut server = start(["-v", "--fork", "--exit-idle=0.3", &first, "exec:cat"]);
    server.wait_for_log("listening on unix:");
    let mut client = connect_unix(&path);
    echo_of(&mut client);
    // Longer than that.
    let limit = Some(Duration::from_millis(600));
    client.set_read_timeout(limit).expect("set");
    let e = client.read(&mut [0]).expect_err("it is served");
    assert_eq!(e.kind(), ErrorKind::WouldBlock);
    echo_of(&mut client);
    drop(client);
    server.wait_for_log("there was no client for a while");
    server.success();
    assert!(!path.exists());
}
