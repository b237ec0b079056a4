//! Waiting for descriptors in this thread.

use std::{
    cell::RefCell,
    io,
    os::fd::{AsRawFd, OwnedFd, RawFd},
    sync::Arc,
    task::Wake,
    time::{Duration, Instant},
};

use super::{call, file, retry};
use crate::sync::Creator;

/// The poll interval of a waiter without a [`Wakeup`].
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Ends a poll of one thread from another thread.
#[derive(Debug)]
pub(crate) struct Wakeup {
    eventfd: OwnedFd,
    /// A forked child needs one of its own.
    creator: Creator,
}

thread_local! {
    static MINE: RefCell<Option<Arc<Wakeup>>> = const { RefCell::new(None) };
}

impl Wakeup {
    /// The wake-up of this thread, created at its first wait. `None` if no descriptor can be
    /// allocated, or the thread is terminating.
    pub(crate) fn of_this_thread() -> Option<Arc<Self>> {
        let mine = |mine: &RefCell<Option<Arc<Self>>>| {
            let mut mine = mine.borrow_mut();
            if mine.as_ref().is_none_or(|mine| mine.creator.is_parent()) {
                let (eventfd, creator) = (file::eventfd().ok()?, Creator::default());
                *mine = Some(Arc::new(Self { eventfd, creator }));
            }
            mine.clone()
        };
        MINE.try_with(mine).ok()?
    }

    pub(crate) fn wake(&self) {
        // A full counter wakes as well.
        let _ = retry(|| nix::unistd::write(&self.eventfd, &1u64.to_ne_bytes()));
    }

    /// Resets the counter after a wake-up that came after the end of its wait.
    pub(crate) fn forget(&self) {
        let _ = retry(|| nix::unistd::read(&self.eventfd, &mut [0; 8]));
    }
}

impl Wake for Wakeup {
    fn wake(self: Arc<Self>) {
        Self::wake(&self);
    }
}

/// Polls one descriptor until one of `events`, an error or a hang-up is reported, and returns those
/// that are. Returns 0 when the deadline has passed or `wakeup` was woken; without a `wakeup` also
/// after each poll interval.
pub(crate) fn poll(
    fd: RawFd,
    events: i16,
    wakeup: Option<&Wakeup>,
    deadline: Option<Instant>,
) -> io::Result<i16> {
    let mut fds = [pollfd(fd, events), pollfd_of(wakeup)];
    poll_fds(&mut fds, wakeup.is_some(), deadline)?;
    Ok(fds[0].revents)
}

/// As [`poll`], until one of several descriptors is readable.
pub(crate) fn poll_readable(
    fds: impl Iterator<Item = RawFd>,
    wakeup: Option<&Wakeup>,
    deadline: Option<Instant>,
) -> io::Result<()> {
    let fds = fds.map(|fd| pollfd(fd, libc::POLLIN));
    let mut fds: Vec<_> = fds.chain([pollfd_of(wakeup)]).collect();
    poll_fds(&mut fds, wakeup.is_some(), deadline)
}

/// As [`poll_readable`], for an error or a hang-up of any of them. Returns whether there is one.
pub(crate) fn poll_errors(
    fds: impl Iterator<Item = RawFd>,
    wakeup: Option<&Wakeup>,
    deadline: Option<Instant>,
) -> io::Result<bool> {
    let mut fds: Vec<_> = [pollfd_of(wakeup)]
        .into_iter()
        .chain(fds.map(|fd| pollfd(fd, 0)))
        .collect();
    poll_fds(&mut fds, wakeup.is_some(), deadline)?;
    Ok(fds[1..].iter().any(|fd| fd.revents != 0))
}

fn pollfd(fd: RawFd, events: i16) -> libc::pollfd {
    libc::pollfd {
        fd,
        events,
        revents: 0,
    }
}

fn pollfd_of(wakeup: Option<&Wakeup>) -> libc::pollfd {
    let fd = wakeup.map_or(-1, |wakeup| wakeup.eventfd.as_raw_fd());
    pollfd(fd, libc::POLLIN)
}

fn poll_fds(
    fds: &mut [libc::pollfd],
    can_be_woken: bool,
    deadline: Option<Instant>,
) -> io::Result<()> {
    call(|| {
        // Computed again after each interruption.
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let sleep = match can_be_woken {
            true => left,
            false => Some(left.map_or(POLL_INTERVAL, |left| left.min(POLL_INTERVAL))),
        };
        let sleep = sleep.map(|sleep| libc::timespec {
            tv_sec: sleep.as_secs().try_into().unwrap_or(libc::time_t::MAX),
            tv_nsec: sleep.subsec_nanos().into(),
        });
        let sleep = sleep.as_ref().map_or(std::ptr::null(), |t| t as *const _);
        let count = fds.len() as libc::nfds_t;
        // SAFETY: the array has `count` elements and outlives the call, as does the timespec;
        // NULL means no timeout, and a NULL mask does not change the signal mask.
        unsafe { libc::ppoll(fds.as_mut_ptr(), count, sleep, std::ptr::null()) as isize }
    })?;
    Ok(())
}

/// The events, errors and hang-ups that hold now.
pub(crate) fn poll_now(fd: RawFd, events: i16) -> io::Result<i16> {
    let mut fd = pollfd(fd, events);
    // SAFETY: the one pollfd outlives the call, whose timeout is zero.
    call(|| unsafe { libc::poll(&mut fd, 1, 0) as isize })?;
    Ok(fd.revents)
}

/// Whether the peer of a socket has hung up.
pub(crate) fn has_hung_up(fd: RawFd) -> io::Result<bool> {
    let got = poll_now(fd, libc::POLLRDHUP)?;
    Ok(got & (libc::POLLRDHUP | libc::POLLHUP) != 0)
}
