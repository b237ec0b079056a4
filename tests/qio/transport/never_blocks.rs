//! Asynchronous calls never hold up the main loop: whatever kind of descriptor it is, in blocking
//! mode, whatever else reads from it, and whether or not a peer reads.
#![allow(unsafe_code)] // `openpty()` and the like, which have no safe form here.

use std::{
    fs::File,
    future::Future,
    io::{ErrorKind, Read as _, Write as _},
    mem,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    process::{Command, Stdio},
    ptr,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use gio::prelude::*;
use glib::MainContext;
use nix::{errno::Errno, libc, sys::stat::Mode};
use qio::{Channel, ChannelCommand, ChannelFile, ChannelSocket, prelude::*};

use crate::common::{after_ticks, in_time, on_loop};

/// Where to read what is written to the other, both in blocking mode.
type Ends = (OwnedFd, OwnedFd);

/// Two descriptors by a function of the system that makes two.
fn two(make: impl FnOnce(*mut i32) -> i32) -> Ends {
    let mut numbers = [-1; 2];
    assert_eq!(make(numbers.as_mut_ptr()), 0, "{}", Errno::last());
    // SAFETY: they have been opened just now, and belong to nothing else.
    let [one, other] = numbers.map(|number| unsafe { OwnedFd::from_raw_fd(number) });
    (one, other)
}

pub(super) fn pipe(flags: i32) -> Ends {
    // SAFETY: the array holds two descriptors.
    two(|numbers| unsafe { libc::pipe2(numbers, flags | libc::O_CLOEXEC) })
}

fn fifo() -> Ends {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("fifo");
    nix::unistd::mkfifo(&path, Mode::S_IRWXU).expect("a FIFO");
    let both = File::options().read(true).write(true).open(&path);
    let write = File::options().write(true).open(&path).expect("opened");
    let read = File::open(&path).expect("opened");
    drop(both);
    (read.into(), write.into())
}

pub(super) fn sockets(kind: i32) -> Ends {
    // SAFETY: the array holds two descriptors.
    two(|numbers| unsafe { libc::socketpair(libc::AF_UNIX, kind | libc::SOCK_CLOEXEC, 0, numbers) })
}

/// A terminal that changes nothing, and the side of its emulator.
pub(super) fn terminal() -> Ends {
    let none = ptr::null_mut();
    let (emulator, terminal) = two(|numbers| {
        // SAFETY: the array holds two descriptors; name, settings and size may be NULL.
        unsafe { libc::openpty(numbers, numbers.add(1), none, none.cast(), none.cast()) }
    });
    let number = terminal.as_raw_fd();
    // SAFETY: the settings may be zeros, and are read before they are written.
    unsafe {
        let mut settings = mem::zeroed();
        assert_eq!(libc::tcgetattr(number, &mut settings), 0);
        libc::cfmakeraw(&mut settings);
        assert_eq!(libc::tcsetattr(number, libc::TCSANOW, &settings), 0);
    }
    (terminal, emulator)
}

fn swapped((a, b): Ends) -> Ends {
    (b, a)
}

/// Each kind of descriptor that transfers bytes or messages.
fn kinds() -> Vec<(&'static str, Ends)> {
    vec![
        ("pipe", pipe(0)),
        ("pipe of packets", pipe(libc::O_DIRECT)),
        ("FIFO", fifo()),
        ("socket", sockets(libc::SOCK_STREAM)),
        ("packets", sockets(libc::SOCK_SEQPACKET)),
        ("datagrams", sockets(libc::SOCK_DGRAM)),
        ("terminal", terminal()),
        ("emulator", swapped(terminal())),
    ]
}

/// What makes a channel of a descriptor to be read, or to be written.
type Wrap = fn(Option<OwnedFd>, Option<OwnedFd>) -> Channel;

/// The channels that such a descriptor can have.
const WRAPS: [(&str, Wrap); 2] = [
    ("file", |read, write| {
        ChannelFile::new_fd(read.or(write).expect("one of them")).upcast()
    }),
    ("command", |read, write| {
        let mut sleep = Command::new("sleep");
        // Without the output of the test: the child may outlive it, and would hold its pipe open.
        sleep.arg("1000").stdin(Stdio::null());
        let sleep = sleep.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        // The channel ends it.
        let pid = sleep.expect("sleep").id();
        ChannelCommand::new_pid(read, write, pid)
            .expect("a child")
            .upcast()
    }),
];

/// Reads all there is, until the end, in a thread.
fn drain(fd: OwnedFd) {
    thread::spawn(move || {
        let mut file = File::from(fd);
        let mut buf = vec![0; 1 << 16];
        loop {
            match file.read(&mut buf) {
                Ok(1..) => {}
                // A device that has no other way is in non-blocking mode by now.
                Err(e) if e.kind() == ErrorKind::WouldBlock => thread::yield_now(),
                _ => return,
            }
        }
    });
}

#[test]
fn a_peer_that_does_not_read_does_not_hold_up_the_loop() {
    for (channel, wrap) in WRAPS {
        for (kind, (read, write)) in kinds() {
            eprintln!("{channel} of a {kind}");
            let writer = wrap(None, Some(write));
            on_loop(move || async move {
                after_ticks(move || drain(read));
                let writes = qio::spawn_local(async move {
                    for _ in 0..400 {
                        let message = [b'x'; 4000];
                        writer.write_all_future(&message).await.expect("written");
                    }
                });
                writes.await.expect("no panic");
            });
        }
    }
}

/// Two loops wait for the same bytes, of which each gets some: the next one is written when both
/// loops have continued.
#[test]
fn spurious_readiness_due_to_another_reader_does_not_block_the_loop() {
    const BYTES: usize = 30;
    for (channel, wrap) in WRAPS {
        for (kind, (read, write)) in kinds() {
            eprintln!("{channel} of a {kind}");
            let got = Arc::new(AtomicUsize::new(0));
            let ticks = [(); 2].map(|()| Arc::new(AtomicU32::new(0)));
            let mut competitors = Vec::new();
            for ticks in &ticks {
                let reader = wrap(Some(read.try_clone().expect("a descriptor")), None);
                competitors.push(compete(got.clone(), ticks.clone(), move |got| async move {
                    while reader.read_future(&mut [0; 10]).await.is_ok_and(|n| n > 0) {
                        got.fetch_add(1, Ordering::SeqCst);
                    }
                }));
            }
            in_time(move || {
                let mut write = File::from(write);
                for byte in 1..=BYTES {
                    write.write_all(b"x").expect("space");
                    await_progress(&got, byte, &ticks);
                }
            });
        }
    }
}

/// The description may be shared.
fn put_in_blocking_mode(fd: BorrowedFd<'_>) {
    // SAFETY: no memory is passed.
    let done = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, 0) };
    assert_eq!(done, 0, "{}", Errno::last());
}

