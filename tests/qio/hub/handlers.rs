//! Functions that are called whenever a channel is ready.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use qio::{Channel, ChannelFile, ChannelSocket, prelude::*};

use super::*;
use crate::common::{FEW, alone::alone, fill, in_time, iterations, nonblocking_pair};

type Handler = Option<Box<dyn FnMut()>>;

/// A handler that counts its calls, and the count.
fn counting() -> (Handler, Rc<Cell<usize>>) {
    let calls = Rc::new(Cell::new(0));
    let counted = calls.clone();
    (
        Some(Box::new(move || counted.set(counted.get() + 1))),
        calls,
    )
}

#[test]
fn a_handler_is_called_as_long_as_there_is_something_to_read() {
    let context = MainContext::new();
    let (a, b) = nonblocking_pair();
    let (handler, calls) = counting();
    a.set_fd_handler_local(Some(&context), handler, None);
    assert!(iterations(&context) <= FEW);
    assert_eq!(calls.get(), 0);
    b.write_all(b"x").expect("space");
    iterate_until(&context, || calls.get() >= 10);
    assert_eq!(a.read(&mut [0; 8]).expect("read"), 1);
    settle(&context);
    let before = calls.get();
    assert!(iterations(&context) <= FEW);
    assert_eq!(calls.get(), before, "there is nothing more");
    b.write_all(b"x").expect("space");
    iterate_until(&context, || calls.get() > before);
}

/// Sends bytes to a handler that reads one a call, again and again.
fn is_called_for_each_byte(reader: &Channel, writer: &Channel) {
    const ROUNDS: usize = 5;
    let context = MainContext::new();
    let (source, taken) = (reader.clone(), Rc::new(Cell::new(0)));
    let counted = taken.clone();
    let handler = move || {
        counted.set(counted.get() + source.read(&mut [0]).unwrap_or(0));
    };
    reader.set_fd_handler_local(Some(&context), Some(Box::new(handler)), None);
    for round in 1..=ROUNDS {
        settle(&context);
        writer.write_all(b"abc").expect("space");
        iterate_until(&context, || taken.get() == 3 * round);
        assert!(iterations(&context) <= FEW, "nothing is left to be read");
    }
}

#[test]
fn what_a_call_of_a_handler_leaves_is_reported_again_level_triggered() {
    let (a, b) = nonblocking_pair();
    is_called_for_each_byte(a.upcast_ref(), b.upcast_ref());
    let address = gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4);
    let listener = ChannelSocket::listen(&gio::InetSocketAddress::new(&address, 0), 1);
    let listener = listener.expect("a listener");
    let client = ChannelSocket::connect(&listener.local_address().expect("bound"));
    let server = listener.accept().expect("a client");
    is_called_for_each_byte(server.upcast_ref(), client.expect("connected").upcast_ref());
    let (reads, writes) = ChannelFile::pipe().expect("a pipe");
    is_called_for_each_byte(reads.upcast_ref(), writes.upcast_ref());
}

#[test]
fn a_handler_is_called_as_long_as_the_send_buffer_has_space() {
    let context = MainContext::new();
    let (a, b) = nonblocking_pair();
    let (handler, calls) = counting();
    a.set_fd_handler_local(Some(&context), None, handler);
    iterate_until(&context, || calls.get() >= 10);
    fill(&a);
    settle(&context);
    let before = calls.get();
    assert!(iterations(&context) <= FEW);
    assert_eq!(calls.get(), before, "it is full");
    while b.read(&mut [0; 4096]).is_ok() {}
    iterate_until(&context, || calls.get() > before);
}

#[test]
fn both_handlers_are_dispatched_while_a_task_runs() {
    let context = MainContext::new();
    let (a, b) = nonblocking_pair();
    let ((read, reads), (write, writes)) = (counting(), counting());
    a.set_fd_handler_local(Some(&context), read, write);
    b.write_all(b"x").expect("space");
    iterate_until(&context, || reads.get() >= 10 && writes.get() >= 10);
    run(&context, pass());
}

