//! How a command is started.

use std::{
    collections::BTreeMap,
    env,
    ffi::{OsStr, OsString},
    io,
    os::{
        fd::{OwnedFd, RawFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
};

use super::{
    ChannelCommand, EndsInfo,
    child::Child,
    process::{Process, end_unwatched},
};
use crate::{
    error::{invalid, with_context},
    log,
    sys::{file, spawn::Program},
};

/// Which ends of a command the channel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// The channel reads the command's output; the command has no input.
    Read,
    /// The channel writes the command's input; its output is discarded.
    Write,
    /// Both.
    #[default]
    ReadWrite,
}

/// The destination of a command's standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "QIOChannelCommandStderr")]
#[doc(alias = "QIOChannelCommandStderr")]
#[repr(i32)]
pub enum StderrPolicy {
    /// That of this process.
    #[default]
    #[enum_value(name = "QIO_CHANNEL_COMMAND_STDERR_INHERIT", nick = "inherit")]
    Inherit = 0,
    /// Discarded, as by `/dev/null`.
    #[enum_value(name = "QIO_CHANNEL_COMMAND_STDERR_NULL", nick = "null")]
    Null = 1,
    /// The standard output of the command.
    #[enum_value(name = "QIO_CHANNEL_COMMAND_STDERR_MERGE", nick = "merge")]
    Merge = 2,
    /// A separate channel: [`ChannelCommand::stderr`].
    #[enum_value(name = "QIO_CHANNEL_COMMAND_STDERR_PIPE", nick = "pipe")]
    Pipe = 3,
}

/// Builds and starts a command. See [`ChannelCommand::builder`].
#[derive(Debug)]
pub struct CommandBuilder {
    argv: Vec<OsString>,
    /// `None`: that of this process.
    env: Option<BTreeMap<OsString, OsString>>,
    directory: Option<PathBuf>,
    access: Access,
    stderr: StderrPolicy,
    /// More descriptors, by their numbers in the command.
    fds: BTreeMap<RawFd, OwnedFd>,
    /// What was wrong first.
    malformed: Option<io::Error>,
}

impl CommandBuilder {
    pub(super) fn new<I>(argv: I) -> Self
    where
        I: IntoIterator<Item: AsRef<OsStr>>,
    {
        let argv: Vec<_> = argv.into_iter().map(|it| it.as_ref().to_owned()).collect();
        let empty = "There is no command to run: the list of arguments is empty";
        Self {
            malformed: argv.is_empty().then(|| invalid(empty)),
            argv,
            env: None,
            directory: None,
            access: Access::default(),
            stderr: StderrPolicy::default(),
            fds: BTreeMap::new(),
        }
    }

    /// Sets the directions of the channel. Default: both.
    #[must_use]
    pub fn access(self, access: Access) -> Self {
        Self { access, ..self }
    }

    /// Sets the destination of the standard error. Default: that of this process.
    #[must_use]
    pub fn stderr(self, stderr: StderrPolicy) -> Self {
        Self { stderr, ..self }
    }

    /// Sets one variable of the command's environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let (name, value) = (name.as_ref().to_owned(), value.as_ref().to_owned());
        self.env_mut().insert(name, value);
        self
    }

    /// Takes one variable out of the command's environment.
    #[must_use]
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.env_mut().remove(name.as_ref());
        self
    }

    /// Starts with an empty environment instead of ours.
    #[must_use]
    pub fn env_clear(mut self) -> Self {
        self.env = Some(BTreeMap::new());
        self
    }

    fn env_mut(&mut self) -> &mut BTreeMap<OsString, OsString> {
        self.env.get_or_insert_with(|| env::vars_os().collect())
    }

    /// Starts with this environment instead of ours: a list of `NAME=VALUE`, as `environ` in C.
    /// An entry that is not of this form makes [`spawn`](Self::spawn) fail.
    ///
    /// ```
    /// use qio::{Access, ChannelCommand, prelude::*};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let command = ChannelCommand::builder(["/usr/bin/env"]).environ(["ONLY=this"]);
    /// let command = command.access(Access::Read).spawn()?;
    /// let mut all = [0; 10];
    /// command.read_all(&mut all)?;
    /// assert_eq!(&all, b"ONLY=this\n");
    /// # command.close()
    /// # }
    /// ```
    #[must_use]
    pub fn environ<I>(self, settings: I) -> Self
    where
        I: IntoIterator<Item: AsRef<OsStr>>,
    {
        let mut this = self.env_clear();
        for setting in settings {
            this = match split(setting.as_ref()) {
                Some((name, value)) => this.env(name, value),
                None => this.with_malformed(setting.as_ref()),
            };
        }
        this
    }

    fn with_malformed(mut self, setting: &OsStr) -> Self {
        let setting = setting.display();
        self.malformed.get_or_insert_with(|| {
            invalid(&format!(
                "Invalid environment entry, expected NAME=VALUE: \"{setting}\""
            ))
        });
        self
    }

    /// The directory that the command starts in.
    #[must_use]
    pub fn directory(self, path: impl AsRef<Path>) -> Self {
        let directory = Some(path.as_ref().to_owned());
        Self { directory, ..self }
    }

    /// Gives the command a descriptor more, under this number, which must be above those of the
    /// standard streams: [`spawn`](Self::spawn) fails otherwise. Of several with one number it gets
    /// the last.
    ///
    /// ```
    /// use std::os::fd::OwnedFd;
    /// use qio::{Access, ChannelCommand, prelude::*};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let (read, write) = std::io::pipe()?;
    /// let command = ChannelCommand::builder(["sh", "-c", "echo status >&3"]).fd(3, write.into());
    /// let command = command.access(Access::Read).spawn()?;
    /// let status = std::io::read_to_string(read)?;
    /// assert_eq!(status, "status\n");
    /// # command.close()
    /// # }
    /// ```
    #[must_use]
    #[doc(alias = "qio_channel_command_new_with_fds")]
    pub fn fd(mut self, number: RawFd, fd: OwnedFd) -> Self {
        if number <= libc::STDERR_FILENO {
            self.malformed.get_or_insert_with(|| {
                invalid(&format!(
                    "Invalid number for an additional descriptor: {number}"
                ))
            });
        } else {
            self.fds.insert(number, fd);
        }
        self
    }

    /// Starts the command, with an empty signal mask and the default action for `SIGPIPE`.
    ///
    /// # Errors
    ///
    /// The system error, with the name of the program: not found, not executable.
    /// `G_IO_ERROR_INVALID_ARGUMENT` for an empty list of arguments, or a malformed environment.
    #[doc(alias = "qio_channel_command_new_full")]
    pub fn spawn(mut self) -> io::Result<ChannelCommand> {
        if let Some(malformed) = self.malformed.take() {
            return Err(malformed);
        }
        ChannelCommand::prepare_to_close()?;
        let name = self.argv[0].to_string_lossy().into_owned();
        let place = match &self.directory {
            Some(directory) => format!(" in {}", directory.display()),
            None => String::new(),
        };
        let failed = |e| with_context(e, format!("Unable to run \"{name}\"{place}"));
        let mut ends = Ends::new(self.access, self.stderr).map_err(failed)?;
        let ends_info = EndsInfo::of(&ends.ours).map_err(failed)?;
        let mut fds = self.fds;
        fds.extend(ends.theirs);
        let program = Program {
            argv: self.argv,
            env: self.env.unwrap_or_else(|| env::vars_os().collect()),
            directory: self.directory,
            fds,
        };
        let pid = program.spawn().map_err(failed)?;
        // Holds the child's ends of the pipes, which must be closed here.
        drop(program);
        let process = Process::open(pid).map_err(|e| {
            end_unwatched(pid);
            failed(e)
        })?;
        let child = Child::new(pid, format!("command \"{name}\""), process);
        let command = ChannelCommand::with_child(&mut ends.ours, ends_info, child);
        if let Some(fd) = ends.stderr {
            command.set_stderr(fd, &name);
        }
        log::event(&command, || format!("started \"{name}\", process {pid}"));
        Ok(command)
    }
}

