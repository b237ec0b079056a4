//! Waiting by each virtual function, of a class that has one of them.

use super::*;

/// How a [`Hesitant`] channel reports what to wait for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum How {
    /// By `wait_fd`: its pipe can be read.
    Fd,
    /// By `wait_fd`: the readability of its pipe, whatever the condition; and later "ready now".
    FdThenNow,
    /// By `create_watch`, of its pipe, of a timeout, of an idle source.
    FdWatch,
    Timeout,
    Idle,
    /// Not at all.
    Silence,
}

const WAKING: [How; 5] = [
    How::Fd,
    How::FdThenNow,
    How::FdWatch,
    How::Timeout,
    How::Idle,
];

mod imp {
    use std::{
        io,
        os::fd::OwnedFd,
        sync::{
            OnceLock,
            atomic::{AtomicUsize, Ordering},
        },
        time::Duration,
    };

    use glib::{ControlFlow, IOCondition, Priority, Source};
    use qio::{ChannelFile, ReadFlags, Readiness, prelude::*, subclass::prelude::*};

    use crate::common::classes::channel_class;

    use super::How;

    #[derive(Default)]
    pub struct Hesitant {
        pub(super) how: OnceLock<How>,
        pub(super) pipe: OnceLock<(ChannelFile, ChannelFile)>,
        /// How often reading would block, from now on.
        pub(super) refusals: AtomicUsize,
        pub(super) reads: AtomicUsize,
        pub(super) calls: AtomicUsize,
    }

    channel_class!(Hesitant, "TestHesitant");

    impl ChannelImpl for Hesitant {
        fn readv(
            &self,
            iov: &mut [io::IoSliceMut<'_>],
            _fds: Option<&mut Vec<OwnedFd>>,
            _flags: ReadFlags,
        ) -> io::Result<usize> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            let left = self.refusals.load(Ordering::Relaxed);
            self.refusals
                .store(left.saturating_sub(1), Ordering::Relaxed);
            if left > 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            // A byte at a time, so that there is more than one read.
            iov[0][0] = b'x';
            self.refusals.store(2, Ordering::Relaxed);
            Ok(1)
        }

        fn wait_fd(&self, condition: IOCondition) -> Readiness {
            let before = self.calls.fetch_add(1, Ordering::Relaxed);
            match self.how() {
                How::FdThenNow if before > 0 => Readiness::Now,
                How::Fd | How::FdThenNow => Readiness::Fd(self.pipe().0.fd(), IOCondition::IN),
                _ => self.parent_wait_fd(condition),
            }
        }

        fn create_watch(&self, condition: IOCondition) -> Source {
            let moment = Duration::from_millis(2);
            // The callback is not the one that counts.
            let never = || ControlFlow::Break;
            match self.how() {
                How::FdWatch => self.obj().create_fd_watch(self.pipe().0.fd(), condition),
                How::Timeout => glib::timeout_source_new(moment, None, Priority::DEFAULT, never),
                How::Idle => glib::idle_source_new(None, Priority::DEFAULT, never),
                _ => self.parent_create_watch(condition),
            }
        }
    }

    impl Hesitant {
        fn how(&self) -> How {
            *self.how.get().expect("set at first")
        }

        fn pipe(&self) -> &(ChannelFile, ChannelFile) {
            self.pipe.get().expect("set at first")
        }
    }
}

glib::wrapper! {
    pub struct Hesitant(ObjectSubclass<imp::Hesitant>) @extends Channel;
}

impl Hesitant {
    fn new(how: How) -> Self {
        let this: Self = glib::Object::new();
        this.imp().how.set(how).expect("new");
        let pipe = ChannelFile::pipe().expect("a pipe");
        this.imp().pipe.set(pipe).expect("new");
        this
    }

    /// Makes its pipe readable.
    fn wake(&self) {
        let (_, write) = self.imp().pipe.get().expect("set");
        write.write_all(b"x").expect("there is space");
    }

    /// Watches it in a context, and returns the condition of the first dispatch.
    fn first_dispatch(&self, context: &MainContext, condition: IOCondition) -> IOCondition {
        let (sender, conditions) = mpsc::channel();
        let on_ready = move |_: &Self, condition| {
            sender.send(condition).expect("it is awaited");
            ControlFlow::Break
        };
        let source = self.add_watch_source(condition, on_ready, Some(context));
        iterate_until(context, || source.is_destroyed());
        conditions.try_recv().expect("the watch was dispatched")
    }
}

#[test]
fn a_wait_ends_with_each_virtual_function_for_waiting() {
    for how in WAKING {
        let channel = Hesitant::new(how);
        channel.wake();
        for _ in 0..2 {
            assert_eq!(channel.wait(IN).expect("ready"), IN, "{how:?}");
        }
    }
}

