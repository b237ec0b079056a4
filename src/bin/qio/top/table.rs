//! The table of a snapshot. Nothing in it controls a terminal.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write as _,
};

use super::json::Json;
use crate::text::printable;

/// The most warnings that are shown, the width of a label, and that of other texts.
const WARNINGS: usize = 8;
const LABEL: usize = 34;
const TEXT: usize = 200;

/// The titles of the columns.
const HEAD: &str = concat!(
    "   ID CHANNEL                            STATE        IN/s  ",
    " OUT/s     IN    OUT  CALLS WAIT UNSENT UNREAD SLOW  ERROR\n"
);

/// A size in bytes, in six characters at most.
fn size(bytes: f64) -> String {
    let units = ["", "k", "M", "G", "T"];
    let mut value = bytes;
    let mut unit = 0;
    while value >= 9999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    // Not longer than the column, whatever the process has sent.
    format!("{:.0}{}", value.clamp(0.0, 99_999.0), units[unit])
}

/// The first characters of a text.
fn cut(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => text.chars().take(most - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

/// What was shown before, for rates.
pub(super) struct Table {
    rows: usize,
    time: f64,
    bytes: HashMap<u64, [f64; 2]>,
    warnings: Vec<String>,
}

/// One channel.
struct Row<'a> {
    channel: &'a Json,
    rates: [f64; 2],
}

impl Table {
    pub(super) fn new(rows: usize) -> Self {
        Self {
            rows,
            time: 0.0,
            bytes: HashMap::new(),
            warnings: Vec::new(),
        }
    }

    /// Returns the table of a snapshot: the most active channels first, then warnings, and the last
    /// lines of `output`.
    pub(super) fn add(&mut self, snapshot: &Json, output: &[String]) -> String {
        let time = snapshot.get("time").number();
        let seconds = (time - self.time) / 1e6;
        let channels = snapshot.get("channels").items();
        let mut rows: Vec<_> = channels
            .iter()
            .map(|channel| self.row(channel, seconds))
            .collect();
        self.time = time;
        let ids: HashSet<u64> = channels.iter().map(id).collect();
        self.bytes.retain(|id, _| ids.contains(id));
        let activity = |row: &Row<'_>| {
            let last = row.channel.get("last-activity").number();
            (row.rates[0] + row.rates[1], last)
        };
        rows.sort_by(|a, b| {
            let (a, b) = (activity(a), activity(b));
            b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1))
        });
        let warnings = snapshot.get("warnings").items();
        for warning in &warnings[warnings.len().saturating_sub(WARNINGS)..] {
            let (label, message) = (warning.get("label").text(), warning.get("message").text());
            let (label, message) = (cut(label, TEXT), cut(message, TEXT));
            self.warnings
                .push(printable(&format!("{label}: {message}")).into_owned());
        }
        let old = self.warnings.len().saturating_sub(WARNINGS);
        self.warnings.drain(..old);
        let mut text = String::new();
        let (pid, program) = (snapshot.get("pid").number(), snapshot.get("program").text());
        let _ = writeln!(
            text,
            "process {} {}: {} channels",
            pid as u64,
            printable(&cut(program, TEXT)),
            rows.len()
        );
        text.push_str(HEAD);
        for row in rows.iter().take(self.rows) {
            text.push_str(&row.line());
        }
        if rows.len() > self.rows {
            let _ = writeln!(text, "... and {} more", rows.len() - self.rows);
        }
        for warning in &self.warnings {
            let _ = writeln!(text, "warning: {warning}");
        }
        for line in output {
            let _ = writeln!(text, "| {}", printable(line));
        }
        text
    }

    fn row<'a>(&mut self, channel: &'a Json, seconds: f64) -> Row<'a> {
        let bytes = ["bytes-read", "bytes-written"].map(|name| channel.get(name).number());
        let before = self.bytes.insert(id(channel), bytes).unwrap_or(bytes);
        let rate = |i: usize| ((bytes[i] - before[i]) / seconds.max(0.001)).max(0.0);
        Row {
            channel,
            rates: [rate(0), rate(1)],
        }
    }
}

