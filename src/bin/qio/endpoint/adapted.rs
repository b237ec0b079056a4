//! Channels that behave like a stream over what is none: datagrams, and terminals.

use std::{collections::VecDeque, io, sync::atomic::Ordering, time::Duration};

use gio::prelude::*;
use glib::subclass::prelude::ObjectSubclassIsExt;
use qio::{Channel, ChannelFile, ChannelSocket, Feature, Shutdown, prelude::*};

use super::link::Link;

/// How long answers are awaited after the last datagram was sent, or received after that.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(500);

mod imp {
    use std::{
        collections::VecDeque,
        io::{self, IoSlice, IoSliceMut},
        os::fd::{BorrowedFd, OwnedFd},
        sync::{
            Mutex, OnceLock,
            atomic::{AtomicBool, AtomicU64, Ordering},
        },
    };

    use gio::prelude::*;
    use glib::IOCondition;
    use qio::{
        Channel, ChannelSocket, ReadFlags, Readiness, Shutdown, WriteFlags, prelude::*,
        subclass::prelude::*,
    };

    use crate::endpoint::link::Link;

    /// The maximum content of a datagram of UDP over IPv4; over IPv6 it is more.
    const LARGEST: usize = 65_507;

    #[derive(Default)]
    pub struct Adapted {
        /// Removed before the terminal is closed.
        pub(super) link: Mutex<Option<Link>>,
        pub(super) below: OnceLock<Channel>,
        /// The only sender of datagrams that are delivered.
        pub(super) sender: OnceLock<gio::SocketAddress>,
        /// Datagrams that were received before.
        pub(super) first: Mutex<VecDeque<Vec<u8>>>,
        /// No more datagrams are awaited.
        pub(super) ended: AtomicBool,
        /// Counts the datagrams that were received.
        pub(super) received: AtomicU64,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Adapted {
        const NAME: &'static str = "QioAdapted";
        type Type = super::Adapted;
        type ParentType = Channel;
    }

    impl ObjectImpl for Adapted {}

    impl Adapted {
        pub(super) fn below(&self) -> &Channel {
            self.below.get().expect("made with it")
        }

        /// Reads a datagram of the sender. An empty one is not end-of-file, and is skipped.
        fn datagram(&self, socket: &ChannelSocket, buf: &mut [u8]) -> io::Result<usize> {
            while let Some(datagram) = self.first.lock().expect("no panic").pop_front() {
                self.received.fetch_add(1, Ordering::Relaxed);
                if datagram.len() > buf.len() {
                    let message = "The datagram is longer than the buffer";
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
                }
                if !datagram.is_empty() {
                    buf[..datagram.len()].copy_from_slice(&datagram);
                    return Ok(datagram.len());
                }
            }
            loop {
                let (count, from) = match socket.recv_from(buf) {
                    _ if self.ended.load(Ordering::Relaxed) => return Ok(0),
                    result => result?,
                };
                let is_sender = |from: &gio::SocketAddress| {
                    self.sender
                        .get()
                        .is_none_or(|sender| super::Adapted::same(sender, from))
                };
                if count > 0 && from.as_ref().is_some_and(is_sender) {
                    self.received.fetch_add(1, Ordering::Relaxed);
                    return Ok(count);
                }
            }
        }
    }

    impl ChannelImpl for Adapted {
        fn readv(
            &self,
            iov: &mut [IoSliceMut<'_>],
            _fds: Option<&mut Vec<OwnedFd>>,
            flags: ReadFlags,
        ) -> io::Result<usize> {
            match self.below().downcast_ref::<ChannelSocket>() {
                Some(socket) => match iov.iter_mut().find(|buf| !buf.is_empty()) {
                    Some(buf) => self.datagram(socket, buf),
                    None => Ok(0),
                },
                None => self.below().readv_full(iov, None, flags),
            }
        }

        fn writev(
            &self,
            iov: &[IoSlice<'_>],
            _fds: &[BorrowedFd<'_>],
            flags: WriteFlags,
        ) -> io::Result<usize> {
            if !self.below().is::<ChannelSocket>() {
                return self.below().writev_full(iov, &[], flags);
            }
            // Each buffer was read at once, and becomes a datagram.
            match iov.iter().find(|buf| !buf.is_empty()) {
                Some(buf) => {
                    let some = IoSlice::new(&buf[..buf.len().min(LARGEST)]);
                    self.below().writev_full(&[some], &[], flags)
                }
                None => Ok(0),
            }
        }

        fn close(&self) -> io::Result<()> {
            drop(self.link.lock().expect("no panic").take());
            self.below().close()
        }

        fn shutdown(&self, how: Shutdown) -> io::Result<()> {
            match how {
                // There is no half-close: see `Adapted::end_later`.
                Shutdown::Write => {
                    self.obj().end_later();
                    Ok(())
                }
                _ => self.close(),
            }
        }

        fn wait_fd(&self, condition: IOCondition) -> Readiness {
            let has_first = !self.first.lock().expect("no panic").is_empty();
            if condition.contains(IOCondition::IN) && has_first {
                return Readiness::Now;
            }
            match self.below().find_property("fd") {
                Some(_) if !self.below().is_closed() => {
                    Readiness::Fd(self.below().property("fd"), condition)
                }
                _ => Readiness::Now,
            }
        }
    }
}

glib::wrapper! {
    /// A channel over datagrams or a terminal.
    pub struct Adapted(ObjectSubclass<imp::Adapted>) @extends Channel;
}

impl Adapted {
    fn new(below: Channel) -> Self {
        let this: Self = glib::Object::new();
        this.set_feature(Feature::SHUTDOWN);
        this.imp().below.set(below).expect("new");
        this
    }

    /// Datagrams of a connected socket, of this sender alone.
    pub(super) fn datagrams(socket: ChannelSocket, sender: gio::SocketAddress) -> io::Result<Self> {
        socket.set_blocking(false)?;
        let this = Self::new(socket.upcast());
        this.imp().sender.set(sender).expect("new");
        Ok(this)
    }

    /// Whether two addresses are the same IP address and port.
    pub(super) fn same(one: &gio::SocketAddress, other: &gio::SocketAddress) -> bool {
        let [one, other] = [one, other].map(crate::peer::ip);
        one.is_some() && one == other
    }

    /// What is read before anything that arrives.
    pub(super) fn set_first(&self, datagrams: VecDeque<Vec<u8>>) {
        *self.imp().first.lock().expect("no panic") = datagrams;
    }

    /// A terminal, to which a link is removed with the channel.
    pub(super) fn terminal(file: ChannelFile, link: Link) -> io::Result<Self> {
        file.set_blocking(false)?;
        let this = Self::new(file.upcast());
        *this.imp().link.lock().expect("no panic") = Some(link);
        Ok(this)
    }

    /// Ends reading once no datagram has arrived for a while: there is no end-of-file among them.
    fn end_later(&self) {
        let imp = self.imp();
        if !imp.below().is::<ChannelSocket>() {
            return;
        }
        let this = self.downgrade();
        qio::spawn_local(async move {
            let mut seen = None;
            loop {
                let Some(received) = this
                    .upgrade()
                    .map(|this| this.imp().received.load(Ordering::Relaxed))
                else {
                    return;
                };
                if seen == Some(received) {
                    break;
                }
                seen = Some(received);
                glib::timeout_future(ANSWER_TIMEOUT).await;
            }
            if let Some(this) = this.upgrade() {
                this.imp().ended.store(true, Ordering::Relaxed);
                // Makes the descriptor readable.
                let _ = this.imp().below().shutdown(Shutdown::Read);
            }
        });
    }
}
