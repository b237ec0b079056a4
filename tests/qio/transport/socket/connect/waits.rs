//! Connecting to a peer that does not answer at first: answered late, closed, cancelled, timed out.

use super::*;

#[test]
fn a_full_backlog_is_waited_for() {
    for (listener, _first, address) in silent() {
        on_loop(|| async move {
            let accepts = listener.clone();
            let ticks = after_ticks(move || drop(accepts.accept().expect("the first")));
            let client = ChannelSocket::connect_future(&address).await;
            assert!(ticks.load(Ordering::Relaxed) >= 3, "the loop ran");
            client.expect("connects");
        });
    }
}

#[test]
fn a_blocking_connect_interrupted_by_signals_completes() {
    let name = "transport::socket::connect::waits::\
                a_blocking_connect_interrupted_by_signals_completes";
    alone(name, || {
        for (listener, _first, address) in silent() {
            let enough = signals::interruptions() + 20;
            let accepts = thread::spawn(move || {
                while signals::interruptions() < enough {
                    thread::yield_now();
                }
                drop(listener.accept().expect("the first"));
                listener.accept().expect("the second")
            });
            let _timer = signals::interrupt_this_thread();
            let client = ChannelSocket::connect(&address).expect("connects");
            client.write_all(b"x").expect("it is connected");
            let accepted = accepts.join().expect("no panic");
            accepted.read_all(&mut [0]).expect("it is the same one");
        }
    });
}

#[test]
fn a_channel_that_is_closed_meanwhile_stops_connecting_at_once() {
    for (_listener, _first, address) in silent() {
        on_loop(|| async move {
            let channel = ChannelSocket::new();
            let progress = listen_to(&channel);
            let closes = channel.clone();
            after_ticks(move || closes.close().expect("nothing to close"));
            let e = channel.connect_async(&address, None).await;
            let e = to_glib_error(&e.expect_err("closed"));
            assert!(e.matches(gio::IOErrorEnum::Closed), "{e}");
            let last = progress.lock().expect("no panic").last().cloned();
            assert_eq!(last, Some((ConnectStage::Complete, None)));
        });
    }
}

#[test]
fn another_thread_may_close_the_channel() {
    let silent = silent();
    for round in 0..90 {
        let address = silent[round % 3].2.clone();
        on_loop(|| async move {
            let channel = ChannelSocket::new();
            let closes = channel.clone();
            let closer = thread::spawn(move || closes.close());
            let e = channel.connect_async(&address, None).await;
            let e = to_glib_error(&e.expect_err("closed"));
            assert!(e.matches(gio::IOErrorEnum::Closed), "{e}");
            closer.join().expect("no panic").expect("closed");
        });
    }
}

#[test]
fn a_timeout_of_the_client_is_named_with_the_address() {
    for (_listener, _first, address) in silent() {
        on_loop(|| async move {
            let client = gio::SocketClient::new();
            client.set_timeout(1);
            let channel = ChannelSocket::new();
            let e = channel.connect_async(&address, Some(&client)).await;
            let e = e.expect_err("the backlog is full");
            assert_eq!(e.kind(), ErrorKind::TimedOut);
            let text = format!(
                "Unable to connect to {}: ",
                SocketConnectableExt::to_string(&address)
            );
            assert!(e.to_string().starts_with(&text), "{e}");
            let e = to_glib_error(&e);
            assert!(e.matches(gio::IOErrorEnum::TimedOut), "{e:?}");
        });
    }
}

#[test]
fn a_connect_progress_handler_may_abort_the_connect() {
    in_loop(|context| {
        let direct = gio::SocketClient::new();
        direct.set_enable_proxy(false);
        let by_gio = gio::SocketClient::new();
        by_gio.set_family(gio::SocketFamily::Ipv4);
        let (ip, unix) = (listener(&v4()), listener(&abstract_name("aborts")));
        let ways = [(&ip, Some(direct)), (&ip, Some(by_gio)), (&unix, None)];
        let stages = [ConnectStage::Resolving, ConnectStage::Connecting];
        let cases = ways.iter().flat_map(|way| stages.map(|stage| (way, stage)));
        for ((listener, client), unwanted) in cases {
            let address = local(listener);
            let channel = ChannelSocket::new();
            let task = Arc::new(Mutex::new(None::<qio::JoinHandle<()>>));
            let aborts = task.clone();
            channel.connect_connect_progress(move |_, stage, _, _| {
                assert!(stage as i32 <= unwanted as i32, "{stage:?}");
                if stage == unwanted {
                    let task = aborts.lock().expect("no panic");
                    task.as_ref().expect("set").abort();
                }
            });
            let (connects, client) = (channel.clone(), client.clone());
            let handle = qio::spawn_local(async move {
                let _ = connects.connect_async(&address, client.as_ref()).await;
            });
            *task.lock().expect("no panic") = Some(handle);
            let ended = || {
                let task = task.lock().expect("no panic");
                task.as_ref().is_some_and(qio::JoinHandle::is_finished)
            };
            iterate_until(context, ended);
            settle(context);
            assert_eq!(channel.fd(), -1);
        }
    });
}

#[test]
fn dropping_it_cancels_at_once() {
    alone(
        "transport::socket::connect::waits::dropping_it_cancels_at_once",
        || {
            in_loop(|context| {
                let silent = silent();
                let give_up_at = |address: &gio::SocketAddress, unwanted| {
                    let (channel, cancellable) = (ChannelSocket::new(), gio::Cancellable::new());
                    let cancels = cancellable.clone();
                    channel.connect_connect_progress(move |_, stage, _, _| {
                        if stage == unwanted {
                            cancels.cancel();
                        }
                    });
                    let connecting = channel.connect_async(address, None);
                    context.block_on(async {
                        let e = connecting.or_cancelled(&cancellable).await;
                        // Without another turn of the loop.
                        let count = fds::count();
                        let e = to_glib_error(&e.expect_err("cancelled"));
                        assert!(e.matches(gio::IOErrorEnum::Cancelled), "{e}");
                        count
                    })
                };
                for (_, _, address) in &silent {
                    // What the loop has is made once.
                    let before = give_up_at(address, ConnectStage::Resolving);
                    for stage in [ConnectStage::Resolving, ConnectStage::Connecting] {
                        assert_eq!(give_up_at(address, stage), before, "{stage:?}");
                    }
                }
            });
        },
    );
}
