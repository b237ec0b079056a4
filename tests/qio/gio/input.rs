//! `src/gio/input.rs`: reading as GIO does.

mod files;

use std::{
    cell::RefCell,
    fs,
    io::{self, Seek as _, Write as _},
    rc::Rc,
    sync::mpsc,
    thread,
};

use gio::{Cancellable, IOErrorEnum, prelude::*};
use glib::{ControlFlow, IOCondition, subclass::prelude::*};
use qio::{ChannelBuffer, ChannelFile, ChannelSocket, InputStream, coroutine, prelude::*};

use crate::common::{in_loop, in_time, iterate_until, on_loop};

fn pollable(stream: &gio::InputStream) -> gio::PollableInputStream {
    stream.clone().dynamic_cast().expect("a pollable stream")
}

#[test]
fn a_blocking_read_of_a_stream_waits_for_data_in_both_modes() {
    in_time(|| {
        for blocking in [true, false] {
            let (here, there) = ChannelSocket::pair().expect("a pair");
            here.set_blocking(blocking).expect("the mode");
            let stream = here.io_stream();
            let writer = thread::spawn(move || {
                there.wait(IOCondition::OUT).expect("writable");
                there.write_all(b"late").expect("written");
                there
            });
            let bytes = stream.input_stream().read_bytes(16, Cancellable::NONE);
            assert_eq!(&*bytes.expect("data"), b"late");
            drop(writer.join().expect("no panic"));
            let bytes = stream.input_stream().read_bytes(16, Cancellable::NONE);
            assert_eq!(bytes.expect("end-of-file").len(), 0);
            assert_eq!(here.is_blocking(), blocking);
        }
    });
}

#[test]
fn a_nonblocking_read_of_a_stream_never_blocks_on_a_blocking_channel() {
    in_time(|| {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        assert!(here.is_blocking());
        let input = pollable(&here.io_stream().input_stream());
        assert!(input.can_poll() && !input.is_readable());
        let mut buf = [0; 8];
        let e = input.read_nonblocking(&mut buf, Cancellable::NONE);
        let e = e.expect_err("no data");
        assert!(e.matches(IOErrorEnum::WouldBlock), "{e}");
        there.write_all(b"data").expect("written");
        assert!(input.is_readable());
        assert_eq!(input.read_nonblocking(&mut buf, Cancellable::NONE), Ok(4));
        there.close().expect("closed");
        assert!(input.is_readable(), "end-of-file is readable");
        assert_eq!(input.read_nonblocking(&mut buf, Cancellable::NONE), Ok(0));
    });
}

#[test]
fn a_source_of_a_stream_reports_readiness_in_any_context() {
    in_loop(|context| {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let input = pollable(&here.io_stream().input_stream());
        let read = Rc::new(RefCell::new(Vec::new()));
        let source = input.create_source(
            Cancellable::NONE,
            Some("pollable"),
            glib::Priority::DEFAULT,
            {
                let read = read.clone();
                move |input: &gio::PollableInputStream| {
                    let mut buf = [0; 8];
                    match input.read_nonblocking(&mut buf, Cancellable::NONE) {
                        Ok(0) => return ControlFlow::Break,
                        Ok(n) => read.borrow_mut().extend_from_slice(&buf[..n as usize]),
                        Err(e) => assert!(e.matches(IOErrorEnum::WouldBlock), "{e}"),
                    }
                    ControlFlow::Continue
                }
            },
        );
        source.attach(Some(context));
        assert!(!context.iteration(false), "there is nothing to read");
        for text in ["one ", "two"] {
            there.write_all(text.as_bytes()).expect("written");
            while !read.borrow().ends_with(text.as_bytes()) {
                context.iteration(true);
            }
        }
        there.close().expect("closed");
        while !source.is_destroyed() {
            context.iteration(true);
        }
        assert_eq!(*read.borrow(), b"one two");
    });
}

#[test]
fn an_asynchronous_read_of_a_stream_waits_in_the_main_loop() {
    on_loop(|| async {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let input = here.io_stream().input_stream();
        let reading = input.read_bytes_future(16, glib::Priority::DEFAULT);
        let writing = async {
            there.write_all_future(b"late").await.expect("written");
        };
        let (bytes, ()) = futures_util::future::join(reading, writing).await;
        assert_eq!(&*bytes.expect("data"), b"late");
        drop(there);
        let bytes = input.read_bytes_future(16, glib::Priority::DEFAULT).await;
        assert_eq!(bytes.expect("end-of-file").len(), 0);
    });
}

