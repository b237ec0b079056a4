//! Child processes: what they read and write is the channel.

mod builder;
mod child;
mod collector;
mod communicate;
mod imp;
mod process;
mod reaper;

pub use builder::{Access, CommandBuilder, StderrPolicy};

use std::{
    ffi::OsStr,
    future::Future,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::process::ExitStatusExt,
    },
    process::ExitStatus,
    sync::Arc,
};

use glib::{IOCondition, prelude::*, subclass::prelude::*};

use super::file::ChannelFile;
use crate::{
    channel::{Channel, ChannelFutureExt as _, ffi::derived_class, stream::std_io},
    coroutine,
    error::{not_supported, with_context},
    sys::{dummy, fd_info::FdInfo},
    types::Feature,
};
use child::Child;
use process::Process;

/// The stack of threads that wait for child processes.
const STACK_SIZE: usize = 64 * 1024;

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
    /// has ended, and is an error if it failed: see [`exit_status`](Self::exit_status).
    /// A command that may not end by itself is to be [terminated](Self::terminate) before,
    /// or waited for by its [`pidfd`](Self::pidfd).
    ///
    /// A caller that writes much before it reads may deadlock: the command stops reading when its
    /// output is not read. [`communicate`](Self::communicate) does both at once.
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

    /// Makes a channel of a child that has been started by other means: where to read its output
    /// and where to write its input. The channel takes over waiting for it, and collects it as soon
    /// as it has ended: nothing else is to wait for it. It is in non-blocking mode if both
    /// descriptors are.
    ///
    /// They may be pipes, terminals, or sockets, which are shut down by `shutdown(2)`: two
    /// descriptors of one socket serve both directions.
    ///
    /// # Errors
    ///
    /// `ECHILD` if there is no such child, or it has been waited for; or the system error.
    #[doc(alias = "qio_channel_command_new_pid")]
    pub fn new_pid(read: Option<OwnedFd>, write: Option<OwnedFd>, pid: u32) -> io::Result<Self> {
        Self::adopt(&mut [read, write], pid)
    }

    /// As [`new_pid`](Self::new_pid). On failure the descriptors, for reading and for writing, are
    /// left where they are.
    pub(crate) fn adopt(ends: &mut [Option<OwnedFd>; 2], pid: u32) -> io::Result<Self> {
        let failed = |e| with_context(e, format!("Unable to watch process {pid}"));
        let ends_info = EndsInfo::of(ends).map_err(failed)?;
        Self::prepare_to_close()?;
        let process = Process::open(pid).map_err(failed)?;
        if process.is_no_child() {
            return Err(failed(io::Error::from_raw_os_error(libc::ECHILD)));
        }
        let child = Child::new(pid, format!("process {pid}"), process);
        Ok(Self::with_child(ends, ends_info, child))
    }

    /// Closing must end the input of the command, whatever there is left by then.
    fn prepare_to_close() -> io::Result<()> {
        dummy::prepare().map_err(|e| with_context(e, "Unable to prepare for closing a command"))
    }

    /// Takes the ends, for reading and for writing.
    fn with_child(ends: &mut [Option<OwnedFd>; 2], ends_info: EndsInfo, child: Child) -> Self {
        let this: Self = glib::Object::new();
        let imp = this.imp();
        let channel = this.upcast_ref::<Channel>();
        channel
            .imp()
            .set_description(format!("the {}", child.name()));
        let child = imp.child.get_or_init(|| Arc::new(child));
        child.collect_at_end();
        let mut is_blocking = ends_info.0.iter().all(Option::is_none);
        let places = [&imp.output, &imp.input];
        for ((place, fd), fd_info) in places.into_iter().zip(ends).zip(ends_info.0) {
            if let Some(fd_info) = fd_info {
                is_blocking |= fd_info.is_blocking;
                place.fill_from(fd, fd_info, || ()).expect("it is new");
            }
        }
        channel.set_blocking_state(is_blocking);
        channel.add_features(Feature::SHUTDOWN);
        this
    }

    fn set_stderr(&self, fd: OwnedFd, name: &str) {
        let stderr = ChannelFile::new_fd(fd);
        let channel = stderr.upcast_ref::<Channel>();
        let description = format!("the standard error of the command \"{name}\"");
        channel.imp().set_description(description);
        let _ = self.imp().stderr.set(stderr);
    }

    /// The command's standard error, if it was started with [`StderrPolicy::Pipe`]. It is in
    /// blocking mode at first, and closed with this channel; a command that writes much to it waits
    /// for a reader.
    #[doc(alias = "qio_channel_command_get_stderr")]
    #[must_use]
    pub fn stderr(&self) -> Option<ChannelFile> {
        self.imp().stderr.get().cloned()
    }

    /// The process id; it may be another process's once this one has ended.
    /// [`send_signal`](Self::send_signal) never reaches that.
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
    /// can still be read. A command whose output is not read may never end.
    ///
    /// # Errors
    ///
    /// As [`exit_status`](Self::exit_status).
    #[doc(alias = "qio_channel_command_wait_exit")]
    pub fn wait_exit(&self) -> io::Result<ExitStatus> {
        if coroutine::in_coroutine() {
            return coroutine::wait_for(self.wait_exit_future())?;
        }
        let status = self.child()?.status(true)?;
        Ok(ExitStatus::from_raw(status.unwrap_or_default()))
    }

    /// As [`wait_exit`](Self::wait_exit), in a future, which never blocks.
    ///
    /// # Errors
    ///
    /// As [`exit_status`](Self::exit_status).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future has no effect on the command.
    #[doc(alias = "qio_channel_command_wait_exit_async")]
    #[doc(alias = "qio_channel_command_wait_exit_finish")]
    pub fn wait_exit_future(&self) -> impl Future<Output = io::Result<ExitStatus>> + Send + '_ {
        self.wait_exit_async()
    }

    async fn wait_exit_async(&self) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.exit_status()? {
                return Ok(status);
            }
            let ended = match self.pidfd() {
                Ok(fd) => ChannelFile::new_fd(fd),
                // Closing the channel has waited for the end.
                Err(e) => return self.exit_status()?.ok_or(e),
            };
            ended.ready(IOCondition::IN).await?;
        }
    }

    /// Sends a signal to the command. Does nothing if it has ended.
    ///
    /// # Errors
    ///
    /// The system error, `EINVAL` for a number that is no signal. Unsupported where the system
    /// has no pidfds and `SIGCHLD` is ignored: the number might mean another process.
    #[doc(alias = "qio_channel_command_send_signal")]
    pub fn send_signal(&self, signal: i32) -> io::Result<()> {
        self.child()?.signal(signal)
    }

    /// Sends `SIGTERM` to the command.
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

/// What the ends of a command are, for reading and for writing.
struct EndsInfo([Option<FdInfo>; 2]);

impl EndsInfo {
    fn of(ends: &[Option<OwnedFd>; 2]) -> io::Result<Self> {
        let info = |end: &Option<OwnedFd>| {
            let fd = end.as_ref();
            fd.map(|fd| FdInfo::of(fd.as_fd())).transpose()
        };
        Ok(Self([info(&ends[0])?, info(&ends[1])?]))
    }
}
