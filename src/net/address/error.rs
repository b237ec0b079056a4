//! What a mistake in an address is called.

use std::{borrow::Cow, fmt, io, ops::Range};

/// A text that is no address: what was expected, and where.
///
/// It turns into an [`io::Error`] of the kind [`InvalidInput`](io::ErrorKind::InvalidInput), and with
/// [`to_glib_error`](crate::to_glib_error) into a `GError` of `G_IO_ERROR_INVALID_ARGUMENT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetAddressError {
    /// Where it was no UTF-8, with replacement characters.
    text: Box<str>,
    mistake: ParseError,
}

/// A place in a text, and what should have been there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ParseError {
    /// On boundaries of characters.
    pub(super) found: Range<usize>,
    pub(super) expected: Cow<'static, str>,
}

/// The most characters of a text that are shown: longer than any address.
const SHOWN: usize = 400;

/// The most characters that are shown of what was found.
const FOUND: usize = 60;

impl NetAddressError {
    pub(super) fn new(text: &str, mistake: ParseError) -> Self {
        Self {
            text: text.into(),
            mistake,
        }
    }

    /// The byte of the text at which the mistake begins; the length of the text where something is missing at
    /// its end.
    #[must_use]
    pub fn position(&self) -> usize {
        self.mistake.found.start
    }

    /// What should have been there, in words.
    #[must_use]
    pub fn expected(&self) -> &str {
        &self.mistake.expected
    }

    /// What was there instead; empty where something is missing.
    #[must_use]
    pub fn found(&self) -> &str {
        &self.text[self.mistake.found.clone()]
    }
}

/// One line, whatever was in the text.
impl fmt::Display for NetAddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = Quoted(&self.text, SHOWN);
        write!(
            f,
            "Unable to read the address {text}: expected {}",
            self.expected()
        )?;
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
