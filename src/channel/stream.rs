//! Channels as the streams of `std::io`.

use std::io::{self, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};

use glib::IOCondition;

use super::{Channel, ChannelFutureExt as _, all::blocking, class::VFuncs, flush};
use crate::{
    coroutine,
    types::{ReadFlags, WriteFlags},
};

/// Implements `Read`, `Write` and `Seek` for references to a class, by the functions of
/// the same name of [`ChannelExt`](super::ChannelExt).
macro_rules! std_io {
    ($class:ty) => {
        /// Reads as [`ChannelExt::read`](crate::ChannelExt::read): on a non-blocking channel it may fail with
        /// [`WouldBlock`](std::io::ErrorKind::WouldBlock).
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

        /// Writes as [`ChannelExt::write`](crate::ChannelExt::write): on a non-blocking channel it may fail with
        /// [`WouldBlock`](std::io::ErrorKind::WouldBlock).
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
                $crate::channel::ChannelExt::seek(*self, pos)
            }
        }
    };
}
pub(crate) use std_io;

std_io!(Channel);

/// A channel whose `Read` and `Write` wait instead of failing with would-block,
/// whatever its mode: for code written for blocking streams. In a coroutine it gives the main
/// loop back meanwhile.
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
/// BufReader::new(here.waiting()).read_line(&mut line)?;
/// assert_eq!(line, "a line\n");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Waiting(Channel);

impl Waiting {
    pub(super) fn new(channel: Channel) -> Self {
        Self(channel)
    }

    /// The channel itself.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        &self.0
    }
}

impl Read for Waiting {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.read_vectored(&mut [IoSliceMut::new(buf)])
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        if coroutine::in_coroutine() {
            return coroutine::wait_for(self.0.readv_future(bufs))?;
        }
        let slots = VFuncs::of(&self.0);
        blocking(&self.0, IOCondition::IN, || {
            slots.readv(bufs, None, ReadFlags::empty()).map(Some)
        })
    }
}

impl Write for Waiting {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        if coroutine::in_coroutine() {
            return coroutine::wait_for(self.0.writev_future(bufs))?;
        }
        let slots = VFuncs::of(&self.0);
        blocking(&self.0, IOCondition::OUT, || {
            slots.writev(bufs, &[], WriteFlags::empty()).map(Some)
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        flush::blocking(&self.0).map(|_| ())
    }
}

impl Seek for Waiting {
    fn seek(&mut self, pos: SeekFrom) -> io::Result<u64> {
        VFuncs::of(&self.0).seek(pos)
    }
}
