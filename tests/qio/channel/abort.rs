//! Closing a channel as one that has failed.

use std::{io::ErrorKind, path::Path, thread};

use qio::{
    ChannelBuffer, ChannelCommand, ChannelFile, ChannelSocket, ChannelTls, TlsCreds, TlsEndpoint,
    prelude::*,
};

use super::splice::fixtures::{rest, tcp_pair};
use crate::common::{blocked::Blocked, in_time};

#[test]
fn the_peer_of_a_tcp_connection_sees_a_reset() {
    let (here, there) = tcp_pair();
    here.write_all(b"half").expect("written");
    there.read_all(&mut [0; 4]).expect("read");
    here.abort();
    assert!(here.is_closed());
    let e = in_time(move || there.read(&mut [0]).expect_err("no end"));
    assert_eq!(e.kind(), ErrorKind::ConnectionReset);
    here.abort();
    here.close().expect("nothing left to do");
}

#[test]
fn the_peer_sees_a_reset_although_another_thread_reads_and_another_descriptor_stays_open() {
    let (here, there) = tcp_pair();
    let twin = here.with_fd(|fd| fd.try_clone_to_owned());
    let _twin = twin.expect("open").expect("a descriptor");
    let blocked = std::sync::Arc::new(Blocked::default());
    let (reads, reader) = (blocked.clone(), here.clone());
    let reading = thread::spawn(move || {
        reads.soon();
        reader.read(&mut [0])
    });
    blocked.wait();
    here.abort();
    let read = in_time(move || reading.join().expect("no panic"));
    // Where it has come so far the system reports it, otherwise the channel.
    assert!(!matches!(read, Ok(1..)), "{read:?}");
    let e = in_time(move || there.read(&mut [0]).expect_err("no end"));
    assert_eq!(e.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_layered_channel_sends_nothing_and_the_peer_sees_a_reset() {
    let (here, there) = tcp_pair();
    let creds = TlsCreds::builder(TlsEndpoint::Client)
        .system_trust()
        .build()
        .expect("credentials");
    let tls = ChannelTls::new_client(&here, &creds, Some("localhost")).expect("a layer");
    tls.abort();
    assert!(tls.is_closed() && here.is_closed());
    let e = in_time(move || there.read(&mut [0]).expect_err("no end"));
    assert_eq!(e.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_command_is_killed_and_leaves_no_zombie() {
    let script = "trap '' TERM; echo; while :; do sleep 0.05; done";
    let command = ChannelCommand::builder(["sh", "-c", script]).spawn();
    let command = command.expect("a shell");
    command.read_all(&mut [0]).expect("it is ready");
    let path = format!("/proc/{}", command.pid());
    command.abort();
    assert!(command.is_closed());
    in_time(move || {
        while Path::new(&path).exists() {
            thread::yield_now();
        }
    });
    let status = in_time(move || {
        loop {
            if let Some(status) = command.exit_status().expect("known") {
                break status;
            }
        }
    });
    use std::os::unix::process::ExitStatusExt;
    assert_eq!(status.signal(), Some(nix::libc::SIGKILL));
}

#[test]
fn other_channels_are_closed() {
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    a.write_all(b"sent").expect("space");
    a.abort();
    assert_eq!(rest(&b), b"sent");
    let (read, write) = ChannelFile::pipe().expect("a pipe");
    write.abort();
    assert_eq!(rest(&read), b"");
    let buffer = ChannelBuffer::new(1);
    buffer.abort();
    assert!(buffer.is_closed());
}
