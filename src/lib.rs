//! I/O channels for the GLib main loop.
//!
//! A [`Channel`] is a GObject that transfers bytes and file descriptors: QEMU's `QIOChannel` for
//! applications that use GLib. One object works with blocking calls, with futures, with coroutines
//! and with watches, which are [`glib::Source`]s.
//!
//! | class | transport |
//! | --- | --- |
//! | [`ChannelSocket`] | TCP, unix paths and abstract names, datagrams; passes file descriptors |
//! | [`ChannelFile`] | files, pipes, terminals |
//! | [`ChannelCommand`] | standard input and output of a child process |
//! | [`ChannelBuffer`] | memory |
//! | [`ChannelIoStream`] | a stream of GIO |
//! | [`ChannelNull`] | none: writes are discarded, reads return end-of-file |
//! | [`ChannelTls`] | TLS over any channel |
//! | [`ChannelWebsock`] | a WebSocket over any channel |
//! | [`ChannelFilter`] | any channel: the base class of layers |
//!
//! A [`NetListener`] accepts connections on several sockets at once, [`activation`] takes sockets
//! that a service manager has opened, and a [`NetAddress`] connects to an address in text form.
//!
//! The [`guide`] has pages on waiting, subclassing, cancellation, threads, file descriptors, TLS,
//! listeners, and porting.
//!
//! The methods of all classes are those of [`ChannelExt`], [`ChannelSeekExt`], [`ChannelWatchExt`],
//! [`ChannelFutureExt`] and, for lines and frames, [`ChannelFramingExt`]. [`relay`] connects two
//! channels to each other. [`channel_for_fd`] creates the matching channel for any descriptor, and
//! [`channel_for_stream`] for any stream of GIO. A class of an application derives from
//! [`Channel`], or from one of the classes above, by
//! [`ChannelImpl`](subclass::prelude::ChannelImpl).
//!
//! # Examples
//!
//! A watch reads data from a socket, in the main loop:
//!
//! ```
//! use glib::{ControlFlow, IOCondition};
//! use qio::{ChannelSocket, Shutdown, prelude::*};
//!
//! # fn main() -> std::io::Result<()> {
//! let (here, there) = ChannelSocket::pair()?;
//! here.set_blocking(false)?;
//! there.write_all(b"hello\n")?;
//! there.shutdown(Shutdown::Write)?;
//!
//! let main_loop = glib::MainLoop::new(None, false);
//! let quit = main_loop.clone();
//! here.add_watch_local(IOCondition::IN, move |channel, _condition| {
//!     let mut buf = [0; 4096];
//!     match channel.read(&mut buf) {
//!         Ok(0) => quit.quit(),
//!         Ok(n) => print!("{}", String::from_utf8_lossy(&buf[..n])),
//!         Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
//!         Err(e) => {
//!             eprintln!("{e}");
//!             quit.quit();
//!         }
//!     }
//!     ControlFlow::Continue
//! });
//! main_loop.run();
//! # Ok(())
//! # }
//! ```
//!
//! # Errors
//!
//! Rust functions return [`std::io::Result`], which may have a GLib error inside: [`to_glib_error`]
//! and [`from_glib_error`] convert between them and keep domain, code and message.
//!
//! # One copy per process
//!
//! A program that links this crate must not load the C library `libqio-1.0` as well: GObject types
//! are registered once per process, and the second registration aborts it.

#[cfg(feature = "capi")]
mod capi;
mod channel;
pub mod coroutine;
mod error;
mod gio;
mod gio_context;
pub mod guide;
mod hub;
#[cfg(feature = "hyper")]
pub mod hyper;
mod layer;
mod log;
mod monitor;
mod net;
mod observe;
pub mod prelude;
mod sync;
mod sys;
mod transport;
mod types;
mod watch;

pub use self::gio::{ChannelGioExt, InputStream, IoStream, OutputStream};
pub use channel::{
    AsyncStream, BlockingIo, ByteCounter, Channel, ChannelExt, ChannelFramingExt, ChannelFutureExt,
    ChannelSeekExt, ChannelWatchExt, FdHandlers, Framing, IoFutureExt, Lines, LinesStream,
    ReadHalf, RelayCounters, RelayStats, WriteHalf, relay, relay_counted, relay_counted_future,
    relay_future,
};
pub use error::{
    ChannelError, RetryError, TransferError, from_glib_error, is_cancelled, to_glib_error,
};
pub use hub::{
    JoinError, JoinHandle, set_busy_poll, spawn, spawn_in, spawn_local, spawn_local_in,
    spawn_local_with_priority, spawn_with_priority,
};
pub use layer::{
    ChannelFilter, ChannelFilterExt, ChannelTls, ChannelWebsock, TlsCreds, TlsCredsBuilder,
    TlsEndpoint, TlsPskHash, WebsockDeflate, WebsockError, WebsockMessage, WebsockMessageKind,
    WebsockMessageReader, WebsockMessageWriter, WebsockMessages, WebsockOptions,
    WebsockOptionsBuilder,
};
pub use monitor::{Monitor, MonitorItem};
pub use net::{
    Backoff, ContextPool, Incoming, NetAddress, NetAddressError, NetListener, activation,
};
pub use observe::{MonitorState, MonitorWarning};
pub use sys::release::prepare_exit;
pub use transport::{
    Access, ChannelBuffer, ChannelCommand, ChannelFile, ChannelIoStream, ChannelNull,
    ChannelSocket, CommandBuilder, ConnectStage, PeerCredentials, StderrPolicy, channel_for_fd,
    channel_for_stream,
};
pub use types::{Feature, Flushed, ReadFlags, Readiness, Shutdown, WriteFlags};

/// The C layout of instances and classes.
pub mod ffi {
    pub use crate::channel::{QIOByteCounter, ffi::*};
    pub use crate::layer::{
        QIOChannelFilter, QIOChannelFilterClass, QIOChannelTLS, QIOChannelTLSClass,
        QIOChannelWebsock, QIOChannelWebsockClass, QIOTlsCreds, QIOTlsCredsClass,
    };
    pub use crate::net::{QIONetListener, QIONetListenerClass};
    pub use crate::transport::{
        QIOChannelBuffer, QIOChannelBufferClass, QIOChannelCommand, QIOChannelCommandClass,
        QIOChannelFile, QIOChannelFileClass, QIOChannelIOStream, QIOChannelIOStreamClass,
        QIOChannelNull, QIOChannelNullClass, QIOChannelSocket, QIOChannelSocketClass,
    };
}

/// The traits for classes of an application.
pub mod subclass {
    /// The traits of subclasses: ours and GLib's.
    pub mod prelude {
        #[doc(no_inline)]
        pub use glib::subclass::prelude::*;

        pub use crate::channel::{ChannelImpl, ChannelImplExt};
        pub use crate::layer::{
            ChannelFilterImpl, ChannelTlsImpl, ChannelWebsockImpl, TlsCredsImpl,
        };
        pub use crate::net::NetListenerImpl;
        pub use crate::transport::{
            ChannelBufferImpl, ChannelCommandImpl, ChannelFileImpl, ChannelIoStreamImpl,
            ChannelNullImpl, ChannelSocketImpl,
        };
    }
}

/// The examples of the documents are tested as well.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../README.md")]
    struct Readme;

    #[doc = include_str!("../docs/quick-start.md")]
    struct QuickStart;

    #[doc = include_str!("../docs/tls.md")]
    struct Tls;
}
