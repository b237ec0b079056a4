//! Keys and passwords, which are overwritten when they are dropped.

use std::{
    fmt,
    fs::File,
    io::{self, Read as _},
    ops::Deref,
    path::Path,
};

use super::shim::cleanse;

/// Bytes that no freed memory has after this is dropped. They never move to another allocation: one
/// that is too small is replaced, and overwritten.
#[derive(Default)]
pub(super) struct Secret(Vec<u8>);

impl Secret {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    pub(super) fn push(&mut self, byte: u8) {
        if self.0.len() == self.0.capacity() {
            let mut larger = Self::with_capacity((2 * self.0.len()).max(32));
            larger.0.extend_from_slice(&self.0);
            *self = larger;
        }
        self.0.push(byte);
    }

    /// What a file has.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let size = file.metadata().map_or(0, |about| about.len());
        // One byte more finds the end.
        let mut bytes = Self(vec![0; usize::try_from(size).unwrap_or(0).max(512) + 1]);
        let mut end = 0;
        loop {
            if end == bytes.len() {
                let mut larger = Self(vec![0; 2 * end]);
                larger.0[..end].copy_from_slice(&bytes);
                bytes = larger;
            }
            match file.read(&mut bytes.0[end..]) {
                Ok(0) => {
                    bytes.0.truncate(end);
                    return Ok(bytes);
                }
                Ok(count) => end += count,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        // Also what was there and has been truncated.
        self.0.resize(self.0.capacity(), 0);
        cleanse(&mut self.0);
    }
}

impl Clone for Secret {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl Deref for Secret {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Secret {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text.into_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn files_of_any_length_are_read_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        for len in [0, 1, 511, 512, 513, 514, 100_000] {
            let text = vec![7; len];
            fs::write(&path, &text).expect("written");
            assert_eq!(&*Secret::read(&path).expect("read"), text);
        }
        // fstat(2) reports no size for it.
        let read = Secret::read(Path::new("/proc/self/maps")).expect("read");
        assert!(read.len() > 1024 && read.ends_with(b"\n"));
    }

    #[test]
    fn bytes_that_are_pushed_are_kept_in_order() {
        let mut secret = Secret::default();
        (0..=255).for_each(|byte| secret.push(byte));
        assert_eq!(&*secret, (0..=255).collect::<Vec<_>>());
    }
}
