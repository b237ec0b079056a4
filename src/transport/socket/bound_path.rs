//! The file of a listening unix socket goes with it.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::PathBuf,
};

use super::PathAccess;
use crate::{
    sync::Maker,
    sys::{address::path_of, file, listen},
};

/// The file that a listening unix socket made, to be removed with it.
#[derive(Debug)]
pub(super) struct BoundPath {
    path: PathBuf,
    /// The file has this identity as long as nobody has put another in its place.
    identity: (u64, u64),
    /// A forked child must leave it alone.
    maker: Maker,
}

impl BoundPath {
    /// Of a path, or of nothing: abstract names leave no file.
    pub(super) fn of(address: &gio::SocketAddress) -> Option<Self> {
        let path = std::path::absolute(path_of(address)?).ok()?;
        let identity = file::identity(&path).ok()?;
        Some(Self {
            path,
            identity,
            maker: Maker::default(),
        })
    }

    /// Lets in whom it is said to. To be called before the socket listens: until then it refuses
    /// everybody.
    pub(super) fn set_access(&self, access: PathAccess) -> io::Result<()> {
        if access == PathAccess::default() {
            return Ok(());
        }
        // What is changed is the file itself, whatever is put in its place meanwhile.
        let (_open, file) = listen::open_file_of_socket(&self.path)?;
        let there = fs::metadata(&file)?;
        if (there.dev(), there.ino()) != self.identity {
            return Err(io::ErrorKind::NotFound.into());
        }
        if access.uid.is_some() || access.gid.is_some() {
            chown(&file, access.uid, access.gid)?;
        }
        if let Some(mode) = access.mode {
            fs::set_permissions(&file, Permissions::from_mode(mode))?;
        }
        Ok(())
    }
}

impl Drop for BoundPath {
    fn drop(&mut self) {
        let same = file::identity(&self.path).is_ok_and(|identity| identity == self.identity);
        if same && !self.maker.is_parent() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