#[test]
fn an_asynchronous_read_of_a_stream_attempts_at_once_and_completes_in_a_later_iteration() {
    on_loop(|| async {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        here.set_blocking(false).expect("non-blocking");
        there.write_all(b"now").expect("written");
        let result = Rc::new(RefCell::new(None));
        let place = result.clone();
        let (priority, cancellable) = (glib::Priority::DEFAULT, Cancellable::NONE);
        let input = here.io_stream().input_stream();
        input.read_async(vec![0; 16], priority, cancellable, move |read| {
            place.replace(Some(read));
        });
        let left = here.read(&mut [0; 16]).expect_err("it was read");
        assert_eq!(left.kind(), io::ErrorKind::WouldBlock);
        assert!(result.borrow().is_none(), "the callback is not re-entrant");
        while result.borrow().is_none() {
            qio::spawn_local(async {}).await.expect("an iteration");
        }
        let (_, count) = result.take().expect("completed").expect("read");
        assert_eq!(count, 3);
    });
}

mod imp {
    use std::{
        io::{self, IoSliceMut},
        os::fd::OwnedFd,
        sync::OnceLock,
    };

    use glib::IOCondition;
    use qio::{ChannelSocket, ReadFlags, Readiness, prelude::*, subclass::prelude::*};

    use crate::common::classes::channel_class;

    /// Waits for four bytes of a socket, whatever its mode is.
    #[derive(Default)]
    pub struct Waiting {
        pub(super) socket: OnceLock<ChannelSocket>,
    }

    channel_class!(Waiting, "TestWaitingInput");

