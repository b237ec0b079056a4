//! Arguments of C functions, checked and converted.

use std::{
    ffi::{CStr, OsStr, c_char, c_int, c_uint},
    os::unix::ffi::OsStrExt,
    path::Path,
    ptr::NonNull,
};

use gio::{TlsAuthenticationMode, TlsProtocolVersion};
use glib::{prelude::*, translate::*};
use glib_sys::{GBytes, GMainContext, GSource};

use super::{Instance, is_a};
use crate::{
    Framing, ReadFlags, StderrPolicy, TlsEndpoint, TlsPskHash, WebsockMessageKind, WriteFlags,
};

/// What an argument, or several, of type `Raw` become. The error is the precondition that does not
/// hold.
pub(super) trait Argument<Raw>: Sized {
    /// # Safety
    ///
    /// `raw` must be an argument of a C function, as its declaration demands, and what borrows from
    /// it must not outlive the call.
    unsafe fn from_c(raw: Raw, name: &str) -> Result<Self, String>;
}

#[cold]
fn null(name: &str) -> String {
    format!("{name} != NULL")
}

#[cold]
fn other_than(name: &str, expected: &str) -> String {
    format!("{name} is {expected}")
}

impl<T> Argument<*mut <T as ObjectType>::GlibType> for T
where
    T: Instance + FromGlibPtrNone<*mut <T as ObjectType>::GlibType>,
{
    unsafe fn from_c(raw: *mut T::GlibType, name: &str) -> Result<Self, String> {
        // SAFETY: the C contract: NULL or an instance of some class; `is_a` has checked which.
        unsafe {
            match is_a::<T>(raw.cast()) {
                true => Ok(from_glib_none(raw)),
                false => Err(format!("{} ({name})", T::IS)),
            }
        }
    }
}

impl<T> Argument<*mut <T as ObjectType>::GlibType> for Option<T>
where
    T: Instance + FromGlibPtrNone<*mut <T as ObjectType>::GlibType>,
{
    unsafe fn from_c(raw: *mut T::GlibType, name: &str) -> Result<Self, String> {
        if raw.is_null() {
            return Ok(None);
        }
        // SAFETY: forwarded: the same argument.
        let instance = unsafe { T::from_c(raw, name) };
        instance
            .map(Some)
            .map_err(|expected| format!("{name} == NULL || {expected}"))
    }
}

impl Argument<*mut GBytes> for glib::Bytes {
    unsafe fn from_c(raw: *mut GBytes, name: &str) -> Result<Self, String> {
        // SAFETY: the C contract: NULL or a GBytes.
        unsafe { Option::from_glib_none(raw) }.ok_or_else(|| null(name))
    }
}

impl Argument<*mut GBytes> for Option<glib::Bytes> {
    unsafe fn from_c(raw: *mut GBytes, _: &str) -> Result<Self, String> {
        // SAFETY: the C contract: NULL or a GBytes.
        Ok(unsafe { from_glib_none(raw) })
    }
}

impl Argument<*mut GMainContext> for Option<glib::MainContext> {
    unsafe fn from_c(raw: *mut GMainContext, _: &str) -> Result<Self, String> {
        // SAFETY: the C contract: NULL or a GMainContext.
        Ok(unsafe { from_glib_none(raw) })
    }
}

impl Argument<*mut GSource> for glib::Source {
    unsafe fn from_c(raw: *mut GSource, name: &str) -> Result<Self, String> {
        // SAFETY: the C contract: NULL or a GSource.
        unsafe { Option::from_glib_none(raw) }.ok_or_else(|| null(name))
    }
}

impl Argument<*const c_char> for &CStr {
    unsafe fn from_c(raw: *const c_char, name: &str) -> Result<Self, String> {
        match raw.is_null() {
            true => Err(null(name)),
            // SAFETY: the C contract: a NUL-terminated string that is valid for the call.
            false => Ok(unsafe { CStr::from_ptr(raw) }),
        }
    }
}

/// A string that need not be UTF-8.
impl Argument<*const c_char> for &OsStr {
    unsafe fn from_c(raw: *const c_char, name: &str) -> Result<Self, String> {
        // SAFETY: forwarded: the same argument.
        let string: &CStr = unsafe { Argument::from_c(raw, name) }?;
        Ok(OsStr::from_bytes(string.to_bytes()))
    }
}

impl Argument<*const c_char> for Option<&OsStr> {
    unsafe fn from_c(raw: *const c_char, name: &str) -> Result<Self, String> {
        // SAFETY: forwarded: the same argument.
        Ok(unsafe { Argument::from_c(raw, name) }.ok())
    }
}

