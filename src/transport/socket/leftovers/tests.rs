use std::{
    io::{ErrorKind, Read as _},
    net::{TcpListener, TcpStream},
    os::fd::AsFd as _,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use super::*;
use crate::types::WriteFlags;

/// Memory that counts how often it is freed.
struct Counted(Vec<u8>, Arc<AtomicUsize>);

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::SeqCst);
    }
}

/// A connection with more zero-copy data than its peer has read.
struct Full {
    sends: Arc<ZeroCopySends>,
    fd: TcpStream,
    peer: TcpStream,
    dropped: Arc<AtomicUsize>,
}

impl Full {
    fn new() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("listens");
        let fd = TcpStream::connect(listener.local_addr().expect("bound")).expect("connects");
        let (peer, _) = listener.accept().expect("accepts");
        let (sends, dropped) = (Arc::new(ZeroCopySends::new(|| (), true)), Arc::default());
        let bytes = glib::Bytes::from_owned(Counted(vec![7; 3_000_000], Arc::clone(&dropped)));
        let flags = WriteFlags::ZERO_COPY;
        while sends.send_owned(fd.as_fd(), &bytes, 0, flags).is_ok() {}
        assert!(sends.holds_memory());
        Self {
            sends,
            fd,
            peer,
            dropped,
        }
    }
}

fn until(mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < end, "it never happens");
        thread::yield_now();
    }
}

/// Gives the memory to the thread with a short timeout: it is released although nothing is read.
#[track_caller]
fn check_released(full: Full, keeper: &Keeper) -> TcpStream {
    let timeout = Duration::from_millis(50);
    let begin = Instant::now();
    keeper.take(Leftover::new(full.sends, full.fd, timeout));
    until(|| full.dropped.load(Ordering::SeqCst) == 1);
    assert!(begin.elapsed() >= timeout, "the peer has had no time");
    full.peer
}

#[test]
fn memory_for_a_peer_that_never_reads_is_released_and_the_connection_reset() {
    let keeper = Keeper::start().expect("a thread");
    let mut peer = check_released(Full::new(), &keeper);
    let e = peer
        .read_to_end(&mut Vec::new())
        .expect_err("not all was sent");
    assert_eq!(e.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn memory_is_released_although_another_process_may_have_the_connection() {
    let keeper = Keeper::start().expect("a thread");
    let full = Full::new();
    let shared = full.fd.try_clone().expect("a duplicate");
    check_released(full, &keeper);
    assert!(shared.peer_addr().is_err(), "it is not connected any more");
}

#[test]
fn memory_is_never_freed_where_the_system_does_not_report_its_end() {
    let full = Full::new();
    let mut leftover = Leftover::new(full.sends, full.fd, Duration::ZERO);
    leftover.is_given_up = true;
    assert!(
        leftover.poll_once(Instant::now(), &mut false),
        "nothing is pending"
    );
    drop((leftover, full.peer));
    assert_eq!(full.dropped.load(Ordering::SeqCst), 0);
}

#[test]
fn memory_is_kept_for_a_peer_that_reads_slowly_until_it_stops() {
    let mut full = Full::new();
    let mut leftover = Leftover::new(full.sends.clone(), full.fd, TIMEOUT);
    let mut now = Instant::now();
    for _ in 0..3 {
        // The peer reads a part within each timeout.
        let (mut data, before) = (vec![0; 100_000], leftover.unacknowledged);
        until(|| {
            full.peer.read_exact(&mut data).expect("data");
            unacknowledged(leftover.fd.as_fd()).is_some_and(|left| left < before)
        });
        now += TIMEOUT - Duration::from_secs(1);
        assert!(!leftover.poll_once(now, &mut false));
        assert!(!leftover.is_given_up, "there was progress");
        assert!(leftover.next_check < now + TIMEOUT, "it is checked again");
    }
    now += TIMEOUT - Duration::from_secs(1);
    assert!(!leftover.poll_once(now, &mut false));
    assert!(!leftover.is_given_up, "it may take that long");
    now += Duration::from_secs(1);
    leftover.poll_once(now, &mut false);
    assert!(leftover.is_given_up, "there was none");
}
