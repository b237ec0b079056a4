//! Terminals that other programs open.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
    time::Duration,
};

use nix::{
    fcntl::{self, OFlag},
    poll::{PollFd, PollFlags, PollTimeout},
    pty,
    sys::{
        stat::Mode,
        termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr},
    },
};
use qio::{Channel, ChannelFile, prelude::*};

use super::{adapted::Adapted, link::Link};

/// How often it is looked whether a program has opened the terminal: there is no event for that.
const INTERVAL: Duration = Duration::from_millis(20);

/// Makes a terminal in raw mode, with a link to it, and waits until a program opens it. It ends
/// when all programs have closed it.
pub(super) async fn open(path: &Path) -> io::Result<Channel> {
    let failed = |e: io::Error| {
        let message = format!("Unable to make the terminal {}: {e}", path.display());
        io::Error::new(e.kind(), message)
    };
    let (controller, link) = make(path).map_err(failed)?;
    while unused(&controller)? {
        glib::timeout_future(INTERVAL).await;
    }
    let file = ChannelFile::new_fd(controller);
    Ok(Adapted::terminal(file, link)?.upcast())
}

fn make(path: &Path) -> io::Result<(OwnedFd, Link)> {
    let controller = pty::posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC)?;
    pty::grantpt(&controller)?;
    pty::unlockpt(&controller)?;
    let name = pty::ptsname_r(&controller)?;
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let terminal = fcntl::open(name.as_str(), flags, Mode::empty())?;
    let mut settings = tcgetattr(&terminal)?;
    cfmakeraw(&mut settings);
    tcsetattr(&terminal, SetArg::TCSANOW, &settings)?;
    let link = Link::new(path, name.into())?;
    // From now on the controlling side is hung up until a program opens the terminal.
    drop(terminal);
    Ok((controller.into(), link))
}

/// Whether no program has the terminal open, and none has left data in it.
fn unused(controller: &OwnedFd) -> io::Result<bool> {
    let mut polled = [PollFd::new(controller.as_fd(), PollFlags::POLLIN)];
    nix::poll::poll(&mut polled, PollTimeout::ZERO)?;
    let events = polled[0].revents().unwrap_or(PollFlags::empty());
    Ok(events.contains(PollFlags::POLLHUP) && !events.contains(PollFlags::POLLIN))
}
