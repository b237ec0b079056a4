//! The `std::io` streams of channels.

use std::io::{self, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};

use glib::IOCondition;

use super::{Channel, ChannelFutureExt as _, class::VFuncs, flush, transfer::blocking};
use crate::{
    coroutine,
    types::{ReadFlags, WriteFlags},
};

/// Implements `Read`, `Write` and `Seek` for references to a class, by the functions of the same
/// name of [`ChannelExt`](super::ChannelExt).
macro_rules! std_io {
    ($class:ty) => {
        /// Reads as [`ChannelExt::read`](crate::ChannelExt::read): on a non-blocking channel it may
        /// fail with [`WouldBlock`](std::io::ErrorKind::WouldBlock).
        impl std::io::Read for &$class {
            fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
                $crate::channel::ChannelExt::read(*self, buf)
            }

            fn read_vectored(
                &mut self,
                bufs: &mut [std::io::IoSliceMut<'_>],
            ) -> std::io::Result<usize> {
                $crate::channel::ChannelExt::readv(*self, bufs)
            }
        }

        /// Writes as [`ChannelExt::write`](crate::ChannelExt::write): on a non-blocking channel it
        /// may fail with [`WouldBlock`](std::io::ErrorKind::WouldBlock).
        impl std::io::Write for &$class {
            fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
                $crate::channel::ChannelExt::write(*self, buf)
            }

            fn write_vectored(&mut self, bufs: &[std::io::IoSlice<'_>]) -> std::io::Result<usize> {
                $crate::channel::ChannelExt::writev(*self, bufs)
            }

            fn flush(&mut self) -> std::io::Result<()> {
                $crate::channel::ChannelExt::flush(*self).map(|_| ())
            }
        }

        impl std::io::Seek for &$class {
            fn seek(&mut self, pos: std::io::SeekFrom) -> std::io::Result<u64> {
                $crate::channel::ChannelSeekExt::seek(*self, pos)
            }
        }
    };
}
pub(crate) use std_io;

std_io!(Channel);

/// A `std::io` stream of a channel that blocks whatever the mode is.
///
/// Made by [`ChannelExt::blocking_io`](crate::ChannelExt::blocking_io), for code written for
/// blocking streams. In a coroutine it suspends that, and the main loop continues.
///
/// # Examples
///
/// ```
/// use std::io::{BufRead, BufReader};
/// use qio::prelude::*;
///
/// # fn main() -> std::io::Result<()> {
/// let (here, there) = qio::ChannelSocket::pair()?;
/// here.set_blocking(false)?;
/// std::thread::spawn(move || there.write_all(b"a line\n"));
/// let mut line = String::new();
/// BufReader::new(here.blocking_io()).read_line(&mut line)?;
/// assert_eq!(line, "a line\n");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct BlockingIo(Channel);

impl BlockingIo {
    pub(super) fn new(channel: Channel) -> Self {
        Self(channel)
    }

    /// Returns the channel.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        &self.0
    }
}

impl Read for BlockingIo {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.read_vectored(&mut [IoSliceMut::new(buf)])
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        if coroutine::in_coroutine() {
            return coroutine::wait_for(self.0.readv_future(bufs))?;
        }
        let vfuncs = VFuncs::of(&self.0);
        blocking(&self.0, IOCondition::IN, || {
            vfuncs.readv(bufs, None, ReadFlags::empty()).map(Some)
        })
    }
}

impl Write for BlockingIo {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        if coroutine::in_coroutine() {
            return coroutine::wait_for(self.0.writev_future(bufs))?;
        }
        let vfuncs = VFuncs::of(&self.0);
        blocking(&self.0, IOCondition::OUT, || {
            vfuncs.writev(bufs, &[], WriteFlags::empty()).map(Some)
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        flush::blocking(&self.0).map(|_| ())
    }
}

impl Seek for BlockingIo {
    fn seek(&mut self, pos: SeekFrom) -> io::Result<u64> {
        VFuncs::of(&self.0).seek(pos)
    }
}
