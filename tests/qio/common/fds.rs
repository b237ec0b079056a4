//! Looking at descriptors from outside.

use std::{
    fs,
    os::fd::{AsRawFd, BorrowedFd},
};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// How many descriptors this process has open. Only a test that runs alone may count.
pub(crate) fn count() -> usize {
    // One is the directory that is being read.
    fs::read_dir("/proc/self/fd").expect("/proc").count() - 1
}

/// What each of them refers to, in the order of their numbers. For tests that run alone only.
pub(crate) fn all() -> Vec<String> {
    let numbers = fs::read_dir("/proc/self/fd").expect("/proc");
    let links = numbers.filter_map(|it| fs::read_link(it.ok()?.path()).ok());
    // The descriptor of the directory was closed with it.
    let mut links: Vec<_> = links.map(|it| it.to_string_lossy().into_owned()).collect();
    links.retain(|link| !link.contains("/fd"));
    links
}

/// Opens descriptors until no more are to be had. Only a test that runs alone may do so.
pub(crate) fn take_all() -> Vec<fs::File> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a known limit");
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(256), hard).expect("lowered");
    std::iter::from_fn(|| fs::File::open("/dev/null").ok()).collect()
}

/// What a descriptor refers to: two of the same file have the same answer.
pub(crate) fn target(fd: BorrowedFd<'_>) -> String {
    let link = fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).expect("open");
    link.to_string_lossy().into_owned()
}

/// Whether a descriptor is closed when this process runs another program.
pub(crate) fn is_cloexec(fd: BorrowedFd<'_>) -> bool {
    let flags = nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_GETFD).expect("open");
    nix::fcntl::FdFlag::from_bits_retain(flags).contains(nix::fcntl::FdFlag::FD_CLOEXEC)
}
