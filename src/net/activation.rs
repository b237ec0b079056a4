//! Socket activation: a service manager opens the sockets, and starts the program when the first
//! client comes. [`sockets`] takes them over, or
//! [`NetListener::open_activated`](crate::NetListener::open_activated).
//!
//! systemd tells by the variables `LISTEN_PID`, `LISTEN_FDS` and `LISTEN_FDNAMES`; `man
//! sd_listen_fds` describes it. The descriptors are there once. Programs that this one starts get
//! none of them: they are closed there, and the variables name this process.
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

pub use crate::sys::inherited::unset_environment;

use std::{
    env, io,
    os::fd::{BorrowedFd, OwnedFd, RawFd},
};

use crate::{
    channel::ChannelExt as _,
    error::invalid,
    sync::ProcessMutex,
    sys::{fd_info::FdInfo, inherited},
    transport::ChannelSocket,
};

/// What a socket is called that has no name, as systemd has it.
const UNNAMED: &str = "unknown";

/// Those that no caller has taken yet, each with its name.
static LEFT: ProcessMutex<Vec<(String, OwnedFd)>> = ProcessMutex::new(Vec::new(), |_| ());

/// The listening sockets that were opened for this process and that nobody has taken yet, each with
/// its name (`FileDescriptorName=` of systemd), which is also that of the channel. None if there are
/// none, or if they are for another process.
///
/// They are closed when this process runs another program.
///
/// # Errors
///
/// If one of the descriptors is not open, or not a socket that listens, or the variables make no
/// sense: then all is left as it is.
#[doc(alias = "qio_activation_sockets")]
pub fn sockets() -> io::Result<Vec<(String, ChannelSocket)>> {
    take(None)
}

/// As [`sockets`]: all, or those of a name.
pub(super) fn take(name: Option<&str>) -> io::Result<Vec<(String, ChannelSocket)>> {
    let mut left = LEFT.lock();
    let names = env::var(inherited::NAMES).unwrap_or_default();
    let mut names = names.split(':');
    let mut next_name = || match names.next() {
        None | Some("") => UNNAMED.to_owned(),
        Some(name) => name.to_owned(),
    };
    for fd in inherited::take(check)? {
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