impl Argument<*const c_char> for &Path {
    unsafe fn from_c(raw: *const c_char, name: &str) -> Result<Self, String> {
        // SAFETY: forwarded: the same argument.
        let path: &OsStr = unsafe { Argument::from_c(raw, name) }?;
        Ok(Path::new(path))
    }
}

impl Argument<*const c_char> for &str {
    unsafe fn from_c(raw: *const c_char, name: &str) -> Result<Self, String> {
        // SAFETY: forwarded: the same argument.
        let text: Option<Self> = unsafe { Argument::from_c(raw, name) }?;
        text.ok_or_else(|| other_than(name, "UTF-8"))
    }
}

impl Argument<*const c_char> for Option<&str> {
    unsafe fn from_c(raw: *const c_char, name: &str) -> Result<Self, String> {
        if raw.is_null() {
            return Ok(None);
        }
        // SAFETY: forwarded: the same argument.
        let text: &CStr = unsafe { Argument::from_c(raw, name) }?;
        let text = text.to_str().map_err(|_| other_than(name, "UTF-8"))?;
        Ok(Some(text))
    }
}

/// The strings of a list that ends in NULL.
///
/// # Safety
///
/// `list` must be such a list, not NULL, which is valid for the call.
pub(super) unsafe fn null_terminated<'a>(list: *const *const c_char) -> Vec<&'a CStr> {
    (0..)
        // SAFETY: forwarded: no item behind the NULL is read.
        .map(|i| unsafe { *list.add(i) })
        .take_while(|string| !string.is_null())
        // SAFETY: forwarded: an item that is not NULL is a string that ends in NUL.
        .map(|string| unsafe { CStr::from_ptr(string) })
        .collect()
}

impl Argument<*const *const c_char> for Vec<&OsStr> {
    unsafe fn from_c(raw: *const *const c_char, name: &str) -> Result<Self, String> {
        // SAFETY: forwarded: the same argument.
        let strings: Option<Self> = unsafe { Argument::from_c(raw, name) }?;
        strings.ok_or_else(|| null(name))
    }
}

impl Argument<*const *const c_char> for Option<Vec<&OsStr>> {
    unsafe fn from_c(raw: *const *const c_char, _: &str) -> Result<Self, String> {
        if raw.is_null() {
            return Ok(None);
        }
        // SAFETY: the C contract: a list that ends in NULL.
        let strings = unsafe { null_terminated(raw) }.into_iter();
        Ok(Some(
            strings.map(|it| OsStr::from_bytes(it.to_bytes())).collect(),
        ))
    }
}

impl Argument<*const *const c_char> for Vec<&str> {
    unsafe fn from_c(raw: *const *const c_char, name: &str) -> Result<Self, String> {
        // SAFETY: forwarded: the same argument.
        let strings: Vec<&OsStr> = unsafe { Argument::from_c(raw, name) }?;
        let texts: Option<_> = strings.into_iter().map(OsStr::to_str).collect();
        texts.ok_or_else(|| other_than(name, "UTF-8"))
    }
}

/// A type whose values are opaque structures for C, made by `Box`.
pub(super) trait Boxed {}

/// Transfers a value to C.
pub(super) fn boxed<T: Boxed>(value: T) -> *mut T {
    Box::into_raw(Box::new(value))
}

impl<T: Boxed> Argument<*const T> for &T {
    unsafe fn from_c(raw: *const T, name: &str) -> Result<Self, String> {
        // SAFETY: the C contract: NULL or a value that is valid for the call.
        unsafe { raw.as_ref() }.ok_or_else(|| null(name))
    }
}

/// A value that is changed where it is.
pub(super) struct InPlace<'a, T>(pub(super) &'a mut T);

impl<T: Boxed> Argument<*mut T> for InPlace<'_, T> {
    unsafe fn from_c(raw: *mut T, name: &str) -> Result<Self, String> {
        // SAFETY: the C contract: NULL or a value that nothing else uses during the call.
        unsafe { raw.as_mut() }.map(Self).ok_or_else(|| null(name))
    }
}

/// A value that the caller transfers.
pub(super) struct Owned<T>(pub(super) Box<T>);

impl<T: Boxed> Argument<*mut T> for Owned<T> {
    unsafe fn from_c(raw: *mut T, name: &str) -> Result<Self, String> {
        match raw.is_null() {
            true => Err(null(name)),
            // SAFETY: the C contract: a value from `Box::into_raw`, by a constructor or by GLib's
            // copy of a boxed type, which the caller transfers.
            false => Ok(Self(unsafe { Box::from_raw(raw) })),
        }
    }
}

