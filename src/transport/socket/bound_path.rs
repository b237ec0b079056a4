//! The file of a listening unix socket goes with it.

use std::path::PathBuf;

use gio::prelude::*;

use crate::sys::file;

/// The file that a listening unix socket made, to be removed with it.
#[derive(Debug)]
pub(super) struct BoundPath {
    path: PathBuf,
    /// The file has this identity as long as nobody has put another in its place.
    identity: (u64, u64),
    /// A forked child must leave it alone.
    owner: u32,
}

impl BoundPath {
    /// Of a path, or of nothing: abstract names leave no file.
    pub(super) fn of(address: &gio::SocketAddress) -> Option<Self> {
        let unix = address.downcast_ref::<gio::UnixSocketAddress>()?;
        let Some(UnixSocketAddressPath::Path(path)) = unix.path() else {
            return None;
        };
        let path = std::path::absolute(path).ok()?;
        let identity = file::identity(&path).ok()?;
        Some(Self {
            path,
            identity,
            owner: std::process::id(),
        })
    }
}

impl Drop for BoundPath {
    fn drop(&mut self) {
        let same = file::identity(&self.path).is_ok_and(|identity| identity == self.identity);
        if same && self.owner == std::process::id() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
