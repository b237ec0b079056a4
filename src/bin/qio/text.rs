//! Text of peers, made harmless, and text on standard output.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use qio::to_glib_error;

/// Writes text to standard output. That a pager has been closed is no error.
pub(crate) fn print(text: &[u8]) -> io::Result<()> {
    print_if_read(text).map(drop)
}

/// Writes text to standard output. Returns whether that is still read.
pub(crate) fn print_if_read(text: &[u8]) -> io::Result<bool> {
    let mut output = io::stdout();
    match output.write_all(text).and_then(|()| output.flush()) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(e) => Err(with_action(&e, "write to standard output")),
    }
}

/// An error that names what failed: "Unable to ACTION: REASON".
pub(crate) fn with_action(e: &io::Error, action: &str) -> io::Error {
    let reason = to_glib_error(e);
    io::Error::new(
        e.kind(),
        format!("Unable to {action}: {}", reason.message()),
    )
}

/// Escapes control characters, and those that change the direction or the visibility of others: no
/// peer controls the terminal, or fakes a line of a log.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return text.into();
    }
    let escaped = text.chars().fold(String::new(), |mut all, c| {
        match is_hidden(c) {
            true => all.extend(c.escape_unicode()),
            false => all.push(c),
        }
        all
    });
    escaped.into()
}

/// At most this many characters of a text whose length a peer chooses, and how long it is.
pub(crate) fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        None => text.into(),
        Some((end, _)) => format!("{}... ({} bytes)", &text[..end], text.len()).into(),
    }
}

/// Whether a character is escaped; all of them are in the basic multilingual plane.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || c == '\u{feff}'
}
