//! `src/watch/`: watches, in contexts of their own and in the default one.

mod conditions;
mod descriptors;

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
    FEW, PATIENCE, alone::alone, fill, in_time, iterate_until, iterations, nonblocking_pair,
};

const IN: IOCondition = IOCondition::IN;
const OUT: IOCondition = IOCondition::OUT;
const HUP: IOCondition = IOCondition::HUP;
const ERR: IOCondition = IOCondition::ERR;
const NVAL: IOCondition = IOCondition::NVAL;

/// A watch that notes what its callback is told.
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

    /// Iterates until the watch is gone, and then some more.
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
    b.write_all(b"x").expect("there is room");
    (a, b)
}

#[test]
fn a_watch_without_a_context_runs_in_the_default_one_until_its_id_is_removed() {
    alone(
        "watch::a_watch_without_a_context_runs_in_the_default_one_until_its_id_is_removed",
        || {
            let (a, _b) = readable_pair();
            let main_loop = glib::MainLoop::new(None, false);
            let (quit, held) = (main_loop.clone(), Arc::new(()));
            let inside = held.clone();
            let id = a.add_watch(IN, move |channel, condition| {
                let _ = &inside;
                assert_eq!((channel.read(&mut [0; 2]).ok(), condition), (Some(1), IN));
                quit.quit();
                Continue
            });
            main_loop.run();
            assert_eq!(Arc::strong_count(&held), 2, "the watch goes on");
            id.remove();
            assert_eq!(Arc::strong_count(&held), 1, "the callback is dropped");
            assert!(iterations(&MainContext::default()) <= FEW);
        },
    );
}

