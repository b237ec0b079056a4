//! Descriptors that whoever started this process has left to it, by the protocol of systemd's
//! socket activation.

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
/// How many they are.
const COUNT: &str = "LISTEN_FDS";
/// What they are called, with colons between.
pub(crate) const NAMES: &str = "LISTEN_FDNAMES";
/// The number of the first one; the others follow.
const FIRST: RawFd = 3;

/// Whether [`take`] has taken them: before that no code of this process owns them, and afterwards
/// its caller does.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Takes the descriptors over, if there are any for this process, and if `check` has nothing against
/// one of them: else all stay where they are. From now on they are closed when this process runs
/// another program. They are there once: a second call finds none.
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
        // `TAKEN` is set, and callers hold `net::activation::LEFT`.
        let fd = is_open.then(|| unsafe { BorrowedFd::borrow_raw(number) });
        check(number, fd)?;
    }
    if TAKEN.swap(true, Ordering::AcqRel) {
        // By another thread, meanwhile.
        return Ok(Vec::new());
    }
    let own = |number| {
        // SAFETY: it was open when this process started, as it was not close-on-exec above, and
        // `LISTEN_PID` says that it is for this process to take; `TAKEN` was set once, by this
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
    invalid(&format!(
        "{variable} is \"{text}\", not a number of the kind"
    ))
}

/// Takes the variables `LISTEN_PID`, `LISTEN_FDS` and `LISTEN_FDNAMES` out of the environment, so
/// that programs that this process becomes or starts do not see them.
///
/// Programs that are started see that they are not meant: another process is named there. This is
/// for whoever wants a clean environment all the same.
///
/// # Safety
///
/// No other thread may read or change the environment meanwhile, in whatever language: best done
/// first in `main`.
#[doc(alias = "qio_activation_unset_environment")]
pub unsafe fn unset_environment() {
    for variable in [PID, COUNT, NAMES] {
        // SAFETY: the caller's promise.
        unsafe { env::remove_var(variable) };
    }
}