#[test]
fn a_handler_that_is_replaced_is_not_called_again() {
    let context = MainContext::new();
    let (a, b) = nonblocking_pair();
    b.write_all(b"x").expect("space");
    let ((first, of_first), (second, of_second)) = (counting(), counting());
    a.set_fd_handler_local(Some(&context), first, None);
    iterate_until(&context, || of_first.get() > 0);
    let before = of_first.get();
    a.set_fd_handler_local(Some(&context), second, None);
    assert_eq!(Rc::strong_count(&of_first), 1, "it is dropped");
    iterate_until(&context, || of_second.get() >= 10);
    assert_eq!(of_first.get(), before);
    a.set_fd_handler_local(Some(&context), None, None);
    let before = of_second.get();
    assert!(iterations(&context) <= FEW, "no handler is called");
    assert_eq!(of_second.get(), before);
    assert_eq!(Rc::strong_count(&of_second), 1, "it is dropped");
}

#[test]
fn a_handler_may_remove_or_replace_itself() {
    let context = MainContext::new();
    let (a, b) = nonblocking_pair();
    b.write_all(b"x").expect("space");
    let (next, calls) = counting();
    let (channel, inside, mut next) = (a.clone(), context.clone(), Some(next));
    let once = Rc::new(Cell::new(0));
    let counted = once.clone();
    let handler = move || {
        counted.set(counted.get() + 1);
        channel.set_fd_handler_local(Some(&inside), next.take().expect("once"), None);
    };
    a.set_fd_handler_local(Some(&context), Some(Box::new(handler)), None);
    iterate_until(&context, || calls.get() >= 10);
    assert_eq!(once.get(), 1);
    assert_eq!(Rc::strong_count(&once), 1, "it is dropped");

    let (channel, inside, counted) = (a.clone(), context.clone(), once.clone());
    let handler = move || {
        counted.set(counted.get() + 1);
        channel.set_fd_handler_local(Some(&inside), None, None);
    };
    a.set_fd_handler_local(Some(&context), Some(Box::new(handler)), None);
    iterate_until(&context, || once.get() == 2);
    assert!(iterations(&context) <= FEW, "no handler is called");
    assert_eq!((once.get(), Rc::strong_count(&once)), (2, 1));
}

#[test]
fn closing_calls_a_handler_a_last_time() {
    let context = MainContext::new();
    let (read, _write) = ChannelFile::pipe().expect("a pipe");
    let (a, _b) = nonblocking_pair();
    for channel in [a.upcast::<Channel>(), read.upcast()] {
        let (handler, calls) = counting();
        channel.set_fd_handler_local(Some(&context), handler, None);
        settle(&context);
        assert_eq!(calls.get(), 0);
        channel.close().expect("closed");
        iterate_until(&context, || calls.get() == 1);
        assert!(iterations(&context) <= FEW);
        assert_eq!(calls.get(), 1);
    }
}

