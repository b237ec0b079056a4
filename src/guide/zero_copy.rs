//! Sending without a copy, and moving data within the kernel.
//!
//! # `MSG_ZEROCOPY`
//!
//! A channel with [`Feature::WRITE_ZERO_COPY`](crate::Feature::WRITE_ZERO_COPY) (TCP and UDP) can
//! send memory in place. The kernel reads it until the peer has acknowledged the data, so it must
//! not change before. In Rust this is safe with [`glib::Bytes`], of which the channel keeps a
//! reference:
//!
//! ```
//! use qio::{ChannelSocket, Feature, NetListener, WriteFlags, prelude::*};
//!
//! # fn main() -> std::io::Result<()> {
//! let listener = NetListener::new();
//! listener.open_sync(&gio::InetSocketAddress::from_string("127.0.0.1", 0).unwrap(), 1)?;
//! let client = ChannelSocket::connect(&listener.local_addresses()[0])?;
//! let server = listener.wait_client()?;
//!
//! let mut flags = WriteFlags::empty();
//! if client.has_feature(Feature::WRITE_ZERO_COPY) {
//!     flags |= WriteFlags::ZERO_COPY;
//! }
//! let data = glib::Bytes::from_owned(vec![7; 65_536]);
//! let reader = std::thread::spawn(move || server.read_all(&mut [0; 65_536]));
//! client.write_bytes_full_all(&data, &[], flags)?;
//! println!("{:?}", client.flush()?); // waits for the completions
//! reader.join().expect("no panic")
//! # }
//! ```
//!
//! [`flush`](crate::ChannelExt::flush) waits for outstanding completions and reports whether the
//! kernel copied after all, as it does on the loopback interface: then plain writes are cheaper.
//! Zero-copy pays from about 10 KiB per write on. Borrowed slices are copied; sending them in place
//! is an `unsafe` function, with QEMU's contract that they do not change until `flush`.
//!
//! `close` does not wait: memory in flight is kept until its completion. After 60 s in which the
//! peer has acknowledged nothing, the connection is reset.
//!
//! # Splice and relay
//!
//! [`splice_to`](crate::ChannelExt::splice_to) moves data from one channel to another, with
//! `splice`, `sendfile` or `copy_file_range` where both have a descriptor, else through a buffer.
//! Data that was read and cannot be written is pushed back to the source.
//!
//! ```
//! use qio::{ChannelBuffer, ChannelSocket, Shutdown, prelude::*};
//!
//! # fn main() -> std::io::Result<()> {
//! let (here, there) = ChannelSocket::pair()?;
//! there.write_all(b"hello")?;
//! there.shutdown(Shutdown::Write)?;
//! let target = ChannelBuffer::new(0);
//! assert_eq!(here.splice_to(&target, None)?, 5); // `Some(n)`: at most n bytes
//! assert_eq!(&target.data()[..], b"hello");
//! # Ok(())
//! # }
//! ```
//!
//! [`relay`](crate::relay) moves data in both directions and passes half-closes on.
//! [`TransferError`](crate::TransferError) has the byte counts of a transfer that failed, and
//! whether the target received truncated data. [`ByteCounter`](crate::ByteCounter) shows progress.
//!
//! Sources that pass file descriptors go through memory; descriptors in such a stream are an error.
