//! `src/channel/splice/`.

mod counts;
pub(super) mod ends;
mod loss;
mod messages;
mod notes;
mod pairs;
mod pressure;
mod relay;
mod relay_faults;
mod urgent;
