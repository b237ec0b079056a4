//! Files, pipes, terminals: all descriptors that are not sockets.

use std::{
    fs::File,
    io::{self, IoSlice, IoSliceMut, SeekFrom},
    os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd},
    path::{Path, PathBuf},
    sync::{LazyLock, OnceLock},
};

use glib::{IOCondition, ParamSpec, prelude::*, subclass::prelude::*};

use super::endpoint::Endpoint;
use crate::{
    channel::{Channel, ChannelImpl, ffi::derived_class, leased_watch, stream::std_io},
    error::{not_supported, with_context},
    log,
    sys::{
        dummy,
        fd_info::{FdInfo, Kind},
        file, vectored,
    },
    types::{Feature, ReadFlags, Readiness, WriteFlags},
};

mod imp {
    use super::*;

    #[derive(Debug, Default)]
    pub struct ChannelFile {
        pub(super) end: Endpoint,
        pub(super) path: OnceLock<PathBuf>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for ChannelFile {
        const NAME: &'static str = "QIOChannelFile";
        type Type = super::ChannelFile;
        type ParentType = Channel;
        type Class = QIOChannelFileClass;
        type Instance = QIOChannelFile;

        fn class_init(class: &mut Self::Class) {
            class.parent_class.set_native_class(true, |channel, side| {
                let this = channel.downcast_ref::<super::ChannelFile>()?.imp();
                this.end.poll_fd(side, true)
            });
        }
    }

    impl ObjectImpl for ChannelFile {
        fn properties() -> &'static [ParamSpec] {
            static PROPERTIES: LazyLock<[ParamSpec; 2]> = LazyLock::new(|| {
                [
                    glib::ParamSpecInt::builder("fd")
                        .nick("File descriptor")
                        .blurb("The descriptor, or -1 when closed")
                        .minimum(-1)
                        .default_value(-1)
                        .read_only()
                        .build(),
                    glib::ParamSpecString::builder("path")
                        .nick("Path")
                        .blurb("The path that was opened, if any")
                        .read_only()
                        .build(),
                ]
            });
            &*PROPERTIES
        }

        fn property(&self, _id: usize, pspec: &ParamSpec) -> glib::Value {
            match pspec.name() {
                "fd" => self.end.fd.number().to_value(),
                "path" => self.path.get().to_value(),
                name => unreachable!("no property {name}"),
            }
        }
    }

