//! A list of the channels of the process, and warnings about them.

mod item;

use std::{
    cell::{Cell, OnceCell, RefCell},
    io,
    path::{Path, PathBuf},
    sync::LazyLock,
    time::Duration,
};

use gio::{prelude::*, subclass::prelude::*};
use glib::{ControlFlow, ParamSpec, SignalHandlerId, subclass::Signal, thread_guard::ThreadGuard};

pub use item::MonitorItem;

use crate::observe::{self, MonitorWarning, Observer, Warning, export};

/// The name of the signal.
const WARNING: &str = "warning";

/// The defaults of the properties, in milliseconds and microseconds.
const DEFAULT_INTERVAL: u32 = 1000;
const DEFAULT_THRESHOLD: i64 = observe::DEFAULT_THRESHOLD;

mod imp {
    use super::*;

    #[derive(Debug, Default)]
    pub struct Monitor {
        pub(super) items: RefCell<Vec<MonitorItem>>,
        pub(super) observer: OnceCell<Observer>,
        pub(super) interval: Cell<u32>,
        pub(super) threshold: Cell<i64>,
        /// The timer: those with other numbers end.
        pub(super) timer: Cell<u64>,
        /// The last warning that was emitted.
        pub(super) serial: Cell<u64>,
        /// A refresh is in progress, which does not begin again inside of itself.
        pub(super) refreshing: Cell<bool>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Monitor {
        const NAME: &'static str = "QIOMonitor";
        type Type = super::Monitor;
        type Interfaces = (gio::ListModel,);
    }

    impl ObjectImpl for Monitor {
        fn properties() -> &'static [ParamSpec] {
            static PROPERTIES: LazyLock<[ParamSpec; 2]> = LazyLock::new(|| {
                [
                    glib::ParamSpecUInt::builder("interval")
                        .nick("Interval")
                        .blurb("The time between two updates of the list in milliseconds")
                        .minimum(10)
                        .default_value(DEFAULT_INTERVAL)
                        .explicit_notify()
                        .build(),
                    glib::ParamSpecInt64::builder("blocked-threshold")
                        .nick("Blocked threshold")
                        .blurb("How long a call may block a main context in microseconds")
                        .minimum(0)
                        .default_value(DEFAULT_THRESHOLD)
                        .explicit_notify()
                        .build(),
                ]
            });
            &*PROPERTIES
        }

        fn signals() -> &'static [Signal] {
            static SIGNALS: LazyLock<[Signal; 1]> = LazyLock::new(|| {
                [Signal::builder(WARNING)
                    .param_types([
                        MonitorItem::static_type(),
                        MonitorWarning::static_type(),
                        String::static_type(),
                    ])
                    .run_last()
                    .build()]
            });
            &*SIGNALS
        }

        fn constructed(&self) {
            self.parent_constructed();
            self.interval.set(DEFAULT_INTERVAL);
            self.threshold.set(DEFAULT_THRESHOLD);
            let observer = Observer::new(DEFAULT_THRESHOLD);
            self.observer.set(observer).expect("constructed once");
            // Earlier warnings are those of other observers.
            self.serial.set(observe::warnings_since(u64::MAX).1);
            self.obj().start_timer();
        }

        fn property(&self, _id: usize, pspec: &ParamSpec) -> glib::Value {
            match pspec.name() {
                "interval" => self.interval.get().to_value(),
                "blocked-threshold" => self.threshold.get().to_value(),
                name => unreachable!("no property {name}"),
            }
        }

        fn set_property(&self, _id: usize, value: &glib::Value, pspec: &ParamSpec) {
            match pspec.name() {
                "interval" => self.set_interval(value.get().expect("a number")),
                "blocked-threshold" => self.set_threshold(value.get().expect("a number")),
                name => unreachable!("no property {name}"),
            }
        }
    }

    impl ListModelImpl for Monitor {
        fn item_type(&self) -> glib::Type {
            MonitorItem::static_type()
        }

        fn n_items(&self) -> u32 {
            u32::try_from(self.items.borrow().len()).unwrap_or(u32::MAX)
        }

        fn item(&self, position: u32) -> Option<glib::Object> {
            let items = self.items.borrow();
            items.get(position as usize).map(|it| it.clone().upcast())
        }
    }

    impl Monitor {
        pub(super) fn set_interval(&self, milliseconds: u32) {
            if self.interval.replace(milliseconds) != milliseconds {
                self.obj().start_timer();
                self.obj().notify("interval");
            }
        }

        pub(super) fn set_threshold(&self, microseconds: i64) {
            if self.threshold.replace(microseconds) != microseconds {
                let observer = self.observer.get().expect("constructed");
                observer.set_threshold(microseconds);
                self.obj().notify("blocked-threshold");
            }
        }
    }
}

