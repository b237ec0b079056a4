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

/// The callback of all connections.
pub(super) struct Sink(pub(super) KeyLog);

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").finish_non_exhaustive()
    }
}

thread_local! {
    static LINES: RefCell<Vec<Secret>> = const { RefCell::new(Vec::new()) };
}

/// Queues a line that OpenSSL reports.
pub(super) fn note(line: &str) {
    let _ = LINES.try_with(|lines| lines.borrow_mut().push(line.to_owned().into()));
}

impl Sink {
    /// Calls the callback with the lines that were queued in this thread.
    pub(super) fn flush(&self) {
        let noted = LINES.try_with(RefCell::take).unwrap_or_default();
        let lines = noted.iter().filter_map(|line| str::from_utf8(line).ok());
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
