//! Zero-copy sends (`MSG_ZEROCOPY`): the kernel reads the memory when it transmits it, and reports
//! the completion later, in the error queue of the socket.
//!
//! The kernel numbers such sends, and reports ranges of numbers. [`ZeroCopySends`] counts them as
//! well; its lock is held during the call that sends, which never blocks, so that both agree.

use std::{
    collections::VecDeque,
    fmt,
    io::{self, IoSlice},
    mem::{self, MaybeUninit},
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    sync::{
        Mutex,
        atomic::{AtomicU8, Ordering},
    },
};

use super::{call, lock, poll::poll_now, scm, socket, transfer_raw};
use crate::{
    error::{io_error, would_block},
    types::{Flushed, WriteFlags},
};

/// Whether the kernel supports zero-copy sends of a protocol. Determined once, with a test socket.
pub(super) fn is_known(domain: i32, protocol: i32) -> bool {
    const UNKNOWN: u8 = 2;
    // Not a `OnceLock`: a child that was forked during the initialization would wait forever.
    static KNOWN: [AtomicU8; 4] = [const { AtomicU8::new(UNKNOWN) }; 4];
    let (place, kind) = match (domain, protocol) {
        (libc::AF_INET, libc::IPPROTO_TCP) => (0, libc::SOCK_STREAM),
        (libc::AF_INET6, libc::IPPROTO_TCP) => (1, libc::SOCK_STREAM),
        (libc::AF_INET, libc::IPPROTO_UDP) => (2, libc::SOCK_DGRAM),
        (libc::AF_INET6, libc::IPPROTO_UDP) => (3, libc::SOCK_DGRAM),
        _ => return false,
    };
    let known = &KNOWN[place];
    if known.load(Ordering::Relaxed) == UNKNOWN {
        let enabled = socket::new(domain, kind).and_then(|fd| enable(fd.as_fd()));
        known.store(enabled.unwrap_or(false).into(), Ordering::Relaxed);
    }
    known.load(Ordering::Relaxed) == u8::from(true)
}

/// Prepares a socket. `false` if other code has done so before: its sends would be numbered in
/// between.
fn enable(fd: BorrowedFd<'_>) -> io::Result<bool> {
    if socket::option(fd, libc::SOL_SOCKET, libc::SO_ZEROCOPY)? != 0 {
        return Ok(false);
    }
    socket::set_option(fd, libc::SOL_SOCKET, libc::SO_ZEROCOPY, 1)?;
    Ok(true)
}

/// The pending sends of a socket.
pub(crate) struct ZeroCopySends {
    state: Mutex<State>,
    /// Makes the waiters for pending sends poll again.
    wake: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for ZeroCopySends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state.fmt(f)
    }
}

/// Completions are drained after so many sends: that frees memory, and space in the socket buffer.
const DRAIN_EVERY: u32 = 16;

#[derive(Debug, Default)]
struct State {
    /// Whether the socket is prepared. `None` before the first attempt.
    enabled: Option<bool>,
    /// The number of the next send.
    next: u32,
    /// The number of sends without a completion.
    pending: u32,
    /// The memory of some of them, by their numbers.
    held: VecDeque<(u32, glib::Bytes)>,
    /// Whether a send since the last flush was made without a copy.
    in_place: bool,
    /// Whether the kernel has copied one.
    copied: bool,
    /// Whether there is a waiter for pending sends.
    awaited: bool,
}

impl ZeroCopySends {
    /// `wake` makes those poll again that got would-block from [`finish`](Self::finish).
    pub(crate) fn new(wake: impl Fn() + Send + Sync + 'static, may_be_enabled: bool) -> Self {
        let this = Self {
            state: Mutex::default(),
            wake: Box::new(wake),
        };
        if !may_be_enabled {
            this.only_copy();
        }
        this
    }

    /// Makes all later sends copy.
    pub(crate) fn only_copy(&self) {
        lock(&self.state).enabled = Some(false);
    }

