//! The observers of the process, and the channels that are listed for them.

use std::{
    env,
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering},
    },
};

use super::{ChannelStats, export, set_observed};
use crate::{sync::ProcessMutex, sys::usage};

/// The default of [`threshold`], in microseconds: what a user notices is longer.
pub(crate) const DEFAULT_THRESHOLD: i64 = 5_000;

/// The listed channels. A forked child has them as well.
static CHANNELS: ProcessMutex<Vec<Arc<ChannelStats>>> = ProcessMutex::new(Vec::new(), |_| {});

/// The thresholds of the observers, by their numbers.
static OBSERVERS: ProcessMutex<Vec<(u64, i64)>> = ProcessMutex::new(Vec::new(), |_| {});

/// The number of the observation, which begins with the first observer. Changes while `CHANNELS` is
/// locked.
static OBSERVATION: AtomicU32 = AtomicU32::new(0);

static THRESHOLD: AtomicI64 = AtomicI64::new(DEFAULT_THRESHOLD);

/// Lists the channels that exist: set before there are any.
static LIST_LIVE: OnceLock<fn()> = OnceLock::new();

static HIGHEST_ID: AtomicU64 = AtomicU64::new(0);

/// A number that no other channel or observer of the process has.
pub(super) fn next_id() -> u64 {
    HIGHEST_ID.fetch_add(1, Ordering::Relaxed) + 1
}

/// How long a call may block a thread that runs a main context, in microseconds: the lowest value
/// of all observers.
pub(super) fn threshold() -> i64 {
    THRESHOLD.load(Ordering::Relaxed)
}

/// Lists a channel, unless it is listed.
pub(super) fn list(stats: &Arc<ChannelStats>) {
    let is_listed = || {
        let observation = OBSERVATION.load(Ordering::Relaxed);
        stats.listed_in.load(Ordering::Relaxed) == observation
    };
    if is_listed() {
        return;
    }
    let mut all = CHANNELS.lock();
    // Another thread may have listed it, or have begun another observation.
    if !is_listed() {
        let observation = OBSERVATION.load(Ordering::Relaxed);
        stats.listed_in.store(observation, Ordering::Relaxed);
        all.push(stats.clone());
    }
}

/// Begins an observation, with no channel listed.
fn begin() {
    let mut all = CHANNELS.lock();
    OBSERVATION.fetch_add(1, Ordering::Relaxed);
    let late = std::mem::take(&mut *all);
    drop(all);
    // Those that calls have listed after the last observation had ended.
    drop(late);
}

/// Ends an observation, unless another one has begun.
fn end(observation: u32) {
    let mut all = CHANNELS.lock();
    let listed = match OBSERVATION.load(Ordering::Relaxed) == observation {
        true => std::mem::take(&mut *all),
        false => Vec::new(),
    };
    drop(all);
    drop(listed);
}

/// The channels that exist.
pub(super) fn channels() -> Vec<Arc<ChannelStats>> {
    let mut all = CHANNELS.lock();
    all.retain(|stats| stats.gauges.strong_count() > 0);
    all.clone()
}

/// A reason to observe the process.
#[derive(Debug)]
pub(crate) struct Observer(u64);

impl Observer {
    /// Begins to observe, with a threshold in microseconds.
    pub(crate) fn new(threshold: i64) -> Self {
        let this = Self(next_id());
        let mut all = OBSERVERS.lock();
        let is_first = all.is_empty();
        all.push((this.0, threshold));
        drop(all);
        if is_first {
            begin();
        }
        update(&OBSERVERS.lock());
        if let (true, Some(list_live)) = (is_first, LIST_LIVE.get()) {
            list_live();
        }
        this
    }

    pub(crate) fn set_threshold(&self, threshold: i64) {
        let mut all = OBSERVERS.lock();
        let mine = all.iter_mut().find(|(id, _)| *id == self.0);
        mine.into_iter().for_each(|mine| mine.1 = threshold);
        update(&all);
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        let mut all = OBSERVERS.lock();
        all.retain(|(id, _)| *id != self.0);
        update(&all);
        let ended = all.is_empty().then(|| OBSERVATION.load(Ordering::Relaxed));
        drop(all);
        if let Some(observation) = ended {
            end(observation);
        }
    }
}

/// Sets what the calls of channels read.
fn update(observers: &[(u64, i64)]) {
    let thresholds = observers.iter().map(|(_, threshold)| *threshold);
    let lowest = thresholds.min().unwrap_or(DEFAULT_THRESHOLD);
    THRESHOLD.store(lowest, Ordering::Relaxed);
    set_observed(!observers.is_empty());
}

/// Begins to observe if the environment has `QIO_MONITOR`, the first time that this is called.
/// `list_live` lists the channels that exist, for observers that begin later.
pub(crate) fn set_up(list_live: fn()) {
    static IS_SET_UP: AtomicBool = AtomicBool::new(false);
    LIST_LIVE.get_or_init(|| list_live);
    if IS_SET_UP.swap(true, Ordering::AcqRel) || usage::is_privileged() {
        return;
    }
    let value = env::var("QIO_MONITOR").unwrap_or_default();
    if matches!(value.as_str(), "" | "0") {
        return;
    }
    let started = match value.strip_prefix("listen") {
        Some("") => export::listen(None).map(drop),
        Some(path) if path.starts_with('=') => {
            export::listen(Some(Path::new(&path[1..]))).map(drop)
        }
        _ => export::watch(),
    };
    if let Err(e) = started {
        glib::g_warning!("Qio", "QIO_MONITOR={}: {}", value, e);
    }
}
