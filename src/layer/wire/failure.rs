//! Errors that are reported more than once.

use std::io;

use crate::error::to_glib_error;

/// An error that every later call reports.
#[derive(Debug, Clone)]
pub(in crate::layer) enum Failure {
    /// The error number of the system: the error is no more than that.
    System(i32),
    Explained(io::ErrorKind, glib::Error),
}

impl Failure {
    pub(in crate::layer) fn of(error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(errno) => Self::System(errno),
            None => Self::Explained(error.kind(), to_glib_error(error)),
        }
    }

    /// Returns the error again.
    pub(in crate::layer) fn again(&self) -> io::Error {
        match self {
            Self::System(errno) => io::Error::from_raw_os_error(*errno),
            Self::Explained(kind, error) => io::Error::new(*kind, error.clone()),
        }
    }
}
