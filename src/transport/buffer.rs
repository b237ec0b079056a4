//! A channel on memory.

use std::{
    io::{self, IoSlice, IoSliceMut, SeekFrom},
    os::fd::{BorrowedFd, OwnedFd},
    sync::{LazyLock, Mutex, MutexGuard},
};

use glib::{ParamSpec, prelude::*, subclass::prelude::*};

use crate::{
    channel::{Channel, ChannelImpl, ffi::derived_class, stream::std_io},
    error::{invalid, with_context},
    sys::lock,
    types::{Feature, ReadFlags, Readiness, WriteFlags, scatter, total_len},
};

/// A growing buffer with one position for reads and writes.
#[derive(Debug, Default)]
struct Memory {
    data: Vec<u8>,
    /// May be beyond the end of the data, as in a file.
    position: u64,
}

impl Memory {
    fn read_at(&self, offset: u64, iov: &mut [IoSliceMut<'_>]) -> usize {
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(self.data.len());
        scatter(&self.data[start..], iov)
    }

    /// Writes all or nothing; a gap before `offset` is filled with zeros.
    fn write_at(&mut self, offset: u64, iov: &[IoSlice<'_>]) -> io::Result<usize> {
        let count = total_len(iov);
        let too_large = || {
            let action = format!("Unable to grow the memory to {offset} + {count} bytes");
            with_context(io::Error::from_raw_os_error(libc::EFBIG), action)
        };
        let start = usize::try_from(offset).map_err(|_| too_large())?;
        let end = start.checked_add(count).ok_or_else(too_large)?;
        if end > self.data.len() {
            self.data
                .try_reserve(end - self.data.len())
                .map_err(|_| too_large())?;
            self.data.resize(end, 0);
        }
        let mut at = start;
        for buf in iov {
            self.data[at..at + buf.len()].copy_from_slice(buf);
            at += buf.len();
        }
        Ok(count)
    }
}

mod imp {
    use super::*;

    #[derive(Debug, Default)]
    pub struct ChannelBuffer {
        /// Locked while bytes are copied, and never during a system call.
        memory: Mutex<Memory>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for ChannelBuffer {
        const NAME: &'static str = "QIOChannelBuffer";
        type Type = super::ChannelBuffer;
        type ParentType = Channel;
        type Class = QIOChannelBufferClass;
        type Instance = QIOChannelBuffer;
    }

    impl ObjectImpl for ChannelBuffer {
        fn properties() -> &'static [ParamSpec] {
            static PROPERTIES: LazyLock<[ParamSpec; 2]> = LazyLock::new(|| {
                [
                    glib::ParamSpecUInt64::builder("size")
                        .nick("Size")
                        .blurb("The size of the memory in bytes")
                        .read_only()
                        .build(),
                    glib::ParamSpecUInt64::builder("position")
                        .nick("Position")
                        .blurb("The position of the next read or write")
                        .read_only()
                        .build(),
                ]
            });
            &*PROPERTIES
        }

        fn property(&self, _id: usize, pspec: &ParamSpec) -> glib::Value {
            let memory = self.memory();
            match pspec.name() {
                "size" => (memory.data.len() as u64).to_value(),
                "position" => memory.position.to_value(),
                name => unreachable!("no property {name}"),
            }
        }

        fn constructed(&self) {
            self.parent_constructed();
            self.obj()
                .upcast_ref::<Channel>()
                .add_features(Feature::SEEKABLE);
        }
    }

    impl ChannelImpl for ChannelBuffer {
        fn readv(
            &self,
            iov: &mut [IoSliceMut<'_>],
            _fds: Option<&mut Vec<OwnedFd>>,
            _flags: ReadFlags,
        ) -> io::Result<usize> {
            let mut memory = self.memory();
            let count = memory.read_at(memory.position, iov);
            memory.position += count as u64;
            Ok(count)
        }

        fn writev(
            &self,
            iov: &[IoSlice<'_>],
            _fds: &[BorrowedFd<'_>],
            _flags: WriteFlags,
        ) -> io::Result<usize> {
            let mut memory = self.memory();
            let position = memory.position;
            let count = memory.write_at(position, iov)?;
            memory.position += count as u64;
            Ok(count)
        }

        fn preadv(&self, iov: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<usize> {
            Ok(self.memory().read_at(offset, iov))
        }

        fn pwritev(&self, iov: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
            self.memory().write_at(offset, iov)
        }

        /// Keeps the data: [`data`](super::ChannelBuffer::data) still returns it.
        fn close(&self) -> io::Result<()> {
            Ok(())
        }

        fn set_blocking(&self, _enabled: bool) -> io::Result<()> {
            Ok(())
        }

        fn seek(&self, to: SeekFrom) -> io::Result<u64> {
            let mut memory = self.memory();
            let position = match to {
                SeekFrom::Start(offset) => Some(offset),
                SeekFrom::Current(offset) => memory.position.checked_add_signed(offset),
                SeekFrom::End(offset) => (memory.data.len() as u64).checked_add_signed(offset),
            };
            memory.position = position
                .filter(|&position| i64::try_from(position).is_ok())
                .ok_or_else(|| invalid("Position is negative or too large"))?;
            Ok(memory.position)
        }

        fn wait_fd(&self, _condition: glib::IOCondition) -> Readiness {
            Readiness::Now
        }
    }

    impl ChannelBuffer {
        pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
            lock(&self.memory)
        }
    }
}

derived_class!(
    ChannelBuffer,
    imp::ChannelBuffer,
    ChannelBufferImpl,
    QIOChannelBuffer,
    QIOChannelBufferClass
);

glib::wrapper! {
    /// Memory that is read and written like a file, with one position for both.
    ///
    /// It can seek, grows as needed, and is always ready.
    ///
    /// # Properties
    ///
    /// `size` and `position`, unsigned 64-bit integers in bytes, readable.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::SeekFrom;
    /// use qio::prelude::*;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let buffer = qio::ChannelBuffer::new(64);
    /// buffer.write_all(b"to be read again")?;
    /// buffer.seek(SeekFrom::Start(6))?;
    /// let mut word = [0; 4];
    /// buffer.read_all(&mut word)?;
    /// assert_eq!(&word, b"read");
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "QIOChannelBuffer")]
    pub struct ChannelBuffer(ObjectSubclass<imp::ChannelBuffer>) @extends Channel;
}

static_assertions::assert_impl_all!(ChannelBuffer: Send, Sync);
std_io!(ChannelBuffer);

impl ChannelBuffer {
    /// Creates an empty channel with memory for `capacity` bytes.
    ///
    /// A capacity that cannot be allocated is not reserved.
    #[doc(alias = "qio_channel_buffer_new")]
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let this: Self = glib::Object::new();
        let _ = this.imp().memory().data.try_reserve(capacity);
        this
    }

    /// Returns a copy of all data, whatever the position is.
    #[doc(alias = "qio_channel_buffer_get_data")]
    #[must_use]
    pub fn data(&self) -> glib::Bytes {
        glib::Bytes::from(&self.imp().memory().data[..])
    }

    /// Returns the number of bytes in the memory.
    #[doc(alias = "qio_channel_buffer_get_size")]
    #[must_use]
    pub fn size(&self) -> u64 {
        self.imp().memory().data.len() as u64
    }

    /// Returns the position of the next read or write, in bytes from the start.
    #[doc(alias = "qio_channel_buffer_get_position")]
    #[must_use]
    pub fn position(&self) -> u64 {
        // A read of a line may be ahead. Memory can always seek, unless the channel is closed.
        let _ = self.upcast_ref::<Channel>().take_back_pushback();
        self.imp().memory().position
    }
}

impl From<Vec<u8>> for ChannelBuffer {
    /// Creates a channel to read this data from, from the start.
    fn from(data: Vec<u8>) -> Self {
        let this: Self = glib::Object::new();
        this.imp().memory().data = data;
        this
    }
}
