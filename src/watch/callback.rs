//! The callback of a watch: a C function, a `GClosure` of a binding, or a Rust closure.

#[cfg(test)]
mod tests;

use std::{cell::RefCell, ffi::c_uint, mem, ptr};

use glib::{ControlFlow, IOCondition, prelude::*, thread_guard::ThreadGuard, translate::*};
use glib_sys::{GIOCondition, GSource, GSourceFunc, gboolean, gpointer};
use gobject_sys::{GClosure, GObject, GValue};

use super::source::{is_of, is_watch};
use crate::sys::thread::{may_unwind, stop_on_unwind};

unsafe extern "C-unwind" {
    fn g_closure_invoke(
        closure: *mut GClosure,
        return_value: *mut GValue,
        n_param_values: c_uint,
        param_values: *const GValue,
        invocation_hint: gpointer,
    );
}

type Invoke =
    unsafe extern "C-unwind" fn(*mut GClosure, *mut GValue, c_uint, *const GValue, gpointer);

/// A `QIOChannelFunc`: this module refers to the channel as a `GObject`.
pub(super) type WatchFunc =
    unsafe extern "C-unwind" fn(*mut GObject, GIOCondition, gpointer) -> gboolean;

/// The type by which GLib passes the callback of a source, whatever its arguments are.
pub(super) type PlainFunc = unsafe extern "C" fn(gpointer) -> gboolean;

const fn plain(func: WatchFunc) -> GSourceFunc {
    // SAFETY: both are function pointers. GLib passes this one only to the dispatch function of a
    // watch, which casts it back to its real type.
    Some(unsafe { mem::transmute::<WatchFunc, PlainFunc>(func) })
}

/// For `g_source_set_closure()`, which PyGObject and GJS use: calls the closure with the channel
/// and the condition.
pub(super) const CLOSURE_CALLBACK: GSourceFunc = plain(closure_callback);

unsafe extern "C-unwind" fn closure_callback(
    object: *mut GObject,
    condition: GIOCondition,
    data: gpointer,
) -> gboolean {
    // SAFETY: `dispatch` passes a live object and the `GClosure` that was set. The values are
    // initialized before the closure gets them and freed on drop.
    unsafe {
        let object: glib::Object = from_glib_none(object);
        let condition: IOCondition = from_glib(condition);
        let arguments = [object.to_value(), condition.to_value()];
        let mut result = glib::Value::from_type(glib::Type::BOOL);
        let invoke = may_unwind::<Invoke>(g_closure_invoke);
        let result_out = result.to_glib_none_mut().0;
        stop_on_unwind(|| {
            invoke(
                data.cast(),
                result_out,
                2,
                arguments.as_ptr().cast(),
                ptr::null_mut(),
            );
        });
        result.get::<bool>().unwrap_or(false).into_glib()
    }
}

/// Sets the Rust callback of a watch of `object`.
///
/// # Panics
///
/// If `source` is not a watch of this crate, or is a watch of another object.
pub(crate) fn set_callback<T, F>(source: &glib::Source, object: &T, callback: F)
where
    T: ObjectType,
    F: FnMut(&T, IOCondition) -> ControlFlow + Send + 'static,
{
    let raw: *mut GSource = source.to_glib_none().0;
    // SAFETY: `source` holds a reference: it is not finalized.
    let is_of_object = unsafe { is_watch(raw) && is_of(raw, object) };
    assert!(is_of_object, "not a watch of this object");
    // SAFETY: a watch calls a `WatchFunc` with its object, which is `object`, of class `T`; its
    // `dispatch` is not reentrant.
    unsafe { set_callback_unchecked(source, callback) };
}

/// As [`set_callback`], for any source that calls a `QIOChannelFunc`.
///
/// # Safety
///
/// `source` must call a `QIOChannelFunc`, with an object of class `T`, and not while a call is in
/// progress.
pub(super) unsafe fn set_callback_unchecked<T, F>(source: &glib::Source, callback: F)
where
    T: ObjectType,
    F: FnMut(&T, IOCondition) -> ControlFlow + Send + 'static,
{
    let data = Box::into_raw(Box::new(RefCell::new(callback)));
    // SAFETY: forwarded: the source calls `call` with the arguments of a `WatchFunc`. `F` is
    // `Send`: any thread that runs the context may call and drop it. GLib calls `free` once, after
    // the last call.
    unsafe {
        glib_sys::g_source_set_callback(
            source.to_glib_none().0,
            plain(call::<T, F>),
            data.cast(),
            Some(free::<F>),
        );
    }
}

/// As [`set_callback`], for a callback that must stay in this thread: calling or dropping it in
/// another one panics.
///
/// # Panics
///
/// As [`set_callback`].
pub(crate) fn set_callback_local<T, F>(source: &glib::Source, object: &T, callback: F)
where
    T: ObjectType,
    F: FnMut(&T, IOCondition) -> ControlFlow + 'static,
{
    let mut callback = ThreadGuard::new(callback);
    set_callback(source, object, move |object: &T, condition| {
        callback.get_mut()(object, condition)
    });
}

unsafe extern "C-unwind" fn call<T, F>(
    object: *mut GObject,
    condition: GIOCondition,
    data: gpointer,
) -> gboolean
where
    T: ObjectType,
    F: FnMut(&T, IOCondition) -> ControlFlow,
{
    // SAFETY: `data` is the cell that `set_callback_unchecked` passed to GLib, whose caller
    // promises that `object` is a live object of class `T`, and that no other call is in progress:
    // the cell is not borrowed.
    unsafe {
        let mut callback = (*data.cast::<RefCell<F>>()).borrow_mut();
        let object = glib::Object::from_glib_borrow(object);
        callback(object.unsafe_cast_ref::<T>(), from_glib(condition)).into_glib()
    }
}

unsafe extern "C" fn free<F>(data: gpointer) {
    // SAFETY: `data` is the box that `set_callback_unchecked` passed to GLib, which releases it
    // once.
    drop(unsafe { Box::from_raw(data.cast::<RefCell<F>>()) });
}
