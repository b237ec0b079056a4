//! Coroutines that are dropped before their end: what is on their stacks is dropped.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::atomic::Ordering,
};

use glib::{IOCondition, MainContext, subclass::prelude::ObjectSubclassIsExt};
use qio::{
    Channel, ChannelSocket,
    coroutine::{in_coroutine, spawn, wait_for, yield_now},
    prelude::*,
};

use super::run;
use crate::common::{after_ticks, in_loop, in_time, nonblocking_pair, settle};

const IN: IOCondition = IOCondition::IN;

/// Counts itself when it is dropped.
struct Guard(Rc<Cell<usize>>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn aborting_unwinds_the_stack() {
    in_loop(|context| {
        let dropped = Rc::new(Cell::new(0));
        let (a, _b) = nonblocking_pair();
        let reader = a.clone();
        let counts = dropped.clone();
        let handle = spawn(move || {
            let _outer = Guard(counts.clone());
            let inner = || {
                let _inner = Guard(counts.clone());
                reader.read_all(&mut [0; 1])
            };
            inner().expect("it never comes here");
            counts.set(100);
        });
        settle(context);
        assert_eq!(dropped.get(), 0);
        handle.abort();
        settle(context);
        assert_eq!(dropped.get(), 2);
        assert!(handle.is_finished());
        assert!(
            context
                .block_on(handle)
                .expect_err("aborted")
                .is_cancelled()
        );
    });
}

#[test]
fn a_coroutine_that_has_not_begun_drops_what_it_would_use() {
    in_loop(|context| {
        let dropped = Rc::new(Cell::new(0));
        let guard = Guard(dropped.clone());
        let handle = spawn(move || drop(guard));
        handle.abort();
        settle(context);
        assert_eq!(dropped.get(), 1);
        assert!(
            context
                .block_on(handle)
                .expect_err("aborted")
                .is_cancelled()
        );
    });
}

#[test]
fn a_context_that_goes_unwinds_its_coroutines() {
    in_time(|| {
        let dropped = Rc::new(Cell::new(0));
        let context = MainContext::new();
        let counts = dropped.clone();
        let handle = context.with_thread_default(|| {
            let handle = spawn(move || {
                let _guard = Guard(counts);
                let (a, _b) = nonblocking_pair();
                a.wait(IN)
            });
            settle(&context);
            handle
        });
        assert_eq!(dropped.get(), 0);
        drop(context);
        assert_eq!(dropped.get(), 1);
        assert!(handle.expect("owned").is_finished());
    });
}

#[test]
fn nothing_waits_in_a_coroutine_that_is_being_dropped() {
    struct Waits(ChannelSocket, Rc<RefCell<Option<std::io::Error>>>);
    impl Drop for Waits {
        fn drop(&mut self) {
            let result = self.0.read_all(&mut [0; 1]);
            *self.1.borrow_mut() = result.err();
        }
    }
    in_loop(|context| {
        let (a, _b) = nonblocking_pair();
        let error = Rc::new(RefCell::new(None));
        let waits = Waits(a, error.clone());
        let handle = spawn(move || {
            let waits = waits;
            waits.0.wait(IN)
        });
        settle(context);
        handle.abort();
        settle(context);
        let e = error.borrow_mut().take().expect("it cannot wait");
        assert!(
            qio::to_glib_error(&e).matches(gio::IOErrorEnum::Cancelled),
            "{e}"
        );
    });
}

mod imp {
    use std::{
        io,
        os::fd::OwnedFd,
        sync::{
            OnceLock,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use qio::{ChannelSocket, ReadFlags, prelude::*, subclass::prelude::*};

    use crate::common::classes::channel_class;

    /// Waits within its own slot.
    #[derive(Default)]
    pub struct Persistent {
        pub(super) inner: OnceLock<ChannelSocket>,
        pub(super) dropped: AtomicUsize,
    }

    channel_class!(Persistent, "TestPatient");

    impl ChannelImpl for Persistent {
        fn readv(
            &self,
            iov: &mut [io::IoSliceMut<'_>],
            _fds: Option<&mut Vec<OwnedFd>>,
            _flags: ReadFlags,
        ) -> io::Result<usize> {
            struct Guard<'a>(&'a AtomicUsize);
            impl Drop for Guard<'_> {
                fn drop(&mut self) {
                    self.0.fetch_add(1, Ordering::Relaxed);
                }
            }
            let _guard = Guard(&self.dropped);
            let inner = self.inner.get().expect("set at first");
            inner.wait(glib::IOCondition::IN)?;
            inner.readv(iov)
        }
    }
}

glib::wrapper! {
    pub struct Persistent(ObjectSubclass<imp::Persistent>) @extends Channel;
}

impl Persistent {
    fn new(socket: ChannelSocket) -> Self {
        let this: Self = glib::Object::new();
        this.imp().inner.set(socket).expect("new");
        this
    }
}

#[test]
fn a_slot_of_a_class_may_wait_in_a_coroutine() {
    run(|| {
        let (a, b) = nonblocking_pair();
        let persistent = Persistent::new(a);
        let ticks = after_ticks(move || b.write_all(b"late").expect("space"));
        let mut buf = [0; 8];
        assert_eq!(persistent.read(&mut buf).expect("read"), 4);
        assert!(ticks.load(Ordering::Relaxed) >= 3);
    });
}

#[test]
fn two_coroutines_may_wait_in_the_counterpart_of_one_virtual_function() {
    in_loop(|context| {
        let (a, b) = nonblocking_pair();
        let reader = Persistent::new(a);
        // The class overrides the function of buffers, which that of `GBytes` calls.
        let reads = [reader.clone(), reader].map(|reader| spawn(move || reader.read_bytes(1)));
        settle(context);
        b.write_all(b"xy").expect("space");
        let mut read: Vec<_> = reads
            .into_iter()
            .map(|read| context.block_on(read).expect("no panic").expect("read"))
            .collect();
        read.sort();
        assert_eq!(read, [&b"x"[..], b"y"]);
    });
}

#[test]
fn aborting_unwinds_through_a_slot_of_a_class() {
    in_loop(|context| {
        let dropped = Rc::new(Cell::new(0));
        let (a, _b) = nonblocking_pair();
        let persistent = Persistent::new(a);
        let (reader, counts) = (persistent.clone(), dropped.clone());
        let handle = spawn(move || {
            let _guard = Guard(counts);
            reader.read(&mut [0; 8])
        });
        settle(context);
        assert_eq!(
            (
                dropped.get(),
                persistent.imp().dropped.load(Ordering::Relaxed)
            ),
            (0, 0)
        );
        handle.abort();
        settle(context);
        assert_eq!(
            (
                dropped.get(),
                persistent.imp().dropped.load(Ordering::Relaxed)
            ),
            (1, 1)
        );
        assert!(
            context
                .block_on(handle)
                .expect_err("aborted")
                .is_cancelled()
        );
        // The thread is not in the coroutine any more.
        assert!(!in_coroutine());
    });
}

#[test]
fn aborting_unwinds_code_that_does_not_look_at_errors() {
    in_loop(|context| {
        let dropped = Rc::new(Cell::new(0));
        let (a, _b) = nonblocking_pair();
        let (reader, counts) = (Persistent::new(a), dropped.clone());
        let handle = spawn(move || {
            let _guard = Guard(counts);
            // Tries three times, each of which waits.
            (0..3).find_map(|_| reader.read(&mut [0; 8]).ok())
        });
        settle(context);
        handle.abort();
        settle(context);
        assert_eq!(dropped.get(), 1);
        assert!(handle.is_finished());
    });
}

#[test]
fn an_abort_inside_a_coroutine_unwinds_another_and_only_that() {
    in_loop(|context| {
        let dropped = Rc::new(Cell::new(0));
        let (one, two) = (dropped.clone(), dropped.clone());
        let outer = spawn(move || {
            let _guard = Guard(one);
            let (a, _b) = nonblocking_pair();
            let inner = spawn(move || {
                let _guard = Guard(two);
                a.wait(IN)
            });
            yield_now().expect("in a coroutine");
            yield_now().expect("in a coroutine");
            inner.abort();
            assert!(in_coroutine());
            let e = wait_for(inner).expect("not this one").expect_err("aborted");
            e.is_cancelled()
        });
        assert!(context.block_on(outer).expect("no panic"));
        assert_eq!(dropped.get(), 2);
    });
}
