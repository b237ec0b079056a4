//! Classes that derive from `ChannelFilter`.

use qio::{Channel, ChannelFilter};

mod imp {
    use std::{
        collections::VecDeque,
        io::{self, IoSlice, IoSliceMut, Read as _, Write as _},
        os::fd::{BorrowedFd, OwnedFd},
        sync::Mutex,
    };

    use qio::{Flushed, ReadFlags, Readiness, WriteFlags, prelude::*, subclass::prelude::*};

    use crate::common::classes::channel_class;

    /// Inverts all bits of the data.
    #[derive(Default)]
    pub struct Inverter;

    channel_class!(
        Inverter,
        "TestInverter",
        qio::ChannelFilter,
        ChannelFilterImpl
    );

    impl ChannelImpl for Inverter {
        fn readv(
            &self,
            iov: &mut [IoSliceMut<'_>],
            fds: Option<&mut Vec<OwnedFd>>,
            flags: ReadFlags,
        ) -> io::Result<usize> {
            let count = self.parent_readv(iov, fds, flags)?;
            let bytes = iov.iter_mut().flat_map(|buf| buf.iter_mut());
            bytes.take(count).for_each(|byte| *byte = !*byte);
            Ok(count)
        }

        fn writev(
            &self,
            iov: &[IoSlice<'_>],
            fds: &[BorrowedFd<'_>],
            flags: WriteFlags,
        ) -> io::Result<usize> {
            let bytes = iov.iter().flat_map(|buf| buf.iter());
            let inverted: Vec<u8> = bytes.map(|byte| !byte).collect();
            self.parent_writev(&[IoSlice::new(&inverted)], fds, flags)
        }
    }

    /// Reads ahead, and collects output until it is flushed.
    #[derive(Default)]
    pub struct Collector {
        input: Mutex<VecDeque<u8>>,
        output: Mutex<Vec<u8>>,
    }

    channel_class!(
        Collector,
        "TestCollector",
        qio::ChannelFilter,
        ChannelFilterImpl
    );

    impl ChannelImpl for Collector {
        fn readv(
            &self,
            iov: &mut [IoSliceMut<'_>],
            _fds: Option<&mut Vec<OwnedFd>>,
            flags: ReadFlags,
        ) -> io::Result<usize> {
            let mut input = self.input.lock().expect("not poisoned");
            if input.is_empty() {
                let mut ahead = [0; 4096];
                let count = self.parent_readv(&mut [IoSliceMut::new(&mut ahead)], None, flags)?;
                input.extend(&ahead[..count]);
            }
            let first = iov.iter_mut().find(|buf| !buf.is_empty());
            input.read(first.expect("a buffer"))
        }

        fn writev(
            &self,
            iov: &[IoSlice<'_>],
            _fds: &[BorrowedFd<'_>],
            _flags: WriteFlags,
        ) -> io::Result<usize> {
            self.output
                .lock()
                .expect("not poisoned")
                .write_vectored(iov)
        }

        fn wait_fd(&self, condition: glib::IOCondition) -> Readiness {
            let has_input = !self.input.lock().expect("not poisoned").is_empty();
            match condition.contains(glib::IOCondition::OUT) || has_input {
                true => Readiness::Now,
                false => self.parent_wait_fd(condition),
            }
        }

        fn flush(&self) -> io::Result<Flushed> {
            let output = std::mem::take(&mut *self.output.lock().expect("not poisoned"));
            self.obj()
                .base_channel()
                .expect("constructed with one")
                .write_all(&output)?;
            self.parent_flush()
        }
    }
}

glib::wrapper! {
    pub struct Inverter(ObjectSubclass<imp::Inverter>) @extends ChannelFilter, Channel;
}

glib::wrapper! {
    pub struct Collector(ObjectSubclass<imp::Collector>) @extends ChannelFilter, Channel;
}