glib::wrapper! {
    /// A list of the channels of the process, with what they have transferred and what they wait
    /// for, and warnings about what is wrong with them.
    ///
    /// While a monitor exists the process is observed: calls of channels are counted, which takes
    /// about a microsecond per call. Otherwise nothing is counted, and reads and writes are as fast
    /// as without this class. A channel is listed from its creation on until it is finalized, also
    /// if it existed before the monitor; of calls before that nothing is known, and of a layered
    /// channel its lower channel and its state are known after its next call. With `QIO_MONITOR=1`
    /// in its environment a process is observed from the beginning, and logs warnings.
    ///
    /// The list belongs to the thread that creates the monitor. A timer updates it in the
    /// thread-default main context of the creation: items are added and removed, the properties
    /// of items change, and [`warning`](Self::connect_warning) is emitted. Channels of all threads
    /// are listed. The list has no references to them.
    ///
    /// Nothing is visible to other processes, unless [`listen`](Self::listen) is called.
    ///
    /// Implements [`gio::ListModel`] of [`MonitorItem`]: those that existed before, then from the
    /// oldest channel to the newest.
    ///
    /// # Properties
    ///
    /// | name | type | |
    /// | --- | --- | --- |
    /// | `interval` | unsigned integer, milliseconds | readable, writable: [`set_interval`](Self::set_interval) |
    /// | `blocked-threshold` | 64-bit integer, microseconds | readable, writable: [`set_blocked_threshold`](Self::set_blocked_threshold) |
    ///
    /// # Signals
    ///
    /// `warning`: see [`connect_warning`](Self::connect_warning).
    ///
    /// # Examples
    ///
    /// ```
    /// use gio::prelude::*;
    /// use qio::{ChannelSocket, Monitor, MonitorItem, prelude::*};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let monitor = Monitor::new();
    /// monitor.connect_warning(|item, _kind, message| eprintln!("{}: {message}", item.label()));
    /// let (here, there) = ChannelSocket::pair()?;
    /// here.write_all(b"hello")?;
    /// there.read(&mut [0; 5])?;
    /// monitor.refresh(); // which the timer does as well
    /// let items = monitor.iter::<MonitorItem>().map(|item| item.expect("not changed meanwhile"));
    /// let bytes: u64 = items.map(|item| item.bytes_written()).sum();
    /// assert_eq!(bytes, 5);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "QIOMonitor")]
    pub struct Monitor(ObjectSubclass<imp::Monitor>) @implements gio::ListModel;
}

impl Monitor {
    /// Creates a monitor. The process is observed for as long as it exists.
    #[doc(alias = "qio_monitor_new")]
    #[must_use]
    pub fn new() -> Self {
        glib::Object::new()
    }