/// The name and the value in `NAME=VALUE`.
fn split(setting: &OsStr) -> Option<(&OsStr, &OsStr)> {
    let bytes = setting.as_bytes();
    let at = bytes.iter().position(|&byte| byte == b'=')?;
    let (name, value) = (&bytes[..at], &bytes[at + 1..]);
    (!name.is_empty()).then(|| (OsStr::from_bytes(name), OsStr::from_bytes(value)))
}

/// Our ends of the pipes, and what the command gets.
struct Ends {
    /// For reading and for writing.
    ours: [Option<OwnedFd>; 2],
    stderr: Option<OwnedFd>,
    /// By their numbers in the command, which has others from this process.
    theirs: BTreeMap<RawFd, OwnedFd>,
}

impl Ends {
    fn new(access: Access, stderr: StderrPolicy) -> io::Result<Self> {
        let nothing = || file::open(Path::new("/dev/null"), libc::O_RDWR, 0);
        let mut theirs = BTreeMap::new();
        let mut write = None;
        let stdin = match access {
            Access::Read => nothing()?,
            Access::Write | Access::ReadWrite => {
                let (input, ours) = file::pipe()?;
                write = Some(ours);
                input
            }
        };
        theirs.insert(libc::STDIN_FILENO, stdin);
        let mut read = None;
        let stdout = match access {
            Access::Write => nothing()?,
            Access::Read | Access::ReadWrite => {
                let (ours, output) = file::pipe()?;
                read = Some(ours);
                output
            }
        };
        let mut read_stderr = None;
        let stderr = match stderr {
            StderrPolicy::Inherit => None,
            StderrPolicy::Merge => Some(stdout.try_clone()?),
            StderrPolicy::Null => Some(nothing()?),
            StderrPolicy::Pipe => {
                let (ours, errors) = file::pipe()?;
                read_stderr = Some(ours);
                Some(errors)
            }
        };
        theirs.insert(libc::STDOUT_FILENO, stdout);
        theirs.extend(stderr.map(|stderr| (libc::STDERR_FILENO, stderr)));
        Ok(Self {
            ours: [read, write],
            stderr: read_stderr,
            theirs,
        })
    }
}
