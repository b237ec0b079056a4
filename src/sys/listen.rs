//! Listening sockets.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::OFlag,
    sys::{socket::UnixAddr, stat::Mode},
};

use super::{
    address::Native,
    call, retry,
    socket::{self, set_option},
};
use crate::error::errno;

/// How a socket is bound.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Binding {
    /// Sets SO_REUSEPORT: other sockets with the option may have the same address.
    pub(crate) reuse_port: bool,
    /// Sets IPV6_V6ONLY. `None`: the default of the system.
    pub(crate) v6_only: Option<bool>,
}

/// Creates a socket of a type such as `SOCK_STREAM` and binds it, without listening.
pub(crate) fn bind(address: &Native, kind: i32, binding: Binding) -> io::Result<OwnedFd> {
    let fd = socket::new(address.family(), kind)?;
    let set = |level, name, value: bool| set_option(fd.as_fd(), level, name, value.into());
    if address.family() != libc::AF_UNIX {
        set(libc::SOL_SOCKET, libc::SO_REUSEADDR, true)?;
        if binding.reuse_port {
            set(libc::SOL_SOCKET, libc::SO_REUSEPORT, true)?;
        }
    }
    if let (libc::AF_INET6, Some(only)) = (address.family(), binding.v6_only) {
        set(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, only)?;
    }
    socket::bind(fd.as_fd(), address)?;
    Ok(fd)
}

/// Listens for connections.
pub(crate) fn start(fd: BorrowedFd<'_>, backlog: i32) -> io::Result<()> {
    // SAFETY: listen() takes no memory.
    call(|| unsafe { libc::listen(fd.as_raw_fd(), backlog) as isize })?;
    Ok(())
}

/// Listens on a unix path that only processes of the same user can open, from the beginning.
pub(crate) fn listen_private(path: &Path, backlog: i32) -> io::Result<OwnedFd> {
    let address = UnixAddr::new(path)?;
    let fd = socket::new(libc::AF_UNIX, libc::SOCK_STREAM)?;
    // Linux creates the file with the mode of the socket.
    retry(|| nix::sys::stat::fchmod(&fd, Mode::S_IRUSR | Mode::S_IWUSR))?;
    retry(|| nix::sys::socket::bind(fd.as_raw_fd(), &address))?;
    start(fd.as_fd(), backlog)?;
    Ok(fd)
}

/// Makes a non-blocking attempt to connect, for its result.
pub(crate) fn probe(address: &Native) -> io::Result<()> {
    socket::start_connecting(address, libc::SOCK_STREAM).map(|_| ())
}

/// Opens the file of a unix socket itself (O_PATH), and returns another path of it that is valid
/// while it is open.
pub(crate) fn open_file_of_socket(path: &Path) -> io::Result<(OwnedFd, PathBuf)> {
    let file = super::file::open(path, (OFlag::O_PATH | OFlag::O_NOFOLLOW).bits(), 0)?;
    let name = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok((file, name.into()))
}

/// Whether accepting on this socket fails forever, as the socket itself is at fault. All other
/// errors are those of one connection, or a resource exhaustion, after which the connection stays
/// in the queue.
pub(crate) fn is_unusable(error: &io::Error) -> bool {
    let errno = errno(error).map(Errno::from_raw);
    matches!(
        errno,
        None | Some(Errno::EBADF | Errno::EINVAL | Errno::ENOTSOCK | Errno::EFAULT)
    )
}
