//! A channel between the fuzzer and one end: its reads return the input of the fuzzer, and its
//! writes are collected, in pieces of sizes that the input chooses.

use std::{
    collections::VecDeque,
    io::{self, IoSlice, IoSliceMut, PipeReader},
    mem,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
    sync::{LazyLock, Mutex, MutexGuard},
};

use glib::{IOCondition, subclass::prelude::*};
use qio::{Feature, ReadFlags, Readiness, Shutdown, WriteFlags, prelude::*, subclass::prelude::*};

/// Numbers that follow from the first one.
#[derive(Debug, Clone, Default)]
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u8) -> Self {
        Self(u64::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub fn next(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) as usize
    }

    /// Whether the first one was 0: then nothing is by chance.
    pub fn are_none(&self) -> bool {
        self.0 == 0
    }
}

/// How much goes at once.
#[derive(Debug, Default)]
struct Pieces {
    numbers: Numbers,
    most: usize,
}

impl Pieces {
    fn new(seed: u8) -> Self {
        Self {
            numbers: Numbers::new(seed),
            most: [2, 20, 200, 1500][usize::from(seed) % 4],
        }
    }

    /// `None` is would-block.
    fn next(&mut self, len: usize) -> Option<usize> {
        if self.numbers.are_none() {
            return Some(len);
        }
        let number = self.numbers.next();
        (number % 8 != 0).then_some(len.min(1 + number / 8 % self.most))
    }
}

#[derive(Debug, Default)]
struct State {
    to_read: VecDeque<u8>,
    /// After that there is no more.
    ended: bool,
    written: Vec<u8>,
    /// Nothing more will be written.
    over: bool,
    reading: Pieces,
    writing: Pieces,
    /// How many bytes have gone in either direction.
    moved: usize,
}

/// Always empty.
static NOTHING: LazyLock<PipeReader> = LazyLock::new(|| {
    let (reader, writer) = io::pipe().expect("a pipe");
    mem::forget(writer);
    reader
});

mod imp {
    use super::*;

    #[derive(Default)]
    pub struct Wire(Mutex<State>);

    #[glib::object_subclass]
    impl ObjectSubclass for Wire {
        const NAME: &'static str = "FuzzWire";
        type Type = super::Wire;
        type ParentType = qio::Channel;
    }

    impl ObjectImpl for Wire {
        fn constructed(&self) {
            self.parent_constructed();
            self.obj().set_feature(Feature::SHUTDOWN);
        }
    }

    impl Wire {
        pub(super) fn state(&self) -> MutexGuard<'_, State> {
            self.0.lock().expect("whole")
        }
    }

    impl ChannelImpl for Wire {
        fn readv(
            &self,
            iov: &mut [IoSliceMut<'_>],
            _fds: Option<&mut Vec<OwnedFd>>,
            _flags: ReadFlags,
        ) -> io::Result<usize> {
            let state = &mut *self.state();
            if state.to_read.is_empty() {
                return match state.ended {
                    true => Ok(0),
                    false => Err(io::ErrorKind::WouldBlock.into()),
                };
            }
            let len = iov[0].len().min(state.to_read.len());
            let count = state.reading.next(len);
            let count = count.ok_or(io::ErrorKind::WouldBlock)?;
            for (to, from) in iov[0].iter_mut().zip(state.to_read.drain(..count)) {
                *to = from;
            }
            state.moved += count;
            Ok(count)
        }

        fn writev(
            &self,
            iov: &[IoSlice<'_>],
            _fds: &[BorrowedFd<'_>],
            _flags: WriteFlags,
        ) -> io::Result<usize> {
            let state = &mut *self.state();
            let count = state.writing.next(iov[0].len());
            let count = count.ok_or(io::ErrorKind::WouldBlock)?;
            state.written.extend(&iov[0][..count]);
            state.moved += count;
            Ok(count)
        }

        fn close(&self) -> io::Result<()> {
            self.state().over = true;
            Ok(())
        }

        fn shutdown(&self, how: Shutdown) -> io::Result<()> {
            let mut state = self.state();
            state.over |= how != Shutdown::Read;
            state.ended |= how != Shutdown::Write;
            Ok(())
        }

        fn set_blocking(&self, _enabled: bool) -> io::Result<()> {
            Ok(())
        }

        fn wait_fd(&self, condition: IOCondition) -> Readiness {
            let state = self.state();
            let waits =
                condition.contains(IOCondition::IN) && state.to_read.is_empty() && !state.ended;
            match waits {
                true => Readiness::Fd(NOTHING.as_raw_fd(), IOCondition::IN),
                false => Readiness::Now,
            }
        }
    }
}

glib::wrapper! {
    pub struct Wire(ObjectSubclass<imp::Wire>) @extends qio::Channel;
}

impl Wire {
    /// The numbers of the pieces; 0 is as much as there is.
    pub fn new(reading: u8, writing: u8) -> Self {
        let this: Self = glib::Object::new();
        let mut state = this.imp().state();
        state.reading = Pieces::new(reading);
        state.writing = Pieces::new(writing);
        drop(state);
        this
    }

    /// Adds to what is to be read.
    pub fn put(&self, bytes: &[u8]) {
        self.imp().state().to_read.extend(bytes);
    }

    /// There will be no more to read.
    pub fn end(&self) {
        self.imp().state().ended = true;
    }

    /// What was written since the last time, and whether there may be more.
    pub fn take(&self) -> (Vec<u8>, bool) {
        let mut state = self.imp().state();
        (mem::take(&mut state.written), !state.over)
    }

    pub fn moved(&self) -> usize {
        self.imp().state().moved
    }

    /// Whether there is something to read, if only the end.
    pub fn is_readable(&self) -> bool {
        let state = self.imp().state();
        state.ended || !state.to_read.is_empty()
    }
}
