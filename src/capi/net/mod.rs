//! Sockets in number.

mod activation;
mod listener;
