//! Nothing is lost: by a wait that ends early, a dropped future, a close, or an error that comes
//! late.

mod closing;

use std::{
    io,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use futures_util::{FutureExt as _, future};
use gio::prelude::*;
use glib::IOCondition;
use qio::{ChannelIoStream, Shutdown, prelude::*};

use super::{
    failure,
    mocks::{Input, Output, until_cancelled},
    read_some, reading, writing,
};
use crate::common::{alone::alone, blocked::Blocked, fds, in_time, on_loop};

/// A call that is held until a test opens the gate.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn pass(&self) {
        let (open, opened) = &*self.0;
        let mut is_open = open.lock().expect("not poisoned");
        while !*is_open {
            is_open = opened.wait(is_open).expect("not poisoned");
        }
    }

    fn open(&self) {
        let (open, opened) = &*self.0;
        *open.lock().expect("not poisoned") = true;
        opened.notify_all();
    }
}

/// An input that returns numbers, each once the gate is open; and how often it was read.
fn counting(gate: &Gate) -> (Input, Arc<AtomicUsize>) {
    let (gate, count) = (gate.clone(), Arc::new(AtomicUsize::new(0)));
    let counted = count.clone();
    let input = Input::new(move |buffer, _| {
        gate.pass();
        buffer[0] = counted.fetch_add(1, Ordering::SeqCst) as u8;
        Ok(1)
    });
    (input, count)
}

/// An output that appends to memory, once the gate is open.
fn gated(gate: &Gate) -> (Output, Arc<Mutex<Vec<u8>>>) {
    let (gate, memory) = (gate.clone(), Arc::<Mutex<Vec<u8>>>::default());
    let target = memory.clone();
    let output = Output::new(move |data, _| {
        gate.pass();
        let count = data.len().min(1000);
        target.lock().expect("not poisoned").extend(&data[..count]);
        Ok(count)
    });
    (output, memory)
}

#[test]
fn a_read_whose_future_is_dropped_is_returned_by_the_next_read() {
    on_loop(|| async {
        let gate = Gate::default();
        let (input, count) = counting(&gate);
        let channel = reading(&input);
        for _ in 0..3 {
            assert!(read_some(&channel).now_or_never().is_none());
        }
        let timeout = Duration::from_millis(1);
        let e = read_some(&channel).or_timeout(timeout).await;
        assert_eq!(e.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let cancellable = gio::Cancellable::new();
        cancellable.cancel();
        let e = read_some(&channel).or_cancelled(&cancellable).await;
        assert!(qio::to_glib_error(&e.unwrap_err()).matches(gio::IOErrorEnum::Cancelled));
        gate.open();
        for expected in 0..10 {
            let read = read_some(&channel).await.expect("a number");
            assert_eq!(&read[..], [expected]);
        }
        assert_eq!(count.load(Ordering::SeqCst), 10);
    });
}

#[test]
fn a_wait_that_times_out_loses_no_data() {
    in_time(|| {
        let gate = Gate::default();
        let (input, _) = counting(&gate);
        let channel = reading(&input);
        channel.set_blocking(false).expect("non-blocking");
        let e = channel.read(&mut [0]).unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::WouldBlock);
        let e = channel.wait_timeout(IOCondition::IN, Duration::from_millis(1));
        assert_eq!(e.unwrap_err().kind(), io::ErrorKind::TimedOut);
        gate.open();
        assert_eq!(
            channel.wait(IOCondition::IN).expect("data"),
            IOCondition::IN
        );
        let mut number = [9];
        assert_eq!(channel.read(&mut number).expect("a number"), 1);
        assert_eq!(number, [0]);
    });
}

#[test]
fn a_read_into_a_smaller_buffer_leaves_the_rest() {
    in_time(|| {
        let channel = reading(&Input::new(|buffer, _| {
            buffer.fill(b'x');
            buffer[0] = b'(';
            *buffer.last_mut().expect("a byte") = b')';
            Ok(buffer.len())
        }));
        channel.set_blocking(false).expect("non-blocking");
        let e = channel.read(&mut [0; 8]).unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::WouldBlock);
        let _ = channel.wait(IOCondition::IN).expect("data");
        let mut all = Vec::new();
        for _ in 0..4 {
            let mut two = [0; 2];
            assert_eq!(channel.read(&mut two).expect("data"), 2);
            all.extend(two);
        }
        assert_eq!(all, b"(xxxxxx)");
    });
}

#[test]
fn an_accepted_write_is_completed_after_its_future_has_ended_and_after_the_close() {
    for closes in [true, false] {
        on_loop(move || async move {
            let gate = Gate::default();
            let (output, memory) = gated(&gate);
            let (sender, ended) = mpsc::channel();
            let output = output.on_close(move || {
                sender.send(()).expect("a receiver");
                Ok(())
            });
            let channel = writing(&output);
            let data = vec![b'x'; 100_000];
            let count = channel.write_future(&data).await.expect("accepted");
            assert_eq!(count, 64 * 1024);
            assert!(channel.write_future(&data).now_or_never().is_none());
            match closes {
                true => channel.close().expect("closed"),
                false => channel.shutdown(Shutdown::Write).expect("shut down"),
            }
            assert!(channel.write_future(&data).await.is_err());
            gate.open();
            ended.recv().expect("closed behind the write");
            assert_eq!(memory.lock().expect("not poisoned").len(), 64 * 1024);
        });
    }
}

#[test]
fn close_future_waits_for_an_accepted_write_and_reports_its_error() {
    on_loop(|| async {
        let gate = Gate::default();
        let held = gate.clone();
        let channel = writing(&Output::new(move |_, _| {
            held.pass();
            Err(failure("full"))
        }));
        assert_eq!(channel.write_future(b"data").await.expect("accepted"), 4);
        let opened = async { gate.open() };
        let (closed, ()) = future::join(channel.close_future(), opened).await;
        assert_eq!(closed.unwrap_err().kind(), io::ErrorKind::StorageFull);
    });
}

