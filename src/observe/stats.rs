//! The counters of one channel.

use std::{
    fmt, io,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
};

use super::{
    busy::{self, Attempts, MOST_ATTEMPTS},
    is_measured, is_observed, registry,
    warning::{Episodes, WarningKind, warn},
};
use crate::{
    error::would_block,
    sync::{ForkMutex, OnceBox},
};

/// How often a watch or an fd handler may fire within [`WINDOW`] without a call in its direction.
pub(super) const MOST_FIRES: u32 = 1000;

/// One second, in microseconds.
pub(super) const WINDOW: i64 = 1_000_000;

/// What a channel has besides its counters, which is queried for each snapshot.
pub(crate) trait Gauges: fmt::Debug + Send + Sync {
    fn is_closed(&self) -> bool;

    /// The number of futures, watches and threads that wait for the channel.
    fn waiters(&self) -> usize;

    /// The number of pushed-back bytes.
    fn pushed_back(&self) -> usize;
}

/// The state of a layered channel.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LayerState {
    /// The connection is established.
    pub(crate) is_open: bool,
    /// The bytes that the lower channel has not taken.
    pub(crate) pending: usize,
}

/// Calls in one direction.
#[derive(Debug, Default)]
pub(super) struct Side {
    pub(super) bytes: AtomicU64,
    pub(super) calls: AtomicU64,
    /// How often watches and fd handlers have fired since the last call, from `fired_since` on.
    fires: AtomicU32,
    fired_since: AtomicI64,
}

/// The texts of a channel.
#[derive(Debug, Default, Clone)]
pub(super) struct Texts {
    pub(super) name: Option<String>,
    pub(super) label: String,
    pub(super) last_error: Option<String>,
}

/// The counters of a channel. Times are those of `g_get_monotonic_time()`, in microseconds, unless
/// stated otherwise.
#[derive(Debug)]
pub(crate) struct ChannelStats {
    pub(super) id: u64,
    pub(super) class: &'static str,
    pub(super) gauges: Weak<dyn Gauges>,
    /// The observation in which the channel is listed.
    pub(super) listed_in: AtomicU32,
    pub(super) texts: ForkMutex<Texts>,
    pub(super) sides: [Side; 2],
    pub(super) below: AtomicU64,
    /// As of `g_get_real_time()`.
    pub(super) opened: i64,
    /// As of `g_get_real_time()`.
    pub(super) last_activity: AtomicI64,
    pub(super) would_blocks: AtomicU64,
    pub(super) slow_calls: AtomicU64,
    pub(super) is_connected: AtomicBool,
    /// When an attempt to establish the connection of a layer was first observed; 0 if none is
    /// under way.
    pub(super) handshake_since: AtomicI64,
    pub(super) pending: AtomicU64,
    /// When pending output was last seen to make progress; 0 without any.
    pub(super) pending_since: AtomicI64,
    /// The bytes of the lower channel at that time.
    lower_written: AtomicU64,
    /// When the call began that blocks a thread which runs a main context; 0 if none does.
    pub(super) blocked_since: AtomicI64,
    attempts: Attempts,
    pub(super) episodes: Episodes,
}

/// The place of the counters in a channel.
#[derive(Debug, Default)]
pub(crate) struct Slot(OnceBox<Arc<ChannelStats>>);

impl Slot {
    /// The counters, if any call was observed.
    #[inline]
    pub(crate) fn get(&self) -> Option<&Arc<ChannelStats>> {
        self.0.get()
    }

    /// The counters and the number of calls in each direction, before the callback of a watch or
    /// an fd handler: see [`ChannelStats::fired`].
    #[inline]
    pub(crate) fn before_callback(&self) -> Option<(&Arc<ChannelStats>, [u64; 2])> {
        if !is_observed() {
            return None;
        }
        self.get().map(|stats| (stats, stats.calls()))
    }

    /// The counters, which are listed from now on.
    pub(crate) fn listed(
        &self,
        class: &'static str,
        gauges: impl FnOnce() -> Weak<dyn Gauges>,
        name_and_label: impl FnOnce() -> (Option<String>, String),
    ) -> &Arc<ChannelStats> {
        let stats = self.0.get_or_init(|| {
            let (name, label) = name_and_label();
            let texts = Texts {
                name,
                label,
                last_error: None,
            };
            Arc::new(ChannelStats::new(class, gauges(), texts))
        });
        registry::list(stats);
        stats
    }
}

impl ChannelStats {
    fn new(class: &'static str, gauges: Weak<dyn Gauges>, texts: Texts) -> Self {
        let now = glib::real_time();
        Self {
            id: registry::next_id(),
            class,
            gauges,
            listed_in: AtomicU32::default(),
            texts: ForkMutex::new(texts),
            sides: Default::default(),
            below: AtomicU64::default(),
            opened: now,
            last_activity: now.into(),
            would_blocks: AtomicU64::default(),
            slow_calls: AtomicU64::default(),
            is_connected: AtomicBool::default(),
            handshake_since: AtomicI64::default(),
            pending: AtomicU64::default(),
            pending_since: AtomicI64::default(),
            lower_written: AtomicU64::default(),
            blocked_since: AtomicI64::default(),
            attempts: Attempts::default(),
            episodes: Episodes::default(),
        }
    }

