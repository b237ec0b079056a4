//! Counters of the bytes that are moved.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Counts the bytes that are moved by a splice or a relay.
///
/// Any thread can read the count, also during the operation and after a timeout or an error has
/// ended it. Clones share one count.
///
/// # Examples
///
/// ```
/// use qio::{ByteCounter, ChannelBuffer, ChannelNull, prelude::*};
///
/// # fn main() -> std::io::Result<()> {
/// let counter = ByteCounter::new();
/// let source = ChannelBuffer::from(vec![0; 1000]);
/// source.splice_to_counted(&ChannelNull::new(), Some(600), &counter)?;
/// assert_eq!(counter.count(), 600);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, glib::SharedBoxed)]
#[shared_boxed_type(name = "QIOByteCounter")]
#[doc(alias = "QIOByteCounter")]
#[doc(alias = "qio_byte_counter_ref")]
#[doc(alias = "qio_byte_counter_unref")]
pub struct ByteCounter(pub(crate) Arc<QIOByteCounter>);

/// What the counters of C point to.
#[derive(Debug, Default)]
pub struct QIOByteCounter(AtomicU64);

static_assertions::assert_impl_all!(ByteCounter: Send, Sync);

impl ByteCounter {
    /// Creates a counter at zero.
    #[doc(alias = "qio_byte_counter_new")]
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the number of bytes so far.
    #[doc(alias = "qio_byte_counter_get_count")]
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.0.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, count: u64) {
        self.0.0.fetch_add(count, Ordering::Relaxed);
    }
}
