//! Whatever runs it: contexts, tasks, coroutines.

use glib::Priority;
use qio::coroutine;

use super::*;
use crate::common::{FEW, in_time, iterations};

#[test]
fn connecting_works_in_any_context_also_if_it_is_not_a_thread_default() {
    let directory = tempfile::tempdir().expect("a directory");
    for address in kinds(directory.path()) {
        in_time(move || {
            let listener = listener(&address);
            let address = local(&listener);
            let context = MainContext::new();
            let connect = |priority| {
                let address = address.clone();
                qio::spawn_local_in(&context, priority, async move {
                    let first = ChannelSocket::connect_future(&address).await?;
                    ChannelSocket::connect_future(&address).await?;
                    io::Result::Ok(first)
                })
            };
            let tasks = [Priority::HIGH, Priority::LOW, Priority::LOW].map(connect);
            assert!(MainContext::thread_default().is_none());
            iterate_until(&context, || tasks.iter().all(qio::JoinHandle::is_finished));
            for task in tasks {
                let result = task.now_or_never().expect("ended");
                result.expect("no panic").expect("connects");
            }
        });
    }
}

#[test]
fn tasks_of_glib_connect_as_well() {
    in_loop(|context| {
        let listener = listener(&v4());
        let address = local(&listener);
        let task = context.spawn_local(async move {
            let client = ChannelSocket::connect_future(&address).await?;
            client.write_all_future(b"x").await
        });
        let result = context.block_on(task);
        result.expect("no panic").expect("connects");
        let server = listener.accept().expect("accepts");
        server.read_all(&mut [0]).expect("read");
    });
}

#[test]
fn a_connect_continues_in_another_context() {
    in_loop(|context| {
        for (listener, _first, address) in silent() {
            let mut future = Box::pin(ChannelSocket::connect_future(&address));
            begin(&mut future);
            drop(listener.accept().expect("the first"));
            context.block_on(future).expect("connects");
        }

        let tcp = listener(&v4());
        let name = gio::NetworkAddress::new("localhost", port_of(&local(&tcp)));
        let mut future = Box::pin(ChannelSocket::connect_future(&name));
        begin(&mut future);
        context.block_on(future).expect("connects");
    });
}

/// Polls a future once, in a context that is destroyed then.
fn begin(future: &mut (impl Future + Unpin)) {
    let context = MainContext::new();
    context.block_on(async { assert!(future.now_or_never().is_none()) });
}

#[test]
fn in_a_coroutine_the_blocking_call_suspends() {
    in_loop(|context| {
        let (listener, _first) = full();
        let accepts = listener.clone();
        let ticks = after_ticks(move || drop(accepts.accept().expect("the first")));
        let address = local(&listener);
        let client = coroutine::spawn(move || ChannelSocket::connect(&address));
        let client = context.block_on(client).expect("no panic");
        assert!(ticks.load(Ordering::Relaxed) >= 3, "the loop ran");
        client.expect("connects");
    });
}

#[test]
fn a_coroutine_connects_to_every_kind_of_address() {
    let directory = tempfile::tempdir().expect("a directory");
    for address in kinds(directory.path()) {
        in_loop(move |context| {
            let listener = listener(&address);
            let address = local(&listener);
            let talk = coroutine::spawn(move || {
                let client = ChannelSocket::connect(&address)?;
                client.write_all(b"x")
            });
            let result = context.block_on(talk).expect("no panic");
            result.expect("connects");
            let server = listener.accept().expect("accepts");
            server.read_all(&mut [0]).expect("read");
        });
    }
}

#[test]
fn a_coroutine_dropped_while_it_connects_releases_the_socket() {
    for (_listener, _first, address) in silent() {
        in_loop(move |context| {
            let channel = ChannelSocket::new();
            let weak = channel.downgrade();
            let task = coroutine::spawn(move || channel.connect_sync(&address));
            settle(context);
            task.abort();
            settle(context);
            assert!(weak.upgrade().is_none());
        });
    }
}

#[test]
fn a_context_may_be_run_by_another_thread_for_a_while() {
    for (listener, _first, address) in silent() {
        in_time(move || {
            let context = MainContext::new();
            let connecting = ChannelSocket::connect_future(&address);
            let task = qio::spawn_local_in(&context, Priority::DEFAULT, connecting);
            settle(&context);
            let elsewhere = context.clone();
            let accepts = listener.clone();
            let thread = thread::spawn(move || {
                drop(accepts.accept().expect("the first"));
                iterations(&elsewhere)
            });
            let count = thread.join().expect("no panic");
            assert!(count <= 2 * FEW, "{count} iterations");
            assert!(!task.is_finished(), "it stays in its thread");
            iterate_until(&context, || task.is_finished());
            let result = task.now_or_never().expect("ended");
            result.expect("no panic").expect("connects");
        });
    }
}

/// Connects, and listens, in a thread that runs no main context.
#[track_caller]
fn are_errors_in_another_thread() {
    let thread = thread::spawn(|| {
        let listener = listener(&v4());
        let connecting = ChannelSocket::connect_future(&local(&listener));
        let client = gio::SocketClient::new();
        client.set_enable_proxy(false);
        let without = ChannelSocket::new();
        let without_proxy = without.connect_async(&local(&listener), Some(&client));
        let host = gio::NetworkAddress::new("localhost", 0);
        let channel = ChannelSocket::new();
        let listening = channel.listen_future(&host, 4);
        let connected = connecting.now_or_never().expect("at once").map(drop);
        [
            connected,
            without_proxy.now_or_never().expect("at once"),
            listening.now_or_never().expect("at once"),
        ]
    });
    for result in thread.join().expect("no panic") {
        let e = result.expect_err("nothing would continue it");
        assert_eq!(e.kind(), ErrorKind::Unsupported, "{e}");
        let reason = "this thread runs no main context";
        assert!(e.to_string().ends_with(reason), "{e}");
    }
}

/// GIO's steps stay in the thread that began.
#[test]
fn in_a_thread_that_runs_no_context_it_is_an_error_whether_or_not_another_thread_does() {
    let name = "transport::socket::connect::contexts::in_a_thread_that_runs_no_context_it_is_an_error_whether_or_not_another_thread_does";
    alone(name, || {
        are_errors_in_another_thread();
        let context = MainContext::default();
        let _owned = context.acquire().expect("not acquired by another thread");
        are_errors_in_another_thread();
    });
}
