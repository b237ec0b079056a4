//! The options of addresses, and sockets of a service manager.

use std::{
    fs,
    io::{Read, Write},
    net::{Shutdown, TcpListener},
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        net::UnixListener,
    },
    process::{Command, Stdio},
    thread,
};

use nix::sys::signal::Signal;

use crate::{
    accept, connect, connect_unix, listening,
    process::{Running, TIMEOUT, qio, start, usage_error},
    rest, skip, tcp_server,
};

#[test]
fn options_that_an_address_does_not_have_are_named() {
    for (address, message) in [
        (
            "tcp:h:1,mode=1",
            "tcp: has no option \"mode\": it has bind, retry, timeout, send-proxy; \
             a comma in a path is written %2C",
        ),
        (
            "unix-listen:/x,mode=9",
            "the option \"mode=9\" of unix-listen: expected octal permissions, such as 0660",
        ),
        (
            "unix-listen:/x,owner=no-such-user",
            "the option \"owner=no-such-user\" of unix-listen: there is no user \"no-such-user\"",
        ),
        (
            "tcp-listen:1,range=10.0.0.1/8",
            "the option \"range=10.0.0.1/8\" of tcp-listen: \
             \"10.0.0.1/8\" has bits that are set after the first 8",
        ),
        (
            "tcp-listen:1,range=::ffff:10.0.0.0/104",
            "the option \"range=::ffff:10.0.0.0/104\" of tcp-listen: \"::ffff:10.0.0.0/104\" is \
             mapped to IPv6: IPv4 addresses are matched by a range such as 10.0.0.0/8",
        ),
        (
            "tcp-listen:1,range=10.0.0.0/33",
            "the option \"range=10.0.0.0/33\" of tcp-listen: \
             expected a range such as 10.0.0.0/8 or fd00::/8, not \"10.0.0.0/33\"",
        ),
        (
            "tcp:h:1,retry",
            "the option \"retry\" of tcp: expected retry=COUNT",
        ),
        (
            "tls:h:1,timeout=0",
            "the option \"timeout=0\" of tcp: expected a number of seconds above 0",
        ),
        (
            "fd:3,mode=1",
            "expected the number of a file descriptor at character 4",
        ),
        (
            "vsock-listen:1,range=10.0.0.0/8",
            "vsock-listen: has no option \"range\": it has expect-proxy",
        ),
        ("pty:", "pty: needs a path, for a link to it"),
    ] {
        let found = usage_error(["stdio", address]);
        assert!(found.contains(message), "{address}: {found}");
    }
}

#[test]
fn a_unix_path_gets_its_mode_and_owner() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("socket");
    let own = nix::unistd::getuid();
    let first = format!("unix-listen:{},mode=0640,owner={own}", path.display());
    let mut server = start(["-v", &first, "exec:cat"]);
    server.wait_for_log("listening on unix:");
    let metadata = fs::metadata(&path).expect("a socket");
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o640);
    assert_eq!(metadata.uid(), own.as_raw());
    drop(connect_unix(&path));
    server.success();
}

#[test]
fn a_path_that_a_killed_server_has_left_may_be_kept() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("socket");
    drop(UnixListener::bind(&path).expect("bound"));
    let first = format!("unix-listen:{},replace=no", path.display());
    let error = start([&first, "exec:cat"]).failure(1);
    assert!(error.contains("Address already in use"), "{error}");
    assert!(path.exists());
}

#[test]
fn sources_outside_of_the_ranges_are_reset() {
    for (range, allowed) in [
        ("range=127.0.0.0/8", true),
        ("range=10.0.0.0/8", false),
        ("range=10.0.0.0/8,range=127.0.0.1", true),
        ("range=::/0", false),
    ] {
        let first = format!("tcp-listen:127.0.0.1:0,{range}");
        let mut server = start(["-v", "--fork", &first, "exec:cat"]);
        let mut client = listening(&mut server);
        // It may be reset already.
        let _ = client.write_all(b"x");
        let result = client.read_exact(&mut [0]);
        assert_eq!(result.is_ok(), allowed, "{range}: {result:?}");
        if !allowed {
            server.wait_for_log("The source is in no range that may connect");
        }
        server.signal(Signal::SIGINT);
        server.success();
    }
}

#[test]
fn a_connection_comes_from_its_local_address() {
    let (listener, address) = tcp_server();
    let relay = start(["stdio", &format!("{address},bind=127.0.0.2")]);
    let client = accept(&listener);
    let peer = client.peer_addr().expect("connected");
    assert_eq!(peer.ip().to_string(), "127.0.0.2");
    drop(client);
    relay.success();
}

#[test]
fn a_failed_connection_is_tried_again() {
    let reserved = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = reserved.local_addr().expect("bound");
    drop(reserved);
    let failed = start(["stdio", &format!("tcp:{address},retry=1")]).failure(1);
    assert!(failed.contains("Connection refused"), "{failed}");
    assert!(failed.contains('2'), "the number of attempts: {failed}");

    let relay = start(["stdio", &format!("tcp:{address},retry=1000")]);
    let listener = TcpListener::bind(address).expect("the same port");
    drop(accept(&listener));
    relay.success();
}

