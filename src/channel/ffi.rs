//! The C layout of the classes: what a C header shows is what Rust registers.
#![allow(unsafe_code)]

use std::{
    ffi::{c_int, c_uint, c_void},
    sync::{Arc, atomic::AtomicUsize},
};

use gio_sys::{GCredentials, GUnixFDList};
use glib::subclass::types::{ClassStruct, InstanceStruct};
use glib_sys::{GBytes, GError, GIOCondition, GMainContext, GSource, gpointer};
use gobject_sys::{GObject, GObjectClass};
use libc::{iovec, size_t, ssize_t};

use super::imp;
use crate::{
    hub::{Direction, FdRole},
    sys::SharedFd,
    types::WriteFlags,
};

/// What `io_readv` and `io_writev` return where the channel would have to wait;
/// no error is set then.
pub const QIO_CHANNEL_ERR_BLOCK: ssize_t = -2;

/// What `io_wait_fd` returns where only the source of `io_create_watch` can tell.
pub const QIO_CHANNEL_WAIT_WATCH: c_int = -1;

/// What `io_wait_fd` returns where nothing needs to be waited for.
pub const QIO_CHANNEL_WAIT_NOW: c_int = -2;

/// Lends the descriptor that one direction of a channel waits for.
pub(crate) type PollFdFn = fn(&super::Channel, Direction) -> Option<PollFd>;

/// The channel that a layer reads its bytes from, and writes them to.
pub(crate) type Below = fn(&super::Channel) -> Option<&super::Channel>;

/// Writes what bytes hold from some place on, without a copy, and keeps them until that is done.
pub(crate) type WriteOwnedFn =
    fn(&super::Channel, &glib::Bytes, usize, WriteFlags) -> std::io::Result<usize>;

/// Prepares a channel, which is not closed yet, for being closed as one that has failed: without blocking.
pub(crate) type AbortFn = fn(&super::Channel);

/// A descriptor of a channel's own.
#[derive(Debug)]
pub(crate) enum PollFd {
    /// One that can be waited for.
    Pollable {
        fd: Arc<SharedFd>,
        serves: FdRole,
        /// The bytes of the channel are those of the descriptor, one after the other: who moves them
        /// by the descriptor moves the same as `io_readv` and `io_writev`. Never so for a layer,
        /// nor where messages are to be kept apart.
        raw: bool,
    },
    /// A file on disk: reading and writing it may take its time, and nothing tells how long. Its
    /// bytes are the channel's.
    Disk(Arc<SharedFd>),
}

/// What is called when a channel's descriptor is ready.
pub type IOHandler = Option<unsafe extern "C" fn(opaque: *mut c_void)>;

/// The instance of every channel. Its private data is elsewhere.
#[derive(Debug)]
#[repr(C)]
pub struct QIOChannel {
    /// The parent.
    pub parent_instance: GObject,
}

/// The class of every channel: its virtual functions, in the order of the C header.
///
/// [`ChannelImpl`](crate::subclass::prelude::ChannelImpl) documents each of them.
#[derive(Debug)]
#[repr(C)]
#[allow(missing_docs)] // each slot is documented on the method that fills it
pub struct QIOChannelClass {
    pub parent_class: GObjectClass,

    pub io_writev: Option<
        unsafe extern "C" fn(
            ioc: *mut QIOChannel,
            iov: *const iovec,
            niov: size_t,
            fds: *mut c_int,
            nfds: size_t,
            flags: c_int,
            error: *mut *mut GError,
        ) -> ssize_t,
    >,
    pub io_readv: Option<
        unsafe extern "C" fn(
            ioc: *mut QIOChannel,
            iov: *const iovec,
            niov: size_t,
            fds: *mut *mut c_int,
            nfds: *mut size_t,
            flags: c_int,
            error: *mut *mut GError,
        ) -> ssize_t,
    >,
    pub io_close:
        Option<unsafe extern "C" fn(ioc: *mut QIOChannel, error: *mut *mut GError) -> c_int>,
    pub io_create_watch:
        Option<unsafe extern "C" fn(ioc: *mut QIOChannel, condition: GIOCondition) -> *mut GSource>,
    pub io_set_blocking: Option<
        unsafe extern "C" fn(
            ioc: *mut QIOChannel,
            enabled: glib_sys::gboolean,
            error: *mut *mut GError,
        ) -> c_int,
    >,

    pub io_shutdown: Option<
        unsafe extern "C" fn(ioc: *mut QIOChannel, how: c_int, error: *mut *mut GError) -> c_int,
    >,
    pub io_set_cork:
        Option<unsafe extern "C" fn(ioc: *mut QIOChannel, enabled: glib_sys::gboolean)>,
    pub io_set_delay:
        Option<unsafe extern "C" fn(ioc: *mut QIOChannel, enabled: glib_sys::gboolean)>,
    pub io_seek: Option<
        unsafe extern "C" fn(
            ioc: *mut QIOChannel,
            offset: i64,
            whence: c_int,
            error: *mut *mut GError,
        ) -> i64,
    >,
    pub io_set_aio_fd_handler: Option<
        unsafe extern "C" fn(
            ioc: *mut QIOChannel,
            context: *mut GMainContext,
            io_read: IOHandler,
            io_write: IOHandler,
            opaque: *mut c_void,
        ),
    >,

