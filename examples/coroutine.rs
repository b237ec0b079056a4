//! A library for blocking streams on the main loop: gzip is unpacked straight from a socket, by
//! `flate2` over `std::io::Read`, in a coroutine, while a timer keeps ticking.
//!
//! `cargo run --release --example coroutine`
//!
//! With `QIO_MONITOR=listen` in its environment, `qio top` shows its channels.

use std::{
    cell::Cell,
    io::{self, Read, Write},
    process::ExitCode,
    rc::Rc,
    time::Duration,
};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use glib::ControlFlow;
use qio::{ChannelSocket, coroutine, prelude::*};

/// What is sent, before it is packed.
const LINES: usize = 200_000;

/// How often the timer is to tick.
const TICK: Duration = Duration::from_millis(1);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("coroutine: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    let (here, there) = ChannelSocket::pair()?;
    let ticks = Rc::new(Cell::new(0));
    let ticking = ticks.clone();
    let timer = glib::timeout_add_local(TICK, move || {
        ticking.set(ticking.get() + 1);
        ControlFlow::Continue
    });

    // Both are written as if they blocked; neither holds up the other, or the timer.
    let (reader, writer) = (here.clone(), there.clone());
    let sender = coroutine::spawn(move || -> io::Result<()> {
        let mut packer = GzEncoder::new(writer.blocking_io(), Compression::fast());
        for number in 0..LINES {
            writeln!(packer, "line {number} of a long text that is packed")?;
        }
        packer.finish()?;
        writer.shutdown(qio::Shutdown::Write)
    });
    let receiver = coroutine::spawn(move || -> io::Result<usize> {
        let mut text = String::new();
        GzDecoder::new(reader.blocking_io()).read_to_string(&mut text)?;
        Ok(text.lines().count())
    });

    let lines = glib::MainContext::default().block_on(async {
        sender.await.map_err(io::Error::other)??;
        receiver.await.map_err(io::Error::other)?
    })?;
    timer.remove();
    if lines != LINES {
        return Err(io::Error::other(format!(
            "{lines} of {LINES} lines arrived"
        )));
    }
    let ticks = ticks.get();
    println!("coroutine: ok, {lines} lines unpacked from a socket, {ticks} ticks meanwhile");
    here.close()?;
    there.close()
}
