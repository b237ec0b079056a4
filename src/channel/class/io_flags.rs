//! The flags and the result of one call that reads or writes.

use crate::types::{ReadFlags, WriteFlags};

/// The flags of the next attempt, which only virtual functions of this crate get.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IoFlags {
    pub(crate) read: ReadFlags,
    pub(crate) write: WriteFlags,
}

impl IoFlags {
    /// For callers that may block.
    pub(crate) fn plain() -> Self {
        Self {
            read: ReadFlags::empty(),
            write: WriteFlags::empty(),
        }
    }

    pub(in crate::channel) fn new(own: bool, blocking: bool, has_event: bool) -> Self {
        let mut this = Self::plain();
        this.read.set(ReadFlags::NO_WAIT, own && blocking);
        this.read.set(ReadFlags::NO_EVENT, own && !has_event);
        this.write.set(WriteFlags::NO_WAIT, own && blocking);
        this
    }
}

/// The result of an attempt.
pub(crate) struct Transferred<T> {
    pub(crate) result: T,
    /// Whether fewer bytes were read than the buffers hold.
    pub(crate) short: bool,
}

impl<T> Transferred<T> {
    pub(crate) fn whole(result: T) -> Self {
        Self {
            result,
            short: false,
        }
    }
}
