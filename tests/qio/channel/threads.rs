//! Closing and shutting down while other threads are at work on the channel.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use gio::prelude::*;
use qio::{Channel, ChannelFile, ChannelSocket, Shutdown, prelude::*, to_glib_error};

use crate::common::{blocked::Blocked, fill, in_time};

const ROUNDS: usize = 1_000;

#[track_caller]
fn check_closed(e: &io::Error) {
    assert_eq!(e.kind(), ErrorKind::NotConnected, "{e}");
    assert!(to_glib_error(e).matches(gio::IOErrorEnum::Closed), "{e}");
}

/// Runs `job` while two threads open what a released number could be mistaken for, and close
/// it again: files with known content, and sockets with data to be read.
fn among_unrelated_files(job: impl FnOnce()) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("unrelated");
    fs::write(&path, b"unrelated").expect("written");
    let done = AtomicBool::new(false);
    // Ends the threads also when the job panics.
    struct Done<'a>(&'a AtomicBool);
    impl Drop for Done<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                open_file(&path);
            }
        });
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                let (one, mut other) = UnixStream::pair().expect("a pair");
                other.write_all(b"unrelated").expect("written");
                drop((one, other));
            }
        });
        let _done = Done(&done);
        job();
    });
}

fn open_file(path: &Path) {
    drop(File::open(path).expect("opened"));
}

/// One round: a thread blocks in a read without any writer, and this thread ends the read.
fn end_a_reader(reader: &Channel, wait_first: bool, end: impl FnOnce()) -> io::Result<usize> {
    let blocked = Blocked::default();
    thread::scope(|scope| {
        let reading = scope.spawn(|| {
            blocked.soon();
            reader.read(&mut [0; 64])
        });
        if wait_first {
            blocked.wait();
        }
        end();
        reading.join().expect("it returns")
    })
}

/// `in_time`, for jobs with many rounds.
fn in_a_minute(job: impl FnOnce() + Send + 'static) {
    let (sender, receiver) = mpsc::channel();
    let thread = thread::spawn(move || {
        job();
        let _ = sender.send(());
    });
    match receiver.recv_timeout(Duration::from_secs(60)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
        _ => thread.join().expect("no panic"),
    }
}

#[test]
fn shutting_a_socket_down_ends_a_blocked_read() {
    in_a_minute(|| {
        among_unrelated_files(|| {
            for round in 0..ROUNDS {
                let (a, _b) = ChannelSocket::pair().expect("a socketpair");
                let result = end_a_reader(a.upcast_ref(), round % 2 == 0, || {
                    a.shutdown(Shutdown::Both).expect("shut down");
                });
                assert_eq!(result.expect("the end"), 0);
            }
        });
    });
}

#[test]
fn closing_a_socket_ends_a_blocked_read() {
    in_a_minute(|| {
        among_unrelated_files(|| {
            for round in 0..ROUNDS {
                let (a, _b) = ChannelSocket::pair().expect("a socketpair");
                let result = end_a_reader(a.upcast_ref(), round % 2 == 0, || {
                    a.close().expect("closed");
                });
                match result {
                    Ok(count) => assert_eq!(count, 0),
                    Err(e) => check_closed(&e),
                }
            }
        });
    });
}

#[test]
fn closing_a_pipe_ends_a_blocked_read() {
    in_a_minute(|| {
        among_unrelated_files(|| {
            for round in 0..ROUNDS {
                let (read, _write) = ChannelFile::pipe().expect("a pipe");
                let result = end_a_reader(read.upcast_ref(), round % 2 == 0, || {
                    read.close().expect("closed");
                });
                check_closed(&result.expect_err("closed"));
            }
        });
    });
}

/// Accepts in one thread, and closes in this one once that has blocked.
fn end_accept(listener: &ChannelSocket) -> io::Error {
    let blocked = Blocked::default();
    thread::scope(|scope| {
        let accepting = scope.spawn(|| {
            blocked.soon();
            listener.accept()
        });
        blocked.wait();
        listener.close().expect("closed");
        accepting.join().expect("it returns").expect_err("closed")
    })
}

fn listener() -> ChannelSocket {
    let loopback = gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4);
    ChannelSocket::listen(&gio::InetSocketAddress::new(&loopback, 0), 8).expect("listens")
}

#[test]
fn closing_a_listening_socket_ends_a_blocked_accept() {
    in_time(|| {
        for _ in 0..50 {
            check_closed(&end_accept(&listener()));
        }
    });
}

#[test]
fn closing_an_adopted_listening_socket_ends_a_blocked_accept_and_nothing_else() {
    in_time(|| {
        for _ in 0..50 {
            let owner = listener();
            let fd = owner.with_fd(|fd| fd.try_clone_to_owned());
            let fd = fd.expect("open").expect("a duplicate");
            let adopted = ChannelSocket::new_fd(fd).expect("a socket");
            // Sockets created here are in non-blocking mode.
            adopted.set_blocking(true).expect("the mode");
            check_closed(&end_accept(&adopted));
            let address = owner.local_address().expect("an address");
            let client = ChannelSocket::connect(&address).expect("it still listens");
            owner.accept().expect("accepts");
            drop(client);
        }
    });
}

