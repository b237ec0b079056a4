//! The network above single sockets: addresses as text, listening on all addresses of a name, and what a
//! service manager has opened.

pub mod activation;
mod address;
mod listener;

pub use address::{NetAddress, NetAddressError};
pub use listener::{Incoming, NetListener, NetListenerImpl, QIONetListener, QIONetListenerClass};
