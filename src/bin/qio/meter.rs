//! Progress: on a terminal while data moves, and in messages.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use glib::ControlFlow;
use indicatif::{BinaryBytes, ProgressBar, ProgressStyle};
use qio::{RelayCounters, RelayStats};

use crate::{
    log::{self, Event, entry},
    serving::Progress,
};

/// How often the numbers on a terminal change.
const TICK: Duration = Duration::from_millis(250);

/// How often the numbers are logged.
const LOG_TICK: Duration = Duration::from_secs(1);

/// The counters of all connections.
pub(crate) struct Meter {
    state: Mutex<State>,
    bar: ProgressBar,
    /// Whether numbers are shown, on a terminal or in the log.
    shows: bool,
    begin: Instant,
}

#[derive(Default)]
struct State {
    /// The open connections.
    connections: BTreeMap<u64, RelayCounters>,
    /// The number of the next one.
    next: u64,
    /// The bytes of closed connections.
    before: RelayStats,
}

impl Meter {
    /// `interactive`: the terminal is one of the addresses.
    pub(crate) fn new(progress: Progress, interactive: bool) -> Arc<Self> {
        let (terminal, shown) = (io::stderr().is_terminal(), progress == Progress::On);
        let bar = match terminal && (shown || progress == Progress::Auto && !interactive) {
            true => ProgressBar::new_spinner(),
            false => ProgressBar::hidden(),
        };
        bar.set_style(ProgressStyle::with_template("{msg}").expect("a template"));
        let this = Arc::new(Self {
            state: Mutex::default(),
            shows: shown || !bar.is_hidden(),
            bar,
            begin: Instant::now(),
        });
        if !this.bar.is_hidden() {
            log::above(&this.bar);
            this.tick(TICK, |this, numbers, _| this.bar.set_message(numbers));
        } else if shown {
            this.tick(LOG_TICK, |this, numbers, counts| {
                let progress = entry(Event::Progress, numbers);
                progress.relayed(counts, this.begin.elapsed()).write();
            });
        }
        this
    }

    fn tick(self: &Arc<Self>, time: Duration, show: impl Fn(&Self, String, RelayStats) + 'static) {
        let weak = Arc::downgrade(self);
        let (mut before, mut then) = (RelayStats::default(), Instant::now());
        glib::timeout_add_local(time, move || {
            let Some(this) = weak.upgrade() else {
                return ControlFlow::Break;
            };
            let (now, time) = (this.counts(), then.elapsed());
            let part = |arrow, after, before| {
                let rate = rate(after - before, time);
                format!("{arrow} {} ({rate}/s)", BinaryBytes(after))
            };
            let sent = part("->", now.sent, before.sent);
            let received = part("<-", now.received, before.received);
            let connections = match this.state().connections.len() {
                1 => "1 connection".to_owned(),
                count => format!("{count} connections"),
            };
            show(&this, format!("{connections}  {sent}  {received}"), now);
            (before, then) = (now, Instant::now());
            ControlFlow::Continue
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that panics has it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counts(&self) -> RelayStats {
        let state = self.state();
        let counts = state.connections.values().map(RelayCounters::counts);
        counts.fold(state.before, sum)
    }

    /// Counts a connection until the result is dropped.
    pub(crate) fn connection(self: &Arc<Self>) -> Connection {
        let counters = RelayCounters::default();
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        state.connections.insert(number, counters.clone());
        drop(state);
        Connection {
            meter: self.clone(),
            number,
            counters,
        }
    }

    /// Stops showing numbers, and logs the final ones if numbers were shown, or `always`.
    pub(crate) fn finish(&self, always: bool) {
        self.bar.finish_and_clear();
        if self.shows || always {
            let (counts, time) = (self.counts(), self.begin.elapsed());
            let total = entry(Event::Total, summary(counts, time));
            total.relayed(counts, time).write();
        }
    }
}

pub(crate) struct Connection {
    meter: Arc<Meter>,
    number: u64,
    pub(crate) counters: RelayCounters,
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut state = self.meter.state();
        state.connections.remove(&self.number);
        state.before = sum(state.before, self.counters.counts());
    }
}

fn sum(one: RelayStats, other: RelayStats) -> RelayStats {
    RelayStats {
        sent: one.sent + other.sent,
        received: one.received + other.received,
    }
}

/// The bytes of a second.
fn rate(bytes: u64, time: Duration) -> BinaryBytes {
    BinaryBytes((bytes as f64 / time.as_secs_f64()) as u64)
}

/// Totals and rates.
pub(crate) fn summary(relayed: RelayStats, time: Duration) -> String {
    let RelayStats { sent, received } = relayed;
    let (there, back) = (rate(sent, time), rate(received, time));
    format!("{sent} bytes there, {received} bytes back, in {time:.1?} ({there}/s, {back}/s)")
}
