//! HTTP by hyper on the GLib main loop, without another event loop: a server and a client with TLS,
//! where ALPN chooses HTTP/2 or HTTP/1.1.
//!
//! `cargo run --example http -- serve CERT KEY [HOST:PORT]` answers `/`, `/bytes/COUNT`, and
//! `/echo`, which sends a request's body back. SIGTERM and SIGINT shut it down gracefully: requests
//! that have begun are answered.
//!
//! `cargo run --example http -- get [--http1] CA HOST:PORT PATH…` sends all requests over one
//! connection, with HTTP/2 all at once. `put` in place of `get` sends 4 MiB to each path, and
//! compares them with the answer.
//!
//! With `QIO_MONITOR=listen` in its environment, `qio top` shows its channels.

use std::{convert::Infallible, env, error::Error, pin::Pin, process::ExitCode, time::Duration};

use futures_util::future::{self, Either};
use gio::{Cancellable, prelude::*};
use glib::ControlFlow;
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client, server,
    service::service_fn,
};
use qio::{
    ChannelSocket, ChannelTls, IoFutureExt, NetListener, TlsCreds, TlsEndpoint,
    hyper::{Executor, Io, Timer},
    prelude::*,
};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Both protocols, in the order of preference.
const ALPN: [&str; 2] = ["h2", "http/1.1"];

/// For a handshake, and for the head of a request.
const LIMIT: Duration = Duration::from_secs(10);

/// Connections that wait to be accepted.
const BACKLOG: u32 = 128;

/// The size of what `put` sends.
const UPLOAD: usize = 4 << 20;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let context = glib::MainContext::default();
    let result = match &arguments[..] {
        ["serve", cert, key] => context.block_on(serve(cert, key, "localhost:8443")),
        ["serve", cert, key, address] => context.block_on(serve(cert, key, address)),
        [method @ ("get" | "put"), "--http1", ca, address, paths @ ..] => {
            context.block_on(request(method, &ALPN[1..], ca, address, paths))
        }
        [method @ ("get" | "put"), ca, address, paths @ ..] => {
            context.block_on(request(method, &ALPN, ca, address, paths))
        }
        _ => {
            eprintln!("usage: http serve CERT KEY [HOST:PORT]");
            eprintln!("       http get|put [--http1] CA HOST:PORT PATH...");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("http: {}", with_causes(&*e));
            ExitCode::FAILURE
        }
    }
}

/// An error of hyper names its cause as a source.
fn with_causes(error: &dyn Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", with_causes(cause)),
        None => error.to_string(),
    }
}

async fn serve(cert: &str, key: &str, address: &str) -> Result {
    let creds = TlsCreds::builder(TlsEndpoint::Server)
        .certificate_files(cert, key)
        .alpn_protocols(ALPN)
        .build()?;
    let listener = NetListener::new();
    listener
        .open_future(&gio::NetworkAddress::parse(address, 443)?, BACKLOG)
        .await?;
    for address in listener.local_addresses() {
        println!("http: listening on {}", address.to_string());
    }
    let stop = Cancellable::new();
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let stop = stop.clone();
        glib_unix::unix_signal_add_local(signal, move || {
            stop.cancel();
            ControlFlow::Continue
        });
    }
    let mut connections = Vec::new();
    while let Ok(client) = listener.accept_future().or_cancelled(&stop).await {
        connections.retain(|task: &qio::JoinHandle<()>| !task.is_finished());
        let (creds, stop) = (creds.clone(), stop.clone());
        connections.push(qio::spawn_local(async move {
            if let Err(e) = serve_client(&client, &creds, &stop).await {
                eprintln!("http: {}", with_causes(&*e));
            }
        }));
    }
    listener.disconnect();
    future::join_all(connections).await;
    println!("http: all connections are closed");
    Ok(())
}

