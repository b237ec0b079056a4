//! The symbolic link to a terminal, which exists as long as its relay.
//!
//! A terminal is removed from `/dev/pts` when the last descriptor of its controlling side is
//! closed: a link to one that is there belongs to a program that is running. Of relays that start
//! at the same time each puts its link at the path in one step, and returns what was there unless
//! that is stale; a link that is at the path leads to a terminal that exists.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, symlink},
    path::{Path, PathBuf},
};

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

/// The maximum number of times that a path is tried which other programs remove meanwhile.
const TRIES: usize = 100;

/// A symbolic link, which is removed when this is dropped: before the terminal is closed, as
/// another relay may replace it from then on.
pub(super) struct Link {
    path: PathBuf,
    target: PathBuf,
}

impl Link {
    /// Makes a link to a terminal, in place of one to a terminal that no longer exists.
    pub(super) fn new(path: &Path, target: PathBuf) -> io::Result<Self> {
        let made = Self {
            path: path.to_owned(),
            target,
        };
        for _ in 0..TRIES {
            match symlink(&made.target, path) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                result => return result.map(|()| made),
            }
            match check_stale(path).and_then(|()| replace_stale(path, &made.target)) {
                // Its owner has removed it in between.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                result => return result.map(|()| made),
            }
        }
        Err(exists("Other programs make and remove the path".to_owned()))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Another program may have replaced the link.
        if fs::read_link(&self.path).is_ok_and(|target| target == self.target) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Exchanges a stale link for a new one, and removes it.
fn replace_stale(path: &Path, target: &Path) -> io::Result<()> {
    // No other process has a terminal of this name, and so none makes a file of that name.
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".");
    name.push(target.file_name().unwrap_or_default());
    let aside = path.with_file_name(name);
    match symlink(target, &aside) {
        // A relay was killed between two steps.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && is_link_to(&aside, target) => {}
        result => result?,
    }
    let exchange = || {
        let flags = RenameFlags::RENAME_EXCHANGE;
        renameat2(AT_FDCWD, &aside, AT_FDCWD, path, flags).map_err(io::Error::from)
    };
    let replaced = exchange().and_then(|()| {
        // Another relay may have made its link since the check: it gets that back.
        check_stale(&aside).or_else(|e| exchange().and(Err(e)))
    });
    // Either the stale link, or the new one.
    if replaced.is_ok() || is_link_to(&aside, target) {
        fs::remove_file(&aside)?;
    }
    replaced
}

fn is_link_to(path: &Path, target: &Path) -> bool {
    fs::read_link(path).is_ok_and(|found| found == target)
}

fn exists(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::AlreadyExists, message)
}

/// Fails if what is at the path is no link to a terminal, or one to a terminal that exists.
fn check_stale(path: &Path) -> io::Result<()> {
    let target = fs::read_link(path).map_err(|e| match e.kind() {
        io::ErrorKind::InvalidInput => exists("It exists, and is no symbolic link".to_owned()),
        _ => e,
    })?;
    let shown = target.display();
    let is_terminal = target.parent() == Some(Path::new("/dev/pts"));
    match fs::metadata(&target) {
        Err(e) if is_terminal && e.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(found) if is_terminal && found.file_type().is_char_device() => Err(exists(format!(
            "It is a link to {shown}, a terminal that another program has open"
        ))),
        _ => Err(exists(format!(
            "It is a link to {shown}, which is no terminal"
        ))),
    }
}
