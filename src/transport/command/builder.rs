//! How a command is started.

use std::{
    ffi::OsStr,
    io,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{ChannelCommand, child::Child};
use crate::{
    error::{invalid, with_context},
    sys::file,
};

/// Which ends of a command the channel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// The channel reads the command's output; the command has no input.
    Read,
    /// The channel writes the command's input; its output is thrown away.
    Write,
    /// Both.
    #[default]
    ReadWrite,
}

/// Where a command's standard error goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "QIOChannelCommandStderr")]
#[doc(alias = "QIOChannelCommandStderr")]
#[repr(i32)]
pub enum StderrPolicy {
    /// Where the standard error of this process goes.
    #[default]
    #[enum_value(name = "QIO_CHANNEL_COMMAND_STDERR_INHERIT", nick = "inherit")]
    Inherit = 0,
    /// Nowhere.
    #[enum_value(name = "QIO_CHANNEL_COMMAND_STDERR_NULL", nick = "null")]
    Null = 1,
    /// Where the command's standard output goes: with the rest of what it writes.
    #[enum_value(name = "QIO_CHANNEL_COMMAND_STDERR_MERGE", nick = "merge")]
    Merge = 2,
}

/// A command that is going to be started. See [`ChannelCommand::builder`].
#[derive(Debug)]
pub struct CommandBuilder {
    /// Or why it cannot be started.
    command: io::Result<Command>,
    directory: Option<PathBuf>,
    access: Access,
    stderr: StderrPolicy,
}

impl CommandBuilder {
    pub(super) fn new<I>(argv: I) -> Self
    where
        I: IntoIterator<Item: AsRef<OsStr>>,
    {
        let mut argv = argv.into_iter();
        let command = match argv.next() {
            Some(program) => {
                let mut command = Command::new(program);
                command.args(argv);
                Ok(command)
            }
            None => Err(invalid(
                "There is no command to run: the list of arguments is empty",
            )),
        };
        Self {
            command,
            directory: None,
            access: Access::default(),
            stderr: StderrPolicy::default(),
        }
    }

    /// Which ends the channel has; both if this is not called.
    #[must_use]
    pub fn access(self, access: Access) -> Self {
        Self { access, ..self }
    }

    /// Where the standard error goes; where ours does if this is not called.
    #[must_use]
    pub fn stderr(self, stderr: StderrPolicy) -> Self {
        Self { stderr, ..self }
    }

    /// Sets one variable of the command's environment.
    #[must_use]
    pub fn env(self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.with(|command| command.env(name, value))
    }

    /// Takes one variable out of the command's environment.
    #[must_use]
    pub fn env_remove(self, name: impl AsRef<OsStr>) -> Self {
        self.with(|command| command.env_remove(name))
    }

    /// Starts with an empty environment instead of ours.
    #[must_use]
    pub fn env_clear(self) -> Self {
        self.with(Command::env_clear)
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

    /// What was wrong first is told.
    fn with_malformed(mut self, setting: &OsStr) -> Self {
        self.command = self.command.and_then(|_| {
            let setting = setting.display();
            Err(invalid(&format!(
                "Not a setting of the environment, which would be NAME=VALUE: \"{setting}\""
            )))
        });
        self
    }

    /// The directory that the command starts in.
    #[must_use]
    pub fn directory(self, path: impl AsRef<Path>) -> Self {
        let directory = Some(path.as_ref().to_owned());
        let this = self.with(|command| command.current_dir(path));
        Self { directory, ..this }
    }

    fn with(mut self, change: impl FnOnce(&mut Command) -> &mut Command) -> Self {
        if let Ok(command) = &mut self.command {
            change(command);
        }
        self
    }

    /// Starts the command.
    ///
    /// # Errors
    ///
    /// What the system says, with the name of the program: not found, not executable; or
    /// that there is no program at all, or a malformed environment.
    #[doc(alias = "qio_channel_command_new_full")]
    pub fn spawn(self) -> io::Result<ChannelCommand> {
        let mut command = self.command?;
        ChannelCommand::prepare_to_close()?;
        let name = command.get_program().to_string_lossy().into_owned();
        let failed = |e| {
            let place = match &self.directory {
                Some(directory) => format!(" in {}", directory.display()),
                None => String::new(),
            };
            with_context(e, format!("Unable to run \"{name}\"{place}"))
        };
        let Ends {
            read,
            write,
            stdin,
            stdout,
            stderr,
        } = Ends::new(self.access, self.stderr).map_err(failed)?;
        let mut process = command
            .stdin(stdin)
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .map_err(failed)?;
        // Holds the child's ends of the pipes, which must be closed here.
        drop(command);
        let child = Child::new(process.id(), format!("Command \"{name}\"")).inspect_err(|_| {
            // Nobody could see it off later.
            let _ = process.kill();
            let _ = process.wait();
        })?;
        ChannelCommand::with_child(read, write, child)
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
    read: Option<OwnedFd>,
    write: Option<OwnedFd>,
    stdin: Stdio,
    stdout: Stdio,
    stderr: Stdio,
}

impl Ends {
    fn new(access: Access, stderr: StderrPolicy) -> io::Result<Self> {
        let output = (access != Access::Write).then(file::pipe).transpose()?;
        let input = (access != Access::Read).then(file::pipe).transpose()?;
        let (read, theirs) = output.unzip();
        let stderr = match (stderr, &theirs) {
            (StderrPolicy::Inherit, _) => Stdio::inherit(),
            (StderrPolicy::Merge, Some(theirs)) => theirs.try_clone()?.into(),
            (StderrPolicy::Merge, None) | (StderrPolicy::Null, _) => Stdio::null(),
        };
        let (stdin, write) = input.unzip();
        Ok(Self {
            read,
            write,
            stdin: stdin.map_or_else(Stdio::null, Into::into),
            stdout: theirs.map_or_else(Stdio::null, Into::into),
            stderr,
        })
    }
}
