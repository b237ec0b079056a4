//! The network above single sockets: addresses in text form, listeners on all addresses of a name,
//! connecting again after failures, and to WebSockets, threads that serve connections, and socket
//! activation.

pub mod activation;
mod address;
mod backoff;
mod listener;
mod pool;
mod websock;

pub use address::{NetAddress, NetAddressError};
pub use backoff::Backoff;
pub use listener::{Incoming, NetListener, NetListenerImpl, QIONetListener, QIONetListenerClass};
pub use pool::ContextPool;
