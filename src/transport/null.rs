//! A channel without data.

use std::{
    io::{self, IoSlice, IoSliceMut, SeekFrom},
    os::fd::{BorrowedFd, OwnedFd},
};

use glib::{prelude::*, subclass::prelude::*};

use crate::{
    channel::{Channel, ChannelImpl, ffi::derived_class, stream::std_io},
    types::{Feature, ReadFlags, Readiness, WriteFlags, total_len},
};

mod imp {
    use super::*;

    #[derive(Debug, Default)]
    pub struct ChannelNull;

    #[glib::object_subclass]
    impl ObjectSubclass for ChannelNull {
        const NAME: &'static str = "QIOChannelNull";
        type Type = super::ChannelNull;
        type ParentType = Channel;
        type Class = QIOChannelNullClass;
        type Instance = QIOChannelNull;
    }

    impl ObjectImpl for ChannelNull {
        fn constructed(&self) {
            self.parent_constructed();
            self.obj()
                .upcast_ref::<Channel>()
                .add_features(Feature::SEEKABLE);
        }
    }

    impl ChannelImpl for ChannelNull {
        fn readv(
            &self,
            _iov: &mut [IoSliceMut<'_>],
            _fds: Option<&mut Vec<OwnedFd>>,
            _flags: ReadFlags,
        ) -> io::Result<usize> {
            Ok(0)
        }

        fn writev(
            &self,
            iov: &[IoSlice<'_>],
            _fds: &[BorrowedFd<'_>],
            _flags: WriteFlags,
        ) -> io::Result<usize> {
            Ok(total_len(iov))
        }

        fn preadv(&self, _iov: &mut [IoSliceMut<'_>], _offset: u64) -> io::Result<usize> {
            Ok(0)
        }

        fn pwritev(&self, iov: &[IoSlice<'_>], _offset: u64) -> io::Result<usize> {
            Ok(total_len(iov))
        }

        fn close(&self) -> io::Result<()> {
            Ok(())
        }

        fn set_blocking(&self, _enabled: bool) -> io::Result<()> {
            Ok(())
        }

        fn seek(&self, _to: SeekFrom) -> io::Result<u64> {
            Ok(0)
        }

        fn wait_fd(&self, _condition: glib::IOCondition) -> Readiness {
            Readiness::Now
        }
    }
}

derived_class!(
    ChannelNull,
    imp::ChannelNull,
    ChannelNullImpl,
    QIOChannelNull,
    QIOChannelNullClass
);

glib::wrapper! {
    /// Discards writes; reads return end-of-file. As `/dev/null`, without a descriptor.
    ///
    /// Always ready.
    ///
    /// # Examples
    ///
    /// ```
    /// use qio::prelude::*;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let null = qio::ChannelNull::new();
    /// assert_eq!(null.write(b"gone")?, 4);
    /// assert_eq!(null.read(&mut [0; 16])?, 0);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "QIOChannelNull")]
    pub struct ChannelNull(ObjectSubclass<imp::ChannelNull>) @extends Channel;
}

static_assertions::assert_impl_all!(ChannelNull: Send, Sync);
std_io!(ChannelNull);

impl ChannelNull {
    /// Creates a channel.
    #[doc(alias = "qio_channel_null_new")]
    #[must_use]
    pub fn new() -> Self {
        glib::Object::new()
    }
}

impl Default for ChannelNull {
    fn default() -> Self {
        Self::new()
    }
}
