//! One channel of two: what is read comes from one, what is written goes to another.

use std::io;

use nix::{
    fcntl::{FcntlArg, fcntl},
    sys::stat::fstat,
};
use qio::{Channel, ChannelFile, ChannelNull, Feature, NetAddress, prelude::*};

use crate::text::with_action;

mod imp {
    use std::{
        io::{self, IoSlice, IoSliceMut},
        os::fd::{BorrowedFd, OwnedFd},
        sync::OnceLock,
    };

    use glib::IOCondition;
    use qio::{
        Channel, ChannelFile, Feature, ReadFlags, Readiness, Shutdown, WriteFlags, prelude::*,
        subclass::prelude::*,
    };

    /// A writable pipe has at least this much buffer space.
    const PIPE_BUF: usize = libc::PIPE_BUF;

    #[derive(Debug, Default)]
    pub struct Join {
        pub(super) read: OnceLock<Channel>,
        pub(super) write: OnceLock<Channel>,
        /// The write end of the pipe that is read: closed with the write direction.
        pub(super) pipe_writer: OnceLock<ChannelFile>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Join {
        const NAME: &'static str = "QioJoin";
        type Type = super::Join;
        type ParentType = Channel;
    }

    impl ObjectImpl for Join {}

    impl Join {
        fn read(&self) -> &Channel {
            self.read.get().expect("made with it")
        }

        fn write(&self) -> &Channel {
            self.write.get().expect("made with it")
        }
    }

    impl ChannelImpl for Join {
        fn readv(
            &self,
            iov: &mut [IoSliceMut<'_>],
            _fds: Option<&mut Vec<OwnedFd>>,
            flags: ReadFlags,
        ) -> io::Result<usize> {
            self.read().readv_full(iov, None, flags)
        }

        /// What others have open as well may be blocking: no more is written at once than does not
        /// block.
        fn writev(
            &self,
            iov: &[IoSlice<'_>],
            _fds: &[BorrowedFd<'_>],
            flags: WriteFlags,
        ) -> io::Result<usize> {
            let write = self.write();
            match iov.iter().find(|buf| !buf.is_empty()) {
                Some(first) if write.is_blocking() && !write.has_feature(Feature::SEEKABLE) => {
                    let some = &first[..first.len().min(PIPE_BUF)];
                    write.writev_full(&[IoSlice::new(some)], &[], flags)
                }
                _ => write.writev_full(iov, &[], flags),
            }
        }

        fn close(&self) -> io::Result<()> {
            let read = self.read().close();
            self.shutdown(Shutdown::Write).and(read)
        }

        /// Closes: each pipe has one user.
        fn shutdown(&self, how: Shutdown) -> io::Result<()> {
            if how != Shutdown::Write {
                self.read().close()?;
            }
            if how != Shutdown::Read {
                let write = self.write();
                if write.has_feature(Feature::SHUTDOWN) && !write.is_closed() {
                    // A socket may be the input as well.
                    let _ = write.shutdown(Shutdown::Write);
                }
                write.close()?;
                if let Some(pipe_writer) = self.pipe_writer.get() {
                    pipe_writer.close()?;
                }
            }
            Ok(())
        }

        fn wait_fd(&self, condition: IOCondition) -> Readiness {
            let channel = match condition.contains(IOCondition::OUT) {
                true => self.write(),
                false => self.read(),
            };
            let fd = channel.find_property("fd").map(|_| channel.property("fd"));
            match fd {
                Some(fd) if !channel.is_closed() => Readiness::Fd(fd, condition),
                _ => Readiness::Now,
            }
        }
    }
}

glib::wrapper! {
    /// A channel whose two directions are two channels, as those of `tokio::io::join` are.
    pub struct Join(ObjectSubclass<imp::Join>) @extends Channel;
}

impl Join {
    fn new(read: Channel, write: Channel, pipe_writer: Option<ChannelFile>) -> Self {
        let this: Self = glib::Object::new();
        this.set_feature(Feature::SHUTDOWN);
        let imp = glib::subclass::prelude::ObjectSubclassIsExt::imp(&this);
        imp.read.set(read).expect("new");
        imp.write.set(write).expect("new");
        if let Some(pipe_writer) = pipe_writer {
            imp.pipe_writer.set(pipe_writer).expect("new");
        }
        this
    }

    /// A file to be read: writes are discarded.
    pub(crate) fn reading(file: ChannelFile) -> Self {
        Self::new(file.upcast(), ChannelNull::new().upcast(), None)
    }

    /// A file to be written: there is nothing to be read, until the writing is done.
    pub(crate) fn writing(file: ChannelFile) -> io::Result<Self> {
        let (pipe_reader, pipe_writer) = ChannelFile::pipe()?;
        Ok(Self::new(
            pipe_reader.upcast(),
            file.upcast(),
            Some(pipe_writer),
        ))
    }

    /// Standard input and output, which are used by this channel alone from now on: the processes
    /// at their other ends see them closed.
    pub(crate) fn stdio() -> io::Result<Self> {
        let take = |number| {
            let address = NetAddress::fd(number).map_err(io::Error::from)?;
            address.connect().map(unshared)
        };
        let (read, write) = (take(0)?, take(1)?);
        let nothing = std::fs::File::options()
            .read(true)
            .write(true)
            .open("/dev/null")
            .map_err(|e| with_action(&e, "open /dev/null"))?;
        nix::unistd::dup2_stdin(&nothing)?;
        nix::unistd::dup2_stdout(&nothing)?;
        Ok(Self::new(read, write, None))
    }
}

/// A pipe that others have as well, by a descriptor whose mode is not theirs: it does not block.
/// What is no pipe, or may not be opened, stays as it is.
pub(crate) fn unshared(channel: Channel) -> Channel {
    let reopened = channel.downcast_ref::<ChannelFile>().and_then(|file| {
        let (stat, flags) = file
            .with_fd(|fd| (fstat(fd), fcntl(fd, FcntlArg::F_GETFL)))
            .ok()?;
        let is_pipe = stat.ok()?.st_mode & libc::S_IFMT == libc::S_IFIFO;
        let flags = flags.ok()? & libc::O_ACCMODE | libc::O_NONBLOCK;
        let path = format!("/proc/self/fd/{}", file.fd());
        is_pipe.then(|| ChannelFile::new_path(path, flags, 0).ok())?
    });
    reopened.map_or(channel, Cast::upcast)
}
