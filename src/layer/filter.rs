//! The base class of layers: it forwards every function to the channel below.

use std::{
    io::{self, IoSlice, IoSliceMut, SeekFrom},
    os::fd::{BorrowedFd, OwnedFd},
    sync::{LazyLock, OnceLock},
};

use glib::{IOCondition, ParamSpec, prelude::*, subclass::prelude::*};

use super::lower::{self, LowerCloseWaker};
use crate::{
    channel::{
        Channel, ChannelExt as _, ChannelImpl, ChannelSeekExt as _,
        class::{VFuncs, native::PollFd},
        ffi::derived_class,
        lower_io,
        stream::std_io,
    },
    error::invalid,
    hub::Direction,
    types::{Feature, Flushed, ReadFlags, Readiness, Shutdown, WriteFlags},
    watch::{self, LayerVtable},
};

mod imp {
    use super::*;

    #[derive(Debug, Default)]
    pub struct ChannelFilter {
        /// Set when it is constructed.
        pub(super) base: OnceLock<LowerCloseWaker>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for ChannelFilter {
        const NAME: &'static str = "QIOChannelFilter";
        type Type = super::ChannelFilter;
        type ParentType = Channel;
        type Class = QIOChannelFilterClass;
        type Instance = QIOChannelFilter;

        fn class_init(class: &mut Self::Class) {
            class
                .parent_class
                .set_native_layer(poll_fd, base_of, None, None);
        }
    }

    impl ObjectImpl for ChannelFilter {
        fn properties() -> &'static [ParamSpec] {
            static PROPERTIES: LazyLock<[ParamSpec; 1]> = LazyLock::new(|| {
                [glib::ParamSpecObject::builder::<Channel>("base-channel")
                    .nick("Base channel")
                    .blurb("The channel that the functions are forwarded to")
                    .construct_only()
                    .build()]
            });
            &*PROPERTIES
        }

        fn property(&self, _id: usize, _pspec: &ParamSpec) -> glib::Value {
            self.base.get().map(LowerCloseWaker::lower).to_value()
        }

        fn set_property(&self, _id: usize, value: &glib::Value, _pspec: &ParamSpec) {
            let obj = self.obj();
            let channel: &Channel = obj.upcast_ref();
            if let Some(base) = value.get::<Option<Channel>>().expect("a channel") {
                self.base
                    .get_or_init(|| LowerCloseWaker::new(channel, &base));
            }
        }

        fn constructed(&self) {
            self.parent_constructed();
            let obj = self.obj();
            let channel: &Channel = obj.upcast_ref();
            if let Ok(base) = self.base() {
                channel.add_features(base.features() & forwarded(channel));
                channel.set_blocking_state(base.is_blocking());
                let is_message_oriented = base.imp().is_message_oriented();
                channel.imp().set_message_oriented(is_message_oriented);
            }
        }
    }

    impl ChannelFilter {
        pub(super) fn base(&self) -> io::Result<&Channel> {
            self.base.get().map(LowerCloseWaker::lower).ok_or_else(|| {
                invalid("The filter has no channel: the property \"base-channel\" was not set")
            })
        }
    }

    /// The features of the base channel that the filter has as well: those of its data only if the
    /// class does not change the data.
    fn forwarded(channel: &Channel) -> Feature {
        let always = Feature::FD_PASS | Feature::SHUTDOWN;
        match VFuncs::of(channel).honors_no_wait() {
            true => always | Feature::SEEKABLE | Feature::READ_PEEK,
            false => always,
        }
    }

