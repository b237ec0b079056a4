//! One invoker per virtual function. Each passes its own `GError *` and normalizes the result:
//! after an exception in a binding it is zero with a set error, or without an error.

use std::io::{self, SeekFrom};

use glib::{IOCondition, prelude::*, subclass::prelude::*, translate::*};

use super::{
    ChannelImpl, FdHandlers,
    call::{signed, unsupported},
    defaults, fd_handler,
    gerror::with_error,
};
use crate::{
    channel::{
        Channel,
        ffi::{self, QIOChannel, QIOChannelClass},
        observed,
    },
    sys::thread::stop_on_unwind,
    types::{Feature, Flushed, Readiness, Shutdown},
    watch,
};

/// The virtual functions of a class, to be called on one channel.
#[derive(Clone, Copy)]
pub(crate) struct VFuncs<'a> {
    /// A live channel for `'a`, whose class is `class` or derives from it.
    ioc: *mut QIOChannel,
    pub(super) class: &'a QIOChannelClass,
}

impl<'a> VFuncs<'a> {
    /// The virtual functions of the channel's own class.
    #[inline]
    pub(crate) fn of(channel: &'a Channel) -> Self {
        let ioc: *mut QIOChannel = channel.as_ptr();
        // SAFETY: an instance of QIOChannel has a class that begins with a
        // QIOChannelClass, and classes of static types are never freed.
        let class = unsafe { &*(*ioc).parent_instance.g_type_instance.g_class.cast() };
        Self { ioc, class }
    }

    /// The virtual functions of the parent of `T`'s class.
    pub(super) fn of_parent<T: ChannelImpl>(imp: &'a T) -> Self {
        // SAFETY: `T` derives from Channel: its parent's class begins with a
        // QIOChannelClass, and its instance with a QIOChannel.
        unsafe {
            Self {
                ioc: imp.obj().as_ptr() as *mut QIOChannel,
                class: &*T::type_data().as_ref().parent_class().cast(),
            }
        }
    }

    #[inline]
    pub(super) fn ioc(self) -> *mut QIOChannel {
        self.ioc
    }

    #[inline]
    pub(super) fn channel(&self) -> Borrowed<Channel> {
        // SAFETY: the channel outlives `self`, which the result borrows.
        unsafe { from_glib_borrow(self.ioc) }
    }

    pub(crate) fn close(self) -> io::Result<()> {
        let slot = self.class.io_close.unwrap_or(defaults::close);
        // SAFETY: `ioc` is an instance of `class`, and `error` is writable.
        self.status("close", |error| unsafe { slot(self.ioc(), error) })
    }

    /// Whether closing takes no time, so that it needs no thread.
    pub(crate) fn closes_at_once(self) -> bool {
        let check = self.class.closes_at_once_fn();
        check.is_some_and(|check| check(&self.channel()))
    }

    /// The preparation of the class for closing a channel after a failure.
    pub(crate) fn prepare_abort(self) {
        if let Some(abort) = self.class.abort_fn() {
            abort(&self.channel());
        }
    }

    pub(crate) fn create_watch(self, condition: IOCondition) -> glib::Source {
        let slot = self.class.io_create_watch.unwrap_or(defaults::create_watch);
        // SAFETY: `ioc` is an instance of `class`; the function returns a source that the caller
        // owns.
        unsafe {
            let source = stop_on_unwind(|| slot(self.ioc(), condition.into_glib()));
            self.channel()
                .watched(|watched| watch::adopt(watched, condition, source))
        }
    }

    pub(crate) fn set_blocking(self, enabled: bool) -> io::Result<()> {
        self.check_open()?;
        let slot = self.class.io_set_blocking.unwrap_or(defaults::set_blocking);
        // SAFETY: `ioc` is an instance of `class`, and `error` is writable.
        self.status("set the mode of", |error| unsafe {
            slot(self.ioc(), enabled.into_glib(), error)
        })
    }

    pub(crate) fn shutdown(self, how: Shutdown) -> io::Result<()> {
        self.check_open()?;
        if !self.channel().imp().features().contains(Feature::SHUTDOWN) {
            return Err(unsupported("Data path shutdown"));
        }
        let slot = self.class.io_shutdown.unwrap_or(defaults::shutdown);
        // SAFETY: `ioc` is an instance of `class`, and `error` is writable.
        self.status("shut down", |error| unsafe {
            slot(self.ioc(), how.into_glib(), error)
        })
    }

