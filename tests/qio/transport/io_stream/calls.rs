//! Streams that misuse the channel that reads from them and writes to them.

use std::{
    io::{self, Write as _},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use gio::prelude::*;
use glib::{IOCondition, WeakRef};
use qio::{ChannelIoStream, Shutdown, prelude::*};

use super::{
    mocks::{Input, Output, Unexplained, until_cancelled, waiting_until_cancelled},
    reading, writing,
};
use crate::common::{
    FEW, alone::alone, fork::in_child, in_loop, in_time, iterations, signals::make_sigpipe_deadly,
};

/// The channel of a stream, for the functions of the stream.
type Place = Arc<OnceLock<WeakRef<ChannelIoStream>>>;

fn channel_in(place: &Place) -> ChannelIoStream {
    let channel = place.get().and_then(WeakRef::upgrade);
    channel.expect("the channel is there")
}

fn put(place: &Place, channel: &ChannelIoStream) {
    place.set(channel.downgrade()).expect("set once");
}

#[test]
fn a_stream_that_reads_from_its_channel_gets_an_error() {
    in_time(|| {
        let place = Place::default();
        let from = place.clone();
        let channel = reading(&Input::new(move |buffer, _| {
            let channel = channel_in(&from);
            let e = channel.read(&mut buffer[..1]).unwrap_err();
            Err(qio::to_glib_error(&e))
        }));
        put(&place, &channel);
        let e = qio::to_glib_error(&channel.read(&mut [0]).unwrap_err());
        assert!(e.matches(gio::IOErrorEnum::Pending));
    });
}

#[test]
fn a_stream_that_writes_to_its_channel_gets_an_error() {
    in_time(|| {
        let place = Place::default();
        let from = place.clone();
        let channel = writing(&Output::new(move |data, _| {
            let channel = channel_in(&from);
            assert!(channel.flush().is_err());
            let e = channel.write(data).unwrap_err();
            Err(qio::to_glib_error(&e))
        }));
        put(&place, &channel);
        let e = qio::to_glib_error(&channel.write(&[0]).unwrap_err());
        assert!(e.matches(gio::IOErrorEnum::Pending));
    });
}

#[test]
fn a_stream_may_close_its_channel_in_a_read() {
    in_time(|| {
        let place = Place::default();
        let (from, (sender, closed)) = (place.clone(), mpsc::channel());
        let input = Input::new(move |_, _| {
            channel_in(&from).close().expect("closed");
            Ok(1)
        });
        let channel = reading(&input.on_close(move || {
            sender.send(()).expect("a receiver");
            Ok(())
        }));
        put(&place, &channel);
        let e = channel.read(&mut [0]).unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::NotConnected);
        closed.recv().expect("closed behind the read");
    });
}

#[test]
fn a_stream_that_closes_itself_gets_the_error_of_gio() {
    in_time(|| {
        let place = Place::default();
        let from = place.clone();
        let stream = Input::new(move |_, _| {
            let stream = channel_in(&from).input_stream().expect("there");
            stream.close(gio::Cancellable::NONE).map(|()| 0)
        });
        let channel = reading(&stream);
        put(&place, &channel);
        let e = qio::to_glib_error(&channel.read(&mut [0]).unwrap_err());
        assert!(e.matches(gio::IOErrorEnum::Pending));
        stream.close(gio::Cancellable::NONE).expect("closed");
        let e = qio::to_glib_error(&channel.read(&mut [0]).unwrap_err());
        assert!(e.matches(gio::IOErrorEnum::Closed));
        channel.close().expect("closed");
    });
}

