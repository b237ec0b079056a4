//! Channels that own a file descriptor, memory, or a stream of GIO.

mod buffer;
mod command;
mod endpoint;
mod fd_slot;
mod file;
mod io_stream;
mod null;
mod socket;

pub use buffer::{ChannelBuffer, ChannelBufferImpl, QIOChannelBuffer, QIOChannelBufferClass};
pub use command::{
    Access, ChannelCommand, ChannelCommandImpl, CommandBuilder, QIOChannelCommand,
    QIOChannelCommandClass, StderrPolicy,
};
pub use file::{ChannelFile, ChannelFileImpl, QIOChannelFile, QIOChannelFileClass};
pub use io_stream::{
    ChannelIoStream, ChannelIoStreamImpl, QIOChannelIOStream, QIOChannelIOStreamClass,
    channel_for_stream,
};
pub use null::{ChannelNull, ChannelNullImpl, QIOChannelNull, QIOChannelNullClass};
pub use socket::{
    ChannelSocket, ChannelSocketImpl, ConnectStage, PeerCredentials, QIOChannelSocket,
    QIOChannelSocketClass,
};
pub(crate) use socket::{Listening, PathAccess, resolve, resolve_sync, text};

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use glib::prelude::*;

use crate::{
    channel::Channel,
    sys::fd_info::{FdInfo, Kind},
};

/// Creates a channel from a descriptor, which it owns.
///
/// A [`ChannelSocket`] for a socket, a [`ChannelFile`] for anything else.
///
/// # Errors
///
/// The error of the system call that determines the type of the descriptor.
#[doc(alias = "qio_channel_new_fd")]
pub fn channel_for_fd(fd: OwnedFd) -> io::Result<Channel> {
    channel_from(&mut Some(fd))
}

/// As [`channel_for_fd`]. On failure the descriptor, which must be there, stays in `fd`.
pub(crate) fn channel_from(fd: &mut Option<OwnedFd>) -> io::Result<Channel> {
    match FdInfo::of(fd.as_ref().expect("there is one").as_fd())?.kind {
        Kind::Socket => {
            let channel = ChannelSocket::new();
            channel.adopt_fd_from(fd)?;
            Ok(channel.upcast())
        }
        _ => {
            let channel: ChannelFile = glib::Object::new();
            channel.adopt_fd_from(fd)?;
            Ok(channel.upcast())
        }
    }
}
