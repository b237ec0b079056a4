//! The log: one line an event on standard error, as text or as JSON, or an entry of the journal.
//!
//! What a peer has sent (the subject of a certificate, the origin of a web page, a host name) may
//! be in any text: characters that control a terminal or the direction of writing are escaped in
//! every format, so that an event is one line.

use std::{
    env,
    fmt::Write as _,
    io::{self, IsTerminal as _, Write as _},
    os::fd::{AsFd, BorrowedFd},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use clap::ValueEnum;
use glib::{GStr, LogField, LogLevel, LogWriterOutput};
use indicatif::ProgressBar;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use qio::RelayStats;

use crate::text::{is_hidden, printable, shortened};

/// The format of the log.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    /// Lines of text
    Text,
    /// Lines with a JSON object each
    Json,
    /// Entries of the systemd journal, with fields
    Journald,
}

/// The format that was chosen.
static FORMAT: OnceLock<Format> = OnceLock::new();

/// The progress bar that lines are written above.
static BAR: OnceLock<ProgressBar> = OnceLock::new();

/// Chooses the format. Default: the journal if standard error is connected to it, or text.
pub(crate) fn init(format: Option<Format>) {
    let format = format.unwrap_or_else(|| match is_journal() {
        true => Format::Journald,
        false => Format::Text,
    });
    if FORMAT.set(format).is_ok() {
        // Messages of the library, and of GLib, whose own writer uses standard output for some, and
        // blocks.
        glib::log_set_writer_func(library_message);
    }
}

/// Writes lines above a progress bar from now on.
pub(crate) fn above(bar: &ProgressBar) {
    let _ = BAR.set(bar.clone());
}

/// Whether standard error is the socket whose device and inode systemd has put into the
/// environment.
fn is_journal() -> bool {
    let stream = env::var("JOURNAL_STREAM").unwrap_or_default();
    nix::sys::stat::fstat(io::stderr().as_fd())
        .is_ok_and(|stat| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Listening,
    /// A handshake of TLS or a WebSocket is complete.
    Handshake,
    Connected,
    Closed,
    Error,
    Reload,
    Drain,
    Progress,
    Total,
    /// A message of the command.
    Message,
    /// A message of the library, or of GLib.
    Library(LogLevel),
}

impl Event {
    /// The value of the field `event`.
    fn name(self) -> &'static str {
        match self {
            Self::Listening => "listening",
            Self::Handshake => "handshake",
            Self::Connected => "connected",
            Self::Closed => "closed",
            Self::Error => "error",
            Self::Reload => "reload",
            Self::Drain => "drain",
            Self::Progress => "progress",
            Self::Total => "total",
            Self::Message | Self::Library(_) => "message",
        }
    }

    /// The level, and its number in syslog(3).
    fn level(self) -> (&'static str, &'static str) {
        match self {
            Self::Error | Self::Library(LogLevel::Error | LogLevel::Critical) => ("error", "3"),
            Self::Library(LogLevel::Debug) => ("debug", "7"),
            Self::Library(LogLevel::Info) => ("info", "6"),
            Self::Library(LogLevel::Message) => ("notice", "5"),
            Self::Message | Self::Library(LogLevel::Warning) => ("warning", "4"),
            Self::Listening | Self::Reload | Self::Drain => ("notice", "5"),
            _ => ("info", "6"),
        }
    }
}

/// The value of a field.
enum Value {
    Text(String),
    Number(u64),
    Seconds(Duration),
}

