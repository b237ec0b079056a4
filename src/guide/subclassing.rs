//! Classes that derive from [`Channel`](crate::Channel).
//!
//! A class may derive from [`Channel`](crate::Channel) or from one of its subclasses, in Rust, C,
//! Python, GJS or Vala; it works for callers in all of them. The C documentation has the same
//! example in the other languages.
//!
//! # Virtual functions
//!
//! Each method of [`ChannelImpl`](crate::subclass::prelude::ChannelImpl) has a default, that of the
//! parent class. A class that derives from `Channel` itself implements:
//!
//! | method | purpose |
//! | --- | --- |
//! | `readv`, `writev` | one attempt; in non-blocking mode `WouldBlock` in place of waiting |
//! | `wait_fd` or `create_watch` | how to wait |
//! | `close`, `set_blocking` | required: the default is an error |
//!
//! `wait_fd` returns [`Readiness::Fd`](crate::Readiness::Fd) with a descriptor and its condition,
//! [`Now`](crate::Readiness::Now) for a channel that is always ready, or
//! [`Watch`](crate::Readiness::Watch) for one with its own source. Waiting, watches, futures
//! and coroutines are built on it.
//!
//! Methods are called from any thread, several at a time: classes are `Send + Sync`, and hold no
//! lock while they block. A panic does not unwind into C: the caller gets an error.
//!
//! # Examples
//!
//! A file whose content is read in upper case:
//!
//! ```
//! use std::{io, os::fd::OwnedFd};
//! use qio::{ReadFlags, prelude::*};
//!
//! mod imp {
//!     use super::*;
//!     use qio::subclass::prelude::*;
//!
//!     #[derive(Default)]
//!     pub struct Upper;
//!
//!     #[glib::object_subclass]
//!     impl ObjectSubclass for Upper {
//!         const NAME: &'static str = "ExampleUpper";
//!         type Type = super::Upper;
//!         type ParentType = qio::ChannelFile;
//!     }
//!
//!     impl ObjectImpl for Upper {}
//!     impl ChannelFileImpl for Upper {}
//!
//!     impl ChannelImpl for Upper {
//!         fn readv(
//!             &self,
//!             iov: &mut [io::IoSliceMut<'_>],
//!             fds: Option<&mut Vec<OwnedFd>>,
//!             flags: ReadFlags,
//!         ) -> io::Result<usize> {
//!             let count = self.parent_readv(iov, fds, flags)?;
//!             let mut rest = count;
//!             for buf in iov {
//!                 let n = rest.min(buf.len());
//!                 buf[..n].make_ascii_uppercase();
//!                 rest -= n;
//!             }
//!             Ok(count)
//!         }
//!     }
//! }
//!
//! glib::wrapper! {
//!     pub struct Upper(ObjectSubclass<imp::Upper>)
//!         @extends qio::ChannelFile, qio::Channel;
//! }
//!
//! # fn main() -> io::Result<()> {
//! let (read, mut write) = io::pipe()?;
//! let upper: Upper = glib::Object::new();
//! upper.upcast_ref::<qio::ChannelFile>().adopt_fd(read.into())?;
//! io::Write::write_all(&mut write, b"hello")?;
//! let mut buf = [0; 5];
//! upper.read_all(&mut buf)?;
//! assert_eq!(&buf, b"HELLO");
//! # Ok(())
//! # }
//! ```
//!
//! # Several languages
//!
//! In C a class overrides `io_readv` or `io_read_bytes` in its class struct, in Python
//! `do_io_read_bytes`, in GJS `vfunc_io_read_bytes`, in Vala `read_bytes_with_fds`. Of the two
//! forms of a function the most derived override is called.
