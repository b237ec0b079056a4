//! `src/watch/`: watches, in contexts of their own and in the default one.

mod closing;
mod conditions;
mod contexts;
mod descriptors;
mod idle;
mod nested;

use std::{
    cell::{Cell, RefCell},
    os::fd::{AsRawFd, RawFd},
    rc::Rc,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use glib::{
    ControlFlow::{self, Break, Continue},
    IOCondition, MainContext, Priority, Source,
    translate::IntoGlib,
};
use qio::{
    Channel, ChannelBuffer, ChannelCommand, ChannelFile, ChannelNull, ChannelSocket, Shutdown,
    StderrPolicy, prelude::*,
};

use crate::common::{
    FEW, TIMEOUT, alone::alone, fill, in_time, iterate_until, iterations, nonblocking_pair,
};

const IN: IOCondition = IOCondition::IN;
const OUT: IOCondition = IOCondition::OUT;
const HUP: IOCondition = IOCondition::HUP;
const ERR: IOCondition = IOCondition::ERR;
const NVAL: IOCondition = IOCondition::NVAL;

/// A watch that records what its callback gets.
struct Watch {
    context: MainContext,
    source: Source,
    seen: Rc<RefCell<Vec<IOCondition>>>,
}

impl Watch {
    fn new<C: IsA<Channel>>(
        channel: &C,
        condition: IOCondition,
        then: impl FnMut(&C, IOCondition) -> ControlFlow + 'static,
    ) -> Self {
        Self::in_context(&MainContext::new(), channel, condition, then)
    }

    fn in_context<C: IsA<Channel>>(
        context: &MainContext,
        channel: &C,
        condition: IOCondition,
        mut then: impl FnMut(&C, IOCondition) -> ControlFlow + 'static,
    ) -> Self {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let note = seen.clone();
        let noting = move |channel: &C, condition| {
            note.borrow_mut().push(condition);
            then(channel, condition)
        };
        let source = channel.add_watch_source_local(condition, noting, Some(context));
        Self {
            context: context.clone(),
            source,
            seen,
        }
    }

    fn seen(&self) -> Vec<IOCondition> {
        self.seen.borrow().clone()
    }

    /// Iterates until the callback has been called so many times.
    #[track_caller]
    fn called(&self, times: usize) -> Vec<IOCondition> {
        iterate_until(&self.context, || self.seen.borrow().len() >= times);
        self.seen()
    }

    /// Iterates until the watch is destroyed, and then some more.
    #[track_caller]
    fn ended(&self) -> Vec<IOCondition> {
        iterate_until(&self.context, || self.source.is_destroyed());
        assert!(iterations(&self.context) <= FEW);
        self.seen()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // A callback may hold the context, which holds the source.
        self.source.destroy();
    }
}

fn go_on<C>(_: &C, _: IOCondition) -> ControlFlow {
    Continue
}

/// A socket with something to read, and its peer.
fn readable_pair() -> (ChannelSocket, ChannelSocket) {
    let (a, b) = nonblocking_pair();
    b.write_all(b"x").expect("there is space");
    (a, b)
}

#[test]
fn a_watch_fires_as_long_as_the_condition_is_there_and_ends_by_break() {
    let (a, _b) = readable_pair();
    let held = Rc::new(Cell::new(3));
    let left = held.clone();
    let watch = Watch::new(&a, IN, move |_, _| {
        left.set(left.get() - 1);
        if left.get() > 0 { Continue } else { Break }
    });
    assert_eq!(watch.ended(), [IN; 3]);
    assert_eq!(Rc::strong_count(&held), 1, "the callback is dropped");
}

#[test]
fn a_destroyed_watch_drops_its_callback_and_fires_no_more() {
    let (a, _b) = readable_pair();
    let held = Rc::new(());
    let inside = held.clone();
    let watch = Watch::new(&a, IN, move |_, _| {
        let _ = &inside;
        Continue
    });
    let before = watch.called(2);
    watch.source.destroy();
    assert_eq!(Rc::strong_count(&held), 1);
    assert!(iterations(&watch.context) <= FEW);
    assert_eq!(watch.seen(), before);
}

#[test]
fn a_watch_may_be_destroyed_in_its_callback() {
    let (a, _b) = readable_pair();
    let held = Rc::new(RefCell::new(None::<Source>));
    let mine = held.clone();
    let watch = Watch::new(&a, IN, move |_, _| {
        mine.take().expect("called once").destroy();
        Continue
    });
    held.replace(Some(watch.source.clone()));
    assert_eq!(watch.ended(), [IN]);
    assert_eq!(Rc::strong_count(&held), 1);
}

#[test]
fn a_watch_keeps_its_channel_alive() {
    let (a, _b) = readable_pair();
    let channel = a.downgrade();
    let watch = Watch::new(&a, IN, go_on);
    drop(a);
    watch.called(1);
    assert!(channel.upgrade().is_some());
    drop(watch);
    assert!(channel.upgrade().is_none());
}

#[test]
fn a_watch_is_named_after_its_channel_or_as_it_is_reported() {
    let (a, _b) = nonblocking_pair();
    assert_eq!(
        a.create_watch(IN).name().as_deref(),
        Some("QIOChannelSocket")
    );
    a.set_name(Some("the client"));
    assert_eq!(a.create_watch(IN).name().as_deref(), Some("the client"));
    let source = a.create_watch_full(IN, Some("mine"), Priority::HIGH_IDLE, go_on);
    assert_eq!(source.name().as_deref(), Some("mine"));
    assert_eq!(source.priority(), Priority::HIGH_IDLE.into_glib());
    let source = a.create_watch_full_local(IN, None, Priority::LOW, go_on);
    assert_eq!(source.name().as_deref(), Some("the client"));
    assert_eq!(source.priority(), Priority::LOW.into_glib());
}

#[test]
fn memory_and_nothing_are_always_ready() {
    for channel in [
        ChannelBuffer::new(0).upcast::<Channel>(),
        ChannelNull::new().upcast(),
    ] {
        for requested in [IN, OUT, IN | OUT] {
            assert_eq!(
                Watch::new(&channel, requested, go_on).called(3),
                [requested; 3]
            );
        }
    }
}
