//! The screen of a virtual machine in a browser: one port serves noVNC's page, and the WebSocket by
//! which it reaches a VNC server.
//!
//! ```text
//! qemu-system-x86_64 -vnc unix:/tmp/vnc … &
//! vnc 127.0.0.1:6080 unix:/tmp/vnc /usr/share/novnc [CERTIFICATE KEY]
//! ```
//!
//! The browser opens `http://127.0.0.1:6080/`, or `https://` with a certificate and its key, in
//! files. Any client of that address sees the screen, unless the VNC server has a password.
//!
//! With `QIO_MONITOR=listen` in its environment, `qio top` shows its channels.
use qio::{prelude::*, *};
use std::path::{Component, Path, PathBuf};
use std::{convert::Infallible, error::Error, ffi::OsStr, os::unix::ffi::OsStrExt};
use std::{env, fs, io, process::ExitCode, rc::Rc, time::Duration};

const USAGE: &str = "usage: vnc HOST:PORT unix:PATH|tcp:HOST:PORT FOLDER [CERTIFICATE KEY]";

/// For the handshakes and the request; for connecting; and for closing.
const LIMIT: Duration = Duration::from_secs(10);
/// For the transfer of a file.
const SENDING: Duration = Duration::from_secs(60);
/// Proxies end connections that are idle for a minute.
const PING: Duration = Duration::from_secs(30);
/// At a time, with two descriptors each. More of them wait to be accepted.
const CLIENTS: u32 = 400;

struct Server {
    vnc: NetAddress,
    folder: PathBuf,
    creds: Option<TlsCreds>,
    options: WebsockOptions,
}

impl Server {
    async fn serve(&self, client: ChannelSocket) -> io::Result<()> {
        let channel: Channel = match &self.creds {
            Some(creds) => ChannelTls::new_server(&client, creds)?.upcast(),
            None => client.upcast(),
        };
        let websock = ChannelWebsock::new_server(&channel, &self.options)?;
        let served = self.answer(&websock).await;
        // Also after an error: the response is to arrive.
        let closed = websock.close_future().or_timeout(LIMIT).await;
        served.and(closed)
    }

    async fn answer(&self, websock: &ChannelWebsock) -> io::Result<()> {
        // Which performs the TLS handshake, too.
        match websock.receive_request_future().or_timeout(LIMIT).await {
            // Browsers open connections in advance, and may not use them.
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            received => received?,
        }
        if websock.is_upgrade() {
            return self.show(websock).await;
        }
        let path = websock.path().unwrap_or_default();
        let (mut status, mut header, mut body) = (404, ("Content-Type", "text/plain"), Vec::new());
        if websock.method().as_deref() != Some("GET") {
            (status, header) = (405, ("Allow", "GET"));
        } else if let Some(file) = self.file(&path) {
            header.1 = content_type(&file);
            let read = gio::spawn_blocking(move || fs::read(file)).await;
            let read = read.expect("it does not panic");
            (status, body) = read.map_or((403, Vec::new()), |read| (200, read));
        }
        let headers = [header, ("X-Content-Type-Options", "nosniff")];
        let sent = websock.refuse_future(status, &headers, &body);
        sent.or_timeout(SENDING).await
    }

    /// Connects a page and the VNC server.
    async fn show(&self, websock: &ChannelWebsock) -> io::Result<()> {
        let vnc = match self.vnc.connect_future().or_timeout(LIMIT).await {
            Ok(vnc) => vnc,
            Err(e) => return websock.refuse_future(503, &[], b"").await.and(Err(e)),
        };
        websock.accept(None, &[])?;
        let relayed = relay_future(websock, &vnc).await;
        match websock.close_code() {
            // What was on its way to a page that was left is of no use.
            Some(1000 | 1001 | 1005) => Ok(()),
            _ => relayed.map(drop),
        }
    }

    /// The file that the path of a request names. `None` also for a path that leaves the folder.
    fn file(&self, path: &str) -> Option<PathBuf> {
        let path = if path == "/" { "/vnc.html" } else { path };
        let path = glib::Uri::unescape_bytes(path.strip_prefix('/')?, None).ok()?;
        let path = Path::new(OsStr::from_bytes(&path));
        let is_name = |part: Component<'_>| matches!(part, Component::Normal(_));
        let (is_inside, file) = (path.components().all(is_name), self.folder.join(path));
        (is_inside && file.is_file()).then_some(file)
    }
}

fn content_type(file: &Path) -> &'static str {
    match file.extension().and_then(|it| it.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        _ => "application/octet-stream",
    }
}

async fn run() -> Result<Infallible, Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [address, vnc, folder, tls @ ..] = &arguments[..] else {
        return Err(USAGE.into());
    };
    let (scheme, creds) = match tls {
        [] => ("http", None),
        [cert, key] => {
            let creds = TlsCreds::builder(TlsEndpoint::Server).certificate_files(cert, key);
            ("https", Some(creds.build()?))
        }
        _ => return Err(USAGE.into()),
    };
    // noVNC connects to this path.
    let options = WebsockOptions::builder().path("/websockify");
    let options = options.protocol("binary").ping_interval(PING);
    let server = Rc::new(Server {
        vnc: vnc.parse()?,
        folder: folder.into(),
        creds,
        options: options.pong_timeout(PING).build()?,
    });
    let listener = NetListener::new();
    listener.set_max_clients(CLIENTS);
    let address: NetAddress = format!("tcp:{address}").parse()?;
    listener.open_address_future(&address, 128).await?;
    for address in listener.local_addresses() {
        let address = NetAddress::try_from(&address)?.to_string();
        println!("vnc: {scheme}://{}/", address.trim_start_matches("tcp:"));
    }
    loop {
        let (client, server) = (listener.accept_future().await?, server.clone());
        spawn_local(async move {
            if let Err(e) = server.serve(client).await {
                eprintln!("vnc: {e}");
            }
        });
    }
}

fn main() -> ExitCode {
    let result = glib::MainContext::default().block_on(run());
    eprintln!("vnc: {}", result.expect_err("it runs until a signal"));
    ExitCode::FAILURE
}
