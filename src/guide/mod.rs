//! A guide by topic, with examples that the tests run.
//!
//! | page | topic |
//! | --- | --- |
//! | [`waiting`] | blocking calls, watches, futures, coroutines; spurious readiness |
//! | [`subclassing`] | classes that derive from [`Channel`](crate::Channel) |
//! | [`cancellation`] | timeouts, cancellables, dropped futures |
//! | [`threads_and_close`] | which calls work from which thread; `close`, `abort`, forks |
//! | [`fd_passing`] | file descriptors in messages |
//! | [`zero_copy`] | `MSG_ZEROCOPY`, and data that moves within the kernel |
//! | [`tls`] | clients, servers, the end of a stream |
//! | [`websocket`] | servers and clients, messages, origins, compression |
//! | [`lines_and_frames`] | lines, frames, data up to end-of-file; STARTTLS |
//! | [`async_crates`] | hyper, zbus, tokio's traits on the main loop |
//! | [`gio_streams`] | channels as streams of GIO, and the reverse: D-Bus, libsoup, converters |
//! | [`listeners`] | accepting connections |
//! | [`inspector`] | a list of all channels, warnings, `qio top`, a window |
//! | [`porting_from_gio`] | counterparts of GIO's streams and sockets |
//! | [`porting_from_qemu`] | differences from QEMU's `io/` |

pub mod async_crates;
pub mod cancellation;
pub mod fd_passing;
pub mod gio_streams;
pub mod inspector;
pub mod lines_and_frames;
pub mod listeners;
pub mod porting_from_gio;
#[doc = include_str!("../../data/porting-from-qemu.md")]
pub mod porting_from_qemu {}
pub mod subclassing;
pub mod threads_and_close;
pub mod tls;
pub mod waiting;
pub mod websocket;
pub mod zero_copy;
