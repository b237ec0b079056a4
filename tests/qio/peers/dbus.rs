//! A D-Bus message bus, which passes descriptors between its clients: spoken to in its own
//! protocol, from the first byte on.

use std::{
    io::{IoSlice, IoSliceMut, Write as _},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use gio::prelude::*;
use glib::variant::Handle;
use qio::{ChannelSocket, ReadFlags, WriteFlags, prelude::*};

use super::{Peer, read_line, unix};
use crate::common::{in_time, on_loop};

const BUS: &str = "org.freedesktop.DBus";

/// A bus of our own.
fn bus(directory: &Path) -> (Peer, gio::SocketAddress) {
    let path = directory.join("bus");
    let arguments = [
        "--session".to_owned(),
        "--nofork".to_owned(),
        "--nopidfile".to_owned(),
        format!("--address=unix:path={}", path.display()),
    ];
    (Peer::start("dbus", "dbus-daemon", &arguments), unix(&path))
}

/// Sends a line, and returns the answer to it.
fn request(channel: &ChannelSocket, line: &str) -> String {
    channel
        .write_all(format!("{line}\r\n").as_bytes())
        .expect("sent");
    read_line(channel).trim_end().to_owned()
}

/// Sends our user id, which the bus compares with the credentials of the socket, and negotiates
/// file descriptor passing.
fn authenticate(channel: &ChannelSocket) {
    let uid = channel.peer_credentials().expect("the bus").uid.to_string();
    let hex: String = uid.bytes().map(|byte| format!("{byte:02x}")).collect();
    channel.write_all(b"\0").expect("sent");
    let answer = request(channel, &format!("AUTH EXTERNAL {hex}"));
    assert!(answer.starts_with("OK "), "{answer}");
    assert_eq!(request(channel, "NEGOTIATE_UNIX_FD"), "AGREE_UNIX_FD");
    channel.write_all(b"BEGIN\r\n").expect("sent");
}

/// A call as the bus takes it.
fn call(serial: u32, to: &str, path: &str, member: &str, fd: Option<BorrowedFd<'_>>) -> Vec<u8> {
    let message = gio::DBusMessage::new_method_call(Some(to), path, Some(to_interface(to)), member);
    message.set_serial(serial);
    if let Some(fd) = fd {
        // The message header has their number; they are passed with the data.
        let list = gio::UnixFDList::new();
        list.append(fd).expect("a duplicate");
        message.set_unix_fd_list(Some(&list));
        message.set_body(&(Handle(0),).to_variant());
    }
    let blob = message.to_blob(gio::DBusCapabilityFlags::UNIX_FD_PASSING);
    blob.expect("a message").to_vec()
}

fn to_interface(to: &str) -> &str {
    match to {
        BUS => BUS,
        _ => "org.example.Qio",
    }
}

/// Reads the next message, and the descriptors that come with it.
fn receive(channel: &ChannelSocket) -> (gio::DBusMessage, Vec<OwnedFd>) {
    let mut fds = Vec::new();
    let mut blob = vec![0; 16];
    channel
        .readv_full_all(
            &mut [IoSliceMut::new(&mut blob)],
            Some(&mut fds),
            ReadFlags::empty(),
        )
        .expect("the head");
    let size = gio::DBusMessage::bytes_needed(&blob).expect("a message");
    blob.resize(usize::try_from(size).expect("a size"), 0);
    channel
        .readv_full_all(
            &mut [IoSliceMut::new(&mut blob[16..])],
            Some(&mut fds),
            ReadFlags::empty(),
        )
        .expect("the rest");
    let flags = gio::DBusCapabilityFlags::UNIX_FD_PASSING;
    let message = gio::DBusMessage::from_blob(&blob, flags).expect("a message");
    (message, fds)
}

/// Registers, and returns the name that the bus has given us.
fn hello(channel: &ChannelSocket) -> String {
    let call = call(1, BUS, "/org/freedesktop/DBus", "Hello", None);
    channel.write_all(&call).expect("sent");
    loop {
        let (message, _) = receive(channel);
        if message.reply_serial() == 1 {
            let (name,) = message.body().expect("a body").get().expect("a name");
            return name;
        }
    }
}

/// A method call to this connection with a descriptor, as received.
fn take(channel: &ChannelSocket) -> Vec<OwnedFd> {
    loop {
        let (message, fds) = receive(channel);
        if message.member().is_some_and(|member| member == "Take") {
            assert_eq!(message.num_unix_fds(), 1);
            return fds;
        }
        assert!(fds.is_empty());
    }
}

fn check_is_pipe(mut read: impl std::io::Read, fds: Vec<OwnedFd>) {
    let [fd] = <[_; 1]>::try_from(fds).expect("one descriptor");
    std::fs::File::from(fd)
        .write_all(b"through the bus")
        .expect("it writes");
    let mut all = String::new();
    read.read_to_string(&mut all).expect("text");
    assert_eq!(all, "through the bus");
}

fn call_ourselves(name: &str, fd: BorrowedFd<'_>) -> Vec<u8> {
    call(2, name, "/org/example/Qio", "Take", Some(fd))
}

#[test]
fn a_descriptor_goes_through_the_bus_and_comes_back() {
    needs!("dbus-daemon");
    in_time(|| {
        let directory = tempfile::tempdir().expect("a directory");
        let (mut peer, address) = bus(directory.path());
        let channel = peer.connect(gio::SocketType::Stream, &address);
        assert_eq!(
            channel.peer_credentials().expect("the bus").pid,
            peer.0.id() as i32
        );
        authenticate(&channel);
        let name = hello(&channel);
        let (read, write) = std::io::pipe().expect("a pipe");
        let sent: &[BorrowedFd<'_>] = &[write.as_fd()];
        channel
            .writev_full_all(
                &[IoSlice::new(&call_ourselves(&name, write.as_fd()))],
                sent,
                WriteFlags::empty(),
            )
            .expect("sent");
        drop(write);
        check_is_pipe(read, take(&channel));
    });
}

#[test]
fn a_descriptor_goes_through_the_bus_by_futures() {
    needs!("dbus-daemon");
    on_loop(|| async {
        let directory = tempfile::tempdir().expect("a directory");
        let (mut peer, address) = bus(directory.path());
        let channel = peer.connect(gio::SocketType::Stream, &address);
        authenticate(&channel);
        let name = hello(&channel);
        channel.set_blocking(false).expect("non-blocking");
        let (read, write) = std::io::pipe().expect("a pipe");
        let message = glib::Bytes::from_owned(call_ourselves(&name, write.as_fd()));
        channel
            .write_bytes_full_all_future(&message, &[write.as_fd()], WriteFlags::empty())
            .await
            .expect("sent");
        drop(write);
        channel
            .ready(glib::IOCondition::IN)
            .await
            .expect("it comes back");
        check_is_pipe(read, take(&channel));
    });
}
