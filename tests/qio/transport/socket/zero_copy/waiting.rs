//! Waiting for zero-copy writes in flight, and other waits meanwhile.

use std::{
    io::ErrorKind,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use futures_util::future;
use gio::prelude::*;
use glib::{ControlFlow, IOCondition};
use qio::{Flushed, Shutdown, prelude::*};

use super::{ZERO_COPY, connection, counted, data, ends, fill, read_in_thread, v4};
use crate::common::{
    FEW, after_ticks, blocked::Blocked, in_loop, in_time, iterate_until, iterations, on_loop,
};

#[test]
fn a_flush_waits_for_a_peer_that_does_not_read_in_a_thread_a_future_and_a_coroutine() {
    in_loop(|context| {
        for style in 0..3 {
            let (client, server) = ends();
            let total = fill(&client, &glib::Bytes::from_owned(data(100_000)));
            let done = Arc::new(AtomicUsize::new(0));
            let (set, flushing) = (done.clone(), client.clone());
            let finish = move |flushed: std::io::Result<Flushed>| {
                flushed.expect("flushed");
                set.store(1, Ordering::SeqCst);
            };
            let mut thread = None;
            match style {
                0 => thread = Some(thread::spawn(move || finish(flushing.flush()))),
                1 => drop(qio::spawn_local(async move {
                    finish(flushing.flush_future().await);
                })),
                _ => drop(qio::coroutine::spawn(move || finish(flushing.flush()))),
            }
            let ticks = after_ticks(|| ());
            iterate_until(context, || ticks.load(Ordering::Relaxed) > 5);
            assert_eq!(done.load(Ordering::SeqCst), 0, "the peer has not read");
            let reader = read_in_thread(server, total);
            iterate_until(context, || done.load(Ordering::SeqCst) == 1);
            reader.join().expect("no panic");
            if let Some(thread) = thread {
                thread.join().expect("no panic");
            }
        }
    });
}

#[test]
fn several_may_flush_at_once() {
    let (client, server) = ends();
    let total = fill(&client, &glib::Bytes::from_owned(data(100_000)));
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let client = client.clone();
            thread::spawn(move || client.flush().expect("flushed"))
        })
        .collect();
    on_loop(move || async move {
        let reader = read_in_thread(server, total);
        let flushes = (0..3).map(|_| client.flush_future());
        for flushed in future::join_all(flushes).await {
            flushed.expect("flushed");
        }
        reader.join().expect("no panic");
    });
    in_time(move || {
        for thread in threads {
            thread.join().expect("no panic");
        }
    });
}

#[test]
fn shutting_down_and_closing_end_a_flush() {
    for close in [true, false] {
        for in_future in [true, false] {
            let (client, _server) = ends();
            fill(&client, &glib::Bytes::from_owned(data(100_000)));
            let other = client.clone();
            let end = move || match close {
                true => other.close().expect("closed"),
                false => other.shutdown(Shutdown::Both).expect("shut down"),
            };
            let e = match in_future {
                true => on_loop(move || async move {
                    after_ticks(end);
                    client.flush_future().await
                }),
                false => in_time(move || {
                    let flushing = thread::spawn(move || client.flush());
                    end();
                    flushing.join().expect("no panic")
                }),
            };
            let expected = match close {
                true => ErrorKind::NotConnected,
                false => ErrorKind::BrokenPipe,
            };
            assert_eq!(e.expect_err("it has ended").kind(), expected);
        }
    }
}

#[test]
fn a_reset_by_the_peer_ends_a_flush_and_frees_the_memory() {
    let (client, server) = ends();
    let (bytes, dropped) = counted(100_000);
    fill(&client, &bytes);
    drop(bytes);
    in_time(move || {
        let flushing = {
            let client = client.clone();
            thread::spawn(move || client.flush())
        };
        // There is unread data: the peer resets the connection.
        server.close().expect("closed");
        let _ = flushing.join().expect("no panic");
        // In any case the kernel releases the memory.
        while dropped.load(Ordering::SeqCst) == 0 {
            let _ = client.flush();
            thread::yield_now();
        }
    });
}

