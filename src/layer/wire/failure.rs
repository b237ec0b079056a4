//! Errors that are reported more than once.

use std::io;

use crate::error::{errno, to_glib_error};

/// An error that every later call reports.
#[derive(Debug, Clone)]
pub(in crate::layer) struct Failure {
    kind: io::ErrorKind,
    /// The error number of the system, if the error is no more than that.
    errno: Option<i32>,
    error: glib::Error,
}

impl Failure {
    pub(in crate::layer) fn of(error: &io::Error) -> Self {
        Self {
            kind: error.kind(),
            errno: errno(error).filter(|_| error.get_ref().is_none()),
            error: to_glib_error(error),
        }
    }

    /// Returns the error again.
    pub(in crate::layer) fn again(&self) -> io::Error {
        match self.errno {
            Some(errno) => io::Error::from_raw_os_error(errno),
            None => io::Error::new(self.kind, self.error.clone()),
        }
    }
}
