//! Virtual functions as C and bindings set them, and those that only C calls.

use std::{
    cell::Cell,
    ffi::{c_int, c_uint, c_void},
    io::{self, IoSlice, IoSliceMut},
    ptr,
    sync::Mutex,
};

use gio_sys::GUnixFDList;
use glib::{IOCondition, prelude::*, subclass::prelude::*, translate::*};
use glib_sys::{GBytes, GError, GIOCondition, GSource};
use libc::{size_t, ssize_t};

use super::{ChannelImpl, FdHandlers, VFuncs, defaults};
use crate::{
    Channel, ChannelExt, ChannelSocket, ChannelWatchExt, Readiness,
    channel::ffi::{QIOChannel, QIOChannelClass},
    types::ReadFlags,
};

/// Declares a class whose virtual functions are changed as C changes them, after Rust has set them
/// and the iovec functions were reset to those of the base class.
macro_rules! c_class {
    ($name:ident, $type_name:literal, $change:expr) => {
        mod $name {
            use super::*;

            #[derive(Default)]
            pub(super) struct Imp;

            #[glib::object_subclass]
            impl ObjectSubclass for Imp {
                const NAME: &'static str = $type_name;
                type Type = Wrapper;
                type ParentType = Channel;

                fn class_init(class: &mut Self::Class) {
                    // SAFETY: the class of a channel begins with a QIOChannelClass.
                    let class = unsafe { &mut *ptr::from_mut(class).cast::<QIOChannelClass>() };
                    defaults::fill(class);
                    let change: fn(&mut QIOChannelClass) = $change;
                    change(class);
                }
            }

            impl ObjectImpl for Imp {}
            impl ChannelImpl for Imp {}

            glib::wrapper! {
                pub(super) struct Wrapper(ObjectSubclass<Imp>) @extends Channel;
            }

            pub(super) fn new() -> Channel {
                glib::Object::new::<Wrapper>().upcast()
            }
        }
    };
}

/// The bytes that the functions below read and write.
static STORE: Mutex<Vec<u8>> = Mutex::new(Vec::new());

unsafe extern "C-unwind" fn store_bytes(
    _ioc: *mut QIOChannel,
    bytes: *mut GBytes,
    _fds: *mut GUnixFDList,
    _flags: c_uint,
    _error: *mut *mut GError,
) -> ssize_t {
    // SAFETY: the caller of the slot owns the bytes for the length of the call.
    let bytes = unsafe { glib::Bytes::from_glib_borrow(bytes) };
    STORE.lock().expect("one test").extend_from_slice(&bytes);
    bytes.len() as ssize_t
}

unsafe extern "C-unwind" fn take_bytes(
    _ioc: *mut QIOChannel,
    count: size_t,
    _fds: *mut *mut GUnixFDList,
    _flags: c_uint,
    error: *mut *mut GError,
) -> *mut GBytes {
    let mut store = STORE.lock().expect("one test");
    if store.is_empty() {
        let e = glib::Error::new(gio::IOErrorEnum::WouldBlock, "nothing there");
        // SAFETY: `error` is a place for an error.
        unsafe { *error = e.into_glib_ptr() };
        return ptr::null_mut();
    }
    let count = count.min(store.len());
    glib::Bytes::from_owned(store.drain(..count).collect::<Vec<_>>()).into_glib_ptr()
}

c_class!(bytes_only, "QioTestBytesOnly", |class| {
    class.io_read_bytes = Some(take_bytes);
    class.io_write_bytes = Some(store_bytes);
});

#[test]
fn a_class_that_implements_only_the_bytes_functions_serves_iovecs_too() {
    let channel = bytes_only::new();
    let iov = [
        IoSlice::new(b"one "),
        IoSlice::new(b""),
        IoSlice::new(b"two"),
    ];
    assert_eq!(channel.writev(&iov).expect("written"), 7);
    assert_eq!(
        channel
            .write_bytes(&glib::Bytes::from_static(b"!"))
            .expect("written"),
        1
    );
    let (mut a, mut b) = ([0; 2], [0; 4]);
    let mut iov = [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)];
    assert_eq!(channel.readv(&mut iov).expect("read"), 6);
    assert_eq!((&a, &b), (b"on", b"e tw"));
    assert_eq!(&channel.read_bytes(10).expect("read")[..], b"o!");
    let empty = channel.read(&mut a).expect_err("nothing is left");
    assert_eq!(empty.kind(), io::ErrorKind::WouldBlock);
}

