//! What the calling thread has used of its processor, and the privileges of the process.

use std::{io, mem, time::Duration};

use super::call;

/// The processor time of a thread, and how often it has waited.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ThreadUsage {
    pub(crate) cpu: Duration,
    /// The number of voluntary context switches: a preempted thread has none.
    pub(crate) waits: u64,
}

impl ThreadUsage {
    pub(crate) fn now() -> io::Result<Self> {
        // SAFETY: all zeros is a valid `rusage`, which lives through the call.
        let usage = unsafe {
            let mut usage: libc::rusage = mem::zeroed();
            call(|| libc::getrusage(libc::RUSAGE_THREAD, &mut usage) as isize)?;
            usage
        };
        Ok(Self {
            cpu: duration(usage.ru_utime) + duration(usage.ru_stime),
            waits: usage.ru_nvcsw as u64,
        })
    }
}

/// Whether the process has privileges that its user has not (set-user-ID, capabilities of the
/// file): the environment is not to be trusted then.
pub(crate) fn is_privileged() -> bool {
    // SAFETY: no pointers are passed.
    let secure = call(|| unsafe { libc::getauxval(libc::AT_SECURE) as isize });
    secure != Ok(0)
}

/// A time of the kernel, which is not negative.
fn duration(time: libc::timeval) -> Duration {
    Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000)
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use super::ThreadUsage;

    #[test]
    fn a_thread_that_sleeps_has_waited_and_used_little_processor_time() {
        let before = ThreadUsage::now().expect("usage");
        thread::sleep(Duration::from_millis(20));
        let after = ThreadUsage::now().expect("usage");
        assert!(after.waits > before.waits);
        assert!(after.cpu - before.cpu < Duration::from_millis(20));
    }
}
