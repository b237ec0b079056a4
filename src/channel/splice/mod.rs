//! Moving bytes from channel to channel, in one direction or both.
//!
//! `route` says which way they go: inside the kernel, between the poll descriptors of both classes and
//! whose bytes are those of the channels, or through memory, by the slots. `held` is what has been read
//! and not written yet, `flow` one direction with the steps that fill and empty that, `by_disk` the
//! steps that take their time, `manner` how it waits in a future. `relay` is two flows.
//! None of it knows a transport.

mod by_disk;
mod counter;
mod flow;
mod held;
mod relay;
mod route;
mod wait_mode;

pub use counter::{ByteCounter, QIOByteCounter};
pub use relay::{RelayCounters, Relayed, relay, relay_counted, relay_counted_future, relay_future};

use std::io;

use self::{flow::Flow, wait_mode::WaitMode};
use super::Channel;

/// Moves up to `count` bytes, or all until the end.
pub(super) fn splice(
    source: &Channel,
    target: &Channel,
    count: Option<u64>,
    counter: Option<&ByteCounter>,
) -> io::Result<u64> {
    Flow::new(
        source,
        target,
        count,
        counter.cloned().into_iter().collect(),
    )
    .run()
}

/// As [`splice`], in a future; `here` for those who run a context of their own, and no other one meanwhile.
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
    flow.run_async(WaitMode::default()).await
}