    pub io_wait_fd: Option<
        unsafe extern "C" fn(
            ioc: *mut QIOChannel,
            condition: GIOCondition,
            fd_condition: *mut GIOCondition,
        ) -> c_int,
    >,
    pub io_preadv: Option<
        unsafe extern "C" fn(
            ioc: *mut QIOChannel,
            iov: *const iovec,
            niov: size_t,
            offset: i64,
            error: *mut *mut GError,
        ) -> ssize_t,
    >,
    pub io_pwritev: Option<
        unsafe extern "C" fn(
            ioc: *mut QIOChannel,
            iov: *const iovec,
            niov: size_t,
            offset: i64,
            error: *mut *mut GError,
        ) -> ssize_t,
    >,
    pub io_flush:
        Option<unsafe extern "C" fn(ioc: *mut QIOChannel, error: *mut *mut GError) -> c_int>,
    pub io_get_credentials: Option<
        unsafe extern "C" fn(ioc: *mut QIOChannel, error: *mut *mut GError) -> *mut GCredentials,
    >,
    pub io_read_bytes: Option<
        unsafe extern "C" fn(
            ioc: *mut QIOChannel,
            count: size_t,
            fds: *mut *mut GUnixFDList,
            flags: c_uint,
            error: *mut *mut GError,
        ) -> *mut GBytes,
    >,
    pub io_write_bytes: Option<
        unsafe extern "C" fn(
            ioc: *mut QIOChannel,
            bytes: *mut GBytes,
            fds: *mut GUnixFDList,
            flags: c_uint,
            error: *mut *mut GError,
        ) -> ssize_t,
    >,

    /// Padding to C, as the next field: the slots that a class of this crate has filled, which a
    /// derived class inherits and may fill otherwise.
    own: Option<&'static NativeClass>,
    /// The address of the class if it is plain (see `pairs::is_plain`). A derived class
    /// that copied this has another address.
    pub(super) plain: AtomicUsize,
    pub padding: [gpointer; 10],
}

/// What a class of this crate says of its slots.
#[derive(Debug)]
struct NativeClass {
    /// The addresses of `io_readv` and `io_writev`, which obey `NO_WAIT`.
    data: [usize; 2],
    /// They fail by themselves once the channel is closed.
    check_closed: bool,
    /// The addresses of `io_wait_fd` and `io_create_watch`.
    waiting: [usize; 2],
    /// Lends the descriptors that those wait for.
    poll_fd: PollFdFn,
    /// Does what `io_writev` does, for memory that can be kept.
    keep: Option<WriteOwnedFn>,
    abort: Option<AbortFn>,
    /// What a layer waits for is the descriptor of this one.
    below: Option<Below>,
}

impl QIOChannelClass {
    /// To be called once the slots have been filled, by a class whose `io_readv` and `io_writev`
    /// obey `NO_WAIT`, and if `check_closed`, fail by themselves after the channel was closed;
    /// and whose `io_wait_fd` and `io_create_watch` wait for the descriptor of `poll_fd`. Does
    /// not bind a derived class that fills them otherwise.
    pub(crate) fn set_native_class(&mut self, check_closed: bool, poll_fd: PollFdFn) {
        self.set_native_class_with(check_closed, poll_fd, None, None);
    }

    /// As [`set_native_class`](Self::set_native_class), by a class that can write without a copy, or has
    /// something to do when a channel is aborted.
    pub(crate) fn set_native_class_with(
        &mut self,
        check_closed: bool,
        poll_fd: PollFdFn,
        keep: Option<WriteOwnedFn>,
        abort: Option<AbortFn>,
    ) {
        self.describe(NativeClass {
            data: self.data_slots(),
            check_closed,
            waiting: self.waiting_slots(),
            poll_fd,
            keep,
            abort,
            below: None,
        });
    }

    /// As [`set_native_class`](Self::set_native_class), by a layer: `poll_fd` returns what the channel below it
    /// does, as long as the same direction of that is all that there is to wait for.
    pub(crate) fn set_native_layer(&mut self, poll_fd: PollFdFn, below: Below) {
        self.describe(NativeClass {
            data: self.data_slots(),
            check_closed: false,
            waiting: self.waiting_slots(),
            poll_fd,
            keep: None,
            abort: None,
            below: Some(below),
        });
    }

    pub(super) fn abort_fn(&self) -> Option<AbortFn> {
        self.own?.abort
    }

