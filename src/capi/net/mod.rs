//! The network above single sockets.

mod activation;
mod address;
mod listener;
mod listener_options;
