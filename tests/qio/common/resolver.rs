//! A `GResolver` for tests that returns configured answers.
#![allow(unsafe_code)] // GIO's class cannot be derived from by its bindings.

use std::{
    collections::HashMap,
    ffi::{CStr, c_char},
    net::IpAddr,
    ptr,
    sync::{Mutex, OnceLock, mpsc},
};

use gio::prelude::*;
use gio_sys::{
    GAsyncReadyCallback, GAsyncResult, GCancellable, GInetAddress, GResolver,
    GResolverNameLookupFlags, GSrvTarget, GTask,
};
use glib::{subclass::prelude::*, translate::*};
use glib_sys::{GError, GList, gpointer};

/// The answer of the name server for a name.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Addresses(&'static [&'static str]),
    /// Services are names too: `_ssh._tcp.example.org`.
    Services(&'static [(&'static str, u16)]),
    /// No answer until the request is cancelled.
    Silence,
}

/// Adds answers, and makes this the default resolver. For tests that run alone.
pub(crate) fn set_answers(answers: impl IntoIterator<Item = (&'static str, Answer)>) {
    let known = ANSWERS.get_or_init(Mutex::default);
    known.lock().expect("no panic").extend(answers);
    glib::Object::new::<Names>().set_default();
}

/// As [`set_answers`], for one service whose hosts have the same port.
pub(crate) fn set_service(name: &'static str, hosts: &[&'static str], port: u16) {
    let targets: Vec<_> = hosts.iter().map(|host| (*host, port)).collect();
    set_answers([(name, Answer::Services(Vec::leak(targets)))]);
}

static ANSWERS: OnceLock<Mutex<HashMap<&'static str, Answer>>> = OnceLock::new();

glib::wrapper! {
    pub struct Names(ObjectSubclass<imp::Names>) @extends gio::Resolver;
}

mod imp {
    use super::*;

    #[derive(Debug, Default)]
    pub struct Names;

    #[glib::object_subclass]
    impl ObjectSubclass for Names {
        const NAME: &'static str = "QIOTestNames";
        type Type = super::Names;
        type ParentType = gio::Resolver;
    }

    impl ObjectImpl for Names {}
}

// SAFETY: the functions have the types of the class, and do as they should.
unsafe impl IsSubclassable<imp::Names> for gio::Resolver {
    fn class_init(class: &mut glib::Class<Self>) {
        Self::parent_class_init::<imp::Names>(class);
        let class = class.as_mut();
        class.lookup_by_name = Some(lookup);
        class.lookup_by_name_async = Some(lookup_async);
        class.lookup_by_name_finish = Some(finish);
        class.lookup_by_name_with_flags_async = Some(lookup_with_flags_async);
        class.lookup_by_name_with_flags_finish = Some(finish);
        class.lookup_service = Some(service);
        class.lookup_service_async = Some(service_async);
        class.lookup_service_finish = Some(finish);
    }
}

fn answer(name: &str) -> Option<Answer> {
    let known = ANSWERS.get().expect("answers were configured");
    known.lock().expect("no panic").get(name).cloned()
}

fn unknown(name: &str) -> glib::Error {
    let message = format!("There is no {name} in this world");
    glib::Error::new(gio::ResolverError::NotFound, &message)
}

/// The addresses of a name as a list, of the families in the flags.
fn addresses(name: &str, flags: GResolverNameLookupFlags) -> Result<*mut GList, glib::Error> {
    let Some(Answer::Addresses(addresses)) = answer(name) else {
        return Err(unknown(name));
    };
    let wanted = |address: &&&str| {
        let is_v4 = address.parse::<IpAddr>().expect("an address").is_ipv4();
        match flags {
            gio_sys::G_RESOLVER_NAME_LOOKUP_FLAGS_IPV4_ONLY => is_v4,
            gio_sys::G_RESOLVER_NAME_LOOKUP_FLAGS_IPV6_ONLY => !is_v4,
            _ => true,
        }
    };
    let addresses = addresses.iter().filter(wanted);
    let list = addresses.rev().fold(ptr::null_mut(), |list, address| {
        let address = gio::InetAddress::from_string(address).expect("an address");
        let raw: *mut GInetAddress = address.into_glib_ptr();
        // SAFETY: the list takes the reference over.
        unsafe { glib_sys::g_list_prepend(list, raw.cast()) }
    });
    match list.is_null() {
        true => Err(unknown(name)),
        false => Ok(list),
    }
}

fn services(name: &str) -> Result<*mut GList, glib::Error> {
    let Some(Answer::Services(services)) = answer(name) else {
        return Err(unknown(name));
    };
    let list = |list, (priority, (host, port)): (usize, &(&str, u16))| {
        let host = host.to_glib_none();
        // SAFETY: the name is copied; the list takes the target over.
        unsafe {
            let target = gio_sys::g_srv_target_new(host.0, *port, priority as u16, 1);
            glib_sys::g_list_append(list, target.cast())
        }
    };
    Ok(services.iter().enumerate().fold(ptr::null_mut(), list))
}

