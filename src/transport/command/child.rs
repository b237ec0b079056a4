//! The process behind a command.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    collector,
    process::{Exit, Process},
    reaper,
};
use crate::{
    error::{from_glib_error, with_context},
    sync::Creator,
    sys::FdLease,
};

/// A child that nothing else waits for.
#[derive(Debug)]
pub(super) struct Child {
    pid: u32,
    /// In messages, after an article.
    name: String,
    process: Process,
    /// Once it has ended.
    exit: OnceLock<Exit>,
    /// Set by the one that removes the child from the system's table.
    collected: AtomicBool,
    /// Under which the collector has it.
    key: OnceLock<u64>,
    /// A process that forks from its parent is not its parent.
    creator: Creator,
}

impl Child {
    pub(super) fn new(pid: u32, name: String, process: Process) -> Self {
        Self {
            pid,
            name,
            process,
            exit: OnceLock::new(),
            collected: AtomicBool::new(false),
            key: OnceLock::new(),
            creator: Creator::default(),
        }
    }

    /// Has it collected when it ends, whatever its channel does. Where that is not possible it is
    /// reaped by the first query of its status.
    pub(super) fn collect_at_end(self: &Arc<Self>) {
        if let Some(pidfd) = self.process.pidfd()
            && let Ok(key) = collector::enter(self, &pidfd)
        {
            let _ = self.key.set(key);
        }
    }

    pub(super) fn collect_if_ended(&self) {
        let _ = self.exit(false);
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn known_status(&self) -> Option<i32> {
        match self.exit.get() {
            Some(Exit::Status(status)) => Some(*status),
            Some(Exit::Unknown) | None => None,
        }
    }

    pub(super) fn pidfd(&self) -> io::Result<OwnedFd> {
        self.process.lease()?.as_fd().try_clone_to_owned()
    }

    pub(super) fn signal(&self, signal: i32) -> io::Result<()> {
        match self.exit.get() {
            Some(_) => Ok(()),
            None => self.process.signal(signal),
        }
    }

    /// The wait status: of a child that has ended, or after waiting for the end. Any number
    /// of threads may wait; the child stays in the system's table until all have the status.
    pub(super) fn status(&self, block: bool) -> io::Result<Option<i32>> {
        match self.exit(block)? {
            None => Ok(None),
            Some(Exit::Status(status)) => Ok(Some(status)),
            Some(Exit::Unknown) => Err(with_context(
                io::Error::from_raw_os_error(libc::ECHILD),
                format!(
                    "The exit status of the {} is unknown, as SIGCHLD is ignored or something else has \
                     waited for it",
                    self.name
                ),
            )),
        }
    }

    fn exit(&self, block: bool) -> io::Result<Option<Exit>> {
        if let Some(exit) = self.exit.get() {
            return Ok(Some(*exit));
        }
        let exit = self.process.exit(block);
        let exit =
            exit.map_err(|e| with_context(e, format!("Unable to wait for the {}", self.name)));
        let Some(exit) = exit? else {
            return Ok(None);
        };
        // Another thread may have reaped it just before, after it had stored the
        // status.
        let exit = *self.exit.get_or_init(|| exit);
        if !self.collected.swap(true, Ordering::AcqRel) {
            self.process.collect();
        }
        Ok(Some(exit))
    }

    fn is_inherited(&self) -> bool {
        self.creator.is_parent()
    }

    /// Waits for the end, which is an error unless it is a success. In a process that has forked
    /// from the one that started the child there is nothing to wait for.
    pub(super) fn finish(&self) -> io::Result<()> {
        if self.is_inherited() {
            self.process.close();
            return Ok(());
        }
        let status = self.status(true);
        self.process.close();
        glib::spawn_check_wait_status(status?.unwrap_or_default()).map_err(|e| {
            let message = format!("{} failed: {}", capitalized(&self.name), e.message());
            from_glib_error(glib::Error::with_domain(e.domain(), e.code(), &message))
        })
    }

    /// Nothing will wait any more: does not block.
    pub(super) fn abandon(self: &Arc<Self>) {
        if !self.is_inherited()
            && let Ok(None) = self.exit(false)
        {
            reaper::take(self.clone());
        }
    }

    /// Kills it, unless it is the child of another process.
    pub(super) fn abort(&self) {
        if !self.is_inherited() {
            let _ = self.signal(libc::SIGKILL);
        }
    }

    /// What becomes readable when it has ended.
    pub(super) fn lease(&self) -> io::Result<FdLease> {
        self.process.lease()
    }

    /// Waits for the end and removes the child from the system's table.
    pub(super) fn reap(&self) {
        let _ = self.exit(true);
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // In a forked child the number may be the key of another one.
        if let Some(key) = self.key.get()
            && !self.is_inherited()
        {
            collector::remove(*key);
        }
    }
}

/// As the first word of a sentence.
fn capitalized(name: &str) -> String {
    let mut chars = name.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}
