//! Threads that do not run the context of a hub, and what they leave there.

use std::{os::unix::net::UnixStream, task::Waker};

use super::*;
use crate::sys::fd_info::ShortRead;

const SIDE: Direction = Direction::Read;

fn register(hub: &Arc<Hub>, fd: &Arc<SharedFd>) -> Option<RegistrationGuard> {
    let serves = FdRole {
        both: true,
        side: SIDE,
        short_read: ShortRead::Drained,
    };
    hub.register(fd, SIDE, serves).expect("no error")
}

/// Calls `body` with the hub of a context and a descriptor, in a thread that runs another context.
fn from_elsewhere(body: impl FnOnce(&Arc<Hub>, &Arc<SharedFd>)) {
    let (a, _b) = UnixStream::pair().expect("a socketpair");
    let fd = SharedFd::new(a.into());
    let [context, here] = [(); 2].map(|()| private_context().expect("descriptors"));
    let ran = here.with_thread_default(|| body(&Hub::of(&context), &fd));
    ran.expect("its own");
}

#[test]
fn a_wait_that_meets_a_hub_being_shut_down_looks_for_another_one() {
    from_elsewhere(|hub, fd| {
        let guard = register(hub, fd).expect("open");
        // As far as another thread may have come that shuts it down.
        let ended = hub.registry().close();
        let mut key = WaiterKey::default();
        let polled = guard
            .get()
            .poll_edge(Direction::Write, &mut key, Waker::noop(), None);
        assert!(polled.expect("no error").is_ready());
        assert!(register(hub, fd).is_none());
        drop(ended);
    });
}

#[test]
fn a_registration_that_another_context_has_waited_for_is_forgotten_at_its_end() {
    from_elsewhere(|hub, fd| {
        let guard = register(hub, fd).expect("open");
        let registration = guard.get().clone();
        registration.would_block(SIDE, registration.ready_event(SIDE));
        let mut key = WaiterKey::default();
        let polled = registration.poll_edge(SIDE, &mut key, Waker::noop(), None);
        assert!(polled.expect("no error").is_pending());
        drop(guard);
        assert!(hub.registry().is_empty());
    });
}
