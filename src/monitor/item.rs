//! A channel in the list of a monitor.

use std::{cell::RefCell, sync::LazyLock};

use glib::{ParamSpec, prelude::*, subclass::prelude::*};

use crate::observe::{MonitorState, Snapshot, Warning};

/// A property that is a number: its name, what it is, and its value in a snapshot.
type Number = (&'static str, &'static str, fn(&Snapshot) -> u64);

const NUMBERS: [Number; 13] = [
    (
        "id",
        "A number that no other channel of the process has",
        |it| it.id,
    ),
    ("below", "The id of the lower channel, or 0", |it| it.below),
    ("bytes-read", "The number of bytes that were read", |it| {
        it.bytes[0]
    }),
    (
        "bytes-written",
        "The number of bytes that were written",
        |it| it.bytes[1],
    ),
    ("reads", "The number of reads", |it| it.calls[0]),
    ("writes", "The number of writes", |it| it.calls[1]),
    (
        "would-blocks",
        "The number of calls that would have blocked",
        |it| it.would_blocks,
    ),
    (
        "waiters",
        "The number of waiting futures, watches and threads",
        |it| it.waiters,
    ),
    (
        "pending-output",
        "The output in bytes that the lower channel has not taken",
        |it| it.pending_output,
    ),
    ("pushed-back", "The number of pushed-back bytes", |it| {
        it.pushed_back
    }),
    (
        "slow-calls",
        "The number of calls that have blocked a main context",
        |it| it.slow_calls,
    ),
    (
        "opened",
        "When it was created or first listed, of g_get_real_time()",
        |it| it.opened.unsigned_abs(),
    ),
    (
        "last-activity",
        "When a call was last made, of g_get_real_time()",
        |it| it.last_activity.unsigned_abs(),
    ),
];

/// A property that is a text: its name, what it is, and its value in a snapshot.
type Text = (&'static str, &'static str, fn(&Snapshot) -> Option<&str>);

const TEXTS: [Text; 4] = [
    ("class-name", "The name of the class", |it| Some(it.class)),
    ("name", "The name that the application has set", |it| {
        it.name.as_deref()
    }),
    ("label", "The label of the channel in messages", |it| {
        Some(&it.label)
    }),
    ("last-error", "The last error of a call", |it| {
        it.last_error.as_deref()
    }),
];

mod imp {
    use super::*;

    #[derive(Debug, Default)]
    pub struct MonitorItem {
        pub(super) snapshot: RefCell<Snapshot>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for MonitorItem {
        const NAME: &'static str = "QIOMonitorItem";
        type Type = super::MonitorItem;
    }

    impl ObjectImpl for MonitorItem {
        fn properties() -> &'static [ParamSpec] {
            static PROPERTIES: LazyLock<Vec<ParamSpec>> = LazyLock::new(|| {
                let numbers = NUMBERS.iter().map(|(name, blurb, _)| {
                    let builder = glib::ParamSpecUInt64::builder(name);
                    builder.nick(name).blurb(blurb).read_only().build()
                });
                let texts = TEXTS.iter().map(|(name, blurb, _)| {
                    let builder = glib::ParamSpecString::builder(name);
                    builder.nick(name).blurb(blurb).read_only().build()
                });
                let state = glib::ParamSpecEnum::builder::<MonitorState>("state")
                    .nick("state")
                    .blurb("The state of the channel")
                    .read_only()
                    .build();
                numbers.chain(texts).chain([state]).collect()
            });
            &PROPERTIES
        }

        fn property(&self, _id: usize, pspec: &ParamSpec) -> glib::Value {
            let (snapshot, name) = (self.snapshot.borrow(), pspec.name());
            if let Some((_, _, get)) = NUMBERS.iter().find(|it| it.0 == name) {
                return get(&snapshot).to_value();
            }
            if let Some((_, _, get)) = TEXTS.iter().find(|it| it.0 == name) {
                return get(&snapshot).to_value();
            }
            snapshot.state.to_value()
        }
    }
}

