//! What a watch calls: a C function, a `GClosure` of a binding, or a Rust closure.

use std::{cell::RefCell, mem, ptr};

use glib::{ControlFlow, IOCondition, prelude::*, thread_guard::ThreadGuard, translate::*};
use glib_sys::{GIOCondition, GSourceFunc, gboolean, gpointer};
use gobject_sys::{GClosure, GObject, GValue};

/// A `QIOChannelFunc`, as far as this room knows the channel.
pub(super) type WatchFunc = unsafe extern "C" fn(*mut GObject, GIOCondition, gpointer) -> gboolean;

/// What GLib calls a source's callback, whatever its arguments are.
pub(super) type PlainFunc = unsafe extern "C" fn(gpointer) -> gboolean;

const fn plain(func: WatchFunc) -> GSourceFunc {
    // SAFETY: both are function pointers. GLib hands this one only to the dispatch
    // function of a watch, which gives it its real type back.
    Some(unsafe { mem::transmute::<WatchFunc, PlainFunc>(func) })
}

/// For `g_source_set_closure()`, which PyGObject and GJS use: lets the closure
/// have the channel and the condition.
pub(super) const CLOSURE_CALLBACK: GSourceFunc = plain(closure_callback);

unsafe extern "C" fn closure_callback(
    object: *mut GObject,
    condition: GIOCondition,
    data: gpointer,
) -> gboolean {
    // SAFETY: the dispatch function passes a live object and the GClosure that was
    // set. The values are initialised before the closure sees them and freed on drop.
    unsafe {
        let object: glib::Object = from_glib_none(object);
        let condition: IOCondition = from_glib(condition);
        let arguments = [object.to_value(), condition.to_value()];
        let mut result = glib::Value::from_type(glib::Type::BOOL);
        gobject_sys::g_closure_invoke(
            data.cast::<GClosure>(),
            result.to_glib_none_mut().0,
            2,
            arguments.as_ptr().cast::<GValue>(),
            ptr::null_mut(),
        );
        result.get::<bool>().unwrap_or(false).into_glib()
    }
}

/// Gives a watch its Rust callback. `T` must be a class of the watched object.
pub(crate) fn set_callback<T, F>(source: &glib::Source, callback: F)
where
    T: ObjectType,
    F: FnMut(&T, IOCondition) -> ControlFlow + Send + 'static,
{
    let data = Box::new(RefCell::new(callback));
    // SAFETY: the callback is `Send`: whichever thread runs the context may call it.
    unsafe { set::<T, F, RefCell<F>>(source, data) };
}

/// As [`set_callback`], for a callback that must stay in this thread: being run or
/// dropped elsewhere is a panic.
pub(crate) fn set_callback_local<T, F>(source: &glib::Source, callback: F)
where
    T: ObjectType,
    F: FnMut(&T, IOCondition) -> ControlFlow + 'static,
{
    let data = Box::new(ThreadGuard::new(RefCell::new(callback)));
    // SAFETY: the guard keeps the callback in this thread.
    unsafe { set::<T, F, ThreadGuard<RefCell<F>>>(source, data) };
}

/// Something that holds a callback.
trait Holder<F> {
    fn callback(&self) -> &RefCell<F>;
}

impl<F> Holder<F> for RefCell<F> {
    fn callback(&self) -> &Self {
        self
    }
}

impl<F> Holder<F> for ThreadGuard<RefCell<F>> {
    fn callback(&self) -> &RefCell<F> {
        self.get_ref()
    }
}

/// # Safety
///
/// The holder must be fit to be called from any thread that runs the context.
unsafe fn set<T, F, H>(source: &glib::Source, holder: Box<H>)
where
    T: ObjectType,
    F: FnMut(&T, IOCondition) -> ControlFlow + 'static,
    H: Holder<F>,
{
    // SAFETY: the source is a watch, whose dispatch function calls `call` with the
    // types it has; GLib calls `free` once, after the last call.
    unsafe {
        glib_sys::g_source_set_callback(
            source.to_glib_none().0,
            plain(call::<T, F, H>),
            Box::into_raw(holder).cast(),
            Some(free::<H>),
        );
    }
}

unsafe extern "C" fn call<T, F, H>(
    object: *mut GObject,
    condition: GIOCondition,
    data: gpointer,
) -> gboolean
where
    T: ObjectType,
    F: FnMut(&T, IOCondition) -> ControlFlow + 'static,
    H: Holder<F>,
{
    // SAFETY: `data` is the holder that `set` gave away, `object` a live object of the
    // class `T`. A watch is not dispatched inside its own callback, so that the
    // cell is free.
    unsafe {
        let holder = &*data.cast::<H>();
        let object = glib::Object::from_glib_borrow(object);
        let mut callback = holder.callback().borrow_mut();
        callback(object.unsafe_cast_ref::<T>(), from_glib(condition)).into_glib()
    }
}

unsafe extern "C" fn free<H>(data: gpointer) {
    // SAFETY: `data` is the box that `set` gave away, and this is called once.
    drop(unsafe { Box::from_raw(data.cast::<H>()) });
}
