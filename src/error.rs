//! Conversions between [`io::Error`] and [`glib::Error`], and the errors of this crate.
//!
//! Rust callers get `io::Error`s; C callers and bindings get `GError`s in GIO's domains. A `GError`
//! that is converted to an `io::Error` and back keeps its domain, code and message.

mod transfer;

pub use transfer::TransferError;
pub(crate) use transfer::{relay_error, transfer_error};

use std::{any::Any, fmt, io};

use gio::IOErrorEnum;

/// Errors that GIO has no code for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, glib::ErrorDomain, glib::Enum)]
#[error_domain(name = "qio-channel-error-quark")]
#[enum_type(name = "QIOChannelError")]
#[doc(alias = "QIOChannelError")]
#[repr(i32)]
pub enum ChannelError {
    /// End-of-file in the middle of the data to be read.
    #[enum_value(name = "QIO_CHANNEL_ERROR_TRUNCATED", nick = "truncated")]
    Truncated = 0,
    /// More file descriptors than one message can have.
    #[enum_value(name = "QIO_CHANNEL_ERROR_TOO_MANY_FDS", nick = "too-many-fds")]
    TooManyFds = 1,
    /// File descriptors were sent that this process could not receive.
    #[enum_value(name = "QIO_CHANNEL_ERROR_FDS_LOST", nick = "fds-lost")]
    FdsLost = 2,
}

impl From<ChannelError> for io::ErrorKind {
    fn from(error: ChannelError) -> Self {
        match error {
            ChannelError::Truncated => Self::UnexpectedEof,
            ChannelError::TooManyFds => Self::InvalidInput,
            ChannelError::FdsLost => Self::InvalidData,
        }
    }
}

/// Converts an error of `std` to a `GError`.
///
/// A `GError` inside is returned unchanged. A system error gets the code of
/// `g_io_error_from_errno()`; other kinds get the nearest code of `G_IO_ERROR`.
#[must_use]
pub fn to_glib_error(error: &io::Error) -> glib::Error {
    if let Some(inner) = error.get_ref() {
        if let Some(glib) = inner.downcast_ref::<glib::Error>() {
            return glib.clone();
        }
        let explained = inner.downcast_ref::<ContextError>();
        let transfer = inner.downcast_ref::<TransferError>();
        let retried = inner.downcast_ref::<RetryError>();
        if let Some(cause) = explained
            .map(|explained| &explained.reason)
            .or(transfer.map(TransferError::reason))
            .or(retried.map(RetryError::reason))
        {
            let cause = to_glib_error(cause);
            return glib::Error::with_domain(cause.domain(), cause.code(), &inner.to_string());
        }
    }
    let message = reason(error);
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return glib::Error::new(ChannelError::Truncated, &message);
    }
    let code = match error.raw_os_error() {
        Some(errno) => gio::functions::io_error_from_errno(errno),
        None => code_of(error.kind()),
    };
    glib::Error::new(code, &message)
}

/// Converts a `GError` to an error of `std`, with the `GError` inside.
///
/// Would-block becomes the plain [`io::ErrorKind::WouldBlock`].
#[must_use]
pub fn from_glib_error(error: glib::Error) -> io::Error {
    let kind = match (error.kind::<IOErrorEnum>(), error.kind::<ChannelError>()) {
        (Some(IOErrorEnum::WouldBlock), _) => return io::ErrorKind::WouldBlock.into(),
        (Some(code), _) => kind_of(code),
        (_, Some(code)) => code.into(),
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

/// Returns whether an error is that of a cancelled operation.
///
/// That is [`G_IO_ERROR_CANCELLED`](gio::IOErrorEnum::Cancelled), also inside of an [`io::Error`].
/// The error is a [`glib::Error`] or an [`io::Error`]; any other one is not.
///
/// # Examples
///
/// ```
/// use gio::prelude::*;
/// use qio::{ChannelSocket, prelude::*};
///
/// # fn main() -> std::io::Result<()> {
/// let (here, _there) = ChannelSocket::pair()?;
/// let cancellable = gio::Cancellable::new();
/// cancellable.cancel();
/// let reading = async { here.read_future(&mut [0]).or_cancelled(&cancellable).await };
/// let error = glib::MainContext::default().block_on(reading).unwrap_err();
/// assert!(qio::is_cancelled(&error));
/// assert!(qio::is_cancelled(&qio::to_glib_error(&error)));
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn is_cancelled(error: &(dyn std::error::Error + 'static)) -> bool {
    let is_code = |e: &glib::Error| e.matches(IOErrorEnum::Cancelled);
    match error.downcast_ref::<io::Error>() {
        Some(e) => is_code(&to_glib_error(e)),
        None => error.downcast_ref().is_some_and(is_code),
    }
}

fn kind_of(code: IOErrorEnum) -> io::ErrorKind {
    match code {
        IOErrorEnum::NotSupported => io::ErrorKind::Unsupported,
        IOErrorEnum::Closed => io::ErrorKind::NotConnected,
        IOErrorEnum::NoSpace => io::ErrorKind::StorageFull,
        IOErrorEnum::IsDirectory => io::ErrorKind::IsADirectory,
        IOErrorEnum::NotDirectory => io::ErrorKind::NotADirectory,
        IOErrorEnum::ReadOnly => io::ErrorKind::ReadOnlyFilesystem,
        IOErrorEnum::HostUnreachable => io::ErrorKind::HostUnreachable,
        IOErrorEnum::NetworkUnreachable => io::ErrorKind::NetworkUnreachable,
        code => code.into(),
    }
}

fn code_of(kind: io::ErrorKind) -> IOErrorEnum {
    match kind {
        io::ErrorKind::NotFound => IOErrorEnum::NotFound,
        io::ErrorKind::PermissionDenied => IOErrorEnum::PermissionDenied,
        io::ErrorKind::AlreadyExists => IOErrorEnum::Exists,
        io::ErrorKind::InvalidInput => IOErrorEnum::InvalidArgument,
        io::ErrorKind::InvalidData => IOErrorEnum::InvalidData,
        io::ErrorKind::WouldBlock => IOErrorEnum::WouldBlock,
        io::ErrorKind::TimedOut => IOErrorEnum::TimedOut,
        io::ErrorKind::Unsupported => IOErrorEnum::NotSupported,
        io::ErrorKind::NotConnected => IOErrorEnum::NotConnected,
        io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted => IOErrorEnum::BrokenPipe,
        io::ErrorKind::ConnectionRefused => IOErrorEnum::ConnectionRefused,
        io::ErrorKind::AddrInUse => IOErrorEnum::AddressInUse,
        io::ErrorKind::StorageFull => IOErrorEnum::NoSpace,
        _ => IOErrorEnum::Failed,
    }
}

/// A system error with the action that failed, and its object.
struct ContextError {
    action: String,
    reason: io::Error,
}

impl fmt::Display for ContextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.action, reason(&self.reason))
    }
}

