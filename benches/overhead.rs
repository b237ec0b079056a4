//! What a channel costs on top of the system call: each case runs the bare system calls and
//! the channel in turns, and Criterion measures the ratio of their times.
//!
//! `make bench` prints a table at the end.

#![allow(unsafe_code)] // the bare system calls

#[path = "peers/verdict.rs"]
mod verdict;

use std::{
    hint::black_box,
    io::{self, IoSlice},
    os::fd::RawFd,
    process::ExitCode,
    sync::Mutex,
    time::{Duration, Instant},
};

use criterion::{
    BenchmarkId, Criterion, Throughput,
    measurement::{Measurement, ValueFormatter},
};
use qio::{ChannelSocket, prelude::*};
use verdict::Verdict;

/// Runs of one side before it is the other side's turn.
const TURN: u64 = 256;

/// A goal: ours must not take longer than this many times the bare system calls.
struct Case {
    name: &'static str,
    goal: f64,
    bare: fn(&Pair),
    ours: fn(&Pair),
}

const CASES: [Case; 3] = [
    Case {
        name: "write+read, 1 byte",
        goal: 1.05,
        bare: bare_byte,
        ours: channel_byte,
    },
    Case {
        name: "read, would block",
        goal: 1.1,
        bare: bare_would_block,
        ours: channel_would_block,
    },
    Case {
        name: "writev, 16 buffers",
        goal: 1.0,
        bare: bare_writev,
        ours: channel_writev,
    },
];

/// A socketpair as channels, and the numbers of its descriptors: both sides use the same
/// sockets, so that nothing but the calls differs.
struct Pair {
    channels: [ChannelSocket; 2],
    fds: [RawFd; 2],
}

impl Pair {
    fn new() -> io::Result<Self> {
        let (a, b) = ChannelSocket::pair()?;
        a.set_blocking(false)?;
        b.set_blocking(false)?;
        let fds = [a.fd(), b.fd()];
        let channels = [a, b];
        Ok(Self { channels, fds })
    }
}

/// What a careful Rust program makes of a bare system call.
fn result(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

fn send(fd: RawFd, data: &[u8]) -> io::Result<usize> {
    // SAFETY: the pointer and the length are those of a live buffer.
    result(unsafe { libc::send(fd, data.as_ptr().cast(), data.len(), libc::MSG_NOSIGNAL) })
}

fn recv(fd: RawFd, buf: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the pointer and the length are those of a live exclusive buffer.
    result(unsafe { libc::recv(fd, buf.as_mut_ptr().cast(), buf.len(), 0) })
}

fn sendmsg(fd: RawFd, iov: &[IoSlice<'_>]) -> io::Result<usize> {
    // SAFETY: all zeros is a valid msghdr; an IoSlice has the layout of an iovec.
    result(unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = iov.as_ptr().cast_mut().cast();
        message.msg_iovlen = iov.len();
        libc::sendmsg(fd, &message, libc::MSG_NOSIGNAL)
    })
}

fn bare_byte(pair: &Pair) {
    let mut byte = [0];
    let sent = send(pair.fds[0], black_box(&[7]));
    let received = recv(pair.fds[1], black_box(&mut byte));
    assert!(matches!((sent, received), (Ok(1), Ok(1))) && byte == [7]);
}

fn channel_byte(pair: &Pair) {
    let mut byte = [0];
    let sent = pair.channels[0].write(black_box(&[7]));
    let received = pair.channels[1].read(black_box(&mut byte));
    assert!(matches!((sent, received), (Ok(1), Ok(1))) && byte == [7]);
}

fn bare_would_block(pair: &Pair) {
    let received = recv(pair.fds[1], black_box(&mut [0]));
    assert!(matches!(received, Err(e) if e.kind() == io::ErrorKind::WouldBlock));
}

fn channel_would_block(pair: &Pair) {
    let received = pair.channels[1].read(black_box(&mut [0]));
    assert!(matches!(received, Err(e) if e.kind() == io::ErrorKind::WouldBlock));
}

const CHUNK: [u8; 64] = [7; 64];

fn bare_writev(pair: &Pair) {
    let sent = sendmsg(pair.fds[0], &[IoSlice::new(black_box(&CHUNK)); 16]);
    drain(sent, pair);
}

fn channel_writev(pair: &Pair) {
    let sent = pair.channels[0].writev(&[IoSlice::new(black_box(&CHUNK)); 16]);
    drain(sent, pair);
}

/// Reading is not what is measured here: the same bare call for both.
fn drain(sent: io::Result<usize>, pair: &Pair) {
    let drained = recv(pair.fds[1], &mut [0; 1024]);
    assert!(matches!((sent, drained), (Ok(1024), Ok(1024))));
}

/// How many times as long ours takes as the bare calls.
struct Ratio;

impl Measurement for Ratio {
    type Intermediate = ();
    type Value = f64;

    fn start(&self) -> Self::Intermediate {}

    fn end(&self, (): Self::Intermediate) -> Self::Value {
        unreachable!("every case measures itself, by iter_custom")
    }

    fn add(&self, a: &f64, b: &f64) -> f64 {
        a + b
    }

    fn zero(&self) -> f64 {
        0.0
    }

    fn to_f64(&self, value: &f64) -> f64 {
        *value
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        self
    }
}

impl ValueFormatter for Ratio {
    fn scale_values(&self, _typical: f64, _values: &mut [f64]) -> &'static str {
        "x the system call"
    }

    fn scale_throughputs(&self, _: f64, _: &Throughput, _: &mut [f64]) -> &'static str {
        "x the system call"
    }

    fn scale_for_machines(&self, _values: &mut [f64]) -> &'static str {
        "ratio"
    }
}

