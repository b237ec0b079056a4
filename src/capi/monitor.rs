//! The list of the channels of the process.

use std::{
    ffi::{c_char, c_uint},
    path::Path,
    ptr,
    time::Duration,
};

use glib::{prelude::*, translate::*};
use glib_sys::{GError, GType};

use crate::{
    Monitor, MonitorItem, MonitorState, MonitorWarning,
    capi::{function, instance, method},
};

/// The C instance: final, and so opaque.
type QIOMonitor = <Monitor as ObjectType>::GlibType;

instance!(Monitor, "QIO_IS_MONITOR");

#[unsafe(no_mangle)]
pub extern "C" fn qio_monitor_get_type() -> GType {
    Monitor::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_monitor_item_get_type() -> GType {
    MonitorItem::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_monitor_state_get_type() -> GType {
    MonitorState::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_monitor_warning_get_type() -> GType {
    MonitorWarning::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_monitor_new() -> *mut QIOMonitor {
    function!(qio_monitor_new(), pointer => Monitor::new())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_monitor_get_interval(monitor: *mut QIOMonitor) -> c_uint {
    method!(
        qio_monitor_get_interval(monitor: Monitor) or 0 =>
            // It fits: the property has this type.
            monitor.interval().as_millis() as c_uint
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_monitor_set_interval(monitor: *mut QIOMonitor, interval_ms: c_uint) {
    method!(
        qio_monitor_set_interval(monitor: Monitor) =>
            monitor.set_interval(Duration::from_millis(interval_ms.into()))
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_monitor_get_blocked_threshold(monitor: *mut QIOMonitor) -> i64 {
    method!(
        qio_monitor_get_blocked_threshold(monitor: Monitor) or 0 =>
            i64::try_from(monitor.blocked_threshold().as_micros()).unwrap_or(i64::MAX)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_monitor_set_blocked_threshold(
    monitor: *mut QIOMonitor,
    threshold_us: i64,
) {
    method!(
        qio_monitor_set_blocked_threshold(monitor: Monitor) =>
            monitor.set_blocked_threshold(Duration::from_micros(threshold_us.max(0) as u64))
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_monitor_refresh(monitor: *mut QIOMonitor) {
    method!(qio_monitor_refresh(monitor: Monitor) => monitor.refresh());
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_monitor_listen(
    path: *const c_char,
    error: *mut *mut GError,
) -> *mut c_char {
    function!(
        qio_monitor_listen(path: Option<&std::ffi::OsStr>), error, value or ptr::null_mut() =>
            Monitor::listen(path.map(Path::new)).map(|path| path.to_glib_full())
    )
}
