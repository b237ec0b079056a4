//! Several callers that perform the handshake at one end, also after it is done.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use glib::{IOCondition, subclass::prelude::*};
use qio::{Channel, ChannelSocket, ChannelTls, prelude::*};

use super::fixtures::over;
use crate::common::{blocked::Blocked, in_loop, in_time, iterate_until, nonblocking_pair, settle};

mod imp {
    use std::{
        io::{self, IoSlice, IoSliceMut},
        mem,
        os::fd::{BorrowedFd, OwnedFd},
        sync::{Mutex, OnceLock},
    };

    use glib::IOCondition;
    use qio::{ChannelSocket, ReadFlags, WriteFlags, prelude::*, subclass::prelude::*};

    use crate::common::classes::channel_class;

    type Hook = Option<Box<dyn FnMut() + Send>>;

    /// A socket, and something to be done before it is read, and when it has been written to.
    #[derive(Default)]
    pub struct Hooked {
        pub(super) socket: OnceLock<ChannelSocket>,
        /// What is read first.
        pub(super) stash: Mutex<Vec<u8>>,
        pub(super) before_read: Mutex<Hook>,
        pub(super) after_write: Mutex<Hook>,
    }

    /// Not while it does so already.
    fn act(hook: &Mutex<Hook>) {
        let hooked = hook.lock().expect("whole").take();
        if let Some(mut act) = hooked {
            act();
            hook.lock().expect("whole").get_or_insert(act);
        }
    }

    channel_class!(Hooked, "TestHooked");

    impl Hooked {
        fn socket(&self) -> &ChannelSocket {
            self.socket.get().expect("set")
        }
    }

    impl ChannelImpl for Hooked {
        fn readv(
            &self,
            iov: &mut [IoSliceMut<'_>],
            _fds: Option<&mut Vec<OwnedFd>>,
            _flags: ReadFlags,
        ) -> io::Result<usize> {
            act(&self.before_read);
            let stash = mem::take(&mut *self.stash.lock().expect("whole"));
            if stash.is_empty() {
                return self.socket().readv(iov);
            }
            iov[0][..stash.len()].copy_from_slice(&stash);
            Ok(stash.len())
        }

        fn writev(
            &self,
            iov: &[IoSlice<'_>],
            _fds: &[BorrowedFd<'_>],
            _flags: WriteFlags,
        ) -> io::Result<usize> {
            let count = self.socket().writev(iov)?;
            act(&self.after_write);
            Ok(count)
        }

        fn close(&self) -> io::Result<()> {
            self.socket().close()
        }

        fn set_blocking(&self, enabled: bool) -> io::Result<()> {
            self.socket().set_blocking(enabled)
        }

        fn create_watch(&self, condition: IOCondition) -> glib::Source {
            self.socket().create_watch(condition)
        }
    }
}

glib::wrapper! {
    pub struct Hooked(ObjectSubclass<imp::Hooked>) @extends Channel;
}

impl Hooked {
    fn before_read(&self, act: impl FnMut() + Send + 'static) {
        *self.imp().before_read.lock().expect("whole") = Some(Box::new(act));
    }

    fn after_write(&self, act: impl FnMut() + Send + 'static) {
        *self.imp().after_write.lock().expect("whole") = Some(Box::new(act));
    }
}

fn hooked(socket: ChannelSocket) -> Hooked {
    let this: Hooked = glib::Object::new();
    this.imp().socket.set(socket).expect("once");
    this
}

#[track_caller]
fn assert_blocks(end: &ChannelTls) {
    let e = end.read(&mut [0]).expect_err("there is no data");
    assert_eq!(e.kind(), io::ErrorKind::WouldBlock, "{e}");
}

#[test]
fn a_reader_does_not_spin_while_another_thread_sends() {
    in_loop(|context| {
        let (here, there) = nonblocking_pair();
        let below = hooked(here);
        let (client, server) = over((below.clone(), there));
        for end in [&client, &server] {
            end.set_blocking(false).expect("non-blocking");
        }
        let reader = client.clone();
        let read = qio::spawn_local(async move { reader.read_all_future(&mut [0; 4]).await });
        let (answering, loop_of_reader) = (server.clone(), context.clone());
        below.after_write(move || {
            assert_blocks(&answering);
            // It finishes the handshake, and has something to send itself. Goes on forever, if it
            // spins.
            settle(&loop_of_reader);
        });
        let e = client
            .update_keys(false)
            .expect_err("the reader was faster");
        assert_eq!(e.kind(), io::ErrorKind::WouldBlock, "{e}");
        below.after_write(|| ());
        server.write_all(b"data").expect("written");
        iterate_until(context, || read.is_finished());
        context.block_on(read).expect("no panic").expect("read");
    });
}

/// Carries what is there from one socket to another.
fn carry(from: &ChannelSocket, to: &ChannelSocket) {
    let mut some = [0; 65_536];
    if let Ok(count) = from.read(&mut some) {
        to.write_all(&some[..count]).expect("carried");
    }
}

/// One thread sends the ClientHello, another one receives the ServerHello and continues, and data
/// arrives for the first one.
#[test]
fn a_reader_is_woken_for_data_received_during_a_concurrent_handshake() {
    in_time(|| {
        let ((here, wire), (there, tap)) = (nonblocking_pair(), nonblocking_pair());
        let below = hooked(here.clone());
        let (client, server) = over((below.clone(), there));
        server.set_blocking(false).expect("non-blocking");
        let me = thread::current().id();
        let reader = Arc::new(Blocked::default());
        let (answering, asleep) = (server.clone(), reader.clone());
        let (starter, started) = mpsc::channel();
        let (handshaking, taken) = (client.clone(), here);
        let (sent, got) = (wire.clone(), tap.clone());
        below.after_write(move || {
            if thread::current().id() == me {
                carry(&sent, &got);
                assert_blocks(&answering);
                carry(&got, &sent);
                let _ = starter.send(());
                // The reader has done its part, and taken all that was there.
                while !handshaking.is_handshake_done()
                    || taken.wait_timeout(IOCondition::IN, Duration::ZERO).is_ok()
                {
                    thread::yield_now();
                }
                asleep.wait();
            }
        });
        let answered = Arc::new(AtomicBool::new(false));
        let (once, last, data) = (answered.clone(), server.clone(), tap.clone());
        let (stash, rest) = (below.clone(), wire.clone());
        below.before_read(move || {
            if thread::current().id() == me && !once.swap(true, Ordering::Relaxed) {
                // The reader may have sent the end of the handshake itself.
                while !last.is_handshake_done() {
                    carry(&rest, &data);
                    assert_blocks(&last);
                }
                last.write_all(b"data").expect("the the handshake is done");
                let mut some = [0; 4096];
                let count = data.read(&mut some).expect("all of it");
                // It comes just when this one reads.
                let mut stash = stash.imp().stash.lock().expect("whole");
                stash.extend(&some[..count]);
            }
        });
        thread::scope(|scope| {
            let (client, reader) = (&client, &reader);
            let read = scope.spawn(move || {
                started.recv().expect("hello");
                reader.soon();
                client.read_all(&mut [0; 4])
            });
            client.handshake().expect("agreed");
            if !answered.load(Ordering::Relaxed) {
                // Both have come to read at once.
                server.write_all(b"data").expect("written");
                carry(&tap, &wire);
            }
            read.join().expect("no panic").expect("read");
        });
        below.after_write(|| ());
        below.before_read(|| ());
    });
}
