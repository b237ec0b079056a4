//! Connections of GIO: sockets with a duplicate of the descriptor.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use gio::prelude::*;

use super::ChannelSocket;
use crate::{
    channel::{Channel, ChannelExt as _},
    error::{closed, from_glib_error, invalid, with_context},
    types::Feature,
};

impl ChannelSocket {
    /// Returns a connection of GIO with a duplicate of the descriptor.
    ///
    /// For a unix socket it is a `GUnixConnection`: with it, D-Bus passes file descriptors and
    /// authenticates by credentials, which it does not over [`IoStream`](crate::IoStream). GIO's
    /// sockets are in non-blocking mode, which the two share: the channel is put in that mode.
    /// Each is closed on its own, and the connection ends when both are; shutting one of them down
    /// shuts the connection down.
    ///
    /// # Errors
    ///
    /// If the channel is not connected or has data that was read ahead, which the connection would
    /// not get; and that of the system call.
    ///
    /// # Examples
    ///
    /// ```
    /// use qio::{ChannelSocket, prelude::*};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (here, there) = ChannelSocket::pair()?;
    /// let connection = here.to_connection()?;
    /// assert_eq!(connection.type_().name(), "GUnixConnection");
    /// connection.output_stream().write_all(b"ping", gio::Cancellable::NONE)?;
    /// let mut word = [0; 4];
    /// there.read_all(&mut word)?;
    /// assert_eq!(&word, b"ping");
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "qio_channel_socket_to_connection")]
    pub fn to_connection(&self) -> io::Result<gio::SocketConnection> {
        let channel: &Channel = self.upcast_ref();
        let duplicate = self.with_fd(|fd| fd.try_clone_to_owned())?;
        if self.has_feature(Feature::LISTEN) {
            return Err(invalid("The channel listens: it is no connection"));
        }
        if channel.has_pushback() {
            return Err(invalid(
                "The channel has data that was read ahead, which the connection would not get",
            ));
        }
        let duplicate =
            duplicate.map_err(|e| with_context(e, "Unable to duplicate the descriptor"))?;
        let connection = connection_on(duplicate);
        // GIO has put the description, which the two share, in non-blocking mode.
        self.set_blocking(connection.is_err() && self.is_blocking())?;
        connection
    }

    /// Creates a channel with a duplicate of the descriptor of a connection.
    ///
    /// It is in non-blocking mode, as the sockets of GIO, with which it shares that: if it is put
    /// in blocking mode, operations of the connection may block where GIO forbids it. Each is
    /// closed on its own, and the connection ends when both are; shutting one of them down shuts
    /// the connection down.
    ///
    /// # Errors
    ///
    /// If the connection is closed, and that of the system call.
    #[doc(alias = "qio_channel_socket_new_from_connection")]
    pub fn from_connection(connection: &impl IsA<gio::SocketConnection>) -> io::Result<Self> {
        let socket = connection.as_ref().socket();
        if socket.is_closed() {
            return Err(closed());
        }
        let duplicate = socket.as_fd().try_clone_to_owned();
        let describe = |e| with_context(e, "Unable to duplicate the descriptor of a connection");
        Self::new_fd(duplicate.map_err(describe)?)
    }
}

fn connection_on(fd: OwnedFd) -> io::Result<gio::SocketConnection> {
    let socket = gio::Socket::from_fd(fd).map_err(from_glib_error)?;
    match socket.is_connected() {
        true => Ok(socket.connection_factory_create_connection()),
        false => Err(io::Error::from_raw_os_error(libc::ENOTCONN)),
    }
}
