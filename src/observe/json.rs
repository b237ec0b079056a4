//! Snapshots and warnings as JSON (RFC 8259), on one line.

use std::fmt::Write as _;

use super::{Snapshot, Warning};
use crate::log::is_special;

/// A JSON text that is being written.
#[derive(Debug, Default)]
pub(crate) struct Json(String);

impl Json {
    /// Writes a text. Characters that control a terminal are escaped, also where JSON permits them.
    fn string(&mut self, text: &str) {
        self.0.push('"');
        for c in text.chars() {
            match c {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                c if is_special(c) => {
                    let mut units = [0; 2];
                    for unit in c.encode_utf16(&mut units) {
                        let _ = write!(self.0, "\\u{unit:04x}");
                    }
                }
                c => self.0.push(c),
            }
        }
        self.0.push('"');
    }

    fn key(&mut self, name: &str) {
        if !self.0.ends_with(['{', '[']) {
            self.0.push(',');
        }
        self.string(name);
        self.0.push(':');
    }

    pub(crate) fn text(&mut self, name: &str, text: Option<&str>) {
        self.key(name);
        match text {
            Some(text) => self.string(text),
            None => self.0.push_str("null"),
        }
    }

    pub(crate) fn number(&mut self, name: &str, number: impl Into<i128>) {
        self.key(name);
        let _ = write!(self.0, "{}", number.into());
    }

    /// Writes an array of objects.
    pub(crate) fn array<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        write: impl Fn(&mut Self, T),
    ) {
        self.key(name);
        self.0.push('[');
        for item in items {
            if !self.0.ends_with('[') {
                self.0.push(',');
            }
            self.object(|json| write(json, item));
        }
        self.0.push(']');
    }

    pub(crate) fn object(&mut self, write: impl FnOnce(&mut Self)) {
        self.0.push('{');
        write(self);
        self.0.push('}');
    }

    pub(crate) fn into_line(mut self) -> String {
        self.0.push('\n');
        self.0
    }
}

/// Writes the members of a channel.
pub(super) fn channel(json: &mut Json, it: &Snapshot) {
    json.number("id", it.id);
    json.text("class", Some(it.class));
    json.text("name", it.name.as_deref());
    json.text("label", Some(&it.label));
    json.number("below", it.below);
    json.text("state", Some(it.state.nick()));
    json.number("opened", it.opened);
    json.number("last-activity", it.last_activity);
    json.number("bytes-read", it.bytes[0]);
    json.number("bytes-written", it.bytes[1]);
    json.number("reads", it.calls[0]);
    json.number("writes", it.calls[1]);
    json.number("would-blocks", it.would_blocks);
    json.number("waiters", it.waiters);
    json.number("pending-output", it.pending_output);
    json.number("pushed-back", it.pushed_back);
    json.number("slow-calls", it.slow_calls);
    json.number("blocked", it.blocked);
    json.text("last-error", it.last_error.as_deref());
}

/// Writes the members of a warning.
pub(super) fn warning(json: &mut Json, it: &Warning) {
    json.number("time", it.time);
    json.number("id", it.id);
    json.text("label", Some(&it.label));
    json.text("kind", Some(it.kind.nick()));
    json.text("message", Some(&it.message));
}

#[cfg(test)]
mod tests {
    use super::Json;

    #[test]
    fn texts_of_peers_are_escaped_in_json() {
        let mut json = Json::default();
        json.object(|json| {
            json.text("a", Some("\"\\\x1b[31m\u{202e}ü\n"));
            json.number("b", u64::MAX);
            json.array("c", [1, 2], |json, it| json.number("d", it));
            json.array("e", [0; 0], |json, it| json.number("d", it));
            json.text("f", None);
        });
        assert_eq!(
            json.into_line(),
            "{\"a\":\"\\\"\\\\\\u001b[31m\\u202eü\\u000a\",\"b\":18446744073709551615,\
             \"c\":[{\"d\":1},{\"d\":2}],\"e\":[],\"f\":null}\n"
        );
    }
}
