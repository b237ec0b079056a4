//! Notifications of the service manager, as `sd_notify(3)` describes them.

use std::{
    cell::Cell,
    env, io,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
    process,
    rc::Rc,
    time::Duration,
};

use glib::ControlFlow;

use crate::{
    log::{Event, entry},
    session::{active::Active, one_line},
};

/// A service manager that reads nothing delays this program by no more.
const TIMEOUT: Duration = Duration::from_secs(1);

/// How often the number of clients is reported.
const STATUS: Duration = Duration::from_secs(1);

/// The service manager, if there is one.
#[derive(Default)]
pub(crate) struct Manager {
    socket: Option<UnixDatagram>,
    /// Whether the number of clients is being reported.
    reports: Cell<bool>,
    is_stopping: Cell<bool>,
}

impl Manager {
    /// The service manager that the environment names.
    pub(crate) fn new() -> Rc<Self> {
        let socket = connected().unwrap_or_else(|e| {
            let text = format!("Unable to notify the service manager: {}", one_line(&e));
            entry(Event::Error, text).write();
            None
        });
        Rc::new(Self {
            socket,
            ..Self::default()
        })
    }

    pub(crate) fn is_there(&self) -> bool {
        self.socket.is_some()
    }

    fn send(&self, state: &str) {
        if let Some(socket) = &self.socket {
            // Nothing can be done about it, and nothing depends on it.
            let _ = socket.send(state.as_bytes());
        }
    }

    /// Reports that clients can connect.
    pub(crate) fn ready(&self) {
        self.send("READY=1\nSTATUS=Ready");
    }

    /// Reports that the configuration is being read, until `ready`.
    pub(crate) fn reloading(&self) {
        // The clock is CLOCK_MONOTONIC.
        let now = glib::monotonic_time();
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={now}"));
    }

    /// Reports that the sessions are being completed, which may take so long.
    pub(crate) fn stopping(&self, clients: usize, timeout: Option<Duration>) {
        self.is_stopping.set(true);
        let mut state = format!("STOPPING=1\nSTATUS={}", completing(clients));
        if let Some(timeout) = timeout {
            let longer = timeout + Duration::from_secs(5);
            state += &format!("\nEXTEND_TIMEOUT_USEC={}", longer.as_micros());
        }
        self.send(&state);
    }

    /// Reports the number of clients, now and then until there are none.
    pub(crate) fn report(self: &Rc<Self>, active: &Active) {
        if !self.is_there() || self.reports.replace(true) {
            return;
        }
        let (this, active) = (self.clone(), active.clone());
        let mut before = None;
        glib::timeout_add_local(STATUS, move || {
            let clients = active.count();
            if before.replace(clients) != Some(clients) {
                let status = match this.is_stopping.get() {
                    true => completing(clients),
                    false => format!("Serving {}", count_of(clients)),
                };
                this.send(&format!("STATUS={status}"));
            }
            if clients > 0 {
                return ControlFlow::Continue;
            }
            this.reports.set(false);
            ControlFlow::Break
        });
    }

    /// Sends WATCHDOG=1 at half of the time that the service manager has set, as long as
    /// `is_alive`.
    pub(crate) fn watch(self: &Rc<Self>, mut is_alive: impl FnMut() -> bool + 'static) {
        let Some(interval) = watchdog().filter(|_| self.is_there()) else {
            return;
        };
        let this = self.clone();
        glib::timeout_add_local(interval / 2, move || {
            if is_alive() {
                this.send("WATCHDOG=1");
            }
            ControlFlow::Continue
        });
    }
}

/// The socket that the environment names, connected.
fn connected() -> io::Result<Option<UnixDatagram>> {
    let Some(name) = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(&name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_write_timeout(Some(TIMEOUT))?;
    Ok(Some(socket))
}

/// The time of the watchdog, if it is one for this process.
fn watchdog() -> Option<Duration> {
    let pid = env::var("WATCHDOG_PID").ok();
    if pid.is_some_and(|pid| pid != process::id().to_string()) {
        return None;
    }
    let time = env::var("WATCHDOG_USEC").ok()?.parse().ok()?;
    (time > 0).then(|| Duration::from_micros(time))
}

fn completing(clients: usize) -> String {
    format!("Completing the sessions of {}", count_of(clients))
}

/// A number of clients, in words.
pub(crate) fn count_of(clients: usize) -> String {
    match clients {
        1 => "1 client".to_owned(),
        count => format!("{count} clients"),
    }
}