    /// Sends from memory of the caller: without a copy if `flags` have `BORROWED`, else with one.
    /// Returns would-block instead of blocking.
    pub(crate) fn send(
        &self,
        fd: BorrowedFd<'_>,
        iov: &[IoSlice<'_>],
        flags: WriteFlags,
    ) -> io::Result<usize> {
        match flags.contains(WriteFlags::BORROWED) {
            // SAFETY: `Channel::writev_zero_copy`, the only function that sets the flag, is unsafe,
            // and its caller promises to keep the memory.
            true => unsafe { self.send_in_place(fd, iov, None, flags) },
            false => self.copy(fd, iov, flags),
        }
    }

    /// Sends the content of `bytes` from an offset on, and holds a reference to them until that is
    /// done. Returns would-block instead of blocking.
    pub(crate) fn send_owned(
        &self,
        fd: BorrowedFd<'_>,
        bytes: &glib::Bytes,
        from: usize,
        flags: WriteFlags,
    ) -> io::Result<usize> {
        // SAFETY: `bytes` are immutable, and the reference in `held` keeps them until the
        // completion.
        unsafe { self.send_in_place(fd, &[IoSlice::new(&bytes[from..])], Some(bytes), flags) }
    }

    /// # Safety
    ///
    /// The memory must stay valid until the completion of the send, by `keep` or by the caller.
    unsafe fn send_in_place(
        &self,
        fd: BorrowedFd<'_>,
        iov: &[IoSlice<'_>],
        keep: Option<&glib::Bytes>,
        flags: WriteFlags,
    ) -> io::Result<usize> {
        let mut state = lock(&self.state);
        if state.pending > 0 && state.next.is_multiple_of(DRAIN_EVERY) {
            drop(state);
            self.drain_completions(fd)?;
            state = lock(&self.state);
        }
        let enabled = match state.enabled {
            Some(enabled) => enabled,
            None => *state.enabled.insert(enable(fd)?),
        };
        if enabled {
            let message = scm::message(iov.as_ptr().cast(), iov.len());
            let how = socket::sending(flags) | libc::MSG_DONTWAIT | libc::MSG_ZEROCOPY;
            let mut sent = scm::send_message(fd, &message, how);
            if is_full(&sent) {
                // Pending completions take the space in the socket buffer that this send lacks.
                drop(state);
                self.drain_completions(fd)?;
                state = lock(&self.state);
                sent = scm::send_message(fd, &message, how);
            }
            if !is_full(&sent) {
                return sent.inspect(|_| state.began(keep));
            }
        }
        drop(state);
        self.copy(fd, iov, flags)
    }

    fn copy(
        &self,
        fd: BorrowedFd<'_>,
        iov: &[IoSlice<'_>],
        flags: WriteFlags,
    ) -> io::Result<usize> {
        let message = scm::message(iov.as_ptr().cast(), iov.len());
        let how = socket::sending(flags) | libc::MSG_DONTWAIT;
        let sent = scm::send_message(fd, &message, how)?;
        lock(&self.state).copied = true;
        Ok(sent)
    }

    /// Drains the completions so far, and releases the memory of these sends. Returns whether there
    /// were any.
    pub(crate) fn drain_completions(&self, fd: BorrowedFd<'_>) -> io::Result<bool> {
        let (mut some, mut done) = (false, Vec::new());
        // Other entries of the queue belong to other users of the socket.
        while lock(&self.state).pending > 0
            && let Some(range) = next_completion(fd)?
        {
            some = true;
            if let Some(range) = range {
                lock(&self.state).ended(range, &mut done);
            }
        }
        // Without the lock: freeing the memory may run any code.
        drop(done);
        if some {
            self.wake_awaiting();
        }
        Ok(some)
    }

    fn wake_awaiting(&self) {
        // The waiters are entered again when they poll.
        let awaited = mem::take(&mut lock(&self.state).awaited);
        if awaited {
            (self.wake)();
        }
    }

    /// Whether memory of pending sends is held.
    pub(crate) fn holds_memory(&self) -> bool {
        !lock(&self.state).held.is_empty()
    }

    /// Leaks the memory that is held: no completion will be reported.
    pub(crate) fn leak(&self) {
        let held = mem::take(&mut lock(&self.state).held);
        mem::forget(held);
    }

    /// The result of all sends since the last call. Would-block while some are pending.
    pub(crate) fn finish(&self, fd: BorrowedFd<'_>) -> io::Result<Flushed> {
        let result = self.try_finish(fd);
        if !matches!(&result, Err(e) if would_block(e)) {
            // There may be other waiters.
            self.wake_awaiting();
        }
        result
    }

    fn try_finish(&self, fd: BorrowedFd<'_>) -> io::Result<Flushed> {
        // Before the queue is read: completions may arrive until the connection is closed.
        let over = libc::POLLHUP | libc::POLLNVAL;
        let is_over = poll_now(fd.as_raw_fd(), 0)? & over != 0;
        self.drain_completions(fd)?;
        let mut state = lock(&self.state);
        if state.pending == 0 {
            let all_copied = state.copied && !state.in_place;
            (state.in_place, state.copied) = (false, false);
            return Ok(match all_copied {
                true => Flushed::Copied,
                false => Flushed::ZeroCopy,
            });
        }
        if is_over {
            return Err(io_error(
                gio::IOErrorEnum::BrokenPipe,
                "Connection closed before all data was sent",
            ));
        }
        state.awaited = true;
        drop(state);
        // A pending error is reported until it is read.
        match socket::option(fd, libc::SOL_SOCKET, libc::SO_ERROR)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            errno => Err(io::Error::from_raw_os_error(errno)),
        }
    }
}

/// Disconnects at once, also for other processes: pending data is discarded, and the kernel reports
/// the completion of zero-copy sends.
pub(crate) fn disconnect(fd: BorrowedFd<'_>) -> io::Result<()> {
    let unspec = libc::sockaddr {
        sa_family: libc::AF_UNSPEC as libc::sa_family_t,
        sa_data: [0; 14],
    };
    let length = size_of::<libc::sockaddr>() as libc::socklen_t;
    // SAFETY: the address outlives the call, and `length` is its size.
    call(|| unsafe { libc::connect(fd.as_raw_fd(), &unspec, length) as isize })?;
    Ok(())
}

impl State {
    fn began(&mut self, keep: Option<&glib::Bytes>) {
        if let Some(bytes) = keep {
            self.held.push_back((self.next, bytes.clone()));
        }
        self.next = self.next.wrapping_add(1);
        self.pending += 1;
    }

    fn ended(&mut self, range: CompletedRange, done: &mut Vec<glib::Bytes>) {
        let more = range.last.wrapping_sub(range.first);
        self.pending = self.pending.saturating_sub(more.saturating_add(1));
        match range.copied {
            true => self.copied = true,
            false => self.in_place = true,
        }
        // Usually the oldest sends are completed first.
        let is_in = |number: u32| number.wrapping_sub(range.first) <= more;
        self.held.retain(|(number, bytes)| {
            let ended = is_in(*number);
            if ended {
                done.push(bytes.clone());
            }
            !ended
        });
    }
}

/// Whether the kernel lacks memory for a zero-copy send; one with a copy may succeed.
fn is_full(sent: &io::Result<usize>) -> bool {
    matches!(sent, Err(e) if matches!(e.raw_os_error(), Some(libc::ENOBUFS | libc::EMSGSIZE)))
}

/// A range of completed sends: the kernel does not use the memory any more.
#[derive(Debug, Clone, Copy)]
struct CompletedRange {
    first: u32,
    last: u32,
    /// Whether the kernel has copied the data.
    copied: bool,
}

const ORIGIN: u8 = 5; // SO_EE_ORIGIN_ZEROCOPY
const COPIED: u8 = 1; // SO_EE_CODE_ZEROCOPY_COPIED

/// Space for one error with its address, and for other ancillary data that a socket may have
/// enabled.
#[repr(C, align(8))]
struct Control([MaybeUninit<u8>; 512]);

/// Takes the first entry of the error queue: `Some(None)` for one of another kind.
fn next_completion(fd: BorrowedFd<'_>) -> io::Result<Option<Option<CompletedRange>>> {
    let mut control = Control([MaybeUninit::uninit(); 512]);
    let mut message = scm::message(std::ptr::null(), 0);
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len() as _;
    let how = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
    // SAFETY: the control buffer outlives the call, and there are no data buffers.
    match transfer_raw(|| unsafe { libc::recvmsg(fd.as_raw_fd(), &mut message, how) }) {
        Ok(_) => {}
        Err(e) if would_block(&e) => return Ok(None),
        Err(e) => return Err(e),
    }
    // SAFETY: the headers are read as cmsg(3) describes, in what the call has written; an error is
    // in a message of one of these two types.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(&message);
        while !header.is_null() {
            let kind = ((*header).cmsg_level, (*header).cmsg_type);
            if matches!(
                kind,
                (libc::SOL_IP, libc::IP_RECVERR) | (libc::SOL_IPV6, libc::IPV6_RECVERR)
            ) {
                let data = libc::CMSG_DATA(header).cast::<libc::sock_extended_err>();
                let error = data.read_unaligned();
                return Ok(Some((error.ee_origin == ORIGIN).then_some(
                    CompletedRange {
                        first: error.ee_info,
                        last: error.ee_data,
                        copied: error.ee_code == COPIED,
                    },
                )));
            }
            header = libc::CMSG_NXTHDR(&message, header);
        }
    }
    Ok(Some(None))
}
