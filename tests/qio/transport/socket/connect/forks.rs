//! Connects whose process forks.
#![allow(unsafe_code)] // A forked child exits without the rest of this process.

use nix::{
    libc,
    unistd::{ForkResult, fork},
};

use super::*;
use crate::{
    common::resolver::{Answer, set_answers},
    hub::fork_with_threads::Tally,
};

/// Makes GLib take its locks of cancellables and signals, again and again.
fn take_locks(is_over: &AtomicBool) {
    let cancellable = gio::Cancellable::new();
    while !is_over.load(Ordering::Relaxed) {
        let handler = cancellable.connect_cancelled(|_| ());
        cancellable.disconnect_cancelled(handler.expect("it is not cancelled"));
    }
}

#[test]
fn a_forked_child_drops_a_connect_of_its_parent_whose_threads_hold_locks_of_glib() {
    alone(
        "transport::socket::connect::forks::a_forked_child_drops_a_connect_of_its_parent_whose_threads_hold_locks_of_glib",
        || {
            set_answers([("silent.test", Answer::Silence)]);
            let (context, channel) = (MainContext::new(), ChannelSocket::new());
            let address = gio::NetworkAddress::new("silent.test", 1);
            let mut connect = Some(Box::pin(channel.connect_async(&address, None)));
            context.block_on(async {
                let begun = connect.as_mut().expect("it is there").now_or_never();
                assert!(begun.is_none());
            });
            settle(&context);
            let is_over = AtomicBool::new(false);
            let mut tally = Tally::default();
            thread::scope(|scope| {
                scope.spawn(|| take_locks(&is_over));
                scope.spawn(|| take_locks(&is_over));
                for _ in 0..60 {
                    // SAFETY: the child exits without running anything that is not its own.
                    match unsafe { fork() }.expect("a fork") {
                        ForkResult::Child => {
                            drop(connect.take());
                            // SAFETY: ends the process at once.
                            unsafe { libc::_exit(0) };
                        }
                        ForkResult::Parent { child } => tally.count(child),
                    }
                    if tally.hung + tally.in_gobject > 2 {
                        break;
                    }
                }
                is_over.store(true, Ordering::Relaxed);
            });
            let traces = tally.traces.join("\n\n");
            let hung = tally.hung + tally.in_gobject;
            assert_eq!((hung, tally.crashed), (0, 0), "(hung, crashed)\n{traces}");
        },
    );
}
