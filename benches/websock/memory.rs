//! The memory of connections that have carried messages and are idle, with their sockets.

use std::io;

use futures_util::future;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::protocol::{Role, WebSocketConfig},
};

use super::ends::{End, Messages, Net, Socket, handshake, options, our_ends};

/// How many connections are measured.
const CONNECTIONS: usize = 400;

/// How many bytes of the heap one end of ours takes.
pub(crate) fn ours() -> io::Result<f64> {
    let options = options(false)?;
    let context = glib::MainContext::new();
    let body = || {
        context.block_on(measure(async || {
            let ends = our_ends(Net::Unix.pair()?, &options)?;
            handshake(&ends).await?;
            let (mut here, mut there) = (Messages(ends.0), Messages(ends.1));
            exchange(&mut here, &mut there).await?;
            Ok((here, there))
        }))
    };
    context.with_thread_default(body).expect("its own")
}

/// The same of tokio-tungstenite, with buffers of this size, or its default.
pub(crate) fn tungstenite(buffers: Option<usize>) -> io::Result<f64> {
    let config = buffers.map(|bytes| {
        WebSocketConfig::default()
            .read_buffer_size(bytes)
            .write_buffer_size(bytes)
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(measure(async || {
        let (here, there) = Net::Unix.pair()?;
        let end = |fd, role| async move {
            let stream = tokio::net::UnixStream::new(fd)?;
            io::Result::Ok(WebSocketStream::from_raw_socket(stream, role, config).await)
        };
        let mut here = Box::new(end(here, Role::Client).await?);
        let mut there = Box::new(end(there, Role::Server).await?);
        exchange(&mut *here, &mut *there).await?;
        Ok((here, there))
    }))
}

/// A message goes each way.
async fn exchange<E: End>(here: &mut E, there: &mut E) -> io::Result<()> {
    let message = E::message(false, &[7; 1000]);
    let (sent, received) = future::join(here.send(&message), there.receive(&mut [0; 1000])).await;
    sent.and(received)?;
    let (sent, received) = future::join(there.send(&message), here.receive(&mut [0; 1000])).await;
    sent.and(received)?;
    Ok(())
}

async fn measure<T>(connect: impl AsyncFn() -> io::Result<T>) -> io::Result<f64> {
    let mut kept = Vec::with_capacity(CONNECTIONS + 10);
    // The first ones pay for what there is once.
    for _ in 0..10 {
        kept.push(connect().await?);
    }
    let before = allocated();
    for _ in 0..CONNECTIONS {
        kept.push(connect().await?);
    }
    let after = allocated();
    drop(kept);
    Ok((after - before) as f64 / (2 * CONNECTIONS) as f64)
}

/// The bytes of the heap that are in use.
#[allow(unsafe_code)] // a function of the C library
fn allocated() -> usize {
    // SAFETY: it takes nothing, and may be called at any time.
    let info = unsafe { libc::mallinfo2() };
    info.uordblks + info.hblkhd
}
