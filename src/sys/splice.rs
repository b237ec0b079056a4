//! Moving data inside the kernel, without copying it to this process.
//!
//! No call here blocks on a pipe: it returns would-block. Sockets block if they are in blocking
//! mode, and files on disk may take long.

use std::{
    io::{self, IoSliceMut},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::{call, file, sigpipe::without_sigpipe, vectored};

/// The maximum number of bytes per call of the kernel.
const MOST: usize = 0x7fff_f000;

/// Moves up to `count` bytes; one of the two is a pipe. Returns 0 at end-of-file of `from`.
pub(crate) fn splice(from: BorrowedFd<'_>, to: BorrowedFd<'_>, count: usize) -> io::Result<usize> {
    splice_from(from, None, to, count)
}

/// As [`splice`], to a pipe, from an offset of a file, whose position does not move.
pub(crate) fn splice_at(
    from: BorrowedFd<'_>,
    offset: u64,
    to: BorrowedFd<'_>,
    count: usize,
) -> io::Result<usize> {
    splice_from(from, Some(vectored::signed(offset)?), to, count)
}

fn splice_from(
    from: BorrowedFd<'_>,
    mut offset: Option<i64>,
    to: BorrowedFd<'_>,
    count: usize,
) -> io::Result<usize> {
    let count = count.min(MOST);
    let offset = offset.as_mut().map_or(ptr::null_mut(), ptr::from_mut);
    let flags = libc::SPLICE_F_NONBLOCK | libc::SPLICE_F_MOVE;
    let (from, to, none) = (from.as_raw_fd(), to.as_raw_fd(), ptr::null_mut());
    // SAFETY: the offset is NULL or outlives the call, which accesses no other memory.
    Ok(call(|| unsafe {
        libc::splice(from, offset, to, none, count, flags)
    })?)
}

/// As [`splice`], with `SIGPIPE` suppressed.
pub(crate) fn splice_without_sigpipe(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    count: usize,
) -> io::Result<usize> {
    without_sigpipe(count, || splice(from, to, count))
}

/// Sends up to `count` bytes of a file, from its position, which moves, on a socket. Returns 0 at
/// end-of-file.
pub(crate) fn sendfile(
    file: BorrowedFd<'_>,
    socket: BorrowedFd<'_>,
    count: usize,
) -> io::Result<usize> {
    let count = count.min(MOST);
    let (file, socket, none) = (file.as_raw_fd(), socket.as_raw_fd(), ptr::null_mut());
    without_sigpipe(count, || {
        // SAFETY: the offset is NULL; no other pointers are passed.
        Ok(call(|| unsafe {
            libc::sendfile(socket, file, none, count)
        })?)
    })
}

/// Copies up to `count` bytes from file to file, at the given offsets, or from and to the
/// positions, which then move. Returns 0 at end-of-file of `from`.
pub(crate) fn copy_file_range(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    offsets: Option<(u64, u64)>,
    count: usize,
) -> io::Result<usize> {
    let count = count.min(MOST);
    let mut offsets = match offsets {
        Some((from, to)) => Some([vectored::signed(from)?, vectored::signed(to)?]),
        None => None,
    };
    let [at, to_at] = match &mut offsets {
        Some([from, to]) => [ptr::from_mut(from), ptr::from_mut(to)],
        None => [ptr::null_mut(); 2],
    };
    let (from, to) = (from.as_raw_fd(), to.as_raw_fd());
    // SAFETY: the offsets are NULL or live through the call.
    Ok(call(|| unsafe {
        libc::copy_file_range(from, at, to, to_at, count, 0)
    })?)
}

/// The number of [`Pipe`]s of this process.
static PIPES: AtomicUsize = AtomicUsize::new(0);

/// The maximum number of pipes at a time. Most systems allow a user 64 MiB of pipe buffers, after
/// which every new pipe of every program of that user is small.
const MOST_PIPES: usize = 16;

/// The capacity of a pipe, if the kernel allows it.
const PIPE_SIZE: i32 = 1024 * 1024;

/// A pipe between two descriptors that are no pipes.
#[derive(Debug)]
pub(crate) struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    size: usize,
}

impl Pipe {
    /// `None` if none can be created, or the maximum is reached.
    pub(crate) fn new() -> Option<Self> {
        if PIPES.fetch_add(1, Ordering::Relaxed) < MOST_PIPES
            && let Ok((read, write)) = file::pipe()
        {
            let number = write.as_raw_fd();
            // SAFETY: no pointers are passed.
            let size = call(|| unsafe { libc::fcntl(number, libc::F_SETPIPE_SZ, PIPE_SIZE) as _ });
            // If that is refused it has the default capacity.
            let size = size.unwrap_or(64 * 1024);
            return Some(Self { read, write, size });
        }
        PIPES.fetch_sub(1, Ordering::Relaxed);
        None
    }

    /// Moves up to `count` bytes into the pipe, which is empty; from an offset, or from the
    /// position of `from`.
    pub(crate) fn fill(
        &self,
        from: BorrowedFd<'_>,
        offset: Option<u64>,
        count: u64,
    ) -> io::Result<usize> {
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(self.size);
        match offset {
            Some(offset) => splice_at(from, offset, self.write.as_fd(), count),
            None => splice(from, self.write.as_fd(), count),
        }
    }

    /// Moves up to `count` of the bytes in the pipe.
    pub(crate) fn drain(&self, to: BorrowedFd<'_>, count: usize) -> io::Result<usize> {
        splice_without_sigpipe(self.read.as_fd(), to, count)
    }

    /// Reads bytes of the pipe until the buffer is full.
    pub(crate) fn take(&self, buf: &mut [u8]) -> io::Result<()> {
        let mut taken = 0;
        while taken < buf.len() {
            match vectored::readv(self.read.as_fd(), &mut [IoSliceMut::new(&mut buf[taken..])])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => taken += count,
            }
        }
        Ok(())
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        PIPES.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
impl Pipe {
    /// A pipe that fails to be read.
    pub(crate) fn unreadable() -> Self {
        let mut pipe = Self::new().expect("a pipe");
        pipe.read = pipe.write.try_clone().expect("a descriptor");
        pipe
    }
}