    impl ChannelImpl for ChannelFile {
        fn readv(
            &self,
            iov: &mut [IoSliceMut<'_>],
            _fds: Option<&mut Vec<OwnedFd>>,
            flags: ReadFlags,
        ) -> io::Result<usize> {
            match self.end.kind() {
                Some(Kind::Disk) => vectored::readv(self.end.fd.get()?.as_fd(), iov),
                _ => self.end.read(self.obj().upcast_ref(), iov, flags),
            }
        }

        fn writev(
            &self,
            iov: &[IoSlice<'_>],
            _fds: &[BorrowedFd<'_>],
            flags: WriteFlags,
        ) -> io::Result<usize> {
            match self.end.kind() {
                Some(Kind::Disk) => vectored::writev(self.end.fd.get()?.as_fd(), iov),
                _ => self.end.write(self.obj().upcast_ref(), iov, flags),
            }
        }

        fn close(&self) -> io::Result<()> {
            // Before the number can be reused: waiters must not poll it any more.
            self.obj().upcast_ref::<Channel>().imp().mark_closed();
            self.end.close()
        }

        fn create_watch(&self, condition: IOCondition) -> glib::Source {
            let fd = self.end.fd.shared();
            leased_watch(self.obj().upcast_ref(), condition, fd, fd)
        }

        fn set_blocking(&self, enabled: bool) -> io::Result<()> {
            self.end.set_blocking(enabled)
        }

        fn seek(&self, to: SeekFrom) -> io::Result<u64> {
            positional(vectored::seek(self.end.fd.get()?.as_fd(), to))
        }

        fn preadv(&self, iov: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<usize> {
            positional(vectored::preadv(self.end.fd.get()?.as_fd(), iov, offset))
        }

        fn pwritev(&self, iov: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
            positional(vectored::pwritev(self.end.fd.get()?.as_fd(), iov, offset))
        }

        fn wait_fd(&self, condition: IOCondition) -> Readiness {
            match self.end.kind() {
                Some(Kind::Disk) => Readiness::Now,
                _ => self.end.fd.wait_fd(condition),
            }
        }
    }
}

/// The error of pipes and terminals, which have no position.
fn positional<T>(result: io::Result<T>) -> io::Result<T> {
    match result {
        Err(e) if e.raw_os_error() == Some(libc::ESPIPE) => {
            Err(not_supported("Channel does not support random access"))
        }
        result => result,
    }
}

derived_class!(
    ChannelFile,
    imp::ChannelFile,
    ChannelFileImpl,
    QIOChannelFile,
    QIOChannelFileClass
);

glib::wrapper! {
    /// A file, a pipe, a terminal: any descriptor that is not a socket.
    ///
    /// Files on disk are always ready, although reads may take long. A write to a pipe without a
    /// reader fails with [`BrokenPipe`](io::ErrorKind::BrokenPipe), and raises no `SIGPIPE`.
    ///
    /// [`close`](crate::ChannelExt::close) makes a reader that another thread has blocked on an
    /// empty pipe or terminal return, with the error of a closed channel, and a writer that waits
    /// for space. A large write to a pipe that has begun in blocking mode continues until the peer
    /// has read enough.
    ///
    /// In non-blocking mode, and in asynchronous calls in either mode, no call blocks, whatever
    /// other processes do with the same file, except for files on disk. A device that supports
    /// neither `RWF_NOWAIT` nor being opened again is put in non-blocking mode by the first
    /// asynchronous call, for every process that shares its description, until the channel is
    /// closed or dropped; blocking mode waits as before. If several threads read such a device in
    /// blocking mode, `close` may not wake one that another has preceded.
    ///
    /// # Properties
    ///
    /// `fd`, an integer, readable: -1 when closed; `path`, a string, readable.
    ///
    /// # Examples
    ///
    /// ```
    /// use qio::prelude::*;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let file = qio::ChannelFile::open("/proc/self/comm")?;
    /// let mut name = [0; 16];
    /// let count = file.read(&mut name)?;
    /// assert!(count > 0);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "QIOChannelFile")]
    pub struct ChannelFile(ObjectSubclass<imp::ChannelFile>) @extends Channel;
}

static_assertions::assert_impl_all!(ChannelFile: Send, Sync);
std_io!(ChannelFile);

impl ChannelFile {
    /// Creates a channel from a descriptor, which it owns.
    ///
    /// The mode is that of the descriptor.
    #[doc(alias = "qio_channel_file_new_fd")]
    #[must_use]
    pub fn new_fd(fd: OwnedFd) -> Self {
        let this: Self = glib::Object::new();
        this.adopt_fd(fd).expect("a new channel has no descriptor");
        this
    }

    /// Creates a channel from a duplicate of a descriptor, close-on-exec.
    ///
    /// The two share the position and the mode.
    ///
    /// # Errors
    ///
    /// The error of the system call, with the descriptor.
    #[doc(alias = "qio_channel_file_new_dupfd")]
    pub fn duplicate(fd: impl AsFd) -> io::Result<Self> {
        let fd = fd.as_fd();
        let duplicate = fd.try_clone_to_owned();
        let describe = |e| with_context(e, format!("Unable to duplicate {}", file::describe(fd)));
        duplicate.map_err(describe).map(Self::new_fd)
    }

    /// Passes ownership of a descriptor to a channel, which has none yet.
    ///
    /// For classes that derive from this one.
    ///
    /// # Errors
    ///
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists) if it had one before, and closed. The
    /// descriptor is closed then.
    #[doc(alias = "qio_channel_file_adopt_fd")]
    pub fn adopt_fd(&self, fd: OwnedFd) -> io::Result<()> {
        self.adopt_fd_from(&mut Some(fd))
    }

    /// As [`adopt_fd`](Self::adopt_fd). On failure the descriptor, which must be there, stays in
    /// `fd`.
    pub(crate) fn adopt_fd_from(&self, fd: &mut Option<OwnedFd>) -> io::Result<()> {
        self.imp().end.fd.check_unopened()?;
        // If that fails now, it may succeed when it is needed.
        let _ = dummy::prepare();
        let number = fd.as_ref().expect("there is one").as_fd();
        let fd_info = FdInfo::of(number).unwrap_or(FdInfo::UNKNOWN);
        let seekable = vectored::seek(number, SeekFrom::Current(0)).is_ok();
        let channel = self.upcast_ref::<Channel>();
        self.imp().end.fill_from(fd, fd_info, || {
            channel.imp().set_regular_file(fd_info.kind == Kind::Disk);
        })?;
        channel.set_blocking_state(fd_info.is_blocking);
        if seekable {
            channel.add_features(Feature::SEEKABLE);
        }
        Ok(())
    }

    /// Opens a path with `O_*` flags, and with a mode if that creates it.
    ///
    /// The descriptor is close-on-exec.
    ///
    /// # Errors
    ///
    /// The error of the system call, with the path.
    #[doc(alias = "qio_channel_file_new_path")]
    pub fn new_path(path: impl AsRef<Path>, flags: i32, mode: u32) -> io::Result<Self> {
        let path = path.as_ref();
        let fd = file::open(path, flags, mode)
            .map_err(|e| with_context(e, format!("Unable to open {}", path.display())))?;
        let this = Self::new_fd(fd);
        this.imp().path.set(path.to_owned()).expect("new");
        log::event(&this, || format!("opened {}", path.display()));
        Ok(this)
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    ///
    /// As [`new_path`](Self::new_path).
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::new_path(path, libc::O_RDONLY, 0)
    }

    /// Opens a file for writing, and truncates it or creates it.
    ///
    /// # Errors
    ///
    /// As [`new_path`](Self::new_path).
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::new_path(path, libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC, 0o666)
    }

    /// Creates a pipe: the first channel reads what the second one writes.
    ///
    /// # Errors
    ///
    /// The error of the system call.
    #[doc(alias = "qio_channel_file_new_pipe")]
    pub fn pipe() -> io::Result<(Self, Self)> {
        let pipe = file::pipe().map_err(|e| with_context(e, "Unable to create a pipe"));
        let (read, write) = pipe?;
        Ok((Self::new_fd(read), Self::new_fd(write)))
    }

    /// Returns the number of the descriptor, for display; -1 when closed.
    #[doc(alias = "qio_channel_file_get_fd")]
    #[must_use]
    pub fn fd(&self) -> RawFd {
        self.imp().end.fd.number()
    }

    /// Calls `f` with the descriptor, whose number is not reused meanwhile.
    ///
    /// If another thread closes the channel, it refers to a dummy file from then on.
    ///
    /// # Errors
    ///
    /// If the channel is closed.
    pub fn with_fd<R>(&self, f: impl FnOnce(BorrowedFd<'_>) -> R) -> io::Result<R> {
        Ok(f(self.imp().end.fd.get()?.as_fd()))
    }

    /// Returns the path that was opened, if it was one.
    #[doc(alias = "qio_channel_file_get_path")]
    #[must_use]
    pub fn path(&self) -> Option<PathBuf> {
        self.imp().path.get().cloned()
    }
}

impl From<File> for ChannelFile {
    fn from(file: File) -> Self {
        Self::new_fd(file.into())
    }
}