    impl ChannelImpl for Waiting {
        fn readv(
            &self,
            iov: &mut [IoSliceMut<'_>],
            _fds: Option<&mut Vec<OwnedFd>>,
            _flags: ReadFlags,
        ) -> io::Result<usize> {
            let socket = self.socket.get().expect("set");
            socket.read_all(&mut iov[0][..4]).map(|()| 4)
        }

        fn close(&self) -> io::Result<()> {
            Ok(())
        }

        fn set_blocking(&self, _enabled: bool) -> io::Result<()> {
            Ok(())
        }

        fn wait_fd(&self, _condition: IOCondition) -> Readiness {
            Readiness::Now
        }
    }
}

glib::wrapper! {
    pub struct Waiting(ObjectSubclass<imp::Waiting>) @extends qio::Channel;
}

#[test]
fn an_asynchronous_call_in_a_coroutine_does_not_suspend_it_in_the_class() {
    in_loop(|context| {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let channel: Waiting = glib::Object::new();
        channel.imp().socket.set(here).expect("once");
        channel.set_blocking(false).expect("the mode");
        let input = channel.io_stream().input_stream();
        let (returned, has_returned) = mpsc::channel();
        let result = Rc::new(RefCell::new(None));
        let place = result.clone();
        let caller = coroutine::spawn(move || {
            let (priority, cancellable) = (glib::Priority::DEFAULT, Cancellable::NONE);
            input.read_async(vec![0; 16], priority, cancellable, move |read| {
                place.replace(Some(read));
            });
            returned.send(()).expect("awaited");
        });
        // While the main loop waits in the class, which blocks it.
        let writer = thread::spawn(move || {
            has_returned.recv().expect("returned");
            there.write_all(b"late").expect("written");
        });
        iterate_until(context, || result.borrow().is_some());
        let (_, count) = result.take().expect("completed").expect("read");
        assert_eq!(count, 4);
        context.block_on(caller).expect("no panic");
        writer.join().expect("no panic");
    });
}

#[test]
fn a_cancelled_read_of_a_stream_reports_cancelled_and_loses_no_data() {
    on_loop(|| async {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let input = here.io_stream().input_stream();
        for _ in 0..100 {
            let cancellable = Cancellable::new();
            let result = Rc::new(RefCell::new(None));
            input.read_async(vec![0; 4], glib::Priority::DEFAULT, Some(&cancellable), {
                let result = result.clone();
                move |got| drop(result.replace(Some(got)))
            });
            // Cancelled before the read is polled, with data in the socket.
            there.write_all(b"data").expect("written");
            cancellable.cancel();
            let got = loop {
                if let Some(got) = result.take() {
                    break got;
                }
                glib::MainContext::ref_thread_default().iteration(true);
            };
            let received = match got {
                Ok((buf, n)) => buf[..n].to_vec(),
                Err((_, e)) => {
                    assert!(e.matches(IOErrorEnum::Cancelled), "{e}");
                    Vec::new()
                }
            };
            let mut all = received;
            let mut rest = vec![0; 4 - all.len()];
            here.read_all_future(&mut rest).await.expect("the rest");
            all.extend(rest);
            assert_eq!(all, b"data");
        }
    });
}

#[test]
fn another_thread_cancels_a_blocking_read_of_a_stream() {
    in_time(|| {
        let (here, _there) = ChannelSocket::pair().expect("a pair");
        let cancellable = Cancellable::new();
        let other = cancellable.clone();
        let thread = thread::spawn(move || other.cancel());
        let e = here
            .io_stream()
            .input_stream()
            .read_bytes(1, Some(&cancellable));
        let e = e.expect_err("cancelled");
        assert!(e.matches(IOErrorEnum::Cancelled), "{e}");
        thread.join().expect("no panic");
    });
}

#[test]
fn a_read_of_a_stream_suspends_the_coroutine_that_makes_it() {
    in_loop(|context| {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let read = Rc::new(RefCell::new(None));
        coroutine::spawn({
            let read = read.clone();
            move || {
                let bytes = here
                    .io_stream()
                    .input_stream()
                    .read_bytes(16, Cancellable::NONE);
                *read.borrow_mut() = Some(bytes.expect("data"));
            }
        });
        while context.iteration(false) {}
        assert!(read.borrow().is_none(), "this thread was not blocked");
        there.write_all(b"late").expect("written");
        while read.borrow().is_none() {
            context.iteration(true);
        }
        assert_eq!(read.borrow().as_deref(), Some(&b"late"[..]));
    });
}

#[test]
fn a_stream_skips_data() {
    on_loop(|| async {
        let channel = ChannelBuffer::from(b"0123456789".to_vec());
        let input = channel.io_stream().input_stream();
        assert_eq!(input.skip(3, Cancellable::NONE), Ok(3));
        let skipped = input.skip_future(3, glib::Priority::DEFAULT).await;
        assert_eq!(skipped, Ok(3));
        let bytes = input.read_bytes(8, Cancellable::NONE).expect("data");
        assert_eq!(&*bytes, b"6789");
    });
}

#[test]
fn a_stream_that_is_constructed_without_a_channel_fails_and_names_the_property() {
    in_loop(|context| {
        let input: InputStream = glib::Object::new();
        let mut buf = [0; 1];
        let e = input.read(&mut buf, Cancellable::NONE).expect_err("none");
        assert_eq!(
            e.message(),
            "The stream has no channel: the property \"channel\" was not set"
        );
        let reading = input.read_bytes_future(1, glib::Priority::DEFAULT);
        let e = context.block_on(reading).expect_err("none");
        assert!(e.matches(IOErrorEnum::InvalidArgument), "{e}");
        let stream: qio::IoStream = glib::Object::new();
        assert!(stream.channel().is_none());
        let e = stream.close(Cancellable::NONE).expect_err("none");
        assert!(e.matches(IOErrorEnum::InvalidArgument), "{e}");
    });
}

#[test]
fn the_halves_of_a_stream_are_the_same_objects_each_time_and_outlive_it() {
    in_time(|| {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let stream = here.io_stream();
        assert_eq!(stream.input_stream(), stream.input_stream());
        assert_eq!(stream.output_stream(), stream.output_stream());
        let (input, output) = (stream.input_stream(), stream.output_stream());
        let weak = stream.downgrade();
        drop((stream, here));
        assert!(
            weak.upgrade().is_none(),
            "the halves do not hold the stream"
        );
        there.write_all(b"x").expect("written");
        let bytes = input.read_bytes(1, Cancellable::NONE).expect("data");
        assert_eq!(&*bytes, b"x");
        output.write_all(b"y", Cancellable::NONE).expect("written");
        drop(input);
        let channel = there.clone();
        let mut buf = [0; 1];
        channel.read_all(&mut buf).expect("data");
        drop(output);
        assert_eq!(channel.read(&mut buf).expect("end-of-file"), 0);
    });
}