#[test]
fn a_handler_keeps_the_channel_alive_until_it_is_removed() {
    let context = MainContext::new();
    let (a, b) = nonblocking_pair();
    let (handler, calls) = counting();
    a.set_fd_handler_local(Some(&context), handler, None);
    let weak = a.downgrade();
    drop(a);
    b.write_all(b"x").expect("space");
    iterate_until(&context, || calls.get() > 0);
    let a = weak.upgrade().expect("the handler keeps it");
    a.set_fd_handler_local(Some(&context), None, None);
    drop(a);
    settle(&context);
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_handler_that_holds_its_channel_lets_go_of_it_when_that_is_closed() {
    let context = MainContext::new();
    let (a, b) = nonblocking_pair();
    let (calls, inside) = (Rc::new(Cell::new(0)), a.clone());
    let counted = calls.clone();
    let handler = move || {
        let _ = inside.read(&mut [0; 8]);
        counted.set(counted.get() + 1);
    };
    a.set_fd_handler_local(Some(&context), Some(Box::new(handler)), None);
    b.write_all(b"x").expect("space");
    iterate_until(&context, || calls.get() == 1);
    let weak = a.downgrade();
    a.close().expect("closed");
    drop(a);
    iterate_until(&context, || calls.get() == 2);
    settle(&context);
    assert!(weak.upgrade().is_none(), "it holds itself");
}

#[test]
fn of_a_thousand_channels_those_that_are_ready_are_served() {
    alone(
        "hub::handlers::of_a_thousand_channels_those_that_are_ready_are_served",
        || {
            let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("the limit");
            setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("raised");
            serve_a_thousand();
        },
    );
}

fn serve_a_thousand() {
    let context = MainContext::new();
    let served = Rc::new(RefCell::new(vec![0; 500]));
    let pairs: Vec<(ChannelSocket, ChannelSocket)> = (0..500).map(|_| nonblocking_pair()).collect();
    for (i, (a, b)) in pairs.iter().enumerate() {
        let (served, channel) = (served.clone(), a.clone());
        let read = move || {
            assert_eq!(channel.read(&mut [0; 8]).expect("it is ready"), 1);
            served.borrow_mut()[i] += 1;
        };
        a.set_fd_handler_local(Some(&context), Some(Box::new(read)), None);
        b.set_fd_handler_local(Some(&context), counting().0, None);
    }
    for round in 1..=3 {
        for (_, b) in pairs.iter().step_by(7) {
            b.write_all(b"x").expect("space");
        }
        let all = |calls: &[i32]| calls.iter().step_by(7).all(|&count| count == round);
        iterate_until(&context, || all(&served.borrow()));
        assert!(iterations(&context) <= FEW);
    }
    assert_eq!(served.borrow().iter().sum::<i32>(), 3 * 72);
    for (a, b) in &pairs {
        a.set_fd_handler_local(Some(&context), None, None);
        b.set_fd_handler_local(Some(&context), None, None);
    }
    assert_eq!(Rc::strong_count(&served), 1);
}

#[test]
fn handlers_are_called_in_the_thread_that_runs_their_context() {
    let runner = Runner::new();
    let (a, b) = nonblocking_pair();
    let (sender, called) = mpsc::channel();
    let channel = a.clone();
    let handler = move || {
        let count = channel.read(&mut [0; 8]).unwrap_or(0);
        let _ = sender.send((thread::current().id(), count));
    };
    a.set_fd_handler(Some(&runner.context), Some(Box::new(handler)), None);
    for _ in 0..1_000 {
        b.write_all(b"x").expect("space");
        let (thread, count) = called.recv_timeout(TIMEOUT).expect("called");
        assert_ne!(thread, thread::current().id());
        assert_eq!(count, 1);
    }
    a.set_fd_handler(Some(&runner.context), None, None);
}

/// A handler that reads, counts bytes, and keeps its channel, for a context that a thread runs.
fn set_counting(channel: &ChannelSocket, context: &MainContext, bytes: &Arc<AtomicUsize>) {
    let (reader, counted) = (channel.clone(), bytes.clone());
    let handler = move || {
        if let Ok(count) = reader.read(&mut [0; 8]) {
            counted.fetch_add(count, Ordering::SeqCst);
        }
    };
    channel.set_fd_handler(Some(context), Some(Box::new(handler)), None);
}

#[test]
fn of_handlers_that_two_threads_set_at_once_one_is_called_and_none_is_left_after_the_close() {
    in_time(|| {
        let runners = [Runner::new(), Runner::new()];
        let mut channels = Vec::new();
        for _ in 0..3_000 {
            let (a, b) = nonblocking_pair();
            let (bytes, barrier) = (Arc::new(AtomicUsize::new(0)), Barrier::new(runners.len()));
            thread::scope(|scope| {
                for runner in &runners {
                    let set = || {
                        barrier.wait();
                        set_counting(&a, &runner.context, &bytes);
                    };
                    scope.spawn(set);
                }
            });
            b.write_all(b"x").expect("space");
            while bytes.load(Ordering::SeqCst) == 0 {
                thread::yield_now();
            }
            a.close().expect("closed");
            channels.push(a.downgrade());
        }
        while channels.iter().any(|it| it.upgrade().is_some()) {
            thread::yield_now();
        }
    });
}

#[test]
fn a_handler_that_is_set_during_a_close_in_another_thread_is_dropped() {
    in_time(|| {
        let runner = Runner::new();
        let mut channels = Vec::new();
        for round in 0..3_000 {
            let (a, _b) = nonblocking_pair();
            let closing = a.clone();
            let closes = thread::spawn(move || {
                (0..round % 200).for_each(|_| std::hint::spin_loop());
                closing.close().expect("closed");
            });
            set_counting(&a, &runner.context, &Arc::default());
            closes.join().expect("no panic");
            channels.push(a.downgrade());
        }
        while channels.iter().any(|it| it.upgrade().is_some()) {
            thread::yield_now();
        }
    });
}

#[test]
fn a_handler_is_dropped_with_a_context_that_has_never_run() {
    let (a, _b) = nonblocking_pair();
    set_counting(&a, &MainContext::new(), &Arc::default());
    let channel = a.downgrade();
    drop(a);
    assert!(channel.upgrade().is_none());
}
