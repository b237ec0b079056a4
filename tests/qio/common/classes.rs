//! Channels of other classes, as mocks: each is a socket that behaves in a special way.

use glib::subclass::prelude::*;
use qio::{Channel, ChannelSocket};

/// Registers the class of an implementation by its GType name. It derives from `Channel`, or from
/// another class, whose `…Impl` trait it has.
macro_rules! channel_class {
    ($class:ident, $name:literal) => {
        channel_class!($class, $name, qio::Channel);
    };
    ($class:ident, $name:literal, $parent:ty $(, $parent_impl:ident)?) => {
        #[glib::object_subclass]
        impl ObjectSubclass for $class {
            const NAME: &'static str = $name;
            type Type = super::$class;
            type ParentType = $parent;
        }

        impl ObjectImpl for $class {}
        $(impl $parent_impl for $class {})?
    };
}
pub(crate) use channel_class;

/// The functions of a mock that are those of its `socket()`.
macro_rules! close_and_mode_of_socket {
    () => {
        fn close(&self) -> io::Result<()> {
            self.socket().close()
        }

        fn set_blocking(&self, enabled: bool) -> io::Result<()> {
            self.socket().set_blocking(enabled)
        }
    };
}

mod imp {
    use std::{
        io::{self, IoSlice, IoSliceMut},
        os::fd::{AsRawFd, BorrowedFd, OwnedFd},
        sync::{
            Mutex, OnceLock,
            atomic::{AtomicBool, AtomicUsize, Ordering},
        },
    };

    use glib::IOCondition;
    use qio::{ChannelSocket, ReadFlags, Readiness, WriteFlags, prelude::*, subclass::prelude::*};

    /// A socket that, once it is broken, reports that but once, to one caller, and then would block
    /// forever.
    #[derive(Default)]
    pub struct Breaking {
        pub(crate) socket: OnceLock<ChannelSocket>,
        pub(crate) broken: AtomicBool,
        reported: AtomicBool,
        pub(crate) stalled: AtomicUsize,
    }

    channel_class!(Breaking, "TestBreaking");

    impl Breaking {
        fn socket(&self) -> &ChannelSocket {
            self.socket.get().expect("set")
        }

        fn check(&self) -> io::Result<()> {
            if !self.broken.load(Ordering::Relaxed) {
                return Ok(());
            }
            match self.reported.swap(true, Ordering::Relaxed) {
                false => Err(io::Error::from_raw_os_error(nix::libc::EIO)),
                true => Err(io::ErrorKind::WouldBlock.into()),
            }
        }
    }