    pub(crate) fn set_cork(self, enabled: bool) {
        let slot = self.class.io_set_cork.unwrap_or(defaults::hint);
        // SAFETY: `ioc` is an instance of `class`.
        stop_on_unwind(|| unsafe { slot(self.ioc(), enabled.into_glib()) });
    }

    pub(crate) fn set_delay(self, enabled: bool) {
        let slot = self.class.io_set_delay.unwrap_or(defaults::hint);
        // SAFETY: `ioc` is an instance of `class`.
        stop_on_unwind(|| unsafe { slot(self.ioc(), enabled.into_glib()) });
    }

    pub(crate) fn seek(self, to: SeekFrom) -> io::Result<u64> {
        self.check_open()?;
        self.channel().take_back_pushback()?;
        let (offset, whence) = match to {
            SeekFrom::Start(offset) => (signed(offset)?, libc::SEEK_SET),
            SeekFrom::Current(offset) => (offset, libc::SEEK_CUR),
            SeekFrom::End(offset) => (offset, libc::SEEK_END),
        };
        let slot = self.class.io_seek.unwrap_or(defaults::seek);
        // SAFETY: `ioc` is an instance of `class`, and `error` is writable.
        let (position, error) =
            with_error(|error| unsafe { slot(self.ioc(), offset, whence, error) });
        error.map_err(|e| self.or_closed(e))?;
        u64::try_from(position).map_err(|_| self.unexplained("seek in"))
    }

    /// # Safety
    ///
    /// The handlers must be callable in the thread that runs the context, until others have
    /// replaced them. If another thread replaces them, a call may be in progress, or about to
    /// begin: they must be callable until the thread of the context has dispatched another source.
    pub(crate) unsafe fn set_fd_handler(
        self,
        context: Option<&glib::MainContext>,
        handlers: &FdHandlers,
    ) {
        let &FdHandlers {
            read,
            write,
            opaque,
            ..
        } = handlers;
        let slot = self.class.io_set_aio_fd_handler.unwrap_or(fd_handler::set);
        // SAFETY: `ioc` is an instance of `class`; the caller promises that the handlers are
        // callable.
        stop_on_unwind(|| unsafe {
            slot(self.ioc(), context.to_glib_none().0, read, write, opaque);
        });
    }

    pub(crate) fn wait_fd(self, condition: IOCondition) -> Readiness {
        let slot = self.class.io_wait_fd.unwrap_or(defaults::wait_fd);
        let mut wanted = 0;
        // SAFETY: `ioc` is an instance of `class`, and `wanted` is writable.
        let fd = stop_on_unwind(|| unsafe { slot(self.ioc(), condition.into_glib(), &mut wanted) });
        match fd {
            ffi::QIO_CHANNEL_WAIT_NOW => Readiness::Now,
            // A descriptor without a condition means that a binding raised an exception.
            fd if fd >= 0 && wanted != 0 => {
                Readiness::Fd(fd, IOCondition::from_bits_truncate(wanted))
            }
            _ => Readiness::Watch,
        }
    }

    pub(crate) fn flush(self) -> io::Result<Flushed> {
        self.check_open()?;
        let slot = self.class.io_flush.unwrap_or(defaults::flush);
        let mut flushed = Flushed::ZeroCopy;
        let channel = self.channel();
        let flush = || {
            // SAFETY: `ioc` is an instance of `class`, and `error` is writable.
            self.status("flush", |error| unsafe {
                let status = slot(self.ioc(), error);
                if status > 0 {
                    flushed = Flushed::Copied;
                }
                status
            })
        };
        observed::call(&channel, "a flush", flush)?;
        Ok(flushed)
    }

    pub(crate) fn credentials(self) -> io::Result<gio::Credentials> {
        self.check_open()?;
        let slot = self
            .class
            .io_get_credentials
            .unwrap_or(defaults::get_credentials);
        // SAFETY: `ioc` is an instance of `class`; the function returns an owned reference, or
        // NULL.
        let (credentials, error) = with_error(|error| unsafe {
            let raw = slot(self.ioc(), error);
            Option::<gio::Credentials>::from_glib_full(raw)
        });
        error.map_err(|e| self.or_closed(e))?;
        credentials.ok_or_else(|| self.unexplained("get the credentials of"))
    }
}
