//! Child processes: what they read and write is the channel.

mod builder;
mod child;
mod process;
mod reaper;

pub use builder::{Access, CommandBuilder, StderrPolicy};

use std::{
    ffi::OsStr,
    io::{self, IoSlice, IoSliceMut},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::process::ExitStatusExt,
    },
    process::ExitStatus,
    sync::{
        Arc, LazyLock, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use glib::{IOCondition, ParamSpec, prelude::*, subclass::prelude::*};

use super::endpoint::Endpoint;
use crate::{
    channel::{
        Channel, ChannelExt as _, ChannelImpl,
        ffi::{PollFd, derived_class},
        leased_watch,
        stream::std_io,
    },
    error::{not_supported, with_context},
    hub::Direction,
    sys::{dummy, fd_info::FdInfo},
    types::{Feature, ReadFlags, Readiness, Shutdown, WriteFlags},
};
use child::Child;
use process::Process;

mod imp {
    use super::*;

    #[derive(Debug, Default)]
    pub struct ChannelCommand {
        /// Where the child's output comes from; empty if it is not to be read.
        pub(super) output: Endpoint,
        /// Where the child's input goes to; empty if it is not to be written.
        pub(super) input: Endpoint,
        pub(super) child: OnceLock<Arc<Child>>,
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
            slots.set_native_class_with(false, lend, None, Some(abort));
        }
    }

    fn lend(channel: &Channel, side: Direction) -> Option<PollFd> {
        let this = channel.downcast_ref::<super::ChannelCommand>()?.imp();
        let end = match side {
            Direction::Read => &this.output,
            Direction::Write => &this.input,
        };
        end.lend(side, false)
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
                        .blurb("How the command ended, as waitpid() tells it, or -1")
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
            let _ = self.close_pipes();
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
            self.check(&self.input, "writing")?;
            let channel = self.obj();
            let result = self.input.write(channel.upcast_ref(), iov, flags);
            if result.is_err() && self.is_shut(&self.input) {
                return Err(io::Error::from_raw_os_error(libc::EPIPE));
            }
            result
        }

        fn close(&self) -> io::Result<()> {
            // Before the numbers are free for others: waiters must not look at them any more.
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
            self.obj().upcast_ref::<Channel>().imp().waiters.wake();
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
            self.input.close().and(self.output.close())
        }

        /// Shut down, that is: closed while the channel is not.
        fn is_shut(&self, end: &Endpoint) -> bool {
            end.fd.shared().is_some() && !end.fd.is_open() && !self.obj().is_closed()
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
}

derived_class!(
    ChannelCommand,
    imp::ChannelCommand,
    ChannelCommandImpl,
    QIOChannelCommand,
    QIOChannelCommandClass
);

glib::wrapper! {
    /// A command whose standard output is read and whose standard input is written.
    ///
    /// [`shutdown`](crate::ChannelExt::shutdown) for writing ends the command's input.
    /// [`close`](crate::ChannelExt::close) ends both, waits in either mode until the command
    /// has ended, and is an error if it failed; [`exit_status`](Self::exit_status) says how.
    /// A command that may not end by itself is to be [terminated](Self::terminate) before,
    /// or waited for by its [`pidfd`](Self::pidfd).
    ///
    /// Who writes much before reading anything may wait for ever: the command stops to read when
    /// nobody reads what it writes. Do both in turns, non-blocking, or in two threads.
    ///
    /// A channel that is dropped without being closed leaves a command that still runs to a
    /// thread, which gives it a moment to end at the end of its input, then terminates it
    /// (`SIGTERM`), then kills it. Signals go by pidfd and never reach another process.
    ///
    /// # Properties
    ///
    /// `pid`, an unsigned integer, and `wait-status`, an integer as `waitpid()` gives it or
    /// -1 while unknown; both readable.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Read;
    /// use qio::{ChannelCommand, Shutdown, prelude::*};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let sort = ChannelCommand::builder(["sort", "-n"]).env("LC_ALL", "C").spawn()?;
    /// sort.write_all(b"10\n9\n")?;
    /// sort.shutdown(Shutdown::Write)?;
    /// let mut sorted = String::new();
    /// (&sort).read_to_string(&mut sorted)?;
    /// sort.close()?;
    /// assert_eq!(sorted, "9\n10\n");
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "QIOChannelCommand")]
    pub struct ChannelCommand(ObjectSubclass<imp::ChannelCommand>) @extends Channel;
}

static_assertions::assert_impl_all!(ChannelCommand: Send, Sync);
std_io!(ChannelCommand);

impl ChannelCommand {
    /// Starts a command, which is looked up in `PATH`, with the environment and in the
    /// directory of this process. For more, see [`builder`](Self::builder).
    ///
    /// # Errors
    ///
    /// As [`CommandBuilder::spawn`].
    #[doc(alias = "qio_channel_command_new_spawn")]
    pub fn new_spawn<I>(argv: I, access: Access) -> io::Result<Self>
    where
        I: IntoIterator<Item: AsRef<OsStr>>,
    {
        Self::builder(argv).access(access).spawn()
    }

