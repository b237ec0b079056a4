//! A list of the channels of a process, and warnings about them.
//!
//! [`Monitor`](crate::Monitor) lists class, name, state, bytes and calls in each direction, waits,
//! pending output and errors. It costs nothing while there is no monitor. What it finds wrong is a
//! signal, and a message in the structured log of GLib:
//!
//! | [`MonitorWarning`](crate::MonitorWarning) | what to do |
//! | --- | --- |
//! | `BlockedLoop`: a call has blocked a thread that runs a main context for more than 5 ms | use a future, a watch or a coroutine; or a thread |
//! | `UnreadWatch`, `UnwrittenWatch`: a watch or an fd handler fires 1,000 times a second | read until would-block, or remove it |
//! | `PendingOutput`: no progress for a second | the peer does not read: set a timeout |
//! | `ClosedUnread`: closed with input that was not read | read to the end before: TCP resets the connection |
//! | `SlowHandshake`: longer than 10 seconds | set a timeout |
//! | `BusyLoop`: called or polled 10,000 times a second, and nothing was moved | wait by a future or a watch; stop at end-of-file and after an error |
//!
//! A call counts as blocked if its thread has waited in it, or has used the processor for that
//! long; a thread that was preempted is no reason for a warning.
//!
//! ```
//! use qio::{ChannelSocket, Monitor, MonitorWarning, prelude::*};
//! use std::{cell::Cell, rc::Rc, thread, time::Duration};
//!
//! # fn main() -> std::io::Result<()> {
//! let monitor = Monitor::new();
//! let blocked = Rc::new(Cell::new(0));
//! let counter = blocked.clone();
//! monitor.connect_warning(move |item, kind, message| {
//!     println!("{}: {message}", item.label());
//!     counter.set(counter.get() + u32::from(kind == MonitorWarning::BlockedLoop));
//! });
//!
//! let (here, there) = ChannelSocket::pair()?;
//! let late = thread::spawn(move || {
//!     thread::sleep(Duration::from_millis(30));
//!     there.write_all(b"hello")
//! });
//! // A blocking call in a task: the main loop waits as well.
//! glib::MainContext::default().block_on(async { here.read(&mut [0; 5]) })?;
//! monitor.refresh(); // which a timer does as well
//! assert_eq!(blocked.get(), 1);
//! # late.join().expect("no panic")?;
//! # Ok(())
//! # }
//! ```
//!
//! # Other processes
//!
//! With `QIO_MONITOR=1` in its environment a process is observed from its beginning, and logs
//! warnings. With `QIO_MONITOR=listen`, or after [`Monitor::listen`](crate::Monitor::listen), it
//! sends snapshots to processes of the same user: `qio top PID` shows them on a terminal, and
//! `python3 -m qio_inspector PID` in a window with plots. `qio top -- PROGRAM` starts a program.
