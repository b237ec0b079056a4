//! The properties of every channel.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use qio::{Channel, Feature, prelude::*};

use super::memory;

/// Counts how often a property is notified of.
fn notified(channel: &Channel, property: &str) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    channel.connect_notify(Some(property), move |_, _| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    count
}

#[test]
fn the_name_is_a_property() {
    let channel = memory();
    let (count, other) = (notified(&channel, "name"), Arc::new(AtomicUsize::new(0)));
    let counter = other.clone();
    channel.connect_name_notify(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    assert_eq!(channel.property::<Option<String>>("name"), None);
    channel.set_property("name", "a name");
    assert_eq!(channel.name().as_deref(), Some("a name"));
    // The value stays the same: no `notify` is emitted.
    channel.set_name(Some("a name"));
    channel.set_name(None);
    assert_eq!(channel.name(), None);
    assert_eq!(
        (count.load(Ordering::Relaxed), other.load(Ordering::Relaxed)),
        (2, 2)
    );
}

#[test]
fn the_features_are_a_property() {
    let channel = memory();
    let count = notified(&channel, "features");
    assert_eq!(channel.property::<Feature>("features"), Feature::empty());
    channel.set_feature(Feature::SEEKABLE);
    channel.set_feature(Feature::SEEKABLE);
    assert_eq!(channel.property::<Feature>("features"), Feature::SEEKABLE);
    assert!(channel.has_feature(Feature::SEEKABLE) && !channel.has_feature(Feature::FD_PASS));
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

#[test]
fn the_mode_is_a_property() {
    let channel = memory();
    let count = notified(&channel, "blocking");
    assert!(channel.property::<bool>("blocking"));
    channel.set_property("blocking", false);
    assert!(!channel.is_blocking());
    channel.set_blocking(false).expect("either mode");
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

#[test]
fn that_it_is_closed_is_a_property() {
    let channel = memory();
    let count = notified(&channel, "closed");
    assert!(!channel.property::<bool>("closed"));
    channel.close().expect("closes");
    channel.close().expect("a second time does nothing");
    assert!(channel.is_closed() && channel.property::<bool>("closed"));
    assert_eq!(count.load(Ordering::Relaxed), 1);
}
