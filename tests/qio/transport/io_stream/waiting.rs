//! All ways to wait, over streams that can poll and streams that cannot.

use std::{
    cell::{Cell, RefCell},
    io,
    rc::Rc,
    time::Duration,
};

use futures_util::FutureExt as _;
use gio::prelude::*;
use glib::{ControlFlow, IOCondition, Priority};
use qio::{ChannelIoStream, ChannelSocket, coroutine, prelude::*};

use super::{plain_pair, read_some};
use crate::common::{FEW, fill, in_loop, in_time, iterate_until, iterations, on_loop};

fn pollable_pair() -> (ChannelIoStream, ChannelIoStream) {
    let (here, there) = ChannelSocket::pair().expect("a pair");
    let channel = |it: ChannelSocket| ChannelIoStream::new(&it.to_connection().expect("connected"));
    (channel(here), channel(there))
}

const PAIRS: [fn() -> (ChannelIoStream, ChannelIoStream); 2] = [pollable_pair, plain_pair];

#[test]
fn a_watch_reads_what_arrives_and_does_not_spin() {
    for pair in PAIRS {
        in_loop(move |context| {
            let (here, there) = pair();
            here.set_blocking(false).expect("non-blocking");
            let got = Rc::new(RefCell::new(Vec::new()));
            let all = got.clone();
            let callback = move |channel: &ChannelIoStream, _| {
                let mut buf = [0; 3];
                match channel.read(&mut buf) {
                    Ok(count) => all.borrow_mut().extend(&buf[..count]),
                    Err(e) => assert_eq!(e.kind(), io::ErrorKind::WouldBlock),
                }
                ControlFlow::Continue
            };
            let watch = here.add_watch_source_local(IOCondition::IN, callback, Some(context));
            for word in ["hello", "again"] {
                assert!(iterations(context) <= FEW);
                there.write_all(word.as_bytes()).expect("written");
                iterate_until(context, || got.borrow().ends_with(word.as_bytes()));
            }
            assert_eq!(*got.borrow(), b"helloagain");
            assert!(iterations(context) <= FEW);
            watch.destroy();
        });
    }
}

#[test]
fn a_watch_for_both_directions_reports_those_that_are_ready() {
    in_loop(|context| {
        let (here, there) = pollable_pair();
        let got = Rc::new(Cell::new(IOCondition::empty()));
        let result = got.clone();
        let both = IOCondition::IN | IOCondition::OUT;
        let callback = move |_: &ChannelIoStream, condition| {
            result.set(condition);
            ControlFlow::Continue
        };
        let watch = here.add_watch_source_local(both, callback, Some(context));
        iterate_until(context, || !got.get().is_empty());
        assert_eq!(got.get(), IOCondition::OUT);
        there.write_all(b"x").expect("written");
        iterate_until(context, || got.get() == both);
        watch.destroy();
    });
}

#[test]
fn a_watch_of_a_higher_priority_is_dispatched_first() {
    for pair in PAIRS {
        in_loop(move |context| {
            let (here, _there) = pair();
            let order = Rc::new(RefCell::new(Vec::new()));
            let sources = [Priority::LOW, Priority::HIGH].map(|priority| {
                let order = order.clone();
                let callback = move |_: &ChannelIoStream, _| {
                    order.borrow_mut().push(priority);
                    ControlFlow::Break
                };
                let (condition, name) = (IOCondition::OUT, Some("test"));
                here.create_watch_full_local(condition, name, priority, callback)
            });
            for source in &sources {
                source.attach(Some(context));
            }
            iterate_until(context, || order.borrow().len() == 2);
            assert_eq!(*order.borrow(), [Priority::HIGH, Priority::LOW]);
        });
    }
}

