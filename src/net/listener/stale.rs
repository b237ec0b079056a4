//! Replacing stale unix sockets: a socket that refuses connections is that of a program that was
//! killed.
//!
//! Another program cannot distinguish a socket that does not listen yet from a stale one. So there
//! is a lock until it listens: of two programs that start at the same time one finds the other. The
//! lock is on a file next to the path that only this user can open: another user can lock a
//! directory, but cannot cause a wait here. Against programs without the lock, a socket is checked
//! again after it has been renamed, where no other can replace it.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use gio::prelude::*;

use crate::{
    error::{io_error, with_context},
    sys::{
        address::{Native, path_of},
        file, listen,
    },
};

/// The maximum number of names that are tried.
const TRIES: usize = 100;

/// The lock on a unix path. Removes its file when dropped.
#[derive(Debug)]
pub(super) struct PathLock {
    path: PathBuf,
    /// The locked file.
    file: File,
}

/// The result of locking.
#[derive(Debug)]
pub(super) enum Lock {
    Locked(PathLock),
    /// Another task or process of this user is replacing the same path.
    Busy,
    /// The file system does not support the lock: the second check has to suffice.
    Impossible,
}

/// The absolute path of an address in the file system.
pub(super) fn absolute_path(address: &gio::SocketAddress) -> Option<PathBuf> {
    std::path::absolute(path_of(address)?).ok()
}

/// Locks a path, without waiting.
pub(super) fn lock(path: &Path) -> Lock {
    let Some(name) = path.file_name() else {
        return Lock::Impossible;
    };
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".lock");
    let path = path.with_file_name(hidden);
    for _ in 0..TRIES {
        let Ok(Some(file)) = file::open_private(&path) else {
            return Lock::Impossible;
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Lock::Busy,
            Err(TryLockError::Error(_)) => return Lock::Impossible,
        }
        // Otherwise its last owner has removed it since it was opened.
        if is_at(&file, &path) {
            return Lock::Locked(PathLock { path, file });
        }
    }
    Lock::Busy
}

/// Whether the path leads to this file.
fn is_at(file: &File, path: &Path) -> bool {
    let own = file.metadata().map(|it| (it.dev(), it.ino()));
    matches!((own, file::identity(path)), (Ok(own), Ok(found)) if own == found)
}

impl Drop for PathLock {
    fn drop(&mut self) {
        // While it is locked: after that another process may own it.
        if is_at(&self.file, &self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes a socket that refuses connections from a path. Any other file there is an error. The
/// caller holds the [`lock`] until the new socket listens.
pub(super) fn remove_stale_socket(path: &Path) -> io::Result<()> {
    remove_stale(path).map_err(|e| with_context(e, format!("Unable to replace {}", path.display())))
}

/// The error of a lock that could not be taken in time.
pub(super) fn is_busy(paths: &str) -> io::Error {
    let reason = "Another process of this user is replacing it";
    let e = io_error(gio::IOErrorEnum::Busy, reason);
    with_context(e, format!("Unable to replace {paths}"))
}

fn remove_stale(path: &Path) -> io::Result<()> {
    if !is_stale(path)? {
        return Ok(());
    }
    let Some(aside) = move_aside(path)? else {
        // This file system does not support the rename.
        return fs::remove_file(path);
    };
    match is_stale(&aside) {
        Ok(true) => fs::remove_file(&aside),
        // It was put there since the first check.
        result => {
            file::rename_to_free(&aside, path)?;
            Err(result.err().unwrap_or_else(in_use))
        }
    }
}

/// Whether it is a socket that refuses connections. A missing file is not; any other one is an
/// error.
fn is_stale(path: &Path) -> io::Result<bool> {
    // By its own name it may be too long for an address, which GIO would truncate to that of
    // another socket.
    let (_open, file) = match listen::open_file_of_socket(path) {
        Ok(open) => open,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(e),
    };
    if !fs::metadata(&file)?.file_type().is_socket() {
        return Err(io_error(
            gio::IOErrorEnum::Exists,
            "The file is not a socket",
        ));
    }
    let address: gio::SocketAddress = gio::UnixSocketAddress::new(&file).upcast();
    match listen::probe(&Native::new(&address)?) {
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => Ok(true),
        // It accepts, its queue is full, or it does not permit the attempt.
        _ => Err(in_use()),
    }
}

fn in_use() -> io::Error {
    io_error(
        gio::IOErrorEnum::AddressInUse,
        "Address already in use by a live listener",
    )
}

/// Renames a file to an unused name in the same directory. `None` if there is no such operation.
fn move_aside(path: &Path) -> io::Result<Option<PathBuf>> {
    for number in 0..TRIES {
        let aside = path.with_file_name(format!(".{:x}.{number}", std::process::id()));
        match file::rename_to_free(path, &aside) {
            Ok(()) => return Ok(Some(aside)),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) if e.kind() == io::ErrorKind::InvalidInput => return Ok(None),
            Err(e) => return Err(e),
        }
    }
    Ok(None)
}
