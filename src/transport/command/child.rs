//! The process behind a command.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use super::reaper;
use crate::{
    error::{from_glib_error, with_context},
    sync::Maker,
    sys::{FdLease, SharedFd, process},
};

/// A child that nobody else waits for.
#[derive(Debug)]
pub(super) struct Child {
    pid: u32,
    /// In messages.
    name: String,
    /// Closed once the child has been collected on behalf of `close`.
    pidfd: Arc<SharedFd>,
    /// The wait status, once known.
    status: OnceLock<i32>,
    /// Set by the one that removes the child from the system's table.
    collected: AtomicBool,
    /// A process that forks from its parent is not its parent.
    maker: Maker,
}

impl Child {
    /// `pid` must be a child of this process that has not been waited for.
    pub(super) fn new(pid: u32, name: String) -> io::Result<Self> {
        let pidfd = process::pidfd_open(pid)
            .map_err(|e| with_context(e, format!("Unable to watch process {pid}")))?;
        Ok(Self {
            pid,
            name,
            pidfd: SharedFd::new(pidfd),
            status: OnceLock::new(),
            collected: AtomicBool::new(false),
            maker: Maker::default(),
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn known_status(&self) -> Option<i32> {
        self.status.get().copied()
    }

    pub(super) fn pidfd(&self) -> io::Result<OwnedFd> {
        self.lease()?.as_fd().try_clone_to_owned()
    }

    pub(super) fn signal(&self, signal: i32) -> io::Result<()> {
        if self.known_status().is_some() {
            return Ok(());
        }
        process::send_signal(self.lease()?.as_fd(), signal)
    }

    /// The wait status: of a child that has ended, or after waiting for the end. Any number
    /// of threads may wait; the child stays in the system's table until all know.
    pub(super) fn status(&self, block: bool) -> io::Result<Option<i32>> {
        if let Some(status) = self.known_status() {
            return Ok(Some(status));
        }
        let pidfd = self.lease()?;
        match process::status(pidfd.as_fd(), block) {
            Ok(None) => Ok(None),
            Ok(Some(status)) => {
                let status = *self.status.get_or_init(|| status);
                if !self.collected.swap(true, Ordering::AcqRel) {
                    process::collect(pidfd.as_fd());
                }
                Ok(Some(status))
            }
            // Another thread may have collected it between our look and our call.
            Err(e) => match self.known_status() {
                Some(status) => Ok(Some(status)),
                None => Err(with_context(e, format!("Unable to wait for {}", self.name))),
            },
        }
    }

    fn is_inherited(&self) -> bool {
        self.maker.is_parent()
    }

    /// Waits for the end, which is an error unless it is a success. In a process that has forked
    /// from the one that started the child there is nothing to wait for.
    pub(super) fn finish(&self) -> io::Result<()> {
        if self.is_inherited() {
            return self.pidfd.close(|_| ());
        }
        let status = self.status(true)?.unwrap_or_default();
        let _ = self.pidfd.close(|_| ());
        glib::spawn_check_wait_status(status).map_err(|e| {
            let message = format!("{} failed: {}", self.name, e.message());
            from_glib_error(glib::Error::with_domain(e.domain(), e.code(), &message))
        })
    }

    /// Nobody will ask any more: does not block.
    pub(super) fn abandon(&self) {
        if !self.is_inherited()
            && let Ok(None) = self.status(false)
            && let Some(pidfd) = self.pidfd.lease()
        {
            reaper::take(pidfd);
        }
    }

    fn lease(&self) -> io::Result<FdLease> {
        self.pidfd.lease().ok_or_else(crate::error::closed)
    }
}