    /// Returns the time between two updates of the list.
    #[doc(alias = "qio_monitor_get_interval")]
    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::from_millis(self.imp().interval.get().into())
    }

    /// Sets the time between two updates of the list, in whole milliseconds, of at least 10.
    /// Default: one second.
    #[doc(alias = "qio_monitor_set_interval")]
    pub fn set_interval(&self, interval: Duration) {
        let milliseconds = u32::try_from(interval.as_millis()).unwrap_or(u32::MAX);
        self.imp().set_interval(milliseconds.max(10));
    }

    /// Returns how long a call may block a thread that runs a main context, before that is a
    /// [`MonitorWarning::BlockedLoop`].
    #[doc(alias = "qio_monitor_get_blocked_threshold")]
    #[must_use]
    pub fn blocked_threshold(&self) -> Duration {
        Duration::from_micros(self.imp().threshold.get().unsigned_abs())
    }

    /// Sets how long a call may block a thread that runs a main context. Default: 5 ms.
    ///
    /// Calls are measured by the lowest threshold of all monitors; each emits the warnings of its
    /// own.
    #[doc(alias = "qio_monitor_set_blocked_threshold")]
    pub fn set_blocked_threshold(&self, threshold: Duration) {
        let microseconds = i64::try_from(threshold.as_micros()).unwrap_or(i64::MAX);
        self.imp().set_threshold(microseconds);
    }

    /// Updates the list now, and emits the warnings that there are.
    #[doc(alias = "qio_monitor_refresh")]
    pub fn refresh(&self) {
        let imp = self.imp();
        if imp.refreshing.replace(true) {
            // A handler of a signal.
            return;
        }
        let snapshots = observe::sample();
        let (warnings, serial) = observe::warnings_since(imp.serial.get());
        imp.serial.set(serial);
        // Warnings first: a channel may have been finalized since.
        let is_listed = |warning: &Warning| self.item_by_id(warning.id);
        let subjects: Vec<_> = warnings.iter().map(is_listed).collect();
        let ids: Vec<_> = snapshots.iter().map(|snapshot| snapshot.id).collect();
        self.remove_others(&ids);
        for (position, snapshot) in snapshots.into_iter().enumerate() {
            let known = imp.items.borrow().get(position).cloned();
            match known.filter(|item| item.id() == snapshot.id) {
                Some(item) => item.update(snapshot),
                None => {
                    let item = MonitorItem::of(snapshot);
                    imp.items.borrow_mut().insert(position, item);
                    self.items_changed(position as u32, 0, 1);
                }
            }
        }
        imp.refreshing.set(false);
        for (warning, subject) in warnings.into_iter().zip(subjects) {
            let is_short = warning.kind == MonitorWarning::BlockedLoop
                && warning.blocked <= imp.threshold.get();
            if !is_short {
                let item = self.item_by_id(warning.id).or(subject);
                let item = item.unwrap_or_else(|| MonitorItem::finalized(&warning));
                self.emit_by_name::<()>(WARNING, &[&item, &warning.kind, &warning.message]);
            }
        }
    }

    fn item_by_id(&self, id: u64) -> Option<MonitorItem> {
        let items = self.imp().items.borrow();
        let position = items.binary_search_by_key(&id, MonitorItem::id).ok()?;
        Some(items[position].clone())
    }

    /// Removes the items of channels that do not exist any more.
    fn remove_others(&self, ids: &[u64]) {
        let mut position = 0;
        loop {
            let item = self.imp().items.borrow().get(position).cloned();
            let Some(item) = item else { return };
            match ids.binary_search(&item.id()) {
                Ok(_) => position += 1,
                Err(_) => {
                    self.imp().items.borrow_mut().remove(position);
                    self.items_changed(position as u32, 1, 0);
                }
            }
        }
    }

    /// Calls `func` for each warning, in the main context of the monitor: with the channel, the
    /// kind and a message.
    ///
    /// Warnings are logged as well, in the structured log of GLib: domain `Qio`, level "message",
    /// with the fields `QIO_CLASS`, `QIO_CHANNEL` and `QIO_WARNING`. There is at most one of a kind
    /// per channel and second, and one until a state that lasts has ended. The item of a channel
    /// that was finalized before it was listed has only its id and its label.
    pub fn connect_warning<F>(&self, func: F) -> SignalHandlerId
    where
        F: Fn(&MonitorItem, MonitorWarning, &str) + 'static,
    {
        self.connect_local(WARNING, false, move |values| {
            let [_, item, kind, message] = values else {
                return None;
            };
            let item: MonitorItem = item.get().expect("an item");
            let message: &str = message.get().expect("a string");
            func(&item, kind.get().expect("a warning"), message);
            None
        })
    }

    /// Listens on a unix socket that sends snapshots of the list and the warnings to other
    /// processes of the same user, such as `qio top`, and returns its path.
    ///
    /// Each connection gets a snapshot at once and each second, as one line of JSON. Without a path
    /// it is `$XDG_RUNTIME_DIR/qio-monitor/PID`, where programs find it by the process id. Only
    /// this user can open the socket, and the credentials of each client are checked. Snapshots
    /// contain names of channels, addresses and errors, and no data. The process is observed and
    /// listens until its end; a forked child is observed, and does not listen. `QIO_MONITOR=listen`
    /// or `QIO_MONITOR=listen=PATH` in the environment does the same. Any thread may call this.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the process listens on another path already, or without a path if
    /// `XDG_RUNTIME_DIR` is not set or the folder is not private; the error of the system
    /// otherwise.
    #[doc(alias = "qio_monitor_listen")]
    pub fn listen<'a>(path: impl Into<Option<&'a Path>>) -> io::Result<PathBuf> {
        export::listen(path.into())
    }

    /// Starts a timer in place of the current one.
    fn start_timer(&self) {
        let imp = self.imp();
        let number = imp.timer.get() + 1;
        imp.timer.set(number);
        let this = ThreadGuard::new(self.downgrade());
        let tick = move || {
            if !this.is_owner() {
                // Another thread runs the context now: the list belongs to the first one.
                return ControlFlow::Continue;
            }
            match this.get_ref().upgrade() {
                Some(this) if this.imp().timer.get() == number => {
                    this.refresh();
                    ControlFlow::Continue
                }
                _ => ControlFlow::Break,
            }
        };
        let name = Some("qio monitor");
        let source = glib::timeout_source_new(self.interval(), name, glib::Priority::DEFAULT, tick);
        let context = glib::MainContext::thread_default();
        source.attach(context.as_ref());
    }
}

impl Default for Monitor {
    fn default() -> Self {
        Self::new()
    }
}
