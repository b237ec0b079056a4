//! A descriptor that one thread closes while others use it: the number is released by the last of
//! them, once.

#![allow(unsafe_code)] // descriptors by number

use std::{
    fs::File,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
    sync::Arc,
};

use loom::thread;

use crate::sys::{hazard, shared_fd::SharedFd};

/// A descriptor with a number that nothing else in this process opens.
fn descriptor(number: RawFd) -> OwnedFd {
    let file = File::open("/dev/null").expect("it opens");
    // SAFETY: the source is open, and the result is checked and owned by nothing else.
    unsafe {
        let fd = libc::fcntl(file.as_raw_fd(), libc::F_DUPFD_CLOEXEC, number);
        assert_eq!(
            fd, number,
            "the number is free: the model before has released it"
        );
        OwnedFd::from_raw_fd(fd)
    }
}

fn is_open(number: RawFd) -> bool {
    // SAFETY: F_GETFD changes nothing; EBADF is a valid result.
    unsafe { libc::fcntl(number, libc::F_GETFD) != -1 }
}

/// Uses the descriptor once, and finds it open for as long as it is used.
fn use_once(shared: &SharedFd, number: RawFd) {
    if let Some(guard) = shared.get() {
        assert!(is_open(number));
        thread::yield_now();
        assert!(is_open(number));
        drop(guard);
    }
}

#[test]
fn a_close_concurrent_with_uses_releases_after_the_last_of_them() {
    const NUMBER: RawFd = 300;
    crate::explore_bounded(|| {
        let shared = SharedFd::new(descriptor(NUMBER));
        let users = [1, 2].map(|slot| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                hazard::begin_thread(slot);
                use_once(&shared, NUMBER);
            })
        });
        shared.close(|_| ()).expect("closed");
        users
            .into_iter()
            .for_each(|user| user.join().expect("no panic"));
        assert!(!is_open(NUMBER));
    });
}

#[test]
fn a_close_concurrent_with_a_lease_releases_with_the_lease() {
    const NUMBER: RawFd = 310;
    crate::explore(|| {
        let shared = SharedFd::new(descriptor(NUMBER));
        let leasing = Arc::clone(&shared);
        let leasing = thread::spawn(move || {
            if let Some(lease) = leasing.lease() {
                assert!(is_open(NUMBER));
                drop(lease);
            }
        });
        shared.close(|_| ()).expect("closed");
        leasing.join().expect("no panic");
        assert!(!is_open(NUMBER));
    });
}

#[test]
fn two_closes_release_once() {
    const NUMBER: RawFd = 320;
    crate::explore_bounded(|| {
        let shared = SharedFd::new(descriptor(NUMBER));
        let closing = Arc::clone(&shared);
        let closing = thread::spawn(move || {
            hazard::begin_thread(1);
            closing.close(|_| ()).expect("closed");
        });
        use_once(&shared, NUMBER);
        shared.close(|_| ()).expect("closed");
        closing.join().expect("no panic");
        assert!(!is_open(NUMBER));
    });
}
