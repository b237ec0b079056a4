//! Warnings: what is wrong with a channel, or with its use.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU8, Ordering},
    },
};

use super::ChannelStats;
use crate::{log, sync::ProcessMutex};

/// What is wrong with a channel, or with its use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, glib::Enum)]
#[enum_type(name = "QIOMonitorWarning")]
#[doc(alias = "QIOMonitorWarning")]
#[repr(i32)]
pub enum MonitorWarning {
    /// A call has blocked a thread that runs a main context for longer than
    /// [`blocked_threshold`](crate::Monitor::blocked_threshold).
    #[enum_value(name = "QIO_MONITOR_WARNING_BLOCKED_LOOP", nick = "blocked-loop")]
    BlockedLoop = 0,
    /// A watch or an fd handler for input fires more than 1,000 times a second, and the channel is
    /// not read.
    #[enum_value(name = "QIO_MONITOR_WARNING_UNREAD_WATCH", nick = "unread-watch")]
    UnreadWatch = 1,
    /// A watch or an fd handler for output fires more than 1,000 times a second, and the channel is
    /// not written.
    #[enum_value(name = "QIO_MONITOR_WARNING_UNWRITTEN_WATCH", nick = "unwritten-watch")]
    UnwrittenWatch = 2,
    /// Pending output has not made progress for a second.
    #[enum_value(name = "QIO_MONITOR_WARNING_PENDING_OUTPUT", nick = "pending-output")]
    PendingOutput = 3,
    /// A channel was closed with input that was not read.
    #[enum_value(name = "QIO_MONITOR_WARNING_CLOSED_UNREAD", nick = "closed-unread")]
    ClosedUnread = 4,
    /// The handshake of a layered channel takes longer than 10 seconds.
    #[enum_value(name = "QIO_MONITOR_WARNING_SLOW_HANDSHAKE", nick = "slow-handshake")]
    SlowHandshake = 5,
    /// A thread calls or polls a channel 10,000 times within a second without waiting, and nothing
    /// is read or written: by that channel, or by any other in that thread.
    #[enum_value(name = "QIO_MONITOR_WARNING_BUSY_LOOP", nick = "busy-loop")]
    BusyLoop = 6,
}

pub(super) use MonitorWarning as WarningKind;

impl MonitorWarning {
    /// Returns the name of the warning, as in `blocked-loop`.
    #[must_use]
    pub fn nick(self) -> &'static str {
        match self {
            Self::BlockedLoop => "blocked-loop",
            Self::UnreadWatch => "unread-watch",
            Self::UnwrittenWatch => "unwritten-watch",
            Self::PendingOutput => "pending-output",
            Self::ClosedUnread => "closed-unread",
            Self::SlowHandshake => "slow-handshake",
            Self::BusyLoop => "busy-loop",
        }
    }
}

/// The number of kinds.
const KINDS: usize = MonitorWarning::BusyLoop as usize + 1;

// `Episodes` has a bit for each.
const _: () = assert!(KINDS <= u8::BITS as usize);

/// The most warnings that are kept for observers that have not taken them.
const MOST_KEPT: usize = 256;

/// At least so many microseconds are between two warnings of one kind of a channel.
const INTERVAL: i64 = 1_000_000;

#[derive(Debug, Clone)]
pub(crate) struct Warning {
    /// Rises by one.
    pub(crate) serial: u64,
    /// As of `g_get_real_time()`.
    pub(crate) time: i64,
    pub(crate) id: u64,
    pub(crate) label: String,
    pub(crate) kind: MonitorWarning,
    pub(crate) message: String,
    /// For [`MonitorWarning::BlockedLoop`], in microseconds.
    pub(crate) blocked: i64,
}

#[derive(Debug)]
struct Recent {
    serial: u64,
    warnings: VecDeque<Warning>,
}

static RECENT: ProcessMutex<Recent> = ProcessMutex::new(
    Recent {
        serial: 0,
        warnings: VecDeque::new(),
    },
    |_| {},
);

/// Which warnings of a channel were reported, and last until their cause has ended.
#[derive(Debug, Default)]
pub(crate) struct Episodes {
    begun: AtomicU8,
    /// When each was last reported; 0 if it was not.
    last: [AtomicI64; KINDS],
}

impl Episodes {
    /// Returns whether the warning is to be reported now. If the last one of this kind was reported
    /// too short a time ago, a later call reports it.
    pub(super) fn begin(&self, kind: WarningKind) -> bool {
        let bit = 1 << kind as u8;
        self.begun.load(Ordering::Relaxed) & bit == 0
            && self.is_due(kind)
            && self.begun.fetch_or(bit, Ordering::Relaxed) & bit == 0
            && self.may_repeat(kind)
    }

    pub(super) fn end(&self, kind: WarningKind) {
        let bit = 1 << kind as u8;
        if self.begun.load(Ordering::Relaxed) & bit != 0 {
            self.begun.fetch_and(!bit, Ordering::Relaxed);
        }
    }

    /// For an event: returns whether the last one of this kind was long enough ago.
    pub(super) fn may_repeat(&self, kind: WarningKind) -> bool {
        let is_due = self.is_due(kind);
        if is_due {
            self.last[kind as usize].store(glib::monotonic_time(), Ordering::Relaxed);
        }
        is_due
    }

    fn is_due(&self, kind: WarningKind) -> bool {
        let last = self.last[kind as usize].load(Ordering::Relaxed);
        last == 0 || glib::monotonic_time() - last >= INTERVAL
    }
}

/// Reports a warning, in the structured log of GLib and to the observers.
pub(crate) fn warn(stats: &Arc<ChannelStats>, kind: MonitorWarning, message: &str, blocked: i64) {
    let label = stats.label();
    let mut recent = RECENT.lock();
    recent.serial += 1;
    let warning = Warning {
        serial: recent.serial,
        time: glib::real_time(),
        id: stats.id,
        label: label.clone(),
        kind,
        message: message.to_owned(),
        blocked,
    };
    recent.warnings.push_back(warning);
    if recent.warnings.len() > MOST_KEPT {
        recent.warnings.pop_front();
    }
    drop(recent);
    // A log writer may be code of the application: without the lock.
    log::warning(stats.class, &label, kind.nick(), message);
}

/// The warnings after one with this serial number, and the last serial number.
pub(crate) fn warnings_since(serial: u64) -> (Vec<Warning>, u64) {
    let recent = RECENT.lock();
    let newer = recent.warnings.iter().filter(|it| it.serial > serial);
    (newer.cloned().collect(), recent.serial)
}
