//! Memory that outlives its channel.

use std::{
    fs,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use qio::{ChannelSocket, Flushed, prelude::*};

use super::{ZERO_COPY, counted, data, ends, fill};
use crate::common::{alone::alone, fds, fork::in_child, in_time, memory};

/// How many threads of this process wait for memory that is under way.
fn keepers() -> usize {
    let threads = fs::read_dir("/proc/self/task").expect("/proc");
    let names = threads.map(|it| fs::read_to_string(it.expect("a thread").path().join("comm")));
    // One may have ended meanwhile.
    names
        .flatten()
        .filter(|name| name == "qio-zero-copy\n")
        .count()
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").expect("/proc").count()
}

fn until(done: impl Fn() -> bool + Send + 'static) {
    in_time(move || {
        while !done() {
            thread::yield_now();
        }
    });
}

/// Reads what is left in a connection, to its end.
fn drain(server: &ChannelSocket) -> usize {
    let (mut total, mut buf) = (0, vec![0; 100_000]);
    loop {
        match server.read(&mut buf).expect("not reset") {
            0 => return total,
            count => total += count,
        }
    }
}

#[test]
fn closing_with_zero_copy_memory_in_flight_starts_no_thread_and_needs_no_descriptor() {
    let name = "transport::socket::zero_copy::leftovers::closing_with_zero_copy_memory_in_flight_starts_no_thread_and_needs_no_descriptor";
    alone(name, || {
        let (client, server) = ends();
        let (bytes, dropped) = counted(100_000);
        let total = fill(&client, &bytes);
        drop(bytes);
        let before = threads();
        let taken = fds::take_all();
        client.close().expect("closed");
        drop(taken);
        assert_eq!(threads(), before);
        assert_eq!(dropped.load(Ordering::SeqCst), 0, "the peer has not read");
        assert_eq!(drain(&server), total);
        until(move || dropped.load(Ordering::SeqCst) == 1);
    });
}

#[test]
fn one_thread_waits_for_all_sockets_and_ends_with_the_last_memory() {
    let name = "transport::socket::zero_copy::leftovers::one_thread_waits_for_all_sockets_and_ends_with_the_last_memory";
    alone(name, || {
        assert_eq!(keepers(), 0);
        // What this thread needs to wait is made once.
        drop(ends());
        let before = fds::count();
        let mut servers = Vec::new();
        for _ in 0..20 {
            let (client, server) = ends();
            let (bytes, dropped) = counted(100_000);
            let total = fill(&client, &bytes);
            client.close().expect("closed");
            servers.push((server, total, dropped));
        }
        // It names itself.
        until(|| keepers() == 1);
        for (server, total, dropped) in servers {
            assert_eq!(drain(&server), total);
            until(move || dropped.load(Ordering::SeqCst) == 1);
        }
        until(|| keepers() == 0);
        until(move || fds::count() == before);
        // And starts again.
        let (client, server) = ends();
        let bytes = glib::Bytes::from_owned(data(1_000));
        client
            .write_bytes_full_all(&bytes, &[], ZERO_COPY)
            .expect("written");
        until(|| keepers() == 1);
        drop((client, server));
        until(|| keepers() == 0);
    });
}

#[test]
fn where_the_thread_cannot_be_started_bytes_are_copied() {
    let name = "transport::socket::zero_copy::leftovers::where_the_thread_cannot_be_started_bytes_are_copied";
    alone(name, || {
        let (client, server) = ends();
        let (bytes, dropped) = counted(10_000);
        // Too little address space for the stack of a thread.
        let (soft, hard) = getrlimit(Resource::RLIMIT_AS).expect("a known limit");
        let limit = memory::addresses() as u64 + (1 << 20);
        setrlimit(Resource::RLIMIT_AS, limit, hard).expect("lowered");
        let written = client.write_bytes_full_all(&bytes, &[], ZERO_COPY);
        setrlimit(Resource::RLIMIT_AS, soft, hard).expect("restored");
        written.expect("written");
        drop(bytes);
        assert_eq!(
            dropped.load(Ordering::SeqCst),
            1,
            "nothing reads it any more"
        );
        assert_eq!(client.flush().expect("flushed"), Flushed::Copied);
        client.close().expect("closed");
        assert_eq!(drain(&server), 10_000);
    });
}

#[test]
fn a_forked_child_copies_what_it_writes_to_a_connection_of_its_parent() {
    let name = "transport::socket::zero_copy::leftovers::a_forked_child_copies_what_it_writes_to_a_connection_of_its_parent";
    alone(name, || {
        for has_written in [false, true] {
            let (client, server) = ends();
            let (bytes, dropped) = counted(10_000);
            if has_written {
                client
                    .write_bytes_full_all(&bytes, &[], ZERO_COPY)
                    .expect("written");
            }
            in_child(|| {
                let (bytes, dropped) = counted(10_000);
                client
                    .write_bytes_full_all(&bytes, &[], ZERO_COPY)
                    .expect("written");
                drop(bytes);
                assert_eq!(
                    dropped.load(Ordering::SeqCst),
                    1,
                    "nothing reads it any more"
                );
                // A new connection.
                let (mine, peer) = ends();
                let (bytes, dropped) = counted(100_000);
                let total = fill(&mine, &bytes);
                drop((bytes, mine));
                assert_eq!(drain(&peer), total);
                until(move || dropped.load(Ordering::SeqCst) == 1);
            });
            client.close().expect("closed");
            drop(client);
            let total = 10_000 * (1 + usize::from(has_written));
            assert_eq!(drain(&server), total);
            drop(bytes);
            until(move || dropped.load(Ordering::SeqCst) == 1);
        }
    });
}

/// Both ends close at once, many times, in concurrent threads.
#[test]
fn memory_of_many_channels_that_close_in_many_threads_is_released() {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    const THREADS: usize = 4;
    const ROUNDS: usize = 25;
    struct Memory(Vec<u8>);
    impl AsRef<[u8]> for Memory {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    impl Drop for Memory {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, Ordering::SeqCst);
        }
    }
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            thread::spawn(|| {
                for _ in 0..ROUNDS {
                    let (client, server) = ends();
                    let bytes = glib::Bytes::from_owned(Memory(data(50_000)));
                    let total = fill(&client, &bytes);
                    drop((bytes, client));
                    assert_eq!(drain(&server), total);
                }
            })
        })
        .collect();
    in_time(|| {
        threads
            .into_iter()
            .for_each(|it| it.join().expect("no panic"));
    });
    until(|| DROPPED.load(Ordering::SeqCst) == THREADS * ROUNDS);
}
