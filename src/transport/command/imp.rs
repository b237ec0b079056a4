//! The class: what its virtual functions do.

use std::{
    io::{self, IoSlice, IoSliceMut},
    os::fd::{BorrowedFd, OwnedFd},
    sync::{
        Arc, LazyLock, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use glib::{IOCondition, ParamSpec, prelude::*, subclass::prelude::*};

use super::{
    super::{endpoint::Endpoint, file::ChannelFile},
    QIOChannelCommand, QIOChannelCommandClass,
    child::Child,
};
use crate::{
    channel::{Channel, ChannelExt as _, ChannelImpl, class::native::PollFd, leased_watch},
    error::not_supported,
    hub::Direction,
    types::{ReadFlags, Readiness, Shutdown, WriteFlags},
};

#[derive(Debug, Default)]
pub struct ChannelCommand {
    /// Where the child's output comes from; empty if it is not to be read.
    pub(super) output: Endpoint,
    /// Where the child's input goes to; empty if it is not to be written.
    pub(super) input: Endpoint,
    pub(super) child: OnceLock<Arc<Child>>,
    /// Where the child's standard error comes from, if it is read here.
    pub(super) stderr: OnceLock<ChannelFile>,
    /// Closing waits for nothing.
    aborted: AtomicBool,
}

#[glib::object_subclass]
impl ObjectSubclass for ChannelCommand {
    const NAME: &'static str = "QIOChannelCommand";
    type Type = super::ChannelCommand;
    type ParentType = Channel;
    type Class = QIOChannelCommandClass;
    type Instance = QIOChannelCommand;

    fn class_init(class: &mut Self::Class) {
        let slots = &mut class.parent_class;
        slots.set_native_class_with(false, poll_fd, None, Some(abort), None);
    }
}

fn poll_fd(channel: &Channel, side: Direction) -> Option<PollFd> {
    let this = channel.downcast_ref::<super::ChannelCommand>()?.imp();
    let end = match side {
        Direction::Read => &this.output,
        Direction::Write => &this.input,
    };
    end.poll_fd(side, false)
}

fn abort(channel: &Channel) {
    if let Some(this) = channel.downcast_ref::<super::ChannelCommand>() {
        let this = this.imp();
        this.aborted.store(true, Ordering::Release);
        if let Some(child) = this.child.get() {
            child.abort();
        }
    }
}

impl ObjectImpl for ChannelCommand {
    fn properties() -> &'static [ParamSpec] {
        static PROPERTIES: LazyLock<[ParamSpec; 2]> = LazyLock::new(|| {
            [
                glib::ParamSpecUInt::builder("pid")
                    .nick("Process id")
                    .blurb("The process id of the command, or 0")
                    .read_only()
                    .build(),
                glib::ParamSpecInt::builder("wait-status")
                    .nick("Wait status")
                    .blurb("How the command ended, as waitpid() reports it, or -1")
                    .minimum(-1)
                    .default_value(-1)
                    .read_only()
                    .build(),
            ]
        });
        &*PROPERTIES
    }

    fn property(&self, _id: usize, pspec: &ParamSpec) -> glib::Value {
        let child = self.child.get();
        match pspec.name() {
            "pid" => child.map_or(0, |child| child.pid()).to_value(),
            "wait-status" => child
                .and_then(|child| child.known_status())
                .unwrap_or(-1)
                .to_value(),
            name => unreachable!("no property {name}"),
        }
    }

    fn dispose(&self) {
        let _ = self.input.close().and(self.output.close());
        if let Some(child) = self.child.get() {
            child.abandon();
        }
    }
}

impl ChannelImpl for ChannelCommand {
    fn readv(
        &self,
        iov: &mut [IoSliceMut<'_>],
        _fds: Option<&mut Vec<OwnedFd>>,
        flags: ReadFlags,
    ) -> io::Result<usize> {
        self.check(&self.output, "reading")?;
        let channel = self.obj();
        let result = self.output.read(channel.upcast_ref(), iov, flags);
        // Also if it was shut down while we waited.
        if result.is_err() && self.is_shut(&self.output) {
            return Ok(0);
        }
        result
    }

    fn writev(
        &self,
        iov: &[IoSlice<'_>],
        _fds: &[BorrowedFd<'_>],
        flags: WriteFlags,
    ) -> io::Result<usize> {
        self.check_input()?;
        let channel = self.obj();
        let result = self.input.write(channel.upcast_ref(), iov, flags);
        if result.is_err() && self.is_shut(&self.input) {
            return Err(io::Error::from_raw_os_error(libc::EPIPE));
        }
        result
    }

    fn close(&self) -> io::Result<()> {
        // Before the numbers are free for others: waiters must not poll them any more.
        self.obj().upcast_ref::<Channel>().imp().mark_closed();
        let closed = self.close_pipes();
        match self.child.get() {
            Some(child) if self.aborted.load(Ordering::Acquire) => {
                child.abandon();
                closed
            }
            Some(child) => closed.and(child.finish()),
            None => closed,
        }
    }

    fn create_watch(&self, condition: IOCondition) -> glib::Source {
        let (read, write) = (self.output.fd.shared(), self.input.fd.shared());
        leased_watch(self.obj().upcast_ref(), condition, read, write)
    }

    fn set_blocking(&self, enabled: bool) -> io::Result<()> {
        for end in [&self.output, &self.input] {
            if end.fd.is_open() {
                end.set_blocking(enabled)?;
            }
        }
        Ok(())
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let read = match how.reads() {
            true => self.output.shut_down(Shutdown::Read),
            false => Ok(()),
        };
        let write = match how.writes() {
            true => self.input.shut_down(Shutdown::Write),
            false => Ok(()),
        };
        self.obj()
            .upcast_ref::<Channel>()
            .imp()
            .channel_state
            .wake();
        read.and(write)
    }

    fn wait_fd(&self, condition: IOCondition) -> Readiness {
        match condition.contains(IOCondition::OUT) {
            true => self.input.fd.wait_fd(condition),
            false => self.output.fd.wait_fd(condition),
        }
    }
}

impl ChannelCommand {
    fn close_pipes(&self) -> io::Result<()> {
        let closed = self.input.close().and(self.output.close());
        match self.stderr.get() {
            // A command that writes what nothing reads would not end.
            Some(stderr) => closed.and(stderr.close()),
            None => closed,
        }
    }

    /// Shut down, that is: closed while the channel is not.
    fn is_shut(&self, end: &Endpoint) -> bool {
        end.fd.shared().is_some() && !end.fd.is_open() && !self.obj().is_closed()
    }

    /// Fails if the command was not started for writing.
    pub(super) fn check_input(&self) -> io::Result<()> {
        self.check(&self.input, "writing")
    }

    fn check(&self, end: &Endpoint, what: &str) -> io::Result<()> {
        match end.fd.shared() {
            Some(_) => Ok(()),
            None => Err(not_supported(&format!(
                "The command was not started for {what}"
            ))),
        }
    }
}