    /// Sets the texts, after a change of the name.
    pub(crate) fn set_texts(&self, name: Option<String>, label: String) {
        let mut texts = self.texts.lock();
        (texts.name, texts.label) = (name, label);
    }

    pub(super) fn label(&self) -> String {
        self.texts.lock().label.clone()
    }

    /// The other end has accepted the connection.
    pub(crate) fn set_connected(&self) {
        self.is_connected.store(true, Relaxed);
    }

    pub(crate) fn set_below(&self, below: &Self) {
        self.below.store(below.id, Relaxed);
    }

    /// Counts a call in one direction: 0 for reading, 1 for writing.
    pub(crate) fn count(self: &Arc<Self>, side: usize, result: Result<usize, &io::Error>) {
        let kind = [WarningKind::UnreadWatch, WarningKind::UnwrittenWatch][side];
        let side = &self.sides[side];
        side.calls.fetch_add(1, Relaxed);
        side.fires.store(0, Relaxed);
        self.episodes.end(kind);
        self.last_activity.store(glib::real_time(), Relaxed);
        match result {
            Ok(bytes) => {
                side.bytes.fetch_add(bytes as u64, Relaxed);
            }
            Err(e) if would_block(e) => {
                self.would_blocks.fetch_add(1, Relaxed);
            }
            Err(e) => self.record_error(e),
        }
        match result {
            Ok(1..) => {
                busy::moved();
                self.attempts.reset();
                self.episodes.end(WarningKind::BusyLoop);
            }
            // Of calls inside of calls the outermost one counts.
            _ if is_measured() => {}
            _ => self.attempted(),
        }
    }

    /// A call or a poll has moved nothing.
    pub(crate) fn attempted(self: &Arc<Self>) {
        if self.attempts.add() && self.episodes.begin(WarningKind::BusyLoop) {
            let text = format!(
                "it was called or polled {MOST_ATTEMPTS} times within a second by a thread that did \
                 not wait, and nothing was read or written"
            );
            warn(self, WarningKind::BusyLoop, &text, 0);
        }
    }

    /// Counts bytes that the kernel has moved.
    pub(crate) fn count_bytes(self: &Arc<Self>, side: usize, bytes: usize) {
        self.count(side, Ok(bytes));
    }

    pub(crate) fn record_error(&self, error: &io::Error) {
        if !would_block(error) {
            let text = Some(error.to_string());
            self.texts.lock().last_error = text;
        }
    }

    /// Records the state of a layered channel; `lower` has the counters of its lower channel.
    pub(crate) fn set_layer_state(&self, state: LayerState, lower: Option<&Self>) {
        let now = glib::monotonic_time();
        if state.is_open {
            self.set_connected();
            self.handshake_since.store(0, Relaxed);
            self.episodes.end(WarningKind::SlowHandshake);
        } else if self.handshake_since.load(Relaxed) == 0 {
            self.handshake_since.store(now, Relaxed);
        }
        self.pending.store(state.pending as u64, Relaxed);
        let written = lower.map_or(0, |lower| lower.sides[1].bytes.load(Relaxed));
        let progress = self.lower_written.swap(written, Relaxed) != written;
        if state.pending == 0 {
            self.pending_since.store(0, Relaxed);
            self.episodes.end(WarningKind::PendingOutput);
        } else if progress || self.pending_since.load(Relaxed) == 0 {
            self.pending_since.store(now, Relaxed);
            self.episodes.end(WarningKind::PendingOutput);
        }
    }

    /// A watch or an fd handler (`what`) has fired, and the callback has returned. `calls` were
    /// made before.
    pub(crate) fn fired(
        self: &Arc<Self>,
        what: &str,
        condition: glib::IOCondition,
        calls: [u64; 2],
    ) {
        let kinds = [
            (glib::IOCondition::IN, WarningKind::UnreadWatch, "read"),
            (
                glib::IOCondition::OUT,
                WarningKind::UnwrittenWatch,
                "written",
            ),
        ];
        for (i, (bit, kind, verb)) in kinds.into_iter().enumerate() {
            let side = &self.sides[i];
            if !condition.contains(bit) || side.calls.load(Relaxed) != calls[i] {
                continue;
            }
            let now = glib::monotonic_time();
            let fires = side.fires.fetch_add(1, Relaxed) + 1;
            if fires == 1 {
                side.fired_since.store(now, Relaxed);
            } else if now - side.fired_since.load(Relaxed) > WINDOW {
                side.fires.store(0, Relaxed);
            } else if fires > MOST_FIRES && self.episodes.begin(kind) {
                let text = format!(
                    "its {what} has fired {MOST_FIRES} times within a second and the channel was \
                     not {verb}"
                );
                warn(self, kind, &text, 0);
            }
        }
    }

    /// The channel is being closed with input that was not read.
    pub(crate) fn closed_unread(self: &Arc<Self>, bytes: usize) {
        let text = format!("it was closed with {bytes} bytes of input that were not read");
        warn(self, WarningKind::ClosedUnread, &text, 0);
    }

    /// The number of calls in each direction.
    pub(super) fn calls(&self) -> [u64; 2] {
        [0, 1].map(|side| self.sides[side].calls.load(Relaxed))
    }
}
