//! Socket activation: a service manager opens the sockets, and starts the program at the first
//! connection. [`sockets`] takes the sockets, or
//! [`NetListener::open_activated`](crate::NetListener::open_activated).
//!
//! systemd sets the variables `LISTEN_PID`, `LISTEN_FDS` and `LISTEN_FDNAMES`; `man sd_listen_fds`
//! describes the protocol. The descriptors can be taken once. Child processes get none of them: the
//! descriptors are close-on-exec, and the variables name this process.
//!
//! # Examples
//!
//! ```
//! # fn main() -> std::io::Result<()> {
//! let listener = qio::NetListener::new();
//! if listener.open_activated(None)? == 0 {
//!     // Started by hand.
//!     listener.open_port(0, 128)?;
//! }
//! # Ok(())
//! # }
//! ```

pub use crate::sys::listen_fds::unset_environment;

use std::{
    env, io,
    mem::{self, ManuallyDrop},
    os::fd::{BorrowedFd, OwnedFd, RawFd},
};

use crate::{
    channel::ChannelExt as _,
    error::invalid,
    sync::ProcessMutex,
    sys::{fd_info::FdInfo, listen_fds},
    transport::ChannelSocket,
};

/// The name of a socket without a name, as in systemd.
const UNNAMED: &str = "unknown";

/// The sockets that have not been taken yet, each with its name.
static NOT_TAKEN: ProcessMutex<Vec<(String, OwnedFd)>> = ProcessMutex::new(Vec::new(), |left| {
    // They are for the parent. Freeing memory is not allowed in a forked child: it is leaked.
    let mut left = ManuallyDrop::new(mem::take(left));
    for (name, fd) in left.drain(..) {
        mem::forget(name);
        drop(fd);
    }
});

/// Takes the listening sockets that a service manager has opened, with their names.
///
/// The name is systemd's `FileDescriptorName=`, and also that of the channel. Sockets that were
/// taken before are not returned; the list is empty if there are none, or if they are for another
/// process. The sockets are close-on-exec.
///
/// # Errors
///
/// If one of the descriptors is not open, or not a listening socket, or the variables are invalid:
/// then no socket is taken.
#[doc(alias = "qio_activation_sockets")]
pub fn sockets() -> io::Result<Vec<(String, ChannelSocket)>> {
    take(None)
}

/// As [`sockets`]: all, or those with a name.
pub(super) fn take(name: Option<&str>) -> io::Result<Vec<(String, ChannelSocket)>> {
    let mut left = NOT_TAKEN.lock();
    let names = env::var(listen_fds::NAMES).unwrap_or_default();
    let mut names = names.split(':');
    let mut next_name = || match names.next() {
        None | Some("") => UNNAMED.to_owned(),
        Some(name) => name.to_owned(),
    };
    for fd in listen_fds::take(check)? {
        left.push((next_name(), fd));
    }
    let wanted = |it: &mut (String, OwnedFd)| name.is_none_or(|name| it.0 == name);
    let taken: Vec<_> = left.extract_if(.., wanted).collect();
    drop(left);
    taken.into_iter().map(named_channel).collect()
}

fn named_channel((name, fd): (String, OwnedFd)) -> io::Result<(String, ChannelSocket)> {
    let channel = ChannelSocket::new_fd(fd)?;
    channel.set_name(Some(&name));
    Ok((name, channel))
}

fn check(number: RawFd, fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let what = match fd.map(FdInfo::of) {
        Some(Ok(fd_info)) if fd_info.socket.is_some_and(|it| it.listening) => return Ok(()),
        Some(_) => "is not a socket that listens",
        None => "is not open",
    };
    Err(invalid(&format!("fd {number} of LISTEN_FDS {what}")))
}
