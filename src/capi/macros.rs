//! The bodies of C functions. Their signatures stay literal: tests compare them with the headers.
//!
//! A body names its function and the arguments that are checked, each with the type that it becomes
//! (see [`Argument`](super::Argument)), then what the result is for C, and the call:
//!
//! ```ignore
//! method!(qio_channel_get_blocking(ioc: Channel) or 0 => ioc.is_blocking().into_glib())
//! method!(qio_channel_get_name(ioc: Channel), pointer => ioc.name())
//! try_method!(qio_channel_close(ioc: Channel), error, "close", status => ioc.close())
//! ```
//!
//! | result | succeeds with | fails with |
//! | --- | --- | --- |
//! | `status` | 0 | -1 |
//! | `success` | `TRUE` | `FALSE` |
//! | `eof` | 1, or 0 at the end of the file | -1 |
//! | `count` | a count, or `QIO_CHANNEL_ERR_BLOCK` | -1 |
//! | `size` | a count | -1 |
//! | `pointer` | an owned pointer | NULL |
//! | `string` | a copy of a string or a path, or NULL for `None` | NULL |
//! | `value or F` | the value | F |
//!
//! The C contract, at the top of `capi`, is the invariant of every `unsafe` block that these macros
//! open: arguments are as the C declaration of the function demands.

mod asynchronous;

/// The name of a C function, for warnings.
macro_rules! c_name {
    ($function:ident) => {{
        const NAME: &std::ffi::CStr = match std::ffi::CStr::from_bytes_with_nul(
            concat!(stringify!($function), "\0").as_bytes(),
        ) {
            Ok(name) => name,
            Err(_) => panic!("an identifier has no NUL"),
        };
        NAME
    }};
}

/// What a function returns that has failed.
macro_rules! failed {
    (status) => {
        -1
    };
    (success) => {
        glib_sys::GFALSE
    };
    (eof) => {
        -1
    };
    (count) => {
        -1
    };
    (size) => {
        -1
    };
    (pointer) => {
        std::ptr::null_mut()
    };
    (string) => {
        std::ptr::null_mut()
    };
    (value $failed:expr) => {
        $failed
    };
}

/// Converts what a function has succeeded with.
macro_rules! into_c {
    (status) => {
        |()| 0
    };
    (success) => {
        |()| glib_sys::GTRUE
    };
    (eof) => {
        |is_whole: bool| std::ffi::c_int::from(is_whole)
    };
    // A count fits: it is at most the size of what is in memory.
    (size) => {
        |count: usize| count as libc::ssize_t
    };
    (pointer) => {
        glib::translate::IntoGlibPtr::into_glib_ptr
    };
    (string) => {
        |text| glib::translate::ToGlibPtr::to_glib_full(&text)
    };
    (value) => {
        std::convert::identity
    };
}

/// Converts the result of a function.
macro_rules! out_of {
    (count, $result:expr) => {
        $crate::capi::no_data_yet($result)
    };
    ($kind:ident, $result:expr) => {
        $result.map($crate::capi::into_c!($kind))
    };
}

/// Checks and converts an argument; returns from the closure around it if a check fails.
macro_rules! argument_of {
    ($function:ident, $failed:expr, $type:ty, $name:ident) => {
        $crate::capi::argument_of!($function, $failed, $type, $name, $name)
    };
    ($function:ident, $failed:expr, $type:ty, $name:ident, $raw:expr) => {
        match <$type as $crate::capi::Argument<_>>::from_c($raw, stringify!($name)) {
            Ok(argument) => argument,
            Err(expected) => {
                $crate::capi::complain($crate::capi::c_name!($function), &expected);
                return $failed;
            }
        }
    };
}

/// The body of a function without an instance.
macro_rules! function {
    ($function:ident($($arg:ident: $type:ty $(= $raw:expr)?),*) => $value:expr) => {
        $crate::capi::function!($function($($arg: $type $(= $raw)?),*) or () => $value)
    };
    ($function:ident($($arg:ident: $type:ty $(= $raw:expr)?),*), $kind:ident => $value:expr) => {
        $crate::capi::function!(
            $function($($arg: $type $(= $raw)?),*) or $crate::capi::failed!($kind)
            => $crate::capi::into_c!($kind)($value)
        )
    };
    ($function:ident($($arg:ident: $type:ty $(= $raw:expr)?),*) or $failed:expr => $value:expr) => {
        // SAFETY: the C contract, at the top of `capi`; there is no `GError **`.
        unsafe {
            $crate::capi::guarded(
                $crate::capi::c_name!($function), std::ptr::null_mut(), $failed, || {
                    $(
                        let $arg =
                            $crate::capi::argument_of!($function, $failed, $type, $arg $(, $raw)?);
                    )*
                    $value
                },
            )
        }
    };
    (
        $function:ident($($arg:ident: $type:ty $(= $raw:expr)?),*),
        $error:expr, $kind:ident $(or $failed:expr)? => $result:expr
    ) => {
        $crate::capi::function!(
            @ $function($($arg: $type $(= $raw)?),*), $error,
            $kind, $crate::capi::failed!($kind $($failed)?) => $result
        )
    };
    (
        @ $function:ident($($arg:ident: $type:ty $(= $raw:expr)?),*),
        $error:expr, $kind:ident, $failed:expr => $result:expr
    ) => {
        // SAFETY: the C contract, at the top of `capi`.
        unsafe {
            $crate::capi::guarded($crate::capi::c_name!($function), $error, $failed, || {
                $(
                    let $arg =
                        $crate::capi::argument_of!($function, $failed, $type, $arg $(, $raw)?);
                )*
                let result = $crate::capi::attempt(|| $result);
                $crate::capi::out_of!($kind, result).unwrap_or_else(|e| {
                    $crate::capi::report_plain($error, &e);
                    $failed
                })
            })
        }
    };
}

