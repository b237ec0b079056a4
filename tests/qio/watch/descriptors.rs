//! Watches that classes make on descriptors of their own, or of sources of any kind.

use super::*;

mod imp {
    use std::{os::fd::RawFd, sync::OnceLock};

    use glib::{IOCondition, Source};
    use qio::{prelude::*, subclass::prelude::*};

    use crate::common::classes::channel_class;

    /// Waits for one descriptor to read and another one to write.
    #[derive(Default)]
    pub struct FdPair {
        pub(super) fds: OnceLock<(RawFd, Option<RawFd>)>,
    }

    channel_class!(FdPair, "TestWatchFdPair");

    impl ChannelImpl for FdPair {
        fn create_watch(&self, condition: IOCondition) -> Source {
            match *self.fds.get().expect("set at first") {
                (both, None) => self.obj().create_fd_watch(both, condition),
                (read, Some(write)) => self.obj().create_fd_pair_watch(read, write, condition),
            }
        }
    }
}

glib::wrapper! {
    pub struct FdPair(ObjectSubclass<imp::FdPair>) @extends Channel;
}

fn fd_pair(read: RawFd, write: Option<RawFd>) -> FdPair {
    use glib::subclass::prelude::ObjectSubclassIsExt;
    let channel: FdPair = glib::Object::new();
    channel.imp().fds.set((read, write)).expect("new");
    channel
}

#[test]
fn a_descriptor_watch_reports_both_directions() {
    let (a, b) = nonblocking_pair();
    let channel = fd_pair(a.fd(), None);
    assert_eq!(Watch::new(&channel, IN | OUT, go_on).called(1), [OUT]);
    b.write_all(b"x").expect("there is space");
    assert_eq!(Watch::new(&channel, IN | OUT, go_on).called(1), [IN | OUT]);
    let twice = fd_pair(a.fd(), Some(a.fd()));
    assert_eq!(Watch::new(&twice, IN | OUT, go_on).called(1), [IN | OUT]);
}

#[test]
fn a_watch_of_two_descriptors_reports_each_its_own_direction() {
    let (readable, _peer) = readable_pair();
    let (full, _reader) = nonblocking_pair();
    fill(&full);
    let (quiet, _silent) = nonblocking_pair();
    let cases = [
        (&readable, &full, IN),
        (&quiet, &readable, OUT),
        (&readable, &quiet, IN | OUT),
    ];
    for (read, write, expected) in cases {
        let channel = fd_pair(read.fd(), Some(write.fd()));
        assert_eq!(Watch::new(&channel, IN | OUT, go_on).called(1), [expected]);
    }
}

#[test]
fn a_watch_without_a_descriptor_is_reported_nval_once() {
    for channel in [
        fd_pair(-1, None),
        fd_pair(-1, Some(-1)),
        fd_pair(-2, Some(-1)),
    ] {
        assert_eq!(Watch::new(&channel, IN | OUT, go_on).ended(), [NVAL]);
    }
}

#[test]
fn a_watch_of_two_descriptors_serves_the_one_that_is_there() {
    let (a, _b) = readable_pair();
    let reader = fd_pair(a.fd(), Some(-1));
    assert_eq!(Watch::new(&reader, IN, go_on).called(2), [IN; 2]);
    let writer = fd_pair(-1, Some(a.fd()));
    assert_eq!(Watch::new(&writer, OUT, go_on).called(2), [OUT; 2]);
}

mod pollable {
    use gio::prelude::*;
    use glib::{IOCondition, Source};
    use qio::subclass::prelude::*;

    /// Waits for a stream of GIO, whose source calls its callback with other arguments.
    #[derive(Default)]
    pub struct Pollable;

    #[glib::object_subclass]
    impl ObjectSubclass for Pollable {
        const NAME: &'static str = "TestWatchPollable";
        type Type = super::Pollable;
        type ParentType = qio::Channel;
    }

    impl ObjectImpl for Pollable {}

    impl ChannelImpl for Pollable {
        fn create_watch(&self, _condition: IOCondition) -> Source {
            let stream = gio::MemoryInputStream::from_bytes(&glib::Bytes::from_static(b"x"));
            let stream = stream.upcast::<gio::PollableInputStream>();
            stream.create_source(
                gio::Cancellable::NONE,
                None,
                glib::Priority::DEFAULT,
                |_| panic!("the callback of the channel is called instead"),
            )
        }
    }
}