#[test]
fn a_watch_fires_with_each_virtual_function_for_waiting() {
    for how in WAKING {
        let channel = Hesitant::new(how);
        channel.wake();
        let context = MainContext::new();
        assert_eq!(channel.first_dispatch(&context, IN), IN, "{how:?}");
        assert_eq!(channel.first_dispatch(&context, IN), IN, "{how:?}");
    }
}

#[test]
fn read_all_completes_with_each_virtual_function_for_waiting() {
    for how in WAKING {
        let channel = Hesitant::new(how);
        channel.wake();
        channel.imp().refusals.store(3, Ordering::Relaxed);
        let reader = channel.clone();
        let read = in_time(move || {
            let mut buf = [0; 3];
            reader.read_all(&mut buf).map(|()| buf)
        });
        assert_eq!(&read.expect("all is read"), b"xxx", "{how:?}");
        // Three bytes, and would-block 3, 2 and 2 times: each refusal was waited out once.
        assert_eq!(channel.imp().reads.load(Ordering::Relaxed), 10);
    }
}

#[test]
fn a_poll_fd_may_have_another_condition_than_requested() {
    let channel = Hesitant::new(How::Fd);
    assert!(channel.wait_timeout(OUT, A_WHILE).is_err());
    channel.wake();
    assert_eq!(channel.wait(OUT).expect("ready"), OUT);
    assert_eq!(channel.first_dispatch(&MainContext::new(), OUT), OUT);
    assert_eq!(channel.wait(IN | OUT).expect("ready"), IN | OUT);
}

#[test]
fn a_wait_by_descriptor_or_watch_can_time_out() {
    for how in [How::Fd, How::FdWatch] {
        let channel = Hesitant::new(how);
        let e = channel
            .wait_timeout(IN, A_WHILE)
            .expect_err("nothing comes");
        assert_eq!(e.kind(), io::ErrorKind::TimedOut, "{how:?}");
        let wakes = channel.clone();
        assert_eq!(got_when(&channel, IN, move || wakes.wake()), IN, "{how:?}");
    }
}

#[test]
fn a_watch_calls_io_wait_fd_before_every_poll() {
    let channel = Hesitant::new(How::FdThenNow);
    // Its pipe stays empty: only the second answer makes the watch fire.
    assert_eq!(channel.first_dispatch(&MainContext::new(), IN), IN);
    assert!(channel.imp().calls.load(Ordering::Relaxed) >= 2);
}

#[test]
fn read_all_on_a_class_that_cannot_wait_fails_instead_of_spinning() {
    let channel = Hesitant::new(How::Silence);
    channel.imp().refusals.store(5, Ordering::Relaxed);
    let reader = channel.clone();
    let e = in_time(move || reader.read_all(&mut [0; 1])).expect_err("it would block");
    assert_eq!(e.kind(), io::ErrorKind::Unsupported);
    assert_eq!(channel.imp().reads.load(Ordering::Relaxed), 1);
}

#[test]
fn a_watch_on_a_class_that_cannot_wait_reports_nval_once() {
    let channel = Hesitant::new(How::Silence);
    assert_eq!(channel.wait(IN).expect("an answer"), NVAL);
    for condition in [IN, OUT, IN | OUT, IOCondition::empty()] {
        assert_eq!(channel.first_dispatch(&MainContext::new(), condition), NVAL);
    }
    let (sender, conditions) = mpsc::channel();
    let context = MainContext::new();
    let go_on = move |_: &Hesitant, condition| {
        sender.send(condition).expect("it is awaited");
        ControlFlow::Continue
    };
    let source: Source = channel.add_watch_source(IN, go_on, Some(&context));
    iterate_until(&context, || source.is_destroyed());
    assert_eq!(conditions.iter().collect::<Vec<_>>(), [NVAL]);
}

#[test]
fn a_closed_channel_ends_a_wait_by_its_watch() {
    for how in [How::Fd, How::FdWatch] {
        let channel = Hesitant::new(how);
        let closes = channel.clone();
        // The class does not implement close: the channel counts as closed nevertheless.
        let close = move || assert!(closes.close().is_err());
        assert_eq!(got_when(&channel, IN, close), NVAL, "{how:?}");
    }
}

#[test]
fn a_negative_descriptor_is_no_answer() {
    let channel = Hesitant::new(How::Fd);
    let (read, _) = channel.imp().pipe.get().expect("set");
    read.close().expect("closes");
    assert_eq!(channel.first_dispatch(&MainContext::new(), IN), NVAL);
    assert_eq!(channel.wait(IN).expect("an answer"), NVAL);
}
