//! Classes that derive from one that is complete.

use std::{io, sync::atomic::Ordering};

use glib::subclass::prelude::ObjectSubclassIsExt;
use qio::{Channel, ChannelFile, prelude::*};

use super::assert_fails;

mod imp {
    use std::{
        io::{self, IoSlice, IoSliceMut},
        os::fd::{BorrowedFd, OwnedFd},
        sync::atomic::{AtomicUsize, Ordering},
    };

    use qio::{ReadFlags, WriteFlags, subclass::prelude::*};

    use crate::common::classes::channel_class;

    /// A file that counts what is written through it, and leaves the writing to its parent.
    #[derive(Default)]
    pub struct CountingFile {
        pub(super) written: AtomicUsize,
    }

    channel_class!(
        CountingFile,
        "TestCountingFile",
        qio::ChannelFile,
        ChannelFileImpl
    );

    impl ChannelImpl for CountingFile {
        fn writev(
            &self,
            iov: &[IoSlice<'_>],
            fds: &[BorrowedFd<'_>],
            flags: WriteFlags,
        ) -> io::Result<usize> {
            let count = self.parent_writev(iov, fds, flags)?;
            self.written.fetch_add(count, Ordering::Relaxed);
            Ok(count)
        }

        /// Without querying the descriptor.
        fn readv(
            &self,
            _iov: &mut [IoSliceMut<'_>],
            _fds: Option<&mut Vec<OwnedFd>>,
            _flags: ReadFlags,
        ) -> io::Result<usize> {
            Ok(1)
        }
    }
}

glib::wrapper! {
    pub struct CountingFile(ObjectSubclass<imp::CountingFile>) @extends ChannelFile, Channel;
}

#[test]
fn a_class_adds_to_what_its_parent_does() {
    let path = tempfile::NamedTempFile::new().expect("a file");
    let channel: CountingFile = glib::Object::new();
    let file: &ChannelFile = channel.upcast_ref();
    let fd = path.reopen().expect("open").into();
    file.adopt_fd(fd).expect("it has none yet");
    channel.write_all(b"counted").expect("written");
    channel
        .write_bytes(&glib::Bytes::from(b"too"))
        .expect("written");
    assert_eq!(channel.imp().written.load(Ordering::Relaxed), 10);
    let mut all = [0; 10];
    channel.pread_all(&mut all, 0).expect("as the parent reads");
    assert_eq!(&all, b"countedtoo");

    let another = path.reopen().expect("open").into();
    let twice = file.adopt_fd(another);
    assert_fails(twice, io::ErrorKind::AlreadyExists, "opened already");
}

#[test]
fn a_class_whose_parent_checks_for_closed_need_not_do_so_itself() {
    let plain = ChannelFile::new_path("/dev/null", libc::O_RDWR, 0).expect("opens");
    assert_eq!(plain.read(&mut [0]).expect("the end"), 0);
    let file: CountingFile = glib::Object::new();
    let null = std::fs::File::open("/dev/null").expect("opens");
    let as_file: &ChannelFile = file.upcast_ref();
    as_file.adopt_fd(null.into()).expect("the first");
    assert_eq!(file.read(&mut [0]).expect("one"), 1);
    file.close().expect("closes");
    assert_fails(file.read(&mut [0]), io::ErrorKind::NotConnected, "closed");
}

#[test]
fn a_class_gets_the_error_of_its_parent() {
    let channel: CountingFile = glib::Object::new();
    let not_open = "Channel is not open yet";
    assert_fails(channel.write(b"x"), io::ErrorKind::NotConnected, not_open);
    assert_eq!(channel.imp().written.load(Ordering::Relaxed), 0);
}
