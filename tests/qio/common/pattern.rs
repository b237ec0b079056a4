//! The transfer harness: the same data, through whatever pair of channels.

use std::{
    io::{IoSlice, IoSliceMut},
    thread,
};

use futures_util::future;
use qio::{Channel, prelude::*};

const BUFFERS: usize = 250;
const SIZE: usize = 4_194;

/// 250 buffers of 4,194 bytes: of a size that fits no page, with no two alike.
fn buffers() -> Vec<Vec<u8>> {
    (0..BUFFERS)
        .map(|i| {
            (0..SIZE)
                .map(|j| ((i * 31 + j * 7 + j / 256) % 251) as u8)
                .collect()
        })
        .collect()
}

/// Sends the pattern from a thread by `writev_all` and reads it here by `readv_all`, in the given
/// mode, and compares. `finish` is called in the sending thread when all is written.
#[track_caller]
pub(crate) fn transfer(
    from: &impl IsA<Channel>,
    to: &impl IsA<Channel>,
    blocking: bool,
    finish: impl FnOnce(&Channel) + Send,
) {
    let (from, to): (&Channel, &Channel) = (from.as_ref(), to.as_ref());
    from.set_blocking(blocking).expect("the mode of the writer");
    to.set_blocking(blocking).expect("the mode of the reader");
    let sent = buffers();
    let mut received = vec![vec![0; SIZE]; BUFFERS];
    thread::scope(|scope| {
        scope.spawn(|| {
            let iov: Vec<_> = sent.iter().map(|buf| IoSlice::new(buf)).collect();
            from.writev_all(&iov).expect("all is written");
            finish(from);
        });
        let mut iov: Vec<_> = received
            .iter_mut()
            .map(|buf| IoSliceMut::new(buf))
            .collect();
        to.readv_all(&mut iov).expect("all is read");
    });
    compare(&sent, &received);
}

#[track_caller]
fn compare(sent: &[Vec<u8>], received: &[Vec<u8>]) {
    for (i, (sent, received)) in sent.iter().zip(received).enumerate() {
        assert!(sent == received, "buffer {i} differs");
    }
}

/// The pattern by futures on one main loop, in the given mode: an end that blocks the thread would
/// block the other end too, forever.
pub(crate) async fn transfer_by_futures(
    from: &impl IsA<Channel>,
    to: &impl IsA<Channel>,
    blocking: bool,
) {
    from.set_blocking(blocking).expect("the mode of the writer");
    to.set_blocking(blocking).expect("the mode of the reader");
    let (written, received) = future::join(write_pattern(from), read_pattern(to)).await;
    compare(&written, &received);
}

/// First all is written, then all is read.
pub(crate) async fn store_by_futures(
    from: &impl IsA<Channel>,
    rewind: impl FnOnce(),
    to: &impl IsA<Channel>,
) {
    let written = write_pattern(from).await;
    rewind();
    compare(&written, &read_pattern(to).await);
}

async fn write_pattern(to: &impl IsA<Channel>) -> Vec<Vec<u8>> {
    let sent = buffers();
    let iov: Vec<_> = sent.iter().map(|buf| IoSlice::new(buf)).collect();
    to.writev_all_future(&iov).await.expect("all is written");
    sent
}

async fn read_pattern(from: &impl IsA<Channel>) -> Vec<Vec<u8>> {
    let mut received = vec![vec![0; SIZE]; BUFFERS];
    let mut iov: Vec<_> = received
        .iter_mut()
        .map(|buf| IoSliceMut::new(buf))
        .collect();
    from.readv_all_future(&mut iov).await.expect("all is read");
    received
}

/// [`transfer`] in both modes, and nothing to do at the end.
#[track_caller]
pub(crate) fn transfer_both_modes(from: &impl IsA<Channel>, to: &impl IsA<Channel>) {
    for blocking in [true, false] {
        transfer(from, to, blocking, |_| ());
    }
}
