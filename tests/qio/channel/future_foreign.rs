//! Futures on classes of other code, which report readiness by a watch or by a descriptor.

use std::sync::atomic::Ordering;

use futures_util::FutureExt as _;
use glib::{MainContext, subclass::prelude::ObjectSubclassIsExt};
use qio::{Channel, ChannelSocket, prelude::*};

use crate::common::{after_ticks, on_loop, pattern::transfer_by_futures};

mod imp {
    use std::{
        io,
        os::fd::{BorrowedFd, OwnedFd},
        sync::OnceLock,
    };

    use glib::{IOCondition, Source};
    use qio::{ChannelSocket, ReadFlags, Readiness, WriteFlags, prelude::*, subclass::prelude::*};

    use crate::common::classes::channel_class;

    /// A class that forwards to a socket, and implements only one virtual function for waiting.
    #[derive(Default)]
    pub struct Proxy {
        /// The socket, and whether readiness is reported by the watch.
        pub(super) inner: OnceLock<(ChannelSocket, bool)>,
    }

    channel_class!(Proxy, "TestFutureProxy");

    impl Proxy {
        fn inner(&self) -> (&ChannelSocket, bool) {
            let (socket, by_watch) = self.inner.get().expect("set at first");
            (socket, *by_watch)
        }
    }

    impl ChannelImpl for Proxy {
        fn readv(
            &self,
            iov: &mut [io::IoSliceMut<'_>],
            _fds: Option<&mut Vec<OwnedFd>>,
            _flags: ReadFlags,
        ) -> io::Result<usize> {
            self.inner().0.readv(iov)
        }

        fn writev(
            &self,
            iov: &[io::IoSlice<'_>],
            _fds: &[BorrowedFd<'_>],
            _flags: WriteFlags,
        ) -> io::Result<usize> {
            self.inner().0.writev(iov)
        }

        fn set_blocking(&self, enabled: bool) -> io::Result<()> {
            self.inner().0.set_blocking(enabled)
        }

        fn create_watch(&self, condition: IOCondition) -> Source {
            match self.inner() {
                (socket, true) => self.obj().create_fd_watch(socket.fd(), condition),
                _ => self.parent_create_watch(condition),
            }
        }

        fn wait_fd(&self, condition: IOCondition) -> Readiness {
            match self.inner() {
                (socket, false) => Readiness::Fd(socket.fd(), condition),
                _ => self.parent_wait_fd(condition),
            }
        }
    }
}

glib::wrapper! {
    pub struct Proxy(ObjectSubclass<imp::Proxy>) @extends Channel;
}

impl Proxy {
    pub(super) fn new(socket: ChannelSocket, by_watch: bool) -> Self {
        let this: Self = glib::Object::new();
        this.imp().inner.set((socket, by_watch)).expect("new");
        this
    }
}

#[test]
fn the_pattern_goes_through_classes_that_implement_one_wait_function() {
    for by_watch in [true, false] {
        on_loop(move || async move {
            let (a, b) = ChannelSocket::pair().expect("a socketpair");
            let (a, b) = (Proxy::new(a, by_watch), Proxy::new(b, by_watch));
            transfer_by_futures(&a, &b, false).await;
        });
    }
}

#[test]
fn a_foreign_class_in_blocking_mode_is_read_once_it_is_ready() {
    for by_watch in [true, false] {
        on_loop(move || async move {
            let (a, b) = ChannelSocket::pair().expect("a socketpair");
            let proxy = Proxy::new(a, by_watch);
            let ticks = after_ticks(move || b.write_all(b"late").expect("there is space"));
            let mut buf = [0; 8];
            assert_eq!(proxy.read_future(&mut buf).await.expect("read"), 4);
            assert_eq!(&buf[..4], b"late");
            assert!(ticks.load(Ordering::Relaxed) >= 3);
        });
    }
}

#[test]
fn a_future_in_a_thread_that_runs_no_context_fails_at_once_whatever_its_channel_is_attached_to() {
    for by_watch in [true, false] {
        let (a, _b) = ChannelSocket::pair().expect("a socketpair");
        let proxy = Proxy::new(a, by_watch);
        proxy.attach_context(&MainContext::new());
        let polled = proxy.read_future(&mut [0]).now_or_never();
        let e = polled.expect("at once").expect_err("nothing would wake it");
        assert!(e.to_string().contains("runs no main context"), "{e}");
    }
}