/// An event that is to be logged.
pub(crate) struct Entry {
    event: Event,
    message: String,
    fields: Vec<(&'static str, Value)>,
}

/// An event, and the text about it.
pub(crate) fn entry(event: Event, message: impl Into<String>) -> Entry {
    Entry {
        event,
        message: message.into(),
        fields: Vec::new(),
    }
}

impl Entry {
    /// Adds a field, which JSON and the journal have: its name in lower case.
    pub(crate) fn text(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, Value::Text(value.into())));
        self
    }

    /// Adds a field if there is a value.
    pub(crate) fn text_if(self, name: &'static str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    pub(crate) fn number(mut self, name: &'static str, value: u64) -> Self {
        self.fields.push((name, Value::Number(value)));
        self
    }

    /// Adds what was moved, in a time.
    pub(crate) fn relayed(mut self, relayed: RelayStats, time: Duration) -> Self {
        self = self.number("bytes_sent", relayed.sent);
        self = self.number("bytes_received", relayed.received);
        self.fields.push(("duration", Value::Seconds(time)));
        self
    }

    pub(crate) fn write(self) {
        let format = FORMAT.get().copied().unwrap_or(Format::Text);
        match format {
            Format::Json => write_line(&bounded(|most| self.json(most))),
            Format::Journald if self.to_journal() => {}
            Format::Text | Format::Journald => write_line(&bounded(|most| {
                format!("qio: {}", printable(&shortened(&self.message, most)))
            })),
        }
    }

    /// `most`: the most characters of a text.
    fn json(&self, most: usize) -> String {
        let time = glib::DateTime::now_utc().and_then(|now| now.format_iso8601());
        let mut json = String::from("{\"time\":");
        push_json(&mut json, &time.unwrap_or_default());
        for (name, text) in [
            ("level", self.event.level().0),
            ("event", self.event.name()),
            ("message", &self.message),
        ] {
            let _ = write!(json, ",\"{name}\":");
            push_json(&mut json, &shortened(text, most));
        }
        for (name, value) in &self.fields {
            let _ = write!(json, ",\"{name}\":");
            match value {
                Value::Text(text) => push_json(&mut json, &shortened(text, most)),
                Value::Number(number) => {
                    let _ = write!(json, "{number}");
                }
                Value::Seconds(time) => {
                    let _ = write!(json, "{:.6}", time.as_secs_f64());
                }
            }
        }
        json.push('}');
        json
    }

    /// Sends the entry to the journal. Returns whether that has succeeded.
    fn to_journal(&self) -> bool {
        let mut all = vec![
            ("MESSAGE".to_owned(), printable(&self.message).into_owned()),
            ("PRIORITY".to_owned(), self.event.level().1.to_owned()),
            ("SYSLOG_IDENTIFIER".to_owned(), "qio".to_owned()),
            ("QIO_EVENT".to_owned(), self.event.name().to_owned()),
        ];
        all.extend(self.fields.iter().map(|(name, value)| {
            let value = match value {
                Value::Text(text) => printable(text).into_owned(),
                Value::Number(number) => number.to_string(),
                Value::Seconds(time) => format!("{:.6}", time.as_secs_f64()),
            };
            (format!("QIO_{}", name.to_uppercase()), value)
        }));
        let names: Vec<_> = all.iter().map(|(name, _)| format!("{name}\0")).collect();
        let fields: Vec<_> = names
            .iter()
            .zip(&all)
            .map(|(name, (_, value))| {
                let name = GStr::from_str_with_nul(name).expect("one NUL, at the end");
                LogField::new(name, value.as_bytes())
            })
            .collect();
        glib::log_writer_journald(LogLevel::Info, &fields) == LogWriterOutput::Handled
    }
}

/// The most bytes of a line: with the message about those left out it fits `PIPE_BUF`, so that a
/// pipe with any capacity takes it without blocking.
const MOST_BYTES: usize = libc::PIPE_BUF - 300;

/// A line with at most [`MOST_BYTES`]: the texts in it, of which a peer may choose the length, are
/// shortened to fewer characters until it fits.
fn bounded(line: impl Fn(usize) -> String) -> String {
    let mut most = MOST_BYTES;
    loop {
        let text = line(most);
        if text.len() <= MOST_BYTES || most == 0 {
            return text;
        }
        most /= 2;
    }
}

/// How many milliseconds a message waits for a full pipe, once. Those after it do not wait.
const FULL: u8 = 100;

/// The messages that were left out since the last one that was written.
static LEFT_OUT: AtomicU64 = AtomicU64::new(0);

/// Writes a line in one piece. That nothing reads the log is no reason to end, nor to block.
fn write_line(line: &str) {
    let write = || {
        let mut stderr = io::stderr().lock();
        let left_out = LEFT_OUT.load(Ordering::Relaxed);
        if !stderr.is_terminal() && !has_capacity(stderr.as_fd(), left_out == 0) {
            LEFT_OUT.store(left_out + 1, Ordering::Relaxed);
            return;
        }
        LEFT_OUT.store(0, Ordering::Relaxed);
        let mut text = format!("{line}\n");
        if left_out > 0 {
            text = format!("{}\n{text}", lost(left_out));
        }
        let _ = stderr.write_all(text.as_bytes());
    };
    match BAR.get() {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// Whether a line can be written without blocking. Polling that fails is no reason to leave it out.
fn has_capacity(fd: BorrowedFd<'_>, may_wait: bool) -> bool {
    let mut polled = [PollFd::new(fd, PollFlags::POLLOUT)];
    let limit = PollTimeout::from(if may_wait { FULL } else { 0 });
    poll(&mut polled, limit) != Ok(0)
}

/// The message about those that were left out.
fn lost(count: u64) -> String {
    let message = format!("{count} messages were left out, as nothing has read them");
    let entry = entry(Event::Message, message).number("messages", count);
    match FORMAT.get() {
        Some(Format::Json) => entry.json(MOST_BYTES),
        _ => format!("qio: {}", entry.message),
    }
}

/// Logs what GLib's structured log gets.
fn library_message(level: LogLevel, fields: &[LogField<'_>]) -> LogWriterOutput {
    let value = |key: &str| {
        let field = fields.iter().find(|field| field.key() == key)?;
        field.value_str().map(ToOwned::to_owned)
    };
    let domain = value("GLIB_DOMAIN");
    if !glib::log_writer_default_would_drop(level, domain.as_deref()) {
        let mut message = value("MESSAGE").unwrap_or_default();
        if let (Some(domain), Some(Format::Text)) = (&domain, FORMAT.get()) {
            message = format!("{domain}: {message}");
        }
        entry(Event::Library(level), message)
            .text_if("domain", domain)
            .write();
    }
    LogWriterOutput::Handled
}

/// Appends a string of JSON (RFC 8259, section 7).
fn push_json(json: &mut String, text: &str) {
    json.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            // All of them are in the basic multilingual plane.
            _ if is_hidden(c) => {
                let _ = write!(json, "\\u{:04x}", u32::from(c));
            }
            _ => json.push(c),
        }
    }
    json.push('"');
}
