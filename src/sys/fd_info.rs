//! The type of a descriptor, which every transport determines for every descriptor.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
};

use nix::{fcntl::OFlag, sys::stat::SFlag};

use super::{call, file, retry, socket_info};

/// The type of a file, as far as waiting, reading and writing differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A regular file, a directory or a block device: always ready.
    Disk,
    /// A pipe or FIFO without packet mode.
    Pipe,
    /// A socket: writing may raise `SIGPIPE`.
    Socket,
    /// A terminal, of which each `open()` creates a description of its own.
    Terminal,
    /// Another character device, an eventfd, a pipe of packets, and so on.
    Other,
}

/// What a short read (fewer bytes than the buffer holds) implies for a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShortRead {
    Unknown,
    /// It is drained.
    Drained,
    /// It is drained, as a rule. The read may also have ended at ancillary data or a packet.
    ProbablyDrained,
}

/// What a descriptor is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FdInfo {
    pub(crate) kind: Kind,
    /// The traits of a socket.
    pub(crate) socket: Option<socket_info::Traits>,
    /// What a short read implies.
    pub(crate) short_read: ShortRead,
    /// Whether the description is in blocking mode.
    pub(crate) is_blocking: bool,
    /// The file is open for reading.
    pub(crate) is_readable: bool,
    /// The file is open for writing.
    pub(crate) is_writable: bool,
    /// The side of a pseudo-terminal that a terminal emulator has: where no process has the other
    /// side any more, which is the end, reading fails with `EIO`.
    pub(crate) is_pty_master: bool,
}

impl FdInfo {
    /// The value where the system call fails.
    pub(crate) const UNKNOWN: Self = Self {
        kind: Kind::Other,
        socket: None,
        short_read: ShortRead::Unknown,
        is_blocking: true,
        is_readable: true,
        is_writable: true,
        is_pty_master: false,
    };

    /// Determines what a descriptor is. A socket, the usual case, needs no fstat(2).
    pub(crate) fn of(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let flags = file::status_flags(fd)?;
        let access = flags & OFlag::O_ACCMODE;
        let (kind, socket, is_pty_master) = match socket_info::traits(fd) {
            Ok(traits) => (Kind::Socket, Some(traits), false),
            // EBADF: opened with O_PATH, as `fd` is valid.
            Err(e) if matches!(e.raw_os_error(), Some(libc::ENOTSOCK | libc::EBADF)) => {
                let (kind, is_pty_master) = kind_of_file(fd, flags)?;
                (kind, None, is_pty_master)
            }
            Err(e) => return Err(e),
        };
        let short_read = match (kind, &socket) {
            (_, Some(traits)) => traits.short_read(),
            // A reader cannot query whether a writer is in packet mode (O_DIRECT). Terminals are
            // read by line.
            (Kind::Pipe | Kind::Terminal, _) => ShortRead::ProbablyDrained,
            _ => ShortRead::Unknown,
        };
        Ok(Self {
            kind,
            socket,
            short_read,
            is_blocking: !flags.contains(OFlag::O_NONBLOCK),
            is_readable: matches!(access, OFlag::O_RDONLY | OFlag::O_RDWR),
            is_writable: matches!(access, OFlag::O_WRONLY | OFlag::O_RDWR),
            is_pty_master,
        })
    }

    /// Whether the socket preserves message boundaries.
    pub(crate) fn is_message_oriented(&self) -> bool {
        self.socket
            .is_some_and(|traits| traits.is_message_oriented())
    }
}

/// The device of the master of a pseudo-terminal: major 5, minor 2.
const PTMX: libc::dev_t = (5 << 8) | 2;

/// The type of a descriptor that is no socket, and whether it is the master of a pseudo-terminal.
fn kind_of_file(fd: BorrowedFd<'_>, flags: OFlag) -> io::Result<(Kind, bool)> {
    let stat = retry(|| nix::sys::stat::fstat(fd))?;
    Ok(
        match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
            SFlag::S_IFREG | SFlag::S_IFDIR | SFlag::S_IFBLK => (Kind::Disk, false),
            SFlag::S_IFIFO if !flags.contains(OFlag::O_DIRECT) => (Kind::Pipe, false),
            // Opening this one again creates another pseudo-terminal.
            SFlag::S_IFCHR if stat.st_rdev == PTMX => (Kind::Other, true),
            SFlag::S_IFCHR if is_terminal(fd) => (Kind::Terminal, false),
            _ => (Kind::Other, false),
        },
    )
}

fn is_terminal(fd: BorrowedFd<'_>) -> bool {
    let mut size = std::mem::MaybeUninit::<libc::termios>::uninit();
    let (number, size) = (fd.as_raw_fd(), size.as_mut_ptr());
    // SAFETY: `size` points to a buffer that is large enough for the result.
    call(|| unsafe { libc::ioctl(number, libc::TCGETS, size) as isize }).is_ok()
}

/// Opens the file of a descriptor again, as a new description in non-blocking mode, which no other
/// process shares. Not for sockets, nor for devices that create an instance per `open()`.
pub(crate) fn reopen_nonblocking(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let kept = OFlag::O_ACCMODE | OFlag::O_DIRECT | OFlag::O_APPEND;
    let flags = file::status_flags(fd)? & kept;
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let flags = flags | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    file::open(path.as_ref(), flags.bits(), 0)
}