async fn serve_client(client: &ChannelSocket, creds: &TlsCreds, stop: &Cancellable) -> Result {
    let channel = ChannelTls::new_server(client, creds)?;
    channel.handshake_future().or_timeout(LIMIT).await?;
    let io = Io::new(&channel);
    let service = service_fn(answer);
    let result = if channel.alpn_protocol().as_deref() == Some("h2") {
        let mut http = server::conn::http2::Builder::new(Executor::new());
        http.timer(Timer).keep_alive_interval(LIMIT);
        let connection = http.serve_connection(io, service);
        until(stop, connection, |it| it.graceful_shutdown()).await
    } else {
        let mut http = server::conn::http1::Builder::new();
        http.timer(Timer).header_read_timeout(LIMIT);
        let connection = http.serve_connection(io, service);
        until(stop, connection, |it| it.graceful_shutdown()).await
    };
    // Also after an error: its response is to arrive.
    let closed = channel.close_future().await;
    result?;
    Ok(closed?)
}

/// Runs a connection, and shuts it down gracefully once `stop` is cancelled.
async fn until<C: Future>(
    stop: &Cancellable,
    connection: C,
    shut_down: impl FnOnce(Pin<&mut C>),
) -> C::Output {
    let mut connection = std::pin::pin!(connection);
    if let Either::Left((result, _)) = future::select(connection.as_mut(), stop.future()).await {
        return result;
    }
    shut_down(connection.as_mut());
    connection.await
}

type Body = BoxBody<Bytes, hyper::Error>;

fn full(data: impl Into<Bytes>) -> Body {
    Full::new(data.into()).map_err(|e| match e {}).boxed()
}

async fn answer(request: Request<Incoming>) -> std::result::Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    let count = path.strip_prefix("/bytes/").map(str::parse::<u32>);
    Ok(match (&*path, count) {
        ("/", _) => Response::new(full("hello from the main loop\n")),
        ("/echo", _) => Response::new(request.into_body().boxed()),
        (_, Some(Ok(count))) => Response::new(full(pattern(count as usize))),
        _ => {
            let mut response = Response::new(full("not found\n"));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    })
}

/// Bytes of which no two parts are alike.
fn pattern(count: usize) -> Vec<u8> {
    let numbers = (0..count as u32 / 4 + 1).flat_map(u32::to_le_bytes);
    numbers.take(count).collect()
}

async fn request(method: &str, alpn: &[&str], ca: &str, address: &str, paths: &[&str]) -> Result {
    let address = gio::NetworkAddress::parse(address, 443)?;
    let host = address.hostname();
    let creds = TlsCreds::builder(TlsEndpoint::Client)
        .trust_file(ca)
        .alpn_protocols(alpn.iter().copied())
        .build()?;
    let socket = ChannelSocket::connect_future(&address)
        .or_timeout(LIMIT)
        .await?;
    let channel = ChannelTls::new_client(&socket, &creds, host.as_str())?;
    channel.handshake_future().or_timeout(LIMIT).await?;
    let io = Io::new(&channel);
    let upload = method == "put";
    let make = |path: &&str| {
        let (method, body) = match upload {
            true => (Method::PUT, pattern(UPLOAD)),
            false => (Method::GET, Vec::new()),
        };
        Request::builder()
            .method(method)
            .uri(format!("https://{host}{path}"))
            .header("host", host.as_str())
            .body(full(body))
    };
    if channel.alpn_protocol().as_deref() == Some("h2") {
        let (sender, connection) = client::conn::http2::Builder::new(Executor::new())
            .timer(Timer)
            .handshake(io)
            .await?;
        let connection = qio::spawn_local(connection);
        let all = paths.iter().map(|path| {
            let mut sender = sender.clone();
            async move { finish(sender.send_request(make(path)?).await?, path, upload).await }
        });
        future::try_join_all(all).await?;
        // The connection ends with its senders.
        drop(sender);
        connection.await??;
    } else {
        let (mut sender, connection) = client::conn::http1::handshake(io).await?;
        let connection = qio::spawn_local(connection);
        for path in paths {
            sender.ready().await?;
            finish(sender.send_request(make(path)?).await?, path, upload).await?;
        }
        drop(sender);
        connection.await??;
    }
    Ok(channel.close_future().await?)
}

/// Reads a response, and prints a line about it.
async fn finish(response: Response<Incoming>, path: &str, upload: bool) -> Result {
    let (status, version) = (response.status(), response.version());
    let body = response.into_body().collect().await?.to_bytes();
    if upload && status == StatusCode::OK && body != pattern(UPLOAD) {
        return Err(format!("{path}: the answer differs from what was sent").into());
    }
    println!("{path}: {version:?}, {status}, {} bytes", body.len());
    Ok(())
}
