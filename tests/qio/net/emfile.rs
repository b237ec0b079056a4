//! Resource exhaustion (`EMFILE`). Each test lowers the limit of a separate process.

use std::{
    process::Command,
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::resource::{Resource, getrlimit, setrlimit},
    time::{ClockId, clock_gettime},
};
use qio::NetListener;

use super::*;
use crate::common::{
    TIMEOUT,
    alone::{alone, is_alone, rerun},
    fds, in_loop, in_time, iterate_until,
};

/// Lets this process have so many more descriptors than it has.
fn allow_more(count: usize) {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a known limit");
    // The lowest number that is free is the next one.
    let next = std::fs::File::open("/dev/null").expect("one is free");
    let next = std::os::fd::AsRawFd::as_raw_fd(&next) as u64;
    setrlimit(Resource::RLIMIT_NOFILE, next + count as u64, hard).expect("lowered");
}

fn allow_all() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a known limit");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("not above");
}

/// The processor's time that this process has taken.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)
        .expect("a clock")
        .into()
}

/// Clients in another process, which has descriptors enough: they connect, and stay.
struct Clients(std::process::Child);

impl Clients {
    fn new(listener: &NetListener, count: usize) -> Self {
        let port = port_of(&listener.local_addresses()[0]);
        let program = "import socket, sys\n\
             port, count = int(sys.argv[1]), int(sys.argv[2])\n\
             clients = [socket.create_connection(('127.0.0.1', port)) for _ in range(count)]\n\
             print('here', flush=True)\n\
             sys.stdin.read()\n";
        let mut child = Command::new("python3")
            .args(["-c", program, &port.to_string(), &count.to_string()])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("python3");
        let mut here = [0; 5];
        let stdout = child.stdout.as_mut().expect("piped");
        std::io::Read::read_exact(stdout, &mut here).expect("they connect");
        drop(child.stdout.take());
        Self(child)
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().expect("it ends");
    }
}

#[test]
fn a_callback_pauses_at_emfile_without_spinning_and_continues() {
    needs!("python3");
    alone(
        "net::emfile::a_callback_pauses_at_emfile_without_spinning_and_continues",
        || {
            in_loop(|context| {
                let listener = listening();
                let (accepted, errors) = (Accepted::default(), errors_of(&listener));
                listener.set_client_func_full(accepted.client_func(), Some(context));
                let _clients = Clients::new(&listener, 100);
                allow_more(40);
                iterate_until(context, || errors.load(Ordering::Relaxed) > 0);
                let count = accepted.count();
                assert!((30..=40).contains(&count), "{count}");

                // accept(2) is retried seldom: the back-off grows.
                let (begin, before) = (Instant::now(), cpu_time());
                let mut iterations = 0;
                iterate_until(context, || {
                    iterations += 1;
                    begin.elapsed() > Duration::from_millis(1500)
                });
                let (tries, cpu) = (errors.load(Ordering::Relaxed), cpu_time() - before);
                assert!((5..=10).contains(&tries), "{tries} tries");
                assert!(cpu < Duration::from_millis(300), "{cpu:?}");
                assert_eq!(accepted.count(), count);

                // A client that disconnects frees a descriptor at once, long before the next retry.
                let begin = Instant::now();
                drop(accepted.0.lock().expect("no panic").pop());
                iterate_until(context, || accepted.count() == count);
                assert!(
                    begin.elapsed() < Duration::from_millis(500),
                    "{:?}",
                    begin.elapsed()
                );

                // What gets free elsewhere is found within a second.
                allow_all();
                let begin = Instant::now();
                iterate_until(context, || accepted.count() == 99);
                assert!(
                    begin.elapsed() < Duration::from_millis(1500),
                    "{:?}",
                    begin.elapsed()
                );
            });
        },
    );
}

#[test]
fn a_future_waits_at_emfile() {
    needs!("python3");
    alone("net::emfile::a_future_waits_at_emfile", || {
        in_loop(|context| {
            let listener = listening();
            let errors = errors_of(&listener);
            // The hub is there before they get short.
            context.block_on(async { qio::spawn_local(async {}).await.expect("no panic") });
            let client = connect(&listener);
            let future =
                qio::spawn_local_in(context, glib::Priority::DEFAULT, listener.accept_future());
            allow_more(0);
            iterate_until(context, || errors.load(Ordering::Relaxed) > 3);
            assert!(!future.is_finished());
            allow_all();
            iterate_until(context, || future.is_finished());
            let server = futures_util::FutureExt::now_or_never(future).expect("finished");
            is_connection(&client, &server.expect("no panic").expect("a client"));
        });
    });
}