fn id(channel: &Json) -> u64 {
    channel.get("id").number() as u64
}

impl Row<'_> {
    fn line(&self) -> String {
        let number = |name: &str| self.channel.get(name).number();
        let text = |name: &str| printable(&cut(self.channel.get(name).text(), TEXT)).into_owned();
        let below = match number("below") as u64 {
            0 => String::new(),
            below => format!(" > {below}"),
        };
        let label = text("label");
        let label = cut(
            label.strip_prefix("QIOChannel").unwrap_or(&label),
            LABEL - below.len(),
        );
        let state = match number("blocked") {
            0.0 => text("state"),
            _ => "BLOCKED".to_owned(),
        };
        format!(
            "{:>5} {:<LABEL$} {:<9} {:>7} {:>7} {:>6} {:>6} {:>6} {:>4} {:>6} {:>6} {:>4}  {}\n",
            id(self.channel),
            label + &below,
            state,
            size(self.rates[0]),
            size(self.rates[1]),
            size(number("bytes-read")),
            size(number("bytes-written")),
            size(number("reads") + number("writes")),
            size(number("waiters")),
            size(number("pending-output")),
            size(number("pushed-back")),
            size(number("slow-calls")),
            text("last-error")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{Json, Table};

    #[test]
    fn the_most_active_channel_comes_first_and_texts_are_printable() {
        let snapshot = |time: u64, busy: u64| {
            let text = format!(
                r#"{{"pid":7,"program":"p\u001b[2J","time":{time},"channels":[
                {{"id":1,"label":"QIOChannelNull","state":"open","below":0,"bytes-read":5,
                  "last-activity":9}},
                {{"id":2,"label":"\u202eevil","state":"closed","below":1,"bytes-read":{busy},
                  "last-error":"x\ny"}}],
                "warnings":[{{"label":"a\u001b","message":"b"}}]}}"#
            );
            Json::parse(&text).expect("valid")
        };
        let mut table = Table::new(10);
        table.add(&snapshot(1_000_000, 0), &[]);
        let text = table.add(&snapshot(3_000_000, 50_000), &["out\x07".to_owned()]);
        assert!(
            !text.contains(|c: char| c.is_control() && c != '\n') && !text.contains('\u{202e}')
        );
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "process 7 p\\u{1b}[2J: 2 channels");
        assert!(
            lines[2].contains("\\u{202e}evil > 1") && lines[2].contains(" 25k "),
            "{text}"
        );
        assert!(
            lines[2].ends_with("x\\u{a}y") && lines[3].contains(" Null "),
            "{text}"
        );
        assert_eq!(lines[4], "warning: a\\u{1b}: b");
        assert_eq!(lines[6], "| out\\u{7}");
    }

    #[test]
    fn the_table_is_small_whatever_numbers_and_texts_a_snapshot_has() {
        let long = "x".repeat(100_000);
        let channel = format!(
            r#"{{"id":1e300,"label":"{long}","state":"{long}","below":1e300,"bytes-read":1e999,
            "reads":1e300,"waiters":-1e300,"slow-calls":1e300,"last-error":"{long}"}}"#
        );
        let warning = format!(r#"{{"label":"{long}","message":"{long}"}}"#);
        let many = |item: &str| vec![item; 20].join(",");
        let text = format!(
            r#"{{"pid":1e300,"program":"{long}","time":-1e300,"channels":[{}],"warnings":[{}]}}"#,
            many(&channel),
            many(&warning)
        );
        let snapshot = Json::parse(&text).expect("valid");
        let mut table = Table::new(10);
        for _ in 0..3 {
            let text = table.add(&snapshot, &[]);
            assert_eq!(text.lines().count(), 2 + 10 + 1 + 8);
            let longest = text.lines().map(|line| line.chars().count()).max();
            assert!(longest < Some(600), "{longest:?}");
        }
    }
}