unsafe extern "C-unwind" fn chain_read_bytes(
    ioc: *mut QIOChannel,
    count: size_t,
    fds: *mut *mut GUnixFDList,
    flags: c_uint,
    error: *mut *mut GError,
) -> *mut GBytes {
    // SAFETY: forwarded: the arguments of the slot.
    unsafe { defaults::read_bytes(ioc, count, fds, flags, error) }
}

unsafe extern "C-unwind" fn chain_readv(
    ioc: *mut QIOChannel,
    iov: *const libc::iovec,
    niov: size_t,
    fds: *mut *mut c_int,
    nfds: *mut size_t,
    flags: c_int,
    error: *mut *mut GError,
) -> ssize_t {
    // SAFETY: forwarded: the arguments of the slot.
    unsafe { defaults::readv(ioc, iov, niov, fds, nfds, flags, error) }
}

c_class!(chains_both, "QioTestChainsBoth", |class| {
    class.io_readv = Some(chain_readv);
    class.io_read_bytes = Some(chain_read_bytes);
});

#[test]
fn a_class_that_chains_up_both_of_a_pair_gets_an_error_and_not_a_loop() {
    let channel = chains_both::new();
    let e = channel.read(&mut [0]).expect_err("no class reads");
    assert_eq!(
        (e.kind(), e.to_string().as_str()),
        (io::ErrorKind::Unsupported, "Reading is not supported")
    );
    let e = channel.read_bytes(1).expect_err("no class reads");
    assert_eq!(e.kind(), io::ErrorKind::Unsupported);
}

unsafe extern "C-unwind" fn nothing_read(
    _ioc: *mut QIOChannel,
    _count: size_t,
    _fds: *mut *mut GUnixFDList,
    _flags: c_uint,
    _error: *mut *mut GError,
) -> *mut GBytes {
    ptr::null_mut()
}

unsafe extern "C-unwind" fn nothing_written(
    _ioc: *mut QIOChannel,
    _bytes: *mut GBytes,
    _fds: *mut GUnixFDList,
    _flags: c_uint,
    error: *mut *mut GError,
) -> ssize_t {
    let e = glib::Error::new(gio::IOErrorEnum::NoSpace, "it is full");
    // SAFETY: `error` is a place for an error.
    unsafe { *error = e.into_glib_ptr() };
    0
}

unsafe extern "C-unwind" fn zero_fd(
    _ioc: *mut QIOChannel,
    _condition: GIOCondition,
    _fd_condition: *mut GIOCondition,
) -> c_int {
    0
}

unsafe extern "C-unwind" fn no_source(
    _ioc: *mut QIOChannel,
    _condition: GIOCondition,
) -> *mut GSource {
    ptr::null_mut()
}

// What remains of an override in a binding that raised an exception: zeros.
c_class!(raising, "QioTestRaising", |class| {
    class.io_read_bytes = Some(nothing_read);
    class.io_write_bytes = Some(nothing_written);
    class.io_wait_fd = Some(zero_fd);
    class.io_create_watch = Some(no_source);
});

#[test]
fn the_result_of_a_raising_binding_becomes_an_error() {
    let channel = raising::new();
    let e = channel.read(&mut [0]).expect_err("NULL without an error");
    assert_eq!(
        e.to_string(),
        "Unable to read from QioTestRaising: the class returned an error without setting GError"
    );
    let e = channel.write(b"x").expect_err("zero with an error");
    assert_eq!(
        (e.kind(), e.to_string().as_str()),
        (io::ErrorKind::StorageFull, "it is full")
    );
}

#[test]
fn a_zero_descriptor_without_a_condition_is_not_standard_input() {
    let channel = raising::new();
    assert_eq!(
        VFuncs::of(&channel).wait_fd(IOCondition::IN),
        Readiness::Watch
    );
    assert_eq!(
        channel.wait(IOCondition::IN).expect("a watch"),
        IOCondition::NVAL
    );
}

