//! Relays whose ends fail: the error is returned at once, with both counts, and no data is lost
//! that is still there.

use std::{
    io::{ErrorKind, Read},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use gio::prelude::*;
use nix::sys::socket::{setsockopt, sockopt};
use qio::{
    Channel, ChannelCommand, ChannelSocket, RelayCounters, Shutdown, TransferError, prelude::*,
};

use super::fixtures::{pattern, rest, tcp_pair};
use crate::{
    common::{
        alone::{alone, is_alone, rerun},
        in_loop, in_time, iterate_until, on_loop,
    },
    skip::skip,
};

/// Closes a connection as one that has failed.
fn reset(client: ChannelSocket) {
    let linger = nix::libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    client
        .with_fd(|fd| setsockopt(&fd, sockopt::Linger, &linger))
        .expect("open")
        .expect("TCP");
    client.close().expect("closed");
}

#[test]
fn a_reset_ends_both_directions_and_reports_both_counts() {
    in_loop(|context| {
        for by_future in [true, false] {
            let ((a, one), (b, other)) = (tcp_pair(), tcp_pair());
            let counters = RelayCounters::default();
            let seen = counters.clone();
            let resetter = thread::spawn(move || {
                a.write_all(b"some").expect("space");
                b.write_all(b"other").expect("space");
                let mut there = [0; 4];
                b.read_all(&mut there).expect("relayed");
                a.read_all(&mut [0; 5]).expect("relayed");
                while seen.counts().received < 5 || seen.counts().sent < 4 {
                    thread::yield_now();
                }
                reset(a);
                b
            });
            let relay = qio::relay_counted_future(&one, &other, &counters);
            let result = match by_future {
                true => context.block_on(relay),
                false => qio::relay_counted(&one, &other, &counters),
            };
            let e = result.expect_err("reset");
            assert_eq!(e.kind(), ErrorKind::ConnectionReset, "{e}");
            let transfer = TransferError::of(&e).expect("of a transfer");
            assert_eq!((transfer.bytes_sent(), transfer.bytes_received()), (4, 5));
            assert!(transfer.is_truncated(), "reading has failed");
            // The other connection is as it was.
            let b = resetter.join().expect("no panic");
            other.write_all(b"sorry").expect("space");
            other.shutdown(Shutdown::Write).expect("shut down");
            assert_eq!(rest(&b), b"sorry");
        }
    });
}

#[test]
fn data_that_a_peer_sent_before_it_closed_is_delivered() {
    let unix = || ChannelSocket::pair().expect("a socketpair");
    for pair in [unix as fn() -> _, tcp_pair] {
        for by_future in [true, false] {
            let ((a, one), (b, other)) = (pair(), pair());
            let answer = pattern(50_000);
            // The peer answers early, and closes before it has read.
            a.write_all(&[b'q'; 1_000]).expect("space");
            other.write_all(b"unread").expect("space");
            b.write_all(&answer).expect("space");
            b.close().expect("closed");
            in_time(move || {
                let result = match by_future {
                    true => glib::MainContext::new().block_on(qio::relay_future(&one, &other)),
                    false => qio::relay(&one, &other),
                };
                let e = result.expect_err("it has gone");
                let transfer = TransferError::of(&e).expect("of a transfer");
                assert_eq!(transfer.bytes_received(), 50_000, "{e}");
                let mut got = vec![0; 50_000];
                a.read_all(&mut got).expect("delivered");
                assert!(got == answer);
            });
        }
    }
}

#[test]
fn a_blocked_direction_ends_with_the_other_and_loses_nothing() {
    on_loop(|| async {
        // `a` does not read, so that the data of `b` stays pending; then what `a` sends cannot be
        // written.
        let (a, one) = ChannelSocket::pair().expect("a socketpair");
        let script = "head -c 3000000 /dev/zero & exec <&-; wait; exec sleep 60";
        let command = ChannelCommand::builder(["sh", "-c", script]).spawn();
        let command = command.expect("starts");
        let counters = RelayCounters::default();
        let seen = counters.clone();
        let writer = thread::spawn(move || {
            while seen.counts().received == 0 {
                thread::yield_now();
            }
            // The command has closed its input, or is about to.
            while a.write(&[b'x'; 1_000]).is_ok() && seen.counts().sent < 500_000 {
                thread::yield_now();
            }
            a
        });
        let start = Instant::now();
        let relay = qio::relay_counted_future(&one, &command, &counters);
        let e = relay.await.expect_err("the command does not read");
        assert_eq!(e.kind(), ErrorKind::BrokenPipe, "{e}");
        assert!(start.elapsed() < Duration::from_secs(10));
        let back = TransferError::of(&e)
            .expect("of a transfer")
            .bytes_received();
        // What is left of the three million bytes.
        let left = thread::spawn(move || {
            let mut count = 0;
            let mut buf = vec![0; 65_536];
            let mut limit = command.take(3_000_000 - back);
            loop {
                match limit.read(&mut buf).expect("read") {
                    0 => break,
                    more => count += more as u64,
                }
            }
            limit.into_inner().kill().expect("it runs");
            count
        });
        assert_eq!(left.join().expect("no panic"), 3_000_000 - back);
        one.close().expect("closed");
        drop(writer.join().expect("no panic"));
    });
}

#[test]
fn closing_a_channel_ends_the_relay() {
    in_loop(|context| {
        for by_future in [true, false] {
            let ((a, one), (_b, other)) = (tcp_pair(), tcp_pair());
            let counters = RelayCounters::default();
            let (seen, closed) = (counters.clone(), other.clone());
            let closer = thread::spawn(move || {
                a.write_all(b"x").expect("space");
                while seen.counts().sent == 0 {
                    thread::yield_now();
                }
                closed.close().expect("closed");
                a
            });
            let relay = qio::relay_counted_future(&one, &other, &counters);
            let result = match by_future {
                true => context.block_on(relay),
                false => qio::relay_counted(&one, &other, &counters),
            };
            let e = result.expect_err("closed");
            assert_eq!(e.kind(), ErrorKind::NotConnected, "{e}");
            drop(closer.join().expect("no panic"));
        }
    });
}

#[test]
fn a_dropped_relay_pushes_back_its_buffers() {
    in_loop(|context| {
        for blocking in [true, false] {
            let ((a, one), (b, other)) = (tcp_pair(), ChannelSocket::pair().expect("a pair"));
            one.set_blocking(blocking).expect("the mode");
            other.set_blocking(blocking).expect("the mode");
            let counters = RelayCounters::default();
            let data = pattern(3_000_000);
            let sent = data.clone();
            let feeder = thread::spawn(move || {
                a.write_all(&sent).expect("the relay reads all of it");
                a
            });
            let task = {
                let (one, other, counters) = (one.clone(), other.clone(), counters.clone());
                qio::spawn_local(async move {
                    let _ = qio::relay_counted_future(&one, &other, &counters).await;
                })
            };
            // Until it is held up.
            iterate_until(context, || counters.sent.count() > 100_000);
            task.abort();
            let _ = context.block_on(task);
            let moved = usize::try_from(counters.sent.count()).expect("small");
            let mut left = vec![0; data.len() - moved];
            one.read_all(&mut left).expect("read");
            assert!(left == data[moved..]);
            drop(feeder.join().expect("no panic"));
            drop(other);
            assert!(rest(&b) == data[..moved]);
        }
    });
}

/// Set in the process that has its own network namespace.
const NETWORK: &str = "QIO_TEST_NETWORK";

fn ip(arguments: &str) -> bool {
    let output = Command::new("ip").args(arguments.split(' ')).output();
    output.is_ok_and(|output| output.status.success())
}

/// Two hosts with a cable between them: this process is in the one, the other one is its child.
#[test]
fn a_link_failure_ends_the_relay_within_the_user_timeout() {
    const NAME: &str =
        "channel::splice::relay_faults::a_link_failure_ends_the_relay_within_the_user_timeout";
    if !is_alone() {
        let may = Command::new("unshare").args(["--net", "true"]).status();
        if !may.is_ok_and(|status| status.success()) || !ip("-V") {
            return skip("no network namespaces, or no `unshare` and `ip`");
        }
        let output = rerun(NAME, |command| command.env(NETWORK, "new"));
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}");
        return;
    }
    alone(NAME, cut_a_link);
}

