//! Life-cycle events: the structured log of GLib at debug level, and `tracing`, if that feature is
//! enabled.
//!
//! Events are few: a channel was opened, connected or accepted, the TLS handshake is done, a
//! channel was closed, and errors that no caller gets. `G_MESSAGES_DEBUG=Qio` shows them. Nothing
//! is formatted while nothing reads them; reads and writes are no events.

use std::{borrow::Cow, future::Future, io};

use glib::{LogField, LogLevel, gstr, prelude::*};

/// Something that takes time, for the spans of `tracing`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Activity {
    Connect,
    Handshake,
    Splice,
    Relay,
}

/// Reports an event of an object.
#[inline]
pub(crate) fn event(object: &impl IsA<glib::Object>, message: impl FnOnce() -> String) {
    if is_enabled() {
        report(object.upcast_ref(), &message(), None);
    }
}

/// Reports an error of an object that its caller does not get, or not by this name.
#[inline]
pub(crate) fn failure(
    object: &impl IsA<glib::Object>,
    error: &io::Error,
    message: impl FnOnce() -> String,
) {
    if is_enabled() {
        report(object.upcast_ref(), &message(), Some(error));
    }
}

fn is_enabled() -> bool {
    is_logged() || traced::is_enabled()
}

/// Whether the default writer would show the event.
fn is_logged() -> bool {
    !glib::log_writer_default_would_drop(LogLevel::Debug, Some("Qio"))
}

#[cold]
fn report(object: &glib::Object, message: &str, error: Option<&io::Error>) {
    let class = object.type_().name();
    let name = name_of(object);
    let name = escaped(&name);
    let error = error.map(ToString::to_string);
    let error = error.as_deref().map(escaped);
    let message = escaped(message);
    traced::event(class, &name, &message, error.as_deref());
    if !is_logged() {
        return;
    }
    let text = match &error {
        Some(error) => format!("{class} {name}: {message}: {error}"),
        None => format!("{class} {name}: {message}"),
    };
    let mut fields = vec![
        // Debug messages have this number in syslog(3).
        LogField::new(gstr!("PRIORITY"), before_nul(b"7\0")),
        LogField::new(gstr!("GLIB_DOMAIN"), before_nul(b"Qio\0")),
        LogField::new(gstr!("MESSAGE"), text.as_bytes()),
        LogField::new(gstr!("QIO_CLASS"), class.as_bytes()),
        LogField::new(gstr!("QIO_CHANNEL"), name.as_bytes()),
    ];
    if let Some(error) = &error {
        fields.push(LogField::new(gstr!("QIO_ERROR"), error.as_bytes()));
    }
    glib::log_structured_array(LogLevel::Debug, &fields);
}

/// Reports a warning of a monitor, at the level of messages.
#[cold]
pub(crate) fn warning(class: &str, label: &str, kind: &str, message: &str) {
    let (label, message) = (escaped(label), escaped(message));
    let text = format!("{label}: {message}");
    glib::log_structured_array(
        LogLevel::Message,
        &[
            // Messages have this number in syslog(3).
            LogField::new(gstr!("PRIORITY"), before_nul(b"5\0")),
            LogField::new(gstr!("GLIB_DOMAIN"), before_nul(b"Qio\0")),
            LogField::new(gstr!("MESSAGE"), text.as_bytes()),
            LogField::new(gstr!("QIO_CLASS"), class.as_bytes()),
            LogField::new(gstr!("QIO_CHANNEL"), label.as_bytes()),
            LogField::new(gstr!("QIO_WARNING"), kind.as_bytes()),
        ],
    );
}

/// A value that GLib compares as a string, which must end in a NUL: behind its length.
fn before_nul(value: &'static [u8]) -> &'static [u8] {
    &value[..value.len() - 1]
}

/// The name of a channel or a listener, or its address, which distinguishes those without a name.
fn name_of(object: &glib::Object) -> String {
    let name: Option<glib::GString> = object.property("name");
    name.map_or_else(|| format!("{:p}", object.as_ptr()), Into::into)
}

/// Whether a character controls a terminal, or the direction of writing.
pub(crate) fn is_special(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text without characters that control a terminal or the direction of writing, which peers may
/// have chosen: in the name of a certificate, for example.
fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(is_special) {
        return text.into();
    }
    let mut result = String::new();
    for c in text.chars() {
        match is_special(c) {
            true => result.extend(c.escape_unicode()),
            false => result.push(c),
        }
    }
    result.into()
}

/// Runs a future in a span of `tracing`.
pub(crate) fn in_span<F: Future>(
    activity: Activity,
    object: &impl IsA<glib::Object>,
    future: F,
) -> traced::InSpan<F> {
    traced::in_span(activity, object.upcast_ref(), future)
}

/// Runs code in a span of `tracing`.
pub(crate) fn within<R>(
    activity: Activity,
    object: &impl IsA<glib::Object>,
    code: impl FnOnce() -> R,
) -> R {
    traced::within(activity, object.upcast_ref(), code)
}

#[cfg(feature = "tracing")]
mod traced {
    use glib::prelude::*;
    use tracing::{Instrument as _, Level, Span, instrument::Instrumented};

    use super::{Activity, name_of};

    pub(crate) type InSpan<F> = Instrumented<F>;

    /// The target of all events and spans.
    const TARGET: &str = "qio";

    pub(super) fn is_enabled() -> bool {
        tracing::enabled!(target: TARGET, Level::DEBUG)
    }

    pub(super) fn event(class: &str, channel: &str, message: &str, error: Option<&str>) {
        tracing::debug!(target: TARGET, class, channel, error, "{message}");
    }

    fn span(activity: Activity, object: &glib::Object) -> Span {
        if !is_enabled() {
            return Span::none();
        }
        let (class, channel) = (object.type_().name(), name_of(object));
        match activity {
            Activity::Connect => tracing::debug_span!(target: TARGET, "connect", class, channel),
            Activity::Handshake => {
                tracing::debug_span!(target: TARGET, "handshake", class, channel)
            }
            Activity::Splice => tracing::debug_span!(target: TARGET, "splice", class, channel),
            Activity::Relay => tracing::debug_span!(target: TARGET, "relay", class, channel),
        }
    }

    pub(super) fn in_span<F: Future>(
        activity: Activity,
        object: &glib::Object,
        future: F,
    ) -> InSpan<F> {
        future.instrument(span(activity, object))
    }

    pub(super) fn within<R>(
        activity: Activity,
        object: &glib::Object,
        code: impl FnOnce() -> R,
    ) -> R {
        span(activity, object).in_scope(code)
    }
}

/// Without the feature nothing is traced.
#[cfg(not(feature = "tracing"))]
mod traced {
    use super::Activity;

    pub(crate) type InSpan<F> = F;

    pub(super) fn is_enabled() -> bool {
        false
    }

    pub(super) fn event(_class: &str, _channel: &str, _message: &str, _error: Option<&str>) {}

    pub(super) fn in_span<F>(_activity: Activity, _object: &glib::Object, future: F) -> F {
        future
    }

    pub(super) fn within<R>(
        _activity: Activity,
        _object: &glib::Object,
        code: impl FnOnce() -> R,
    ) -> R {
        code()
    }
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn control_characters_of_peers_are_escaped_in_events() {
        assert_eq!(escaped("größer"), "größer");
        assert_eq!(
            escaped("a\n\x1b[31mb\u{202e}c"),
            "a\\u{a}\\u{1b}[31mb\\u{202e}c"
        );
    }
}
