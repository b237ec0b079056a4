//! The network above single sockets.

mod activation;
mod address;
mod backoff;
mod listener;
mod listener_options;
mod pool;
mod websock;