fn cut_a_link() {
    use nix::sched::{CloneFlags, setns, unshare};
    in_time(|| {
        // A namespace each for two threads: sockets stay in the one that they were made in.
        unshare(CloneFlags::CLONE_NEWNET).expect("a namespace");
        let near = std::fs::File::open("/proc/thread-self/ns/net").expect("open");
        unshare(CloneFlags::CLONE_NEWNET).expect("a namespace");
        assert!(ip("link set lo up"));
        let far = std::fs::File::open("/proc/thread-self/ns/net").expect("open");
        setns(&near, CloneFlags::CLONE_NEWNET).expect("back");
        let far_path = format!("/proc/{}/fd/{}", std::process::id(), fd_of(&far));
        assert!(ip("link set lo up"));
        assert!(ip(&format!(
            "link add near type veth peer name far netns {far_path}"
        )));
        assert!(ip("addr add 10.9.8.1/24 dev near") && ip("link set near up"));
        setns(&far, CloneFlags::CLONE_NEWNET).expect("there");
        assert!(ip("addr add 10.9.8.2/24 dev far") && ip("link set far up"));
        let address = gio::InetSocketAddress::from_string("10.9.8.2", 4321);
        let listener = ChannelSocket::listen(&address.expect("an address"), 1).expect("listens");
        setns(&near, CloneFlags::CLONE_NEWNET).expect("back");
        let remote = listener.local_address().expect("an address");
        let remote = ChannelSocket::connect(&remote).expect("connects");
        let peer = listener.accept().expect("accepts");
        let timeout_ms = 1_000;
        remote
            .with_fd(|fd| setsockopt(&fd, sockopt::TcpUserTimeout, &timeout_ms))
            .expect("open")
            .expect("TCP");

        // Back and forth until the cable is cut in the middle.
        let (client, server) = tcp_pair();
        let counters = RelayCounters::default();
        let seen = counters.clone();
        let cutter = thread::spawn(move || {
            let mut buf = vec![0; 100_000];
            while seen.counts().sent < 5_000_000 {
                peer.read(&mut buf).expect("read");
            }
            setns(&far, CloneFlags::CLONE_NEWNET).expect("there");
            assert!(ip("link set far down"));
            (peer, Instant::now())
        });
        let feeder = thread::spawn(move || {
            while client.write_all(&[7; 50_000]).is_ok() {}
            client
        });
        server.set_blocking(false).expect("non-blocking");
        remote.set_blocking(false).expect("non-blocking");
        let e = qio::relay_counted(&server, &remote, &counters).expect_err("cut");
        let (_peer, cut) = cutter.join().expect("no panic");
        assert_eq!(e.kind(), ErrorKind::TimedOut, "{e}");
        assert!(
            cut.elapsed() < Duration::from_secs(10),
            "{:?}",
            cut.elapsed()
        );
        let moved = TransferError::of(&e).expect("of a transfer").bytes_sent();
        assert_eq!(moved, counters.counts().sent);
        let server: Channel = server.upcast();
        server.close().expect("closed");
        drop(feeder.join().expect("no panic"));
    });
}

fn fd_of(file: &std::fs::File) -> i32 {
    use std::os::fd::AsRawFd;
    file.as_raw_fd()
}
