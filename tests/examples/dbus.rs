//! The example `dbus`: zbus over channels, with zbus, GDBus and a message bus as peers.

use std::{io::Read as _, time::Instant};

use gio::prelude::*;
use glib::variant::Handle;

use crate::{
    output,
    process::{Running, TIMEOUT, tool},
    start,
};

/// What a client that passes descriptors prints.
const CALLS: &str = "dbus: 2 + 3 = 5\ndbus: printed by the peer\ndbus: opened by the peer\n";

#[test]
fn two_peers_call_each_other_over_sockets_and_tls_in_one_thread() {
    // Over TLS no descriptors are passed.
    let expected = format!("{CALLS}dbus: 2 + 3 = 5\ndbus: threads: 1\n");
    assert_eq!(output("dbus", &["pair"]), expected);
}

#[test]
fn a_client_of_a_message_bus_calls_itself_through_it() {
    needs!("dbus-daemon");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("bus").display().to_string();
    let mut bus = tool("dbus-daemon", "dbus-daemon");
    let mut bus = Running::new(bus.args([
        "--session",
        "--nofork",
        "--nopidfile",
        "--print-address",
        &format!("--address=unix:path={path}"),
    ]));
    bus.until("\n"); // it listens
    let expected = format!("{CALLS}dbus: threads: 1\n");
    assert_eq!(output("dbus", &["bus", &path]), expected);
}

/// Calls a method of the example by GDBus, with descriptors and for descriptors.
fn call(
    client: &gio::DBusConnection,
    method: &str,
    parameters: &glib::Variant,
    fds: Option<&gio::UnixFDList>,
) -> (glib::Variant, Option<gio::UnixFDList>) {
    let timeout = i32::try_from(TIMEOUT.as_millis()).expect("it fits");
    let result = client.call_with_unix_fd_list_sync(
        None,
        "/org/example/Desk",
        "org.example.Desk",
        method,
        Some(parameters),
        None,
        gio::DBusCallFlags::NONE,
        timeout,
        fds,
        gio::Cancellable::NONE,
    );
    result.unwrap_or_else(|e| panic!("{method}: {e}"))
}

#[test]
fn gdbus_calls_methods_and_passes_descriptors_both_ways() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("peer").display().to_string();
    let mut server = start("dbus", &["serve", &path]);
    server.until("dbus: listening on ");
    let address = server.until("\n");
    let client = gio::DBusConnection::for_address_sync(
        &address,
        gio::DBusConnectionFlags::AUTHENTICATION_CLIENT,
        None,
        gio::Cancellable::NONE,
    );
    let client = client.expect("a connection");

    let (sum, _) = call(&client, "Add", &(20u32, 22u32).to_variant(), None);
    assert_eq!(sum.get::<(u32,)>(), Some((42,)));

    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let fds = gio::UnixFDList::new();
    let index = fds.append(&writer).expect("a duplicate");
    let parameters = (Handle(index), "to a pipe of GDBus").to_variant();
    call(&client, "Print", &parameters, Some(&fds));
    drop((writer, fds));
    let mut text = String::new();
    reader.read_to_string(&mut text).expect("text");
    assert_eq!(text, "to a pipe of GDBus");

    let (handle, fds) = call(
        &client,
        "Open",
        &("from a pipe of zbus",).to_variant(),
        None,
    );
    let Handle(index) = handle.get::<(Handle,)>().expect("a handle").0;
    let fd = fds.expect("descriptors").get(index).expect("one");
    let mut text = String::new();
    std::fs::File::from(fd)
        .read_to_string(&mut text)
        .expect("text");
    assert_eq!(text, "from a pipe of zbus");

    client.close_sync(gio::Cancellable::NONE).expect("closed");
    server.until("dbus: threads: ");
    assert_eq!(server.until("\n"), "1");
}

#[test]
fn a_peer_with_data_of_another_protocol_is_an_error_of_its_connection_alone() {
    use std::{io::Write as _, os::unix::net::UnixStream};
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("peer").display().to_string();
    let mut server = start("dbus", &["serve", &path]);
    server.until("dbus: listening on ");
    let address = server.until("\n");
    let mut peer = UnixStream::connect(&path).expect("it listens");
    peer.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("sent");
    drop(peer);
    server.wait_for_log("dbus: ");
    let begin = Instant::now();
    let client = gio::DBusConnection::for_address_sync(
        &address,
        gio::DBusConnectionFlags::AUTHENTICATION_CLIENT,
        None,
        gio::Cancellable::NONE,
    );
    let (sum, _) = call(
        &client.expect("a connection"),
        "Add",
        &(1u32, 1u32).to_variant(),
        None,
    );
    assert_eq!(sum.get::<(u32,)>(), Some((2,)));
    assert!(begin.elapsed() < TIMEOUT);
}
