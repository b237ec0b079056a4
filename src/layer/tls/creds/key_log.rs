//! NSS key logging. OpenSSL reports secrets while the connection is locked: the lines are queued in
//! the thread until it is unlocked.

use std::{
    cell::RefCell,
    fmt,
    fs::OpenOptions,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::layer::tls::secret::Secret;

/// The callback of one line.
pub(super) type KeyLog = Arc<dyn Fn(&str) + Send + Sync>;

/// The callback of all connections with some credentials.
pub(super) struct Sink(pub(super) KeyLog);

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").finish_non_exhaustive()
    }
}

thread_local! {
    /// By the callbacks that they are for: a handler that is called within a handshake may use
    /// connections with other credentials, before the lines of this one are logged.
    static LINES: RefCell<Vec<(KeyLog, Secret)>> = const { RefCell::new(Vec::new()) };
}

impl Sink {
    /// Returns a function that queues a line that OpenSSL reports.
    pub(super) fn queue(&self) -> impl Fn(&str) + Send + Sync + 'static {
        let log = self.0.clone();
        move |line| {
            let queued = (log.clone(), Secret::from(line.to_owned()));
            let _ = LINES.try_with(|lines| lines.borrow_mut().push(queued));
        }
    }

    /// Calls the callback with its lines that were queued in this thread.
    pub(super) fn flush(&self) {
        let is_own = |(log, _): &mut (KeyLog, Secret)| Arc::ptr_eq(log, &self.0);
        let take_own = |lines: &RefCell<Vec<_>>| {
            let mut lines = lines.borrow_mut();
            lines.extract_if(.., is_own).collect::<Vec<_>>()
        };
        let queued = LINES.try_with(take_own).unwrap_or_default();
        let lines = queued
            .iter()
            .filter_map(|(_, line)| str::from_utf8(line).ok());
        lines.for_each(|line| self.0(line));
    }
}

/// Appends the lines to a file, each with one write, as other processes may append as well.
pub(super) fn to_file(path: &Path) -> io::Result<KeyLog> {
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    let (path, warned) = (path.to_owned(), AtomicBool::new(false));
    Ok(Arc::new(move |line| {
        let mut text = Secret::with_capacity(line.len() + 1);
        line.bytes().chain([b'\n']).for_each(|byte| text.push(byte));
        if let Err(e) = (&file).write_all(&text)
            && !warned.swap(true, Ordering::Relaxed)
        {
            glib::g_warning!("Qio", "Unable to write to {}: {}", path.display(), e);
        }
    }))
}
