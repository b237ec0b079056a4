//! A file travels through five channels, on one main loop and without blocking anywhere:
//!
//! ```text
//! file ──> unix socket ──> TCP ──> sha256sum ──> memory
//!   └╌╌╌╌╌╌╌> its descriptor goes along
//! ```
//!
//! At the end `sha256sum` must have printed the digest of what was read from the file, and
//! what is read through the descriptor that went along must be the same once more.
//!
//! `qio demo [FILE]`; without a path the program sends itself.

use std::{
    cell::{OnceCell, RefCell},
    env, fs,
    io::{self, ErrorKind, IoSlice, IoSliceMut, IsTerminal, Write},
    ops::Range,
    path::{Path, PathBuf},
    process::ExitCode,
    rc::Rc,
    time::{Duration, Instant},
};

use glib::{ControlFlow, IOCondition};
use indicatif::{ProgressBar, ProgressStyle};
use qio::{
    Channel, ChannelBuffer, ChannelCommand, ChannelFile, ChannelSocket, Feature, ReadFlags,
    Shutdown, WriteFlags, prelude::*, to_glib_error,
};

/// From each channel to the next.
const HOPS: usize = 4;

/// What a hop may hold between its two channels: as much as a pipe.
const PIPE_CAPACITY: usize = 64 * 1024;

/// Sends a file, or this program, and prints the result.
pub(crate) fn run(path: Option<PathBuf>) -> ExitCode {
    match path.map_or_else(env::current_exe, Ok).and_then(demo) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            // The message of a GError has no "(os error 2)" at its end.
            eprintln!("demo: {}", to_glib_error(&e).message());
            ExitCode::FAILURE
        }
    }
}

fn demo(path: PathBuf) -> io::Result<()> {
    let (file, size) = open(&path)?;
    let command = ChannelCommand::builder(["sha256sum"]).spawn()?;
    let memory = ChannelBuffer::new(128);
    let sent = Rc::new(RefCell::new(Meter::new("sending", size)?));

    let journey = Journey::new();
    set_out(&journey, &file, &sent, &command, &memory)?;
    journey.main_loop.run();
    let sent = sent.borrow();
    sent.bar.finish_and_clear();
    let hops = journey.result()?;
    command.close()?;

    let (bytes, digest) = (sent.bytes, sent.digest()?);
    let printed = String::from_utf8_lossy(&memory.data()).into_owned();
    let printed = printed.split_whitespace().next().unwrap_or_default();
    agree(
        "digests of the file and of sha256sum",
        digest.as_str(),
        printed,
    )?;
    let again = read_again(journey.passed.get().ok_or_else(no_descriptor)?, size)?;
    agree(
        "lengths of the file and by its descriptor",
        bytes,
        again.bytes,
    )?;
    agree(
        "digests of the file and by its descriptor",
        &digest,
        &again.digest()?,
    )?;

    let mut out = io::stdout().lock();
    table(&mut out, &hops)?;
    let channels = hops.len() + 1;
    writeln!(
        out,
        "demo: ok, {bytes} bytes through {channels} channels, sha256 {digest}"
    )
}

/// Reads all of a file by offsets, whatever its position is.
fn read_again(file: &ChannelFile, size: u64) -> io::Result<Meter> {
    let mut meter = Meter::new("reading again", size)?;
    let mut buffer = vec![0; PIPE_CAPACITY];
    loop {
        match file.pread(&mut buffer, meter.bytes)? {
            0 => {
                meter.bar.finish_and_clear();
                return Ok(meter);
            }
            count => meter.update(&buffer[..count]),
        }
    }
}

fn agree<T: PartialEq + std::fmt::Display>(what: &str, one: T, other: T) -> io::Result<()> {
    if one == other {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "The {what} differ: {one}, {other}"
    )))
}

fn no_descriptor() -> io::Error {
    io::Error::other("The descriptor of the file has not come through the unix socket")
}

fn table(out: &mut impl Write, hops: &[Hop]) -> io::Result<()> {
    writeln!(
        out,
        "{:<20} {:>14} {:>9} {:>16}",
        "hop", "bytes", "MB/s", "watch callbacks"
    )?;
    for hop in hops {
        let Hop {
            name,
            bytes,
            callbacks,
            took,
            ..
        } = hop;
        let speed = *bytes as f64 / 1e6 / took.as_secs_f64().max(1e-9);
        writeln!(out, "{name:<20} {bytes:>14} {speed:>9.1} {callbacks:>16}")?;
    }
    Ok(())
}

