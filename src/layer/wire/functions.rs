//! Virtual functions that all layers with an engine implement alike, and calls that wait.

use std::io;

use glib::IOCondition;

use crate::{
    channel::{Channel, wait_for},
    error::would_block,
};

/// Implements the virtual functions that forward to the lower channel, or wait for it. The instance
/// has the field `connection`, a `OnceLock`, and the method `connection()`, which fails in a forked
/// child; connections have the field `wire`.
macro_rules! layer_functions {
    () => {
        fn create_watch(&self, condition: glib::IOCondition) -> glib::Source {
            $crate::layer::wire::watch(&*self.obj(), condition)
        }

        fn set_blocking(&self, _enabled: bool) -> std::io::Result<()> {
            // The lower channel never blocks.
            Ok(())
        }

        fn set_cork(&self, enabled: bool) {
            if let Some(connection) = self.connection.get() {
                connection.wire.lower().set_cork(enabled);
            }
        }

        fn set_delay(&self, enabled: bool) {
            if let Some(connection) = self.connection.get() {
                connection.wire.lower().set_delay(enabled);
            }
        }

        fn wait_fd(&self, condition: glib::IOCondition) -> $crate::types::Readiness {
            match self.connection() {
                Ok(connection) => connection.wire.wait_fd(condition),
                Err(_) => $crate::types::Readiness::Now,
            }
        }

        fn credentials(&self) -> std::io::Result<gio::Credentials> {
            self.connection()?.wire.lower().credentials()
        }
    };
}
pub(in crate::layer) use layer_functions;

/// Attempts until the result is not would-block, or as long as `may_wait` returns `true`: another
/// thread may change the mode. It fails where a wait would never end.
pub(in crate::layer) fn until_done<T>(
    channel: &Channel,
    condition: IOCondition,
    may_wait: impl Fn() -> io::Result<bool>,
    mut attempt: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    loop {
        match attempt() {
            Err(e) if would_block(&e) && may_wait()? => wait_for(channel, condition)?,
            result => return result,
        }
    }
}
