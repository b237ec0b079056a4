//! The network above single sockets: addresses in text form, listeners on all addresses of a name,
//! and socket activation.

pub mod activation;
mod address;
mod listener;

pub use address::{NetAddress, NetAddressError};
pub use listener::{Incoming, NetListener, NetListenerImpl, QIONetListener, QIONetListenerClass};
