//! Socket options: buffer sizes, keep-alive and timeouts.

use std::{io, os::fd::AsFd, time::Duration};

use glib::{ParamSpec, prelude::*, subclass::prelude::*};

use super::ChannelSocket;
use crate::sys::options::SocketOption;

impl ChannelSocket {
    /// Returns the size of the send buffer in bytes, including the kernel's overhead.
    ///
    /// # Errors
    ///
    /// If the channel is not open; and the error of the system call, with the name of the option,
    /// as for all options.
    #[doc(alias = "qio_channel_socket_get_send_buffer_size")]
    pub fn send_buffer_size(&self) -> io::Result<u32> {
        self.option(SocketOption::SendBuffer)
    }

    /// Sets the size of the send buffer in bytes (`SO_SNDBUF`).
    ///
    /// Linux doubles the number, for its overhead, and silently limits it (`net.core.wmem_max`):
    /// [`send_buffer_size`](Self::send_buffer_size) returns the result. Turns the automatic tuning
    /// of TCP buffers off.
    #[doc(alias = "qio_channel_socket_set_send_buffer_size")]
    pub fn set_send_buffer_size(&self, bytes: u32) -> io::Result<()> {
        self.set_option(SocketOption::SendBuffer, bytes, "send-buffer-size")
    }

    /// Returns the size of the receive buffer in bytes. See
    /// [`send_buffer_size`](Self::send_buffer_size).
    #[doc(alias = "qio_channel_socket_get_receive_buffer_size")]
    pub fn receive_buffer_size(&self) -> io::Result<u32> {
        self.option(SocketOption::ReceiveBuffer)
    }

    /// Sets the size of the receive buffer in bytes (`SO_RCVBUF`, `net.core.rmem_max`).
    ///
    /// See [`set_send_buffer_size`](Self::set_send_buffer_size).
    #[doc(alias = "qio_channel_socket_set_receive_buffer_size")]
    pub fn set_receive_buffer_size(&self, bytes: u32) -> io::Result<()> {
        self.set_option(SocketOption::ReceiveBuffer, bytes, "receive-buffer-size")
    }

    /// Returns whether keep-alive probes are sent to an idle peer.
    #[doc(alias = "qio_channel_socket_get_keep_alive")]
    pub fn keep_alive(&self) -> io::Result<bool> {
        Ok(self.option(SocketOption::KeepAlive)? != 0)
    }

    /// Sets whether keep-alive probes are sent to an idle peer. Default: `false`.
    ///
    /// Without an answer, reads and writes fail with [`TimedOut`](io::ErrorKind::TimedOut).
    #[doc(alias = "qio_channel_socket_set_keep_alive")]
    pub fn set_keep_alive(&self, enabled: bool) -> io::Result<()> {
        self.set_option(SocketOption::KeepAlive, enabled.into(), "keep-alive")
    }

    /// Returns the idle time on TCP before the first keep-alive probe.
    #[doc(alias = "qio_channel_socket_get_keep_alive_idle")]
    pub fn keep_alive_idle(&self) -> io::Result<Duration> {
        self.time(SocketOption::KeepAliveIdle)
    }

    /// Sets the idle time on TCP before the first keep-alive probe.
    ///
    /// One second to 32767 seconds, rounded up to whole ones.
    #[doc(alias = "qio_channel_socket_set_keep_alive_idle")]
    pub fn set_keep_alive_idle(&self, time: Duration) -> io::Result<()> {
        self.set_time(SocketOption::KeepAliveIdle, time)
    }

    /// Returns the time between keep-alive probes on TCP.
    #[doc(alias = "qio_channel_socket_get_keep_alive_interval")]
    pub fn keep_alive_interval(&self) -> io::Result<Duration> {
        self.time(SocketOption::KeepAliveInterval)
    }

    /// Sets the time between keep-alive probes on TCP.
    ///
    /// One second to 32767 seconds, rounded up to whole ones.
    #[doc(alias = "qio_channel_socket_set_keep_alive_interval")]
    pub fn set_keep_alive_interval(&self, time: Duration) -> io::Result<()> {
        self.set_time(SocketOption::KeepAliveInterval, time)
    }

    /// Returns the maximum number of unanswered keep-alive probes on TCP.
    #[doc(alias = "qio_channel_socket_get_keep_alive_count")]
    pub fn keep_alive_count(&self) -> io::Result<u32> {
        self.option(SocketOption::KeepAliveCount)
    }

