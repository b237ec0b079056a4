//! Builders: boxed types whose functions never fail, until the last one builds.

use std::{ffi::CStr, mem, ptr};

use super::{Boxed, complain, guarded};

/// A builder whose functions are [`setter!`]s.
pub(super) trait Builder: Boxed + Sized {
    /// One without settings.
    fn empty() -> Self;

    /// Makes building fail, as a setter had an invalid argument. The first one counts.
    fn with_invalid_argument(self, setter: &str, expected: &str) -> Self;
}

/// The body of a setter of a builder. Arguments are checked as in other functions; if one is not
/// what it must be, building will fail as well.
macro_rules! setter {
    ($function:ident($builder:ident $(, $arg:ident: $type:ty $(= $raw:expr)?)*) => $value:expr) => {
        // SAFETY: the C contract, at the top of `capi`; nothing else uses the builder during the
        // call.
        unsafe {
            let function = $crate::capi::c_name!($function);
            $(
                let $arg = match <$type as $crate::capi::Argument<_>>::from_c(
                    $crate::capi::builder::raw!($arg $(, $raw)?), stringify!($arg),
                ) {
                    Ok(argument) => argument,
                    Err(expected) => {
                        return $crate::capi::builder::reject_argument(
                            function, $builder, &expected,
                        );
                    }
                };
            )*
            $crate::capi::builder::change(function, $builder, |$builder| $value);
        }
    };
}
pub(super) use setter;

macro_rules! raw {
    ($arg:ident) => {
        $arg
    };
    ($arg:ident, $raw:expr) => {
        $raw
    };
}
pub(super) use raw;

/// Changes a builder where it is; complains if it is NULL.
///
/// # Safety
///
/// `builder` must be NULL or a builder that nothing else uses during the call.
pub(super) unsafe fn change<T: Builder>(
    function: &CStr,
    builder: *mut T,
    how: impl FnOnce(T) -> T,
) {
    // SAFETY: forwarded: NULL or a builder; there is no `GError **`.
    unsafe {
        let Some(builder) = builder.as_mut() else {
            return complain(function, "builder != NULL");
        };
        guarded(function, ptr::null_mut(), (), || {
            // This is the builder if `how` panics.
            let broken =
                T::empty().with_invalid_argument(&function.to_string_lossy(), "it does not panic");
            *builder = how(mem::replace(builder, broken));
        });
    }
}

/// Complains of an argument; building will fail.
///
/// # Safety
///
/// As for [`change`].
pub(super) unsafe fn reject_argument<T: Builder>(function: &CStr, builder: *mut T, expected: &str) {
    complain(function, expected);
    if !builder.is_null() {
        let setter = function.to_string_lossy();
        // SAFETY: forwarded: it is not NULL, and nothing else uses it.
        unsafe {
            change(function, builder, |it: T| {
                it.with_invalid_argument(&setter, expected)
            });
        };
    }
}
