//! Lists of buffers that a class changes, which are const in C.

use std::{io::IoSliceMut, ptr::NonNull};

use glib::prelude::*;
use qio::{Channel, prelude::*};

mod imp {
    use std::{
        io::{self, IoSliceMut},
        os::fd::OwnedFd,
    };

    use qio::{ReadFlags, subclass::prelude::*};

    use crate::common::classes::channel_class;

    /// Fills the buffers that it has, and advances past them, as readers in Rust may.
    #[derive(Default)]
    pub struct Advancing;

    channel_class!(Advancing, "TestAdvancing");

    fn fill(mut iov: &mut [IoSliceMut<'_>]) -> usize {
        let count = iov.iter().map(|buf| buf.len()).sum();
        iov.iter_mut().for_each(|buf| buf.fill(b'x'));
        iov[0].advance(1);
        IoSliceMut::advance_slices(&mut iov, 2);
        iov[0] = IoSliceMut::new(&mut []);
        count
    }

    impl ChannelImpl for Advancing {
        fn readv(
            &self,
            iov: &mut [IoSliceMut<'_>],
            _fds: Option<&mut Vec<OwnedFd>>,
            _flags: ReadFlags,
        ) -> io::Result<usize> {
            Ok(fill(iov))
        }

        fn preadv(&self, iov: &mut [IoSliceMut<'_>], _offset: u64) -> io::Result<usize> {
            Ok(fill(iov))
        }
    }
}

glib::wrapper! {
    pub struct Advancing(ObjectSubclass<imp::Advancing>) @extends Channel;
}

/// The address and the length of each buffer of a list.
fn places(iov: &[IoSliceMut<'_>]) -> Vec<(NonNull<u8>, usize)> {
    let place = |buf: &IoSliceMut<'_>| (NonNull::from(&buf[..]).cast(), buf.len());
    iov.iter().map(place).collect()
}

#[test]
fn a_class_that_advances_its_buffers_leaves_the_list_of_the_caller_unchanged() {
    let channel = glib::Object::new::<Advancing>().upcast::<Channel>();
    for count in [1, 2, 16, 17, 40] {
        let reads = [
            &|iov| channel.readv(iov),
            &|iov| channel.preadv(iov, 0),
            &|iov| channel.readv_all(iov).map(|()| 4 * count),
        ] as [&dyn Fn(&mut [IoSliceMut<'_>]) -> std::io::Result<usize>; 3];
        for read in reads {
            let mut memory = vec![[0; 4]; count];
            let mut iov: Vec<_> = memory.iter_mut().map(|buf| IoSliceMut::new(buf)).collect();
            let before = places(&iov);
            assert_eq!(read(&mut iov).expect("filled"), 4 * count);
            assert_eq!(places(&iov), before);
            assert_eq!(memory, vec![*b"xxxx"; count]);
        }
    }
}