/// The same text, which `fn main() -> io::Result<()>` prints.
impl fmt::Debug for ContextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl std::error::Error for ContextError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.reason)
    }
}

/// Prepends the action that failed: `with_context(e, "Unable to open x")` is displayed as `Unable
/// to open x: No such file or directory`.
pub(crate) fn with_context(error: io::Error, action: impl Into<String>) -> io::Error {
    io::Error::new(
        error.kind(),
        ContextError {
            action: action.into(),
            reason: error,
        },
    )
}

/// The number of a system error, also with context.
pub(crate) fn errno(error: &io::Error) -> Option<i32> {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(ContextError { reason, .. }) => errno(reason),
        None => error.raw_os_error(),
    }
}

/// The error of the last of several attempts, with their number.
///
/// It is inside the errors of [`Backoff::retry`](crate::Backoff::retry) and of all functions that
/// connect with a [`Backoff`](crate::Backoff).
#[derive(Debug)]
pub struct RetryError {
    attempts: u32,
    reason: io::Error,
}

impl RetryError {
    /// Returns the retry error inside an error, if there is one.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// Returns the number of attempts that were made.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Returns the error of the last attempt.
    #[must_use]
    pub fn reason(&self) -> &io::Error {
        &self.reason
    }
}

impl fmt::Display for RetryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            attempts,
            reason: e,
        } = self;
        match attempts {
            1 => write!(f, "{} (1 attempt)", reason(e)),
            _ => write!(f, "{} ({attempts} attempts)", reason(e)),
        }
    }
}

impl std::error::Error for RetryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.reason)
    }
}

/// The error of the last of `attempts` attempts.
pub(crate) fn retry_error(reason: io::Error, attempts: u32) -> io::Error {
    io::Error::new(reason.kind(), RetryError { attempts, reason })
}

/// The text of an error. For a system error that of `strerror`, in the locale of the program.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match error.raw_os_error() {
        // The text of std has the number after that of `strerror_r`.
        Some(errno) => text
            .strip_suffix(&format!(" (os error {errno})"))
            .map_or_else(|| text.clone(), str::to_owned),
        None => text,
    }
}

/// An error with a code of `G_IO_ERROR`.
pub(crate) fn io_error(code: IOErrorEnum, message: &str) -> io::Error {
    from_glib_error(glib::Error::new(code, message))
}

/// An error with a code of [`ChannelError`].
pub(crate) fn channel_error(code: ChannelError, message: &str) -> io::Error {
    from_glib_error(glib::Error::new(code, message))
}

/// An invalid argument.
pub(crate) fn invalid(message: &str) -> io::Error {
    io_error(IOErrorEnum::InvalidArgument, message)
}

/// An operation that the channel does not support.
pub(crate) fn not_supported(message: &str) -> io::Error {
    io_error(IOErrorEnum::NotSupported, message)
}

/// The channel was closed.
#[cold]
#[inline(never)]
pub(crate) fn closed() -> io::Error {
    io_error(IOErrorEnum::Closed, "Channel is closed")
}

/// The message of a panic.
#[cold]
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message")
}

/// The operation was cancelled.
pub(crate) fn cancelled() -> io::Error {
    io_error(IOErrorEnum::Cancelled, "Operation was cancelled")
}

/// Whether the peer of a connection has closed it.
pub(crate) fn is_disconnected(e: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, NotConnected};
    matches!(e.kind(), NotConnected | BrokenPipe | ConnectionReset)
}

/// Whether the error is would-block.
pub(crate) fn would_block(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}