glib::wrapper! {
    /// A channel in the list of a [`Monitor`](crate::Monitor), as of the last update.
    ///
    /// Its properties are notified when an update changes them. After the channel was finalized the
    /// item is no longer in the list, and stays as it was.
    ///
    /// # Properties
    ///
    /// All are readable. Numbers are unsigned 64-bit integers; `state` is a [`MonitorState`], and
    /// `class-name`, `name`, `label` and `last-error` are strings: see the methods.
    #[doc(alias = "QIOMonitorItem")]
    pub struct MonitorItem(ObjectSubclass<imp::MonitorItem>);
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident => $get:expr;)*) => {
        impl MonitorItem {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $name(&self) -> u64 {
                    let get: fn(&Snapshot) -> u64 = $get;
                    get(&self.imp().snapshot.borrow())
                }
            )*
        }
    };
}

numbers! {
    /// Returns a number that no other channel of the process has.
    id => |it| it.id;
    /// Returns the id of the lower channel of a layered one, or 0.
    below => |it| it.below;
    /// Returns the number of bytes that were read.
    bytes_read => |it| it.bytes[0];
    /// Returns the number of bytes that were written.
    bytes_written => |it| it.bytes[1];
    /// Returns the number of reads, also of those that moved nothing.
    reads => |it| it.calls[0];
    /// Returns the number of writes, also of those that moved nothing.
    writes => |it| it.calls[1];
    /// Returns the number of reads and writes that would have blocked.
    would_blocks => |it| it.would_blocks;
    /// Returns the number of futures, watches and threads that wait for the channel.
    waiters => |it| it.waiters;
    /// Returns the output in bytes that the lower channel has not taken. 1 if that is not encoded.
    pending_output => |it| it.pending_output;
    /// Returns the number of bytes that were pushed back, and not read again.
    pushed_back => |it| it.pushed_back;
    /// Returns the number of calls that have blocked a thread that runs a main context.
    slow_calls => |it| it.slow_calls;
    /// Returns when the channel was created, or first listed if it existed before the first
    /// monitor: in microseconds, as [`glib::real_time`].
    opened => |it| it.opened.unsigned_abs();
    /// Returns when a read or a write was last made, in microseconds, as [`glib::real_time`].
    last_activity => |it| it.last_activity.unsigned_abs();
}

impl MonitorItem {
    pub(super) fn of(snapshot: Snapshot) -> Self {
        let this: Self = glib::Object::new();
        this.imp().snapshot.replace(snapshot);
        this
    }

    /// The item for a warning of a channel that does not exist any more.
    pub(super) fn finalized(warning: &Warning) -> Self {
        Self::of(Snapshot {
            id: warning.id,
            label: warning.label.clone(),
            state: MonitorState::Closed,
            ..Snapshot::default()
        })
    }

    pub(super) fn update(&self, new: Snapshot) {
        if *self.imp().snapshot.borrow() == new {
            return;
        }
        let old = self.imp().snapshot.replace(new.clone());
        let _frozen = self.freeze_notify();
        let numbers = NUMBERS.iter().filter(|(_, _, get)| get(&old) != get(&new));
        numbers.for_each(|(name, ..)| self.notify(name));
        let texts = TEXTS.iter().filter(|(_, _, get)| get(&old) != get(&new));
        texts.for_each(|(name, ..)| self.notify(name));
        if old.state != new.state {
            self.notify("state");
        }
    }

    /// Returns the name of the class of the channel: `QIOChannelSocket`, for example.
    #[must_use]
    pub fn class_name(&self) -> String {
        self.imp().snapshot.borrow().class.to_owned()
    }

    /// Returns the name that the application has set.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        self.imp().snapshot.borrow().name.clone()
    }

    /// Returns the label of the channel in messages: its class, and its name or what it is
    /// connected to, if that is known.
    #[must_use]
    pub fn label(&self) -> String {
        self.imp().snapshot.borrow().label.clone()
    }

    /// Returns the error of the last call that has failed.
    #[must_use]
    pub fn last_error(&self) -> Option<String> {
        self.imp().snapshot.borrow().last_error.clone()
    }

    /// Returns the state of the channel.
    #[must_use]
    pub fn state(&self) -> MonitorState {
        self.imp().snapshot.borrow().state
    }
}
