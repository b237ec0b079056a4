//! `src/channel/splice/`.

mod backpressure;
mod counts;
pub(super) mod fixtures;
mod loss;
mod messages;
mod pairs;
mod relay;
mod relay_faults;
mod urgent;
mod zero_copy;
