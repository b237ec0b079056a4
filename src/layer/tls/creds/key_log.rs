//! Giving the keys of connections away, to whoever has to look into them.

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Takes one line.
pub(super) type KeyLog = Arc<dyn Fn(&str) + Send + Sync>;

/// Adds the lines to a file. Whole lines: others may write to the same one.
pub(super) fn to_file(path: &Path) -> io::Result<KeyLog> {
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    let (path, warned) = (path.to_owned(), AtomicBool::new(false));
    Ok(Arc::new(move |line| {
        if let Err(e) = (&file).write_all(format!("{line}\n").as_bytes())
            && !warned.swap(true, Ordering::Relaxed)
        {
            glib::g_warning!("Qio", "Unable to write to {}: {}", path.display(), e);
        }
    }))
}