/// Opens a regular file and returns its size. Other things are not even opened: that may
/// wait forever, or set something off.
fn open(path: &Path) -> io::Result<(ChannelFile, u64)> {
    let mut size = 0;
    // If this fails, opening fails with the same reason.
    if let Ok(metadata) = fs::metadata(path) {
        if !metadata.is_file() {
            let what = match metadata.is_dir() {
                true => "a directory",
                false => "not a regular file",
            };
            let message = format!("Unable to send {}: it is {what}", path.display());
            return Err(io::Error::other(message));
        }
        size = metadata.len();
    }
    // Should it have become a pipe meanwhile, opening it must not wait for a writer.
    let file = ChannelFile::new_path(path, libc::O_RDONLY | libc::O_NONBLOCK, 0)?;
    Ok((file, size))
}

/// Connects the channels and attaches the first watches; the main loop does the rest.
fn set_out(
    journey: &Rc<Journey>,
    file: &ChannelFile,
    sent: &Rc<RefCell<Meter>>,
    command: &ChannelCommand,
    memory: &ChannelBuffer,
) -> io::Result<()> {
    let (near, far) = ChannelSocket::pair()?;
    let loopback = gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4);
    let listener = ChannelSocket::listen(&gio::InetSocketAddress::new(&loopback, 0), 16)?;
    // Does not have to wait until it is accepted: the system answers for the listener.
    let client = ChannelSocket::connect(&listener.local_address()?)?;
    let client_address = client.local_address()?.to_string();

    let sockets = [&near, &far, &listener, &client].map(|socket| socket.upcast_ref::<Channel>());
    let others: [&Channel; 3] = [file.upcast_ref(), command.upcast_ref(), memory.upcast_ref()];
    for channel in sockets.into_iter().chain(others) {
        channel.set_blocking(false)?;
    }

    // The descriptor goes with a byte of its own, because an empty file has none.
    let (keeper, file, meter) = (journey.clone(), file.clone(), sent.clone());
    journey.once_ready(
        "sending the descriptor",
        &near,
        IOCondition::OUT,
        move |near| {
            let header = [IoSlice::new(b"f")];
            file.with_fd(|fd| near.writev_full(&header, &[fd], WriteFlags::empty()))??;
            let mut hop = Hop::new(&keeper, "file -> unix socket", &file, near);
            hop.meter = Some(meter.clone());
            hop.watch(IOCondition::IN);
            Ok(())
        },
    );

    let keeper = journey.clone();
    journey.once_ready(
        "receiving the descriptor",
        &far,
        IOCondition::IN,
        move |far| {
            let (mut header, mut fds) = ([0], Vec::new());
            let iov = &mut [IoSliceMut::new(&mut header)];
            far.readv_full(iov, Some(&mut fds), ReadFlags::empty())?;
            let fd = fds.pop().ok_or_else(no_descriptor)?;
            keeper.passed.get_or_init(|| ChannelFile::new_fd(fd));
            Hop::new(&keeper, "unix socket -> TCP", far, &client).watch(IOCondition::IN);
            Ok(())
        },
    );

    let (keeper, sum) = (journey.clone(), command.clone());
    journey.once_ready("accepting", &listener, IOCondition::IN, move |listener| {
        let server = listener.accept()?;
        if server.remote_address()?.to_string() != client_address {
            // Another client has connected to the port: this test's own connection is still to
            // come.
            return Err(ErrorKind::WouldBlock.into());
        }
        server.set_blocking(false)?;
        Hop::new(&keeper, "TCP -> sha256sum", &server, &sum).watch(IOCondition::IN);
        Ok(())
    });

    Hop::new(journey, "sha256sum -> memory", command, memory).watch(IOCondition::IN);
    Ok(())
}

/// The state that all hops share: the main loop, the completed hops, and the first error.
struct Journey {
    main_loop: glib::MainLoop,
    done: RefCell<Vec<Hop>>,
    failure: RefCell<Option<io::Error>>,
    /// The file once more, by the descriptor that came through the unix socket.
    passed: OnceCell<ChannelFile>,
}

impl Journey {
    fn new() -> Rc<Self> {
        Rc::new(Self {
            main_loop: glib::MainLoop::new(None, false),
            done: RefCell::default(),
            failure: RefCell::default(),
            passed: OnceCell::new(),
        })
    }

    /// Does something once, as soon as it can be done without blocking.
    fn once_ready<C: IsA<Channel>>(
        self: &Rc<Self>,
        what: &'static str,
        channel: &C,
        condition: IOCondition,
        mut act: impl FnMut(&C) -> io::Result<()> + 'static,
    ) {
        let this = self.clone();
        channel.add_watch_local(condition, move |channel, _| {
            match would_block(act(channel)) {
                Ok(Some(())) => ControlFlow::Break,
                Ok(None) => ControlFlow::Continue,
                Err(e) => this.fail(what, &e),
            }
        });
    }

    /// A hop is through. They end in their order, as the end of the file reaches them.
    fn arrived(&self, hop: Hop) -> ControlFlow {
        self.done.borrow_mut().push(hop);
        if self.done.borrow().len() == HOPS {
            self.main_loop.quit();
        }
        ControlFlow::Break
    }

