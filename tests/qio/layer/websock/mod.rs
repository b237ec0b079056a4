//! `src/layer/websock/`.

mod bounded_calls;
mod bytes;
mod closing;
mod conformance;
mod deflate;
pub(crate) mod fixtures;
mod forks;
mod keep_alive;
mod limits;
mod lower;
mod message_reader;
mod message_writer;
mod messages;
mod opening;
mod peers;
mod pending;
mod violations;
