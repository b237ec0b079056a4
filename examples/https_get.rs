//! Gets a page over HTTPS, in a coroutine, while the main loop runs.
//!
//! `cargo run --example https_get -- HOST[:PORT] [PATH]` prints what the server answers. The
//! certificate of the server is verified against what the system trusts, or against the authorities
//! in the PEM file that the environment variable `CA_FILE` names.
//!
//! With `QIO_MONITOR=listen` in its environment, `qio top` shows its channels.

use std::{
    env,
    io::{self, Read, Write},
    process::ExitCode,
    time::Duration,
};

use glib::ControlFlow;
use qio::{ChannelSocket, ChannelTls, TlsCreds, TlsEndpoint, coroutine, prelude::*};

/// Code in blocking style: where it waits, the main loop runs.
fn get(host: &str, path: &str) -> io::Result<Vec<u8>> {
    let address = gio::NetworkAddress::parse(host, 443).map_err(qio::from_glib_error)?;
    let name = address.hostname();
    let mut creds = TlsCreds::builder(TlsEndpoint::Client).alpn_protocols(["http/1.1"]);
    if let Some(file) = env::var_os("CA_FILE") {
        creds = creds.trust_file(file);
    }
    let creds = creds.build()?;

    let socket = ChannelSocket::connect(&address)?;
    let tls = ChannelTls::new_client(&socket, &creds, name.as_str())?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    tls.write_all(request.as_bytes())?; // which performs the handshake
    eprintln!(
        "{name}: {:?}, {}",
        tls.protocol_version(),
        tls.cipher().unwrap_or_default()
    );
    let mut answer = Vec::new();
    tls.blocking_io().read_to_end(&mut answer)?;
    tls.close()?;
    Ok(answer)
}

/// Not an option, nor a whole URI.
fn is_host(text: &str) -> bool {
    !text.starts_with('-') && !text.contains('/')
}

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let (host, path) = match &arguments[..] {
        [host] if is_host(host) => (host.clone(), "/".to_owned()),
        [host, path] if is_host(host) => (host.clone(), path.clone()),
        _ => {
            eprintln!("usage: https_get HOST[:PORT] [PATH]");
            return ExitCode::from(2);
        }
    };
    // The loop has time for this meanwhile.
    let timer = glib::timeout_add_local(Duration::from_millis(100), || {
        eprint!(".");
        ControlFlow::Continue
    });
    let page = coroutine::spawn(move || get(&host, &path));
    let page = glib::MainContext::default().block_on(page);
    timer.remove();
    let page = page.unwrap_or_else(|e| Err(io::Error::other(e)));
    match page.and_then(|page| io::stdout().write_all(&page)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("https_get: {e}");
            ExitCode::FAILURE
        }
    }
}