#[test]
fn a_blocking_stream_that_would_block_fails_and_does_not_spin() {
    in_time(|| {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        let error = || glib::Error::new(gio::IOErrorEnum::WouldBlock, "later");
        let input = Input::new(move |_, _| {
            counted.fetch_add(1, Ordering::SeqCst);
            Err(error())
        });
        let output = Output::new(move |_, _| Err(error()));
        let channel = ChannelIoStream::new_pair(Some(&input), Some(&output)).expect("a pair");
        for e in [
            channel.read(&mut [0]).unwrap_err(),
            channel.write(&[0]).unwrap_err(),
        ] {
            let e = qio::to_glib_error(&e);
            assert!(e.matches(gio::IOErrorEnum::Failed));
            assert_eq!(e.message(), "The stream would block, and cannot be polled");
        }
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_shutdown_that_would_block_fails() {
    in_time(|| {
        let output = Output::new(|data, _| Ok(data.len()));
        let error = || glib::Error::new(gio::IOErrorEnum::WouldBlock, "later");
        let channel = writing(&output.on_close(move || Err(error())));
        channel.shutdown(Shutdown::Write).expect("begun");
        let e = qio::to_glib_error(&channel.flush().unwrap_err());
        assert!(e.matches(gio::IOErrorEnum::Failed), "{e}");
    });
}

#[test]
fn a_flush_or_a_close_that_fails_without_an_error_is_an_error() {
    in_time(|| {
        let stream: Unexplained = glib::Object::new();
        let channel = writing(&stream);
        channel.write_all(b"data").expect("written");
        for e in [channel.flush().unwrap_err(), channel.close().unwrap_err()] {
            assert!(e.to_string().contains("TestUnexplainedOutput"), "{e}");
        }
    });
}

#[test]
fn a_stream_that_ignores_a_broken_pipe_in_a_flush_or_a_close_raises_no_sigpipe() {
    alone(
        "transport::io_stream::calls::a_stream_that_ignores_a_broken_pipe_in_a_flush_or_a_close_raises_no_sigpipe",
        || {
            make_sigpipe_deadly();
            let (reader, writer) = io::pipe().expect("a pipe");
            drop(reader);
            let writer = Arc::new(writer);
            let ignores = move || {
                let e = (&*writer).write(b"x").unwrap_err();
                assert_eq!(e.kind(), io::ErrorKind::BrokenPipe);
                Ok(())
            };
            let output = Output::new(|data, _| Ok(data.len()));
            let channel = writing(&output.on_flush(ignores.clone()).on_close(ignores));
            channel.write_all(b"data").expect("written");
            channel.flush().expect("flushed");
            channel.close().expect("closed");
        },
    );
}

#[test]
fn a_write_of_nothing_is_an_error_of_the_stream() {
    in_time(|| {
        let channel = writing(&Output::new(|_, _| Ok(0)));
        let e = channel.write(b"data").unwrap_err();
        assert!(e.to_string().contains("TestPlainOutput"), "{e}");
    });
}

#[test]
fn a_read_in_progress_leaves_the_main_loop_idle() {
    in_loop(|context| {
        let channel = reading(&Input::new(|_, cancellable| {
            Err(until_cancelled(cancellable))
        }));
        channel.set_blocking(false).expect("non-blocking");
        let fired = Arc::new(AtomicUsize::new(0));
        let counted = fired.clone();
        let callback = move |channel: &ChannelIoStream, _| {
            counted.fetch_add(1, Ordering::SeqCst);
            let e = channel.read(&mut [0]).unwrap_err();
            assert_eq!(e.kind(), io::ErrorKind::WouldBlock);
            glib::ControlFlow::Continue
        };
        let source = channel.add_watch_source(IOCondition::IN, callback, Some(context));
        assert!(iterations(context) <= FEW);
        assert_eq!(fired.load(Ordering::SeqCst), 1);
        source.destroy();
    });
}

#[test]
fn a_shutdown_ends_a_blocked_read() {
    in_time(|| {
        let channel = reading(&Input::new(|_, cancellable| {
            Err(until_cancelled(cancellable))
        }));
        thread::scope(|scope| {
            let reader = scope.spawn(|| channel.read(&mut [0]));
            channel.shutdown(Shutdown::Read).expect("shut down");
            assert_eq!(reader.join().expect("no panic").expect("the end"), 0);
        });
        assert_eq!(channel.read(&mut [0]).expect("the end"), 0);
        channel.close().expect("closed");
    });
}

#[test]
fn many_threads_share_a_channel_and_close_it() {
    in_time(|| {
        for _ in 0..50 {
            let count = AtomicUsize::new(0);
            let input = Input::new(move |buffer, _| {
                buffer[0] = count.fetch_add(1, Ordering::SeqCst) as u8;
                Ok(1)
            });
            let output = Output::new(|data, _| Ok(data.len()));
            let channel =
                ChannelIoStream::new_pair(Some(&input), Some(&output)).expect("two streams");
            thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| while channel.read(&mut [0]).is_ok() {});
                    scope.spawn(|| while channel.write(&[0]).is_ok() {});
                }
                scope.spawn(|| {
                    for _ in 0..20 {
                        let _ = channel.read(&mut [0]);
                    }
                    channel.close().expect("closed");
                });
            });
        }
    });
}

#[test]
fn a_forked_child_gets_an_error_where_a_thread_of_the_parent_reads() {
    alone(
        "transport::io_stream::calls::a_forked_child_gets_an_error_where_a_thread_of_the_parent_reads",
        || {
            let (busy, begun) = mpsc::channel();
            let channel = reading(&Input::new(move |_, cancellable| {
                Err(waiting_until_cancelled(cancellable, |cancellable| {
                    busy.send(cancellable.clone()).expect("a receiver");
                }))
            }));
            channel.set_blocking(false).expect("non-blocking");
            assert!(channel.read(&mut [0]).is_err());
            let cancellable = begun.recv().expect("the call has begun");
            in_child(|| {
                let e = channel.read(&mut [0]).unwrap_err();
                assert!(e.to_string().contains("forked"), "{e}");
                channel.set_blocking(true).expect("blocking");
                assert!(channel.read(&mut [0]).is_err());
                channel.close().expect("closed");
                // Another thread may have held its locks when the process was forked.
                assert!(!cancellable.is_cancelled());
            });
            channel.close().expect("closed");
        },
    );
}

#[test]
fn a_forked_child_reads_where_no_thread_of_the_parent_does() {
    alone(
        "transport::io_stream::calls::a_forked_child_reads_where_no_thread_of_the_parent_does",
        || {
            let channel = reading(&Input::new(|buffer, _| {
                buffer[0] = b'x';
                Ok(1)
            }));
            assert_eq!(channel.read(&mut [0]).expect("a byte"), 1);
            in_child(|| {
                assert_eq!(channel.read(&mut [0]).expect("a byte"), 1);
                channel.close().expect("closed");
            });
        },
    );
}
