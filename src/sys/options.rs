//! Socket options for users: buffer sizes, keep-alive and timeouts.

use std::{io, os::fd::BorrowedFd, time::Duration};

use super::socket;
use crate::error::{invalid, with_context};

/// An option with a numeric value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SocketOption {
    SendBuffer,
    ReceiveBuffer,
    KeepAlive,
    KeepAliveIdle,
    KeepAliveInterval,
    KeepAliveCount,
    UserTimeout,
}

impl SocketOption {
    /// The level, the option, and its name for messages.
    fn names(self) -> (i32, i32, &'static str) {
        match self {
            Self::SendBuffer => (libc::SOL_SOCKET, libc::SO_SNDBUF, "SO_SNDBUF"),
            Self::ReceiveBuffer => (libc::SOL_SOCKET, libc::SO_RCVBUF, "SO_RCVBUF"),
            Self::KeepAlive => (libc::SOL_SOCKET, libc::SO_KEEPALIVE, "SO_KEEPALIVE"),
            Self::KeepAliveIdle => (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, "TCP_KEEPIDLE"),
            Self::KeepAliveInterval => (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL, "TCP_KEEPINTVL"),
            Self::KeepAliveCount => (libc::IPPROTO_TCP, libc::TCP_KEEPCNT, "TCP_KEEPCNT"),
            Self::UserTimeout => (
                libc::IPPROTO_TCP,
                libc::TCP_USER_TIMEOUT,
                "TCP_USER_TIMEOUT",
            ),
        }
    }

    /// The unit of an option that is a duration.
    fn unit(self) -> Duration {
        match self {
            Self::UserTimeout => Duration::from_millis(1),
            _ => Duration::from_secs(1),
        }
    }

    pub(crate) fn get(self, fd: BorrowedFd<'_>) -> io::Result<u32> {
        let (level, number, name) = self.names();
        let value = socket::option(fd, level, number)
            .map_err(|e| with_context(e, format!("Unable to get the option {name}")))?;
        Ok(u32::try_from(value).unwrap_or(0))
    }

    pub(crate) fn set(self, fd: BorrowedFd<'_>, value: u32) -> io::Result<()> {
        let (level, number, name) = self.names();
        i32::try_from(value)
            .map_err(|_| invalid("the value is too large"))
            .and_then(|value| socket::set_option(fd, level, number, value))
            .map_err(|e| with_context(e, format!("Unable to set the option {name} to {value}")))
    }

    pub(crate) fn get_time(self, fd: BorrowedFd<'_>) -> io::Result<Duration> {
        Ok(self.unit() * self.get(fd)?)
    }

    /// Sets a duration, rounded up to the unit of the option.
    pub(crate) fn set_time(self, fd: BorrowedFd<'_>, time: Duration) -> io::Result<()> {
        let units = time.as_nanos().div_ceil(self.unit().as_nanos());
        self.set(fd, u32::try_from(units).unwrap_or(u32::MAX))
    }
}
