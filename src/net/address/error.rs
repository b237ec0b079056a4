//! The error of parsing an address.

use std::{borrow::Cow, fmt, io, ops::Range};

/// A text that is not a valid address: what was expected, and where.
///
/// Converts to an [`io::Error`] of the kind [`InvalidInput`](io::ErrorKind::InvalidInput), and with
/// [`to_glib_error`](crate::to_glib_error) to a `GError` of `G_IO_ERROR_INVALID_ARGUMENT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetAddressError {
    /// With replacement characters for invalid UTF-8.
    text: Box<str>,
    error: ParseError,
}

/// A range of the text, and what was expected there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ParseError {
    /// On character boundaries.
    pub(super) found: Range<usize>,
    pub(super) expected: Cow<'static, str>,
}

/// The maximum number of characters of the text in a message: longer than any address.
const SHOWN: usize = 400;

/// The maximum number of characters of the unexpected part in a message.
const FOUND: usize = 60;

impl NetAddressError {
    pub(super) fn new(text: &str, error: ParseError) -> Self {
        Self {
            text: text.into(),
            error,
        }
    }

    /// Returns the byte offset of the error in the text.
    ///
    /// That is the length of the text if something is missing at its end.
    #[must_use]
    pub fn position(&self) -> usize {
        self.error.found.start
    }

    /// Returns a description of what was expected there.
    #[must_use]
    pub fn expected(&self) -> &str {
        &self.error.expected
    }

    /// Returns what was there instead; empty if something is missing.
    #[must_use]
    pub fn found(&self) -> &str {
        &self.text[self.error.found.clone()]
    }
}

/// One line, without control characters of the text.
impl fmt::Display for NetAddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = Quoted(&self.text, SHOWN);
        write!(f, "Invalid address {text}: expected {}", self.expected())?;
        if self.position() == self.text.len() {
            return f.write_str(" at the end");
        }
        let before = &self.text[..self.position()];
        write!(f, " at character {}", before.chars().count() + 1)?;
        match self.found() {
            "" => Ok(()),
            found => write!(f, ", not {}", Quoted(found, FOUND)),
        }
    }
}

impl std::error::Error for NetAddressError {}

impl From<NetAddressError> for io::Error {
    fn from(error: NetAddressError) -> Self {
        Self::new(io::ErrorKind::InvalidInput, error)
    }
}

/// The beginning of a text in quotes, without control characters.
struct Quoted<'a>(&'a str, usize);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(text, most) = *self;
        match text.char_indices().nth(most) {
            Some((end, _)) => write!(f, "{:?}...", &text[..end]),
            None => write!(f, "{text:?}"),
        }
    }
}