#[test]
fn another_process_that_changes_the_mode_does_not_hold_up_the_loop() {
    let socket: Wrap = |read, write| {
        let fd = read.or(write).expect("one of them");
        ChannelSocket::new_fd(fd).expect("a socket").upcast()
    };
    for (channel, wrap) in WRAPS.into_iter().chain([("socket", socket)]) {
        for (kind, (read, write)) in kinds() {
            if channel == "socket" && !["socket", "packets", "datagrams"].contains(&kind) {
                continue;
            }
            eprintln!("{channel} of a {kind}");
            let ends = [&read, &write].map(|fd| fd.try_clone().expect("a descriptor"));
            let (reader, writer) = (wrap(Some(read), None), wrap(None, Some(write)));
            for (channel, shared) in [&reader, &writer].into_iter().zip(&ends) {
                channel.set_blocking(false).expect("the mode");
                put_in_blocking_mode(shared.as_fd());
            }
            on_loop(move || async move {
                let [read, write] = ends;
                let mut write = File::from(write);
                after_ticks(move || write.write_all(b"x").expect("space"));
                reader.read_future(&mut [0; 10]).await.expect("read");
                let e = reader.read(&mut [0]).expect_err("there is nothing");
                assert_eq!(e.kind(), ErrorKind::WouldBlock);
                after_ticks(move || drain(read));
                for _ in 0..400 {
                    let message = [b'x'; 4000];
                    writer.write_all_future(&message).await.expect("written");
                }
            });
        }
    }
}

