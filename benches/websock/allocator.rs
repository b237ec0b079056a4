//! The allocator, in the state of a process that has run for a while.
#![allow(unsafe_code)] // a function of the C library

use std::ffi::c_int;

/// Allocations that are larger are mapped and unmapped each: the largest value that glibc accepts.
const MMAP_THRESHOLD: c_int = 32 << 20;

/// Makes the allocator keep what is freed. Otherwise glibc returns it to the system until larger
/// blocks have been freed, so that each connection of a peer with large buffers causes page faults,
/// or none, depending on the cases before.
pub(crate) fn keep_free_memory() {
    // SAFETY: these parameters may be set at any time.
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, c_int::MAX);
        libc::mallopt(libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD);
    }
}
