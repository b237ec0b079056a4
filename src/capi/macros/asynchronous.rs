//! The bodies of asynchronous C functions, and of those that return their results.

/// The arguments that every asynchronous function has.
macro_rules! async_call {
    ($function:ident[$priority:ident, $cancellable:ident, $callback:ident, $user_data:ident]) => {
        $crate::capi::task::NamedCall {
            name: $crate::capi::c_name!($function),
            call: $crate::gio::task::Call {
                tag: $function as *const () as usize,
                io_priority: $priority,
                cancellable: $cancellable,
                callback: $callback,
                user_data: $user_data,
            },
        }
    };
}

/// The body of an asynchronous method, which makes a future; `action` as for [`try_method`]. The
/// future may move between threads, but for `local` ones: these stay in the first thread that runs
/// the context.
macro_rules! async_method {
    (
        $function:ident($this:ident: $class:ty $(, $arg:ident: $type:ty $(= $raw:expr)?)*)
        $call:tt, local $action:expr => $future:expr
    ) => {
        $crate::capi::async_method!(
            @ $function($this: $class $(, $arg: $type $(= $raw)?)*) $call, start_local,
            $crate::capi::task::describing(&$this, $action) => $future
        )
    };
    (
        $function:ident($this:ident: $class:ty $(, $arg:ident: $type:ty $(= $raw:expr)?)*)
        $call:tt, $action:expr => $future:expr
    ) => {
        $crate::capi::async_method!(
            @ $function($this: $class $(, $arg: $type $(= $raw)?)*) $call, start,
            $crate::capi::task::describing(&$this, $action) => $future
        )
    };
    (
        $function:ident($this:ident: $class:ty $(, $arg:ident: $type:ty $(= $raw:expr)?)*)
        $call:tt local => $future:expr
    ) => {
        $crate::capi::async_method!(
            @ $function($this: $class $(, $arg: $type $(= $raw)?)*) $call, start_local,
            $crate::to_glib_error => $future
        )
    };
    (
        $function:ident($this:ident: $class:ty $(, $arg:ident: $type:ty $(= $raw:expr)?)*)
        $call:tt => $future:expr
    ) => {
        $crate::capi::async_method!(
            @ $function($this: $class $(, $arg: $type $(= $raw)?)*) $call, start,
            $crate::to_glib_error => $future
        )
    };
    (
        @ $function:ident($this:ident: $class:ty $(, $arg:ident: $type:ty $(= $raw:expr)?)*)
        $call:tt, $start:ident, $to_error:expr => $future:expr
    ) => {
        // SAFETY: the C contract, at the top of `capi`; `with` checks the type of the instance, to
        // which the task and the future have references of their own.
        unsafe {
            $crate::capi::with(
                $crate::capi::c_name!($function), stringify!($this), $this, std::ptr::null_mut(),
                (), |$this: &$class| {
                    let $this = $this.clone();
                    $(
                        let $arg =
                            $crate::capi::argument_of!($function, (), $type, $arg $(, $raw)?);
                    )*
                    let call = $crate::capi::async_call!($function $call);
                    let (object, to_error) = ($this.clone(), $to_error);
                    let object = glib::object::Cast::upcast_ref(&object);
                    $crate::capi::task::$start(Some(object), &call, to_error, $future);
                },
            );
        }
    };
}

/// The body of an asynchronous function without an instance. Its future stays in the first thread
/// that runs the context.
macro_rules! async_function {
    (
        $function:ident($($arg:ident: $type:ty $(= $raw:expr)?),*) $call:tt => $future:expr
    ) => {
        // SAFETY: the C contract, at the top of `capi`.
        unsafe {
            $crate::capi::guarded(
                $crate::capi::c_name!($function), std::ptr::null_mut(), (), || {
                    $(
                        let $arg =
                            $crate::capi::argument_of!($function, (), $type, $arg $(, $raw)?);
                    )*
                    let call = $crate::capi::async_call!($function $call);
                    $crate::capi::task::start_local(None, &call, $crate::to_glib_error, $future);
                },
            );
        }
    };
}

/// The body of the function that returns the result, of type `$type`, of an asynchronous one.
macro_rules! finish_method {
    (
        $function:ident, $begun_by:ident($object:expr, $result:expr), $error:expr,
        $type:ty => $kind:ident
    ) => {
        $crate::capi::finish_method!(
            @ $function, $begun_by($object, $result), $error, $type,
            $crate::capi::failed!($kind), $crate::capi::into_c!($kind)
        )
    };
    (
        $function:ident, $begun_by:ident($object:expr, $result:expr), $error:expr,
        $type:ty => value or $failed:expr, $convert:expr
    ) => {
        $crate::capi::finish_method!(
            @ $function, $begun_by($object, $result), $error, $type, $failed, $convert
        )
    };
    (
        @ $function:ident, $begun_by:ident($object:expr, $result:expr), $error:expr,
        $type:ty, $failed:expr, $convert:expr
    ) => {
        // SAFETY: the C contract, at the top of `capi`. `$begun_by`, and no other function, makes
        // tasks with its tag; the type of its future's value is `$type`.
        unsafe {
            $crate::capi::task::finish::<$type, _>(
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

pub(in crate::capi) use {async_call, async_function, async_method, finish_method};
