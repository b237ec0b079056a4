//! The bodies of C functions, most of which are alike. Their signatures stay literal: tests compare
//! them with the headers.

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

/// The body of a C function: runs a closure, whose panic is a critical warning and an error.
///
/// What the closure does with pointers is sound by the C contract of the function, at the top of
/// `capi`: that is the invariant of every `unsafe` block that the macros here open.
macro_rules! function {
    ($function:ident, $error:expr, $failed:expr, $call:expr) => {
        // SAFETY: the C contract, at the top of `capi`; `error` is NULL or a place for an error.
        unsafe { $crate::capi::guarded($crate::capi::c_name!($function), $error, $failed, $call) }
    };
}

/// The body of a C function with an instance and a place for an error.
macro_rules! try_method {
    ($function:ident, $instance:expr, $error:expr, $failed:expr, $call:expr) => {
        // SAFETY: the C contract, at the top of `capi`; `with` checks the type of the instance,
        // which the caller keeps alive for the length of the call.
        unsafe {
            $crate::capi::with(
                $crate::capi::c_name!($function),
                $instance,
                $error,
                $failed,
                $call,
            )
        }
    };
}

/// As [`try_method`], of a function that cannot fail.
macro_rules! method {
    ($function:ident, $instance:expr, $failed:expr, $call:expr) => {
        $crate::capi::try_method!($function, $instance, std::ptr::null_mut(), $failed, $call)
    };
}

/// How an asynchronous function was called, by the names of its arguments.
macro_rules! async_call {
    ($function:ident($priority:ident, $cancellable:ident, $callback:ident, $user_data:ident)) => {
        $crate::capi::task::Call {
            tag: $function as *const () as usize,
            name: $crate::capi::c_name!($function),
            io_priority: $priority,
            cancellable: $cancellable,
            callback: $callback,
            user_data: $user_data,
        }
    };
}

/// The body of an asynchronous function of a channel: `action` completes "Unable to …" in its
/// errors.
macro_rules! async_method {
    ($function:ident($ioc:ident, $($argument:ident),+), $action:expr, $operation:expr) => {
        // SAFETY: the C contract, at the top of `capi`; `start` checks the type of the channel, and
        // takes references.
        unsafe {
            $crate::capi::task::start($ioc, $crate::capi::async_call!($function($($argument),+)), $action, $operation)
        }
    };
}

/// The body of the function that takes the result of an asynchronous one.
macro_rules! finish_method {
    ($function:ident, $begun_by:ident, $object:expr, $result:expr, $error:expr, $failed:expr, $convert:expr) => {
        // SAFETY: the C contract, at the top of `capi`; a task with the tag of that function has a
        // result of the type that `convert` takes.
        unsafe {
            $crate::capi::task::finish(
                $crate::capi::c_name!($function),
                $object.cast(),
                $result,
                $begun_by as *const () as usize,
                $error,
                $failed,
                $convert,
            )
        }
    };
}

pub(super) use {async_call, async_method, c_name, finish_method, function, method, try_method};
