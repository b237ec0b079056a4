//! What must not allocate: a program of its own, because it counts for all of it.

#![allow(unsafe_code)] // an allocator is an unsafe trait

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    io::{ErrorKind, IoSlice, IoSliceMut},
};

use qio::{ChannelBuffer, ChannelFile, ChannelSocket, prelude::*};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: everything is passed on to the system's allocator; a count of this thread is kept.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: passed on.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// How often `run` allocates in its second of two runs: the first may set the thread up.
fn allocations(mut run: impl FnMut()) -> usize {
    run();
    let before = ALLOCATIONS.get();
    run();
    ALLOCATIONS.get() - before
}

#[test]
fn allocations_are_counted() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1);
}

/// Writes and reads, in every way that should cost nothing.
fn ping(from: &impl IsA<qio::Channel>, to: &impl IsA<qio::Channel>) {
    let (mut one, mut other) = ([0; 3], [0; 2]);
    from.write(b"x").expect("room");
    to.read(&mut one[..1]).expect("there");
    let slices = [IoSlice::new(b"abc"), IoSlice::new(b"de")];
    from.writev(&slices).expect("room");
    let mut room = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut other)];
    to.readv(&mut room).expect("there");
    from.writev_all(&slices).expect("room");
    to.readv_all(&mut room).expect("there");
    assert_eq!((&one, &other), (b"abc", b"de"));
}

#[test]
fn reading_and_writing_a_socket_does_not_allocate() {
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    for blocking in [true, false] {
        a.set_blocking(blocking).expect("the mode");
        b.set_blocking(blocking).expect("the mode");
        assert_eq!(allocations(|| ping(&a, &b)), 0);
    }
}

#[test]
fn reading_and_writing_a_pipe_does_not_allocate() {
    let (reader, writer) = ChannelFile::pipe().expect("a pipe");
    for blocking in [true, false] {
        reader.set_blocking(blocking).expect("the mode");
        writer.set_blocking(blocking).expect("the mode");
        assert_eq!(allocations(|| ping(&writer, &reader)), 0);
    }
}

#[test]
fn a_read_that_would_block_does_not_allocate() {
    let (a, _b) = ChannelSocket::pair().expect("a socketpair");
    let (reader, _writer) = ChannelFile::pipe().expect("a pipe");
    for channel in [a.upcast::<qio::Channel>(), reader.upcast()] {
        channel.set_blocking(false).expect("non-blocking");
        let would_block = || {
            let e = channel.read(&mut [0]).expect_err("nothing is there");
            assert_eq!(e.kind(), ErrorKind::WouldBlock);
        };
        assert_eq!(allocations(would_block), 0);
    }
}

#[test]
fn reading_memory_does_not_allocate() {
    let buffer = ChannelBuffer::from(vec![0; 64]);
    let read = || {
        buffer.read(&mut [0; 8]).expect("there");
    };
    assert_eq!(allocations(read), 0);
}
