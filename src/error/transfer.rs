//! The error of a transfer that has moved a part of its data.

use std::{fmt, io};

use super::reason;

/// An error while data was moved, with the number of bytes that were moved before.
///
/// It is inside the errors of [`splice_to`](crate::ChannelExt::splice_to), [`relay`](crate::relay)
/// and related functions.
///
/// # Examples
///
/// ```
/// use qio::{ChannelBuffer, ChannelFile, TransferError, prelude::*};
///
/// # fn main() -> std::io::Result<()> {
/// let (read, write) = ChannelFile::pipe()?;
/// read.close()?;
/// let source = ChannelBuffer::from(b"never read".to_vec());
/// let e = source.splice_to(&write, None).unwrap_err();
/// assert_eq!(TransferError::of(&e).map(TransferError::bytes_sent), Some(0));
/// assert_eq!(source.position(), 0); // nothing is lost
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TransferError {
    action: String,
    bytes_sent: u64,
    bytes_received: u64,
    is_truncated: bool,
    reason: io::Error,
}

impl TransferError {
    /// Returns the transfer error inside an error, if there is one.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// Returns the number of bytes that the target has accepted.
    ///
    /// In a relay: the second channel.
    #[must_use]
    pub fn bytes_sent(&self) -> u64 {
        self.bytes_sent
    }

    /// Returns the number of bytes from the second channel of a relay to the first one.
    #[must_use]
    pub fn bytes_received(&self) -> u64 {
        self.bytes_received
    }

    /// Returns whether reading has failed, so that the data in the target is truncated.
    ///
    /// [`abort`](crate::ChannelExt::abort) on the target makes that visible to its reader. `false`
    /// if writing has failed.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.is_truncated
    }

    /// Returns the error that ended the transfer.
    #[must_use]
    pub fn reason(&self) -> &io::Error {
        &self.reason
    }
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.action, reason(&self.reason))
    }
}

impl std::error::Error for TransferError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.reason)
    }
}

/// An error while data was moved, after `bytes_sent` bytes.
pub(crate) fn transfer_error(
    reason: io::Error,
    action: String,
    bytes_sent: u64,
    is_truncated: bool,
) -> io::Error {
    let kind = reason.kind();
    let error = TransferError {
        action,
        bytes_sent,
        bytes_received: 0,
        is_truncated,
        reason,
    };
    io::Error::new(kind, error)
}

/// Sets the counts of a transfer error of a relay.
pub(crate) fn relay_error(mut error: io::Error, bytes_sent: u64, bytes_received: u64) -> io::Error {
    let inner = error.get_mut();
    if let Some(transfer) = inner.and_then(|inner| inner.downcast_mut::<TransferError>()) {
        (transfer.bytes_sent, transfer.bytes_received) = (bytes_sent, bytes_received);
    }
    error
}
