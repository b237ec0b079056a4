//! Descriptors as addresses.

use super::*;

fn set_cloexec(fd: &OwnedFd, cloexec: bool) {
    let mut flags = FdFlag::empty();
    flags.set(FdFlag::FD_CLOEXEC, cloexec);
    fcntl(fd, FcntlArg::F_SETFD(flags)).expect("open");
}

fn fd_of(fd: &OwnedFd) -> NetAddress {
    NetAddress::fd(fd.as_raw_fd()).expect("a number")
}

#[test]
fn a_descriptor_from_outside_is_shared_and_left_open() {
    // No child of another test may inherit it.
    alone(
        "net::address::open::descriptors::a_descriptor_from_outside_is_shared_and_left_open",
        || {
            let (read, write) = nix::unistd::pipe().expect("a pipe");
            set_cloexec(&write, false);
            let channel = fd_of(&write).connect().expect("a channel");
            let file = channel.downcast_ref::<ChannelFile>().expect("a file");
            assert_ne!(file.fd(), write.as_raw_fd());
            assert!(file.with_fd(fds::is_cloexec).expect("open"));
            channel.write_all(b"x").expect("written");
            let before = fds::count();
            channel.close().expect("closed");
            assert_eq!(fds::count(), before - 1);
            let address = fd_of(&write);
            let channel = on_loop(move || address.connect_future());
            assert!(channel.expect("a channel").is::<ChannelFile>());
            nix::unistd::write(&write, b"y").expect("still open");
            drop(write);
            let read = ChannelFile::new_fd(read);
            let mut all = [0; 2];
            read.read_all(&mut all).expect("both");
            assert_eq!((&all, read.read(&mut [0]).expect("the end")), (b"xy", 0));
        },
    );
}

#[test]
fn a_socket_from_outside_is_a_socket() {
    alone(
        "net::address::open::descriptors::a_socket_from_outside_is_a_socket",
        || {
            let (one, other) = std::os::unix::net::UnixStream::pair().expect("a pair");
            let other = OwnedFd::from(other);
            set_cloexec(&other, false);
            let channel = fd_of(&other).connect().expect("a channel");
            assert!(channel.is::<ChannelSocket>());
            // Processes that have a duplicate of the descriptor see the end because of this.
            channel.shutdown(Shutdown::Write).expect("shut down");
            let peer = ChannelSocket::new_fd(one.into()).expect("a socket");
            assert_eq!(in_time(move || peer.read(&mut [0])).expect("the end"), 0);
            let e = fd_of(&other).listen(1).expect_err("does not listen");
            assert_eq!(
                e.to_string(),
                format!(
                    "Unable to listen on fd:{}: the socket is not listening",
                    other.as_raw_fd()
                )
            );
            assert!(to_glib_error(&e).matches(gio::IOErrorEnum::InvalidArgument));
        },
    );
}

#[test]
fn a_listening_socket_from_outside_is_listened_on() {
    alone(
        "net::address::open::descriptors::a_listening_socket_from_outside_is_listened_on",
        || {
            let listener = tcp("127.0.0.1", 0).listen(4).expect("listens");
            let fd = listener
                .with_fd(|fd| fd.try_clone_to_owned())
                .expect("open");
            let fd = fd.expect("a descriptor");
            set_cloexec(&fd, false);
            let address = address_of(&listener);
            listener.close().expect("closed");
            let adopted = fd_of(&fd).listen(0).expect("listens");
            check_connects(&address, &adopted);
            let listener = NetListener::new();
            listener.open_address(&fd_of(&fd), 0).expect("listens");
            adopted.close().expect("closed");
            let client = address.connect().expect("connects");
            let server = in_time(move || listener.wait_client()).expect("accepted");
            client.write_all(b"x").expect("written");
            server.read_all(&mut [0]).expect("read");
        },
    );
}

#[test]
fn descriptors_of_other_code_are_left_open() {
    let (_read, write) = std::io::pipe().expect("a pipe");
    assert!(fds::is_cloexec(write.as_fd()));
    let number = write.as_raw_fd();
    let e = NetAddress::fd(number).expect("a number").connect();
    assert_eq!(
        e.expect_err("private").to_string(),
        format!(
            "Unable to use fd:{number}: it is close-on-exec: this process was not started with it"
        )
    );
    let e = NetAddress::fd(i32::MAX).expect("a number").connect();
    assert_eq!(
        e.expect_err("not open").to_string(),
        "Unable to use fd:2147483647: Bad file descriptor"
    );
}

#[test]
fn a_descriptor_is_no_address_of_gio() {
    let e = parsed("fd:3").to_connectable().expect_err("no address");
    assert_eq!(e.kind(), ErrorKind::InvalidInput);
    assert_eq!(
        e.to_string(),
        "There is no socket address for fd:3: it is connected already"
    );
}
