//! The file of a listening unix socket, which is removed with the socket.

use std::{
    fs::{self, Permissions},
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::{PermissionsExt, chown},
    },
    path::PathBuf,
};

use crate::{
    error::io_error,
    sync::Creator,
    sys::{address::path_of, file, listen},
};

/// The permissions of a unix path. `None`: the default of the system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PathAccess {
    pub(crate) mode: Option<u32>,
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
}

/// The file that a listening unix socket has created, to be removed with it.
#[derive(Debug)]
pub(super) struct BoundPath {
    path: PathBuf,
    /// The identity of the file, which another one in its place does not have.
    identity: (u64, u64),
    /// A forked child must not remove it.
    creator: Creator,
}

impl BoundPath {
    /// Binds a socket to an address by `bind`. The file that this creates, if any, is removed with
    /// the result: also if a later step fails. Abstract names have no file.
    pub(super) fn bind(
        address: &gio::SocketAddress,
        bind: impl FnOnce() -> io::Result<OwnedFd>,
    ) -> io::Result<(OwnedFd, Option<Self>)> {
        // First: it may fail, before there is anything to be removed.
        let path = path_of(address).map(std::path::absolute).transpose()?;
        let fd = bind()?;
        let Some(path) = path else {
            return Ok((fd, None));
        };
        // Opening the file could fail without a free descriptor, and would leave it there.
        let identity = file::socket_identity_at(&path)?.ok_or_else(replaced)?;
        let bound = Self {
            path,
            identity,
            creator: Creator::default(),
        };
        Ok((fd, Some(bound)))
    }

    /// Sets the owner and the mode. Must be called before the socket listens: until then it refuses
    /// all connections.
    pub(super) fn set_access(&self, access: PathAccess) -> io::Result<()> {
        if access == PathAccess::default() {
            return Ok(());
        }
        // The file itself is changed, whatever replaces it at its path meanwhile; and never one
        // that is not a socket, which another user of the directory may have created before.
        let (open, file) = listen::open_file_of_socket(&self.path)?;
        if file::socket_identity(open.as_fd())? != Some(self.identity) {
            return Err(replaced());
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

fn replaced() -> io::Error {
    io_error(
        gio::IOErrorEnum::NotFound,
        "The file of the socket has been replaced",
    )
}

impl Drop for BoundPath {
    fn drop(&mut self) {
        let same = file::identity(&self.path).is_ok_and(|identity| identity == self.identity);
        if same && !self.creator.is_parent() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use gio::prelude::*;

    use super::*;
    use crate::sys::{address::Native, listen::Binding};

    fn mode(path: &std::path::Path) -> u32 {
        fs::metadata(path).expect("there").mode() & 0o7777
    }

    #[test]
    fn owner_and_mode_of_what_is_not_a_socket_stay() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("file");
        fs::write(&path, "").expect("written");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("set");
        // An inode number that the file system has reused.
        let bound = BoundPath {
            identity: file::identity(&path).expect("there"),
            path: path.clone(),
            creator: Creator::default(),
        };
        let access = PathAccess {
            mode: Some(0o666),
            ..PathAccess::default()
        };
        bound.set_access(access).expect_err("not a socket");
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn what_another_process_has_put_in_the_place_of_a_new_socket_stays() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("socket");
        let address = gio::UnixSocketAddress::new(&path).upcast();
        let bind = || {
            let native = Native::new(&address)?;
            let fd = listen::bind(&native, libc::SOCK_STREAM, Binding::default())?;
            fs::remove_file(&path)?;
            fs::write(&path, "of another process")?;
            Ok(fd)
        };
        BoundPath::bind(&address, bind).expect_err("replaced");
        assert!(path.is_file());
    }
}
