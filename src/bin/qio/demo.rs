//! Sends a file through five channels, on one main loop and without blocking anywhere:
//!
//! ```text
//! file ──> unix socket ──> TCP ──> sha256sum ──> memory
//!   └╌╌╌╌╌╌╌> its descriptor, by SCM_RIGHTS
//! ```
//!
//! At the end `sha256sum` must have printed the digest of what was read from the file, and what is
//! read by the descriptor that was passed must have the same digest.
//!
//! `qio demo [FILE]`; without a path the program sends itself.

mod hops;

use std::{
    cell::RefCell,
    env, fs,
    io::{self, ErrorKind, IoSlice, IoSliceMut, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    rc::Rc,
};

use glib::IOCondition;
use indicatif::{ProgressBar, ProgressStyle};
use qio::{
    Channel, ChannelBuffer, ChannelCommand, ChannelFile, ChannelSocket, ReadFlags, WriteFlags,
    prelude::*, to_glib_error,
};

use hops::{Hop, Pipeline};

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

    let pipeline = Pipeline::new();
    connect_all(&pipeline, &file, &sent, &command, &memory)?;
    pipeline.main_loop.run();
    let sent = sent.borrow();
    sent.bar.finish_and_clear();
    let hops = pipeline.result()?;
    command.close()?;

    let (bytes, digest) = (sent.bytes, sent.digest()?);
    let printed = String::from_utf8_lossy(&memory.data()).into_owned();
    let printed = printed.split_whitespace().next().unwrap_or_default();
    agree(
        "digests of the file and of sha256sum",
        digest.as_str(),
        printed,
    )?;
    let again = read_again(pipeline.passed.get().ok_or_else(no_descriptor)?, size)?;
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
fn connect_all(
    pipeline: &Rc<Pipeline>,
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

    // The descriptor is sent with a byte of its own, because an empty file has none.
    let (keeper, file, meter) = (pipeline.clone(), file.clone(), sent.clone());
    pipeline.once_ready(
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

    let keeper = pipeline.clone();
    pipeline.once_ready(
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

    let (keeper, sum) = (pipeline.clone(), command.clone());
    pipeline.once_ready("accepting", &listener, IOCondition::IN, move |listener| {
        let server = listener.accept()?;
        if server.remote_address()?.to_string() != client_address {
            // Another client has connected to the port: this program's own connection is still to
            // come.
            return Err(ErrorKind::WouldBlock.into());
        }
        server.set_blocking(false)?;
        Hop::new(&keeper, "TCP -> sha256sum", &server, &sum).watch(IOCondition::IN);
        Ok(())
    });

    Hop::new(pipeline, "sha256sum -> memory", command, memory).watch(IOCondition::IN);
    Ok(())
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