#[test]
fn a_blocked_thread_waits_at_emfile_even_for_its_own_descriptors() {
    needs!("python3");
    alone(
        "net::emfile::a_blocked_thread_waits_at_emfile_even_for_its_own_descriptors",
        || {
            let listener = listening();
            let errors = errors_of(&listener);
            let client = connect(&listener);
            allow_more(0);
            let waiting = listener.clone();
            // A thread that has never waited has no descriptor to be woken by.
            let thread = thread::spawn(move || waiting.wait_client());
            let before = cpu_time();
            in_time(move || {
                while errors.load(Ordering::Relaxed) < 6 {
                    thread::yield_now();
                }
            });
            assert!(!thread.is_finished());
            allow_all();
            let server = in_time(move || thread.join().expect("no panic")).expect("a client");
            is_connection(&client, &server);
            assert!(cpu_time() - before < TIMEOUT);

            allow_more(0);
            let waiting = listener.clone();
            let thread = thread::spawn(move || waiting.wait_client());
            listener.disconnect();
            in_time(move || thread.join().expect("no panic")).expect_err("disconnected");
        },
    );
}

#[test]
fn emfile_is_logged_once_and_signalled_every_time() {
    needs!("python3");
    const NAME: &str = "net::emfile::emfile_is_logged_once_and_signalled_every_time";
    if !is_alone() {
        let output = rerun(NAME, |command| command);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}");
        let warnings = text.matches("WARNING").count();
        assert_eq!(warnings, 1, "{text}");
        let expected =
            "Unable to accept a connection on QIONetListener \"service\": Too many open files";
        assert!(text.contains(expected), "{text}");
        return;
    }
    in_loop(|context| {
        let listener = listening();
        listener.set_name(Some("service"));
        let (sender, errors) = std::sync::mpsc::channel();
        let sender = Mutex::new(sender);
        listener.connect_accept_error(move |listener, e| {
            let sender = sender.lock().expect("no panic");
            sender.send((listener.name(), e.clone())).expect("awaited");
        });
        let accepted = Accepted::default();
        listener.set_client_func_full(accepted.client_func(), Some(context));
        let _client = connect(&listener);
        allow_more(0);
        let mut reported = 0;
        iterate_until(context, || {
            if let Ok((name, e)) = errors.try_recv() {
                reported += 1;
                assert_eq!(name.as_deref(), Some("service"));
                assert!(e.matches(gio::IOErrorEnum::TooManyOpenFiles), "{e}");
            }
            reported == 4
        });
        allow_all();
        iterate_until(context, || accepted.count() == 1);
    });
}

#[test]
fn connections_aborted_in_the_backlog_do_not_stop_the_listener() {
    needs!("python3");
    alone(
        "net::emfile::connections_aborted_in_the_backlog_do_not_stop_the_listener",
        || {
            in_loop(|context| {
                // What is made once for the context and the process stays.
                among_the_gone(context);
                let before = fds::count();
                among_the_gone(context);
                assert_eq!(fds::count(), before);
            });
        },
    );
}

/// Serves one client behind many aborted connections in the backlog.
fn among_the_gone(context: &glib::MainContext) {
    let listener = listening();
    let accepted = Accepted::default();
    (0..50).for_each(|_| reset(connect(&listener)));
    let alive = connect(&listener);
    let port = port_of(&alive.local_address().expect("open"));
    listener.set_client_func_full(accepted.client_func(), Some(context));
    let mut ends = Vec::new();
    let is_mine = |end: &ChannelSocket| {
        let remote = end.remote_address();
        remote.is_ok_and(|remote| port_of(&remote) == port)
    };
    iterate_until(context, || {
        ends.extend(accepted.take());
        ends.last().is_some_and(is_mine)
    });
    is_connection(&alive, ends.last().expect("one"));
    listener.disconnect();
}

/// Ends a connection as a peer does that crashes: by a reset.
fn reset(client: ChannelSocket) {
    let end = client.with_fd(|fd| fd.try_clone_to_owned()).expect("open");
    drop(client);
    let end = std::net::TcpStream::from(end.expect("a duplicate"));
    let linger = nix::libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    nix::sys::socket::setsockopt(&end, nix::sys::socket::sockopt::Linger, &linger).expect("set");
}
