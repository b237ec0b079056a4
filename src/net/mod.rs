//! Sockets in number: listening on all addresses of a name, and what a service manager has opened.

pub mod activation;
mod listener;

pub use listener::{Incoming, NetListener, NetListenerImpl, QIONetListener, QIONetListenerClass};
