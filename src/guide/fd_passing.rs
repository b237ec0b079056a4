//! File descriptors in messages of unix sockets (`SCM_RIGHTS`).
//!
//! Channels with [`Feature::FD_PASS`](crate::Feature::FD_PASS) send up to 253 descriptors with a
//! message. They belong to its first byte: a message needs data, and descriptors without data are
//! `EINVAL`.
//!
//! ```
//! use std::{io::{self, IoSlice, IoSliceMut}, os::fd::AsFd};
//! use qio::{ChannelSocket, Feature, ReadFlags, WriteFlags, channel_for_fd, prelude::*};
//!
//! # fn main() -> io::Result<()> {
//! let (here, there) = ChannelSocket::pair()?;
//! assert!(here.has_feature(Feature::FD_PASS));
//! let (reader, writer) = io::pipe()?;
//! let data = [IoSlice::new(b"a pipe")];
//! there.writev_full_all(&data, &[reader.as_fd()], WriteFlags::empty())?;
//! drop(reader); // the duplicate in the message stays open
//!
//! let (mut buf, mut fds) = ([0; 6], Vec::new());
//! let mut iov = [IoSliceMut::new(&mut buf)];
//! here.readv_full_all(&mut iov, Some(&mut fds), ReadFlags::empty())?;
//! let pipe = channel_for_fd(fds.pop().expect("one descriptor"))?;
//!
//! io::Write::write_all(&mut &writer, b"hello")?;
//! let mut buf = [0; 5];
//! pipe.read_all(&mut buf)?;
//! assert_eq!(&buf, b"hello");
//! # Ok(())
//! # }
//! ```
//!
//! # Sending
//!
//! The sender keeps its descriptors. If a write is partial, the descriptors were sent with its
//! first byte; the `_all` methods send them once.
//!
//! # Receiving
//!
//! - Received descriptors are close-on-exec and owned by the vector.
//! - A read without a vector discards the descriptors of its data, as a plain `recv` does. A
//!   program that reads from peers it does not trust may always do so.
//! - If descriptors cannot be received (`EMFILE`), or the message was truncated, the read fails and
//!   all descriptors of the message are closed: a partial set is never returned.
//! - They keep the mode that they were sent in. [`channel_for_fd`](crate::channel_for_fd) returns a
//!   socket or file channel by the kind of the descriptor.
//! - A single read returns the descriptors of one message at most; the `_all` methods add those of
//!   several to the vector, in order.
//!
//! # Futures, bindings, splice
//!
//! [`readv_full_future`](crate::ChannelFutureExt::readv_full_future) and
//! [`writev_full_future`](crate::ChannelFutureExt::writev_full_future) do the same. C, Python, GJS
//! and Vala have functions with a `GUnixFDList`. Data with descriptors is not moved by
//! [`splice_to`](crate::ChannelExt::splice_to): it fails, and they stay in the channel.
