//! Lines, frames, and all data up to end-of-file.
//!
//! The functions of [`ChannelFramingExt`](crate::ChannelFramingExt) belong to the channel itself;
//! there is no reader object that has to be kept, and no buffer that swallows what follows.
//!
//! # Limits
//!
//! Each function takes the maximum size of an item, in bytes. A longer one fails with
//! [`MessageTooLarge`](gio::IOErrorEnum::MessageTooLarge), and its data stay in the channel. The
//! length field of a frame is checked before its content is read, and memory grows by what
//! arrives: a peer that announces a gigabyte has to send it.
//!
//! # What follows an item
//!
//! A read requests more than one item, as one system call then serves many. What was read beyond
//! the item is pushed back into the channel, and the next reader gets it: another line,
//! [`read`](crate::ChannelExt::read), a watch, a splice, a layer. So protocols that change in the
//! middle of a stream work as they are written:
//!
//! ```
//! use qio::{ChannelSocket, prelude::*};
//!
//! # fn main() -> std::io::Result<()> {
//! # let (server, client) = ChannelSocket::pair()?;
//! # client.write_all(b"Content-Length: 4\r\n\r\nbody")?;
//! let mut length = 0;
//! while let Some(line) = server.read_line(1000)?.filter(|line| !line.is_empty()) {
//!     let line = std::str::from_utf8(&line).expect("UTF-8");
//!     if let Some(value) = line.strip_prefix("Content-Length: ") {
//!         length = value.parse().expect("a number");
//!     }
//! }
//! let mut body = vec![0; length];
//! server.read_all(&mut body)?;
//! assert_eq!(body, b"body");
//! # Ok(())
//! # }
//! ```
//!
//! A TLS channel may be created over the same channel behind a `STARTTLS` line, and a descriptor
//! that was sent behind a line is received by the next
//! [`readv_full`](crate::ChannelExt::readv_full). A descriptor that was sent with the bytes of a
//! line stays in the channel for the next reader of descriptors.
//!
//! A program that reads from the descriptor of the channel by other means misses what was pushed
//! back. [`push_back`](crate::ChannelFramingExt::push_back) does the same for a program, which has
//! to see the first bytes to choose a protocol.
//!
//! # Waiting
//!
//! The blocking functions wait in either mode, and suspend a coroutine; the futures and the
//! `_async` functions wait in the main loop. A future that is dropped, and a call that is
//! cancelled, have consumed nothing:
//!
//! ```
//! use std::time::Duration;
//! use qio::{ChannelSocket, prelude::*};
//!
//! # fn main() -> std::io::Result<()> {
//! # glib::MainContext::default().block_on(async {
//! # let (here, there) = ChannelSocket::pair()?;
//! there.write_all(b"half a ")?;
//! let line = here.read_line_future(1000).or_timeout(Duration::from_millis(1));
//! assert!(line.await.is_err());
//! there.write_all(b"line\n")?;
//! let line = here.read_line_future(1000).await?;
//! assert_eq!(line.as_deref(), Some(&b"half a line"[..]));
//! # Ok(())
//! # })
//! # }
//! ```
//!
//! [`lines`](crate::ChannelFramingExt::lines) is an iterator, and
//! [`lines_stream`](crate::ChannelFramingExt::lines_stream) a stream. For many short items,
//! [`read_line_into`](crate::ChannelFramingExt::read_line_into) and
//! [`read_frame_into`](crate::ChannelFramingExt::read_frame_into) append to a buffer, which saves
//! the allocations.
//!
//! # Frames
//!
//! [`Framing`](crate::Framing) is the encoding of the length: one to eight bytes, a varint, or the
//! decimal digits of a netstring. JSON in lines is
//! [`read_line`](crate::ChannelFramingExt::read_line).