c_class!(emptied, "QioTestEmptied", |class| {
    class.io_readv = None;
    class.io_close = None;
    class.io_create_watch = None;
    class.io_set_cork = None;
    class.io_wait_fd = None;
});

#[test]
fn a_null_virtual_function_is_never_called() {
    let channel = emptied::new();
    let e = channel.read(&mut [0]).expect_err("no class reads");
    assert_eq!(e.kind(), io::ErrorKind::Unsupported);
    channel.set_cork(true);
    assert_eq!(
        channel.wait(IOCondition::IN).expect("a watch"),
        IOCondition::NVAL
    );
    assert_eq!(
        channel.close().expect_err("no class closes").kind(),
        io::ErrorKind::Unsupported
    );
    assert!(channel.is_closed(), "as in GIO");
}

unsafe extern "C" fn count_call(opaque: *mut c_void) {
    // SAFETY: the tests pass a live Cell, and dispatch in its thread.
    let calls = unsafe { &*opaque.cast::<Cell<u32>>() };
    calls.set(calls.get() + 1);
}

fn set_handlers(
    channel: &ChannelSocket,
    context: &glib::MainContext,
    read: bool,
    write: bool,
    calls: &Cell<u32>,
) {
    let handler: crate::ffi::IOHandler = Some(count_call);
    let handlers = FdHandlers {
        read: handler.filter(|_| read),
        write: handler.filter(|_| write),
        opaque: ptr::from_ref(calls).cast_mut().cast(),
        set_for: (0, 0),
    };
    // SAFETY: `calls` outlives the handlers, which each test takes away again.
    unsafe { VFuncs::of(channel.upcast_ref()).set_fd_handler(Some(context), &handlers) };
}

#[test]
fn handlers_are_called_while_the_channel_is_ready_and_replaced_at_once() {
    let context = glib::MainContext::new();
    let (channel, peer) = ChannelSocket::pair().expect("a socketpair");
    let (reads, writes) = (Cell::new(0), Cell::new(0));
    set_handlers(&channel, &context, true, false, &reads);
    while context.iteration(false) {}
    assert_eq!(reads.get(), 0);

    peer.write_all(b"x").expect("written");
    while reads.get() < 2 {
        context.iteration(true); // as long as it is not read
    }

    let before = reads.get();
    set_handlers(&channel, &context, false, true, &writes);
    while writes.get() == 0 {
        context.iteration(true);
    }
    assert_eq!(reads.get(), before);

    set_handlers(&channel, &context, false, false, &writes);
    let before = writes.get();
    while context.iteration(false) {}
    assert_eq!(writes.get(), before);
}

#[test]
fn a_handler_is_called_once_for_the_close_and_keeps_nothing_alive() {
    let context = glib::MainContext::new();
    let (channel, _peer) = ChannelSocket::pair().expect("a socketpair");
    let calls = Cell::new(0);
    set_handlers(&channel, &context, true, false, &calls);
    channel.close().expect("closed");
    while context.iteration(false) {}
    assert_eq!(calls.get(), 1);
    let weak = channel.downgrade();
    drop(channel);
    assert!(weak.upgrade().is_none());
}

#[test]
fn bytes_and_iovec_functions_agree_on_would_block() {
    let (channel, _peer) = ChannelSocket::pair().expect("a socketpair");
    channel.set_blocking(false).expect("non-blocking");
    let mut error = ptr::null_mut();
    let slot = VFuncs::of(channel.upcast_ref())
        .class
        .io_read_bytes
        .expect("filled");
    // SAFETY: a slot of the channel's class, with a place for an error.
    let (bytes, error) = unsafe {
        let bytes = slot(
            channel.upcast_ref::<Channel>().as_ptr(),
            1,
            ptr::null_mut(),
            0,
            &mut error,
        );
        (bytes, Option::<glib::Error>::from_glib_full(error))
    };
    assert!(bytes.is_null());
    assert!(error.expect("set").matches(gio::IOErrorEnum::WouldBlock));
    let read = VFuncs::of(channel.upcast_ref()).readv(
        &mut [IoSliceMut::new(&mut [0])],
        None,
        ReadFlags::empty(),
    );
    assert_eq!(
        read.expect_err("nothing is there").kind(),
        io::ErrorKind::WouldBlock
    );
}
