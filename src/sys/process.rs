//! Child processes by descriptor: a pidfd never means another process.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

use super::call;

/// A descriptor for a process, which must be a child that nobody has waited for:
/// otherwise the number could mean another process by now.
pub(crate) fn pidfd_open(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed; the result is checked and owned by nothing else.
    unsafe {
        let pid = pid as libc::pid_t;
        let fd = call(|| libc::syscall(libc::SYS_pidfd_open, pid, 0) as isize)?;
        Ok(OwnedFd::from_raw_fd(fd as i32))
    }
}

/// Sends a signal. A process that has ended already is not an error.
pub(crate) fn send_signal(pidfd: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    let (pidfd, none) = (pidfd.as_raw_fd(), std::ptr::null::<libc::siginfo_t>());
    let number = libc::SYS_pidfd_send_signal;
    // SAFETY: the information block may be NULL.
    match call(|| unsafe { libc::syscall(number, pidfd, signal, none, 0) as isize }) {
        Err(nix::errno::Errno::ESRCH) => Ok(()),
        result => result.map(drop).map_err(Into::into),
    }
}

/// The wait status of a child that has ended (as `waitpid` gives it), which stays in the
/// system's table; `None` while it runs, unless `block` asks to wait for the end.
pub(crate) fn status(pidfd: BorrowedFd<'_>, block: bool) -> io::Result<Option<i32>> {
    let block = if block { 0 } else { libc::WNOHANG };
    let info = wait(pidfd, libc::WEXITED | libc::WNOWAIT | block)?;
    // SAFETY: waitid() has filled in the child's fields, or left the zeros.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    if pid == 0 {
        return Ok(None);
    }
    Ok(Some(match info.si_code {
        libc::CLD_EXITED => (status & 0xff) << 8,
        libc::CLD_DUMPED => status | 0x80,
        _ => status,
    }))
}

/// Waits for the end of a child and removes it from the system's table.
pub(crate) fn collect(pidfd: BorrowedFd<'_>) {
    let _ = wait(pidfd, libc::WEXITED);
}

fn wait(pidfd: BorrowedFd<'_>, flags: i32) -> io::Result<libc::siginfo_t> {
    // SAFETY: an all-zero siginfo_t is a valid one to be filled in.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let id = pidfd.as_raw_fd() as libc::id_t;
    // SAFETY: `info` is a siginfo_t that lives through the call.
    call(|| unsafe { libc::waitid(libc::P_PIDFD, id, &mut info, flags) as isize })?;
    Ok(info)
}