#[test]
fn a_watch_does_not_fire_or_spin_for_zero_copy_completions() {
    in_loop(|context| {
        let (_listener, client, server) = connection(&v4());
        client.set_blocking(false).expect("non-blocking");
        let fired = Arc::new(AtomicUsize::new(0));
        let seen = fired.clone();
        let watch = client.create_watch_full(
            IOCondition::IN,
            None,
            glib::Priority::DEFAULT,
            move |_, condition| {
                seen.store(condition.bits() as usize, Ordering::SeqCst);
                ControlFlow::Continue
            },
        );
        watch.attach(Some(context));
        // Before and after the watch is idle.
        for _ in 0..2 {
            let (bytes, dropped) = counted(50_000);
            let sent = client
                .write_bytes_full(&bytes, &[], ZERO_COPY)
                .expect("sent");
            drop(bytes);
            server.read_all(&mut vec![0; sent]).expect("read");
            iterate_until(context, || dropped.load(Ordering::SeqCst) == 1);
            assert!(iterations(context) <= FEW);
            assert_eq!(fired.load(Ordering::SeqCst), 0, "there is nothing to read");
            for _ in 0..100 {
                context.wakeup();
                context.iteration(false);
            }
        }
        server.write_all(b"x").expect("written");
        iterate_until(context, || fired.load(Ordering::SeqCst) != 0);
        assert_eq!(
            fired.load(Ordering::SeqCst),
            IOCondition::IN.bits() as usize
        );
        watch.destroy();
    });
}

#[test]
fn a_read_future_is_not_woken_by_zero_copy_completions() {
    let (_listener, client, server) = connection(&v4());
    let bytes = glib::Bytes::from_owned(data(50_000));
    client
        .write_bytes_full_all(&bytes, &[], ZERO_COPY)
        .expect("written");
    server.read_all(&mut [0; 50_000]).expect("read");
    let moment = Duration::from_millis(20);
    let e = client.wait_timeout(IOCondition::IN, moment);
    assert_eq!(e.expect_err("nothing").kind(), ErrorKind::TimedOut);
    let (later, reader) = (server.clone(), client.clone());
    let got = on_loop(move || async move {
        let bytes = glib::Bytes::from_owned(data(50_000));
        reader
            .write_bytes_full_all_future(&bytes, &[], ZERO_COPY)
            .await
            .expect("written");
        later.read_all_future(&mut [0; 50_000]).await.expect("read");
        after_ticks(move || later.write_all(b"x").expect("written"));
        reader.ready(IOCondition::IN).await
    });
    assert_eq!(got.expect("data"), IOCondition::IN);
    // A handler would be called for nothing, again and again.
    in_loop(move |context| {
        client.read_all(&mut [0]).expect("the byte");
        client.set_blocking(false).expect("non-blocking");
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        let read = Box::new(move || {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        client.set_fd_handler(Some(context), Some(read), None);
        let bytes = glib::Bytes::from_owned(data(50_000));
        let sent = client
            .write_bytes_full(&bytes, &[], ZERO_COPY)
            .expect("sent");
        server.read_all(&mut vec![0; sent]).expect("read");
        assert!(iterations(context) <= FEW + 1);
        assert!(calls.load(Ordering::SeqCst) <= 1);
        client.set_fd_handler(Some(context), None, None);
    });
}

#[test]
fn a_flush_of_a_stream_of_gio_waits_for_completions_until_it_is_cancelled() {
    in_time(|| {
        let (client, server) = ends();
        let (bytes, dropped) = counted(100_000);
        let total = fill(&client, &bytes);
        drop(bytes);
        // The last reference is released: that does not wait.
        drop(client.io_stream().output_stream());
        let cancellable = gio::Cancellable::new();
        let blocked = Arc::new(Blocked::default());
        let (other, soon, stop) = (client.clone(), blocked.clone(), cancellable.clone());
        let flushing = thread::spawn(move || {
            let output = other.io_stream().output_stream();
            soon.soon();
            output.flush(Some(&stop))
        });
        blocked.wait();
        cancellable.cancel();
        let e = flushing.join().expect("no panic").expect_err("cancelled");
        assert!(e.matches(gio::IOErrorEnum::Cancelled), "{e}");

        let other = client.clone();
        let flushing = thread::spawn(move || {
            let output = other.io_stream().output_stream();
            output.flush(gio::Cancellable::NONE)
        });
        server.read_all(&mut vec![0; total]).expect("all");
        flushing.join().expect("no panic").expect("flushed");
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
    });
}
