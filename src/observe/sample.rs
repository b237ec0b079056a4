//! Snapshots of the listed channels. Looking at them finds what has been wrong for some time.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use super::{
    ChannelStats, registry,
    stats::WINDOW,
    warning::{WarningKind, warn},
};

/// How long a handshake may take, in microseconds.
const LONGEST_HANDSHAKE: i64 = 10_000_000;

/// The state of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, glib::Enum)]
#[enum_type(name = "QIOMonitorState")]
#[doc(alias = "QIOMonitorState")]
#[repr(i32)]
pub enum MonitorState {
    /// The channel is open, and has no connection, or none that is known.
    #[default]
    #[enum_value(name = "QIO_MONITOR_STATE_OPEN", nick = "open")]
    Open = 0,
    /// The channel performs the handshake of TLS or WebSocket.
    #[enum_value(name = "QIO_MONITOR_STATE_HANDSHAKE", nick = "handshake")]
    Handshake = 1,
    /// The connection is established.
    #[enum_value(name = "QIO_MONITOR_STATE_CONNECTED", nick = "connected")]
    Connected = 2,
    /// The channel was closed, and still exists.
    #[enum_value(name = "QIO_MONITOR_STATE_CLOSED", nick = "closed")]
    Closed = 3,
}

impl MonitorState {
    /// Returns the name of the state, as in `connected`.
    #[must_use]
    pub fn nick(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Handshake => "handshake",
            Self::Connected => "connected",
            Self::Closed => "closed",
        }
    }
}

/// What is known of a channel at one time. Times are those of `g_get_real_time()`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Snapshot {
    pub(crate) id: u64,
    pub(crate) class: &'static str,
    pub(crate) name: Option<String>,
    pub(crate) label: String,
    pub(crate) below: u64,
    pub(crate) state: MonitorState,
    pub(crate) opened: i64,
    pub(crate) last_activity: i64,
    pub(crate) bytes: [u64; 2],
    pub(crate) calls: [u64; 2],
    pub(crate) would_blocks: u64,
    pub(crate) waiters: u64,
    pub(crate) pending_output: u64,
    pub(crate) pushed_back: u64,
    pub(crate) slow_calls: u64,
    /// For how long a call has been blocking a thread that runs a main context.
    pub(crate) blocked: i64,
    pub(crate) last_error: Option<String>,
}

/// Takes a snapshot of every channel, by age, and reports what has been wrong for some time.
pub(crate) fn sample() -> Vec<Snapshot> {
    let mut all: Vec<_> = registry::channels().iter().filter_map(snapshot).collect();
    all.sort_by_key(|snapshot| snapshot.id);
    all
}

fn snapshot(stats: &Arc<ChannelStats>) -> Option<Snapshot> {
    let gauges = stats.gauges.upgrade()?;
    let now = glib::monotonic_time();
    let since = |then: i64| (now - then).max(0);
    let (waiters, pushed_back) = (gauges.waiters() as u64, gauges.pushed_back() as u64);
    let is_closed = gauges.is_closed();
    drop(gauges);
    let handshake = stats.handshake_since.load(Relaxed);
    let state = match () {
        () if is_closed => MonitorState::Closed,
        () if handshake != 0 => MonitorState::Handshake,
        () if stats.is_connected.load(Relaxed) => MonitorState::Connected,
        () => MonitorState::Open,
    };
    let pending_since = stats.pending_since.load(Relaxed);
    if state == MonitorState::Handshake && since(handshake) > LONGEST_HANDSHAKE {
        let text = "its handshake takes longer than 10 seconds";
        report(stats, WarningKind::SlowHandshake, text);
    }
    if !is_closed && pending_since != 0 && since(pending_since) > WINDOW {
        let text = "its output has been pending for a second, and the peer takes none of it";
        report(stats, WarningKind::PendingOutput, text);
    }
    let blocked = match stats.blocked_since.load(Relaxed) {
        0 => 0,
        then => since(then),
    };
    let texts = stats.texts.lock().clone();
    Some(Snapshot {
        id: stats.id,
        class: stats.class,
        name: texts.name,
        label: texts.label,
        below: stats.below.load(Relaxed),
        state,
        opened: stats.opened,
        last_activity: stats.last_activity.load(Relaxed),
        bytes: [0, 1].map(|side| stats.sides[side].bytes.load(Relaxed)),
        calls: stats.calls(),
        would_blocks: stats.would_blocks.load(Relaxed),
        waiters,
        pending_output: stats.pending.load(Relaxed),
        pushed_back,
        slow_calls: stats.slow_calls.load(Relaxed),
        blocked: match blocked > registry::threshold() {
            true => blocked,
            false => 0,
        },
        last_error: texts.last_error,
    })
}

fn report(stats: &Arc<ChannelStats>, kind: WarningKind, text: &str) {
    if stats.episodes.begin(kind) {
        warn(stats, kind, text, 0);
    }
}
