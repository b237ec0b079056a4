//! The descriptor of a channel that is not a socket channel, and its reads and writes.

use std::{
    io::{self, IoSlice, IoSliceMut},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use glib::IOCondition;

use super::fd_slot::FdSlot;
use crate::{
    channel::{Channel, ChannelExt as _, class::native::PollFd},
    error::would_block,
    hub::{Direction, FdRole},
    sys::{
        FdGuard, datagram,
        fd_info::{self, FdInfo, Kind},
        file, scm, socket, vectored,
    },
    types::{ReadFlags, Shutdown, WriteFlags},
};

/// A pipe, a terminal, a device, also a socket; or a file on disk, which is read and written in
/// blocking mode.
///
/// A call that must not block makes no system call that could, whatever the mode of the description
/// is, which other processes may share and change, and whatever they read or write at the same
/// time:
///
/// - Sockets have `MSG_DONTWAIT`.
/// - Pipes and many devices have `RWF_NOWAIT`.
/// - Others are opened again: a new description is in non-blocking mode.
/// - Files without any of these are put in non-blocking mode, until they are closed or dropped.
///
/// In blocking mode a call waits in poll(2), and tries again if another reader or writer precedes
/// it. Reads use the same ways but the last: where that would be needed, the master of a
/// pseudo-terminal for example, a read may wait in read(2) if another reader has been faster.
#[derive(Debug, Default)]
pub(super) struct Endpoint {
    pub(super) fd: FdSlot,
    fd_info: OnceLock<FdInfo>,
    /// The new description, once it was needed.
    own: FdSlot,
    /// Whether the file does not support `RWF_NOWAIT`.
    lacks_flag: AtomicBool,
    /// Whether the description was in blocking mode, which is restored for others that share it.
    was_blocking: AtomicBool,
}

impl Endpoint {
    /// Takes a descriptor over. Fails, and leaves it where it is, if there has been one already, or
    /// if it has been closed. `prepare` runs before anything can use the descriptor.
    pub(super) fn fill_from(
        &self,
        fd: &mut Option<OwnedFd>,
        fd_info: FdInfo,
        prepare: impl FnOnce(),
    ) -> io::Result<()> {
        self.fd.fill_from(fd, || {
            self.fd_info.get_or_init(|| fd_info);
            prepare();
        })
    }

    /// Sets the mode of the description permanently.
    pub(super) fn set_blocking(&self, enabled: bool) -> io::Result<()> {
        self.was_blocking.store(false, Ordering::Relaxed);
        self.fd.set_blocking(enabled)
    }

    pub(super) fn kind(&self) -> Option<Kind> {
        self.fd_info.get().map(|fd_info| fd_info.kind)
    }

    /// For one direction of a channel that has one descriptor for both of them, or one for each.
    pub(super) fn poll_fd(&self, side: Direction, both: bool) -> Option<PollFd> {
        let fd = self.fd.shared()?.clone();
        let fd_info = self.fd_info.get()?;
        Some(match fd_info.kind {
            Kind::Disk => PollFd::Disk(fd),
            kind => PollFd::Pollable {
                fd,
                role: FdRole {
                    both,
                    side,
                    short_read: fd_info.short_read,
                },
                raw: (kind == Kind::Pipe).then_some(kind),
            },
        })
    }

    /// Restores blocking mode if a call has changed it. A forked child does not: its parent uses
    /// the description.
    fn restore_mode(&self) {
        if self.was_blocking.swap(false, Ordering::Relaxed)
            && !self.fd.is_inherited()
            && let Ok(fd) = self.fd.get()
        {
            let _ = file::set_nonblocking(fd.as_fd(), false);
        }
    }

    /// Closes it at once, even if a watch or another thread uses the number.
    pub(super) fn close(&self) -> io::Result<()> {
        self.restore_mode();
        let own = self.own.close_at_once();
        self.fd.close_at_once().and(own)
    }

    /// Shuts down one direction, or both, and closes it.
    pub(super) fn shut_down(&self, how: Shutdown) -> io::Result<()> {
        let shut = match self.kind() {
            // Another descriptor of the socket may stay open.
            Some(Kind::Socket) => self
                .fd
                .get()
                .and_then(|fd| socket::shutdown(fd.as_fd(), how)),
            _ => Ok(()),
        };
        self.close().and(shut)
    }

    pub(super) fn read(
        &self,
        channel: &Channel,
        iov: &mut [IoSliceMut<'_>],
        flags: ReadFlags,
    ) -> io::Result<usize> {
        let read = self.read_until_ready(channel, iov, flags);
        match (&read, self.fd_info.get()) {
            (Err(e), Some(fd_info))
                if fd_info.is_pty_master && e.raw_os_error() == Some(libc::EIO) =>
            {
                Ok(0)
            }
            _ => read,
        }
    }

    fn read_until_ready(
        &self,
        channel: &Channel,
        iov: &mut [IoSliceMut<'_>],
        flags: ReadFlags,
    ) -> io::Result<usize> {
        loop {
            if flags.contains(ReadFlags::NO_WAIT) || !channel.is_blocking() {
                return self.read_now(iov);
            }
            self.check_access(|fd_info| fd_info.is_readable)?;
            let fd = self.fd.ready(channel, IOCondition::IN)?;
            let read = match self.read_without_waiting(fd.as_fd(), iov) {
                Some(read) => read,
                // Else read(2) could wait, where `close` cannot wake it, if another reader has been
                // faster.
                None => vectored::readv(self.reopened(&fd).as_ref().unwrap_or(&fd).as_fd(), iov),
            };
            match read {
                Err(e) if would_block(&e) => {}
                read => return read,
            }
        }
    }

    /// Fails as the system call would: what is not open for a direction never gets ready for it.
    fn check_access(&self, has_access: impl FnOnce(&FdInfo) -> bool) -> io::Result<()> {
        match self.fd_info.get() {
            Some(fd_info) if !has_access(fd_info) => {
                // Closed is another error.
                self.fd.get()?;
                Err(io::Error::from_raw_os_error(libc::EBADF))
            }
            _ => Ok(()),
        }
    }

    fn read_now(&self, iov: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let fd = self.fd.get()?;
        match self.read_without_waiting(fd.as_fd(), iov) {
            Some(read) => read,
            None => vectored::readv(self.nonblocking(fd)?.as_fd(), iov),
        }
    }

    /// `None` if there is no flag for that.
    fn read_without_waiting(
        &self,
        fd: BorrowedFd<'_>,
        iov: &mut [IoSliceMut<'_>],
    ) -> Option<io::Result<usize>> {
        let flags = ReadFlags::NO_WAIT;
        match self.fd_info.get() {
            Some(fd_info) if fd_info.is_message_oriented() => {
                Some(datagram::receive(fd, iov, None, flags))
            }
            Some(fd_info) if fd_info.kind == Kind::Socket => {
                Some(scm::recvmsg(fd, iov, None, flags))
            }
            _ => self.by_flag(|| vectored::readv_now(fd, iov)),
        }
    }

    /// In blocking mode a large write to a pipe that has begun continues until the peer has read
    /// it.
    pub(super) fn write(
        &self,
        channel: &Channel,
        iov: &[IoSlice<'_>],
        flags: WriteFlags,
    ) -> io::Result<usize> {
        loop {
            if flags.contains(WriteFlags::NO_WAIT) || !channel.is_blocking() {
                return self.write_now(iov);
            }
            self.check_access(|fd_info| fd_info.is_writable)?;
            let fd = self.fd.ready(channel, IOCondition::OUT)?;
            let written = match self.send(fd.as_fd(), iov, self.blocking_flags()) {
                Some(sent) => sent,
                None => vectored::writev_without_sigpipe(fd.as_fd(), iov),
            };
            match written {
                Err(e) if would_block(&e) => {}
                written => return written,
            }
        }
    }

    fn write_now(&self, iov: &[IoSlice<'_>]) -> io::Result<usize> {
        let fd = self.fd.get()?;
        let written = self
            .send(fd.as_fd(), iov, WriteFlags::NO_WAIT)
            .or_else(|| self.by_flag(|| vectored::writev_now_without_sigpipe(fd.as_fd(), iov)));
        match written {
            Some(written) => written,
            None => vectored::writev_without_sigpipe(self.nonblocking(fd)?.as_fd(), iov),
        }
    }

    /// The flags of a send in blocking mode: that of a message may wait where `close` cannot wake
    /// it, in the queue of the peer. Those to streams wait until all is sent.
    fn blocking_flags(&self) -> WriteFlags {
        match self.fd_info.get() {
            Some(fd_info) if fd_info.is_message_oriented() => WriteFlags::NO_WAIT,
            _ => WriteFlags::empty(),
        }
    }

    /// `None` if it is not a socket.
    fn send(
        &self,
        fd: BorrowedFd<'_>,
        iov: &[IoSlice<'_>],
        flags: WriteFlags,
    ) -> Option<io::Result<usize>> {
        match self.fd_info.get() {
            Some(fd_info) if fd_info.is_message_oriented() => {
                Some(datagram::send(fd, iov, &[], flags))
            }
            Some(fd_info) if fd_info.kind == Kind::Socket => {
                Some(scm::sendmsg(fd, iov, &[], flags))
            }
            _ => None,
        }
    }

    /// Makes a call with a non-blocking flag. `None` if the file does not support the flag.
    fn by_flag(&self, call: impl FnOnce() -> io::Result<usize>) -> Option<io::Result<usize>> {
        if self.lacks_flag.load(Ordering::Relaxed) {
            return None;
        }
        match call() {
            Err(e) if vectored::lacks_flag(&e) => {
                self.lacks_flag.store(true, Ordering::Relaxed);
                None
            }
            result => Some(result),
        }
    }

    /// A description in non-blocking mode.
    #[cold]
    fn nonblocking<'a>(&'a self, fd: FdGuard<'a>) -> io::Result<FdGuard<'a>> {
        if let Some(own) = self.reopened(&fd) {
            return Ok(own);
        }
        if file::make_nonblocking(fd.as_fd())? {
            self.was_blocking.store(true, Ordering::Relaxed);
        }
        Ok(fd)
    }

    /// The new description, where the file can be opened again: processes that share the first one
    /// are not affected by its mode.
    #[cold]
    fn reopened(&self, fd: &FdGuard<'_>) -> Option<FdGuard<'_>> {
        let may_reopen = matches!(self.kind(), Some(Kind::Pipe | Kind::Terminal));
        if may_reopen && self.own.shared().is_none() {
            // Fails without /proc, without permission, and for a FIFO without a reader.
            if let Ok(own) = fd_info::reopen_nonblocking(fd.as_fd()) {
                // Another thread may have filled the slot.
                let _ = self.own.fill(own);
            }
        }
        self.own.get().ok()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.restore_mode();
    }
}
