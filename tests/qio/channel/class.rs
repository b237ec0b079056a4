//! `src/channel/class/`: classes of channels that are written in Rust.

use std::{
    io::{self, IoSlice, IoSliceMut, SeekFrom},
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use glib::{ControlFlow, IOCondition, MainContext, subclass::prelude::ObjectSubclassIsExt};
use qio::{Channel, ChannelFile, Feature, ReadFlags, Shutdown, prelude::*};

use crate::common::{
    alone::{is_alone, rerun},
    iterate_until,
};

mod imp {
    use std::{
        collections::VecDeque,
        io::{self, IoSlice, IoSliceMut, Read, Write},
        os::fd::{BorrowedFd, OwnedFd},
        sync::{
            Mutex, OnceLock,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use glib::{IOCondition, Source};
    use qio::{ReadFlags, Readiness, WriteFlags, subclass::prelude::*};

    /// What is written can be read.
    #[derive(Default)]
    pub struct Memory {
        data: Mutex<VecDeque<u8>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Memory {
        const NAME: &'static str = "TestMemory";
        type Type = super::Memory;
        type ParentType = qio::Channel;
    }

    impl ObjectImpl for Memory {}

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

    type Answer = Box<dyn Fn() -> io::Result<usize> + Send + Sync>;

    /// Answers every call in the same way, which may be a panic.
    #[derive(Default)]
    pub struct Puppet {
        pub(super) answer: OnceLock<Answer>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Puppet {
        const NAME: &'static str = "TestPuppet";
        type Type = super::Puppet;
        type ParentType = qio::Channel;
    }

    impl ObjectImpl for Puppet {}

    impl Puppet {
        fn answer(&self) -> io::Result<usize> {
            self.answer.get().expect("set at first")()
        }
    }

    impl ChannelImpl for Puppet {
        fn readv(
            &self,
            _iov: &mut [IoSliceMut<'_>],
            _fds: Option<&mut Vec<OwnedFd>>,
            _flags: ReadFlags,
        ) -> io::Result<usize> {
            self.answer()
        }

        fn writev(
            &self,
            _iov: &[IoSlice<'_>],
            _fds: &[BorrowedFd<'_>],
            _flags: WriteFlags,
        ) -> io::Result<usize> {
            self.answer()
        }

        fn close(&self) -> io::Result<()> {
            self.answer().map(drop)
        }

        fn create_watch(&self, _condition: IOCondition) -> Source {
            let _ = self.answer();
            unreachable!("used by answers that panic")
        }
    }

    /// A file that counts what is written through it, and leaves the writing to its parent.
    #[derive(Default)]
    pub struct CountingFile {
        pub(super) written: AtomicUsize,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for CountingFile {
        const NAME: &'static str = "TestCountingFile";
        type Type = super::CountingFile;
        type ParentType = qio::ChannelFile;
    }

    impl ObjectImpl for CountingFile {}
    impl ChannelFileImpl for CountingFile {}

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

        /// Without a look at the descriptor, or at anything.
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
    pub struct Memory(ObjectSubclass<imp::Memory>) @extends Channel;
}

glib::wrapper! {
    pub struct Puppet(ObjectSubclass<imp::Puppet>) @extends Channel;
}

glib::wrapper! {
    pub struct CountingFile(ObjectSubclass<imp::CountingFile>) @extends ChannelFile, Channel;
}

fn memory() -> Channel {
    glib::Object::new::<Memory>().upcast()
}

fn puppet(answer: impl Fn() -> io::Result<usize> + Send + Sync + 'static) -> Channel {
    let this: Puppet = glib::Object::new();
    assert!(this.imp().answer.set(Box::new(answer)).is_ok());
    this.upcast()
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
    channel.write_all(b"to be read").expect("there is room");
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
fn what_a_class_does_not_fill_says_so() {
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
fn hints_that_a_class_does_not_fill_are_silently_ignored() {
    let channel = memory();
    channel.set_cork(true);
    channel.set_delay(false);
    channel.flush().expect("nothing is held back");
}

#[test]
fn what_needs_a_feature_is_refused_without_it() {
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

#[test]
fn a_panic_in_a_class_is_an_error_for_its_caller_and_a_critical_warning() {
    if is_alone() {
        let channel = puppet(|| panic!("the puppet fell"));
        let failed = "the puppet fell";
        assert_fails(channel.read(&mut [0; 1]), io::ErrorKind::Other, failed);
        let (context, told) = (MainContext::new(), Arc::new(AtomicUsize::new(0)));
        let count = told.clone();
        let tell = move |_: &Channel, condition| {
            assert_eq!(condition, IOCondition::NVAL);
            count.fetch_add(1, Ordering::Relaxed);
            ControlFlow::Continue
        };
        let source = channel.add_watch_source(IOCondition::IN, tell, Some(&context));
        iterate_until(&context, || source.is_destroyed());
        assert_eq!(told.load(Ordering::Relaxed), 1);
        assert_fails(channel.close(), io::ErrorKind::Other, failed);
        assert!(channel.is_closed());
        return;
    }
    let name =
        "channel::class::a_panic_in_a_class_is_an_error_for_its_caller_and_a_critical_warning";
    // Elsewhere a critical warning ends the process.
    let output = rerun(name, |command| command.env_remove("G_DEBUG"));
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    assert_eq!(log.matches("Qio-CRITICAL").count(), 3, "{log}");
    assert!(log.contains("A method of TestPuppet panicked: the puppet fell"));
}

#[test]
fn a_count_that_cannot_be_is_an_error() {
    let channel = puppet(|| Ok(100));
    let nonsense = "100 bytes of 4";
    assert_fails(channel.read(&mut [0; 4]), io::ErrorKind::Other, nonsense);
    assert_fails(channel.write(b"four"), io::ErrorKind::Other, nonsense);
    assert_fails(channel.read_bytes(4), io::ErrorKind::Other, nonsense);
}

#[test]
fn nothing_written_of_something_is_an_error_and_nothing_read_is_the_end() {
    let channel = puppet(|| Ok(0));
    let silent = "did not say why";
    assert_fails(channel.write(b"x"), io::ErrorKind::Other, silent);
    assert_fails(channel.write_all(b"x"), io::ErrorKind::Other, silent);
    assert_eq!(channel.read(&mut [0; 4]).expect("the end"), 0);
}

#[test]
fn a_system_error_keeps_its_number_through_the_class() {
    let channel = puppet(|| Err(io::Error::from_raw_os_error(libc::ECONNRESET)));
    let reset = Some(libc::ECONNRESET);
    let failed = channel.read(&mut [0; 1]).expect_err("fails");
    assert_eq!(failed.raw_os_error(), reset);
    let failed = channel.write_all(b"x").expect_err("fails");
    assert_eq!(failed.raw_os_error(), reset);
    assert_eq!(channel.close().expect_err("fails").raw_os_error(), reset);
}

#[test]
fn a_glib_error_keeps_its_domain_code_and_message_through_the_class() {
    let original = glib::Error::new(gio::ResolverError::NotFound, "nobody is there");
    let inside = original.clone();
    let channel = puppet(move || Err(io::Error::other(inside.clone())));
    let failed = channel.read(&mut [0; 1]).expect_err("fails");
    let seen = qio::to_glib_error(&failed);
    assert!(seen.matches(gio::ResolverError::NotFound));
    assert_eq!(seen.message(), original.message());
}

/// Counts how often a property is notified of.
fn notified(channel: &Channel, property: &str) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    channel.connect_notify(Some(property), move |_, _| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    count
}

#[test]
fn the_name_is_a_property() {
    let channel = memory();
    let (count, other) = (notified(&channel, "name"), Arc::new(AtomicUsize::new(0)));
    let counter = other.clone();
    channel.connect_name_notify(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    assert_eq!(channel.property::<Option<String>>("name"), None);
    channel.set_property("name", "a name");
    assert_eq!(channel.name().as_deref(), Some("a name"));
    // Nothing changes, nobody is told.
    channel.set_name(Some("a name"));
    channel.set_name(None);
    assert_eq!(channel.name(), None);
    assert_eq!(
        (count.load(Ordering::Relaxed), other.load(Ordering::Relaxed)),
        (2, 2)
    );
}

#[test]
fn the_features_are_a_property() {
    let channel = memory();
    let count = notified(&channel, "features");
    assert_eq!(channel.property::<Feature>("features"), Feature::empty());
    channel.set_feature(Feature::SEEKABLE);
    channel.set_feature(Feature::SEEKABLE);
    assert_eq!(channel.property::<Feature>("features"), Feature::SEEKABLE);
    assert!(channel.has_feature(Feature::SEEKABLE) && !channel.has_feature(Feature::FD_PASS));
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

#[test]
fn the_mode_is_a_property() {
    let channel = memory();
    let count = notified(&channel, "blocking");
    assert!(channel.property::<bool>("blocking"));
    channel.set_property("blocking", false);
    assert!(!channel.is_blocking());
    channel.set_blocking(false).expect("either mode");
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

#[test]
fn that_it_is_closed_is_a_property() {
    let channel = memory();
    let count = notified(&channel, "closed");
    assert!(!channel.property::<bool>("closed"));
    channel.close().expect("closes");
    channel.close().expect("a second time does nothing");
    assert!(channel.is_closed() && channel.property::<bool>("closed"));
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

#[test]
fn the_base_class_is_abstract() {
    let made = std::panic::catch_unwind(|| glib::Object::with_type(Channel::static_type()));
    let panic = made.expect_err("there is no such thing");
    let text = panic.downcast_ref::<String>().expect("a message");
    assert!(text.contains("abstract"), "{text}");
}