/// Writes a little to a full channel in one thread, and closes in this one.
fn end_a_writer(writer: &Channel, wait_first: bool) -> io::Error {
    writer.set_blocking(false).expect("non-blocking");
    fill(writer);
    // What is not a whole page of a pipe could still fit.
    while writer.write(b"x").is_ok() {}
    writer.set_blocking(true).expect("blocking");
    let blocked = Blocked::default();
    thread::scope(|scope| {
        let writing = scope.spawn(|| {
            blocked.soon();
            writer.write(b"x")
        });
        if wait_first {
            blocked.wait();
        }
        writer.close().expect("closed");
        writing.join().expect("it returns").expect_err("closed")
    })
}

#[test]
fn closing_a_full_socket_ends_a_blocked_write() {
    in_time(|| {
        for round in 0..100 {
            let (a, _b) = ChannelSocket::pair().expect("a socketpair");
            let e = end_a_writer(a.upcast_ref(), round % 2 == 0);
            if e.kind() != ErrorKind::BrokenPipe {
                check_closed(&e);
            }
        }
    });
}

#[test]
fn closing_a_full_pipe_ends_a_blocked_write() {
    in_time(|| {
        for round in 0..100 {
            let (_read, write) = ChannelFile::pipe().expect("a pipe");
            check_closed(&end_a_writer(write.upcast_ref(), round % 2 == 0));
        }
    });
}

#[test]
fn closing_ends_a_read_all_and_a_wait() {
    in_time(|| {
        for round in 0..100 {
            let (a, _b) = ChannelSocket::pair().expect("a socketpair");
            a.set_blocking(false).expect("non-blocking");
            let (reads, waits) = (Blocked::default(), Blocked::default());
            thread::scope(|scope| {
                let reading = scope.spawn(|| {
                    reads.soon();
                    a.read_all(&mut [0; 8])
                });
                let waiting = scope.spawn(|| {
                    waits.soon();
                    a.wait(glib::IOCondition::IN)
                });
                if round % 2 == 0 {
                    reads.wait();
                    waits.wait();
                }
                a.close().expect("closed");
                let e = reading.join().expect("it returns").expect_err("closed");
                if e.kind() != ErrorKind::UnexpectedEof {
                    check_closed(&e);
                }
                let got = waiting.join().expect("it returns").expect("conditions");
                assert!(!got.is_empty());
            });
        }
    });
}

/// Four threads read until one of them gets the end of the stream; the others must get it too.
fn race_with_readers(read: &Channel, write: &Channel) {
    let barrier = Barrier::new(6);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut buf = [0; 64];
                barrier.wait();
                loop {
                    match read.read(&mut buf) {
                        Ok(0) => break,
                        Ok(count) => assert!(buf[..count].iter().all(|&byte| byte == b'm')),
                        Err(e) => break check_closed(&e),
                    }
                }
            });
        }
        scope.spawn(|| {
            barrier.wait();
            // Until all readers have exited. Only this test writes to the descriptor.
            while write.write(b"mmmm").is_ok() {}
        });
        barrier.wait();
        read.close().expect("closed");
    });
}

#[test]
fn closing_races_with_reads_in_four_threads() {
    in_a_minute(|| {
        among_unrelated_files(|| {
            for _ in 0..150 {
                let (a, b) = ChannelSocket::pair().expect("a socketpair");
                race_with_readers(a.upcast_ref(), b.upcast_ref());
                let (read, write) = ChannelFile::pipe().expect("a pipe");
                race_with_readers(read.upcast_ref(), write.upcast_ref());
            }
        });
    });
}

#[test]
fn closing_twice_at_once_closes_once() {
    in_a_minute(|| {
        among_unrelated_files(|| {
            for _ in 0..ROUNDS {
                let (a, b) = ChannelSocket::pair().expect("a socketpair");
                let barrier = Barrier::new(2);
                thread::scope(|scope| {
                    for _ in 0..2 {
                        scope.spawn(|| {
                            barrier.wait();
                            a.close().expect("closed");
                        });
                    }
                });
                assert!(a.is_closed());
                assert_eq!(b.read(&mut [0; 1]).expect("the end"), 0);
            }
        });
    });
}

#[test]
fn a_closed_fd_number_is_not_reused_while_a_reader_uses_it() {
    in_time(|| {
        for _ in 0..200 {
            let (a, _b) = ChannelSocket::pair().expect("a socketpair");
            let (number, borrowed) = (a.fd(), Barrier::new(2));
            thread::scope(|scope| {
                scope.spawn(|| {
                    a.with_fd(|fd| {
                        let before = crate::common::fds::target(fd);
                        borrowed.wait();
                        borrowed.wait();
                        assert_eq!(crate::common::fds::target(fd), before, "fd {number}");
                    })
                    .expect("open");
                });
                borrowed.wait();
                a.close().expect("closed");
                // Would get the number if that were free.
                let others: Vec<_> = (0..8).map(|_| File::open("/dev/null")).collect();
                borrowed.wait();
                drop(others);
            });
        }
    });
}
