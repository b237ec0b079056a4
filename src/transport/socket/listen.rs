//! Listening on an address.

use std::{future::Future, io, os::fd::AsFd};

use glib::subclass::prelude::*;

use super::{
    ChannelSocket,
    bound_path::{BoundPath, PathAccess},
    imp::CloseHook,
    resolve::{resolve, text},
};
use crate::{
    error::{not_supported, with_context},
    log,
    sys::{
        address::Native,
        listen::{self, Binding},
    },
};

/// The parameters of listening.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Listening {
    pub(crate) binding: Binding,
    pub(crate) access: PathAccess,
}

impl ChannelSocket {
    /// Listens on an address.
    pub(crate) fn listen_as(
        &self,
        address: &gio::SocketAddress,
        backlog: u32,
        how: &Listening,
    ) -> io::Result<()> {
        self.imp().fd.check_unopened()?;
        let kind = self.imp().kind();
        if kind == libc::SOCK_DGRAM {
            // The kernel would report it only after the file was created.
            return Err(not_supported("Datagram sockets do not listen"));
        }
        let explained = |e| with_context(e, format!("Unable to listen on {}", text(address)));
        let native = Native::new(address).map_err(explained)?;
        let bind = || listen::bind(&native, kind, how.binding);
        let (fd, bound) = BoundPath::bind(address, bind).map_err(explained)?;
        if let Some(bound) = &bound {
            bound.set_access(how.access).map_err(explained)?;
        }
        let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
        listen::start(fd.as_fd(), backlog).map_err(explained)?;
        self.imp().open_listening(fd)?;
        if let Some(bound) = bound {
            self.imp().on_close(CloseHook::Path(bound));
        }
        log::event(self, || {
            // With the port that the kernel has chosen.
            let bound = self.local_address();
            format!("listening on {}", text(bound.as_ref().unwrap_or(address)))
        });
        Ok(())
    }
}

/// Listens on the first address that can be listened on.
pub(super) fn on_first(
    channel: ChannelSocket,
    address: &gio::SocketConnectable,
    backlog: u32,
) -> impl Future<Output = io::Result<()>> + use<> {
    let addresses = resolve(address);
    async move {
        channel.imp().fd.check_unopened()?;
        let mut failure = None;
        for address in addresses.await? {
            match channel.listen_as(&address, backlog, &Listening::default()) {
                Ok(()) => return Ok(()),
                Err(e) => failure = Some(e),
            }
        }
        Err(failure.expect("there is an address"))
    }
}