unsafe extern "C" fn lookup(
    _: *mut GResolver,
    name: *const c_char,
    _: *mut GCancellable,
    error: *mut *mut GError,
) -> *mut GList {
    // SAFETY: a name, and a place for an error or NULL.
    unsafe {
        let name = CStr::from_ptr(name).to_str().expect("UTF-8");
        list(addresses(name, 0), error)
    }
}

unsafe extern "C" fn service(
    _: *mut GResolver,
    name: *const c_char,
    _: *mut GCancellable,
    error: *mut *mut GError,
) -> *mut GList {
    // SAFETY: a name, and a place for an error or NULL.
    unsafe {
        let name = CStr::from_ptr(name).to_str().expect("UTF-8");
        list(services(name), error)
    }
}

unsafe fn list(result: Result<*mut GList, glib::Error>, error: *mut *mut GError) -> *mut GList {
    result.unwrap_or_else(|e| {
        if !error.is_null() {
            // SAFETY: a place for an error.
            unsafe { *error = e.into_glib_ptr() };
        }
        ptr::null_mut()
    })
}

unsafe extern "C" fn lookup_async(
    resolver: *mut GResolver,
    name: *const c_char,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    data: gpointer,
) {
    // SAFETY: the same arguments.
    unsafe { lookup_with_flags_async(resolver, name, 0, cancellable, callback, data) };
}

unsafe extern "C" fn lookup_with_flags_async(
    resolver: *mut GResolver,
    name: *const c_char,
    flags: GResolverNameLookupFlags,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    data: gpointer,
) {
    // SAFETY: a name, and what a task is made of.
    unsafe {
        let name = CStr::from_ptr(name).to_str().expect("UTF-8");
        let task = gio_sys::g_task_new(resolver.cast(), cancellable, callback, data);
        match answer(name) {
            Some(Answer::Silence) => be_silent(task),
            _ => return_list(task, addresses(name, flags), free_addresses),
        }
    }
}

unsafe extern "C" fn service_async(
    resolver: *mut GResolver,
    name: *const c_char,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    data: gpointer,
) {
    // SAFETY: as above.
    unsafe {
        let name = CStr::from_ptr(name).to_str().expect("UTF-8");
        let task = gio_sys::g_task_new(resolver.cast(), cancellable, callback, data);
        match answer(name) {
            Some(Answer::Silence) => be_silent(task),
            _ => return_list(task, services(name), free_services),
        }
    }
}

unsafe extern "C" fn finish(
    _: *mut GResolver,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> *mut GList {
    // SAFETY: the results are tasks of the functions above.
    unsafe { gio_sys::g_task_propagate_pointer(result.cast(), error).cast() }
}

unsafe fn return_list(
    task: *mut GTask,
    result: Result<*mut GList, glib::Error>,
    free: unsafe extern "C" fn(gpointer),
) {
    // SAFETY: the task takes the list or the error over; its reference is ours.
    unsafe {
        match result {
            Ok(list) => gio_sys::g_task_return_pointer(task, list.cast(), Some(free)),
            Err(e) => gio_sys::g_task_return_error(task, e.into_glib_ptr()),
        }
        gobject_sys::g_object_unref(task.cast());
    }
}

/// As GIO's own resolver: a thread waits, and the task ends when it is cancelled.
unsafe fn be_silent(task: *mut GTask) {
    // SAFETY: the reference is owned, and is transferred to the thread.
    unsafe {
        gio_sys::g_task_set_return_on_cancel(task, 1);
        gio_sys::g_task_run_in_thread(task, Some(wait));
        gobject_sys::g_object_unref(task.cast());
    }
}

unsafe extern "C" fn wait(
    _: *mut GTask,
    _: *mut gobject_sys::GObject,
    _: gpointer,
    it: *mut GCancellable,
) {
    // SAFETY: the task has its cancellable for as long as this runs.
    let cancellable: Option<gio::Cancellable> = unsafe { from_glib_none(it) };
    let (sender, cancelled) = mpsc::channel::<()>();
    let handler = cancellable.as_ref().and_then(|it| {
        it.connect_cancelled(move |_| {
            let _ = sender.send(());
        })
    });
    let _ = cancelled.recv();
    if let (Some(it), Some(handler)) = (cancellable, handler) {
        it.disconnect_cancelled(handler);
    }
}

unsafe extern "C" fn free_addresses(list: gpointer) {
    unsafe extern "C" fn free(address: gpointer) {
        // SAFETY: the list had the reference.
        unsafe { gobject_sys::g_object_unref(address.cast()) };
    }
    // SAFETY: a list of addresses whose ownership was not transferred.
    unsafe { glib_sys::g_list_free_full(list.cast(), Some(free)) };
}

unsafe extern "C" fn free_services(list: gpointer) {
    unsafe extern "C" fn free(target: gpointer) {
        // SAFETY: the list had it.
        unsafe { gio_sys::g_srv_target_free(target.cast::<GSrvTarget>()) };
    }
    // SAFETY: a list of targets whose ownership was not transferred.
    unsafe { glib_sys::g_list_free_full(list.cast(), Some(free)) };
}
