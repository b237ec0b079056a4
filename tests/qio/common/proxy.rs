//! Proxies of others: microsocks for SOCKS5, tinyproxy for HTTP.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::Instant,
};

use super::TIMEOUT;

/// A proxy that ends with this.
pub(crate) struct Proxy {
    process: Child,
    port: u16,
    _directory: Option<tempfile::TempDir>,
}

impl Proxy {
    /// A SOCKS5 server, without authentication or with a user name and a password.
    pub(crate) fn socks(login: Option<(&str, &str)>) -> Self {
        Self::start(|port| {
            let mut command = Command::new("microsocks");
            command.args(["-i", "127.0.0.1", "-p", &port.to_string()]);
            if let Some((user, password)) = login {
                command.args(["-u", user, "-P", password]);
            }
            (command, None)
        })
    }

    /// Speaks HTTP, with more lines in its configuration.
    pub(crate) fn http(lines: &str) -> Self {
        Self::start(|port| {
            let directory = tempfile::tempdir().expect("a directory");
            let file = directory.path().join("tinyproxy.conf");
            let log = directory.path().join("log");
            let log = log.display();
            let common = format!("Port {port}\nListen 127.0.0.1\nTimeout 60\nLogFile \"{log}\"\n");
            fs::write(&file, common + lines).expect("writable");
            let mut command = Command::new("tinyproxy");
            command.arg("-d").arg("-c").arg(file);
            (command, Some(directory))
        })
    }

    fn start(prepare: impl Fn(u16) -> (Command, Option<tempfile::TempDir>)) -> Self {
        loop {
            let port = free_port();
            let (mut command, directory) = prepare(port);
            let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
            let process = quiet.stdin(Stdio::null()).spawn().unwrap_or_else(|e| {
                panic!("{command:?}: {e}; `make test` installs what the tests need")
            });
            let mut proxy = Self {
                process,
                port,
                _directory: directory,
            };
            if proxy.listens() {
                return proxy;
            }
        }
    }

    /// Waits until the proxy listens, by connecting to it: it does not report that. The process
    /// exits if the port is in use by now.
    fn listens(&mut self) -> bool {
        let end = Instant::now() + TIMEOUT;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            assert!(Instant::now() < end, "the proxy does not start");
            std::thread::yield_now();
        }
        matches!(self.process.try_wait(), Ok(None))
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bound");
    listener.local_addr().expect("an address").port()
}
