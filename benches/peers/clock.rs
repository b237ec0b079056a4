//! The clock of a process whose instructions are counted.
//!
//! valgrind makes a process some fifty times slower, so that what a main loop does in a given time
//! would be counted for fewer units of work than it is done for. The C library's function is
//! replaced by one that slows the clock down.
#![allow(unsafe_code)] // a function of the C library

use std::{
    env,
    ffi::c_int,
    mem, ptr,
    sync::atomic::{AtomicI64, AtomicPtr, Ordering},
};

use super::counts::SLOW;

type Clock = unsafe extern "C" fn(libc::clockid_t, *mut libc::timespec) -> c_int;

/// The function of the C library.
static REAL: AtomicPtr<libc::c_void> = AtomicPtr::new(ptr::null_mut());
static SCALE: AtomicI64 = AtomicI64::new(0);
static BEGIN: AtomicI64 = AtomicI64::new(0);

const SECOND: i64 = 1_000_000_000;

/// # Safety
///
/// As of clock_gettime(2).
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn clock_gettime(
    clock: libc::clockid_t,
    time: *mut libc::timespec,
) -> c_int {
    let mut real = REAL.load(Ordering::Relaxed);
    if real.is_null() {
        // SAFETY: the name ends with a NUL.
        real = unsafe { libc::dlsym(libc::RTLD_NEXT, c"clock_gettime".as_ptr()) };
        REAL.store(real, Ordering::Relaxed);
        let scale = env::var(SLOW).ok().and_then(|scale| scale.parse().ok());
        SCALE.store(scale.unwrap_or(1), Ordering::Relaxed);
    }
    // SAFETY: the function of that name, called as this one was.
    let result = unsafe { mem::transmute::<*mut libc::c_void, Clock>(real)(clock, time) };
    let scale = SCALE.load(Ordering::Relaxed);
    if scale != 1 && result == 0 && clock == libc::CLOCK_MONOTONIC {
        // SAFETY: the caller's place for a time, which was written just now.
        unsafe { slow_down(&mut *time, scale) };
    }
    result
}

/// The clock is slowed down from the first call on.
fn slow_down(time: &mut libc::timespec, scale: i64) {
    let now = time.tv_sec * SECOND + time.tv_nsec;
    let begin = match BEGIN.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => now,
        Err(begin) => begin,
    };
    let slow = begin + (now - begin) / scale;
    time.tv_sec = slow / SECOND;
    time.tv_nsec = slow % SECOND;
}