#[test]
fn an_error_of_an_accepted_write_is_reported_once_by_the_next_call() {
    type Call = fn(&ChannelIoStream) -> io::Result<()>;
    let calls: [Call; 3] = [
        |channel| channel.write(b"more").map(drop),
        |channel| channel.flush().map(drop),
        |channel| channel.close(),
    ];
    for call in calls {
        in_time(move || {
            let fails = AtomicBool::new(true);
            let channel = writing(&Output::new(move |data, _| {
                match fails.swap(false, Ordering::SeqCst) {
                    true => Err(failure("full")),
                    false => Ok(data.len()),
                }
            }));
            channel.set_blocking(false).expect("non-blocking");
            assert_eq!(channel.write(b"data").expect("accepted"), 4);
            let _ = channel.wait(IOCondition::OUT).expect("ready");
            let e = call(&channel).unwrap_err();
            assert_eq!(e.kind(), io::ErrorKind::StorageFull);
            assert!(call(&channel).is_ok());
        });
    }
}

#[test]
fn a_write_in_blocking_mode_returns_its_own_error() {
    in_time(|| {
        let channel = writing(&Output::new(|data, _| match data {
            b"bad" => Err(failure("full")),
            data => Ok(data.len()),
        }));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        assert!(channel.write(b"bad").is_err());
                        assert_eq!(channel.write(b"good").expect("written"), 4);
                    }
                });
            }
        });
        assert!(channel.flush().is_ok());
    });
}

#[test]
fn a_close_ends_a_blocked_read_and_cancels_the_call() {
    in_time(|| {
        let (sender, closed) = mpsc::channel();
        let input = Input::new(|_, cancellable| Err(until_cancelled(cancellable)));
        let channel = reading(&input.on_close(move || {
            sender.send(()).expect("a receiver");
            Ok(())
        }));
        let blocked = Blocked::default();
        thread::scope(|scope| {
            scope.spawn(|| {
                blocked.soon();
                let e = channel.read(&mut [0]).unwrap_err();
                assert_eq!(e.kind(), io::ErrorKind::NotConnected);
            });
            blocked.wait();
            channel.close().expect("closed");
        });
        closed.recv().expect("closed behind the read");
    });
}

#[test]
fn a_shutdown_ends_a_blocked_read_whose_call_ignores_its_cancellable() {
    in_time(|| {
        let gate = Gate::default();
        let (input, _) = counting(&gate);
        let channel = reading(&input);
        let blocked = Blocked::default();
        thread::scope(|scope| {
            let reader = scope.spawn(|| {
                blocked.soon();
                channel.read(&mut [0])
            });
            blocked.wait();
            channel.shutdown(Shutdown::Read).expect("shut down");
            assert_eq!(reader.join().expect("no panic").expect("the end"), 0);
        });
        // The thread has returned, and the call is still in progress.
        gate.open();
    });
}

#[test]
fn a_blocked_write_does_not_wait_for_the_shutdown_behind_it() {
    in_time(|| {
        let (writing_gate, closing_gate) = (Gate::default(), Gate::default());
        let (held, begun) = mpsc::channel();
        let blocked = Blocked::default();
        let gate = writing_gate.clone();
        let output = Output::new(move |data, _| {
            held.send(()).expect("a receiver");
            gate.pass();
            Ok(data.len())
        });
        let gate = closing_gate.clone();
        let channel = writing(&output.on_close(move || {
            gate.pass();
            Ok(())
        }));
        thread::scope(|scope| {
            let writer = scope.spawn(|| {
                blocked.soon();
                channel.write(b"data")
            });
            begun.recv().expect("the write has begun");
            channel.shutdown(Shutdown::Write).expect("shut down");
            blocked.wait();
            writing_gate.open();
            assert_eq!(writer.join().expect("no panic").expect("written"), 4);
        });
        closing_gate.open();
        channel.flush().expect("shut down");
    });
}

#[test]
fn a_blocking_write_that_cannot_be_awaited_is_accepted() {
    alone(
        "transport::io_stream::lossless::a_blocking_write_that_cannot_be_awaited_is_accepted",
        || {
            let gate = Gate::default();
            let held = gate.clone();
            let (sender, ended) = mpsc::channel();
            let channel = writing(&Output::new(move |data, cancellable| {
                held.pass();
                let is_cancelled = cancellable.expect("the channel passes one").is_cancelled();
                sender.send(is_cancelled).expect("a receiver");
                Ok(data.len())
            }));
            let taken = fds::take_all();
            assert_eq!(channel.write(b"data").expect("accepted"), 4);
            drop(taken);
            channel.close().expect("closed");
            gate.open();
            assert!(!ended.recv().expect("the write has ended"));
        },
    );
}

#[test]
fn a_flush_waits_for_the_write_in_progress_and_flushes_the_stream_once() {
    in_time(|| {
        let (flushes, gate) = (Arc::new(AtomicUsize::new(0)), Gate::default());
        let (output, memory) = gated(&gate);
        let counted = flushes.clone();
        let channel = writing(&output.on_flush(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }));
        channel.set_blocking(false).expect("non-blocking");
        channel.write_all(b"data").expect("accepted");
        gate.open();
        channel.flush().expect("flushed");
        assert_eq!(*memory.lock().expect("not poisoned"), b"data");
        channel.flush().expect("flushed");
        assert_eq!(flushes.load(Ordering::SeqCst), 1);
    });
}
