//! `src/channel/class/`: classes of channels that are written in Rust.

mod answers;
mod lending;
mod lists;
mod parent;
mod properties;

use std::{
    io::{self, IoSlice, IoSliceMut, SeekFrom},
    os::fd::AsFd,
};

use glib::IOCondition;
use qio::{Channel, ReadFlags, Shutdown, prelude::*};

mod imp {
    use std::{
        collections::VecDeque,
        io::{self, IoSlice, IoSliceMut, Read, Write},
        os::fd::{BorrowedFd, OwnedFd},
        sync::Mutex,
    };

    use glib::IOCondition;
    use qio::{ReadFlags, Readiness, WriteFlags, subclass::prelude::*};

    use crate::common::classes::channel_class;

    /// What is written can be read.
    #[derive(Default)]
    pub struct Memory {
        data: Mutex<VecDeque<u8>>,
    }

    channel_class!(Memory, "TestMemory");

    impl ChannelImpl for Memory {
        fn readv(
            &self,
            iov: &mut [IoSliceMut<'_>],
            _fds: Option<&mut Vec<OwnedFd>>,
            _flags: ReadFlags,
        ) -> io::Result<usize> {
            let mut data = self.data.lock().expect("no panic");
            match data.is_empty() {
                true => Err(io::ErrorKind::WouldBlock.into()),
                false => data.read_vectored(iov),
            }
        }

        fn writev(
            &self,
            iov: &[IoSlice<'_>],
            _fds: &[BorrowedFd<'_>],
            _flags: WriteFlags,
        ) -> io::Result<usize> {
            self.data.lock().expect("no panic").write_vectored(iov)
        }

        fn close(&self) -> io::Result<()> {
            Ok(())
        }

        fn set_blocking(&self, _enabled: bool) -> io::Result<()> {
            Ok(())
        }

        fn wait_fd(&self, condition: IOCondition) -> Readiness {
            let empty = self.data.lock().expect("no panic").is_empty();
            match empty && condition.contains(IOCondition::IN) {
                true => Readiness::Watch,
                false => Readiness::Now,
            }
        }
    }
}

glib::wrapper! {
    pub struct Memory(ObjectSubclass<imp::Memory>) @extends Channel;
}

fn memory() -> Channel {
    glib::Object::new::<Memory>().upcast()
}

/// Asserts the kind and the words of an error.
#[track_caller]
fn assert_fails<T>(result: io::Result<T>, kind: io::ErrorKind, words: &str) {
    let e = result.err().expect("it fails");
    assert_eq!(e.kind(), kind, "{e}");
    assert!(e.to_string().contains(words), "{e}");
}

#[test]
fn a_class_that_reads_and_writes_has_all_the_methods() {
    let channel = memory();
    channel.set_blocking(false).expect("either mode");
    channel.write_all(b"to be read").expect("there is space");
    let (mut to, mut be) = ([0; 2], [0; 3]);
    let mut iov = [IoSliceMut::new(&mut to), IoSliceMut::new(&mut be)];
    channel.readv_all(&mut iov).expect("it is there");
    assert_eq!((&to, &be), (b"to", b" be"));
    assert_eq!(
        channel.wait(IOCondition::IN).expect("ready"),
        IOCondition::IN
    );
    assert_eq!(channel.read_bytes(64).expect("more"), b" read"[..]);
    let nothing = channel.read(&mut [0; 1]).expect_err("empty");
    assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
    channel.close().expect("closes");
    assert_fails(
        channel.read(&mut [0; 1]),
        io::ErrorKind::NotConnected,
        "closed",
    );
}

#[test]
fn virtual_functions_that_a_class_does_not_implement_are_unsupported() {
    let channel = memory();
    let unsupported = io::ErrorKind::Unsupported;
    let no_shutdown = "Data path shutdown not supported";
    assert_fails(channel.shutdown(Shutdown::Both), unsupported, no_shutdown);
    let no_positions = "Channel does not support random access";
    assert_fails(channel.seek(SeekFrom::Start(0)), unsupported, no_positions);
    assert_fails(channel.pread(&mut [0; 1], 0), unsupported, no_positions);
    assert_fails(channel.pwrite(b"x", 0), unsupported, no_positions);
    assert_fails(channel.credentials(), unsupported, "credentials");
}

#[test]
fn hints_that_a_class_does_not_implement_are_ignored() {
    let channel = memory();
    channel.set_cork(true);
    channel.set_delay(false);
    channel.flush().expect("nothing is held back");
}

#[test]
fn calls_that_need_a_feature_are_refused_without_it() {
    let channel = memory();
    let (invalid, no_fds) = (
        io::ErrorKind::InvalidInput,
        "Channel does not support file descriptor passing",
    );
    let (mut buf, stdin) = ([0; 1], io::stdin());
    let written = channel.writev_full(
        &[IoSlice::new(b"x")],
        &[stdin.as_fd()],
        qio::WriteFlags::empty(),
    );
    assert_fails(written, invalid, no_fds);
    let mut iov = [IoSliceMut::new(&mut buf)];
    let read = channel.readv_full(&mut iov, Some(&mut Vec::new()), ReadFlags::empty());
    assert_fails(read, invalid, no_fds);
    let peeked = channel.readv_full(&mut iov, None, ReadFlags::PEEK);
    assert_fails(peeked, invalid, "peek");
}

#[test]
fn the_base_class_is_abstract() {
    let made = std::panic::catch_unwind(|| glib::Object::with_type(Channel::static_type()));
    let panic = made.expect_err("there is no such thing");
    let text = panic.downcast_ref::<String>().expect("a message");
    assert!(text.contains("abstract"), "{text}");
}
