//! The C layout of the classes, as in the C header.
#![allow(unsafe_code)]

use std::{
    ffi::{c_int, c_uint, c_void},
    sync::atomic::AtomicUsize,
};

use gio_sys::{GCredentials, GUnixFDList};
use glib::subclass::types::{ClassStruct, InstanceStruct};
use glib_sys::{GBytes, GError, GIOCondition, GMainContext, GSource, gpointer};
use gobject_sys::{GObject, GObjectClass};
use libc::{iovec, size_t, ssize_t};

use super::{class::native::NativeClass, imp};

/// Returned by `io_readv` and `io_writev` for would-block; no error is set then.
pub const QIO_CHANNEL_ERR_BLOCK: ssize_t = -2;

/// Returned by `io_wait_fd` if only the source of `io_create_watch` can wait.
pub const QIO_CHANNEL_WAIT_WATCH: c_int = -1;

/// Returned by `io_wait_fd` if no wait is needed.
pub const QIO_CHANNEL_WAIT_NOW: c_int = -2;

/// A function that is called when a channel is ready.
pub type IOHandler = Option<unsafe extern "C" fn(opaque: *mut c_void)>;

/// The instance of every channel. Its private data is allocated by GObject.
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
        unsafe extern "C-unwind" fn(
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
        unsafe extern "C-unwind" fn(
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
        Option<unsafe extern "C-unwind" fn(ioc: *mut QIOChannel, error: *mut *mut GError) -> c_int>,
    pub io_create_watch: Option<
        unsafe extern "C-unwind" fn(ioc: *mut QIOChannel, condition: GIOCondition) -> *mut GSource,
    >,
    pub io_set_blocking: Option<
        unsafe extern "C-unwind" fn(
            ioc: *mut QIOChannel,
            enabled: glib_sys::gboolean,
            error: *mut *mut GError,
        ) -> c_int,
    >,

    pub io_shutdown: Option<
        unsafe extern "C-unwind" fn(
            ioc: *mut QIOChannel,
            how: c_int,
            error: *mut *mut GError,
        ) -> c_int,
    >,
    pub io_set_cork:
        Option<unsafe extern "C-unwind" fn(ioc: *mut QIOChannel, enabled: glib_sys::gboolean)>,
    pub io_set_delay:
        Option<unsafe extern "C-unwind" fn(ioc: *mut QIOChannel, enabled: glib_sys::gboolean)>,
    pub io_seek: Option<
        unsafe extern "C-unwind" fn(
            ioc: *mut QIOChannel,
            offset: i64,
            whence: c_int,
            error: *mut *mut GError,
        ) -> i64,
    >,
    pub io_set_aio_fd_handler: Option<
        unsafe extern "C-unwind" fn(
            ioc: *mut QIOChannel,
            context: *mut GMainContext,
            io_read: IOHandler,
            io_write: IOHandler,
            opaque: *mut c_void,
        ),
    >,

    pub io_wait_fd: Option<
        unsafe extern "C-unwind" fn(
            ioc: *mut QIOChannel,
            condition: GIOCondition,
            fd_condition: *mut GIOCondition,
        ) -> c_int,
    >,
    pub io_preadv: Option<
        unsafe extern "C-unwind" fn(
            ioc: *mut QIOChannel,
            iov: *const iovec,
            niov: size_t,
            offset: i64,
            error: *mut *mut GError,
        ) -> ssize_t,
    >,
    pub io_pwritev: Option<
        unsafe extern "C-unwind" fn(
            ioc: *mut QIOChannel,
            iov: *const iovec,
            niov: size_t,
            offset: i64,
            error: *mut *mut GError,
        ) -> ssize_t,
    >,
    pub io_flush:
        Option<unsafe extern "C-unwind" fn(ioc: *mut QIOChannel, error: *mut *mut GError) -> c_int>,
    pub io_get_credentials: Option<
        unsafe extern "C-unwind" fn(
            ioc: *mut QIOChannel,
            error: *mut *mut GError,
        ) -> *mut GCredentials,
    >,
    pub io_read_bytes: Option<
        unsafe extern "C-unwind" fn(
            ioc: *mut QIOChannel,
            count: size_t,
            fds: *mut *mut GUnixFDList,
            flags: c_uint,
            error: *mut *mut GError,
        ) -> *mut GBytes,
    >,
    pub io_write_bytes: Option<
        unsafe extern "C-unwind" fn(
            ioc: *mut QIOChannel,
            bytes: *mut GBytes,
            fds: *mut GUnixFDList,
            flags: c_uint,
            error: *mut *mut GError,
        ) -> ssize_t,
    >,

    /// Padding in C, as the next field: the functions that a class of this crate has set, which a
    /// derived class inherits and may override.
    pub(super) native: Option<&'static NativeClass>,
    /// The address of the class if it is plain: see `bytes_vfuncs::is_plain_class`. A derived class
    /// that copied this has another address.
    pub(super) plain: AtomicUsize,
    pub padding: [gpointer; 10],
}

// SAFETY: `repr(C)`, and the first field is the instance of the parent type.
unsafe impl InstanceStruct for QIOChannel {
    type Type = imp::Channel;
}

// SAFETY: `repr(C)`, and the first field is the class of the parent type.
unsafe impl ClassStruct for QIOChannelClass {
    type Type = imp::Channel;
}

const SLOTS: usize = 17;
const _: () = assert!(size_of::<QIOChannel>() == size_of::<GObject>());
const _: () = assert!(
    size_of::<QIOChannelClass>() == size_of::<GObjectClass>() + (SLOTS + 12) * size_of::<usize>()
);

/// Declares the C structs of a class without virtual functions of its own, and makes its Rust type
/// derivable by a trait.
///
/// The parent is [`Channel`](super::Channel) if no other is named.
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
            /// Reserved for virtual functions.
            pub padding: [glib_sys::gpointer; 8],
        }

        // SAFETY: `repr(C)`, and the first field is the instance of the parent type.
        #[allow(unsafe_code)]
        unsafe impl glib::subclass::types::InstanceStruct for $instance {
            type Type = $imp;
        }

        // SAFETY: `repr(C)`, and the first field is the class of the parent type.
        #[allow(unsafe_code)]
        unsafe impl glib::subclass::types::ClassStruct for $class {
            type Type = $imp;
        }

        #[doc = concat!("Must be implemented by a class that derives from [`", stringify!($wrapper), "`].")]
        pub trait $impl_trait:
            $parent_impl + glib::subclass::types::ObjectSubclass<Type: glib::object::IsA<$wrapper>>
        {
        }

        // SAFETY: the class has no virtual functions but those of the parent, which
        // `parent_class_init` sets.
        #[allow(unsafe_code)]
        unsafe impl<T: $impl_trait> glib::subclass::types::IsSubclassable<T> for $wrapper {}
    };
}
pub(crate) use derived_class;
