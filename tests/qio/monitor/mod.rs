//! `src/monitor/` and `src/observe/`. A process is observed as a whole: each test has its own.

mod busy;
mod existing;
mod export;
mod list;
mod warnings;

use std::{cell::RefCell, rc::Rc, time::Duration};

use gio::prelude::*;
use qio::{Channel, Monitor, MonitorItem, MonitorWarning, prelude::*};

use crate::common::{alone::alone, in_loop};

/// Runs a test in its own process, on a private main loop.
#[track_caller]
fn observed(name: &str, body: impl FnOnce(&glib::MainContext) + Send + 'static) {
    alone(&format!("monitor::{name}"), || in_loop(body));
}

fn items(monitor: &Monitor) -> Vec<MonitorItem> {
    let items = monitor.iter::<MonitorItem>();
    items.map(|item| item.expect("not changed")).collect()
}

/// The item of a channel, after an update.
#[track_caller]
fn item(monitor: &Monitor, name: &str) -> MonitorItem {
    monitor.refresh();
    let mut items = items(monitor).into_iter();
    let found = items.find(|item| item.name().as_deref() == Some(name));
    found.unwrap_or_else(|| panic!("{name} is not listed"))
}

fn named(channel: &impl IsA<Channel>, name: &str) {
    channel.set_name(Some(name));
}

type Warnings = Rc<RefCell<Vec<(String, MonitorWarning, String)>>>;

/// A monitor that updates often, and the warnings that it has emitted: name, kind, message.
fn watching() -> (Monitor, Warnings) {
    let (monitor, warnings) = (Monitor::new(), Warnings::default());
    monitor.set_interval(Duration::from_millis(20));
    let seen = warnings.clone();
    monitor.connect_warning(move |item, kind, message| {
        let name = item.name().unwrap_or_default();
        seen.borrow_mut().push((name, kind, message.to_owned()));
    });
    (monitor, warnings)
}

/// The warnings so far.
fn kinds(monitor: &Monitor, warnings: &Warnings) -> Vec<(String, MonitorWarning)> {
    monitor.refresh();
    let warnings = warnings.borrow();
    let kinds = warnings.iter().map(|(name, kind, _)| (name.clone(), *kind));
    kinds.collect()
}

/// Makes sure that there was one warning, about this channel.
#[track_caller]
fn only_warning(monitor: &Monitor, warnings: &Warnings, name: &str, kind: MonitorWarning) {
    assert_eq!(kinds(monitor, warnings), [(name.to_owned(), kind)]);
}
