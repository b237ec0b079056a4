//! Making room for a unix path: a socket that nobody answers on is what a program leaves behind
//! that was killed.
//!
//! Whoever does this holds a lock on the folder from the first look until it answers itself, so that
//! of two programs that start at the same time one finds the other. Against those who know nothing
//! of the lock, a socket is looked at once more after it has been moved aside, where nobody can put
//! another in its place.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use gio::prelude::*;

use crate::{
    error::{io_error, with_context},
    sys::{
        address::{Native, path_of},
        file, listen,
    },
};

/// Others hold the lock for as long as it takes to bind a socket: this often, and so long each
/// time, it is tried again.
const TRIES: usize = 100;
const BETWEEN: Duration = Duration::from_millis(10);

/// The lock on a folder.
#[derive(Debug)]
#[allow(dead_code)] // it is there to be dropped
pub(super) struct FolderLock(File);

/// Removes what is at a unix path if it is a socket that nobody answers on. An error if there is
/// anything else. To be kept until somebody answers.
pub(super) fn make_room(address: &gio::SocketAddress) -> io::Result<Option<FolderLock>> {
    let Some(path) = path_of(address).and_then(|path| std::path::absolute(path).ok()) else {
        return Ok(None);
    };
    let explained = |e| with_context(e, format!("Unable to replace {}", path.display()));
    let lock = lock_folder_of(&path).map_err(explained)?;
    remove_stale(&path).map_err(explained)?;
    Ok(lock)
}

/// `None` where folders cannot be locked, on some file systems: then the second look has to do.
fn lock_folder_of(path: &Path) -> io::Result<Option<FolderLock>> {
    let folder = File::open(path.parent().unwrap_or(Path::new("/")))?;
    for _ in 0..TRIES {
        match folder.try_lock() {
            Ok(()) => return Ok(Some(FolderLock(folder))),
            Err(TryLockError::WouldBlock) => thread::sleep(BETWEEN),
            Err(TryLockError::Error(_)) => return Ok(None),
        }
    }
    Err(io_error(
        gio::IOErrorEnum::Busy,
        "Somebody else holds the lock on the folder",
    ))
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
        // Somebody answers, or is too busy to, or does not let us ask.
        _ => Err(in_use()),
    }
}

fn in_use() -> io::Error {
    io_error(
        gio::IOErrorEnum::AddressInUse,
        "Somebody listens on it, and it stays",
    )
}

/// Moves a file to a name beside it that nobody has. `None` where there is no such operation.
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
