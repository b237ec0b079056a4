//! Tests of `shared_fd`, in a file of their own: `tests/loom` compiles that file for its models.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd, RawFd},
};

use super::shared_fd::SharedFd;

fn is_open(fd: RawFd) -> bool {
    // SAFETY: F_GETFD has no side effect; EBADF is a valid result.
    unsafe { libc::fcntl(fd, libc::F_GETFD) != -1 }
}

// A number that no test running in parallel opens and closes.
fn fd_from(number: RawFd) -> OwnedFd {
    use std::os::fd::FromRawFd;
    let file = std::fs::File::open("/dev/null").expect("/dev/null opens");
    // SAFETY: the source is open, and the result is checked, and has no other owner.
    unsafe {
        let fd = libc::fcntl(file.as_raw_fd(), libc::F_DUPFD_CLOEXEC, number);
        assert!(fd >= number, "dup: {}", io::Error::last_os_error());
        OwnedFd::from_raw_fd(fd)
    }
}

#[test]
fn the_number_is_released_by_the_last_user_after_close() {
    let shared = SharedFd::new(fd_from(500));
    let number = shared.number();
    let guard = shared.get().expect("open");
    let lease = shared.lease().expect("open");
    let mut woken = 0;
    shared.close(|_| woken += 1).expect("close succeeds");
    assert_eq!(woken, 1, "others are using it");
    assert!(shared.get().is_none() && shared.lease().is_none());
    assert_eq!(shared.number(), -1);
    assert!(is_open(number), "two still hold it");
    drop(guard);
    assert!(is_open(number), "the lease still holds it");
    drop(lease);
    assert!(!is_open(number));
    assert!(shared.get().is_none());
    shared.close(|_| woken += 1).expect("closing twice is fine");
    assert_eq!(woken, 1);
}

#[test]
fn close_without_users_releases_at_once_and_drop_closes() {
    let shared = SharedFd::new(fd_from(600));
    let number = shared.number();
    let mut woken = 0;
    shared.close(|_| woken += 1).expect("close succeeds");
    assert_eq!(woken, 0);
    assert!(!is_open(number));

    let shared = SharedFd::new(fd_from(650));
    let number = shared.number();
    drop(shared);
    assert!(!is_open(number));
}

#[test]
fn threads_that_race_with_close_never_release_twice() {
    for _ in 0..200 {
        let shared = SharedFd::new(fd_from(700));
        let number = shared.number();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| while shared.get().is_some() {});
            }
            scope.spawn(|| shared.close(|_| ()).expect("close succeeds"));
        });
        assert!(!is_open(number));
    }
}
