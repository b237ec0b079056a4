//! [`ChannelSeekExt`]: positions, documentation and one-line bodies.

use std::io::{self, IoSlice, IoSliceMut, SeekFrom};

use glib::prelude::*;

use super::{
    Channel,
    class::VFuncs,
    transfer::{ReadAll, WriteAll},
};

/// The methods of every [`Channel`] that move its position, or read and write at an offset.
///
/// # Errors
///
/// Without [`Feature::SEEKABLE`](crate::Feature::SEEKABLE) all fail with
/// [`Unsupported`](io::ErrorKind::Unsupported); else those of
/// [`ChannelExt`](super::ChannelExt).
pub trait ChannelSeekExt: IsA<Channel> + 'static {
    /// Moves the position of the channel and returns the new one, in bytes.
    #[doc(alias = "qio_channel_io_seek")]
    fn seek(&self, to: SeekFrom) -> io::Result<u64> {
        VFuncs::of(self.as_ref()).seek(to)
    }

    /// Reads once at an offset in bytes, into several buffers.
    ///
    /// The position does not change.
    #[doc(alias = "qio_channel_preadv")]
    fn preadv(&self, iov: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<usize> {
        VFuncs::of(self.as_ref()).preadv(iov, offset)
    }

    /// Reads once at an offset in bytes. The position does not change.
    #[doc(alias = "qio_channel_pread")]
    #[doc(alias = "qio_channel_pread_bytes")]
    fn pread(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.preadv(&mut [IoSliceMut::new(buf)], offset)
    }

    /// Writes once at an offset in bytes, from several buffers.
    ///
    /// The position does not change.
    #[doc(alias = "qio_channel_pwritev")]
    fn pwritev(&self, iov: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        VFuncs::of(self.as_ref()).pwritev(iov, offset)
    }

    /// Writes once at an offset in bytes. The position does not change.
    #[doc(alias = "qio_channel_pwrite")]
    #[doc(alias = "qio_channel_pwrite_bytes")]
    fn pwrite(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.pwritev(&[IoSlice::new(buf)], offset)
    }

    /// Reads until all buffers are full, from an offset in bytes.
    ///
    /// As [`readv_all`](super::ChannelExt::readv_all). The position does not change.
    #[doc(alias = "qio_channel_preadv_all")]
    fn preadv_all(&self, iov: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<()> {
        ReadAll::new(iov).at(offset).run(self.as_ref())
    }

    /// Reads until all buffers are full, from an offset in bytes.
    ///
    /// As [`readv_all_eof`](super::ChannelExt::readv_all_eof). The position does not change.
    #[doc(alias = "qio_channel_preadv_all_eof")]
    fn preadv_all_eof(&self, iov: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<bool> {
        ReadAll::new(iov).at(offset).run_eof(self.as_ref())
    }

    /// Reads until the buffer is full, from an offset. See [`preadv_all`](Self::preadv_all).
    #[doc(alias = "qio_channel_pread_all")]
    fn pread_all(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.preadv_all(&mut [IoSliceMut::new(buf)], offset)
    }

    /// Reads until the buffer is full, from an offset. See
    /// [`preadv_all_eof`](Self::preadv_all_eof).
    #[doc(alias = "qio_channel_pread_all_eof")]
    fn pread_all_eof(&self, buf: &mut [u8], offset: u64) -> io::Result<bool> {
        self.preadv_all_eof(&mut [IoSliceMut::new(buf)], offset)
    }

    /// Writes all buffers, from an offset in bytes.
    ///
    /// As [`writev_all`](super::ChannelExt::writev_all). The position does not change.
    #[doc(alias = "qio_channel_pwritev_all")]
    fn pwritev_all(&self, iov: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        WriteAll::new(iov).at(offset).run(self.as_ref())
    }

    /// Writes the whole buffer, from an offset. See [`pwritev_all`](Self::pwritev_all).
    #[doc(alias = "qio_channel_pwrite_all")]
    fn pwrite_all(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.pwritev_all(&[IoSlice::new(buf)], offset)
    }
}

impl<T: IsA<Channel>> ChannelSeekExt for T {}