#[test]
fn a_local_watch_runs_in_the_default_context_and_can_be_removed_in_its_callback() {
    alone(
        "watch::a_local_watch_runs_in_the_default_context_and_can_be_removed_in_its_callback",
        || {
            let (a, _b) = readable_pair();
            let (id, held) = (Rc::new(RefCell::new(None::<glib::SourceId>)), Rc::new(()));
            let (mine, inside) = (id.clone(), held.clone());
            *id.borrow_mut() = Some(a.add_watch_local(IN, move |_, _| {
                let _ = &inside;
                mine.take().expect("called once").remove();
                Continue
            }));
            iterate_until(&MainContext::default(), || id.borrow().is_none());
            assert_eq!(Rc::strong_count(&held), 1);
            assert!(iterations(&MainContext::default()) <= FEW);
        },
    );
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
fn a_channel_closed_in_the_callback_ends_the_watch_with_nval() {
    let (a, _b) = readable_pair();
    let watch = Watch::new(&a, IN, |channel, condition| {
        if condition == IN {
            channel.close().expect("closes");
        }
        Continue
    });
    assert_eq!(watch.ended(), [IN, NVAL]);
}

#[test]
fn a_watch_is_not_entered_again_by_a_nested_loop_which_goes_on() {
    let (a, _b) = readable_pair();
    let (other, _other_peer) = readable_pair();
    let context = MainContext::new();
    let (depth, deepest) = (Cell::new(0), Rc::new(Cell::new(0)));
    let rounds = Rc::new(RefCell::new(Vec::new()));
    let (nested, noted, count) = (context.clone(), deepest.clone(), rounds.clone());
    let served = Rc::new(Cell::new(0));
    let inside = served.clone();
    let watch = Watch::in_context(&context, &a, IN, move |_, _| {
        depth.set(depth.get() + 1);
        noted.set(depth.get().max(noted.get()));
        let beside = Watch::in_context(&nested, &other, IN, |_, _| Break);
        count.borrow_mut().push(iterations(&nested));
        inside.set(inside.get() + beside.seen().len());
        depth.set(depth.get() - 1);
        Continue
    });
    assert_eq!(watch.called(2), [IN; 2], "the watch goes on afterwards");
    assert_eq!(deepest.get(), 1);
    assert_eq!(served.get(), 2, "others run in the nested loop");
    let rounds = rounds.take();
    // The outer loop ticks in there too; what spins comes round thousands of times.
    assert!(rounds.iter().all(|&count| count <= 4 * FEW), "{rounds:?}");
}

#[test]
fn a_channel_closed_before_a_nested_loop_does_not_make_it_spin() {
    let (a, _b) = readable_pair();
    let context = MainContext::new();
    let (nested, rounds) = (context.clone(), Rc::new(Cell::new(0)));
    let count = rounds.clone();
    let watch = Watch::in_context(&context, &a, IN, move |channel, condition| {
        if condition == IN {
            channel.close().expect("closed");
            count.set(iterations(&nested));
        }
        Continue
    });
    assert_eq!(watch.ended(), [IN, NVAL]);
    // The ticks of the outer loop run inside too.
    assert!(rounds.get() <= 20, "{} rounds", rounds.get());
}

#[test]
fn a_watch_that_a_nested_loop_destroys_is_gone() {
    let (a, _b) = readable_pair();
    let context = MainContext::new();
    let mine = Rc::new(RefCell::new(None::<Source>));
    let (nested, me) = (context.clone(), mine.clone());
    let watch = Watch::in_context(&context, &a, IN, move |_, _| {
        let source = me.take().expect("called once");
        let removed = source.clone();
        let idle = glib::idle_source_new(None, Priority::DEFAULT, move || {
            removed.destroy();
            Break
        });
        idle.attach(Some(&nested));
        iterate_until(&nested, || source.is_destroyed());
        Continue
    });
    mine.replace(Some(watch.source.clone()));
    assert_eq!(watch.ended(), [IN]);
    assert_eq!(Rc::strong_count(&mine), 1, "the callback is dropped");
}

/// Closes a channel while another thread polls for it, and returns what its callback, which
/// always goes on, is told.
fn told_when_closed(channel: Channel) -> Vec<IOCondition> {
    in_time(move || {
        let watch = Watch::new(&channel, IN, go_on);
        let (started, polls) = mpsc::channel();
        let idle = glib::idle_source_new(None, Priority::DEFAULT, move || {
            started.send(()).expect("it is awaited");
            Break
        });
        idle.attach(Some(&watch.context));
        let closer = thread::spawn(move || {
            polls.recv().expect("the context runs");
            channel.close()
        });
        while !watch.source.is_destroyed() {
            watch.context.iteration(true);
        }
        closer.join().expect("no panic").expect("closes");
        watch.ended()
    })
}

#[test]
fn a_pipe_closed_by_another_thread_ends_its_watch_with_one_nval() {
    for _ in 0..10 {
        let (read, _write) = ChannelFile::pipe().expect("a pipe");
        let mut told = told_when_closed(read.upcast());
        assert_eq!(told.pop(), Some(NVAL));
        // Its descriptor is closed a moment before the channel is.
        assert!(told.iter().all(|&condition| condition == HUP), "{told:?}");
    }
}

#[test]
fn a_socket_closed_by_another_thread_ends_its_watch_with_one_nval() {
    for _ in 0..10 {
        let (a, _b) = nonblocking_pair();
        let mut told = told_when_closed(a.upcast());
        assert_eq!(told.pop(), Some(NVAL));
        // The connection is shut down a moment before the channel is closed.
        let early = |&condition: &IOCondition| (IN | HUP).contains(condition);
        assert!(told.iter().all(early), "{told:?}");
    }
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
fn a_watch_keeps_the_number_of_a_closed_descriptor_until_it_is_destroyed() {
    alone(
        "watch::a_watch_keeps_the_number_of_a_closed_descriptor_until_it_is_destroyed",
        || {
            let (a, _b) = nonblocking_pair();
            let number = a.fd();
            // The lowest free numbers are given out first.
            let is_given_out = || {
                let open = || std::fs::File::open("/dev/null").expect("opens");
                let files: Vec<_> = std::iter::repeat_with(open).take(64).collect();
                files.iter().any(|file| file.as_raw_fd() == number)
            };
            let watch = Watch::new(&a, IN, go_on);
            a.close().expect("closes");
            assert!(!is_given_out());
            drop(watch);
            assert!(is_given_out());
        },
    );
}

#[test]
fn a_watch_is_named_after_its_channel_or_as_it_is_told() {
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
fn a_watch_can_be_made_first_and_attached_later() {
    let (a, _b) = readable_pair();
    let context = MainContext::new();
    let seen = Rc::new(Cell::new(0));
    let count = seen.clone();
    let counting = move |_: &ChannelSocket, _| {
        count.set(count.get() + 1);
        Break
    };
    let source = a.create_watch_full_local(IN, None, Priority::DEFAULT, counting);
    assert!(iterations(&context) <= FEW);
    assert_eq!(seen.get(), 0);
    source.attach(Some(&context));
    iterate_until(&context, || source.is_destroyed());
    assert_eq!(seen.get(), 1);
}

#[test]
fn the_id_of_a_watch_is_that_of_its_context() {
    let (a, _b) = readable_pair();
    let context = MainContext::new();
    for id in [
        a.add_watch_full(IN, go_on, Some(&context)),
        a.add_watch_full_local(IN, go_on, Some(&context)),
    ] {
        let source = context.find_source_by_id(&id).expect("attached");
        assert!(context.iteration(true), "the watch is dispatched");
        source.destroy();
    }
    assert!(!context.pending());
}

#[test]
fn a_local_watch_refuses_a_context_of_another_thread() {
    let context = MainContext::new();
    let _mine = context.acquire().expect("nobody has it");
    let (a, _b) = nonblocking_pair();
    let elsewhere = context.clone();
    let refused = thread::spawn(move || {
        a.add_watch_full_local(IN, go_on, Some(&elsewhere));
    });
    assert!(refused.join().is_err());
}

#[test]
fn a_watch_attached_by_another_thread_is_seen_by_a_context_that_polls() {
    let context = MainContext::new();
    let main_loop = glib::MainLoop::new(Some(&context), false);
    let (running, quit) = (main_loop.clone(), main_loop.clone());
    let (started, runs) = mpsc::channel();
    context.invoke(move || started.send(()).expect("it is awaited"));
    let runner = thread::spawn(move || running.run());
    runs.recv_timeout(PATIENCE).expect("the loop runs");
    let (a, _b) = readable_pair();
    let (told, tells) = mpsc::channel();
    let tell = move |_: &ChannelSocket, condition| {
        told.send(condition).expect("it is awaited");
        quit.quit();
        Break
    };
    a.add_watch_source(IN, tell, Some(&context));
    assert_eq!(tells.recv_timeout(PATIENCE), Ok(IN));
    runner.join().expect("the loop ends");
}

#[test]
fn a_watch_of_a_closed_channel_is_told_nval_once() {
    let (a, _b) = nonblocking_pair();
    let (read, _write) = ChannelFile::pipe().expect("a pipe");
    let null = ChannelNull::new();
    for channel in [a.upcast::<Channel>(), read.upcast(), null.upcast()] {
        channel.close().expect("closes");
        assert_eq!(Watch::new(&channel, IN | OUT, go_on).ended(), [NVAL]);
    }
}

#[test]
fn memory_and_nothing_are_always_ready() {
    for channel in [
        ChannelBuffer::new(0).upcast::<Channel>(),
        ChannelNull::new().upcast(),
    ] {
        for asked in [IN, OUT, IN | OUT] {
            assert_eq!(Watch::new(&channel, asked, go_on).called(3), [asked; 3]);
        }
    }
}