    /// Prepares a command: the program and its arguments.
    pub fn builder<I>(argv: I) -> CommandBuilder
    where
        I: IntoIterator<Item: AsRef<OsStr>>,
    {
        CommandBuilder::new(argv)
    }

    /// Makes a channel of a child that has been started by other means: where to read its
    /// output and where to write its input. The channel takes over waiting for it. It is in
    /// non-blocking mode if both descriptors are.
    ///
    /// They may be pipes, terminals, or sockets, which are shut down by `shutdown(2)`: two
    /// descriptors of one socket serve both directions.
    ///
    /// # Errors
    ///
    /// `ECHILD` if there is no such child, or it has been waited for; and what the system says.
    #[doc(alias = "qio_channel_command_new_pid")]
    pub fn new_pid(read: Option<OwnedFd>, write: Option<OwnedFd>, pid: u32) -> io::Result<Self> {
        Self::prepare_to_close()?;
        let failed = |e| with_context(e, format!("Unable to watch process {pid}"));
        let process = Process::open(pid).map_err(failed)?;
        if process.is_no_child() {
            return Err(failed(io::Error::from_raw_os_error(libc::ECHILD)));
        }
        Self::with_child(
            read,
            write,
            Child::new(pid, format!("process {pid}"), process),
        )
    }

    /// Closing must end the input of the command, whatever there is left by then.
    fn prepare_to_close() -> io::Result<()> {
        dummy::prepare().map_err(|e| with_context(e, "Unable to prepare for closing a command"))
    }

    fn with_child(read: Option<OwnedFd>, write: Option<OwnedFd>, child: Child) -> io::Result<Self> {
        let this: Self = glib::Object::new();
        let imp = this.imp();
        let channel = this.upcast_ref::<Channel>();
        channel
            .imp()
            .set_description(format!("the {}", child.name()));
        imp.child.set(Arc::new(child)).expect("new");
        let mut is_blocking = read.is_none() && write.is_none();
        for (end, fd) in [(&imp.output, read), (&imp.input, write)] {
            if let Some(fd) = fd {
                let fd_info = FdInfo::of(fd.as_fd())?;
                is_blocking |= fd_info.is_blocking;
                end.fill(fd, fd_info, || ())?;
            }
        }
        channel.set_blocking_state(is_blocking);
        channel.add_features(Feature::SHUTDOWN);
        Ok(this)
    }

    /// The process id; it may be another process's once this one has been waited for.
    #[doc(alias = "qio_channel_command_get_pid")]
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.imp().child.get().map_or(0, |child| child.pid())
    }

    /// A duplicate of the descriptor for the process: readable when it has ended, whatever
    /// happens to the channel. Where the system has no pidfds it is another kind of descriptor, for
    /// which the same is true.
    ///
    /// # Errors
    ///
    /// When the channel is closed, or no more descriptors are to be had.
    #[doc(alias = "qio_channel_command_get_pidfd")]
    pub fn pidfd(&self) -> io::Result<OwnedFd> {
        self.child()?.pidfd()
    }

    /// How the command ended, if it has. Does not block.
    ///
    /// # Errors
    ///
    /// `ECHILD` if the command has ended and its status is unknown, because `SIGCHLD` is ignored in
    /// this process, which programs inherit, or because something else has waited for the command.
    #[doc(alias = "qio_channel_command_get_exit_status")]
    pub fn exit_status(&self) -> io::Result<Option<ExitStatus>> {
        Ok(self.child()?.status(false)?.map(ExitStatus::from_raw))
    }

    /// Waits until the command has ended, without closing the channel: what it has written
    /// can still be read. A command whose output nobody reads may never end.
    ///
    /// # Errors
    ///
    /// As [`exit_status`](Self::exit_status).
    #[doc(alias = "qio_channel_command_wait_exit")]
    pub fn wait_exit(&self) -> io::Result<ExitStatus> {
        let status = self.child()?.status(true)?;
        Ok(ExitStatus::from_raw(status.unwrap_or_default()))
    }

    /// Sends a signal to the command. Does nothing if it has ended.
    ///
    /// # Errors
    ///
    /// What the system says, `EINVAL` for a number that is no signal. Unsupported where the system has
    /// no pidfds and `SIGCHLD` is ignored: the number might mean another process.
    #[doc(alias = "qio_channel_command_send_signal")]
    pub fn send_signal(&self, signal: i32) -> io::Result<()> {
        self.child()?.signal(signal)
    }

    /// Asks the command to end (`SIGTERM`).
    ///
    /// # Errors
    ///
    /// As [`send_signal`](Self::send_signal).
    #[doc(alias = "qio_channel_command_terminate")]
    pub fn terminate(&self) -> io::Result<()> {
        self.send_signal(libc::SIGTERM)
    }

    /// Ends the command (`SIGKILL`).
    ///
    /// # Errors
    ///
    /// As [`send_signal`](Self::send_signal).
    #[doc(alias = "qio_channel_command_kill")]
    pub fn kill(&self) -> io::Result<()> {
        self.send_signal(libc::SIGKILL)
    }

    fn child(&self) -> io::Result<&Arc<Child>> {
        self.imp()
            .child
            .get()
            .ok_or_else(|| not_supported("No command has been started"))
    }
}