    impl ChannelImpl for Breaking {
        fn readv(
            &self,
            iov: &mut [IoSliceMut<'_>],
            _fds: Option<&mut Vec<OwnedFd>>,
            _flags: ReadFlags,
        ) -> io::Result<usize> {
            self.check()?;
            self.socket().readv(iov)
        }

        fn writev(
            &self,
            iov: &[IoSlice<'_>],
            _fds: &[BorrowedFd<'_>],
            _flags: WriteFlags,
        ) -> io::Result<usize> {
            self.check()?;
            self.socket().writev(iov)
        }

        close_and_mode_of_socket!();

        fn create_watch(&self, condition: IOCondition) -> glib::Source {
            self.stalled.fetch_add(1, Ordering::Relaxed);
            self.socket().create_watch(condition)
        }

        fn wait_fd(&self, _condition: IOCondition) -> Readiness {
            Readiness::Watch
        }
    }

    /// Waits by a watch alone, and moves as many bytes at a time as its sizes are.
    #[derive(Default)]
    pub struct Drip {
        pub(super) socket: OnceLock<ChannelSocket>,
        /// In turn.
        pub(super) sizes: OnceLock<Vec<usize>>,
        turn: AtomicUsize,
        /// Its watches fire all the time.
        pub(crate) eager: AtomicBool,
    }

    channel_class!(Drip, "TestDrip");

    impl Drip {
        fn socket(&self) -> &ChannelSocket {
            self.socket.get().expect("set")
        }

        fn next(&self, most: usize) -> usize {
            let sizes = self.sizes.get().expect("set");
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            sizes[turn % sizes.len()].min(most)
        }
    }

    impl ChannelImpl for Drip {
        fn readv(
            &self,
            iov: &mut [IoSliceMut<'_>],
            _fds: Option<&mut Vec<OwnedFd>>,
            _flags: ReadFlags,
        ) -> io::Result<usize> {
            let size = self.next(iov[0].len());
            self.socket().read(&mut iov[0][..size])
        }

        fn writev(
            &self,
            iov: &[IoSlice<'_>],
            _fds: &[BorrowedFd<'_>],
            _flags: WriteFlags,
        ) -> io::Result<usize> {
            let mut left = self.next(iov.iter().map(|buf| buf.len()).sum());
            let first = iov.iter().map(|buf| {
                let (bytes, _) = buf.split_at(buf.len().min(left));
                left -= bytes.len();
                IoSlice::new(bytes)
            });
            self.socket().writev(&first.collect::<Vec<_>>())
        }

        close_and_mode_of_socket!();

        fn create_watch(&self, condition: IOCondition) -> glib::Source {
            if self.eager.load(Ordering::Relaxed) {
                let priority = glib::Priority::DEFAULT;
                return glib::idle_source_new(None, priority, || glib::ControlFlow::Continue);
            }
            self.socket().create_watch(condition)
        }
    }

    /// A socket with a store before it, which is read first.
    #[derive(Default)]
    pub struct Stocked {
        pub(crate) socket: OnceLock<ChannelSocket>,
        pub(crate) stock: Mutex<Vec<u8>>,
        pub(crate) taken: AtomicUsize,
    }

    channel_class!(Stocked, "TestStocked");

    impl Stocked {
        fn socket(&self) -> &ChannelSocket {
            self.socket.get().expect("set")
        }

        fn number(&self, condition: IOCondition) -> Readiness {
            let number = self.socket().with_fd(|fd| fd.as_raw_fd());
            number.map_or(Readiness::Now, |number| Readiness::Fd(number, condition))
        }

        pub(crate) fn left(&self) -> usize {
            self.stock.lock().expect("whole").len() - self.taken.load(Ordering::Relaxed)
        }
    }

    impl ChannelImpl for Stocked {
        fn readv(
            &self,
            iov: &mut [IoSliceMut<'_>],
            _fds: Option<&mut Vec<OwnedFd>>,
            _flags: ReadFlags,
        ) -> io::Result<usize> {
            match self.left().min(iov[0].len()) {
                0 => self.socket().read(&mut iov[0]),
                count => {
                    let from = self.taken.fetch_add(count, Ordering::Relaxed);
                    let stock = self.stock.lock().expect("whole");
                    iov[0][..count].copy_from_slice(&stock[from..][..count]);
                    Ok(count)
                }
            }
        }

        fn writev(
            &self,
            iov: &[IoSlice<'_>],
            _fds: &[BorrowedFd<'_>],
            _flags: WriteFlags,
        ) -> io::Result<usize> {
            self.socket().writev(iov)
        }

        close_and_mode_of_socket!();

        fn wait_fd(&self, condition: IOCondition) -> Readiness {
            match condition.contains(IOCondition::IN) && self.left() > 0 {
                true => Readiness::Now,
                false => self.number(condition),
            }
        }
    }
}

glib::wrapper! {
    pub struct Breaking(ObjectSubclass<imp::Breaking>) @extends Channel;
}

glib::wrapper! {
    pub struct Drip(ObjectSubclass<imp::Drip>) @extends Channel;
}

impl Drip {
    pub(crate) fn new(socket: ChannelSocket, sizes: &[usize]) -> Self {
        let this: Self = glib::Object::new();
        this.imp().socket.set(socket).expect("once");
        this.imp().sizes.set(sizes.to_vec()).expect("once");
        this
    }
}

glib::wrapper! {
    pub struct Stocked(ObjectSubclass<imp::Stocked>) @extends Channel;
}
