//! Random programs on a pair of sockets, against a model: data arrives once and in
//! order, whichever way it is read and whatever is dropped, shut down, closed and moved meanwhile.

use std::{
    collections::VecDeque,
    future::Future,
    io::{self, ErrorKind, IoSliceMut},
    pin::pin,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use glib::{IOCondition, MainContext};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use qio::{ChannelError, ChannelSocket, ReadFlags, Shutdown, prelude::*, to_glib_error};

use crate::common::{alone::alone, in_loop, nonblocking_pair, settle};

/// One step, by the end `0` or `1`.
#[derive(Debug, Clone)]
enum Step {
    Write(usize, usize),
    WriteFuture(usize, usize),
    Read(usize, usize),
    ReadBytes(usize, usize),
    Peek(usize, usize),
    /// Polls a read of some bytes once, and drops it.
    ReadFuture(usize, usize),
    /// Polls a read of all once and, after each of these writes of the peer, once more; and drops
    /// it unless it has ended.
    ReadAllFuture(usize, usize, Vec<usize>),
    Wait(usize),
    Shutdown(usize, Shutdown),
    Close(usize),
    Attach(usize, bool),
    Detach(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let end = 0..2_usize;
    let size = 1..600_usize;
    let both = (end.clone(), size.clone());
    let how = prop_oneof![
        Just(Shutdown::Read),
        Just(Shutdown::Write),
        Just(Shutdown::Both)
    ];
    let step = prop_oneof![
        6 => both.clone().prop_map(|(end, size)| Step::Write(end, size)),
        3 => both.clone().prop_map(|(end, size)| Step::WriteFuture(end, size)),
        4 => both.clone().prop_map(|(end, size)| Step::Read(end, size)),
        2 => both.clone().prop_map(|(end, size)| Step::ReadBytes(end, size)),
        2 => both.clone().prop_map(|(end, size)| Step::Peek(end, size)),
        4 => both.prop_map(|(end, size)| Step::ReadFuture(end, size)),
        6 => (end.clone(), 1..1_500_usize, vec(size, 0..4))
            .prop_map(|(end, size, writes)| Step::ReadAllFuture(end, size, writes)),
        3 => end.clone().prop_map(Step::Wait),
        1 => (end.clone(), how).prop_map(|(end, how)| Step::Shutdown(end, how)),
        1 => end.clone().prop_map(Step::Close),
        2 => (end.clone(), any::<bool>()).prop_map(|(end, other)| Step::Attach(end, other)),
        1 => end.prop_map(Step::Detach),
    ];
    vec(step, 1..30)
}

/// What one end is known to have.
#[derive(Debug, Default)]
struct End {
    /// Sent to it and not yet read.
    incoming: VecDeque<u8>,
    no_more_comes: bool,
    may_not_send: bool,
    closed: bool,
    /// The peer was closed before it had read everything, which may be an error, once.
    may_be_reset: bool,
}

struct Machine<'a> {
    sockets: [ChannelSocket; 2],
    ends: [End; 2],
    contexts: [&'a MainContext; 2],
    sent: usize,
}

fn peer(end: usize) -> usize {
    1 - end
}

fn is_closed(e: &io::Error) -> bool {
    to_glib_error(e).matches(gio::IOErrorEnum::Closed)
}

impl Machine<'_> {
    fn settle(&self) {
        self.contexts.into_iter().for_each(settle);
    }

    fn next_bytes(&mut self, size: usize) -> Vec<u8> {
        let first = self.sent;
        self.sent += size;
        (first..first + size).map(|i| (i % 251) as u8).collect()
    }

    fn wrote(&mut self, end: usize, data: &[u8], result: io::Result<usize>) {
        let this = &self.ends[end];
        match result {
            Ok(count) => {
                assert!(!this.closed && !this.may_not_send);
                assert_eq!(count, data.len(), "all of it fits into the socket buffer");
                self.ends[peer(end)].incoming.extend(data);
            }
            Err(e) if this.closed => assert!(is_closed(&e), "{e}"),
            Err(e) => {
                assert!(this.may_not_send, "{e}");
                assert_eq!(e.kind(), ErrorKind::BrokenPipe, "{e}");
            }
        }
    }

    /// Compares the result of one read, and takes from the model what has been read.
    fn read(
        &mut self,
        end: usize,
        size: usize,
        data: &[u8],
        result: io::Result<usize>,
        peek: bool,
    ) {
        let this = &mut self.ends[end];
        match result {
            Ok(0) => {
                assert!(!this.closed && this.incoming.is_empty() && this.no_more_comes);
            }
            Ok(count) => {
                // A part of it may have been read before.
                assert!(!this.closed && count <= size.min(this.incoming.len()));
                assert!(this.incoming.iter().take(count).eq(&data[..count]));
                if !peek {
                    this.incoming.drain(..count);
                }
            }
            Err(e) => this.failed(&e),
        }
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Write(end, size) => {
                let data = self.next_bytes(size);
                let result = self.sockets[end].write(&data);
                self.wrote(end, &data, result);
            }
            Step::WriteFuture(end, size) => {
                let data = self.next_bytes(size);
                let Poll::Ready(result) = once(self.sockets[end].write_all_future(&data)) else {
                    panic!("the data fits into the socket buffer");
                };
                self.wrote(end, &data, result.map(|()| size));
            }
            Step::Read(end, size) => {
                let mut buf = vec![0; size];
                let result = self.sockets[end].read(&mut buf);
                self.read(end, size, &buf, result, false);
            }
            Step::ReadBytes(end, size) => {
                let bytes = self.sockets[end].read_bytes(size);
                let (result, bytes) = match bytes {
                    Ok(bytes) => (Ok(bytes.len()), bytes),
                    Err(e) => (Err(e), glib::Bytes::from_static(b"")),
                };
                self.read(end, size, &bytes, result, false);
            }
            Step::Peek(end, size) => {
                let mut buf = vec![0; size];
                let mut iov = [IoSliceMut::new(&mut buf)];
                let result = self.sockets[end].readv_full(&mut iov, None, ReadFlags::PEEK);
                self.read(end, size, &buf, result, true);
            }
            Step::ReadFuture(end, size) => {
                self.settle();
                let mut buf = vec![0; size];
                match once(self.sockets[end].read_future(&mut buf)) {
                    Poll::Ready(result) => self.read(end, size, &buf, result, false),
                    Poll::Pending => assert!(self.ends[end].has_nothing()),
                }
            }
            Step::ReadAllFuture(end, size, ref writes) => self.read_all(end, size, writes),
            Step::Wait(end) => {
                let got = self.sockets[end].wait_timeout(IOCondition::IN, Duration::ZERO);
                let this = &self.ends[end];
                match got {
                    Ok(got) if this.closed => assert_eq!(got, IOCondition::NVAL),
                    Ok(_) => assert!(!this.has_nothing()),
                    Err(e) => assert!(this.has_nothing(), "{e}"),
                }
            }
            Step::Shutdown(end, how) => self.shutdown(end, how),
            Step::Close(end) => self.close(end),
            Step::Attach(end, other) => {
                self.sockets[end].attach_context(self.contexts[usize::from(other)]);
            }
            Step::Detach(end) => self.sockets[end].detach_context(),
        }
    }

    fn read_all(&mut self, end: usize, size: usize, writes: &[usize]) {
        let mut buf = vec![0; size];
        let socket = self.sockets[end].clone();
        let mut future = Box::pin(socket.read_all_eof_future(&mut buf));
        let mut cx = Context::from_waker(Waker::noop());
        let mut writes = writes.iter();
        let result = loop {
            self.settle();
            if let Poll::Ready(result) = future.as_mut().poll(&mut cx) {
                break result;
            }
            let this = &self.ends[end];
            assert!(!this.closed && !this.no_more_comes && this.incoming.len() < size);
            match writes.next() {
                Some(&size) => self.run(&Step::Write(peer(end), size)),
                None => return,
            }
        };
        drop(future);
        let this = &mut self.ends[end];
        match result {
            Ok(true) => {
                assert!(!this.closed && this.incoming.len() >= size);
                assert!(this.incoming.drain(..size).eq(buf));
            }
            Ok(false) => assert!(this.no_more_comes && this.incoming.is_empty()),
            Err(e) if to_glib_error(&e).matches(ChannelError::Truncated) => {
                assert!(this.no_more_comes && !this.incoming.is_empty());
                assert!(this.incoming.len() < size);
                this.incoming.clear();
            }
            Err(e) => {
                if this.may_be_reset && this.incoming.len() < size {
                    this.incoming.clear();
                }
                this.failed(&e);
            }
        }
    }

    fn shutdown(&mut self, end: usize, how: Shutdown) {
        let result = self.sockets[end].shutdown(how);
        if self.ends[end].closed {
            return assert!(is_closed(&result.expect_err("closed")));
        }
        result.expect("shut down");
        let [one, two] = &mut self.ends;
        let (this, that) = if end == 0 { (one, two) } else { (two, one) };
        this.no_more_comes |= how.reads();
        that.may_not_send |= how.reads();
        this.may_not_send |= how.writes();
        that.no_more_comes |= how.writes();
    }

    fn close(&mut self, end: usize) {
        self.sockets[end].close().expect("closes");
        self.ends[end].closed = true;
        let lost = !std::mem::take(&mut self.ends[end].incoming).is_empty();
        let that = &mut self.ends[peer(end)];
        that.no_more_comes = true;
        that.may_not_send = true;
        that.may_be_reset |= lost;
    }
}

