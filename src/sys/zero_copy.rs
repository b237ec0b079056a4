//! Sending data from where it is, without a copy: the system reads the memory when it transmits it,
//! and says later, in the error queue of the socket, that it has done so.
//!
//! The system numbers such sends, and tells of ranges of numbers. [`ZeroCopySends`] counts along: a lock
//! keeps the count in step, also across the call that sends, which never waits.

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

/// Whether the system sends without a copy over a protocol. Asked once, of a socket of our own.
pub(super) fn is_known(domain: i32, protocol: i32) -> bool {
    const UNKNOWN: u8 = 2;
    // Not a `OnceLock`: a child that was forked in the middle of it would wait for ever.
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

/// Prepares a socket. `false` where somebody has done so before: the numbers of what they send
/// would be in between ours.
fn enable(fd: BorrowedFd<'_>) -> io::Result<bool> {
    if socket::option(fd, libc::SOL_SOCKET, libc::SO_ZEROCOPY)? != 0 {
        return Ok(false);
    }
    socket::set_option(fd, libc::SOL_SOCKET, libc::SO_ZEROCOPY, 1)?;
    Ok(true)
}

/// What is under way on one socket.
pub(crate) struct ZeroCopySends {
    state: Mutex<State>,
    /// Makes those look again who wait for what is under way.
    wake: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for ZeroCopySends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state.fmt(f)
    }
}

/// After so many sends a look for notes is worth its call: memory is let go, and notes take room.
const LOOK_EVERY: u32 = 16;

#[derive(Debug, Default)]
struct State {
    /// Whether the socket is prepared. Nobody has tried at first.
    enabled: Option<bool>,
    /// The number of the next send.
    next: u32,
    /// How many the system has not told of.
    pending: u32,
    /// The memory of some of them, by their numbers.
    kept: VecDeque<(u32, glib::Bytes)>,
    /// Since the last flush something was sent from where it was.
    in_place: bool,
    /// And something was copied after all.
    copied: bool,
    /// Somebody waits for what is pending.
    awaited: bool,
}

impl ZeroCopySends {
    /// `wake` makes those look again who were told would-block by [`finish`](Self::finish).
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

    /// Sends with a copy from now on.
    pub(crate) fn only_copy(&self) {
        lock(&self.state).enabled = Some(false);
    }