#[test]
fn a_connection_that_is_not_established_times_out() {
    // A backlog that is full: its packets are dropped.
    let socket = nix::sys::socket::socket(
        nix::sys::socket::AddressFamily::Inet,
        nix::sys::socket::SockType::Stream,
        nix::sys::socket::SockFlag::SOCK_CLOEXEC,
        None,
    )
    .expect("a socket");
    use std::os::fd::AsRawFd;
    let local: nix::sys::socket::SockaddrIn = "127.0.0.1:0".parse().expect("an address");
    nix::sys::socket::bind(socket.as_raw_fd(), &local).expect("bound");
    let backlog = nix::sys::socket::Backlog::new(0).expect("small");
    nix::sys::socket::listen(&socket, backlog).expect("listens");
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().expect("bound");
    let _first = connect(&address.to_string());
    let error = start(["stdio", &format!("tcp:{address},timeout=0.2")]).failure(1);
    assert_eq!(
        error,
        format!("Unable to connect to tcp:{address} in 200ms")
    );
}

#[test]
fn a_command_gets_the_addresses_of_its_peer() {
    let print = "exec:sh -c 'echo $QIO_PEER_ADDR $QIO_PEER_PORT $QIO_SOCK_ADDR $QIO_SOCK_PORT'";
    let mut command = crate::process::relay();
    command.args(["-v", "--fork", "tcp-listen:127.0.0.1:0", print]);
    command.env("QIO_PEER_PID", "1");
    let mut server = Running::new(command.stdin(Stdio::null()));
    let client = listening(&mut server);
    let (local, peer) = (
        client.local_addr().expect("connected"),
        client.peer_addr().expect("connected"),
    );
    client.shutdown(Shutdown::Write).expect("connected");
    let printed = String::from_utf8(rest(&client)).expect("text");
    let expected = format!(
        "{} {} {} {}\n",
        local.ip(),
        local.port(),
        peer.ip(),
        peer.port()
    );
    assert_eq!(printed, expected);
    server.signal(Signal::SIGINT);
    server.success();

    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("socket");
    let first = format!("unix-listen:{}", path.display());
    let print = "exec:sh -c 'echo $QIO_PEER_PID $QIO_PEER_UID $QIO_PEER_ADDR'";
    let mut server = start(["-v", &first, print]);
    server.wait_for_log("listening on unix:");
    let printed = rest(connect_unix(&path));
    let expected = format!("{} {}\n", std::process::id(), nix::unistd::getuid());
    assert_eq!(String::from_utf8_lossy(&printed), expected);
    server.success();
}

/// Of GIO's resolvers, the one that reads the environment.
#[test]
fn each_connection_goes_through_the_proxy_of_the_environment() {
    // Loads the modules of GIO.
    gio::ProxyResolver::default();
    let resolvers = gio::IOExtensionPoint::lookup("gio-proxy-resolver").expect("of GIO");
    if resolvers.extension_by_name("libproxy").is_none() {
        skip::skip(format_args!("no libproxy in GIO"));
        return;
    }
    let (proxy, address) = tcp_server();
    let port = address.strip_prefix("tcp:").expect("over TCP");
    let mut command = Command::new(qio());
    command.env("GIO_USE_PROXY_RESOLVER", "libproxy");
    command.env("http_proxy", format!("http://{port}")).args([
        "relay",
        "-v",
        "--fork",
        "tcp-listen:127.0.0.1:0",
        "tcp:127.0.0.1:9",
    ]);
    let mut server = Running::new(command.stdin(Stdio::null()));
    let address = server.wait_for_log("listening on tcp:");
    for _ in 0..2 {
        let client = connect(&address);
        let mut through = accept(&proxy);
        let mut request = [0; 24];
        through.read_exact(&mut request).expect("a request");
        assert_eq!(&request, b"CONNECT 127.0.0.1:9 HTTP");
        drop(through);
        // The end, or a reset.
        let _ = (&client).read(&mut [0]);
    }
    server.signal(Signal::SIGINT);
    server.success();
}

#[test]
fn sockets_of_the_service_manager_are_listened_on() {
    needs!("systemd");
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("socket");
    let mut command = Command::new("systemd-socket-activate");
    command
        .arg(format!("--listen={}", path.display()))
        .arg("--fdname=service")
        .arg(qio())
        .args(["relay", "systemd:service", "exec:cat"]);
    let server = Running::new(command.stdin(Stdio::null()));
    let deadline = std::time::Instant::now() + TIMEOUT;
    while !path.exists() {
        assert!(std::time::Instant::now() < deadline, "no socket");
        thread::yield_now();
    }
    let mut client = connect_unix(&path);
    client.write_all(b"activated").expect("connected");
    client.shutdown(Shutdown::Write).expect("connected");
    assert_eq!(rest(client), b"activated");
    assert!(server.end().status.success());

    let error = start(["systemd:other", "exec:cat"]).failure(1);
    assert_eq!(error, "The service manager has passed no socket other");
}
