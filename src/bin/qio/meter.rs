//! Progress: on a terminal while data moves, and in messages.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    io::{self, IsTerminal},
    rc::Rc,
    time::{Duration, Instant},
};

use glib::ControlFlow;
use indicatif::{BinaryBytes, ProgressBar, ProgressStyle};
use qio::{RelayCounters, RelayStats};

/// How often the numbers change.
const TICK: Duration = Duration::from_millis(250);

/// The counters of all connections.
pub(crate) struct Meter {
    /// The open connections.
    connections: RefCell<BTreeMap<u64, RelayCounters>>,
    /// The number of the next one.
    next: Cell<u64>,
    /// The bytes of closed connections.
    before: Cell<RelayStats>,
    bar: ProgressBar,
    begin: Instant,
}

impl Meter {
    /// `live`: shows the numbers while they change.
    pub(crate) fn new(live: bool) -> Rc<Self> {
        let bar = match live && io::stderr().is_terminal() {
            true => ProgressBar::new_spinner(),
            false => ProgressBar::hidden(),
        };
        bar.set_style(ProgressStyle::with_template("{msg}").expect("a template"));
        let this = Rc::new(Self {
            connections: RefCell::default(),
            next: Cell::default(),
            before: Cell::default(),
            bar,
            begin: Instant::now(),
        });
        if !this.bar.is_hidden() {
            this.tick();
        }
        this
    }

    fn tick(self: &Rc<Self>) {
        let weak = Rc::downgrade(self);
        let (mut before, mut then) = (RelayStats::default(), Instant::now());
        glib::timeout_add_local(TICK, move || {
            let Some(this) = weak.upgrade() else {
                return ControlFlow::Break;
            };
            let (now, seconds) = (this.counts(), then.elapsed().as_secs_f64());
            let rate = |after: u64, before: u64| ((after - before) as f64 / seconds) as u64;
            let part = |arrow, after, before| {
                let rate = BinaryBytes(rate(after, before));
                format!("{arrow} {} ({rate}/s)", BinaryBytes(after))
            };
            let sent = part("->", now.sent, before.sent);
            let received = part("<-", now.received, before.received);
            let connections = match this.connections.borrow().len() {
                1 => "1 connection".to_owned(),
                count => format!("{count} connections"),
            };
            this.bar
                .set_message(format!("{connections}  {sent}  {received}"));
            (before, then) = (now, Instant::now());
            ControlFlow::Continue
        });
    }

    fn counts(&self) -> RelayStats {
        let counts = self.connections.borrow();
        let counts = counts.values().map(RelayCounters::counts);
        counts.fold(self.before.get(), sum)
    }

    /// Counts a connection until the result is dropped.
    pub(crate) fn connection(self: &Rc<Self>) -> Connection {
        let (number, counters) = (self.next.get(), RelayCounters::default());
        self.next.set(number + 1);
        let mut connections = self.connections.borrow_mut();
        connections.insert(number, counters.clone());
        Connection {
            meter: self.clone(),
            number,
            counters,
        }
    }

    /// Logs a message, above the numbers.
    pub(crate) fn log(&self, what: &str) {
        self.bar.suspend(|| eprintln!("qio: {what}"));
    }

    /// Stops showing numbers, and logs the final ones if numbers were shown, or `always`.
    pub(crate) fn finish(&self, always: bool) {
        let shown = !self.bar.is_hidden();
        self.bar.finish_and_clear();
        if shown || always {
            eprintln!("qio: {}", summary(self.counts(), self.begin.elapsed()));
        }
    }
}

pub(crate) struct Connection {
    meter: Rc<Meter>,
    number: u64,
    pub(crate) counters: RelayCounters,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.meter.connections.borrow_mut().remove(&self.number);
        self.meter
            .before
            .set(sum(self.meter.before.get(), self.counters.counts()));
    }
}

fn sum(one: RelayStats, other: RelayStats) -> RelayStats {
    RelayStats {
        sent: one.sent + other.sent,
        received: one.received + other.received,
    }
}

pub(crate) fn summary(relayed: RelayStats, time: Duration) -> String {
    let RelayStats { sent, received } = relayed;
    format!("{sent} bytes there, {received} bytes back, in {time:.1?}")
}