fn time(rounds: u64, mut run: impl FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..rounds {
        run();
    }
    start.elapsed()
}

/// The ratio of the times of `rounds` runs of each side, taking turns: which side begins
/// changes too, so that drift hits both.
fn ratio(case: &Case, pair: &Pair, rounds: u64) -> f64 {
    let (mut bare, mut ours) = (Duration::ZERO, Duration::ZERO);
    let mut run_bare = || bare += time(TURN, || (case.bare)(pair));
    let mut run_ours = || ours += time(TURN, || (case.ours)(pair));
    for turn in 0..rounds.div_ceil(TURN) {
        if turn % 2 == 0 {
            run_bare();
            run_ours();
        } else {
            run_ours();
            run_bare();
        }
    }
    ours.as_secs_f64() / bare.as_secs_f64()
}

fn main() -> ExitCode {
    let results = Mutex::new(Vec::new());
    let mut criterion = Criterion::default()
        .with_measurement(Ratio)
        .without_plots()
        .configure_from_args();
    let mut group = criterion.benchmark_group("overhead");
    for case in &CASES {
        let pair = Pair::new().expect("a socketpair");
        let mut samples = Vec::new();
        group.bench_function(BenchmarkId::from_parameter(case.name), |b| {
            b.iter_custom(|iterations| {
                // Criterion would take the ratio for nanoseconds and run too few.
                let sample = ratio(case, &pair, 20_000);
                samples.push(sample);
                sample * iterations as f64
            });
        });
        results.lock().expect("one thread").push((case, samples));
    }
    group.finish();
    report(results.into_inner().expect("one thread"))
}

fn report(results: Vec<(&Case, Vec<f64>)>) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    println!("{:<24} {:>8} {:>8}", "case", "ratio", "goal");
    for (case, mut samples) in results {
        if samples.is_empty() {
            continue; // filtered out on the command line
        }
        samples.sort_by(f64::total_cmp);
        let median = samples[samples.len() / 2];
        let verdict = Verdict::at_most(case.name, "", median, case.goal);
        if verdict == Verdict::Failed {
            code = ExitCode::FAILURE;
        }
        println!(
            "{:<24} {median:>8.3} {:>8.2} {verdict}",
            case.name, case.goal
        );
    }
    code
}
