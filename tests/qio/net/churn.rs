//! Very many clients.

use std::{
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::sys::resource::{Resource, setrlimit};
use qio::NetListener;

use super::*;
use crate::common::{alone::alone, fds, in_loop, iterate_until, memory::resident, settle};

/// Clients that connect, all at once or as soon as descriptors are free, and then read one byte
/// each.
fn clients(path: &Path, count: usize) -> Child {
    let program = "import socket, sys\n\
         clients = []\n\
         for _ in range(int(sys.argv[2])):\n    \
             client = socket.socket(socket.AF_UNIX)\n    \
             client.connect(sys.argv[1])\n    \
             clients.append(client)\n\
         sys.exit(any(client.recv(1) != b'!' for client in clients))\n";
    Command::new("python3")
        .args(["-c", program])
        .arg(path)
        .arg(count.to_string())
        .stdin(Stdio::null())
        .spawn()
        .expect("python3")
}

/// Serves `processes` times 500 clients with no more than `descriptors`: holds them until no more
/// can be accepted, then serves all it holds. Returns how often that happened.
fn serve_clients(processes: usize, descriptors: u64) -> usize {
    const EACH: usize = 500;
    let total = processes * EACH;
    in_loop(move |context| {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("socket");
        let listener = NetListener::new();
        listener.open_sync(&unix(&path), 4096).expect("listens");
        let (accepted, errors) = (Accepted::default(), errors_of(&listener));
        listener.set_client_func_full(accepted.client_func(), Some(context));
        let children: Vec<_> = (0..processes).map(|_| clients(&path, EACH)).collect();
        setrlimit(Resource::RLIMIT_NOFILE, descriptors, descriptors).expect("lowered");
        let (mut served, mut shortages, mut seen) = (0, 0, 0);
        iterate_until(context, || {
            let reported = errors.load(Ordering::Relaxed);
            let held = accepted.count();
            if (reported != seen && held > 0) || served + held == total {
                shortages += usize::from(reported != seen);
                for client in accepted.take() {
                    client.write_all(b"!").expect("it waits");
                    served += 1;
                }
            }
            seen = reported;
            served == total
        });
        for mut clients in children {
            assert!(clients.wait().expect("it ends").success());
        }
        // And it is as ready as before.
        settle(context);
        assert_eq!(listener.clients(), 0);
        let _late = connect(&listener);
        iterate_until(context, || accepted.count() == 1);
        shortages
    })
}

#[test]
fn more_clients_than_descriptors_are_all_served_in_spite_of_emfile() {
    needs!("python3");
    alone(
        "net::churn::more_clients_than_descriptors_are_all_served_in_spite_of_emfile",
        || {
            let shortages = serve_clients(1, 100);
            assert!(shortages >= 4, "{shortages}");
        },
    );
}

#[test]
#[ignore = "takes a while: `make soak`"]
fn ten_thousand_clients_are_served_with_a_thousand_descriptors() {
    needs!("python3");
    const NAME: &str = "net::churn::ten_thousand_clients_are_served_with_a_thousand_descriptors";
    alone_with_figures(NAME, || {
        let begin = Instant::now();
        let shortages = serve_clients(20, 1024);
        assert!(shortages >= 9, "{shortages}");
        report_figures(&format!(
            "10,000 clients with 1,024 descriptors: {shortages} shortages, {:.1?}",
            begin.elapsed()
        ));
    });
}

/// Clients that connect, get an echo and disconnect, so many in a second.
fn visit(address: &gio::SocketAddress, count: u32, rate: u32) {
    let begin = Instant::now();
    for i in 0..count {
        let client = connect_to(address);
        client.write_all(b"ping").expect("written");
        let mut word = [0; 4];
        client.read_all(&mut word).expect("read");
        assert_eq!(&word, b"ping");
        // The other end gets end-of-file and closes first: no port stays in TIME_WAIT here.
        client.shutdown(qio::Shutdown::Write).expect("shut down");
        assert_eq!(client.read(&mut word).expect("the end"), 0);
        let due = begin + Duration::from_secs(1) * i / rate;
        // This is the rate, and waits for nothing.
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}

async fn echo(client: ChannelSocket) -> io::Result<()> {
    let mut word = [0; 4];
    while client.read_all_eof_future(&mut word).await? {
        client.write_all_future(&word).await?;
    }
    let linger = nix::libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    client.shutdown(qio::Shutdown::Write)?;
    client.with_fd(|fd| {
        nix::sys::socket::setsockopt(&fd, nix::sys::socket::sockopt::Linger, &linger)
    })??;
    Ok(())
}

/// So many rounds of visits at a rate. Returns the descriptors and the KiB after each.
fn rounds_of_visits(rounds: usize, count: u32, rate: u32) -> Vec<(usize, usize)> {
    in_loop_for_long(move |context| {
        let listener = listening();
        let ended = Arc::new(AtomicUsize::new(0));
        let counted = ended.clone();
        let func = move |_: &NetListener, client: ChannelSocket| {
            let counted = counted.clone();
            drop(qio::spawn_local(async move {
                echo(client).await.expect("the visitor behaves");
                counted.fetch_add(1, Ordering::Relaxed);
            }));
        };
        listener.set_client_func_full(func, Some(context));
        let address = listener.local_addresses()[0].clone();
        let mut figures = Vec::new();
        for round in 1..=rounds {
            let address = address.clone();
            let visitor = thread::spawn(move || visit(&address, count, rate));
            iterate_until(context, || {
                visitor.is_finished() && ended.load(Ordering::Relaxed) == round * count as usize
            });
            visitor.join().expect("no panic");
            assert_eq!(listener.clients(), 0);
            figures.push((fds::count(), resident() / 1024));
        }
        figures
    })
}

/// As `in_loop`, in a test that takes its time.
fn in_loop_for_long<T>(body: impl FnOnce(&glib::MainContext) -> T) -> T {
    let context = glib::MainContext::new();
    let result = context.with_thread_default(|| body(&context));
    result.expect("no other thread has acquired this context")
}

/// Neither descriptors nor memory grow after the first round.
#[track_caller]
fn is_flat(figures: &[(usize, usize)]) {
    let (first, last) = (figures[0], figures[figures.len() - 1]);
    assert!(
        figures.iter().all(|(fds, _)| *fds == first.0),
        "{figures:?}"
    );
    assert!(last.1 < first.1 + 1024, "{figures:?}");
}

#[test]
fn clients_that_connect_and_disconnect_leave_nothing() {
    needs!("python3");
    alone(
        "net::churn::clients_that_connect_and_disconnect_leave_nothing",
        || {
            is_flat(&rounds_of_visits(3, 500, 5_000));
        },
    );
}

#[test]
#[ignore = "takes half a minute: `make soak`"]
fn a_thousand_clients_a_second_leave_nothing_in_half_a_minute() {
    needs!("python3");
    const NAME: &str = "net::churn::a_thousand_clients_a_second_leave_nothing_in_half_a_minute";
    alone_with_figures(NAME, || {
        let figures = rounds_of_visits(6, 5_000, 1_000);
        report_figures(&format!(
            "1,000 connections a second for 30 s, descriptors and KiB every 5 s: {figures:?}"
        ));
        is_flat(&figures);
    });
}
