//! Handshakes on a context that another thread runs: in every style, with a deadline, and with a
//! cancellable.

use std::{
    io,
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, ThreadId},
    time::Duration,
};

use gio::prelude::*;
use glib::{ControlFlow, IOCondition};
use qio::{ChannelTls, coroutine, prelude::*};

use super::fixtures::before_handshake;
use crate::common::{TIMEOUT, in_time, runner::Runner};

/// Longer than all of it takes.
const LONG: Duration = TIMEOUT;
const SHORT: Duration = Duration::from_millis(20);

/// How the handshake is done on a context.
#[derive(Clone, Copy, Debug)]
enum Style {
    Future,
    Coroutine,
    /// Called by a watch: continues until it would block.
    Callback,
}
use Style::{Callback, Coroutine, Future};

/// Performs the handshake until the deadline, on the context of a thread that is not this one.
fn start(
    runner: &Runner,
    end: &ChannelTls,
    style: Style,
    deadline: Duration,
    cancellable: &gio::Cancellable,
) -> Receiver<io::Result<()>> {
    let (sender, receiver) = mpsc::channel();
    let (end, cancellable) = (end.clone(), cancellable.clone());
    let here = runner.context.clone();
    let is_blocking = !matches!(style, Callback);
    end.set_blocking(is_blocking).expect("the mode");
    runner
        .context
        .invoke(move || begin(&here, &end, style, deadline, cancellable, sender));
    receiver
}

fn begin(
    here: &glib::MainContext,
    end: &ChannelTls,
    style: Style,
    deadline: Duration,
    cancellable: gio::Cancellable,
    sender: Sender<io::Result<()>>,
) {
    let handshaking = end.clone();
    let handshaking = async move {
        let limited = handshaking.handshake_future().or_timeout(deadline);
        limited.or_cancelled(&cancellable).await
    };
    match style {
        Future => {
            here.spawn_local(async move {
                let _ = sender.send(handshaking.await);
            });
        }
        Coroutine => {
            coroutine::spawn(move || {
                let result = coroutine::wait_for(handshaking).and_then(|result| result);
                let _ = sender.send(result);
            });
        }
        Callback => {
            let go_on = move |end: &ChannelTls, _| {
                let result = match end.read(&mut [0]) {
                    Err(e) if e.kind() != io::ErrorKind::WouldBlock => Err(e),
                    _ if end.is_handshake_done() => Ok(()),
                    _ => return ControlFlow::Continue,
                };
                let _ = sender.send(result);
                ControlFlow::Break
            };
            end.add_watch_source_local(IOCondition::IN, go_on, Some(here));
        }
    }
}

/// The threads in which the end of a handshake is notified.
fn reported(end: &ChannelTls) -> Arc<Mutex<Vec<ThreadId>>> {
    let reported = Arc::<Mutex<Vec<_>>>::default();
    let log = reported.clone();
    end.connect_handshake_done_notify(move |_| {
        log.lock().expect("whole").push(thread::current().id());
    });
    reported
}

#[test]
fn another_thread_performs_the_handshake_in_every_style() {
    in_time(|| {
        let runner = Runner::new();
        let (sender, receiver) = mpsc::channel();
        runner.context.invoke(move || {
            let _ = sender.send(thread::current().id());
        });
        let there = receiver.recv_timeout(TIMEOUT).expect("it runs");
        for style in [Future, Coroutine, Callback] {
            let (client, server) = before_handshake();
            let done = reported(&server);
            let agreed = start(&runner, &server, style, LONG, &gio::Cancellable::new());
            client.handshake().expect("connected");
            let agreed = agreed.recv_timeout(TIMEOUT).expect("it ends");
            agreed.unwrap_or_else(|e| panic!("{style:?}: {e}"));
            assert_eq!(*done.lock().expect("whole"), [there], "{style:?}");
        }
    });
}

#[test]
fn a_deadline_holds_in_another_thread() {
    in_time(|| {
        let runner = Runner::new();
        for style in [Future, Coroutine] {
            let (client, server) = before_handshake();
            let agreed = start(&runner, &server, style, SHORT, &gio::Cancellable::new());
            let agreed = agreed.recv_timeout(TIMEOUT).expect("it ends");
            let e = agreed.expect_err("no answer");
            assert_eq!(e.kind(), io::ErrorKind::TimedOut, "{style:?}: {e}");
            // Nothing was lost.
            let agreed = start(&runner, &server, style, LONG, &gio::Cancellable::new());
            client.handshake().expect("connected");
            let agreed = agreed.recv_timeout(TIMEOUT).expect("it ends");
            agreed.expect("connected");
        }
    });
}

#[test]
fn cancelling_from_here_ends_a_handshake_there() {
    in_time(|| {
        let runner = Runner::new();
        for style in [Future, Coroutine] {
            for before in [true, false] {
                let (_client, server) = before_handshake();
                let cancellable = gio::Cancellable::new();
                if before {
                    cancellable.cancel();
                }
                let agreed = start(&runner, &server, style, LONG, &cancellable);
                cancellable.cancel();
                let agreed = agreed.recv_timeout(TIMEOUT).expect("it ends");
                let e = agreed.expect_err("no answer");
                let error = qio::to_glib_error(&e);
                assert!(error.matches(gio::IOErrorEnum::Cancelled), "{style:?}: {e}");
            }
        }
    });
}

#[test]
fn closing_from_here_ends_a_handshake_there() {
    in_time(|| {
        let runner = Runner::new();
        for style in [Future, Coroutine, Callback] {
            let (_client, server) = before_handshake();
            let agreed = start(&runner, &server, style, LONG, &gio::Cancellable::new());
            server.close().expect("closed");
            let agreed = agreed.recv_timeout(TIMEOUT).expect("it ends");
            let e = agreed.expect_err("it is closed");
            assert_eq!(e.kind(), io::ErrorKind::NotConnected, "{style:?}: {e}");
        }
    });
}
