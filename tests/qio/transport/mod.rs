//! `src/transport/`.

mod buffer;
mod command;
mod file;
mod null;
mod socket;
