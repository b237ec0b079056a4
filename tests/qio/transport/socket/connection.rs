//! `src/transport/socket/connection.rs`: connections of GIO.

use std::{
    io::Read as _,
    net::UdpSocket,
    os::fd::{AsFd as _, OwnedFd},
};

use futures_util::future;
use gio::{DBusConnection, DBusConnectionFlags, prelude::*};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use qio::{ChannelSocket, prelude::*};

use crate::common::{in_time, on_loop};

#[test]
fn descriptors_are_passed_between_dbus_connections_over_connections_of_channels() {
    on_loop(|| async {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let (one, other) = (here.to_connection(), there.to_connection());
        let guid = gio::dbus_generate_guid();
        let server = DBusConnection::new_future(
            &one.expect("connected"),
            Some(&guid),
            DBusConnectionFlags::AUTHENTICATION_SERVER,
            None,
        );
        let client = DBusConnection::new_future(
            &other.expect("connected"),
            None,
            DBusConnectionFlags::AUTHENTICATION_CLIENT,
            None,
        );
        let (server, client) = future::join(server, client).await;
        // Without ANONYMOUS: by the credentials of the socket.
        let (server, client) = (server.expect("a server"), client.expect("a client"));
        let flags = client.capabilities();
        assert!(flags.contains(gio::DBusCapabilityFlags::UNIX_FD_PASSING));

        let xml = "<node><interface name='org.example.Files'>\
                   <method name='Take'><arg type='h' direction='in'/></method>\
                   </interface></node>";
        let node = gio::DBusNodeInfo::for_xml(xml).expect("valid");
        let interface = node.lookup_interface("org.example.Files").expect("there");
        let (sender, received) = std::sync::mpsc::channel();
        let _registered = server
            .register_object("/", &interface)
            .method_call(move |_, _, _, _, _, _, invocation| {
                let list = invocation.message().unix_fd_list().expect("descriptors");
                sender.send(list.get(0).expect("one")).expect("a receiver");
                invocation.return_value(None);
            })
            .build()
            .expect("registered");
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let list = gio::UnixFDList::new();
        list.append(reader.as_fd()).expect("appended");
        drop(reader);
        client
            .call_with_unix_fd_list_future(
                None,
                "/",
                "org.example.Files",
                "Take",
                Some(&(glib::variant::Handle(0),).to_variant()),
                None,
                gio::DBusCallFlags::NONE,
                60_000,
                Some(&list),
            )
            .await
            .expect("a reply");
        let mut passed = std::fs::File::from(received.recv().expect("a descriptor"));
        std::io::Write::write_all(&mut &writer, b"through the pipe").expect("written");
        drop(writer);
        let mut text = String::new();
        passed.read_to_string(&mut text).expect("read");
        assert_eq!(text, "through the pipe");
    });
}

#[test]
fn a_connection_puts_its_channel_in_non_blocking_mode() {
    in_time(|| {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let connection = here.to_connection().expect("connected");
        assert!(!here.is_blocking());
        let channel = ChannelSocket::from_connection(&connection).expect("a channel");
        assert!(!channel.is_blocking());
        there.write_all(b"hello").expect("written");
        channel.wait(glib::IOCondition::IN).expect("data");
        let mut word = [0; 5];
        assert_eq!(channel.read(&mut word).expect("read"), 5);
        connection.close(gio::Cancellable::NONE).expect("closed");
        channel.write_all(&word).expect("written");
        assert_eq!(there.read(&mut word).expect("read"), 5);
    });
}

#[test]
fn a_socket_that_is_not_connected_becomes_no_connection_and_stays_in_blocking_mode() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("bound");
    let channel = ChannelSocket::new_fd(OwnedFd::from(socket)).expect("a socket");
    let e = channel.to_connection().unwrap_err();
    assert_eq!(e.raw_os_error(), Some(nix::libc::ENOTCONN));
    assert!(channel.is_blocking());
    let flags = channel.with_fd(|fd| fcntl(fd, FcntlArg::F_GETFL));
    let flags = OFlag::from_bits_retain(flags.expect("open").expect("open"));
    assert!(!flags.contains(OFlag::O_NONBLOCK));
}

#[test]
fn a_tcp_channel_becomes_a_tcp_connection() {
    in_time(|| {
        let loopback = gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4);
        let any = gio::InetSocketAddress::new(&loopback, 0);
        let listener = ChannelSocket::listen(&any, 4).expect("listens");
        assert!(listener.to_connection().is_err());
        let client = ChannelSocket::connect(&listener.local_address().expect("an address"));
        let connection = client
            .expect("connects")
            .to_connection()
            .expect("connected");
        assert_eq!(connection.type_().name(), "GTcpConnection");
        assert!(ChannelSocket::new().to_connection().is_err());
    });
}

#[test]
fn a_channel_with_data_read_ahead_becomes_no_connection() {
    in_time(|| {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        there.write_all(b"line\nrest").expect("written");
        here.read_line(100).expect("a line");
        let e = here.to_connection().unwrap_err();
        assert_eq!(e.kind(), std::io::ErrorKind::InvalidInput);
        let mut rest = [0; 4];
        here.read_all(&mut rest).expect("the rest");
        assert_eq!(&rest, b"rest");
        here.to_connection().expect("connected");
    });
}