impl End {
    fn has_nothing(&self) -> bool {
        !self.closed && self.incoming.is_empty() && !self.no_more_comes
    }

    /// A read has failed.
    fn failed(&mut self, e: &io::Error) {
        match e.kind() {
            ErrorKind::WouldBlock => assert!(self.has_nothing()),
            ErrorKind::ConnectionReset => {
                assert!(self.incoming.is_empty());
                assert!(std::mem::take(&mut self.may_be_reset));
            }
            _ => assert!(self.closed && is_closed(e), "{e}"),
        }
    }
}

fn once<T>(future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn random_programs_do_what_the_model_does() {
    // Alone: a command that another test starts has what is closed here, until it runs.
    alone(
        "channel::proptest::random_programs_do_what_the_model_does",
        run_programs,
    );
}

#[test]
#[ignore = "takes minutes: `make soak`"]
fn a_hundred_thousand_random_programs_do_what_the_model_does() {
    alone(
        "channel::proptest::a_hundred_thousand_random_programs_do_what_the_model_does",
        || {
            let begin = Instant::now();
            for _ in 0..100 {
                run_programs();
                // Where machines are slow it may be fewer.
                if begin.elapsed() > Duration::from_secs(300) {
                    break;
                }
            }
        },
    );
}

/// A thousand of them, others each time.
fn run_programs() {
    in_loop(|context| {
        let other = MainContext::new();
        let config = Config {
            cases: 1_000,
            failure_persistence: None,
            ..Config::default()
        };
        let outcome = TestRunner::new(config).run(&steps(), |program| {
            let (a, b) = nonblocking_pair();
            let mut machine = Machine {
                sockets: [a, b],
                ends: Default::default(),
                contexts: [context, &other],
                sent: 0,
            };
            for step in &program {
                machine.run(step);
            }
            // The rest is what the model has.
            for end in [0, 1] {
                while !machine.ends[end].incoming.is_empty() {
                    machine.run(&Step::Read(end, 1_000));
                }
                machine.run(&Step::Read(end, 1_000));
            }
            Ok(())
        });
        if let Err(e) = outcome {
            panic!("{e}");
        }
    });
}