#[test]
fn a_device_is_in_the_mode_of_before_when_it_is_closed_or_dropped() {
    for close in [true, false] {
        check_mode_of_before(close);
    }
}

fn check_mode_of_before(close: bool) {
    let (terminal, emulator) = terminal();
    let shared = emulator.try_clone().expect("a descriptor");
    let is_blocking = || {
        // SAFETY: no memory is passed.
        let flags = unsafe { libc::fcntl(shared.as_raw_fd(), libc::F_GETFL) };
        flags & libc::O_NONBLOCK == 0
    };
    let channel = ChannelFile::new_fd(emulator);
    let reader = channel.clone();
    on_loop(move || async move {
        after_ticks(move || File::from(terminal).write_all(b"x").expect("space"));
        reader.read_future(&mut [0]).await.expect("read");
    });
    assert!(!is_blocking(), "there is no other way");
    match close {
        true => channel.close().expect("closed"),
        false => drop(channel),
    }
    assert!(is_blocking(), "closed: {close}");
}

#[test]
fn spurious_readiness_of_a_listening_socket_does_not_block_the_loop() {
    const CLIENTS: usize = 30;
    let any = gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4);
    let own = ChannelSocket::listen(&gio::InetSocketAddress::new(&any, 0), 16).expect("listens");
    let address = own.local_address().expect("an address");
    let fd = own.with_fd(|fd| fd.try_clone_to_owned().expect("a descriptor"));
    let foreign = ChannelSocket::new_fd(fd.expect("open")).expect("a socket");
    // That is for all that have it.
    foreign.set_blocking(true).expect("the mode");
    let got = Arc::new(AtomicUsize::new(0));
    let ticks = [(); 2].map(|()| Arc::new(AtomicU32::new(0)));
    let mut competitors = Vec::new();
    for (listener, ticks) in [own, foreign].into_iter().zip(&ticks) {
        assert!(listener.is_blocking());
        competitors.push(compete(got.clone(), ticks.clone(), move |got| async move {
            while listener.accept_future().await.is_ok() {
                got.fetch_add(1, Ordering::SeqCst);
            }
        }));
    }
    in_time(move || {
        for client in 1..=CLIENTS {
            ChannelSocket::connect(&address).expect("connected");
            await_progress(&got, client, &ticks);
        }
    });
}

/// A thread with a main loop. Dropping this cancels the task, which drops its channel, and waits
/// for the thread.
struct Competitor {
    stop: gio::Cancellable,
    thread: Option<thread::JoinHandle<()>>,
}

impl Drop for Competitor {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(Err(panic)) = self.thread.take().map(thread::JoinHandle::join)
            && !thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

/// Runs a task in a thread with a private main loop, which counts the ticks of a timer, until
/// the test is over.
fn compete<F: Future<Output = ()> + 'static>(
    got: Arc<AtomicUsize>,
    ticks: Arc<AtomicU32>,
    task: impl FnOnce(Arc<AtomicUsize>) -> F + Send + 'static,
) -> Competitor {
    let stop = gio::Cancellable::new();
    let stopped = stop.clone();
    let thread = thread::spawn(move || {
        let context = MainContext::new();
        let body = || {
            let tick = move || {
                ticks.fetch_add(1, Ordering::SeqCst);
                glib::ControlFlow::Continue
            };
            let timer = glib::timeout_source_new(
                Duration::from_millis(1),
                None,
                glib::Priority::DEFAULT,
                tick,
            );
            timer.attach(Some(&context));
            let task = gio::CancellableFuture::new(task(got), stopped);
            let run = context.block_on(async { qio::spawn_local(task).await });
            // It is cancelled, or has come to the end of what there is to read.
            let _ = run.expect("no panic");
        };
        context.with_thread_default(body).expect("a new context");
    });
    Competitor {
        stop,
        thread: Some(thread),
    }
}

/// Waits until so many have been got, and both timers have ticked after that.
fn await_progress(got: &AtomicUsize, count: usize, ticks: &[Arc<AtomicU32>; 2]) {
    while got.load(Ordering::SeqCst) < count {
        thread::yield_now();
    }
    for ticks in ticks {
        let before = ticks.load(Ordering::SeqCst);
        while ticks.load(Ordering::SeqCst) < before + 2 {
            thread::yield_now();
        }
    }
}
