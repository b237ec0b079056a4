//! Channels that are opened, used in every way that waits, and dropped, also in the middle of it.

use std::time::{Duration, Instant};

use gio::prelude::*;
use glib::{IOCondition, WeakRef};
use qio::{Channel, ChannelFile, ChannelSocket, coroutine, prelude::*};

use super::*;
use crate::common::{alone::alone, fds, in_time, nonblocking_pair};

const IN: IOCondition = IOCondition::IN;

/// A watch that has been quiet for so many iterations is idle: polled by the hub.
const QUIET: usize = 40;

/// Two ends: what is written to the second one is read from the first one.
fn pairs() -> [(Channel, Channel); 3] {
    let (a, b) = nonblocking_pair();
    let loopback = gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4);
    let address = gio::InetSocketAddress::new(&loopback, 0);
    let listener = ChannelSocket::listen(&address, 1).expect("listens");
    let address = listener.local_address().expect("an address");
    let client = ChannelSocket::connect(&address).expect("connects");
    let server = listener.accept().expect("accepts");
    let (read, write) = ChannelFile::pipe().expect("a pipe");
    let pairs: [(Channel, Channel); 3] = [
        (a.upcast(), b.upcast()),
        (server.upcast(), client.upcast()),
        (read.upcast(), write.upcast()),
    ];
    for (read, _) in &pairs {
        read.set_blocking(false).expect("non-blocking");
    }
    pairs
}

async fn two_bytes(channel: Channel) -> std::io::Result<()> {
    channel.read_all_future(&mut [0; 2]).await
}

/// Waits in every way: to the end, cut off in the middle, and for what never comes.
fn use_up(read: &Channel, write: &Channel, context: &MainContext, round: usize) {
    let got = start(context, two_bytes(read.clone()));
    settle(context);
    write.write_all(b"xy").expect("space");
    join(context, got).expect("no panic").expect("read");

    let cut_off = start(context, two_bytes(read.clone()));
    settle(context);
    write.write_all(b"x").expect("space");
    settle(context);
    cut_off.abort();
    settle(context);
    assert_eq!(read.read(&mut [0; 2]).expect("given back"), 1);

    let go_on = |_: &Channel, _| ControlFlow::Continue;
    let watch = read.add_watch_source_local(IN, go_on, Some(context));
    (0..QUIET).for_each(|_| _ = context.iteration(false));
    // Else the context takes it along.
    if round.is_multiple_of(2) {
        watch.destroy();
    }

    // It keeps its channel.
    let handled = read.clone();
    let handler = move || drop(handled.read(&mut [0; 8]));
    let handler = Box::new(handler);
    read.set_fd_handler_local(Some(context), Some(handler), None);
    drop(start(context, two_bytes(read.clone())));
    let reader = read.clone();
    drop(coroutine::spawn(move || reader.read_all(&mut [0; 2])));
    settle(context);
}

/// So many rounds, each in a context of its own that goes with all that still waits there.
/// Returns what lives on.
fn churn(rounds: usize) -> usize {
    let elsewhere = Runner::new();
    let mut alive = Vec::<WeakRef<Channel>>::new();
    for round in 0..rounds {
        let context = MainContext::new();
        // They go before the context: what waits is woken while no thread runs that.
        let pairs = pairs();
        let with_each = || {
            for (read, write) in &pairs {
                use_up(read, write, &context, round);
                // What waits goes along.
                if round.is_multiple_of(3) {
                    read.attach_context(&elsewhere.context);
                    settle(&context);
                }
                if round.is_multiple_of(5) {
                    let closing = read.clone();
                    let thread = thread::spawn(move || closing.close().expect("closed"));
                    thread.join().expect("no panic");
                    settle(&context);
                }
                alive.extend([read.downgrade(), write.downgrade()]);
            }
        };
        context.with_thread_default(with_each).expect("it is free");
    }
    alive.iter().filter(|weak| weak.upgrade().is_some()).count()
}

/// As [`churn`], in a thread that has ended, with what it had of its own.
#[track_caller]
fn churn_in_time(rounds: usize) -> usize {
    in_time(move || thread::spawn(move || churn(rounds)).join()).expect("no panic")
}

/// Looks for so long, and a hundred rounds at least, whether a channel is left, or a descriptor.
fn leaves_nothing(duration: Duration) {
    let begin = Instant::now();
    // What is made once for the process is there afterwards.
    churn_in_time(1);
    let before = fds::count();
    loop {
        assert_eq!(churn_in_time(100), 0);
        assert_eq!(fds::count(), before);
        if begin.elapsed() >= duration {
            break;
        }
    }
}

#[test]
fn channels_that_are_dropped_in_every_kind_of_wait_leave_nothing() {
    alone(
        "hub::leaks::channels_that_are_dropped_in_every_kind_of_wait_leave_nothing",
        || leaves_nothing(Duration::ZERO),
    );
}

#[test]
#[ignore = "takes two minutes: `make soak`"]
fn channels_that_are_dropped_in_every_kind_of_wait_leave_nothing_in_two_minutes() {
    alone(
        "hub::leaks::channels_that_are_dropped_in_every_kind_of_wait_leave_nothing_in_two_minutes",
        || leaves_nothing(Duration::from_secs(120)),
    );
}
