//! Instances of classes as arguments.

use std::{
    ffi::CStr,
    sync::atomic::{AtomicUsize, Ordering},
};

use glib::{prelude::*, translate::*};
use glib_sys::{GError, gpointer};
use gobject_sys::GTypeInstance;

use super::{complain, guarded};
use crate::Channel;

/// A class whose instances are arguments.
pub(super) trait Instance: ObjectType {
    /// The macro that checks for an instance, in complaints: `QIO_IS_CHANNEL`.
    const IS: &'static str;

    /// The address of the class of the last argument that was an instance: most calls are for the
    /// same class, and classes keep their address.
    fn last() -> &'static AtomicUsize;
}

/// The address of no class, and not that of a freed instance either, which is 0.
pub(super) const NO_CLASS: usize = 1;

/// Declares the macro that checks for an instance of a class.
macro_rules! instance {
    ($class:ty, $is:literal) => {
        impl $crate::capi::Instance for $class {
            const IS: &'static str = $is;

            fn last() -> &'static std::sync::atomic::AtomicUsize {
                static LAST: std::sync::atomic::AtomicUsize =
                    std::sync::atomic::AtomicUsize::new($crate::capi::instance::NO_CLASS);
                &LAST
            }
        }
    };
}
pub(super) use instance;

instance!(Channel, "QIO_IS_CHANNEL");
instance!(gio::Cancellable, "G_IS_CANCELLABLE");
instance!(gio::SocketAddress, "G_IS_SOCKET_ADDRESS");
instance!(gio::SocketConnectable, "G_IS_SOCKET_CONNECTABLE");
instance!(gio::UnixFDList, "G_IS_UNIX_FD_LIST");

/// Whether a pointer is to an instance of `T`.
///
/// # Safety
///
/// It must be NULL or the address of an instance of some class.
#[inline]
pub(super) unsafe fn is_a<T: Instance>(instance: gpointer) -> bool {
    let instance = instance.cast::<GTypeInstance>();
    if instance.is_null() {
        return false;
    }
    // SAFETY: forwarded: it is not NULL, so it is an instance, which begins with its class.
    let class = unsafe { (*instance).g_class.addr() };
    class == T::last().load(Ordering::Relaxed) || is_found_to_be_a::<T>(instance, class)
}

#[cold]
#[inline(never)]
fn is_found_to_be_a<T: Instance>(instance: *mut GTypeInstance, class: usize) -> bool {
    let type_ = T::static_type().into_glib();
    // SAFETY: `is_a`, the only caller, has an instance.
    let is = unsafe { gobject_sys::g_type_check_instance_is_a(instance, type_) != 0 };
    if is {
        T::last().store(class, Ordering::Relaxed);
    }
    is
}

/// Borrows the argument `name` as an instance of `T` for the length of a call; complains, and
/// returns `failed`, if it is none.
///
/// # Safety
///
/// `instance` must be NULL or an instance of some class that is alive during the call, and `error`
/// as for [`guarded`].
#[inline]
pub(super) unsafe fn with<T, R>(
    function: &CStr,
    name: &str,
    instance: *mut <T as ObjectType>::GlibType,
    error: *mut *mut GError,
    failed: R,
    call: impl FnOnce(&T) -> R,
) -> R
where
    T: Instance,
    R: Copy,
{
    // SAFETY: forwarded, and `is_a` has checked that it is an instance of `T` before it is borrowed
    // as one.
    unsafe {
        if !is_a::<T>(instance.cast()) {
            return is_none::<T, R>(function, name, failed);
        }
        let object = glib::Object::from_glib_borrow(instance.cast::<gobject_sys::GObject>());
        guarded(function, error, failed, || {
            call(object.unsafe_cast_ref::<T>())
        })
    }
}

#[cold]
#[inline(never)]
fn is_none<T: Instance, R>(function: &CStr, name: &str, failed: R) -> R {
    complain(function, &format!("{} ({name})", T::IS));
    failed
}
