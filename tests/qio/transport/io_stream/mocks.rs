//! Streams of GIO that cannot poll, and call the functions of a test.

use gio::{prelude::*, subclass::prelude::*};
use glib::IOCondition;
use qio::{ChannelSocket, Shutdown, prelude::*};

pub(super) type ReadFn =
    dyn Fn(&mut [u8], Option<&gio::Cancellable>) -> Result<usize, glib::Error> + Send + Sync;
pub(super) type WriteFn =
    dyn Fn(&[u8], Option<&gio::Cancellable>) -> Result<usize, glib::Error> + Send + Sync;
pub(super) type VoidFn = dyn Fn() -> Result<(), glib::Error> + Send + Sync;

mod imp {
    use std::sync::OnceLock;

    use glib::translate::IntoGlib as _;

    use super::*;
    use crate::common::classes::channel_class;

    #[derive(Default)]
    pub struct Input {
        pub(crate) read: OnceLock<Box<ReadFn>>,
        pub(crate) close: OnceLock<Box<VoidFn>>,
    }

    channel_class!(Input, "TestPlainInput", gio::InputStream);

    impl InputStreamImpl for Input {
        fn read(
            &self,
            buffer: &mut [u8],
            cancellable: Option<&gio::Cancellable>,
        ) -> Result<usize, glib::Error> {
            self.read.get().expect("set")(buffer, cancellable)
        }

        fn close(&self, _cancellable: Option<&gio::Cancellable>) -> Result<(), glib::Error> {
            self.close.get().map_or(Ok(()), |close| close())
        }
    }

    #[derive(Default)]
    pub struct Output {
        pub(crate) write: OnceLock<Box<WriteFn>>,
        pub(crate) flush: OnceLock<Box<VoidFn>>,
        pub(crate) close: OnceLock<Box<VoidFn>>,
    }

    channel_class!(Output, "TestPlainOutput", gio::OutputStream);

    impl OutputStreamImpl for Output {
        fn write(
            &self,
            buffer: &[u8],
            cancellable: Option<&gio::Cancellable>,
        ) -> Result<usize, glib::Error> {
            self.write.get().expect("set")(buffer, cancellable)
        }

        fn flush(&self, _cancellable: Option<&gio::Cancellable>) -> Result<(), glib::Error> {
            self.flush.get().map_or(Ok(()), |flush| flush())
        }

        fn close(&self, _cancellable: Option<&gio::Cancellable>) -> Result<(), glib::Error> {
            self.close.get().map_or(Ok(()), |close| close())
        }
    }

    /// Its flush and its close fail without an error, as those of a binding after an exception.
    #[derive(Default)]
    pub struct Unexplained;

    #[glib::object_subclass]
    impl ObjectSubclass for Unexplained {
        const NAME: &'static str = "TestUnexplainedOutput";
        type Type = super::Unexplained;
        type ParentType = gio::OutputStream;

        fn class_init(class: &mut Self::Class) {
            let class: &mut gio_sys::GOutputStreamClass =
                class.upcast_ref_mut::<gio::OutputStream>().as_mut();
            class.flush = Some(fail);
            class.close_fn = Some(fail);
        }
    }

    impl ObjectImpl for Unexplained {}

    impl OutputStreamImpl for Unexplained {
        fn write(
            &self,
            buffer: &[u8],
            _cancellable: Option<&gio::Cancellable>,
        ) -> Result<usize, glib::Error> {
            Ok(buffer.len())
        }
    }

    extern "C" fn fail(
        _stream: *mut gio_sys::GOutputStream,
        _cancellable: *mut gio_sys::GCancellable,
        _error: *mut *mut glib::ffi::GError,
    ) -> glib::ffi::gboolean {
        false.into_glib()
    }
}

glib::wrapper! {
    pub struct Unexplained(ObjectSubclass<imp::Unexplained>) @extends gio::OutputStream;
}

glib::wrapper! {
    pub struct Input(ObjectSubclass<imp::Input>) @extends gio::InputStream;
}

