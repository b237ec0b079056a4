//! One invoker per slot. Each passes its own `GError *` and makes sense of whatever
//! comes back: a binding that raises leaves a zero result beside a set error, or no
//! error at all.

use std::{
    io::{self, IoSlice, IoSliceMut, SeekFrom},
    os::fd::{BorrowedFd, OwnedFd},
    slice,
};

use glib::{IOCondition, prelude::*, subclass::prelude::*, translate::*};

use super::{
    ChannelImpl, FdHandlers, buffers, bytes_vfuncs,
    call::{signed, unsupported, with_error},
    defaults, handlers,
};
use crate::{
    channel::{
        Channel,
        ffi::{self, QIOChannel, QIOChannelClass},
        poll_io::Transferred,
    },
    types::{
        Feature, Flushed, ReadFlags, Readiness, Shutdown, WriteFlags, into_bytes, total_len, zeros,
    },
    watch,
};

/// The slots of one class, to be called on one channel.
#[derive(Clone, Copy)]
pub(crate) struct VFuncs<'a> {
    /// A live channel for as long as `'a`, whose class is `class` or derives from it.
    ioc: *mut QIOChannel,
    pub(super) class: &'a QIOChannelClass,
}

impl<'a> VFuncs<'a> {
    /// The slots of the channel's own class.
    #[inline]
    pub(crate) fn of(channel: &'a Channel) -> Self {
        let ioc: *mut QIOChannel = channel.as_ptr();
        // SAFETY: an instance of QIOChannel has a class that begins with a
        // QIOChannelClass, and classes of static types are never freed.
        let class = unsafe { &*(*ioc).parent_instance.g_type_instance.g_class.cast() };
        Self { ioc, class }
    }

