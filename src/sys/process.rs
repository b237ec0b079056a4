//! Child processes, by descriptor where the system has pidfds: one never means another process.
//!
//! A number does so only until the child has been waited for, and not even that long where the system
//! removes children by itself: see [`removes_children`].

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    ptr,
};

use nix::errno::Errno;

use super::call;

/// A child of this process, which has not been waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ChildId<'a> {
    Pidfd(BorrowedFd<'a>),
    Number(u32),
}

/// A descriptor for a process, which may be another one than is meant if that has been waited for:
/// [`status`] finds out.
pub(crate) fn pidfd_open(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed; the result is checked and owned by nothing else.
    unsafe {
        let pid = pid as libc::pid_t;
        let fd = call(|| libc::syscall(libc::SYS_pidfd_open, pid, 0) as isize)?;
        Ok(OwnedFd::from_raw_fd(fd as i32))
    }
}

/// Sends a signal. A process that has ended already is not an error.
///
/// By number: the child must exist until this returns, waited for or not.
pub(crate) fn send_signal(id: ChildId<'_>, signal: i32) -> io::Result<()> {
    let sent = match id {
        ChildId::Pidfd(fd) => {
            let (fd, none) = (fd.as_raw_fd(), ptr::null::<libc::siginfo_t>());
            let number = libc::SYS_pidfd_send_signal;
            // SAFETY: the information block may be NULL.
            call(|| unsafe { libc::syscall(number, fd, signal, none, 0) as isize })
        }
        // SAFETY: no memory is passed.
        ChildId::Number(pid) => call(|| unsafe { libc::kill(pid as _, signal) as isize }),
    };
    match sent {
        Err(Errno::ESRCH) => Ok(()),
        result => result.map(drop).map_err(Into::into),
    }
}

/// The wait status of a child that has ended (as `waitpid` gives it), which stays in the
/// system's table; `None` while it runs, unless `block` asks to wait for the end. `ECHILD` if there
/// is no such child, or it has been waited for.
pub(crate) fn status(id: ChildId<'_>, block: bool) -> io::Result<Option<i32>> {
    let block = if block { 0 } else { libc::WNOHANG };
    let info = wait(id, libc::WEXITED | libc::WNOWAIT | block)?;
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
pub(crate) fn collect(id: ChildId<'_>) {
    let _ = wait(id, libc::WEXITED);
}

/// Whether the system removes children of this process from its table as they end, without a status,
/// because `SIGCHLD` is ignored, which programs inherit: their numbers are free for others then.
pub(crate) fn removes_children() -> bool {
    // SAFETY: an all-zero sigaction is a valid one to be filled in.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    let (number, none) = (libc::SIGCHLD, ptr::null());
    // SAFETY: `action` lives through the call, which changes nothing else.
    if call(|| unsafe { libc::sigaction(number, none, &mut action) as isize }).is_err() {
        return false;
    }
    action.sa_sigaction == libc::SIG_IGN || action.sa_flags & libc::SA_NOCLDWAIT != 0
}

fn wait(id: ChildId<'_>, flags: i32) -> io::Result<libc::siginfo_t> {
    // SAFETY: an all-zero siginfo_t is a valid one to be filled in.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let (kind, id) = match id {
        ChildId::Pidfd(fd) => (libc::P_PIDFD, fd.as_raw_fd() as libc::id_t),
        ChildId::Number(pid) => (libc::P_PID, pid as libc::id_t),
    };
    // SAFETY: `info` is a siginfo_t that lives through the call.
    call(|| unsafe { libc::waitid(kind, id, &mut info, flags) as isize })?;
    Ok(info)
}
