//! Opening descriptors, and their modes.

use std::{
    fs::File,
    io,
    os::{
        fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
        unix::fs::MetadataExt,
    },
    path::Path,
};

use nix::{
    fcntl::{FcntlArg, OFlag},
    sys::stat::Mode,
};

use super::{call, retry};

/// Opens a path with `O_*` flags; the descriptor is close-on-exec.
pub(crate) fn open(path: &Path, flags: i32, mode: u32) -> io::Result<OwnedFd> {
    let flags = OFlag::from_bits_retain(flags) | OFlag::O_CLOEXEC;
    let mode = Mode::from_bits_retain(mode);
    Ok(retry(|| nix::fcntl::open(path, flags, mode))?)
}

/// Opens a file that no other user can open, and creates it if it does not exist. `None` if the
/// path is another type of file; does not block, whatever another user has put there.
pub(crate) fn open_private(path: &Path) -> io::Result<Option<File>> {
    let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = File::from(open(path, flags.bits(), 0o600)?);
    let found = file.metadata()?;
    let user = effective_user();
    let is_private = found.is_file() && found.uid() == user && found.mode() & 0o077 == 0;
    Ok(is_private.then_some(file))
}

/// The user whose rights the process has.
pub(crate) fn effective_user() -> u32 {
    // SAFETY: the call takes no arguments, and always succeeds.
    unsafe { libc::geteuid() }
}

/// Duplicates, close-on-exec, a descriptor that this process was started with. Such a descriptor
/// was inherited through exec, and has no owner here. `None` for one that is close-on-exec: it was
/// opened by this process, and is owned by other code.
pub(crate) fn duplicate_inherited(number: RawFd) -> io::Result<Option<OwnedFd>> {
    if is_close_on_exec(number)? {
        return Ok(None);
    }
    // SAFETY: the original stays open; the result is checked, and has no other owner.
    unsafe {
        let fd = call(|| libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) as isize)?;
        Ok(Some(OwnedFd::from_raw_fd(fd as i32)))
    }
}

/// Whether the descriptor with this number is close-on-exec; an error if there is none.
pub(crate) fn is_close_on_exec(number: RawFd) -> io::Result<bool> {
    // SAFETY: F_GETFD accepts any number, and takes no pointer.
    let flags = call(|| unsafe { libc::fcntl(number, libc::F_GETFD) as isize })?;
    Ok(flags as i32 & libc::FD_CLOEXEC != 0)
}

/// Creates a pipe: the read end and the write end, both close-on-exec.
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(retry(|| nix::unistd::pipe2(OFlag::O_CLOEXEC))?)
}

pub(super) fn status_flags(fd: BorrowedFd<'_>) -> io::Result<OFlag> {
    let flags = retry(|| nix::fcntl::fcntl(fd, FcntlArg::F_GETFL))?;
    Ok(OFlag::from_bits_retain(flags))
}

/// Sets non-blocking mode, and returns whether the descriptor was in blocking mode.
pub(crate) fn make_nonblocking(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let was_blocking = !status_flags(fd)?.contains(OFlag::O_NONBLOCK);
    if was_blocking {
        set_nonblocking(fd, true)?;
    }
    Ok(was_blocking)
}

/// Sets blocking or non-blocking mode, in one system call.
pub(crate) fn set_nonblocking(fd: BorrowedFd<'_>, enabled: bool) -> io::Result<()> {
    let (number, nonblocking) = (fd.as_raw_fd(), i32::from(enabled));
    // SAFETY: FIONBIO reads one `int`, and `nonblocking` outlives the call.
    call(|| unsafe { libc::ioctl(number, libc::FIONBIO, &raw const nonblocking) as isize })?;
    Ok(())
}

/// Creates an eventfd.
pub(crate) fn eventfd() -> io::Result<OwnedFd> {
    // SAFETY: no pointers are passed; the result is checked, and has no other owner.
    unsafe {
        let fd = call(|| libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) as isize)?;
        Ok(OwnedFd::from_raw_fd(fd as i32))
    }
}

/// The identity of the file at a path: device and inode.
pub(crate) fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let stat = retry(|| nix::sys::stat::lstat(path))?;
    Ok((stat.st_dev, stat.st_ino))
}

/// The identity of an open file if it is a socket in the file system.
pub(crate) fn socket_identity(file: BorrowedFd<'_>) -> io::Result<Option<(u64, u64)>> {
    Ok(identity_of_socket(&retry(|| nix::sys::stat::fstat(file))?))
}

/// As [`socket_identity`], of the file at a path: needs no descriptor.
pub(crate) fn socket_identity_at(path: &Path) -> io::Result<Option<(u64, u64)>> {
    Ok(identity_of_socket(&retry(|| nix::sys::stat::lstat(path))?))
}

fn identity_of_socket(stat: &libc::stat) -> Option<(u64, u64)> {
    let is_socket = stat.st_mode & libc::S_IFMT == libc::S_IFSOCK;
    is_socket.then_some((stat.st_dev, stat.st_ino))
}

/// Renames a file to a name that is not in use; fails otherwise, without an effect.
pub(crate) fn rename_to_free(from: &Path, to: &Path) -> io::Result<()> {
    use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
    let flags = RenameFlags::RENAME_NOREPLACE;
    Ok(retry(|| renameat2(AT_FDCWD, from, AT_FDCWD, to, flags))?)
}

/// The text of a descriptor in messages.
pub(crate) fn describe(fd: BorrowedFd<'_>) -> String {
    format!("fd {}", fd.as_raw_fd())
}

/// Whether the file is in append mode, in which writes ignore the position.
pub(crate) fn appends(fd: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(status_flags(fd)?.contains(OFlag::O_APPEND))
}