    /// The slots of the parent of `T`'s class.
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
        // SAFETY: the channel lives for as long as `self`, which the result borrows.
        unsafe { from_glib_borrow(self.ioc) }
    }

    // The short way has no frame of its own on the way to a slot.
    #[inline]
    pub(crate) fn read(self, buf: &mut [u8]) -> io::Result<usize> {
        let mut buf = IoSliceMut::new(buf);
        self.readv(slice::from_mut(&mut buf), None, ReadFlags::empty())
    }

    #[inline]
    pub(crate) fn write(self, buf: &[u8]) -> io::Result<usize> {
        let buf = IoSlice::new(buf);
        self.writev(slice::from_ref(&buf), &[], WriteFlags::empty())
    }

    #[inline]
    pub(crate) fn readv(
        self,
        iov: &mut [IoSliceMut<'_>],
        fds: Option<&mut Vec<OwnedFd>>,
        flags: ReadFlags,
    ) -> io::Result<usize> {
        self.try_readv(iov, fds, flags).map(|tried| tried.result)
    }

    /// As [`readv`](Self::readv), and tells whether it came short.
    #[inline(always)]
    pub(crate) fn try_readv(
        self,
        iov: &mut [IoSliceMut<'_>],
        mut fds: Option<&mut Vec<OwnedFd>>,
        flags: ReadFlags,
    ) -> io::Result<Transferred<usize>> {
        let plain = self.begin()?;
        self.check_read(fds.is_some(), flags)?;
        let room = total_len(iov);
        if room == 0 {
            return self.check_open().map(|()| Transferred::whole(0));
        }
        if buffers::is_unusual(iov.len(), room)
            && let Some(mut iov) = buffers::to_read(iov, room)?
        {
            let result = self.readv(&mut iov, fds, flags)?;
            return Ok(Transferred::whole(result));
        }
        if watch::anything_unread()
            && let Some(count) = self.take_unread(iov, &mut fds, flags)
        {
            return Ok(Transferred::whole(count));
        }
        // A read that takes descriptors along ends where they are, and what was only looked at is
        // still there.
        let drains = fds.is_none() && !flags.contains(ReadFlags::PEEK);
        let result = if !plain && bytes_vfuncs::bytes_read(self.class) {
            bytes_vfuncs::readv_by_bytes(self, iov, fds, flags)?
        } else {
            self.slot_readv(iov, room, fds, flags)?
        };
        let short = drains && 0 < result && result < room;
        Ok(Transferred { result, short })
    }

    /// As [`try_readv`](Self::try_readv), into one buffer and without blocking, in the shortest way that there is.
    #[inline(always)]
    pub(crate) fn try_read(
        self,
        buf: &mut [u8],
        flags: ReadFlags,
    ) -> io::Result<Transferred<usize>> {
        if bytes_vfuncs::is_plain(self.class)
            && !buf.is_empty()
            && !watch::anything_unread()
            && let Some(stream) = self.channel().imp().stream.get()
            && let Some(read) = stream.recv(buf)
        {
            let result = read.map_err(|e| self.or_closed(e))?;
            let short = 0 < result && result < buf.len();
            return Ok(Transferred { result, short });
        }
        self.try_readv(&mut [IoSliceMut::new(buf)], None, flags)
    }

    /// As [`writev`](Self::writev), likewise.
    #[inline(always)]
    pub(crate) fn try_write(self, buf: &[u8], flags: WriteFlags) -> io::Result<Transferred<usize>> {
        if bytes_vfuncs::is_plain(self.class)
            && !buf.is_empty()
            && let Some(stream) = self.channel().imp().stream.get()
            && let Some(written) = stream.send(buf)
        {
            return written
                .map(Transferred::whole)
                .map_err(|e| self.or_closed(e));
        }
        self.writev(&[IoSlice::new(buf)], &[], flags)
            .map(Transferred::whole)
    }

    /// Reads what a dropped future had read, if there is any.
    #[cold]
    #[inline(never)]
    fn take_unread(
        self,
        iov: &mut [IoSliceMut<'_>],
        fds: &mut Option<&mut Vec<OwnedFd>>,
        flags: ReadFlags,
    ) -> Option<usize> {
        let channel = self.channel();
        let unread = &channel.imp().waiters.unread;
        if channel.imp().is_closed() {
            return None;
        }
        unread.take(iov, fds.as_deref_mut(), flags.contains(ReadFlags::PEEK))
    }

    #[inline(always)]
    pub(crate) fn writev(
        self,
        iov: &[IoSlice<'_>],
        fds: &[BorrowedFd<'_>],
        flags: WriteFlags,
    ) -> io::Result<usize> {
        // Anybody can make flags of any bits.
        self.writev_as_promised(iov, fds, flags - WriteFlags::LENT)
    }

    /// As [`writev`](Self::writev), for callers whose promise [`WriteFlags::LENT`] is.
    #[inline]
    pub(super) fn writev_as_promised(
        self,
        iov: &[IoSlice<'_>],
        fds: &[BorrowedFd<'_>],
        flags: WriteFlags,
    ) -> io::Result<usize> {
        let size = total_len(iov);
        let plain = self.begin()?;
        let promised = self.check_write(size, !fds.is_empty(), flags)?;
        if size == 0 {
            return self.write_nothing(flags);
        }
        if buffers::is_unusual(iov.len(), size)
            && let Some(iov) = buffers::to_write(iov, size)?
        {
            return self.writev_as_promised(&iov, fds, flags);
        }
        if !plain && bytes_vfuncs::bytes_write(self.class) {
            bytes_vfuncs::writev_by_bytes(self, iov, fds, flags - WriteFlags::LENT)
        } else {
            self.slot_writev(iov, size, fds, promised)
        }
    }

    /// Where each write is a message it may be an empty one; elsewhere there is nothing to do.
    #[cold]
    #[inline(never)]
    fn write_nothing(self, flags: WriteFlags) -> io::Result<usize> {
        self.check_open()?;
        if !self.channel().imp().is_message_oriented() {
            return Ok(0);
        }
        // Nothing that could be sent without a copy.
        let flags = flags - WriteFlags::LENT - WriteFlags::ZERO_COPY;
        match bytes_vfuncs::bytes_write(self.class) {
            true => self.slot_write_bytes(&glib::Bytes::from_static(&[]), &[], flags),
            false => self.slot_writev(&[IoSlice::new(&[])], 0, &[], flags),
        }
    }

    pub(crate) fn read_bytes(
        self,
        count: usize,
        mut fds: Option<&mut Vec<OwnedFd>>,
        flags: ReadFlags,
    ) -> io::Result<glib::Bytes> {
        self.check_open()?;
        self.check_read(fds.is_some(), flags)?;
        if count == 0 {
            return Ok(glib::Bytes::from_static(&[]));
        }
        if watch::anything_unread() {
            let mut buf = zeros(count)?;
            let taken = self.take_unread(&mut [IoSliceMut::new(&mut buf)], &mut fds, flags);
            if let Some(taken) = taken {
                return Ok(into_bytes(buf, taken));
            }
        }
        if bytes_vfuncs::bytes_read(self.class) {
            self.slot_read_bytes(count, fds, flags)
        } else {
            bytes_vfuncs::read_bytes_by_iov(self, count, fds, flags)
        }
    }

    pub(crate) fn write_bytes(
        self,
        bytes: &glib::Bytes,
        fds: &[BorrowedFd<'_>],
        flags: WriteFlags,
    ) -> io::Result<usize> {
        let flags = flags - WriteFlags::LENT;
        self.check_open()?;
        let promised = self.check_write(bytes.len(), !fds.is_empty(), flags)?;
        if bytes.is_empty() {
            return self.write_nothing(flags);
        }
        if bytes_vfuncs::bytes_write(self.class) {
            self.slot_write_bytes(bytes, fds, flags)
        } else {
            self.slot_writev(&[IoSlice::new(bytes)], bytes.len(), fds, promised)
        }
    }

    /// Writes what bytes hold from some place on; without a copy if the flags say so, and the class
    /// can keep them until they have been sent.
    pub(crate) fn write_owned(
        self,
        bytes: &glib::Bytes,
        from: usize,
        fds: &[BorrowedFd<'_>],
        flags: WriteFlags,
    ) -> io::Result<usize> {
        let data = &bytes[from..];
        let keep = match flags.contains(WriteFlags::ZERO_COPY) && !data.is_empty() {
            true => self.class.write_owned_fn().filter(|_| fds.is_empty()),
            false => None,
        };
        match keep {
            Some(keep) => {
                self.check_open()?;
                self.check_write(data.len(), false, flags)?;
                keep(&self.channel(), bytes, from, flags)
            }
            None if from == 0 => self.write_bytes(bytes, fds, flags),
            None => self.writev(&[IoSlice::new(data)], fds, flags),
        }
    }

    pub(crate) fn close(self) -> io::Result<()> {
        let slot = self.class.io_close.unwrap_or(defaults::close);
        // SAFETY: the slot is called on an instance of its class, as all below.
        self.status("close", |error| unsafe { slot(self.ioc(), error) })
    }

    /// What the class does before a channel is closed that is aborted.
    pub(crate) fn prepare_abort(self) {
        if let Some(abort) = self.class.abort_fn() {
            abort(&self.channel());
        }
    }

    pub(crate) fn create_watch(self, condition: IOCondition) -> glib::Source {
        let slot = self.class.io_create_watch.unwrap_or(defaults::create_watch);
        // SAFETY: the slot gives its source away.
        unsafe {
            let source = slot(self.ioc(), condition.into_glib());
            self.channel()
                .watched(|watched| watch::adopt(watched, condition, source))
        }
    }

    pub(crate) fn set_blocking(self, enabled: bool) -> io::Result<()> {
        self.check_open()?;
        let slot = self.class.io_set_blocking.unwrap_or(defaults::set_blocking);
        // SAFETY: see `close`.
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
        // SAFETY: see `close`.
        self.status("shut down", |error| unsafe {
            slot(self.ioc(), how.into_glib(), error)
        })
    }

    pub(crate) fn set_cork(self, enabled: bool) {
        let slot = self.class.io_set_cork.unwrap_or(defaults::hint);
        // SAFETY: see `close`.
        unsafe { slot(self.ioc(), enabled.into_glib()) };
    }

    pub(crate) fn set_delay(self, enabled: bool) {
        let slot = self.class.io_set_delay.unwrap_or(defaults::hint);
        // SAFETY: see `close`.
        unsafe { slot(self.ioc(), enabled.into_glib()) };
    }

    pub(crate) fn seek(self, to: SeekFrom) -> io::Result<u64> {
        self.check_open()?;
        let (offset, whence) = match to {
            SeekFrom::Start(offset) => (signed(offset)?, libc::SEEK_SET),
            SeekFrom::Current(offset) => (offset, libc::SEEK_CUR),
            SeekFrom::End(offset) => (offset, libc::SEEK_END),
        };
        let slot = self.class.io_seek.unwrap_or(defaults::seek);
        // SAFETY: see `close`.
        let (position, error) =
            with_error(|error| unsafe { slot(self.ioc(), offset, whence, error) });
        error.map_err(|e| self.or_closed(e))?;
        u64::try_from(position).map_err(|_| self.unexplained("seek in"))
    }

    /// # Safety
    ///
    /// The handlers must be fit to be called, from the thread that runs the context,
    /// until others have been set in their place.
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
        let slot = self.class.io_set_aio_fd_handler.unwrap_or(handlers::set);
        // SAFETY: see `close`; the rest is the caller's promise.
        unsafe { slot(self.ioc(), context.to_glib_none().0, read, write, opaque) };
    }

    pub(crate) fn wait_fd(self, condition: IOCondition) -> Readiness {
        let slot = self.class.io_wait_fd.unwrap_or(defaults::wait_fd);
        let mut wanted = 0;
        // SAFETY: see `close`.
        let fd = unsafe { slot(self.ioc(), condition.into_glib(), &mut wanted) };
        match fd {
            ffi::QIO_CHANNEL_WAIT_NOW => Readiness::Now,
            // A descriptor without a condition is what a raising binding leaves.
            fd if fd >= 0 && wanted != 0 => {
                Readiness::Fd(fd, IOCondition::from_bits_truncate(wanted))
            }
            _ => Readiness::Watch,
        }
    }

    pub(crate) fn preadv(self, iov: &mut [IoSliceMut<'_>], start: u64) -> io::Result<usize> {
        self.check_open()?;
        let offset = signed(start)?;
        let room = total_len(iov);
        if room == 0 {
            return Ok(0);
        }
        if buffers::is_unusual(iov.len(), room)
            && let Some(mut iov) = buffers::to_read(iov, room)?
        {
            return self.preadv(&mut iov, start);
        }
        let slot = self.class.io_preadv.unwrap_or(defaults::preadv);
        // SAFETY: see `close`; an IoSliceMut has the layout of an iovec.
        self.count("read from", room, |error| unsafe {
            slot(
                self.ioc(),
                iov.as_mut_ptr().cast(),
                iov.len(),
                offset,
                error,
            )
        })
    }

    pub(crate) fn pwritev(self, iov: &[IoSlice<'_>], start: u64) -> io::Result<usize> {
        self.check_open()?;
        let offset = signed(start)?;
        let size = total_len(iov);
        if size == 0 {
            return Ok(0);
        }
        if buffers::is_unusual(iov.len(), size)
            && let Some(iov) = buffers::to_write(iov, size)?
        {
            return self.pwritev(&iov, start);
        }
        let slot = self.class.io_pwritev.unwrap_or(defaults::pwritev);
        // SAFETY: see `close`; an IoSlice has the layout of an iovec.
        let written = self.count("write to", size, |error| unsafe {
            slot(self.ioc(), iov.as_ptr().cast(), iov.len(), offset, error)
        })?;
        self.some(written, size)
    }

    pub(crate) fn flush(self) -> io::Result<Flushed> {
        self.check_open()?;
        let slot = self.class.io_flush.unwrap_or(defaults::flush);
        let mut flushed = Flushed::Sent;
        // SAFETY: see `close`.
        self.status("flush", |error| unsafe {
            let status = slot(self.ioc(), error);
            if status > 0 {
                flushed = Flushed::Copied;
            }
            status
        })?;
        Ok(flushed)
    }

    pub(crate) fn credentials(self) -> io::Result<gio::Credentials> {
        self.check_open()?;
        let slot = self
            .class
            .io_get_credentials
            .unwrap_or(defaults::get_credentials);
        // SAFETY: see `close`; the slot gives a reference away, or NULL.
        let (credentials, error) = with_error(|error| unsafe {
            let raw = slot(self.ioc(), error);
            Option::<gio::Credentials>::from_glib_full(raw)
        });
        error.map_err(|e| self.or_closed(e))?;
        credentials.ok_or_else(|| self.unexplained("get the credentials of"))
    }
}
