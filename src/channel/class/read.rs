//! The invokers of reads.

#[cfg(feature = "hyper")]
use std::mem::MaybeUninit;
use std::{
    io::{self, IoSliceMut},
    os::fd::OwnedFd,
    slice,
};

use glib::subclass::prelude::*;

use super::{Transferred, VFuncs, buffers, bytes_vfuncs, call::signed, defaults};
use crate::{
    channel::observed,
    hub::Direction,
    observe,
    types::{ReadFlags, into_bytes, total_len, zeros},
};

impl VFuncs<'_> {
    // Without a frame of its own on the way to the virtual function.
    #[inline]
    pub(crate) fn read(self, buf: &mut [u8]) -> io::Result<usize> {
        let mut buf = IoSliceMut::new(buf);
        self.readv(slice::from_mut(&mut buf), None, ReadFlags::empty())
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

    /// As [`readv`](Self::readv). Returns also whether the read was short.
    #[inline(always)]
    pub(crate) fn try_readv(
        self,
        iov: &mut [IoSliceMut<'_>],
        fds: Option<&mut Vec<OwnedFd>>,
        flags: ReadFlags,
    ) -> io::Result<Transferred<usize>> {
        let plain = self.begin()?;
        self.check_read(fds.is_some(), flags)?;
        let space = total_len(iov);
        if space == 0 {
            return self.check_open().map(|()| Transferred::whole(0));
        }
        if observe::takes_slow_path() {
            return self.readv_unusual(plain, space, iov, fds, flags);
        }
        self.readv_usual(plain, space, iov, fds, flags)
    }

    /// As [`try_readv`](Self::try_readv), after its checks, where some channel has pushed-back
    /// data, or calls are counted.
    #[cold]
    #[inline(never)]
    fn readv_unusual(
        self,
        plain: bool,
        space: usize,
        iov: &mut [IoSliceMut<'_>],
        mut fds: Option<&mut Vec<OwnedFd>>,
        flags: ReadFlags,
    ) -> io::Result<Transferred<usize>> {
        if let Some(count) = self.take_pushback(iov, &mut fds, flags) {
            return Ok(Transferred::whole(count));
        }
        let count = |read: &Transferred<usize>| match flags.contains(ReadFlags::PEEK) {
            true => 0,
            false => read.result,
        };
        observed::transfer(&self.channel(), Direction::Read, count, || {
            self.readv_usual(plain, space, iov, fds, flags)
        })
    }

    #[inline(always)]
    fn readv_usual(
        self,
        plain: bool,
        space: usize,
        iov: &mut [IoSliceMut<'_>],
        fds: Option<&mut Vec<OwnedFd>>,
        flags: ReadFlags,
    ) -> io::Result<Transferred<usize>> {
        if buffers::exceed_limits(iov.len(), space)
            && let Some(mut iov) = buffers::to_read(iov, space)?
        {
            let space = total_len(&iov);
            let read = self.readv_again(plain, space, &mut iov, fds, flags)?;
            return Ok(Transferred::whole(read.result));
        }
        // A read with descriptors ends at ancillary data, and a read with `PEEK` leaves the data.
        let drains = fds.is_none() && !flags.contains(ReadFlags::PEEK);
        let result = if !plain && bytes_vfuncs::bytes_read(self.class) {
            bytes_vfuncs::readv_by_bytes(self, iov, fds, flags)?
        } else {
            self.slot_readv(iov, space, fds, flags)?
        };
        let short = drains && 0 < result && result < space;
        Ok(Transferred { result, short })
    }

    #[cold]
    #[inline(never)]
    fn readv_again(
        self,
        plain: bool,
        space: usize,
        iov: &mut [IoSliceMut<'_>],
        fds: Option<&mut Vec<OwnedFd>>,
        flags: ReadFlags,
    ) -> io::Result<Transferred<usize>> {
        self.readv_usual(plain, space, iov, fds, flags)
    }

    /// As [`try_readv`](Self::try_readv), into one buffer and without blocking, by the shortest
    /// path.
    #[inline(always)]
    pub(crate) fn try_read(
        self,
        buf: &mut [u8],
        flags: ReadFlags,
    ) -> io::Result<Transferred<usize>> {
        if bytes_vfuncs::is_plain_class(self.class)
            && !buf.is_empty()
            && !observe::takes_slow_path()
            && let Some(stream) = self.channel().imp().stream.get()
            && let Some(read) = stream.recv(buf)
        {
            let result = read.map_err(|e| self.or_closed(e))?;
            let short = 0 < result && result < buf.len();
            return Ok(Transferred { result, short });
        }
        self.try_readv(&mut [IoSliceMut::new(buf)], None, flags)
    }

    /// As [`try_read`](Self::try_read), into memory that may be uninitialized. Initializes as many
    /// bytes of it as it returns.
    #[cfg(feature = "hyper")]
    pub(crate) fn try_read_uninit(
        self,
        memory: &mut [MaybeUninit<u8>],
        flags: ReadFlags,
    ) -> io::Result<Transferred<usize>> {
        // No more than that is worth zeroing for a read that may be short.
        const ZEROED: usize = 16 * 1024;
        let channel = self.channel();
        let mut bottom = &*channel;
        let bottom_is_plain = loop {
            let vfuncs = VFuncs::of(bottom);
            match bottom.below() {
                Some(below) if vfuncs.honors_no_wait() => bottom = below,
                _ => break bytes_vfuncs::is_plain_class(vfuncs.class),
            }
        };
        let buf = match bottom_is_plain {
            // SAFETY: the layers and the class at the bottom, which is plain, are of this crate.
            // Their functions write to the buffers, by system calls, by OpenSSL and by copies, and
            // do not read them, nor pass them to code of an application.
            true => unsafe { buffers::assume_init(memory) },
            false => {
                let len = memory.len().min(ZEROED);
                buffers::zeroed(&mut memory[..len])
            }
        };
        self.try_read(buf, flags)
    }

    /// Reads pushed-back data, if there is any.
    #[cold]
    #[inline(never)]
    fn take_pushback(
        self,
        iov: &mut [IoSliceMut<'_>],
        fds: &mut Option<&mut Vec<OwnedFd>>,
        flags: ReadFlags,
    ) -> Option<usize> {
        let channel = self.channel();
        let pushback = &channel.imp().channel_state.pushback;
        if channel.imp().is_closed() {
            return None;
        }
        pushback.take(iov, fds.as_deref_mut(), flags.contains(ReadFlags::PEEK))
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
        if self.channel().has_pushback() {
            let mut buf = zeros(count)?;
            let taken = self.take_pushback(&mut [IoSliceMut::new(&mut buf)], &mut fds, flags);
            if let Some(taken) = taken {
                return Ok(into_bytes(buf, taken));
            }
        }
        let read = || match bytes_vfuncs::bytes_read(self.class) {
            true => self.slot_read_bytes(count, fds, flags),
            false => bytes_vfuncs::read_bytes_by_iov(self, count, fds, flags),
        };
        let count = |bytes: &glib::Bytes| match flags.contains(ReadFlags::PEEK) {
            true => 0,
            false => bytes.len(),
        };
        observed::transfer(&self.channel(), Direction::Read, count, read)
    }

    pub(crate) fn preadv(self, iov: &mut [IoSliceMut<'_>], start: u64) -> io::Result<usize> {
        let read = || self.preadv_uncounted(iov, start);
        observed::transfer(&self.channel(), Direction::Read, |count| *count, read)
    }

    fn preadv_uncounted(self, iov: &mut [IoSliceMut<'_>], start: u64) -> io::Result<usize> {
        self.check_open()?;
        let offset = signed(start)?;
        let space = total_len(iov);
        if space == 0 {
            return Ok(0);
        }
        if buffers::exceed_limits(iov.len(), space)
            && let Some(mut iov) = buffers::to_read(iov, space)?
        {
            return self.preadv_uncounted(&mut iov, start);
        }
        let slot = self.class.io_preadv.unwrap_or(defaults::preadv);
        // SAFETY: `ioc` is an instance of `class`; an IoSliceMut has the layout of an iovec.
        self.count("read from", space, |error| unsafe {
            slot(
                self.ioc(),
                iov.as_mut_ptr().cast(),
                iov.len(),
                offset,
                error,
            )
        })
    }
}
