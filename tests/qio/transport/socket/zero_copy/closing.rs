//! Memory that is kept when a close overtakes a zero-copy write, and memory that is not borrowed.

use std::{
    hint,
    io::{IoSlice, IoSliceMut},
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use qio::{ChannelSocket, ReadFlags, WriteFlags, prelude::*};

use super::{Counted, ZERO_COPY, data, ends};

/// More than a peer that does not read takes in.
const MUCH: usize = 3_000_000;

/// How many bytes have arrived and are unread, up to `MUCH`.
fn arrived(server: &ChannelSocket) -> usize {
    server.set_blocking(false).expect("non-blocking");
    let mut buf = vec![0; MUCH];
    server
        .readv_full(&mut [IoSliceMut::new(&mut buf)], None, ReadFlags::PEEK)
        .unwrap_or(0)
}

/// Writes and closes at the same time, the closing a little later: returns whether the write has
/// succeeded.
fn overtake(delay: u32) -> bool {
    let (client, server) = ends();
    client.set_blocking(false).expect("non-blocking");
    let dropped = Arc::<AtomicUsize>::default();
    let bytes = glib::Bytes::from_owned(Counted(vec![7; MUCH], dropped.clone()));
    let barrier = Arc::new(Barrier::new(2));
    let writer = {
        let (client, barrier) = (client.clone(), barrier.clone());
        thread::spawn(move || {
            barrier.wait();
            client.write_bytes_full(&bytes, &[], ZERO_COPY)
        })
    };
    barrier.wait();
    (0..delay).for_each(|_| hint::spin_loop());
    client.close().expect("closed");
    let written = writer.join().expect("no panic");
    drop(client);
    let Ok(count) = written else {
        return false;
    };
    let is_free = dropped.load(Ordering::SeqCst) != 0;
    assert!(
        !is_free || arrived(&server) >= count,
        "the memory has gone, and has not been sent"
    );
    true
}

#[test]
#[ignore = "takes half a minute: `make soak`"]
fn memory_of_a_zero_copy_write_concurrent_with_close_is_kept() {
    let end = Instant::now() + Duration::from_secs(30);
    let mut written = 0;
    for round in 0.. {
        written += u32::from(overtake(round % 400));
        if Instant::now() >= end {
            break;
        }
    }
    assert!(written > 0, "the close was first all the time");
}

#[test]
fn unknown_write_flags_do_not_borrow_memory() {
    const PIECE: usize = 100_000;
    let (client, server) = ends();
    client.set_blocking(false).expect("non-blocking");
    let flags = WriteFlags::from_bits_retain(u32::MAX);
    let before = data(PIECE);
    let mut piece = before.clone();
    let mut counts = Vec::new();
    while let Ok(count) = client.writev_full(&[IoSlice::new(&piece)], &[], flags) {
        counts.push(count);
    }
    assert!(counts.len() > 1, "{counts:?}");
    // It is ours again after the call, although it has not been sent yet.
    piece.fill(0);
    for count in counts {
        let mut received = vec![0; count];
        server.read_all(&mut received).expect("all of it");
        assert!(received == before[..count], "what was written later");
    }
}
