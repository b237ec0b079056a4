//! Making room for a unix path: a socket that refuses connections is what a program leaves behind
//! that was killed.
//!
//! Until the new socket listens, which another program cannot distinguish from a stale one, there is a
//! lock, so that of two programs that start at the same time one finds the other. It is on a file
//! beside the path that only this user can open: another user can lock a folder, but cannot hold
//! this up. Against programs without the lock, a socket is looked at once more after it has been
//! moved aside, where no other can be put in its place.

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

/// How many names are tried.
const TRIES: usize = 100;

/// The lock on a unix path. It is removed with this.
#[derive(Debug)]
pub(super) struct PathLock {
    path: PathBuf,
    /// Locked, which is the use of it.
    file: File,
}

/// The result of locking.
#[derive(Debug)]
pub(super) enum Lock {
    Locked(PathLock),
    /// Another task or process of this user is replacing the same path.
    Busy,
    /// There cannot be a lock: the second look has to do.
    Impossible,
}

/// The path that an address stands for in the file system, from the root.
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
        // Else its last owner has removed it since it was opened.
        if is_at(&file, &path) {
            return Lock::Locked(PathLock { path, file });
        }
    }
    Lock::Busy
}

/// Whether it is this file that is there.
fn is_at(file: &File, path: &Path) -> bool {
    let own = file.metadata().map(|it| (it.dev(), it.ino()));
    matches!((own, file::identity(path)), (Ok(own), Ok(found)) if own == found)
}

impl Drop for PathLock {
    fn drop(&mut self) {
        // While it is locked: after that it would be another's.
        if is_at(&self.file, &self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes what is at a path if it is a socket that refuses connections. Anything else there is an error. The
/// caller has the [`lock`] until the new socket listens.
pub(super) fn make_room(path: &Path) -> io::Result<()> {
    remove_stale(path).map_err(|e| with_context(e, format!("Unable to replace {}", path.display())))
}

/// The lock could not be taken for a long time.
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
        // This file system cannot do it.
        return fs::remove_file(path);
    };
    match is_stale(&aside) {
        Ok(true) => fs::remove_file(&aside),
        // It was put there since the first look.
        result => {
            file::rename_to_free(&aside, path)?;
            Err(result.err().unwrap_or_else(in_use))
        }
    }
}

/// Whether it is a socket that refuses. Nothing is fine; anything else is an error.
fn is_stale(path: &Path) -> io::Result<bool> {
    // By its own name it may be too long for an address: GIO would cut that off, and another one be asked.
    let (_open, file) = match listen::open_file_of_socket(path) {
        Ok(open) => open,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(e),
    };
    if !fs::metadata(&file)?.file_type().is_socket() {
        return Err(io_error(
            gio::IOErrorEnum::Exists,
            "It is not a socket, and stays",
        ));
    }
    let address: gio::SocketAddress = gio::UnixSocketAddress::new(&file).upcast();
    match listen::probe(&Native::new(&address)?) {
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => Ok(true),
        // It accepts, has no room in its queue, or does not allow the attempt.
        _ => Err(in_use()),
    }
}

fn in_use() -> io::Error {
    io_error(
        gio::IOErrorEnum::AddressInUse,
        "A process listens on it, and it stays",
    )
}

/// Moves a file to a name beside it that is free. `None` where there is no such operation.
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