    impl ChannelImpl for ChannelFilter {
        fn readv(
            &self,
            iov: &mut [IoSliceMut<'_>],
            fds: Option<&mut Vec<OwnedFd>>,
            flags: ReadFlags,
        ) -> io::Result<usize> {
            let base = self.base()?;
            // Bindings always have a place for descriptors, and a base channel may have none.
            let fds = fds.filter(|_| base.has_feature(Feature::FD_PASS));
            lower_io::readv(base, iov, fds, flags)
        }

        fn writev(
            &self,
            iov: &[IoSlice<'_>],
            fds: &[BorrowedFd<'_>],
            flags: WriteFlags,
        ) -> io::Result<usize> {
            lower_io::writev(self.base()?, iov, fds, flags)
        }

        fn close(&self) -> io::Result<()> {
            self.base()?.close()
        }

        fn create_watch(&self, condition: IOCondition) -> glib::Source {
            let obj = self.obj();
            let channel: &Channel = obj.upcast_ref();
            let wait_fd: watch::WaitFdFn = |object, condition| match object.downcast_ref() {
                Some(channel) => VFuncs::of(channel).wait_fd(condition),
                None => Readiness::Now,
            };
            let vtable = LayerVtable {
                needs: |_, condition| condition,
                watch: watch_base,
            };
            lower::watch(channel, condition, wait_fd, vtable)
        }

        fn set_blocking(&self, enabled: bool) -> io::Result<()> {
            self.base()?.set_blocking(enabled)
        }

        fn shutdown(&self, how: Shutdown) -> io::Result<()> {
            self.base()?.shutdown(how)
        }

        fn set_cork(&self, enabled: bool) {
            if let Ok(base) = self.base() {
                base.set_cork(enabled);
            }
        }

        fn set_delay(&self, enabled: bool) {
            if let Ok(base) = self.base() {
                base.set_delay(enabled);
            }
        }

        fn seek(&self, to: SeekFrom) -> io::Result<u64> {
            self.base()?.seek(to)
        }

        fn wait_fd(&self, condition: IOCondition) -> Readiness {
            match self.base() {
                Ok(base) => lower::wait_fd(base, condition),
                Err(_) => Readiness::Now,
            }
        }

        fn preadv(&self, iov: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<usize> {
            VFuncs::of(self.base()?).preadv(iov, offset)
        }

        fn pwritev(&self, iov: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
            VFuncs::of(self.base()?).pwritev(iov, offset)
        }

        fn flush(&self) -> io::Result<Flushed> {
            VFuncs::of(self.base()?).flush()
        }

        fn credentials(&self) -> io::Result<gio::Credentials> {
            self.base()?.credentials()
        }
    }
}

/// The base channel of a filter.
fn base_of(channel: &Channel) -> Option<&Channel> {
    let filter: &ChannelFilter = channel.downcast_ref()?;
    filter.imp().base().ok()
}

fn poll_fd(channel: &Channel, side: Direction) -> Option<PollFd> {
    lower::poll_fd(base_of(channel)?, side)
}

fn watch_base(object: &glib::Object, conditions: IOCondition) -> Option<glib::Source> {
    let base = base_of(object.downcast_ref()?)?;
    Some(VFuncs::of(base).create_watch(conditions))
}

derived_class!(
    ChannelFilter,
    imp::ChannelFilter,
    ChannelFilterImpl,
    QIOChannelFilter,
    QIOChannelFilterClass
);

glib::wrapper! {
    /// The base class of layers: it forwards every function to the channel below, the *base
    /// channel*.
    ///
    /// A class that derives from it overrides what it changes: usually
    /// [`readv`](crate::subclass::prelude::ChannelImpl::readv) and
    /// [`writev`](crate::subclass::prelude::ChannelImpl::writev), which read from and write to
    /// [`base_channel`](Self::base_channel). Waiting, flushing, the mode and closing need nothing
    /// more, as long as the class holds no data back. A class that may have data when the base
    /// channel has none, because it has read more than it has returned, also overrides
    /// [`wait_fd`](crate::subclass::prelude::ChannelImpl::wait_fd): it returns
    /// [`Readiness::Now`](crate::Readiness::Now) then, and chains up otherwise. A class that
    /// collects output sends it in [`flush`](crate::subclass::prelude::ChannelImpl::flush) and
    /// [`close`](crate::subclass::prelude::ChannelImpl::close), and chains up.
    ///
    /// A filter has the mode of the base channel, and its features
    /// [`FD_PASS`](crate::Feature::FD_PASS) and [`SHUTDOWN`](crate::Feature::SHUTDOWN). A class
    /// that does not override reading and writing has
    /// [`SEEKABLE`](crate::Feature::SEEKABLE) and [`READ_PEEK`](crate::Feature::READ_PEEK) as well.
    /// Closing the filter closes the base channel; dropping it does not.
    ///
    /// # Properties
    ///
    /// | name | type | |
    /// | --- | --- | --- |
    /// | `base-channel` | [`Channel`] | readable, set by the constructor |
    ///
    /// # Examples
    ///
    /// A layer that counts what is read:
    ///
    /// ```
    /// use qio::{ChannelSocket, prelude::*};
    ///
    /// mod imp {
    ///     use std::{io, os::fd::OwnedFd, sync::atomic::{AtomicUsize, Ordering}};
    ///     use qio::{ReadFlags, subclass::prelude::*};
    ///
    ///     #[derive(Default)]
    ///     pub struct Counter(pub AtomicUsize);
    ///
    ///     #[glib::object_subclass]
    ///     impl ObjectSubclass for Counter {
    ///         const NAME: &'static str = "ExampleCounter";
    ///         type Type = super::Counter;
    ///         type ParentType = qio::ChannelFilter;
    ///     }
    ///
    ///     impl ObjectImpl for Counter {}
    ///     impl ChannelFilterImpl for Counter {}
    ///
    ///     impl ChannelImpl for Counter {
    ///         fn readv(
    ///             &self,
    ///             iov: &mut [io::IoSliceMut<'_>],
    ///             fds: Option<&mut Vec<OwnedFd>>,
    ///             flags: ReadFlags,
    ///         ) -> io::Result<usize> {
    ///             let count = self.parent_readv(iov, fds, flags)?;
    ///             self.0.fetch_add(count, Ordering::Relaxed);
    ///             Ok(count)
    ///         }
    ///     }
    /// }
    ///
    /// glib::wrapper! {
    ///     pub struct Counter(ObjectSubclass<imp::Counter>)
    ///         @extends qio::ChannelFilter, qio::Channel;
    /// }
    ///
    /// # fn main() -> std::io::Result<()> {
    /// use glib::subclass::prelude::*;
    ///
    /// let (here, there) = ChannelSocket::pair()?;
    /// let counter: Counter = glib::Object::builder().property("base-channel", &here).build();
    /// there.write_all(b"hello\n")?;
    /// assert_eq!(counter.read_bytes(100)?.len(), 6);
    /// assert_eq!(counter.imp().0.load(std::sync::atomic::Ordering::Relaxed), 6);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "QIOChannelFilter")]
    pub struct ChannelFilter(ObjectSubclass<imp::ChannelFilter>) @extends Channel;
}

static_assertions::assert_impl_all!(ChannelFilter: Send, Sync);
std_io!(ChannelFilter);

impl ChannelFilter {
    /// Creates a filter that changes nothing.
    #[doc(alias = "qio_channel_filter_new")]
    #[must_use]
    pub fn new(base: &impl IsA<Channel>) -> Self {
        glib::Object::builder()
            .property("base-channel", base.as_ref())
            .build()
    }
}

/// The methods of filters.
pub trait ChannelFilterExt: IsA<ChannelFilter> {
    /// Returns the base channel, or `None` for a filter that was constructed without one.
    #[doc(alias = "qio_channel_filter_get_base_channel")]
    #[doc(alias = "get_base_channel")]
    fn base_channel(&self) -> Option<Channel> {
        self.as_ref().imp().base().ok().cloned()
    }
}

impl<F: IsA<ChannelFilter>> ChannelFilterExt for F {}
