//! Connecting again after failures.

use std::{
    cell::Cell,
    io::ErrorKind,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use qio::{
    Backoff, Channel, ConnectStage, NetAddress, RetryError, coroutine, is_cancelled, to_glib_error,
};

use super::*;
use crate::common::{alone::alone, fds, in_loop, in_time, iterate_until, on_loop};

/// An address where nothing listens yet, which no other test uses.
fn unused() -> NetAddress {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("qio-backoff-{}-{number}", std::process::id());
    NetAddress::unix_abstract(name).expect("short")
}

fn target(address: &NetAddress) -> gio::SocketConnectable {
    address.to_connectable().expect("a socket address")
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Short delays of known length.
fn short() -> Backoff {
    Backoff::new().delays(millis(1), millis(5)).jitter(false)
}

/// A delay that does not end before the test.
fn long() -> Backoff {
    Backoff::new()
        .delays(Duration::MAX, Duration::MAX)
        .jitter(false)
}

/// Counts the attempts of a channel that have ended, each by its last signal.
fn ends_of(channel: &ChannelSocket) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    channel.connect_connect_progress(move |_, stage, _, _| {
        if stage == ConnectStage::Complete {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    count
}

#[track_caller]
fn attempts(error: &io::Error) -> u32 {
    RetryError::of(error).expect("a retry error").attempts()
}

#[test]
fn connect_with_backoff_fails_with_the_last_error_and_the_number_of_attempts() {
    let address = unused();
    let blocking = address.clone();
    let blocking = in_time(move || blocking.connect_with_backoff(&short().attempts(4)));
    let waiting = on_loop(move || async move {
        let backoff = short().attempts(4);
        address.connect_with_backoff_future(&backoff).await
    });
    for result in [blocking, waiting] {
        let e = result.expect_err("nothing listens");
        assert_eq!(attempts(&e), 4);
        assert_eq!(e.kind(), ErrorKind::ConnectionRefused);
        let glib = to_glib_error(&e);
        assert!(glib.matches(gio::IOErrorEnum::ConnectionRefused));
        let text = glib.message();
        assert!(text.starts_with("Unable to connect to "), "{text}");
        assert!(
            text.ends_with(": Connection refused (4 attempts)"),
            "{text}"
        );
    }
}

#[test]
fn connect_with_backoff_waits_for_a_listener_that_is_opened_later() {
    let address = unused();
    in_loop(move |context| {
        let channel = ChannelSocket::new();
        let ends = ends_of(&channel);
        let connecting = {
            let (channel, address) = (channel.clone(), target(&address));
            qio::spawn_local_in(context, glib::Priority::DEFAULT, async move {
                let backoff = short();
                channel
                    .connect_with_backoff_async(&address, &backoff, None)
                    .await
            })
        };
        iterate_until(context, || ends.load(Ordering::Relaxed) >= 3);
        let listener = address.listen(4).expect("listens");
        iterate_until(context, || connecting.is_finished());
        let result = context.block_on(connecting);
        result.expect("no panic").expect("connected");
        assert!(ends.load(Ordering::Relaxed) > 3);
        is_connection(&channel, &listener.accept().expect("a client"));
    });
}

#[test]
fn connect_with_backoff_blocks_a_thread_until_a_listener_is_opened() {
    let address = unused();
    let (failed, failures) = std::sync::mpsc::channel();
    let channel = ChannelSocket::new();
    channel.connect_connect_progress(move |_, stage, _, _| {
        if stage == ConnectStage::Complete {
            let _ = failed.send(());
        }
    });
    let (connecting, to) = (channel.clone(), address.clone());
    let thread =
        thread::spawn(move || connecting.connect_with_backoff_sync(&target(&to), &short(), None));
    failures.recv().expect("an attempt");
    failures.recv().expect("an attempt");
    let listener = address.listen(4).expect("listens");
    in_time(move || thread.join())
        .expect("no panic")
        .expect("connected");
    is_connection(&channel, &listener.accept().expect("a client"));
}

#[test]
fn connect_with_backoff_suspends_a_coroutine() {
    let address = unused();
    in_loop(move |context| {
        let connecting = address.clone();
        let client: qio::JoinHandle<io::Result<Channel>> =
            coroutine::spawn(move || connecting.connect_with_backoff(&short()));
        let ticks = Cell::new(0);
        iterate_until(context, || {
            ticks.set(ticks.get() + 1);
            ticks.get() > 3
        });
        let listener = address.listen(4).expect("listens");
        iterate_until(context, || client.is_finished());
        let client = context.block_on(client).expect("no panic");
        let client = client.expect("connected").downcast().expect("a socket");
        is_connection(&client, &listener.accept().expect("a client"));
    });
}

#[test]
fn delays_between_attempts_are_at_least_those_of_the_backoff() {
    let backoff = Backoff::new()
        .attempts(4)
        .delays(millis(10), millis(30))
        .jitter(false);
    let since = Instant::now();
    let e = unused()
        .connect_with_backoff(&backoff)
        .expect_err("refused");
    assert_eq!(attempts(&e), 4);
    // 10, 20 and 30 ms.
    assert!(since.elapsed() >= millis(60));
}

#[test]
fn cancelling_ends_the_delay_of_a_backoff_at_once() {
    let cancellable = gio::Cancellable::new();
    let channel = ChannelSocket::new();
    let stop = cancellable.clone();
    channel.connect_connect_progress(move |_, stage, _, _| {
        if stage == ConnectStage::Complete {
            let stop = stop.clone();
            thread::spawn(move || stop.cancel());
        }
    });
    let e = in_time(move || {
        let (address, backoff) = (target(&unused()), long());
        channel.connect_with_backoff_sync(&address, &backoff, Some(&cancellable))
    });
    assert!(is_cancelled(&e.expect_err("cancelled")));
}

#[test]
fn closing_the_channel_ends_the_delay_of_a_backoff_at_once() {
    let channel = ChannelSocket::new();
    channel.connect_connect_progress(move |channel, stage, _, _| {
        if stage == ConnectStage::Complete {
            let channel = channel.clone();
            thread::spawn(move || channel.close());
        }
    });
    let e = in_time(move || channel.connect_with_backoff_sync(&target(&unused()), &long(), None));
    let e = to_glib_error(&e.expect_err("closed"));
    assert!(e.matches(gio::IOErrorEnum::Closed), "{e}");
}

#[test]
fn errors_that_another_attempt_would_have_as_well_end_a_backoff_at_once() {
    on_loop(|| async {
        let address = target(&unused());
        let open = ChannelSocket::pair().expect("a pair").0;
        let e = open
            .connect_with_backoff_async(&address, &long(), None)
            .await;
        let e = e.expect_err("it is open");
        assert_eq!((e.kind(), attempts(&e)), (ErrorKind::AlreadyExists, 1));

        let channel = ChannelSocket::new();
        let client = gio::SocketClient::new();
        client.set_local_address(Some(&v4()));
        let e = channel
            .connect_with_backoff_async(&address, &long(), Some(&client))
            .await;
        let e = e.expect_err("no such option for this family");
        assert_eq!((e.kind(), attempts(&e)), (ErrorKind::Unsupported, 1));
        assert!(e.to_string().ends_with(" (1 attempt)"), "{e}");

        let any_host: NetAddress = "tcp::80".parse().expect("an address");
        let e = any_host.connect_with_backoff_future(&long()).await;
        assert_eq!(e.expect_err("no host").kind(), ErrorKind::InvalidInput);
        let descriptor = NetAddress::fd(i32::MAX).expect("a number");
        descriptor
            .connect_with_backoff_future(&long())
            .await
            .expect_err("not open");
    });
}

#[test]
fn retry_repeats_any_operation_until_it_succeeds() {
    on_loop(|| async {
        let result = short().retry(async |attempt| match attempt {
            1..3 => Err(io::Error::from_raw_os_error(nix::libc::ECONNRESET)),
            number => Ok(number),
        });
        assert_eq!(result.await.expect("the third one"), 3);

        let permanent = short().retry(async |_| -> io::Result<()> {
            let e = glib::Error::new(gio::TlsError::BadCertificate, "expired");
            Err(qio::from_glib_error(e))
        });
        let e = permanent.await.expect_err("permanent");
        assert_eq!(e.to_string(), "expired (1 attempt)");
        assert!(to_glib_error(&e).matches(gio::TlsError::BadCertificate));
    });
}

#[test]
fn retry_without_a_main_context_is_an_error_and_no_busy_loop() {
    let e = in_time(|| {
        let backoff = short();
        let refused = async |_| io::Result::<()>::Err(ErrorKind::ConnectionRefused.into());
        let failing = backoff.retry(refused);
        failing.now_or_never().expect("it cannot wait")
    });
    assert_eq!(e.expect_err("no context").kind(), ErrorKind::Unsupported);
}

#[test]
fn a_dropped_backoff_leaves_no_descriptor_behind() {
    alone(
        "net::backoff::a_dropped_backoff_leaves_no_descriptor_behind",
        || {
            in_loop(|context| {
                let address = unused();
                // Once, for what stays for the length of the process.
                for round in 0..3 {
                    let before = fds::count();
                    let channel = ChannelSocket::new();
                    let ends = ends_of(&channel);
                    let (connecting, to) = (channel.clone(), target(&address));
                    let task = qio::spawn_local_in(context, glib::Priority::DEFAULT, async move {
                        let backoff = long();
                        connecting
                            .connect_with_backoff_async(&to, &backoff, None)
                            .await
                    });
                    iterate_until(context, || ends.load(Ordering::Relaxed) >= 1);
                    task.abort();
                    iterate_until(context, || task.is_finished());
                    assert!(round == 0 || fds::count() == before);
                }
            });
        },
    );
}