glib::wrapper! {
    pub struct Output(ObjectSubclass<imp::Output>) @extends gio::OutputStream;
}

impl Input {
    pub(super) fn new(
        read: impl Fn(&mut [u8], Option<&gio::Cancellable>) -> Result<usize, glib::Error>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let this: Self = glib::Object::new();
        let _ = this.imp().read.set(Box::new(read));
        this
    }

    /// Sets what closing calls.
    pub(super) fn on_close(
        self,
        close: impl Fn() -> Result<(), glib::Error> + Send + Sync + 'static,
    ) -> Self {
        let _ = self.imp().close.set(Box::new(close));
        self
    }
}

impl Output {
    pub(super) fn new(
        write: impl Fn(&[u8], Option<&gio::Cancellable>) -> Result<usize, glib::Error>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let this: Self = glib::Object::new();
        let _ = this.imp().write.set(Box::new(write));
        this
    }

    /// Sets what flushing calls.
    pub(super) fn on_flush(
        self,
        flush: impl Fn() -> Result<(), glib::Error> + Send + Sync + 'static,
    ) -> Self {
        let _ = self.imp().flush.set(Box::new(flush));
        self
    }

    /// Sets what closing calls.
    pub(super) fn on_close(
        self,
        close: impl Fn() -> Result<(), glib::Error> + Send + Sync + 'static,
    ) -> Self {
        let _ = self.imp().close.set(Box::new(close));
        self
    }
}

/// Waits until the cancellable is cancelled, as a stream without data does.
pub(super) fn until_cancelled(cancellable: Option<&gio::Cancellable>) -> glib::Error {
    waiting_until_cancelled(cancellable, |_| ())
}

/// As [`until_cancelled`]. Calls `waiting` when the thread takes no more locks that all objects of
/// the process share: a child may be forked then, and use objects.
pub(super) fn waiting_until_cancelled(
    cancellable: Option<&gio::Cancellable>,
    waiting: impl FnOnce(&gio::Cancellable),
) -> glib::Error {
    let cancellable = cancellable.expect("the channel passes one");
    let cancelled = cancellable.future();
    let context = glib::MainContext::new();
    waiting(cancellable);
    context
        .with_thread_default(|| context.block_on(cancelled))
        .expect("a context of this thread");
    glib::Error::new(gio::IOErrorEnum::Cancelled, "Operation was cancelled")
}

/// The streams of a socket, without pollable functions. They read and write at most 10,000 bytes at
/// a time.
pub(super) fn plain(socket: &ChannelSocket) -> (Input, Output) {
    socket.set_blocking(false).expect("non-blocking");
    let (reader, writer) = (socket.clone(), socket.clone());
    let ender = socket.clone();
    let input = Input::new(move |buffer, cancellable| {
        let size = buffer.len().min(10_000);
        until_ready(&reader, IOCondition::IN, cancellable, || {
            reader.read(&mut buffer[..size])
        })
    });
    let output = Output::new(move |buffer, cancellable| {
        let size = buffer.len().min(10_000);
        until_ready(&writer, IOCondition::OUT, cancellable, || {
            writer.write(&buffer[..size])
        })
    });
    let output = output.on_close(move || {
        let ended = ender.shutdown(Shutdown::Write);
        ended.map_err(|e| qio::to_glib_error(&e))
    });
    (input, output)
}

fn until_ready(
    socket: &ChannelSocket,
    condition: IOCondition,
    cancellable: Option<&gio::Cancellable>,
    mut attempt: impl FnMut() -> std::io::Result<usize>,
) -> Result<usize, glib::Error> {
    loop {
        match attempt() {
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {
                let cancellable = cancellable.expect("the channel passes one");
                let waited = socket.wait_cancellable(condition, cancellable);
                waited.map_err(|e| qio::to_glib_error(&e))?;
            }
            result => return result.map_err(|e| qio::to_glib_error(&e)),
        }
    }
}
