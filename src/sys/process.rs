//! Child processes, by pidfd where the kernel has it: a pidfd always refers to the same process.
//!
//! A pid does so only until the child has been waited for, and not even that long if the kernel
//! reaps children automatically: see [`removes_children`].

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

/// Opens a pidfd of a process, which may be another one than the caller means if that has been
/// waited for: [`status`] detects that.
pub(crate) fn pidfd_open(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers are passed; the result is checked, and has no other owner.
    unsafe {
        let pid = pid as libc::pid_t;
        let fd = call(|| libc::syscall(libc::SYS_pidfd_open, pid, 0) as isize)?;
        Ok(OwnedFd::from_raw_fd(fd as i32))
    }
}

/// Sends a signal. It is no error if the process has terminated.
///
/// With a pid, the child must not be reaped before this returns.
pub(crate) fn send_signal(id: ChildId<'_>, signal: i32) -> io::Result<()> {
    let sent = match id {
        ChildId::Pidfd(fd) => {
            let (fd, none) = (fd.as_raw_fd(), ptr::null::<libc::siginfo_t>());
            let number = libc::SYS_pidfd_send_signal;
            // SAFETY: the kernel accepts NULL for the signal information.
            call(|| unsafe { libc::syscall(number, fd, signal, none, 0) as isize })
        }
        // SAFETY: no pointers are passed.
        ChildId::Number(pid) => call(|| unsafe { libc::kill(pid as _, signal) as isize }),
    };
    match sent {
        Err(Errno::ESRCH) => Ok(()),
        result => result.map(drop).map_err(Into::into),
    }
}

/// The wait status of a terminated child (as of `waitpid`), which is not reaped; `None` while it
/// runs, unless `block`. `ECHILD` if there is no such child, or it has been reaped.
pub(crate) fn status(id: ChildId<'_>, block: bool) -> io::Result<Option<i32>> {
    let block = if block { 0 } else { libc::WNOHANG };
    let info = wait(id, libc::WEXITED | libc::WNOWAIT | block)?;
    // SAFETY: waitid() has set the fields for children, or left zeros.
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

/// Waits for a child to terminate, and reaps it.
pub(crate) fn collect(id: ChildId<'_>) {
    let _ = wait(id, libc::WEXITED);
}

/// Whether the kernel reaps children of this process automatically, without a status, because
/// `SIGCHLD` is ignored, which programs inherit: their pids may be reused at once.
pub(crate) fn removes_children() -> bool {
    // SAFETY: all zeros is a valid sigaction.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    let (number, none) = (libc::SIGCHLD, ptr::null());
    // SAFETY: `action` outlives the call, which changes nothing else.
    if call(|| unsafe { libc::sigaction(number, none, &mut action) as isize }).is_err() {
        return false;
    }
    action.sa_sigaction == libc::SIG_IGN || action.sa_flags & libc::SA_NOCLDWAIT != 0
}

fn wait(id: ChildId<'_>, flags: i32) -> io::Result<libc::siginfo_t> {
    // SAFETY: all zeros is a valid siginfo_t.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let (kind, id) = match id {
        ChildId::Pidfd(fd) => (libc::P_PIDFD, fd.as_raw_fd() as libc::id_t),
        ChildId::Number(pid) => (libc::P_PID, pid as libc::id_t),
    };
    // SAFETY: `info` outlives the call.
    call(|| unsafe { libc::waitid(kind, id, &mut info, flags) as isize })?;
    Ok(info)
}