glib::wrapper! {
    pub struct Pollable(ObjectSubclass<pollable::Pollable>) @extends Channel;
}

#[test]
fn a_source_of_any_kind_serves_as_a_watch() {
    let channel: Pollable = glib::Object::new();
    let watch = Watch::new(&channel, IN | HUP, |channel, _| {
        assert_eq!(channel.type_().name(), "TestWatchPollable");
        Break
    });
    assert_eq!(watch.ended(), [IN]);
}

mod with_source {
    use std::sync::OnceLock;

    use gio::prelude::*;
    use glib::{IOCondition, Source};
    use qio::{ChannelSocket, subclass::prelude::*};

    /// Waits by the source of a socket of GIO's.
    #[derive(Default)]
    pub struct WithSource {
        pub(super) socket: OnceLock<ChannelSocket>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for WithSource {
        const NAME: &'static str = "TestWatchWithSource";
        type Type = super::WithSource;
        type ParentType = qio::Channel;
    }

    impl ObjectImpl for WithSource {}

    impl ChannelImpl for WithSource {
        fn create_watch(&self, condition: IOCondition) -> Source {
            let socket = self.socket.get().expect("set");
            let fd = socket.with_fd(|fd| fd.try_clone_to_owned()).expect("open");
            let socket = gio::Socket::from_fd(fd.expect("duplicated")).expect("a socket");
            SocketExtManual::create_source(
                &socket,
                condition,
                gio::Cancellable::NONE,
                None,
                glib::Priority::DEFAULT,
                |_, _| panic!("the callback of the channel is called instead"),
            )
        }
    }
}

glib::wrapper! {
    pub struct WithSource(ObjectSubclass<with_source::WithSource>) @extends Channel;
}

#[test]
fn a_source_of_a_class_serves_a_watch_for_hang_up_alone() {
    use glib::subclass::prelude::ObjectSubclassIsExt;

    let (here, there) = ChannelSocket::pair().expect("a pair");
    let channel: WithSource = glib::Object::new();
    channel.imp().socket.set(here).expect("once");
    there.close().expect("closed");
    let watch = Watch::new(&channel, HUP, |_, _| Break);
    assert_eq!(watch.ended(), [HUP]);
    let got = in_time(move || channel.wait(HUP).expect("it waits"));
    assert_eq!(got, HUP);
}

mod layer {
    use std::sync::OnceLock;

    use glib::{IOCondition, Source};
    use qio::{ChannelSocket, prelude::*, subclass::prelude::*};

    /// Waits for the channel below, by the watch of that one.
    #[derive(Default)]
    pub struct Layer {
        pub(super) below: OnceLock<ChannelSocket>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Layer {
        const NAME: &'static str = "TestWatchLayer";
        type Type = super::Layer;
        type ParentType = qio::Channel;
    }

    impl ObjectImpl for Layer {}

    impl ChannelImpl for Layer {
        fn create_watch(&self, condition: IOCondition) -> Source {
            let below = self.below.get().expect("set at first");
            below.create_watch(condition)
        }
    }
}

glib::wrapper! {
    pub struct Layer(ObjectSubclass<layer::Layer>) @extends Channel;
}

#[test]
fn the_watch_of_another_channel_reports_for_the_one_that_returned_it() {
    use glib::subclass::prelude::ObjectSubclassIsExt;
    let (below, peer) = nonblocking_pair();
    let layer: Layer = glib::Object::new();
    layer.imp().below.set(below.clone()).expect("new");
    let watch = |condition, flow: fn() -> ControlFlow| {
        Watch::new(&layer, condition, move |channel, _| {
            assert_eq!(channel.type_().name(), "TestWatchLayer");
            flow()
        })
    };
    assert_eq!(watch(IN | OUT, || Continue).called(1), [OUT]);
    let reading = watch(IN, || Continue);
    peer.write_all(b"x").expect("there is space");
    assert_eq!(reading.called(2), [IN, IN]);
    assert_eq!(watch(IN | OUT, || Break).ended(), [IN | OUT]);
    drop(peer);
    assert_eq!(watch(IN, || Break).ended(), [IN | HUP]);
    below.close().expect("closed");
    assert_eq!(watch(IN, || Continue).ended(), [NVAL]);
}
