//! Writes from where the data is: see `sys::zero_copy` for what is under way.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use glib::{IOCondition, prelude::*, subclass::prelude::*};

use super::imp::ChannelSocket;
use crate::{
    channel::{Channel, ChannelExt as _},
    error::would_block,
    sys::{
        SharedFd,
        poll::{Wakeup, poll},
        zero_copy::{self, Sends},
    },
    types::WriteFlags,
    watch::Notes,
};

/// How long the memory of a socket that was closed is kept for a peer that does not read. The
/// system gives up on such connections after a similar time.
const PATIENCE: Duration = Duration::from_secs(60);

/// The writes without a copy of one socket, from the first one on.
#[derive(Debug)]
pub(super) struct ZeroCopy {
    pub(super) sends: Arc<Sends>,
    fd: Weak<SharedFd>,
}

impl Notes for ZeroCopy {
    fn take(&self) -> bool {
        let shared = self.fd.upgrade();
        let guard = shared.as_ref().and_then(|shared| shared.get());
        guard.is_some_and(|fd| self.sends.take_notes(fd.as_fd()).unwrap_or(false))
    }
}

impl ChannelSocket {
    /// Sends by `send`, which says would-block in place of waiting.
    pub(super) fn send_in_place(
        &self,
        flags: WriteFlags,
        send: impl Fn(&ZeroCopy, BorrowedFd<'_>) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let obj = self.obj();
        let channel: &Channel = obj.upcast_ref();
        let mut fd = self.fd.get()?;
        let zero_copy = self.zero_copy.get_or_init(|| self.begin(channel));
        loop {
            match send(zero_copy, fd.as_fd()) {
                Err(e)
                    if would_block(&e)
                        && channel.is_blocking()
                        && !flags.contains(WriteFlags::NO_WAIT) => {}
                result => {
                    // Who closes it has looked before there was this, or sees to it as well.
                    if channel.is_closed() {
                        self.keep_to_the_end(zero_copy, fd.as_fd());
                    }
                    return result;
                }
            }
            // They would end each wait at once.
            zero_copy.sends.take_notes(fd.as_fd())?;
            drop(fd);
            fd = self.fd.ready(channel, IOCondition::OUT)?;
        }
    }

    fn begin(&self, channel: &Channel) -> Arc<ZeroCopy> {
        let waiters = &channel.imp().waiters;
        let theirs = Arc::downgrade(waiters);
        let wake = move || {
            if let Some(waiters) = theirs.upgrade() {
                waiters.wake();
            }
        };
        let zero_copy = Arc::new(ZeroCopy {
            sends: Arc::new(Sends::new(wake)),
            fd: self.fd.shared().map(Arc::downgrade).unwrap_or_default(),
        });
        waiters.set_notes(zero_copy.clone());
        zero_copy
    }

    /// Before the descriptor goes: memory that the system still reads stays for as long as it does.
    pub(super) fn see_off(&self) {
        if let (Some(zero_copy), Ok(fd)) = (self.zero_copy.get(), self.fd.get()) {
            self.keep_to_the_end(zero_copy, fd.as_fd());
        }
    }

    fn keep_to_the_end(&self, zero_copy: &ZeroCopy, fd: BorrowedFd<'_>) {
        // The connection is the parent's in a forked child, and the memory is a copy.
        if self.fd.is_inherited() {
            return;
        }
        let _ = zero_copy.sends.take_notes(fd);
        if !zero_copy.sends.keeps() {
            return;
        }
        // The connection ends when all has been sent, as it does after any close.
        let held: Arc<dyn AsFd + Send + Sync> = match fd.try_clone_to_owned() {
            Ok(duplicate) => Arc::new(duplicate),
            Err(_) => match self.fd.shared().and_then(SharedFd::lease) {
                Some(lease) => Arc::new(lease),
                None => {
                    // It is closed already, and goes with its last user.
                    let _ = zero_copy::abort_on_close(fd);
                    return;
                }
            },
        };
        let (sends, theirs) = (zero_copy.sends.clone(), held.clone());
        let thread = std::thread::Builder::new()
            .name("qio-zero-copy".into())
            .stack_size(64 * 1024)
            .spawn(move || {
                see_to_the_end(&sends, theirs.as_fd());
                // In this order: a connection that is given up reads no memory any more.
                drop(theirs);
                drop(sends);
            });
        if thread.is_err() {
            // Nobody is left who could be patient.
            let _ = zero_copy::abort_on_close(held.as_fd());
        }
    }
}

impl Drop for ChannelSocket {
    fn drop(&mut self) {
        self.see_off();
    }
}

/// Waits until all has been sent, and gives the connection up if that takes too long.
fn see_to_the_end(sends: &Sends, fd: BorrowedFd<'_>) {
    let deadline = Instant::now() + PATIENCE;
    let wakeup = Wakeup::of_this_thread();
    while sends.keeps() {
        if Instant::now() >= deadline {
            let _ = zero_copy::abort_on_close(fd);
            return;
        }
        let got = poll(fd.as_raw_fd(), 0, wakeup.as_deref(), Some(deadline));
        let some = sends.take_notes(fd).unwrap_or(false);
        if !some && !matches!(got, Ok(0)) {
            // The connection is over, which is told all the time: the last notes are on their way.
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