#[test]
fn closing_ends_every_wait() {
    for pair in PAIRS {
        in_loop(move |context| {
            let (here, _there) = pair();
            here.set_blocking(false).expect("non-blocking");
            assert!(here.read(&mut [0]).is_err());
            let got = Rc::new(Cell::new(IOCondition::empty()));
            let result = got.clone();
            let callback = move |_: &ChannelIoStream, condition| {
                result.set(condition);
                ControlFlow::Continue
            };
            here.add_watch_source_local(IOCondition::IN, callback, Some(context));
            let end = here.create_watch(IOCondition::HUP);
            end.attach(Some(context));
            assert!(iterations(context) <= FEW);
            assert!(got.get().is_empty());
            here.close().expect("closed");
            iterate_until(context, || got.get() == IOCondition::NVAL);
            end.destroy();
            let waited = here.wait(IOCondition::IN).expect("closed");
            assert_eq!(waited, IOCondition::NVAL);
        });
    }
}

#[test]
fn waits_time_out_and_are_cancelled() {
    for pair in PAIRS {
        in_time(move || {
            let (here, _there) = pair();
            here.set_blocking(false).expect("non-blocking");
            assert!(here.read(&mut [0]).is_err());
            let e = here.wait_timeout(IOCondition::IN, Duration::from_millis(5));
            assert_eq!(e.unwrap_err().kind(), io::ErrorKind::TimedOut);
            let cancellable = gio::Cancellable::new();
            std::thread::scope(|scope| {
                let cancellable = &cancellable;
                scope.spawn(move || cancellable.cancel());
                let e = here.wait_cancellable(IOCondition::IN, cancellable);
                assert!(qio::to_glib_error(&e.unwrap_err()).matches(gio::IOErrorEnum::Cancelled));
            });
        });
    }
}

#[test]
fn a_flush_whose_future_is_dropped_makes_no_watch_spin() {
    in_loop(|context| {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let channel = ChannelIoStream::new(&here.io_stream());
        channel.set_blocking(false).expect("non-blocking");
        fill(&channel);
        while context.block_on(async { channel.flush_future().now_or_never().is_some() }) {
            // It has ended already: there must be something to flush again.
            there.read_all(&mut [0; 65_536]).expect("data");
            fill(&channel);
        }
        let ended = channel.wait(IOCondition::OUT).expect("flushed");
        assert_eq!(ended, IOCondition::OUT);
        let fired = Rc::new(Cell::new(0));
        let count = fired.clone();
        let callback = move |channel: &ChannelIoStream, _| {
            count.set(count.get() + 1);
            let e = channel.write(&[0]).unwrap_err();
            assert_eq!(e.kind(), io::ErrorKind::WouldBlock);
            ControlFlow::Continue
        };
        let watch = channel.add_watch_source_local(IOCondition::OUT, callback, Some(context));
        assert!(iterations(context) <= FEW);
        assert_eq!(fired.get(), 1);
        watch.destroy();
    });
}

#[test]
fn coroutines_transfer_in_both_modes() {
    for pair in PAIRS {
        for blocking in [true, false] {
            on_loop(move || async move {
                let (here, there) = pair();
                here.set_blocking(blocking).expect("the mode");
                there.set_blocking(blocking).expect("the mode");
                let data = vec![b'x'; 300_000];
                let sent = data.clone();
                let writer = coroutine::spawn(move || {
                    here.write_all(&sent).expect("written");
                    here.flush().expect("flushed");
                    here.close().expect("closed");
                });
                let reader = coroutine::spawn(move || there.read_to_end(400_000));
                writer.await.expect("no panic");
                let read = reader.await.expect("no panic").expect("all");
                assert!(read == data);
            });
        }
    }
}

#[test]
fn a_channel_is_waited_for_in_another_context_than_it_was_made_in() {
    for pair in PAIRS {
        in_time(move || {
            let (here, there) = pair();
            let reader = std::thread::spawn(move || {
                let context = glib::MainContext::new();
                let read = || context.block_on(read_some(&here));
                let read = context.with_thread_default(read).expect("a context");
                // The last reference goes here.
                read.expect("data")
            });
            there.write_all(b"hello").expect("written");
            assert_eq!(reader.join().expect("no panic"), b"hello".as_slice());
        });
    }
}