    /// Sends from memory that the caller has lent, if `flags` say so, and with a copy otherwise.
    /// Says would-block in place of waiting.
    pub(crate) fn send(
        &self,
        fd: BorrowedFd<'_>,
        iov: &[IoSlice<'_>],
        flags: WriteFlags,
    ) -> io::Result<usize> {
        match flags.contains(WriteFlags::LENT) {
            // SAFETY: only who promises to keep the memory sets the flag: `Channel::writev_lent`.
            true => unsafe { self.send_in_place(fd, iov, None, flags) },
            false => self.copy(fd, iov, flags),
        }
    }

    /// Sends what `bytes` hold from some place on, and keeps them until that is done. Says
    /// would-block in place of waiting.
    pub(crate) fn send_owned(
        &self,
        fd: BorrowedFd<'_>,
        bytes: &glib::Bytes,
        from: usize,
        flags: WriteFlags,
    ) -> io::Result<usize> {
        // SAFETY: the memory stays until the bytes are let go, which are immutable.
        unsafe { self.send_in_place(fd, &[IoSlice::new(&bytes[from..])], Some(bytes), flags) }
    }

    /// # Safety
    ///
    /// The memory must stay until the system has told of the send, by `keep` or by the caller.
    unsafe fn send_in_place(
        &self,
        fd: BorrowedFd<'_>,
        iov: &[IoSlice<'_>],
        keep: Option<&glib::Bytes>,
        flags: WriteFlags,
    ) -> io::Result<usize> {
        let mut state = lock(&self.state);
        if state.pending > 0 && state.next.is_multiple_of(LOOK_EVERY) {
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
                // What the system has to tell takes the room that it lacks.
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

    /// Takes what the system has told so far. Returns whether that was anything, and lets go of the
    /// memory that it was about.
    pub(crate) fn drain_completions(&self, fd: BorrowedFd<'_>) -> io::Result<bool> {
        let (mut some, mut done) = (false, Vec::new());
        // What is there otherwise is for somebody else who has the socket.
        while lock(&self.state).pending > 0
            && let Some(note) = next_note(fd)?
        {
            some = true;
            if let Some(note) = note {
                lock(&self.state).ended(note, &mut done);
            }
        }
        // Without the lock: what frees the memory may do anything.
        drop(done);
        if some {
            self.wake_awaiting();
        }
        Ok(some)
    }

    fn wake_awaiting(&self) {
        // They say anew that they wait.
        let awaited = mem::take(&mut lock(&self.state).awaited);
        if awaited {
            (self.wake)();
        }
    }

    /// Whether memory is kept here.
    pub(crate) fn keeps(&self) -> bool {
        !lock(&self.state).kept.is_empty()
    }

    /// Keeps what is kept for ever: nothing will report when it is not needed any more.
    pub(crate) fn leak(&self) {
        let kept = mem::take(&mut lock(&self.state).kept);
        mem::forget(kept);
    }

    /// What became of all sends since the last time. Would-block as long as some are under way.
    pub(crate) fn finish(&self, fd: BorrowedFd<'_>) -> io::Result<Flushed> {
        let result = self.try_finish(fd);
        if !matches!(&result, Err(e) if would_block(e)) {
            // There may be others who wait.
            self.wake_awaiting();
        }
        result
    }

    fn try_finish(&self, fd: BorrowedFd<'_>) -> io::Result<Flushed> {
        // Before looking into the queue: there may be news until it is over.
        let over = libc::POLLHUP | libc::POLLNVAL;
        let is_over = poll_now(fd.as_raw_fd(), 0)? & over != 0;
        self.drain_completions(fd)?;
        let mut state = lock(&self.state);
        if state.pending == 0 {
            let all_copied = state.copied && !state.in_place;
            (state.in_place, state.copied) = (false, false);
            return Ok(match all_copied {
                true => Flushed::Copied,
                false => Flushed::Sent,
            });
        }
        if is_over {
            return Err(io_error(
                gio::IOErrorEnum::BrokenPipe,
                "Connection has ended before all was sent",
            ));
        }
        state.awaited = true;
        drop(state);
        // An error that is told all the time, until it is taken.
        match socket::option(fd, libc::SOL_SOCKET, libc::SO_ERROR)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            errno => Err(io::Error::from_raw_os_error(errno)),
        }
    }
}

/// Ends a connection at once, also for others that have it: what has not been sent is dropped, and the
/// system reports that of sends without a copy.
pub(crate) fn disconnect(fd: BorrowedFd<'_>) -> io::Result<()> {
    let nowhere = libc::sockaddr {
        sa_family: libc::AF_UNSPEC as libc::sa_family_t,
        sa_data: [0; 14],
    };
    let length = size_of::<libc::sockaddr>() as libc::socklen_t;
    // SAFETY: the address lives through the call and the length that is passed.
    call(|| unsafe { libc::connect(fd.as_raw_fd(), &nowhere, length) as isize })?;
    Ok(())
}

impl State {
    fn began(&mut self, keep: Option<&glib::Bytes>) {
        if let Some(bytes) = keep {
            self.kept.push_back((self.next, bytes.clone()));
        }
        self.next = self.next.wrapping_add(1);
        self.pending += 1;
    }

    fn ended(&mut self, note: Note, done: &mut Vec<glib::Bytes>) {
        let more = note.last.wrapping_sub(note.first);
        self.pending = self.pending.saturating_sub(more.saturating_add(1));
        match note.copied {
            true => self.copied = true,
            false => self.in_place = true,
        }
        // Usually those that were sent first.
        let is_in = |number: u32| number.wrapping_sub(note.first) <= more;
        self.kept.retain(|(number, bytes)| {
            let ended = is_in(*number);
            if ended {
                done.push(bytes.clone());
            }
            !ended
        });
    }
}

/// The system lacks room for what a send without a copy takes; one with a copy may do.
fn is_full(sent: &io::Result<usize>) -> bool {
    matches!(sent, Err(e) if matches!(e.raw_os_error(), Some(libc::ENOBUFS | libc::EMSGSIZE)))
}

/// Some sends have ended: the memory belongs to the caller again.
#[derive(Debug, Clone, Copy)]
struct Note {
    first: u32,
    last: u32,
    /// The system has copied it.
    copied: bool,
}

const ORIGIN: u8 = 5; // SO_EE_ORIGIN_ZEROCOPY
const COPIED: u8 = 1; // SO_EE_CODE_ZEROCOPY_COPIED

/// Room for one error with the address that it came from, and what else a socket may have been told
/// to add.
#[repr(C, align(8))]
struct Control([MaybeUninit<u8>; 512]);

/// Takes what is first in the error queue: `Some(None)` for what is about something else.
fn next_note(fd: BorrowedFd<'_>) -> io::Result<Option<Option<Note>>> {
    let mut control = Control([MaybeUninit::uninit(); 512]);
    let mut message = scm::message(std::ptr::null(), 0);
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len() as _;
    let how = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
    // SAFETY: the control buffer lives through the call, and there are no others.
    match transfer_raw(|| unsafe { libc::recvmsg(fd.as_raw_fd(), &mut message, how) }) {
        Ok(_) => {}
        Err(e) if would_block(&e) => return Ok(None),
        Err(e) => return Err(e),
    }
    // SAFETY: the headers are walked as cmsg(3) says, in what the call filled in; an error is in
    // one of these two kinds.
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
                return Ok(Some((error.ee_origin == ORIGIN).then_some(Note {
                    first: error.ee_info,
                    last: error.ee_data,
                    copied: error.ee_code == COPIED,
                })));
            }
            header = libc::CMSG_NXTHDR(&message, header);
        }
    }
    Ok(Some(None))
}
