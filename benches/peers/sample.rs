//! A process measures one side of one case, prints one number and ends.

use std::{
    cell::{Cell, RefCell},
    env, process,
    rc::Rc,
    time::{Duration, Instant},
};

use super::{counts::UNITS, interleaved::median};

/// Units are counted but not measured for so long.
pub(crate) const WARM_UP: Duration = Duration::from_millis(40);

/// The clock is read once in a batch, which takes at least so long.
const BATCH: Duration = Duration::from_millis(4);

/// Batches are measured for so long.
pub(crate) const MEASURE: Duration = Duration::from_millis(120);

/// Prints the result to the parent process.
pub(crate) fn report(value: f64) -> ! {
    println!("{value}");
    process::exit(0)
}

/// Counts units of work, and ends the process with the nanoseconds that one takes: the
/// median of the batches, so that another process on the CPU does not count.
pub(crate) struct Meter {
    count: Cell<u64>,
    batch: Cell<u64>,
    since: Cell<Instant>,
    warm_up: Cell<Option<Instant>>,
    measure: Cell<Option<Instant>>,
    samples: RefCell<Vec<f64>>,
    /// The process ends after the first batch.
    fixed: bool,
}

impl Meter {
    pub(crate) fn new() -> Rc<Self> {
        match env::var(UNITS) {
            Ok(units) => Self::with_batch(units.parse().expect("a number"), true),
            Err(_) => Self::with_batch(1, false),
        }
    }

    /// Counts only.
    pub(crate) fn endless() -> Rc<Self> {
        Self::with_batch(u64::MAX, false)
    }

    fn with_batch(batch: u64, fixed: bool) -> Rc<Self> {
        Rc::new(Self {
            count: Cell::new(0),
            batch: Cell::new(batch),
            since: Cell::new(Instant::now()),
            warm_up: Cell::new(None),
            measure: Cell::new(None),
            samples: RefCell::new(Vec::new()),
            fixed,
        })
    }

    /// One more unit is done.
    #[inline]
    pub(crate) fn tick(&self) {
        self.count.set(self.count.get() + 1);
        if self.count.get() >= self.batch.get() {
            self.end_batch();
        }
    }

    #[cold]
    fn end_batch(&self) {
        let now = Instant::now();
        let took = now - self.since.get();
        if self.fixed {
            report(took.as_nanos() as f64 / self.count.get() as f64);
        }
        if let Some(start) = self.measure.get() {
            let sample = took.as_nanos() as f64 / self.count.get() as f64;
            self.samples.borrow_mut().push(sample);
            if now - start >= MEASURE {
                report(median(&mut self.samples.borrow_mut()));
            }
        } else {
            self.warm(took, now);
        }
        self.count.set(0);
        self.since.set(Instant::now());
    }

    /// The first unit only starts the clock: it may have waited for the others to begin.
    fn warm(&self, took: Duration, now: Instant) {
        match self.warm_up.get() {
            None => self.warm_up.set(Some(now)),
            Some(_) if took < BATCH => self.batch.set(self.batch.get() * 2),
            Some(start) if now - start >= WARM_UP => self.measure.set(Some(now)),
            Some(_) => {}
        }
    }
}
