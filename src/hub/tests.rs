//! Threads that do not run the context of a hub, and what they leave there.

use std::{
    future::Future,
    marker::PhantomPinned,
    os::unix::net::UnixStream,
    pin::Pin,
    sync::{OnceLock, atomic::AtomicPtr},
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use glib::Priority;

use super::*;
use crate::sys::{fd_info::ShortRead, poll::poll_now};

const SIDE: Direction = Direction::Read;

fn register(hub: &Arc<Hub>, fd: &Arc<SharedFd>) -> Option<RegistrationGuard> {
    let role = FdRole {
        both: true,
        side: SIDE,
        short_read: ShortRead::Drained,
    };
    hub.register(fd, SIDE, role).expect("no error")
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
        // As far as another thread may have come that shuts it down. A hub that stayed in the list
        // would be found for another context at the same address.
        hub.unlist_if(|_| true);
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

#[test]
fn a_dispatch_processes_a_notification_that_it_takes_from_the_eventfd() {
    let context = private_context().expect("descriptors");
    let hub = Hub::of(&context);
    // Only some dispatches poll for more events after their tasks.
    for _ in 0..100 {
        let notified = hub.clone();
        let notify = async move {
            let thread = thread::spawn(move || notified.notify());
            thread.join().expect("no panic");
        };
        drop(Hub::spawn_local_in(&context, Priority::DEFAULT, notify));
        context.iteration(true);
        let number = hub.registry().poll_number();
        let is_readable = poll_now(number, libc::POLLIN).expect("no error") != 0;
        // Else the next notification would not wake the thread.
        assert!(is_readable || !hub.remote.has_messages());
    }
}

/// Stores the thread in which it is dropped.
struct DroppedIn(Arc<OnceLock<thread::ThreadId>>);

impl Drop for DroppedIn {
    fn drop(&mut self) {
        self.0.set(thread::current().id()).expect("dropped once");
    }
}

#[test]
fn teardown_waits_for_a_thread_that_was_preempted_while_it_queues_a_task() {
    let context = private_context().expect("descriptors");
    let hub = Hub::of(&context);
    let dropped_in = Arc::new(OnceLock::new());
    let guard = DroppedIn(dropped_in.clone());
    let future = async move {
        let _guard = guard;
        std::future::pending::<()>().await;
    };
    let handle = Hub::spawn_local_in(&context, Priority::DEFAULT, future);
    while context.iteration(false) {}
    let wakers: Vec<_> = hub.alive.lock().iter().map(|(_, it)| it.clone()).collect();
    let wake = move || wakers.into_iter().for_each(Waker::wake);
    thread::spawn(wake).join().expect("no panic");
    let Some(Message::Run(runnable)) = hub.remote.take().pop() else {
        panic!("the task was woken in another thread");
    };
    let preempted = thread::spawn(move || {
        // As long as the scheduler may let it wait.
        thread::sleep(Duration::from_millis(50));
        tasks::schedule(runnable);
    });
    drop(context);
    assert_eq!(dropped_in.get(), Some(&thread::current().id()));
    assert!(handle.is_finished());
    preempted.join().expect("no panic");
}

/// Pending forever, and too large for `async-task` to keep it in the task. Stores its address.
struct Large<'a> {
    content: [u8; 4096],
    address: &'a AtomicPtr<u8>,
    _pinned: PhantomPinned,
}

impl Future for Large<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let address = self.content.as_ptr().cast_mut();
        self.address.store(address, Ordering::Relaxed);
        Poll::Pending
    }
}

#[test]
fn a_large_future_that_another_thread_must_not_drop_keeps_its_memory() {
    static ADDRESS: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());
    let context = private_context().expect("descriptors");
    let running = context.clone();
    let spawn = move || {
        let future = Large {
            content: [7; 4096],
            address: &ADDRESS,
            _pinned: PhantomPinned,
        };
        drop(Hub::spawn_local_in(&running, Priority::DEFAULT, future));
        while running.iteration(false) {}
    };
    thread::spawn(spawn).join().expect("no panic");
    // SAFETY: mallopt(3) has no precondition; freed memory is overwritten from now on.
    unsafe { libc::mallopt(libc::M_PERTURB, 0xa5) };
    // The last reference, in another thread than that of the future.
    drop(context);
    let address = ADDRESS.load(Ordering::Relaxed);
    // SAFETY: the future was pinned and not dropped: that its memory is valid is what is tested.
    let content = unsafe { std::slice::from_raw_parts(address, 4096) };
    assert!(content.iter().all(|&byte| byte == 7));
    // SAFETY: mallopt(3) has no precondition.
    unsafe { libc::mallopt(libc::M_PERTURB, 0) };
}

#[test]
fn a_hub_is_checked_for_use_after_the_end_of_its_last_registration() {
    let (a, _b) = UnixStream::pair().expect("a socketpair");
    let fd = SharedFd::new(a.into());
    let context = private_context().expect("descriptors");
    let ran = context.with_thread_default(|| {
        let hub = Hub::of(&context);
        let guard = register(&hub, &fd).expect("open");
        // A check that has found it in use.
        hub.lifetime.stop_watching();
        drop(guard);
        context.iteration(false);
        assert!(hub.lifetime.is_watched());
    });
    ran.expect("its own");
}
