//! Descriptors that a service manager has passed to this process, by the protocol of systemd's
//! socket activation (sd_listen_fds(3)).

use std::{
    env, io,
    os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd},
    sync::atomic::{AtomicBool, Ordering},
};

use nix::fcntl::{FcntlArg, FdFlag};

use super::{file, retry};
use crate::error::invalid;

/// The process that the descriptors are for.
const PID: &str = "LISTEN_PID";
/// The number of descriptors.
const COUNT: &str = "LISTEN_FDS";
/// The names of the descriptors, separated by colons.
pub(crate) const NAMES: &str = "LISTEN_FDNAMES";
/// The number of the first descriptor; the others follow.
const FIRST: RawFd = 3;

/// Whether [`take`] has taken them: before that no code of this process owns them, and afterwards
/// its caller does.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Takes the descriptors, if there are any for this process and `check` accepts each of them; else
/// all are left. Sets them close-on-exec. Every later call returns none.
pub(crate) fn take(
    check: impl Fn(RawFd, Option<BorrowedFd<'_>>) -> io::Result<()>,
) -> io::Result<Vec<OwnedFd>> {
    if TAKEN.load(Ordering::Acquire) || number(PID)? != Some(std::process::id()) {
        return Ok(Vec::new());
    }
    let count = number(COUNT)?.unwrap_or(0);
    let end = i32::try_from(count).ok().and_then(|n| FIRST.checked_add(n));
    let numbers = FIRST..end.ok_or_else(|| nonsense(COUNT, &count.to_string()))?;
    for number in numbers.clone() {
        let is_close_on_exec = file::is_close_on_exec(number);
        if is_close_on_exec.as_ref().is_ok_and(|&it| it) {
            return Err(invalid(&format!(
                "fd {number} of {COUNT} is close-on-exec: it was not passed to this process"
            )));
        }
        let is_open = is_close_on_exec.is_ok();
        // SAFETY: it is open, and stays open for the length of the call: nothing owns it until
        // `TAKEN` is set, and callers hold `net::activation::NOT_TAKEN`.
        let fd = is_open.then(|| unsafe { BorrowedFd::borrow_raw(number) });
        check(number, fd)?;
    }
    if TAKEN.swap(true, Ordering::AcqRel) {
        // By another thread, meanwhile.
        return Ok(Vec::new());
    }
    let own = |number| {
        // SAFETY: it was open when this process started, as it was not close-on-exec above, and
        // `LISTEN_PID` is this process, which may take it; `TAKEN` was set once, by this
        // thread, so that nothing else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(number) };
        retry(|| nix::fcntl::fcntl(&fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)))?;
        Ok(fd)
    };
    numbers.map(own).collect()
}

fn number(variable: &str) -> io::Result<Option<u32>> {
    let Some(text) = env::var_os(variable) else {
        return Ok(None);
    };
    let text = text.to_string_lossy();
    match text.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => Err(nonsense(variable, &text)),
    }
}

fn nonsense(variable: &str, text: &str) -> io::Error {
    invalid(&format!("{variable} is \"{text}\", not a valid number"))
}

/// Removes `LISTEN_PID`, `LISTEN_FDS` and `LISTEN_FDNAMES` from the environment.
///
/// Child processes ignore the variables, which name another process. This is for programs that need
/// a clean environment.
///
/// # Safety
///
/// No other thread may read or change the environment meanwhile, in any language: best called first
/// in `main`.
#[doc(alias = "qio_activation_unset_environment")]
pub unsafe fn unset_environment() {
    for variable in [PID, COUNT, NAMES] {
        // SAFETY: forwarded: no other thread accesses the environment.
        unsafe { env::remove_var(variable) };
    }
}
