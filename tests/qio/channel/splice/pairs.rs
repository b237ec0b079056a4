//! Every kind of source with every kind of target, in either mode, in every style.

use glib::MainContext;
use qio::{Channel, coroutine, prelude::*};

use super::fixtures::{Kind, Source, Target, pattern};
use crate::common::in_loop;

/// More than sockets and pipes hold.
const SIZE: usize = 1_300_007;

#[derive(Debug, Clone, Copy)]
enum Style {
    Blocking,
    Coroutine,
    /// A task of the hub.
    Task,
    /// A task of GLib's.
    Glib,
}

impl Style {
    fn splice(
        self,
        source: &Channel,
        target: &Channel,
        count: Option<u64>,
        context: &MainContext,
    ) -> u64 {
        let (from, to) = (source.clone(), target.clone());
        let moved = match self {
            Self::Blocking => from.splice_to(&to, count),
            Self::Coroutine => {
                let handle = coroutine::spawn(move || from.splice_to(&to, count));
                context.block_on(handle).expect("no panic")
            }
            Self::Task => {
                let future = async move { from.splice_to_future(&to, count).await };
                context
                    .block_on(qio::spawn_local(future))
                    .expect("no panic")
            }
            Self::Glib => {
                let future = async move { from.splice_to_future(&to, count).await };
                let handle = context.spawn_local(future);
                context.block_on(handle).expect("no panic")
            }
        };
        moved.unwrap_or_else(|e| panic!("{self:?}: {e}"))
    }
}

/// Moves a pattern between all pairs.
fn all_pairs(style: Style, blocking: bool) {
    for from in Kind::ALL {
        in_loop(move |context| {
            let data = pattern(SIZE);
            for to in Kind::ALL {
                let what = format!("{from:?} to {to:?}, {style:?}, blocking: {blocking}");
                let (source, target) = (Source::new(from, &data), Target::new(to));
                source.channel.set_blocking(blocking).expect("the mode");
                target.channel.set_blocking(blocking).expect("the mode");
                let expected = Source::expected(from, &data);
                // A part, by a count, and the rest until end-of-file.
                let half = expected.len() as u64 / 2;
                let (source_channel, target_channel) = (&source.channel, &target.channel);
                let moved = style.splice(source_channel, target_channel, Some(half), context);
                assert_eq!(moved, half, "{what}");
                let moved = style.splice(source_channel, target_channel, None, context);
                assert_eq!(moved, expected.len() as u64 - half, "{what}");
                source.finish();
                if let Some(arrived) = target.finish() {
                    assert!(arrived == expected, "{what}: {} bytes", arrived.len());
                }
            }
        });
    }
}

#[test]
fn all_kinds_go_into_all_kinds_blocking() {
    all_pairs(Style::Blocking, true);
}

#[test]
fn all_kinds_go_into_all_kinds_where_none_may_wait() {
    all_pairs(Style::Blocking, false);
}

#[test]
fn all_kinds_go_into_all_kinds_in_coroutines() {
    all_pairs(Style::Coroutine, true);
    all_pairs(Style::Coroutine, false);
}

#[test]
fn all_kinds_go_into_all_kinds_in_tasks() {
    all_pairs(Style::Task, true);
    all_pairs(Style::Task, false);
}

#[test]
fn all_kinds_go_into_all_kinds_in_tasks_of_glib() {
    all_pairs(Style::Glib, true);
    all_pairs(Style::Glib, false);
}
