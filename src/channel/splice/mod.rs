//! Moving bytes from channel to channel, in one direction or both.
//!
//! `strategy` selects how bytes are moved: inside the kernel, between the descriptors of classes
//! whose bytes are those of the descriptor, or through memory, by the virtual functions. `buffer`
//! has bytes that were read and not written yet, `flow` is one direction, with the steps that fill
//! and empty the buffer, and `flow::file` the steps with files on disk. `relay` is two flows. This
//! module depends on no transport.

mod buffer;
mod counter;
mod flow;
mod relay;
mod strategy;
mod wait_mode;

pub use counter::{ByteCounter, QIOByteCounter};
pub use relay::{
    RelayCounters, RelayStats, relay, relay_counted, relay_counted_future, relay_future,
};

use std::io;

use self::{flow::Flow, wait_mode::WaitMode};
use super::Channel;
use crate::log::{self, Activity};

/// Moves up to `count` bytes, or all until the end.
pub(super) fn splice(
    source: &Channel,
    target: &Channel,
    count: Option<u64>,
    counter: Option<&ByteCounter>,
) -> io::Result<u64> {
    let counters = counter.cloned().into_iter().collect();
    let flow = Flow::new(source, target, count, counters);
    log::within(Activity::Splice, source, || flow.run())
}

/// As [`splice`], in a future; `here` for callers that run a private context, and no other one
/// meanwhile.
pub(crate) async fn splice_in(
    source: &Channel,
    target: &Channel,
    count: Option<u64>,
    here: bool,
) -> io::Result<u64> {
    let flow = Flow::new(source, target, count, Vec::new());
    let wait_mode = WaitMode {
        here,
        ..WaitMode::default()
    };
    flow.run_async(wait_mode).await
}

/// As [`splice`], in a future.
pub(super) async fn splice_async(
    source: &Channel,
    target: &Channel,
    count: Option<u64>,
    counter: Option<&ByteCounter>,
) -> io::Result<u64> {
    let counters = counter.cloned().into_iter().collect();
    let flow = Flow::new(source, target, count, counters);
    let moving = flow.run_async(WaitMode::default());
    log::in_span(Activity::Splice, source, moving).await
}