    fn describe(&mut self, slots: NativeClass) {
        // Classes of static types are never freed.
        self.own = Some(Box::leak(Box::new(slots)));
    }

    /// What a layer waits for, if its class still waits like that.
    #[inline]
    pub(super) fn below(&self) -> Option<Below> {
        let own = self.own?;
        own.below.filter(|_| own.waiting == self.waiting_slots())
    }

    /// What writes bytes without a copy in place of `io_writev`.
    pub(super) fn write_owned_fn(&self) -> Option<WriteOwnedFn> {
        self.own
            .filter(|own| own.data == self.data_slots())
            .and_then(|own| own.keep)
    }

    /// Whether `io_readv` and `io_writev` check for closed themselves.
    pub(super) fn slots_check_closed(&self) -> bool {
        self.own
            .is_some_and(|own| own.check_closed && own.data == self.data_slots())
    }

    /// Whether `io_readv` and `io_writev` obey `NO_WAIT`.
    pub(super) fn slots_honour_no_wait(&self) -> bool {
        self.own.is_some_and(|own| own.data == self.data_slots())
    }

    /// Who lends the descriptors that the channel waits for, if it waits for nothing else.
    pub(super) fn poll_fd_fn(&self) -> Option<PollFdFn> {
        self.own
            .filter(|own| own.waiting == self.waiting_slots())
            .map(|own| own.poll_fd)
    }

    fn data_slots(&self) -> [usize; 2] {
        let readv = self.io_readv.map_or(0, |slot| slot as usize);
        let writev = self.io_writev.map_or(0, |slot| slot as usize);
        [readv, writev]
    }

    fn waiting_slots(&self) -> [usize; 2] {
        let wait_fd = self.io_wait_fd.map_or(0, |slot| slot as usize);
        let create_watch = self.io_create_watch.map_or(0, |slot| slot as usize);
        [wait_fd, create_watch]
    }
}

// SAFETY: `repr(C)`, and it begins with the instance of the parent type.
unsafe impl InstanceStruct for QIOChannel {
    type Type = imp::Channel;
}

// SAFETY: `repr(C)`, and it begins with the class of the parent type.
unsafe impl ClassStruct for QIOChannelClass {
    type Type = imp::Channel;
}

const SLOTS: usize = 17;
const _: () = assert!(size_of::<QIOChannel>() == size_of::<GObject>());
const _: () = assert!(
    size_of::<QIOChannelClass>() == size_of::<GObjectClass>() + (SLOTS + 12) * size_of::<usize>()
);

/// Declares the C structs of a class that adds no virtual function to its parent, which is
/// [`Channel`](super::Channel) if no other is named, and lets Rust types derive from it by a trait
/// of their own.
macro_rules! derived_class {
    ($wrapper:ident, $imp:ty, $impl_trait:ident, $instance:ident, $class:ident) => {
        $crate::channel::ffi::derived_class!(
            $wrapper,
            $imp,
            $impl_trait: $crate::channel::ChannelImpl,
            $instance: $crate::channel::ffi::QIOChannel,
            $class: $crate::channel::ffi::QIOChannelClass
        );
    };
    (
        $wrapper:ident,
        $imp:ty,
        $impl_trait:ident: $parent_impl:path,
        $instance:ident: $parent_instance:ty,
        $class:ident: $parent_class:ty
    ) => {
        #[doc = concat!("The C instance of [`", stringify!($wrapper), "`].")]
        #[derive(Debug)]
        #[repr(C)]
        pub struct $instance {
            /// The parent.
            pub parent_instance: $parent_instance,
        }

        #[doc = concat!("The C class of [`", stringify!($wrapper), "`].")]
        #[derive(Debug)]
        #[repr(C)]
        pub struct $class {
            /// The parent.
            pub parent_class: $parent_class,
            /// For virtual functions to come.
            pub padding: [glib_sys::gpointer; 8],
        }

        // SAFETY: `repr(C)`, and it begins with the instance of the parent type.
        #[allow(unsafe_code)]
        unsafe impl glib::subclass::types::InstanceStruct for $instance {
            type Type = $imp;
        }

        // SAFETY: `repr(C)`, and it begins with the class of the parent type.
        #[allow(unsafe_code)]
        unsafe impl glib::subclass::types::ClassStruct for $class {
            type Type = $imp;
        }

        #[doc = concat!("Must be implemented by a class that derives from [`", stringify!($wrapper), "`].")]
        pub trait $impl_trait:
            $parent_impl + glib::subclass::types::ObjectSubclass<Type: glib::object::IsA<$wrapper>>
        {
        }

        // SAFETY: the class adds no virtual function: that of the parent, which
        // `parent_class_init` fills, is all there is.
        #[allow(unsafe_code)]
        unsafe impl<T: $impl_trait> glib::subclass::types::IsSubclassable<T> for $wrapper {}
    };
}
pub(crate) use derived_class;
