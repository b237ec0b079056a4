//! A private unix socket that sends snapshots to other processes of the same user, if the
//! application, or `QIO_MONITOR` in its environment, has opted in.
//!
//! A thread takes a snapshot each second, so that what has been wrong for some time is found while
//! the main loop is blocked as well. It calls no channel and no code of the application but log
//! writers.

use std::{
    collections::BTreeMap,
    env, fs, io,
    os::{
        fd::{AsFd, AsRawFd},
        unix::{
            fs::{DirBuilderExt as _, MetadataExt as _},
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    process,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Observer, Snapshot, json, json::Json, registry::DEFAULT_THRESHOLD, sample, warnings_since,
};
use crate::{
    error::{invalid, with_context, would_block},
    sync::ProcessMutex,
    sys::{credentials, file, listen, poll, socket, thread},
    types::{ReadFlags, WriteFlags},
};

/// The time between two snapshots.
const INTERVAL: Duration = Duration::from_secs(1);

/// The time between two attempts to send to a client whose buffer is full.
const RETRY: Duration = Duration::from_millis(10);

/// The most clients at a time, and the snapshots that a client may miss before it is disconnected.
const MOST_CLIENTS: usize = 8;
const MOST_MISSED: u32 = 10;

/// What the thread does.
struct Export {
    observer: Option<Observer>,
    is_running: bool,
    /// Not in a forked child, which has no such thread.
    server: Option<(Arc<UnixListener>, PathBuf)>,
    wakeup: Option<Arc<poll::Wakeup>>,
}

static EXPORT: ProcessMutex<Export> = ProcessMutex::new(
    Export {
        observer: None,
        is_running: false,
        server: None,
        wakeup: None,
    },
    |export| {
        export.is_running = false;
        export.server = None;
    },
);

/// Observes the process from now on, and logs warnings.
pub(crate) fn watch() -> io::Result<()> {
    // Before the lock: a thread locks one such mutex at a time.
    let mut observer = Some(Observer::new(DEFAULT_THRESHOLD));
    let mut export = EXPORT.lock();
    if export.observer.is_none() {
        export.observer = observer.take();
    }
    let started = start(&mut export);
    drop(export);
    drop(observer);
    started
}

/// Also listens on a path, or on one that other programs find, and returns that.
pub(crate) fn listen(path: Option<&Path>) -> io::Result<PathBuf> {
    let path = open(path)?;
    watch()?;
    Ok(path)
}

/// Opens the socket, or returns the path of the one that is open.
fn open(path: Option<&Path>) -> io::Result<PathBuf> {
    let mut export = EXPORT.lock();
    if let Some((_, current)) = &export.server {
        return match path {
            Some(path) if path != current => Err(invalid(&format!(
                "The monitor listens on {} already",
                current.display()
            ))),
            _ => Ok(current.clone()),
        };
    }
    let unable =
        |e, path: &Path| with_context(e, format!("Unable to listen on {}", path.display()));
    let path = match path {
        Some(path) if path.as_os_str().is_empty() => {
            // The kernel would choose an abstract address, which has no mode.
            return Err(invalid("Unable to listen on an empty path"));
        }
        Some(path) => path.to_owned(),
        None => {
            let folder = runtime_folder()?;
            make_private(&folder).map_err(|e| unable(e, &folder))?;
            remove_stale(&folder);
            folder.join(process::id().to_string())
        }
    };
    let listener = match listen::listen_private(&path, 8) {
        Err(e) if e.kind() == io::ErrorKind::AddrInUse && is_stale(&path) => {
            fs::remove_file(&path).and_then(|()| listen::listen_private(&path, 8))
        }
        result => result,
    };
    let listener = listener
        .map(UnixListener::from)
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        .map_err(|e| unable(e, &path))?;
    export.server = Some((Arc::new(listener), path.clone()));
    Ok(path)
}

/// The folder of the sockets that programs find: `$XDG_RUNTIME_DIR/qio-monitor`.
pub(crate) fn runtime_folder() -> io::Result<PathBuf> {
    match env::var_os("XDG_RUNTIME_DIR") {
        Some(folder) if Path::new(&folder).is_absolute() => {
            Ok(PathBuf::from(folder).join("qio-monitor"))
        }
        _ => Err(invalid(
            "Unable to choose a path for the monitor: XDG_RUNTIME_DIR is not set",
        )),
    }
}

fn make_private(folder: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
        _ => {}
    }
    let found = fs::symlink_metadata(folder)?;
    let is_private =
        found.is_dir() && found.uid() == file::effective_user() && found.mode() & 0o077 == 0;
    match is_private {
        true => Ok(()),
        false => Err(invalid("The folder is not private to this user")),
    }
}

/// The name of the program.
fn program() -> Option<String> {
    glib::prgname().map(Into::into).or_else(|| {
        let path = env::current_exe().ok()?;
        Some(path.file_name()?.to_string_lossy().into_owned())
    })
}

/// Whether no process listens on a socket any more.
fn is_stale(path: &Path) -> bool {
    let refused = |e: &io::Error| e.kind() == io::ErrorKind::ConnectionRefused;
    UnixStream::connect(path).is_err_and(|e| refused(&e))
}

/// Removes the sockets of processes that have exited.
fn remove_stale(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if is_stale(&entry.path()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Starts the thread, or makes it use the new state.
fn start(export: &mut Export) -> io::Result<()> {
    if let (true, Some(wakeup)) = (export.is_running, &export.wakeup) {
        wakeup.wake();
        return Ok(());
    }
    thread::spawn("qio-monitor", None, run).map_err(|e| {
        export.server = None;
        with_context(e, "Unable to start the thread of the monitor")
    })?;
    export.is_running = true;
    Ok(())
}

/// A process that gets snapshots.
struct Client {
    stream: UnixStream,
    /// The last warning that it was sent.
    serial: u64,
    unsent: Vec<u8>,
    missed: u32,
}

impl Client {
    /// Accepts a connection. `None` for one of another user, which is closed.
    fn accept(listener: &UnixListener) -> io::Result<Option<Self>> {
        let (fd, _) = socket::accept(listener.as_fd())?;
        let peer = credentials::peer(fd.as_fd())?;
        if peer.uid != file::effective_user() {
            return Ok(None);
        }
        let stream = UnixStream::from(fd);
        stream.set_nonblocking(true)?;
        Ok(Some(Self {
            stream,
            serial: 0,
            unsent: Vec::new(),
            missed: 0,
        }))
    }

    /// Adds a snapshot, unless the last one was not sent.
    fn add(&mut self, channels: &[Snapshot]) {
        if !self.unsent.is_empty() {
            self.missed += 1;
            return;
        }
        let (warnings, serial) = warnings_since(self.serial);
        (self.serial, self.missed) = (serial, 0);
        let mut json = Json::default();
        json.object(|json| {
            json.number("pid", process::id());
            json.text("program", program().as_deref());
            json.number("time", glib::real_time());
            json.array("channels", channels, json::channel);
            json.array("warnings", &warnings, json::warning);
        });
        self.unsent = json.into_line().into_bytes();
    }

    /// Sends what its buffer takes. An error if it is to be disconnected.
    fn send(&mut self) -> io::Result<()> {
        if self.missed > MOST_MISSED {
            return Err(io::ErrorKind::TimedOut.into());
        }
        while !self.unsent.is_empty() {
            match socket::send(self.stream.as_fd(), &self.unsent, WriteFlags::empty()) {
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(e) if would_block(&e) => break,
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Whether it is connected. What it sends is ignored.
    fn is_connected(&self) -> bool {
        let mut ignored = [0; 256];
        match socket::recv(self.stream.as_fd(), &mut ignored, ReadFlags::empty()) {
            Ok(count) => count > 0,
            Err(e) => would_block(&e),
        }
    }
}

/// The main function of the thread.
fn run() {
    let mut clients = BTreeMap::<u64, Client>::new();
    let (mut next_client, mut next_tick) = (0, Instant::now());
    loop {
        let wakeup = poll::Wakeup::of_this_thread();
        let listener = {
            let mut export = EXPORT.lock();
            export.wakeup.clone_from(&wakeup);
            export.server.as_ref().map(|(listener, _)| listener.clone())
        };
        let now = Instant::now();
        let is_tick = now >= next_tick;
        if is_tick {
            next_tick = now + INTERVAL;
        }
        while let Some(listener) = listener.as_deref().filter(|_| clients.len() < MOST_CLIENTS)
            && let Ok(client) = Client::accept(listener)
        {
            clients.extend(client.map(|client| (next_client, client)));
            next_client += 1;
        }
        let is_new = |client: &Client| client.serial == 0 && client.unsent.is_empty();
        if is_tick || clients.values().any(is_new) {
            let channels = sample();
            for client in clients.values_mut().filter(|it| is_tick || is_new(it)) {
                client.add(&channels);
            }
        }
        clients.retain(|_, client| client.is_connected() && client.send().is_ok());
        let is_stuck = clients.values().any(|client| !client.unsent.is_empty());
        let deadline = match is_stuck {
            true => next_tick.min(Instant::now() + RETRY),
            false => next_tick,
        };
        let accepts = listener.iter().filter(|_| clients.len() < MOST_CLIENTS);
        let accepts = accepts.map(|listener| listener.as_raw_fd());
        let fds = accepts.chain(clients.values().map(|client| client.stream.as_raw_fd()));
        if poll::poll_readable(fds, wakeup.as_deref(), Some(deadline)).is_err() {
            std::thread::sleep(RETRY);
        }
        if let Some(wakeup) = wakeup {
            wakeup.forget();
        }
    }
}
