//! Zero-copy writes: see `sys::zero_copy` for pending ones.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    sync::{Arc, Weak},
};

use glib::{IOCondition, prelude::*, subclass::prelude::*};

use super::{
    imp::ChannelSocket,
    leftovers::{Keeper, Leftover, TIMEOUT},
};
use crate::{
    channel::{Channel, ChannelExt as _},
    error::would_block,
    sys::{SharedFd, zero_copy::ZeroCopySends},
    types::WriteFlags,
    watch::CompletionQueue,
};

/// The zero-copy state of a socket, from its first such write on.
#[derive(Debug)]
pub(super) struct ZeroCopy {
    pub(super) sends: Arc<ZeroCopySends>,
    fd: Weak<SharedFd>,
    /// Takes memory that outlives the channel. Without it all writes copy.
    keeper: Option<Keeper>,
}

impl CompletionQueue for ZeroCopy {
    fn drain(&self) -> bool {
        let shared = self.fd.upgrade();
        let guard = shared.as_ref().and_then(|shared| shared.get());
        guard.is_some_and(|fd| self.sends.drain_completions(fd.as_fd()).unwrap_or(false))
    }
}

impl ChannelSocket {
    /// Sends by `send`, which returns would-block instead of blocking.
    pub(super) fn send_in_place(
        &self,
        flags: WriteFlags,
        send: impl Fn(&ZeroCopy, BorrowedFd<'_>) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let obj = self.obj();
        let channel: &Channel = obj.upcast_ref();
        let mut fd = self.fd.get()?;
        let zero_copy = self.zero_copy.get_or_init(|| self.begin(channel));
        if self.fd.is_inherited() {
            // Its parent gets the completions as well, and has the thread that waits for them.
            zero_copy.sends.only_copy();
        }
        loop {
            match send(zero_copy, fd.as_fd()) {
                Err(e)
                    if would_block(&e)
                        && channel.is_blocking()
                        && !flags.contains(WriteFlags::NO_WAIT) => {}
                result => {
                    // A thread that closes the channel may have checked before the state was set.
                    if channel.is_closed() {
                        self.keep_until_complete(zero_copy, fd.as_fd());
                    }
                    return result;
                }
            }
            // Pending completions would end each wait at once.
            zero_copy.sends.drain_completions(fd.as_fd())?;
            drop(fd);
            fd = self.fd.ready(channel, IOCondition::OUT)?;
        }
    }

    fn begin(&self, channel: &Channel) -> Arc<ZeroCopy> {
        let channel_state = &channel.imp().channel_state;
        let theirs = Arc::downgrade(channel_state);
        let wake = move || {
            if let Some(channel_state) = theirs.upgrade() {
                channel_state.wake();
            }
        };
        let keeper = Keeper::start().ok();
        let zero_copy = Arc::new(ZeroCopy {
            sends: Arc::new(ZeroCopySends::new(wake, keeper.is_some())),
            fd: self.fd.shared().map(Arc::downgrade).unwrap_or_default(),
            keeper,
        });
        channel_state.set_completions(zero_copy.clone());
        zero_copy
    }

    /// Before the descriptor is closed: the memory is kept for as long as the kernel reads it.
    pub(super) fn linger_until_complete(&self) {
        if let (Some(zero_copy), Ok(fd)) = (self.zero_copy.get(), self.fd.get()) {
            self.keep_until_complete(zero_copy, fd.as_fd());
        }
    }

    fn keep_until_complete(&self, zero_copy: &ZeroCopy, fd: BorrowedFd<'_>) {
        // In a forked child, which has only made copies, the connection is the parent's.
        if self.fd.is_inherited() {
            return;
        }
        let _ = zero_copy.sends.drain_completions(fd);
        let Some(keeper) = zero_copy
            .keeper
            .as_ref()
            .filter(|_| zero_copy.sends.holds_memory())
        else {
            return;
        };
        let sends = zero_copy.sends.clone();
        // The connection ends when all has been sent, as after any close.
        keeper.take(match fd.try_clone_to_owned() {
            Ok(duplicate) => Leftover::new(sends, duplicate, TIMEOUT),
            Err(_) => match self.fd.shared().and_then(SharedFd::lease) {
                Some(lease) => Leftover::new(sends, lease, TIMEOUT),
                // It was closed, and its last use ends now: no completion can be read any more.
                None => return sends.leak(),
            },
        });
    }
}

impl Drop for ChannelSocket {
    fn drop(&mut self) {
        self.linger_until_complete();
    }
}
