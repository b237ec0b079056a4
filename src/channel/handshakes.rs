//! Handshakes of layers, as far as whatever has accepted the channel below limits them.

use std::{fmt, sync::Arc};

/// A limit of the handshakes over all channels that one listener has accepted.
pub(crate) trait HandshakeLimit: fmt::Debug + Send + Sync {
    /// Counts one, until the permit is dropped. `abort` ends the handshake early; no lock is held
    /// when it is called.
    fn begin(self: Arc<Self>, abort: Abort) -> Box<dyn HandshakePermit>;
}

pub(crate) type Abort = Arc<dyn Fn() + Send + Sync>;

/// One handshake that is counted. To be dropped without a lock: it wakes what waits to accept.
pub(crate) trait HandshakePermit: fmt::Debug + Send + Sync {}