    /// Ends the journey. Only the first failure counts: others follow from it.
    fn fail(&self, what: &str, error: &io::Error) -> ControlFlow {
        let message = format!("{what}: {}", to_glib_error(error).message());
        let mut failure = self.failure.borrow_mut();
        failure.get_or_insert_with(|| io::Error::other(message));
        self.main_loop.quit();
        ControlFlow::Break
    }

    fn result(&self) -> io::Result<Vec<Hop>> {
        self.failure
            .take()
            .map_or_else(|| Ok(self.done.take()), Err)
    }
}

/// Carries bytes from one channel to the next. It reads only when everything it read
/// before is written, and has one watch at a time: on whichever channel it waits for.
struct Hop {
    journey: Rc<Journey>,
    name: &'static str,
    from: Channel,
    to: Channel,
    buffer: Box<[u8]>,
    /// The part of the buffer that is still to be written.
    pending: Range<usize>,
    meter: Option<Rc<RefCell<Meter>>>,
    bytes: u64,
    callbacks: u64,
    started: Instant,
    took: Duration,
}

impl Hop {
    fn new(
        journey: &Rc<Journey>,
        name: &'static str,
        from: &impl IsA<Channel>,
        to: &impl IsA<Channel>,
    ) -> Self {
        Self {
            journey: journey.clone(),
            name,
            from: from.as_ref().clone(),
            to: to.as_ref().clone(),
            buffer: vec![0; PIPE_CAPACITY].into(),
            pending: 0..0,
            meter: None,
            bytes: 0,
            callbacks: 0,
            started: Instant::now(),
            took: Duration::ZERO,
        }
    }

    /// The watch owns the hop, and hands it on when the hop must wait for the other channel.
    fn watch(self, condition: IOCondition) {
        let channel = match condition {
            IOCondition::OUT => self.to.clone(),
            _ => self.from.clone(),
        };
        let mut owned = Some(self);
        channel.add_watch_local(condition, move |_, _| {
            let Some(mut hop) = owned.take() else {
                return ControlFlow::Break;
            };
            hop.callbacks += 1;
            match hop.step() {
                Ok(Some(next)) if next == condition => {
                    owned = Some(hop);
                    ControlFlow::Continue
                }
                Ok(Some(next)) => {
                    hop.watch(next);
                    ControlFlow::Break
                }
                Ok(None) => hop.journey.clone().arrived(hop),
                Err(e) => hop.journey.fail(hop.name, &e),
            }
        });
    }

    /// Moves on as far as it goes, and returns what to wait for, or `None` at the end. Reads
    /// once at most, so that a source that is always ready leaves the others a turn.
    fn step(&mut self) -> io::Result<Option<IOCondition>> {
        if self.pending.is_empty() {
            match would_block(self.from.read(&mut self.buffer))? {
                Some(0) => return self.end(),
                Some(count) => self.pending = 0..count,
                None => return Ok(Some(IOCondition::IN)),
            }
            if let Some(meter) = &self.meter {
                meter
                    .borrow_mut()
                    .update(&self.buffer[self.pending.clone()]);
            }
        }
        while !self.pending.is_empty() {
            let written = self.to.write(&self.buffer[self.pending.clone()]);
            let Some(count) = would_block(written)? else {
                return Ok(Some(IOCondition::OUT));
            };
            self.pending.start += count;
            self.bytes += count as u64;
        }
        Ok(Some(IOCondition::IN))
    }

    /// Forwards end-of-file, where the next channel has a peer.
    fn end(&mut self) -> io::Result<Option<IOCondition>> {
        if self.to.has_feature(Feature::SHUTDOWN) {
            self.to.shutdown(Shutdown::Write)?;
        }
        self.took = self.started.elapsed();
        Ok(None)
    }
}

/// `None` for what would block.
fn would_block<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(None),
        result => result.map(Some),
    }
}

/// Computes the digest of the data, and draws the progress on a terminal.
struct Meter {
    checksum: glib::Checksum,
    bytes: u64,
    bar: ProgressBar,
}

impl Meter {
    fn new(what: &'static str, size: u64) -> io::Result<Self> {
        let bar = match io::stderr().is_terminal() {
            true => ProgressBar::new(size),
            false => ProgressBar::hidden(),
        };
        let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes}");
        bar.set_style(style.map_err(io::Error::other)?);
        bar.set_message(what);
        let checksum = glib::Checksum::new(glib::ChecksumType::Sha256)
            .ok_or_else(|| io::Error::other("This GLib has no SHA-256"))?;
        Ok(Self {
            checksum,
            bytes: 0,
            bar,
        })
    }

    fn update(&mut self, data: &[u8]) {
        self.checksum.update(data);
        self.bytes += data.len() as u64;
        self.bar.set_position(self.bytes);
    }

    fn digest(&self) -> io::Result<String> {
        let digest = self.checksum.clone().string();
        digest.ok_or_else(|| io::Error::other("GLib has computed no digest"))
    }
}