/// The address of a variable of the caller, which is not NULL.
#[derive(Clone, Copy)]
pub(super) struct Out<T>(NonNull<T>);

impl<T> Out<T> {
    /// Of an argument that [`finish_method!`](super::finish_method) does not check.
    ///
    /// # Safety
    ///
    /// As for [`Argument::from_c`].
    pub(super) unsafe fn new(raw: *mut T) -> Option<Self> {
        NonNull::new(raw).map(Self)
    }

    pub(super) fn set(self, value: T) {
        // SAFETY: the C contract, which `from_c` demands: a variable of the caller, writable during
        // the call.
        unsafe { self.0.write(value) };
    }
}

impl<T> Argument<*mut T> for Out<T> {
    unsafe fn from_c(raw: *mut T, name: &str) -> Result<Self, String> {
        NonNull::new(raw).map(Self).ok_or_else(|| null(name))
    }
}

impl<T> Argument<*mut T> for Option<Out<T>> {
    unsafe fn from_c(raw: *mut T, _: &str) -> Result<Self, String> {
        Ok(NonNull::new(raw).map(Out))
    }
}

/// Declares an enumeration whose values are numbers for C, some of which it does not have.
macro_rules! enumeration {
    ($type:ty) => {
        impl Argument<c_uint> for $type {
            unsafe fn from_c(raw: c_uint, name: &str) -> Result<Self, String> {
                // SAFETY: `try_from_glib` takes any number.
                unsafe { Self::try_from_glib(raw.cast_signed()) }
                    .map_err(|_| other_than(name, concat!("a QIO", stringify!($type))))
            }
        }
    };
}
enumeration!(TlsEndpoint);
enumeration!(TlsPskHash);
enumeration!(WebsockMessageKind);

impl Argument<c_uint> for Framing {
    unsafe fn from_c(raw: c_uint, name: &str) -> Result<Self, String> {
        // SAFETY: `try_from_glib` takes any number.
        unsafe { Self::try_from_glib(raw.cast_signed()) }
            .map_err(|_| other_than(name, "a QIOChannelFraming"))
    }
}

impl Argument<c_uint> for StderrPolicy {
    unsafe fn from_c(raw: c_uint, name: &str) -> Result<Self, String> {
        // SAFETY: `try_from_glib` takes any number.
        unsafe { Self::try_from_glib(raw.cast_signed()) }
            .map_err(|_| other_than(name, "a QIOChannelCommandStderr"))
    }
}

impl Argument<c_uint> for TlsProtocolVersion {
    unsafe fn from_c(raw: c_uint, name: &str) -> Result<Self, String> {
        // SAFETY: any number is a value: those that GLib does not have are `__Unknown`.
        match unsafe { from_glib(raw.cast_signed()) } {
            Self::__Unknown(_) => Err(other_than(name, "a GTlsProtocolVersion")),
            version => Ok(version),
        }
    }
}

impl Argument<c_uint> for TlsAuthenticationMode {
    unsafe fn from_c(raw: c_uint, name: &str) -> Result<Self, String> {
        // SAFETY: any number is a value: those that GLib does not have are `__Unknown`.
        match unsafe { from_glib(raw.cast_signed()) } {
            Self::__Unknown(_) => Err(other_than(name, "a GTlsAuthenticationMode")),
            mode => Ok(mode),
        }
    }
}

impl Argument<c_int> for gio::SocketType {
    unsafe fn from_c(raw: c_int, name: &str) -> Result<Self, String> {
        // SAFETY: any number is a value: those that GLib does not have are `__Unknown`.
        match unsafe { from_glib(raw) } {
            kind @ (Self::Stream | Self::Datagram | Self::Seqpacket) => Ok(kind),
            _ => Err(other_than(name, "a GSocketType other than INVALID")),
        }
    }
}

/// Declares flags, of which unknown ones are ignored.
macro_rules! flags {
    ($type:ty) => {
        impl Argument<c_uint> for $type {
            unsafe fn from_c(raw: c_uint, _: &str) -> Result<Self, String> {
                Ok(Self::from_bits_truncate(raw))
            }
        }

        impl Argument<c_int> for $type {
            unsafe fn from_c(raw: c_int, _: &str) -> Result<Self, String> {
                Ok(Self::from_bits_truncate(raw.cast_unsigned()))
            }
        }
    };
}
flags!(ReadFlags);
flags!(WriteFlags);
