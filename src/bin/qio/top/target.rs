//! The process that is shown: one that runs, or one that is started.

use std::{
    env,
    ffi::OsString,
    fs, io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    process::{self, Child, Command, Stdio},
    time::{Duration, SystemTime},
};

use qio::ChannelSocket;

use crate::text::{print, printable};

/// The time between two attempts to find the socket of a command that was started.
const ATTEMPT: Duration = Duration::from_millis(20);

/// How many of its last lines are shown.
const LINES: usize = 5;

/// A process, and the socket that it listens on.
pub(super) struct Target {
    path: PathBuf,
    /// A command that was started, and the directory of its socket.
    started: Option<(Child, PathBuf)>,
}

/// The directory in which processes listen.
fn folder() -> io::Result<PathBuf> {
    let folder = env::var_os("XDG_RUNTIME_DIR").filter(|it| Path::new(it).is_absolute());
    let folder = folder.ok_or_else(|| {
        io::Error::other("Unable to find processes: XDG_RUNTIME_DIR is not set; use a path")
    })?;
    Ok(PathBuf::from(folder).join("qio-monitor"))
}

/// The name of a process.
fn name(pid: &str) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(printable(name.trim_end()).into_owned())
}

/// Prints the processes that can be shown.
pub(super) fn list() -> io::Result<()> {
    let folder = folder()?;
    let mut found: Vec<(String, String)> = fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().into_string().ok()?;
            let name = name(&pid)?;
            Some((pid, name))
        })
        .collect();
    found.sort();
    if found.is_empty() {
        let text = format!(
            "No process listens in {}: start one with QIO_MONITOR=listen, or by qio top -- COMMAND",
            folder.display()
        );
        return Err(io::Error::other(text));
    }
    let lines: Vec<_> = found
        .iter()
        .map(|(pid, name)| format!("{pid:>8} {name}\n"))
        .collect();
    print(lines.concat().as_bytes())
}

impl Target {
    /// A process that runs, by its id or the path of its socket.
    pub(super) fn of(process: &str) -> io::Result<Self> {
        let path = match process.parse::<u32>() {
            Ok(_) => folder()?.join(process),
            Err(_) => process.into(),
        };
        Ok(Self {
            path,
            started: None,
        })
    }

    /// Starts a command, and waits until it listens. Its output is in a file.
    pub(super) async fn start(command: &[OsString]) -> io::Result<Self> {
        let parent = folder().ok().and_then(|it| it.parent().map(Path::to_owned));
        let parent = parent.unwrap_or_else(env::temp_dir);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let unique = now.map_or(0, |now| now.subsec_nanos());
        let folder = parent.join(format!("qio-top-{}-{unique}", process::id()));
        // Fails if it exists.
        fs::DirBuilder::new().mode(0o700).create(&folder)?;
        let path = folder.join("monitor");
        let output = fs::File::create(folder.join("output"))?;
        let mut variable = OsString::from("listen=");
        variable.push(&path);
        let child = Command::new(&command[0])
            .args(&command[1..])
            .env("QIO_MONITOR", variable)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn();
        let child = child.map_err(|e| {
            let _ = fs::remove_dir_all(&folder);
            let name = command[0].to_string_lossy();
            io::Error::other(format!("Unable to start {name}: {e}"))
        })?;
        let mut this = Self {
            path,
            started: Some((child, folder)),
        };
        while !this.path.exists() {
            if let Some(status) = this.status()? {
                let output = this.output().join("\n");
                return Err(io::Error::other(format!(
                    "The command has ended before it used a channel: {status} {output}"
                )));
            }
            glib::timeout_future(ATTEMPT).await;
        }
        Ok(this)
    }

    fn status(&mut self) -> io::Result<Option<process::ExitStatus>> {
        match &mut self.started {
            Some((child, _)) => child.try_wait(),
            None => Ok(None),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Fails if the socket is that of another user.
    pub(super) fn check(&self, channel: &ChannelSocket) -> io::Result<()> {
        let peer = channel.peer_credentials()?;
        match peer.uid == fs::metadata("/proc/self")?.uid() {
            true => Ok(()),
            false => Err(io::Error::other("The process is one of another user")),
        }
    }

    /// The last lines that a command has printed.
    pub(super) fn output(&self) -> Vec<String> {
        let Some((_, folder)) = &self.started else {
            return Vec::new();
        };
        let output = fs::read(folder.join("output")).unwrap_or_default();
        let text = String::from_utf8_lossy(&output);
        let lines: Vec<&str> = text.lines().collect();
        let first = lines.len().saturating_sub(LINES);
        lines[first..].iter().map(|&line| line.to_owned()).collect()
    }

    /// Ends a command that was started.
    pub(super) fn end(&mut self) {
        if let Some((mut child, folder)) = self.started.take() {
            let _ = child.kill();
            let _ = child.wait();
            let _ = fs::remove_dir_all(folder);
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.end();
    }
}
