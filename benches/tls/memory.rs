//! The memory of connections that have carried records and are idle.

use std::{
    io::{self, Read, Write},
    thread,
};

use foreign_types::ForeignTypeRef;
use openssl::ssl::{SslRef, SslStream};
use qio::prelude::*;

use super::ends::{bare_pairs, our_ends};
use crate::Side;

/// How many connections are measured, and how much each end of them has sent.
const CONNECTIONS: usize = 400;
const CARRIED: usize = 100_000;

/// How many bytes of the heap one end takes, of this many.
pub(crate) fn of_idle_end(side: Side) -> io::Result<f64> {
    match side {
        Side::Openssl => measure(|| {
            let ((a, x), (b, y)) = bare_pairs()?;
            let (mut here, mut there) = (SslStream::new(a, x)?, SslStream::new(b, y)?);
            carry(
                || {
                    here.do_handshake().map_err(io::Error::other)?;
                    exchange(&mut here, true)
                },
                || {
                    there.do_handshake().map_err(io::Error::other)?;
                    exchange(&mut there, false)
                },
            )?;
            for end in [here.ssl(), there.ssl()] {
                free_buffers(end);
            }
            Ok((here, there))
        }),
        _ => measure(|| {
            let (client, server) = our_ends()?;
            carry(
                || exchange(&mut client.blocking_io(), true),
                || exchange(&mut server.blocking_io(), false),
            )?;
            Ok((client, server))
        }),
    }
}

fn carry(
    here: impl FnOnce() -> io::Result<()>,
    there: impl FnOnce() -> io::Result<()> + Send,
) -> io::Result<()> {
    thread::scope(|scope| {
        let there = scope.spawn(there);
        here().and(there.join().expect("no panic"))
    })
}

/// Data goes one way and then the other.
fn exchange(stream: &mut (impl Read + Write), begins: bool) -> io::Result<()> {
    let mut data = vec![7; CARRIED];
    if begins {
        stream.write_all(&data)?;
        return stream.read_exact(&mut data);
    }
    stream.read_exact(&mut data)?;
    stream.write_all(&data)
}

fn measure<T>(connect: impl Fn() -> io::Result<T>) -> io::Result<f64> {
    // The first ones pay for what there is once.
    let mut kept = (0..10).map(|_| connect()).collect::<io::Result<Vec<_>>>()?;
    let before = allocated();
    for _ in 0..CONNECTIONS {
        kept.push(connect()?);
    }
    let after = allocated();
    drop(kept);
    Ok((after - before) as f64 / (2 * CONNECTIONS) as f64)
}

/// What OpenSSL keeps of buffers that have nothing in them, after session tickets, is not counted.
#[allow(unsafe_code)] // the crate lacks the function
fn free_buffers(ssl: &SslRef) {
    unsafe extern "C" {
        fn SSL_free_buffers(ssl: *mut openssl_sys::SSL) -> libc::c_int;
    }
    // SAFETY: the connection is a live one.
    unsafe { SSL_free_buffers(ssl.as_ptr()) };
}

/// The bytes of the heap that are in use.
#[allow(unsafe_code)] // a function of the C library
fn allocated() -> usize {
    // SAFETY: it takes nothing, and may be called at any time.
    let info = unsafe { libc::mallinfo2() };
    info.uordblks + info.hblkhd
}