/// The body of a method that cannot fail.
macro_rules! method {
    (
        $function:ident($this:ident: $class:ty $(, $arg:ident: $type:ty $(= $raw:expr)?)*)
        => $value:expr
    ) => {
        $crate::capi::method!($function($this: $class $(, $arg: $type $(= $raw)?)*) or () => $value)
    };
    (
        $function:ident($this:ident: $class:ty $(, $arg:ident: $type:ty $(= $raw:expr)?)*),
        $kind:ident => $value:expr
    ) => {
        $crate::capi::method!(
            $function($this: $class $(, $arg: $type $(= $raw)?)*) or $crate::capi::failed!($kind)
            => $crate::capi::into_c!($kind)($value)
        )
    };
    (
        $function:ident($this:ident: $class:ty $(, $arg:ident: $type:ty $(= $raw:expr)?)*)
        or $failed:expr => $value:expr
    ) => {
        // SAFETY: the C contract, at the top of `capi`; `with` checks the type of the instance, and
        // there is no `GError **`.
        unsafe {
            $crate::capi::with(
                $crate::capi::c_name!($function), stringify!($this), $this, std::ptr::null_mut(),
                $failed, |$this: &$class| {
                    $(
                        let $arg =
                            $crate::capi::argument_of!($function, $failed, $type, $arg $(, $raw)?);
                    )*
                    $value
                },
            )
        }
    };
}

/// The body of a method that may fail. `action` completes "Unable to …" in errors that do not
/// name the failed operation; without it the object is no channel.
macro_rules! try_method {
    (
        $function:ident($this:ident: $class:ty $(, $arg:ident: $type:ty $(= $raw:expr)?)*),
        $error:expr, $action:expr, $kind:ident $(or $failed:expr)? => $result:expr
    ) => {
        $crate::capi::try_method!(
            @ $function($this: $class $(, $arg: $type $(= $raw)?)*), $error,
            |e| $crate::channel::class::report(
                $error, e, glib::prelude::Cast::upcast_ref::<$crate::Channel>($this), $action
            ),
            $kind, $crate::capi::failed!($kind $($failed)?) => $result
        )
    };
    (
        $function:ident($this:ident: $class:ty $(, $arg:ident: $type:ty $(= $raw:expr)?)*),
        $error:expr, $kind:ident $(or $failed:expr)? => $result:expr
    ) => {
        $crate::capi::try_method!(
            @ $function($this: $class $(, $arg: $type $(= $raw)?)*), $error,
            |e| $crate::capi::report_plain($error, &e),
            $kind, $crate::capi::failed!($kind $($failed)?) => $result
        )
    };
    (
        @ $function:ident($this:ident: $class:ty $(, $arg:ident: $type:ty $(= $raw:expr)?)*),
        $error:expr, $report:expr, $kind:ident, $failed:expr => $result:expr
    ) => {
        // SAFETY: the C contract, at the top of `capi`; `with` checks the type of the instance,
        // which the caller keeps alive for the length of the call.
        unsafe {
            $crate::capi::with(
                $crate::capi::c_name!($function), stringify!($this), $this, $error, $failed,
                |$this: &$class| {
                    $(
                        let $arg =
                            $crate::capi::argument_of!($function, $failed, $type, $arg $(, $raw)?);
                    )*
                    let result = $crate::capi::attempt(|| $result);
                    $crate::capi::out_of!($kind, result).unwrap_or_else(|e: std::io::Error| {
                        let report = $report;
                        report(e);
                        $failed
                    })
                },
            )
        }
    };
}

pub(super) use asynchronous::{async_call, async_function, async_method, finish_method};
pub(super) use {argument_of, c_name, failed, function, into_c, method, out_of, try_method};
