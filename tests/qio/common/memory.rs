//! How much memory this process takes. For tests that run alone only.

use std::fs;

/// How many bytes of it are in RAM.
pub(crate) fn resident() -> usize {
    figure("VmRSS:")
}

/// How many bytes of addresses it uses.
pub(crate) fn addresses() -> usize {
    figure("VmSize:")
}

/// How many bytes of the C library's heap are in use.
#[allow(unsafe_code)] // The function is not bound.
pub(crate) fn allocated() -> usize {
    // SAFETY: it takes nothing, and may be called at any time.
    let info = unsafe { libc::mallinfo2() };
    info.uordblks + info.hblkhd
}

/// By how many bytes more than ever before `body` makes this process grow, if only for a moment:
/// with what C code takes.
pub(crate) fn growth(body: impl FnOnce()) -> usize {
    let before = figure("VmHWM:");
    body();
    figure("VmHWM:") - before
}

fn figure(name: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kibibytes: usize = kibibytes
        .and_then(|it| it.trim().parse().ok())
        .expect("a number");
    kibibytes * 1024
}
