//! Results that the methods of a class may return, and how the channel treats them.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use glib::{ControlFlow, IOCondition, MainContext, subclass::prelude::ObjectSubclassIsExt};
use qio::{Channel, prelude::*};

use super::assert_fails;
use crate::common::{
    alone::{is_alone, rerun},
    iterate_until,
};

mod imp {
    use std::{
        io::{self, IoSlice, IoSliceMut},
        os::fd::{BorrowedFd, OwnedFd},
        sync::OnceLock,
    };

    use glib::{IOCondition, Source};
    use qio::{ReadFlags, WriteFlags, subclass::prelude::*};

    use crate::common::classes::channel_class;

    type Answer = Box<dyn Fn() -> io::Result<usize> + Send + Sync>;

    /// Answers every call in the same way, which may be a panic.
    #[derive(Default)]
    pub struct Puppet {
        pub(super) answer: OnceLock<Answer>,
    }

    channel_class!(Puppet, "TestPuppet");

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
}

glib::wrapper! {
    pub struct Puppet(ObjectSubclass<imp::Puppet>) @extends Channel;
}

fn puppet(answer: impl Fn() -> io::Result<usize> + Send + Sync + 'static) -> Channel {
    let this: Puppet = glib::Object::new();
    assert!(this.imp().answer.set(Box::new(answer)).is_ok());
    this.upcast()
}

#[test]
fn a_panic_in_a_class_is_an_error_for_its_caller_and_a_critical_warning() {
    if is_alone() {
        let channel = puppet(|| panic!("the puppet fell"));
        let failed = "the puppet fell";
        assert_fails(channel.read(&mut [0; 1]), io::ErrorKind::Other, failed);
        let (context, calls) = (MainContext::new(), Arc::new(AtomicUsize::new(0)));
        let count = calls.clone();
        let on_ready = move |_: &Channel, condition| {
            assert_eq!(condition, IOCondition::NVAL);
            count.fetch_add(1, Ordering::Relaxed);
            ControlFlow::Continue
        };
        let source = channel.add_watch_source(IOCondition::IN, on_ready, Some(&context));
        iterate_until(&context, || source.is_destroyed());
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        assert_fails(channel.close(), io::ErrorKind::Other, failed);
        assert!(channel.is_closed());
        return;
    }
    let name = "channel::class::answers::a_panic_in_a_class_is_an_error_for_its_caller_and_a_critical_warning";
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
fn a_write_of_zero_bytes_is_an_error_and_a_read_of_zero_bytes_is_end_of_file() {
    let channel = puppet(|| Ok(0));
    let silent = "without setting GError";
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
    let original = glib::Error::new(gio::ResolverError::NotFound, "host not found");
    let inside = original.clone();
    let channel = puppet(move || Err(io::Error::other(inside.clone())));
    let failed = channel.read(&mut [0; 1]).expect_err("fails");
    let seen = qio::to_glib_error(&failed);
    assert!(seen.matches(gio::ResolverError::NotFound));
    assert_eq!(seen.message(), original.message());
}