    /// Sets the number of unanswered keep-alive probes on TCP, 1 to 127.
    ///
    /// After so many the connection is closed.
    #[doc(alias = "qio_channel_socket_set_keep_alive_count")]
    pub fn set_keep_alive_count(&self, count: u32) -> io::Result<()> {
        self.with_option(|fd| SocketOption::KeepAliveCount.set(fd, count))
    }

    /// Returns how long sent data may be unacknowledged on TCP.
    ///
    /// Zero: the default of the system.
    #[doc(alias = "qio_channel_socket_get_user_timeout")]
    pub fn user_timeout(&self) -> io::Result<Duration> {
        self.time(SocketOption::UserTimeout)
    }

    /// Sets how long sent data may be unacknowledged on TCP.
    ///
    /// In whole milliseconds, rounded up.
    ///
    /// Reads and writes fail with [`TimedOut`](io::ErrorKind::TimedOut) after that. Default: zero,
    /// which is the system's, some 15 minutes.
    #[doc(alias = "qio_channel_socket_set_user_timeout")]
    pub fn set_user_timeout(&self, time: Duration) -> io::Result<()> {
        self.set_time(SocketOption::UserTimeout, time)?;
        self.notify("user-timeout");
        Ok(())
    }

    fn option(&self, option: SocketOption) -> io::Result<u32> {
        self.with_option(|fd| option.get(fd))
    }

    fn time(&self, option: SocketOption) -> io::Result<Duration> {
        self.with_option(|fd| option.get_time(fd))
    }

    fn set_option(&self, option: SocketOption, value: u32, property: &str) -> io::Result<()> {
        self.with_option(|fd| option.set(fd, value))?;
        self.notify(property);
        Ok(())
    }

    fn set_time(&self, option: SocketOption, time: Duration) -> io::Result<()> {
        self.with_option(|fd| option.set_time(fd, time))
    }

    fn with_option<R>(
        &self,
        f: impl FnOnce(std::os::fd::BorrowedFd<'_>) -> io::Result<R>,
    ) -> io::Result<R> {
        f(self.imp().fd.get()?.as_fd())
    }
}

/// The options that are properties.
pub(super) fn properties() -> [ParamSpec; 4] {
    let number = |name, nick, blurb| {
        glib::ParamSpecUInt::builder(name)
            .nick(nick)
            .blurb(blurb)
            .maximum(i32::MAX as u32)
            .explicit_notify()
            .build()
    };
    [
        number(
            "send-buffer-size",
            "Send buffer size",
            "The size of the send buffer of the kernel in bytes (SO_SNDBUF)",
        ),
        number(
            "receive-buffer-size",
            "Receive buffer size",
            "The size of the receive buffer of the kernel in bytes (SO_RCVBUF)",
        ),
        glib::ParamSpecBoolean::builder("keep-alive")
            .nick("Keep alive")
            .blurb("Whether the kernel probes a silent peer (SO_KEEPALIVE)")
            .explicit_notify()
            .build(),
        number(
            "user-timeout",
            "User timeout",
            "Milliseconds until unacknowledged data ends the connection, or 0 (TCP_USER_TIMEOUT)",
        ),
    ]
}

/// The value of a property, which is zero without a socket.
pub(super) fn property(socket: &ChannelSocket, name: &str) -> glib::Value {
    match name {
        "send-buffer-size" => socket.send_buffer_size().unwrap_or(0).to_value(),
        "receive-buffer-size" => socket.receive_buffer_size().unwrap_or(0).to_value(),
        "keep-alive" => socket.keep_alive().unwrap_or(false).to_value(),
        "user-timeout" => {
            let time = socket.user_timeout().unwrap_or_default().as_millis();
            u32::try_from(time).unwrap_or(u32::MAX).to_value()
        }
        name => unreachable!("no property {name}"),
    }
}

pub(super) fn set_property(socket: &ChannelSocket, name: &str, value: &glib::Value) {
    let number = || value.get::<u32>().expect("a number");
    let result = match name {
        "send-buffer-size" => socket.set_send_buffer_size(number()),
        "receive-buffer-size" => socket.set_receive_buffer_size(number()),
        "keep-alive" => socket.set_keep_alive(value.get().expect("a boolean")),
        "user-timeout" => socket.set_user_timeout(Duration::from_millis(number().into())),
        name => unreachable!("no property {name}"),
    };
    // A property setter cannot report an error otherwise.
    if let Err(e) = result {
        glib::g_warning!("Qio", "Unable to set the property \"{}\": {}", name, e);
    }
}
